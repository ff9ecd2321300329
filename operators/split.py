"""Split a chunk's evidence: who gets which parts.

A piece goes to every authority that is entitled to the kinds of all tracks that claim it; one that nobody is entitled
to goes to the custodian, and so do frames masked whole and sound. A track's first mapping goes to the authorities of
its kind.
Which kinds an authority is entitled to may differ from chunk to chunk (`routes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from operators.desensitise.policy import Policy
from operators.routes import entitled
from operators.seal import OpenPart
from schemas.codec import encode
from schemas.frames import FrameChunk
from schemas.records import CUSTODIAN, MappedRegion, Piece, TrackMapping
from schemas.regions import Place, RegionSet


@dataclass(frozen=True, slots=True)
class Keyed:
    """What undoes keyed methods in part: the appearance key of each track, the blocks it claims by frame and track."""

    keys: Mapping[int, bytes]
    blocks: Mapping[Place, tuple[int, int, int, int]]


NOT_KEYED = Keyed(MappingProxyType({}), MappingProxyType({}))


def route(
    chunk: FrameChunk, regions: RegionSet, pieces: Sequence[Piece], policy: Policy, keyed: Keyed = NOT_KEYED
) -> dict[str, tuple[OpenPart, ...]]:
    """Parts for each authority, and for the custodian if there is one; who gets none has an empty entry."""
    mappings = first_mappings(chunk, regions, keyed)
    granted = entitled(policy.authorities, policy.routes, policy.gradings, chunk.camera_id, regions)
    parts: dict[str, tuple[OpenPart, ...]] = {}
    for name, kinds in granted.items():
        mine = [_part("mapping", (m.kind,), m) for m in mappings if m.kind in kinds]
        mine += [_part("piece", p.kinds, p) for p in pieces if kinds.issuperset(p.kinds)]
        parts[name] = tuple(mine)
    if policy.custodian:
        orphans = [p for p in pieces if not any(k.issuperset(p.kinds) for k in granted.values())]
        sound = [OpenPart("sound", (), chunk.audio)] if chunk.audio else []
        parts[CUSTODIAN] = (*(_part("piece", p.kinds, p) for p in orphans), *sound)
    return parts


def first_mappings(chunk: FrameChunk, regions: RegionSet, keyed: Keyed = NOT_KEYED) -> tuple[TrackMapping, ...]:
    """Where each track was, frame by frame; frames masked whole have no positions."""
    tracks: dict[int, tuple[str, list[MappedRegion]]] = {}
    for index, frame in enumerate(regions.frames):
        for region in () if index in regions.failed else frame:
            blocks = keyed.blocks.get((index, region.track), ())
            mapped = MappedRegion(
                chunk.first_frame + index, region.box, region.score, region.source, region.landmarks, blocks
            )
            tracks.setdefault(region.track, (region.kind, []))[1].append(mapped)
    return tuple(
        TrackMapping(track, kind, tuple(mapped), keyed.keys.get(track, b""))
        for track, (kind, mapped) in sorted(tracks.items())
    )


def _part(part_type: str, kinds: Sequence[str], value: TrackMapping | Piece) -> OpenPart:
    return OpenPart(part_type, tuple(sorted(kinds)), encode(value))
