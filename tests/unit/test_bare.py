"""What never-masked zones leave bare: what lies wholly inside, in that frame, at that camera, until they end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from operators.bare import hidden, left_bare
from operators.desensitise.policy import Policy, Site
from operators.masks import unpack_masks
from operators.pipeline import Outgoing, Pipeline
from operators.sign import SigningKey
from operators.zones import accepted, approve, propose
from schemas.codec import decode
from schemas.frames import FrameChunk
from schemas.records import CUSTODIAN, OperatorBody, OperatorChunk, Rectangle, TrackMapping, ZoneStatement
from schemas.regions import Region, RegionSet, RegionSource
from schemas.state import CameraState
from tests.support.scenes import FACE, FORMAT, chunk

ADA, BEN = SigningKey(b"a" * 32), SigningKey(b"b" * 32)
W, H = FORMAT.width, FORMAT.height
RIGHT = Rectangle(0.5, 0, 1, 1)
COUNT = 6
WALL, GUEST = (112, 40), (16, 40)
CHUNK = chunk([[WALL, GUEST]] * COUNT)
UNTIL = CHUNK.capture_ms + 3_600_000


def _policy(*zones: Rectangle, cameras: tuple[str, ...] = ("cam",), until_ms: int = UNTIL, **other: object) -> Policy:
    said = ZoneStatement(cameras, zones or (RIGHT,), "a poster", 0, until_ms)
    made = accepted(approve(approve(propose(said), ADA), BEN), {"a": ADA.public, "b": BEN.public}, 0)
    return Policy({"faces": frozenset({"face"})}, bare=(made,), padding=0.1, doubt=0.2, **other)  # type: ignore[arg-type]


def _face(x: float, y: float, track: int = 1, source: RegionSource = "detected", side: float = FACE) -> Region:
    return Region(track, "face", (x, y, x + side, y + side), 0.9, source)


def _set(*frames: tuple[Region, ...], failed: frozenset[int] = frozenset()) -> RegionSet:
    return RegionSet("cam", "cam-video", 0, frames, failed)


def _bare(policy: Policy, *frames: tuple[Region, ...], failed: frozenset[int] = frozenset()) -> set[tuple[int, int]]:
    return set(left_bare(_set(*frames, failed=failed), CHUNK, policy).places)


@pytest.mark.parametrize(("x", "found"), [
    (100, True),   # from 96.4 with its padding
    (84, True),    # from 80.4, the zone begins at 80
    (83, False),   # from 79.4
    (64, False),   # half of it inside
    (16, False),
])
def test_left_bare_only_what_lies_inside_with_all_its_padding(x: int, found: bool) -> None:
    assert bool(_bare(_policy(), (_face(x, 40),))) is found


@pytest.mark.parametrize(("x", "source", "found"), [
    (88, "filled", False), (88, "coasting", False), (88, "detected", True), (88, "tracked", True),
    (92, "filled", True), (92, "coasting", True),
])
def test_left_bare_what_is_in_doubt_has_to_lie_deeper_inside(x: int, source: RegionSource, found: bool) -> None:
    assert bool(_bare(_policy(), (_face(x, 40, source=source),))) is found


def test_left_bare_whole_heads_have_to_lie_inside_as_a_whole() -> None:
    zone = Rectangle(0.5, 0.25, 1, 1)
    assert _bare(_policy(zone), (_face(100, 40),))
    assert not _bare(_policy(zone, whole_heads=True), (_face(100, 40),))


def test_left_bare_is_judged_frame_by_frame_while_somebody_walks_in() -> None:
    frames = [(_face(x, 40),) for x in (16, 48, 80, 96, 112)]
    assert _bare(_policy(), *frames) == {(3, 1), (4, 1)}


def test_left_bare_frames_masked_whole_and_always_masked_zones_come_first() -> None:
    assert _bare(_policy(), (_face(100, 40),), (_face(100, 40),), failed=frozenset({0})) == {(1, 1)}
    assert not _bare(_policy(zones=((0.9, 0, 1, 1),)), (_face(112, 40),))
    assert _bare(_policy(zones=((0.9, 0, 1, 1),)), (_face(92, 40),))


def test_left_bare_two_zones_side_by_side_are_not_one() -> None:
    halves = Rectangle(0, 0, 0.5, 1), Rectangle(0.5, 0, 1, 1)
    assert _bare(_policy(*halves), (_face(64, 40, 1), _face(16, 40, 2), _face(112, 40, 3))) == {(0, 2), (0, 3)}


def test_left_bare_at_the_pictures_edge_a_zone_reaches_as_far_as_the_picture() -> None:
    assert _bare(_policy(), (_face(W - FACE, H - FACE),))


def test_left_bare_another_camera_and_another_time_have_no_zone() -> None:
    face = (_face(112, 40),)
    assert _bare(_policy(), face)
    assert not _bare(_policy(cameras=("gate-*",)), face)
    assert not _bare(_policy(until_ms=CHUNK.capture_ms), face)
    assert not _bare(_policy(until_ms=CHUNK.capture_ms + 1), face)  # the chunk outlasts the statement


def test_left_bare_counts_zones_that_left_nothing_bare_too() -> None:
    found = left_bare(_set((_face(112, 40),), (_face(16, 40),)), CHUNK, _policy(RIGHT, Rectangle(0, 0, 0.1, 0.1)))
    assert [zone.regions for zone in found.zones] == [1, 0]
    assert hidden(_set((_face(112, 40),), (_face(16, 40),)), found.places).frames == ((), (_face(16, 40),))


def _body(out: Outgoing) -> OperatorChunk:
    body = next(b.chunk for r in out.operator if (b := decode(OperatorBody, r.signed.body)).chunk)
    return body


def _protect(policy: Policy, regions: RegionSet, one: FrameChunk = CHUNK) -> Outgoing:
    return Pipeline(policy, None, BEN).protect(CameraState(), one, regions)[1]  # type: ignore[arg-type]


WALL_AND_GUEST = _set(*[(_face(*WALL, 1), _face(*GUEST, 2))] * COUNT)


def test_protect_leaves_the_wall_as_it_is_and_masks_the_guest() -> None:
    out = _protect(_policy(), WALL_AND_GUEST)
    body = _body(out)
    masks = unpack_masks(body.masks, COUNT, FORMAT)
    assert not any(mask[:, 5:].any() for mask in masks) and all(mask[3:4, 1:3].all() for mask in masks)
    assert [(zone.zone, zone.regions) for zone in body.bare] == [(RIGHT, COUNT)]
    mapped = [decode(TrackMapping, part.plaintext) for draft in out.evidence for part in draft.parts
              if part.type == "mapping"]
    assert {one.track for one in mapped} == {2} and CUSTODIAN not in {draft.authority for draft in out.evidence}
    assert json.loads(out.events[0])["counts"] == [1] * COUNT
    assert out.bare == {(i, 1) for i in range(COUNT)}


def test_protect_a_guest_before_the_wall_stays_masked_where_the_two_meet() -> None:
    guest = (100, 48)
    both = _set(*[(_face(*WALL, 1), _face(*guest, 2))] * COUNT)
    policy = _policy(Rectangle(0.65, 0, 1, 1))
    out = _protect(policy, both, chunk([[WALL, guest]] * COUNT))
    assert (0, 2) not in out.bare
    mask = unpack_masks(_body(out).masks, COUNT, FORMAT)[0]
    assert mask[3:5, 6:9].all()


def test_protect_masks_again_from_the_chunk_on_in_which_the_statement_ends() -> None:
    later = replace(chunk([[WALL, GUEST]] * COUNT, 1), capture_ms=UNTIL)
    policy = _policy()
    pipeline = Pipeline(policy, None, BEN)  # type: ignore[arg-type]
    state, before = pipeline.protect(CameraState(), CHUNK, WALL_AND_GUEST)
    _, after = pipeline.protect(state, later, replace(WALL_AND_GUEST, chunk_seq=1))
    assert _body(before).bare and not _body(after).bare
    assert not any(m[:, 5:].any() for m in unpack_masks(_body(before).masks, COUNT, FORMAT))
    assert all(m[3:4, 7:9].all() for m in unpack_masks(_body(after).masks, COUNT, FORMAT))


def test_protect_same_chunk_twice_gives_equal_bytes_and_sites_keep_the_zones() -> None:
    policy = replace(_policy(), sites=(Site(("cam",), {"padding": 0.15}),))
    first, second = _protect(policy, WALL_AND_GUEST), _protect(policy, WALL_AND_GUEST)
    assert first == second and first.bare
    assert policy.at("cam").bare == policy.bare
