"""Who may do what: every role, action and state of a case as one table, and whatever else is tried at random."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import MalformedRecord, UsageError
from schemas.topics import DAY_MS
from streams.forensic.permission import (
    ACTIONS,
    MAY,
    ROLES,
    Person,
    Role,
    Seen,
    approve_refusal,
    case_refusal,
    change_refusal,
    may_read,
    role_refusal,
    roles_of,
    search_refusal,
    subject_refusal,
)
from streams.forensic.terms import Approval, Case, Rules, Scope, Terms, checked, counts, read_terms, state

NOW = 1_700_000_000_000
SCOPE = Scope(("gate-1", "gate-2"), NOW - DAY_MS, NOW, ("face",))
TERMS = Terms("17", 1, "missing person", "court order", SCOPE, "subject", False, ("anna", "ben"), NOW + DAY_MS, "anna",
              NOW - 1000)
APPROVAL = Approval(TERMS.digest, "cora", NOW - 500, NOW + 1000)
CASE = Case(TERMS, (APPROVAL,))
CASES = {
    "open": CASE,
    "waiting": Case(TERMS),
    "expired": Case(replace(TERMS, expires_ms=NOW), (replace(APPROVAL, digest=replace(TERMS, expires_ms=NOW).digest),)),
    "closed": replace(CASE, closed_ms=NOW - 1),
    "none": None,
}
UNDER_A_CASE = ("search-face", "search-plate", "restore", "export", "erase", "picture")
RULES = Rules()


def person(name: str, *roles: Role, disabled: bool = False) -> Person:
    return Person(name, name, frozenset(roles), disabled, (name,))


def test_every_role_action_and_state_lets_through_only_what_the_table_says() -> None:
    """By hand: an investigator of the team, under an open case; nothing else, in 5 x 6 x 5 combinations."""
    through = {
        (role, action, name)
        for role in ROLES for action in UNDER_A_CASE for name, case in CASES.items()
        if not case_refusal(person("anna", role), action, case, NOW, RULES)  # type: ignore[arg-type]
    }
    assert through == {("investigator", action, "open") for action in UNDER_A_CASE}


@pytest.mark.parametrize("role", ROLES)
def test_role_may_call_what_the_table_says(role: Role) -> None:
    expected = {
        "investigator": {*UNDER_A_CASE, "case-open", "case-change", "case-close", "case-read", "hold-read",
                         "log-info"},
        "approver": {"case-approve", "case-close", "case-read", "hold-read", "hold-change", "log-info"},
        "auditor": {"case-read", "hold-read", "people-read", "log-read", "log-info"},
        "admin": {"case-close", "case-read", "hold-read", "people-read", "people-change", "log-info"},
        "keeper": {"log-info"},
    }[role]
    assert {action for action in ACTIONS if not role_refusal(person("x", role), action)} == expected
    assert all(role_refusal(person("x", role, disabled=True), action) for action in ACTIONS)
    assert set(MAY) == set(ACTIONS)


@pytest.mark.parametrize(("change", "word"), [
    ({"digest": b"x" * 32}, "waiting"), ({"approver": "anna"}, "waiting"), ({"approver": "ben"}, "waiting"),
    ({"until_ms": NOW}, "waiting"), ({"approved_ms": NOW + 1}, "waiting"), ({"valid": False}, "waiting"), ({}, "open"),
])
def test_approval_counts_only_of_these_terms_by_another_person_in_time(change: dict[str, object], word: str) -> None:
    assert state(Case(TERMS, (replace(APPROVAL, **change),)), NOW, RULES) == word  # type: ignore[arg-type]


def test_one_person_policy_needs_no_approval_but_all_else() -> None:
    alone = Rules(second_person=False)
    assert state(Case(TERMS), NOW, alone) == "open"
    assert state(Case(TERMS), TERMS.expires_ms, alone) == "expired"
    assert case_refusal(person("eve", "investigator"), "restore", Case(TERMS), NOW, alone)


@pytest.mark.parametrize(("who", "digest", "why"), [
    (person("cora", "approver"), TERMS.digest, "exactly this already"),
    (person("dora", "approver"), TERMS.digest, ""),
    (person("dora", "approver"), replace(TERMS, revision=2).digest, "changed since"),
    (person("dora", "investigator"), TERMS.digest, "case-approve is for approver"),
    (person("anna", "investigator", "approver"), TERMS.digest, "another person"),
    (person("ben", "approver"), TERMS.digest, "another person"),
    (person("dora", "approver", disabled=True), TERMS.digest, "disabled"),
])
def test_approving_needs_another_person_and_these_terms(who: Person, digest: bytes, why: str) -> None:
    said = approve_refusal(who, CASE, digest, NOW)
    assert why in said and bool(why) == bool(said)


def test_changing_is_for_the_team_and_closing_for_those_who_oversee_too() -> None:
    for name, role, change, close in (
        ("anna", "investigator", True, True), ("eve", "investigator", False, False), ("cora", "approver", False, True),
        ("x", "admin", False, True), ("x", "auditor", False, False),
    ):
        who = person(name, role)  # type: ignore[arg-type]
        assert bool(change_refusal(who, "case-change", CASE)) is not change
        assert bool(change_refusal(who, "case-close", CASE)) is not close
        assert change_refusal(who, "case-close", CASES["closed"])
    assert may_read(person("ben", "investigator"), CASE) and not may_read(person("eve", "investigator"), CASE)


@pytest.mark.parametrize(("cameras", "first", "last", "kind", "through"), [
    (None, None, None, "face", True), (["gate-1"], None, None, "face", True), (["gate-3"], None, None, "face", False),
    (["gate-1", "gate-3"], None, None, "face", False), (["*"], None, None, "face", False),
    (None, NOW + 1, None, "face", False), (None, None, NOW - 2 * DAY_MS, "face", False),
    (None, NOW - DAY_MS, NOW, "face", True), (None, NOW - DAY_MS - 1, NOW, "face", False),
    (None, NOW - 5, NOW + 1, "face", False), (None, 0, None, "face", False), (None, None, None, "plate", False),
])
def test_search_is_held_within_the_scope(
    cameras: list[str] | None, first: int | None, last: int | None, kind: str, through: bool
) -> None:
    assert (not search_refusal(SCOPE, kind, cameras, first, last)) is through  # type: ignore[arg-type]


SUBJECT = Seen("v/s1", "gate-1", "face", NOW - 100, NOW, (NOW - 200, NOW), frozenset({"face"}))


@pytest.mark.parametrize(("change", "everyone", "shows", "through"), [
    ({}, False, "subject", True), ({}, False, "nobody", False), ({}, True, "subject", False),
    ({}, True, "everyone", True),
    ({"camera_id": "gate-3"}, False, "everyone", False), ({"kind": "plate"}, False, "everyone", False),
    ({"to_ms": NOW + 1}, False, "everyone", False), ({"from_ms": NOW - DAY_MS - 1}, False, "everyone", False),
    ({"others": frozenset({"face", "plate"})}, True, "everyone", False),
    ({"video": (NOW - 200, NOW + 1)}, True, "everyone", False),
    ({"video": (NOW - 200, NOW + 1)}, False, "subject", True),
    ({"others": frozenset({"face", "plate"})}, False, "subject", True),
])
def test_restoration_is_held_within_the_terms(
    change: dict[str, object], everyone: bool, shows: str, through: bool
) -> None:
    terms, subject = replace(TERMS, shows=shows), replace(SUBJECT, **change)  # type: ignore[arg-type]
    assert (not subject_refusal(terms, "restore", subject, everyone)) is through
    assert subject_refusal(terms, "erase", subject, False)
    if not everyone and through:  # a search by the subject shows nobody
        assert not subject_refusal(replace(terms, shows="nobody"), "search-face", subject, False)


names = st.sampled_from(["anna", "ben", "cora", "dora"])
times = st.integers(NOW - 3 * DAY_MS, NOW + 3 * DAY_MS)
cameras = st.lists(st.sampled_from(["gate-1", "gate-2", "gate-3"]), min_size=1, max_size=3)
kinds = st.sampled_from(["face", "plate"])
terms = st.builds(
    replace, st.just(TERMS), revision=st.integers(1, 3), team=st.just(("anna",)), expires_ms=times,
    shows=st.sampled_from(["nobody", "subject", "everyone"]),
    scope=st.builds(Scope, cameras.map(tuple), times, times, st.lists(kinds, min_size=1).map(tuple)),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any case: with approvals of its own digest or another, by anybody, at any time."""
    said = draw(terms)
    approvals = draw(st.lists(st.builds(
        Approval, st.sampled_from([said.digest, TERMS.digest, b""]), names, times, times, st.booleans()
    ), max_size=2))
    return Case(said, tuple(approvals), draw(st.none() | times))


@given(cases(), names, st.sets(st.sampled_from(ROLES), max_size=2), st.booleans(), times, st.builds(
    Seen, st.just("v/s1"), st.sampled_from(["gate-1", "gate-2", "gate-3"]), kinds, times, times,
    st.tuples(times, times), st.frozensets(kinds, min_size=1),
), st.booleans())
@settings(max_examples=400, deadline=None)
def test_nothing_outside_the_rules_is_restored(
    case: Case, who: str, roles: set[Role], disabled: bool, now: int, subject: Seen, everyone: bool
) -> None:
    """The rules once more, from the other side: what got through has all of them."""
    actor = Person(who, who, frozenset(roles), disabled)
    if case_refusal(actor, "restore", case, now, RULES) or subject_refusal(case.terms, "restore", subject, everyone):
        return
    said = case.terms
    assert "investigator" in roles and not disabled and who in said.team
    assert case.closed_ms is None and now < said.expires_ms
    assert any(a.digest == said.digest and a.approver not in said.team and a.valid and a.approved_ms <= now < a.until_ms
               for a in case.approvals)
    assert subject.camera_id in said.scope.cameras and subject.kind in said.scope.kinds
    assert said.scope.from_ms <= subject.from_ms <= subject.to_ms <= said.scope.to_ms
    assert said.shows == "everyone" or (said.shows == "subject" and not everyone)
    assert not everyone or subject.others <= set(said.scope.kinds)
    assert not everyone or said.scope.from_ms <= subject.video[0] <= subject.video[1] <= said.scope.to_ms


@given(terms, terms)
@settings(max_examples=100, deadline=None)
def test_terms_read_back_and_differ_by_digest(one: Terms, other: Terms) -> None:
    assert read_terms(one.canonical()) == one
    assert (one.digest == other.digest) is (one == other)
    assert not counts(replace(APPROVAL, digest=other.digest), one, NOW) or one == other


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", TERMS.canonical() + b" ", TERMS.canonical()[:-1],
                                 TERMS.canonical().replace(b'"revision":1', b'"revision":1,"revision":1')])
def test_terms_that_are_not_canonical_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedRecord):
        read_terms(raw)


@pytest.mark.parametrize("change", [
    {"case_id": "../17"}, {"case_id": ""}, {"case_id": "a/b"}, {"case_id": "x" * 65}, {"title": " "},
    {"basis": "a\x00b"},
    {"title": "x" * 201}, {"expires_ms": NOW}, {"expires_ms": NOW + 181 * DAY_MS}, {"shows": "all"},
    {"scope": replace(SCOPE, cameras=())}, {"scope": replace(SCOPE, cameras=("*", "gate-1"))},
    {"scope": replace(SCOPE, to_ms=0)}, {"scope": replace(SCOPE, kinds=("head",))}, {"scope": replace(SCOPE, kinds=())},
    {"scope": replace(SCOPE, cameras=("a\nb",))}, {"team": tuple(map(str, range(51)))},
])
def test_terms_that_cannot_be_are_wrong_use(change: dict[str, object]) -> None:
    assert checked(TERMS, NOW, RULES) == TERMS
    with pytest.raises(UsageError):
        checked(replace(TERMS, **change), NOW, RULES)  # type: ignore[arg-type]


def test_roles_are_named_and_known() -> None:
    assert roles_of(["approver"]) == {"approver"}
    for wrong in ([], ["root"], ["approver", "root"]):
        with pytest.raises(UsageError):
            roles_of(wrong)
