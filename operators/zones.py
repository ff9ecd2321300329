"""Zones of a picture: what one is, and who may say that nothing is masked in it.

Always-masked zones raise protection: a setting is enough. Never-masked ones lower it, so they rest on a statement that
two different approvers have signed, and that ends. What doesn't hold is refused; nothing here reads a clock or a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from operators.routes import is_named
from operators.sign import SigningKey, check, digest, sign
from schemas.codec import decode, encode
from schemas.errors import BadSignature, ConfigError, MalformedRecord
from schemas.records import Approval, ApprovedZones, Rectangle, Signed, ZoneStatement
from schemas.topics import DAY_MS

SIGNED_AS = "bare_zones"
NEEDED = 2
LONGEST_DAYS = 366
LAST_MS = 4_102_444_800_000
Zone = tuple[float, float, float, float]
"""A rectangle as shares of width and height: left, top, right, bottom."""


def is_zone(zone: Zone) -> bool:
    """Whether it is a rectangle inside the picture."""
    left, top, right, bottom = zone
    return 0 <= left < right <= 1 and 0 <= top < bottom <= 1


@dataclass(frozen=True, slots=True)
class BareZones:
    """Never-masked zones that two approvers vouch for; only `accepted` builds them. `statement`: digest of its body."""

    cameras: tuple[str, ...]
    zones: tuple[Rectangle, ...]
    from_ms: int
    until_ms: int
    statement: bytes

    def hold(self, camera_id: str, start_ms: int, end_ms: int) -> bool:
        """Whether they hold at this camera for all of this time."""
        return self.from_ms <= start_ms and end_ms < self.until_ms and is_named(camera_id, self.cameras)


def propose(statement: ZoneStatement) -> ApprovedZones:
    """A statement that nobody has signed yet.

    Raises:
        ConfigError: it couldn't ever be accepted.

    """
    _check_statement(statement)
    return ApprovedZones(encode(statement))


def stated(zones: ApprovedZones) -> ZoneStatement:
    """What the signatures are about.

    Raises:
        ConfigError: it doesn't parse, holds more than this release knows, or couldn't ever be accepted.

    """
    try:
        statement = decode(ZoneStatement, zones.body)
    except MalformedRecord as error:
        raise ConfigError("the statement doesn't parse: make a new one with `sealframe zones propose`") from error
    if encode(statement) != zones.body:
        raise ConfigError("the statement holds something that this release doesn't know")
    _check_statement(statement)
    return statement


def approve(zones: ApprovedZones, key: SigningKey) -> ApprovedZones:
    """With one more signature.

    Raises:
        ConfigError: signed by this key before, or a signature in it doesn't hold.

    """
    stated(zones)
    for approval in zones.approvals:
        _check_approval(zones, approval)
    if key.public in {approval.approver for approval in zones.approvals}:
        raise ConfigError("this key has signed already: the second signature must be another approver's")
    made = Approval(key.public, sign(zones.body, SIGNED_AS, key).signature)
    return replace(zones, approvals=(*zones.approvals, made))


def accepted(zones: ApprovedZones, approvers: Mapping[str, bytes], now_ms: int) -> BareZones:
    """The zones, if two different approvers (name to Ed25519 public key) vouch for them and they aren't over.

    Raises:
        ConfigError: too few approvers, an unknown, doubled or broken signature, or an expired statement.

    """
    if len(approvers) < NEEDED or len(set(approvers.values())) < len(approvers):
        raise ConfigError("never-masked zones need at least two approvers with keys of their own in the settings")
    statement = stated(zones)
    for approval in zones.approvals:
        if approval.approver not in approvers.values():
            raise ConfigError(f"signed by a key that isn't an approver's: {approval.approver.hex()}")
        _check_approval(zones, approval)
    signers = {approval.approver for approval in zones.approvals}
    if len(signers) < max(NEEDED, len(zones.approvals)):
        raise ConfigError(f"signed by {len(signers)} of the two different approvers that are needed: "
                          "let another one run `sealframe zones sign`")
    if now_ms >= statement.until_ms:
        raise ConfigError("expired: take the statement out of the settings, or have a new one signed")
    return BareZones(statement.cameras, statement.zones, statement.from_ms, statement.until_ms, digest(zones.body))


def _check_approval(zones: ApprovedZones, approval: Approval) -> None:
    try:
        check(Signed(zones.body, approval.approver, approval.signature), SIGNED_AS, approval.approver)
    except BadSignature as error:
        raise ConfigError("a signature doesn't hold: the statement was changed after it was signed") from error


def _check_statement(statement: ZoneStatement) -> None:
    if not statement.cameras or not all(statement.cameras) or not statement.reason.strip():
        raise ConfigError("never-masked zones name at least one camera, and their reason")
    rectangles = [(one.left, one.top, one.right, one.bottom) for one in statement.zones]
    if not rectangles or not all(map(is_zone, rectangles)):
        raise ConfigError("a zone is left, top, right, bottom as shares of the picture, 0 to 1; there is at least one")
    lasts = statement.until_ms - statement.from_ms
    if not 0 <= statement.from_ms < LAST_MS or not 0 < lasts <= LONGEST_DAYS * DAY_MS:
        raise ConfigError(f"never-masked zones end after they begin, and at most {LONGEST_DAYS} days later")
