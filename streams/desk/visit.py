"""Who visits the desk, what every page shows them, and that a form which changes something came from a page of ours."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Form, Request

from schemas.errors import AccessDenied
from streams.forensic.door import Door, principal, session_of, typed
from streams.forensic.gate import noted
from streams.forensic.permission import MAY, Action, Person

NAV: tuple[tuple[str, str, Action], ...] = (
    ("/cases", "Cases", "case-read"), ("/restorations", "Restorations", "restore"),
    ("/approvals", "Approvals", "case-approve"), ("/log", "Access log", "log-read"),
    ("/people", "People", "people-read"),
)
SAME_SITE = ("", "same-origin", "none")


class Visits:
    """Made once per service; `sign_in`: where browsers sign in, empty where they come by certificates alone."""

    def __init__(self, door: Door, sign_in: str = "") -> None:
        self.door, self._sign_in = door, sign_in

    def known(self, request: Request) -> Person | None:
        """Who is signed in, without asking for anything."""
        found = self.door.gate.people.by_principal(principal(request))
        return None if found is None or found.disabled else found

    def common(self, request: Request) -> Mapping[str, Any]:
        """What every page shows: who is signed in, where they may go, and the token for its forms."""
        person = self.known(request)
        nav = [(path, name) for path, name, action in NAV if person and person.roles & MAY[action]]
        signed_in = session_of(request) is not None
        return {"person": person, "nav": nav, "csrf": self.token(request), "signed_in": signed_in,
                "sign_in": self._sign_in}

    def token(self, request: Request) -> str:
        """The token that a form of this visitor carries."""
        return self.door.csrf(request)

    def genuine(self, request: Request, csrf: Annotated[str, Form()] = "") -> None:
        """Let through what was sent by a form of ours to this very visitor; else it is logged.

        Raises:
            AccessDenied: another site's form, or a page from before a restart.

        """
        site, who = request.headers.get("sec-fetch-site", ""), principal(request)
        with noted(self.door.gate.log, "form", who, "", "", {"path": typed(request.url.path)}):
            if site not in SAME_SITE or not hmac.compare_digest(csrf.encode(), self.token(request).encode()):
                raise AccessDenied("this form is out of date or isn't ours: load its page again")


def may(person: Person | None, action: Action) -> bool:
    """Their role may call this at all."""
    return bool(person and person.roles & MAY[action])
