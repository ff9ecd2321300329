"""People and an open case for tests that search and restore: as in production, nothing goes without."""

from __future__ import annotations

from infra.postgres import Database, DatabaseAccess
from schemas.topics import DAY_MS
from streams.clock import now_ms
from streams.forensic.cases import Draft
from streams.forensic.gate import Gate, Ground
from streams.forensic.log import AccessLog
from streams.forensic.people import set_up
from streams.forensic.terms import ALL_CAMERAS, Rules, Scope

GROUND = Ground("inspector", "case-7", "test")
PEOPLE = {"inspector": "investigator", "investigator-anna": "investigator", "investigator-ben": "investigator",
          "approver-cora": "approver", "auditor-dan": "auditor", "admin-eve": "admin"}
EVER = Scope(ALL_CAMERAS, 0, 2**53, ("face", "plate"))


def gate(database: Database, rules: Rules | None = None) -> Gate:
    """A gate in whose database all of `PEOPLE` are, by the wall clock."""
    set_up(database, now_ms, {principal: (principal, role) for principal, role in PEOPLE.items()})
    return Gate(database, AccessLog(database, now_ms), rules)


def open_case(
    database: Database, ground: Ground = GROUND, scope: Scope = EVER, *, shows: str = "everyone", erases: bool = True
) -> Ground:
    """Open the ground's case as its actor and approve it as another person, where there is none yet."""
    made = gate(database)
    if made.cases.get(ground.case) is None:
        person = made.people.get(ground.actor)
        approver = made.people.get("approver-cora")
        assert person and approver
        draft = Draft("a test", "test order", scope, now_ms() + DAY_MS, shows, erases)  # type: ignore[arg-type]
        case = made.cases.open(person, draft, ground.case)
        made.cases.approve(approver, ground.case, case.terms.digest)
    return ground


def open_cases(access: DatabaseAccess, *grounds: Ground) -> None:
    """The same on a database by its access."""
    with Database(access) as database:
        for ground in grounds:
            open_case(database, ground)
