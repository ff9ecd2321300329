"""What a server is told."""

from __future__ import annotations

from typing import Any

from infra.https import caller


class Spy:
    """All that the operating platform is told in requests: who, what, headers, bodies."""

    def __init__(self, app: Any) -> None:
        self._app, self.seen = app, []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def told() -> Any:
            message = await receive()
            self.seen[-1]["body"] += message.get("body", b"")
            return message

        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.seen.append({"who": caller(scope), "method": scope["method"], "path": scope["path"],
                              "query": scope["query_string"].decode(), "headers": headers, "body": b""})
        await self._app(scope, told, send)
