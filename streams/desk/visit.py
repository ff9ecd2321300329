"""Who visits the desk, and what every page shows them. That a form is ours, the door looks to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from streams.forensic.door import Door, principal, session_of
from streams.forensic.permission import MAY, Action, Person

NAV: tuple[tuple[str, str, Action], ...] = (
    ("/cases", "Cases", "case-read"), ("/restorations", "Restorations", "restore"),
    ("/approvals", "Approvals", "case-approve"), ("/holds", "Holds", "hold-read"), ("/log", "Access log", "log-read"),
    ("/people", "People", "people-read"),
)


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
        return {"person": person, "nav": nav, "csrf": self.door.csrf(request), "signed_in": signed_in,
                "sign_in": self._sign_in}


def may(person: Person | None, action: Action) -> bool:
    """Their role may call this at all."""
    return bool(person and person.roles & MAY[action])
