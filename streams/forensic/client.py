"""Asks the forensic service as people do: over HTTPS with a client certificate."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from infra.atomic import AtomicFile, write_whole
from infra.https import HttpsClient
from infra.tls import Identity, signer_at
from schemas.errors import IntegrityError, RateLimited, SealframeError, SeveralFaces, UsageError
from streams.forensic.manifest import SUFFIX, verify_restoration
from streams.forensic.restorations import UNFINISHED, Wish

SECONDS, POLL_SECONDS = 600.0, 0.25
MOST_BYTES = 2**33
"""Of a subject's regions as one answer."""
Files = Sequence[tuple[str, tuple[str, bytes]]]


class ForensicClient:
    """Calls raise AccessDenied when refused, ServiceUnavailable when out of reach, UsageError for wrong arguments."""

    def __init__(self, base_url: str, identity: Identity) -> None:
        self._client = HttpsClient(base_url, identity, seconds=SECONDS)

    def search_face(
        self, picture: bytes | Sequence[bytes], case: str, purpose: str, *, cameras: Sequence[str] = (),
        from_ms: int | None = None, to_ms: int | None = None, threshold: float | None = None, face: int | None = None,
    ) -> dict[str, Any]:
        """The answer of a search by pictures of one person: matches, coverage, error rates (`search_api.answer_json`).

        Raises:
            SeveralFaces: choose one by `face`.

        """
        fields: dict[str, Any] = {"case": case, "purpose": purpose, "camera": list(cameras), "from_ms": from_ms,
                                  "to_ms": to_ms, "threshold": threshold, "face": face}
        pictures = [picture] if isinstance(picture, bytes) else picture
        return dict(self._post("/search/face", fields, [("picture", ("picture", one)) for one in pictures]).json())

    def search_subject(
        self, subject: str, case: str, purpose: str, *, cameras: Sequence[str] = (), from_ms: int | None = None,
        to_ms: int | None = None, threshold: float | None = None,
    ) -> dict[str, Any]:
        """Where else a subject is; the same answer."""
        fields: dict[str, Any] = {"subject": subject, "case": case, "purpose": purpose, "camera": list(cameras),
                                  "from_ms": from_ms, "to_ms": to_ms, "threshold": threshold}
        return dict(self._post("/search/subject", fields, ()).json())

    def search_plate(
        self, text: str, case: str, purpose: str, *, cameras: Sequence[str] = (), from_ms: int | None = None,
        to_ms: int | None = None, exact: bool = False,
    ) -> dict[str, Any]:
        """The answer of a search for a plate's text: matches, how each differs, coverage."""
        fields: dict[str, Any] = {"text": text, "case": case, "purpose": purpose, "camera": list(cameras),
                                  "from_ms": from_ms, "to_ms": to_ms, "exact": exact}
        return dict(self._post("/search/plate", fields, ()).json())

    def restored_video(
        self, subject: str, case: str, purpose: str, out: Path, *, everyone: bool = False
    ) -> dict[str, Any]:
        """Write the ZIP (0600) of the subject's regions on blank frames and their list; its log entry and digest."""
        answer = self._post("/subjects/restored-video", {
            "subject": subject, "case": case, "purpose": purpose, "everyone": everyone,
        }, ())
        write_whole(out, answer.content, secret=True)
        return {"entry": int(answer.headers["X-Sealframe-Entry"]), "digest": answer.headers["X-Sealframe-Digest"]}

    def package(self, subject: str, case: str, purpose: str, recipient: str, out: Path) -> dict[str, Any]:
        """Write the subject's regions (0600), sealed for a public key; what is in the file, with the plate's number."""
        answer = self._post("/subjects/package", {
            "subject": subject, "case": case, "purpose": purpose, "recipient": recipient,
        }, ())
        write_whole(out, answer.content, secret=True)
        return dict(json.loads(answer.headers["X-Sealframe-Package"]))

    def erase(self, subject: str, case: str, purpose: str) -> dict[str, Any]:
        """Destroy a subject's keys and rows; what was destroyed, and the log entry that says so."""
        return dict(self._post("/subjects/erase", {"subject": subject, "case": case, "purpose": purpose}, ()).json())

    def begin(self, subject: str, case: str, purpose: str, wish: Wish, action: str = "restore") -> dict[str, Any]:
        """Ask for a restoration as a job; how it stands, with its `id`."""
        return dict(self._post("/restorations", {
            "subject": subject, "case": case, "purpose": purpose, "action": action, **asdict(wish),
        }, ()).json())

    def restoration(self, restoration_id: str) -> dict[str, Any]:
        """How a restoration stands: `state`, frames `done` of `frames`."""
        return dict(self.get(f"/restorations/{restoration_id}"))

    def wait(self, job: dict[str, Any], tell: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        """Ask until a restoration is over, and tell how it stands; it is `done`, or there are `gaps`.

        Raises:
            SealframeError: it failed, or was cancelled.

        """
        while job["state"] in UNFINISHED:
            tell(job)
            time.sleep(POLL_SECONDS)
            job = self.restoration(job["id"])
        if job["state"] not in ("done", "gaps"):
            raise SealframeError(f"restoration {job['id']} is {job['state']}. {job['error']}")
        return job

    def cancel(self, restoration_id: str) -> dict[str, Any]:
        """Stop a restoration and have destroyed what it made."""
        return dict(self._checked(self._client.request("DELETE", f"/restorations/{restoration_id}")).json())

    def fetch(self, restoration_id: str, out: Path, ca: Path) -> dict[str, Any]:
        """Write what a restoration made (0600), and its manifest beside it, once all of both is checked; the manifest.

        Raises:
            AccessDenied: the case isn't open any more.
            UsageError: it isn't done, or its time is over.
            IntegrityError: something doesn't hold; nothing is left.

        """
        manifest = dict(self.get(f"/restorations/{restoration_id}/manifest"))
        hidden = out.with_name(f".{out.name}.unchecked")
        beside = hidden.with_name(hidden.name + SUFFIX)
        try:
            write_whole(beside, json.dumps(manifest, sort_keys=True).encode(), secret=True)
            with AtomicFile(hidden, secret=True) as file:
                if file.file is not None:
                    self._checked(self._client.download(f"/restorations/{restoration_id}/file", file.file.write))
            verify_restoration(hidden, beside, signer_at(ca))
            beside.replace(out.with_name(out.name + SUFFIX))
            hidden.replace(out)
        finally:
            hidden.unlink(missing_ok=True)
            beside.unlink(missing_ok=True)
        return manifest

    def get(self, path: str) -> Any:
        """JSON of `/log`, `/log/info`, `/log/growth?old=N`, `/log/N/proof`, `/cases`, `/people`, `/me`."""
        return self._checked(self._client.get(path)).json()

    def log_entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Every entry of the log as it was hashed, with its chain value, in order; fetched page by page."""
        first = 0
        while rows := self.get(f"/log/entries?first={first}"):
            yield from ((row["entry"].encode(), bytes.fromhex(row["chain"])) for row in rows)
            first += len(rows)

    def send(self, path: str, body: Mapping[str, Any], method: str = "POST") -> Any:
        """JSON sent to `/cases`, `/people` and below (see `streams.forensic.case_api`), and what they answer."""
        return self._checked(self._client.request(method, path, json=body)).json()

    def case(self, case_id: str) -> dict[str, Any]:
        """A case with its digest, state and approvals."""
        return dict(self.get(case_path(case_id)))

    def approve(self, case_id: str, digest: str) -> dict[str, Any]:
        """Approve exactly the terms of this digest."""
        return dict(self.send(f"{case_path(case_id)}/approve", {"digest": digest}))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _post(self, path: str, fields: Mapping[str, Any], files: Files) -> httpx.Response:
        known = {name: value for name, value in fields.items() if value is not None and value != []}
        form = httpx.Request("POST", "https://form", data=known, files=files or None)
        headers = {"content-type": form.headers["content-type"]}
        return self._checked(self._client.request("POST", path, content=form.read(), headers=headers, most=MOST_BYTES))

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code in (200, 202):
            return answer
        said = answer.json()
        if said.get("error") == "SeveralFaces":
            raise SeveralFaces(said["text"], tuple(tuple(face["box"]) for face in said["faces"]))
        text = f"{said.get('error', '')}: {said.get('text') or said.get('detail') or answer.status_code}"
        kinds: dict[int, type[SealframeError]] = {
            409: IntegrityError, 422: UsageError, 404: UsageError, 405: UsageError, 429: RateLimited,
        }
        raise kinds.get(answer.status_code, SealframeError)(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def case_path(case_id: str) -> str:
    """Where the API has a case."""
    return f"/cases/{quote(case_id, safe='')}"
