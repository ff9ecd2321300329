"""Never-masked zones: no statement counts that two different approvers don't vouch for, whole and in time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from operators.sign import SigningKey, sign
from operators.zones import LONGEST_DAYS, SIGNED_AS, accepted, approve, propose, stated
from schemas.codec import encode
from schemas.errors import ConfigError
from schemas.records import Approval, ApprovedZones, Rectangle, ZoneStatement
from schemas.topics import DAY_MS

ADA, BEN, EVE = SigningKey(b"a" * 32), SigningKey(b"b" * 32), SigningKey(b"e" * 32)
APPROVERS = {"ada": ADA.public, "ben": BEN.public}
NOW = 1_700_000_000_000
SAID = ZoneStatement(("studio-*",), (Rectangle(0.5, 0, 1, 0.5),), "a wall of posters", NOW - DAY_MS, NOW + DAY_MS)


def _signed(*keys: SigningKey, said: ZoneStatement = SAID) -> ApprovedZones:
    zones = propose(said)
    for key in keys:
        zones = approve(zones, key)
    return zones


def _approval(zones: ApprovedZones, key: SigningKey, type: str = SIGNED_AS) -> Approval:
    return Approval(key.public, sign(zones.body, type, key).signature)


def test_accepted_two_approvers_make_zones_that_hold_where_and_while_they_say() -> None:
    zones = accepted(_signed(ADA, BEN), APPROVERS, NOW)
    assert zones.zones == SAID.zones
    assert zones.hold("studio-2", NOW, NOW + 1000)
    assert not zones.hold("gate-2", NOW, NOW + 1000)
    assert not zones.hold("studio-2", SAID.from_ms - 1, NOW)
    assert zones.hold("studio-2", SAID.from_ms, SAID.until_ms - 1)
    assert not zones.hold("studio-2", NOW, SAID.until_ms)


def test_accepted_says_the_same_whoever_signed_first() -> None:
    assert accepted(_signed(ADA, BEN), APPROVERS, NOW) == accepted(_signed(BEN, ADA), APPROVERS, NOW)


@pytest.mark.parametrize("keys", [(), (ADA,), (BEN,)])
def test_accepted_fewer_than_two_signatures_are_refused(keys: tuple[SigningKey, ...]) -> None:
    with pytest.raises(ConfigError, match="zones sign"):
        accepted(_signed(*keys), APPROVERS, NOW)


def test_accepted_one_person_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="already"):
        _signed(ADA, ADA)
    zones = _signed(ADA)
    doubled = replace(zones, approvals=zones.approvals * 2)
    with pytest.raises(ConfigError, match="1 of the two"):
        accepted(doubled, APPROVERS, NOW)
    with pytest.raises(ConfigError, match="keys of their own"):
        accepted(_signed(ADA, BEN), {"ada": ADA.public, "ada-again": ADA.public}, NOW)


def test_accepted_a_signer_who_is_no_approver_is_refused_even_beside_two() -> None:
    for zones in (_signed(ADA, EVE), _signed(ADA, BEN, EVE)):
        with pytest.raises(ConfigError, match="isn't an approver"):
            accepted(zones, APPROVERS, NOW)


@pytest.mark.parametrize("approvers", [{}, {"ada": ADA.public}])
def test_accepted_needs_two_approvers_in_the_settings(approvers: dict[str, bytes]) -> None:
    with pytest.raises(ConfigError, match="at least two approvers"):
        accepted(_signed(ADA, BEN), approvers, NOW)


def test_accepted_an_expired_statement_is_refused() -> None:
    assert accepted(_signed(ADA, BEN), APPROVERS, SAID.until_ms - 1)
    with pytest.raises(ConfigError, match="expired"):
        accepted(_signed(ADA, BEN), APPROVERS, SAID.until_ms)


@pytest.mark.parametrize("change", [
    {"cameras": ("*",)}, {"zones": (Rectangle(0, 0, 1, 1),)}, {"until_ms": SAID.until_ms + 1}, {"reason": "other"},
])
def test_accepted_nothing_can_be_changed_after_it_was_signed(change: dict[str, object]) -> None:
    zones = replace(_signed(ADA, BEN), body=encode(replace(SAID, **change)))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="changed after"):
        accepted(zones, APPROVERS, NOW)
    with pytest.raises(ConfigError, match="changed after"):
        approve(zones, EVE)


def test_accepted_every_flipped_bit_of_body_and_signatures_is_refused() -> None:
    zones = _signed(ADA, BEN)
    for i in range(len(zones.body)):
        body = zones.body[:i] + bytes([zones.body[i] ^ 1]) + zones.body[i + 1 :]
        with pytest.raises(ConfigError):
            accepted(replace(zones, body=body), APPROVERS, NOW)
    first, second = zones.approvals
    for i in range(64):
        signature = second.signature[:i] + bytes([second.signature[i] ^ 1]) + second.signature[i + 1 :]
        bent = replace(second, signature=signature)
        with pytest.raises(ConfigError):
            accepted(replace(zones, approvals=(first, bent)), APPROVERS, NOW)


def test_accepted_a_signature_for_something_else_is_none() -> None:
    zones = _signed(ADA)
    with pytest.raises(ConfigError, match="doesn't hold"):
        accepted(replace(zones, approvals=(*zones.approvals, _approval(zones, BEN, "operator"))), APPROVERS, NOW)


def test_stated_what_this_release_doesnt_know_isnt_overlooked() -> None:
    later = ApprovedZones(_signed().body + b"\xfa\x07\x01x")
    later = replace(later, approvals=(_approval(later, ADA), _approval(later, BEN)))
    with pytest.raises(ConfigError, match="doesn't know"):
        accepted(later, APPROVERS, NOW)


@pytest.mark.parametrize("change", [
    {"cameras": ()}, {"cameras": ("",)}, {"reason": " "}, {"zones": ()}, {"zones": (Rectangle(0.5, 0, 0.5, 1),)},
    {"zones": (Rectangle(0, 0, 1.1, 1),)}, {"zones": (Rectangle(float("nan"), 0, 1, 1),)},
    {"until_ms": SAID.from_ms}, {"until_ms": SAID.from_ms + LONGEST_DAYS * DAY_MS + 1}, {"from_ms": -1},
])
def test_propose_what_couldnt_be_accepted_is_refused_and_so_is_signing_it(change: dict[str, object]) -> None:
    said = replace(SAID, **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        propose(said)
    with pytest.raises(ConfigError):
        stated(ApprovedZones(encode(said)))
