"""Never-masked zones at the rim: their files, and which of them hold for settings and the clock of now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.atomic import write_whole
from infra.framing import ZONES, framed, read_framed
from infra.recipients import read_approver
from operators.zones import BareZones, Zone, accepted, is_zone
from schemas.codec import decode, encode
from schemas.errors import ConfigError, MalformedRecord, UsageError
from schemas.records import ApprovedZones


def bare_zones(
    files: Sequence[Path], approvers: Mapping[str, str], now_ms: int | None = None
) -> tuple[BareZones, ...]:
    """The never-masked zones of these files, checked against the approvers of the settings and the time (None: now).

    Raises:
        ConfigError: one can't be read, or two approvers don't vouch for it now. Nothing starts then: a zone that is
            left out in silence would mask what somebody relies on, one that is let in would bare people.

    """
    keys = approver_keys(approvers) if files else {}
    now_ms, found = time.time_ns() // 1_000_000 if now_ms is None else now_ms, []
    for path in files:
        try:
            found.append(accepted(read_zones(path), keys, now_ms))
        except ConfigError as error:
            raise ConfigError(f"never-masked zones {path.name}: {error}") from error
    return tuple(found)


def approver_keys(approvers: Mapping[str, str]) -> dict[str, bytes]:
    """Name to public key (Ed25519, 32 bytes); raises ConfigError for what isn't a key."""
    return {name: read_approver(text, f"approver {name}") for name, text in approvers.items()}


def read_zones(path: Path) -> ApprovedZones:
    """The statement in a file, with its signatures as they are.

    Raises:
        ConfigError: no such file, or another one.

    """
    try:
        with path.open("rb") as file:
            (data,) = read_framed(file, ZONES)
        return decode(ApprovedZones, data)
    except (OSError, ValueError, MalformedRecord) as error:
        raise ConfigError(f"{path.name} can't be read: make it with `sealframe zones propose`") from error


def write_zones(path: Path, zones: ApprovedZones) -> None:
    """Put a statement with its signatures into a file, whole or not at all."""
    write_whole(path, ZONES + framed(encode(zones)))


def zone_of(text: str) -> Zone:
    """A zone from `left,top,right,bottom`.

    Raises:
        UsageError: it isn't one.

    """
    try:
        left, top, right, bottom = map(float, text.split(","))
        if not is_zone((left, top, right, bottom)):
            raise ValueError
    except ValueError:
        raise UsageError(f"zone {text!r}: left,top,right,bottom are shares, such as 0,0,0.25,0.5") from None
    return left, top, right, bottom
