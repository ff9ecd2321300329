"""Blank pictures with opened pieces in their places, and which times the authority takes from a record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators import pixels
from operators.codec import decode
from operators.cohere import lay_out
from operators.desensitise.policy import Policy
from operators.pieces import cut
from operators.seal import new_evidence
from schemas.frames import VideoFormat
from schemas.records import MappedRegion, TrackMapping
from streams.authority.blank import blank_frame, open_all
from streams.authority.faces import Faces, View, best_views, candidates, cut_by_edge, promising
from streams.authority.looks import MAX_CHUNKS, Look, Looked, place_of, pool
from streams.authority.store import captured_ms
from streams.setup import detector
from tests.support.pictures import astronaut
from tests.support.scenes import FACE, FORMAT, chunk, crossing, regions

PLACES = crossing()
CHUNK = chunk(PLACES)
DECODED = decode(CHUNK)
PIECES = cut(DECODED, lay_out(regions(PLACES), FORMAT, Policy({}, padding=0.25, doubt=0, hold=4)), "lossless")
OPENED = open_all(PIECES)


@pytest.mark.parametrize("video", [FORMAT, replace(FORMAT, full_range=True), replace(FORMAT, height=104)])
def test_blank_frame_has_the_videos_size_and_its_own_black(video: VideoFormat) -> None:
    built = blank_frame(OPENED, 3, video)
    assert built is not None
    picture, shown, format = built
    assert format == video and picture.y.shape == (video.height, video.width)
    own = pixels.sample_masks(shown, video)
    original = DECODED.frames[3].planes
    assert np.array_equal(picture.y[own[0]], original.y[: video.height][own[0]])
    assert np.array_equal(picture.u[own[1]], original.u[: video.height // 2][own[1]])
    assert np.unique(picture.y[~own[0]]).tolist() == [0 if video.full_range else 16]


def test_blank_frame_without_format_ends_with_the_last_block() -> None:
    built = blank_frame(OPENED, 3)
    assert built is not None and not built[2].full_range
    assert built[2].width <= FORMAT.width and built[0].y.shape == (built[2].height, built[2].width)
    assert blank_frame(OPENED, 99, FORMAT) is None


def test_blank_frame_with_a_piece_over_the_edge_is_none() -> None:
    assert blank_frame(OPENED, 3, replace(FORMAT, width=64)) is None


def test_open_all_leaves_out_a_piece_that_does_not_hold() -> None:
    broken = replace(PIECES[0], sealed_digest=b"x" * 32)
    assert [piece for piece, _ in open_all([broken, *PIECES[1:]])] == list(PIECES[1:])


def mapped(track: int, boxes: dict[int, tuple[float, float, float, float]]) -> TrackMapping:
    """A face of this track, its landmarks in the middle of its box."""
    marks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return TrackMapping(track, "face", tuple(
        MappedRegion(frame, box, 0.9, "detected", tuple((marks * (box[2] - box[0]) + box[:2]).ravel().tolist()))
        for frame, box in boxes.items()
    ))


def _views(mapping: TrackMapping, faces: list[TrackMapping], known: bool = False) -> tuple[View, ...]:
    """The best views of a track among these faces."""
    return best_views(mapping.track, candidates(mapping, faces, FORMAT, known), OPENED, FORMAT, known=known)


def test_best_views_leave_out_frames_where_faces_meet() -> None:
    """The squares approach, meet at frame 4 and 5, and part; shared blocks without overlap are fine."""
    boxes = [
        {frame: (x, y, x + FACE, y + FACE) for frame, (x, y) in enumerate(place[i] for place in PLACES)}
        for i in range(2)
    ]
    tracks = [mapped(i + 1, boxes[i]) for i in range(2)]
    meet = {frame for frame, place in enumerate(PLACES) if abs(place[0][0] - place[1][0]) < FACE}
    assert meet
    for track in tracks:
        seen = [_views(replace(track, regions=(region,)), tracks) for region in track.regions]
        assert {frame for frame, views in enumerate(seen) if not views} == meet
    together = _views(tracks[0], tracks)
    known = _views(tracks[0], tracks, known=True)
    assert len(known) == 1 and known[0].frame_no not in meet
    assert len(together) == 3 and [v.quality for v in together] == sorted((v.quality for v in together), reverse=True)


def test_best_views_are_not_spoilt_by_a_region_that_is_only_guessed() -> None:
    """The other track lies over this one all the time, but nobody was detected there."""
    boxes = {frame: (x, y, x + FACE, y + FACE) for frame, (x, y) in enumerate(place[0] for place in PLACES)}
    seen = mapped(1, boxes)
    for source, views in (("coasting", 3), ("filled", 3), ("detected", 0)):
        other = replace(seen, track=2, regions=tuple(replace(region, source=source) for region in seen.regions))
        assert len(_views(seen, [seen, other])) == views


def test_best_views_are_crowded_ones_only_where_a_chunk_has_no_others() -> None:
    boxes = {frame: (x, y, x + FACE, y + FACE) for frame, (x, y) in enumerate(place[0] for place in PLACES)}
    seen = mapped(1, boxes)

    def frames(aside: float, of: int) -> set[int]:
        """Frames of the views where another face is so far aside in all frames up to one."""
        beside = {frame: (x1 + aside, y1, x2 + aside, y2) for frame, (x1, y1, x2, y2) in boxes.items() if frame < of}
        return {view.frame_no for view in _views(seen, [seen, mapped(2, beside)])}

    assert len(frames(0.8 * FACE, 99)) == 3 and frames(0.5 * FACE, 99) == set()
    assert frames(0.8 * FACE, len(boxes) - 1) == frames(0.5 * FACE, len(boxes) - 1) == {len(boxes) - 1}


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((0, 40, 30, 110), True), ((130, 40, 160, 110), True), ((2, 40, 32, 110), True),
        ((0, 20, 60, 100), False),  # whole, though it touches the edge
        ((20, 40, 50, 110), False),  # as narrow, from the side, with room beside it
        ((40, 0, 110, 50), True), ((40, 70, 110, 120), True), ((40, 30, 110, 80), False),
    ],
)
def test_cut_by_edge_needs_an_edge_and_an_odd_shape(box: tuple[float, ...], cut: bool) -> None:
    region = MappedRegion(0, box, 0.9, "detected")
    assert cut_by_edge(region, VideoFormat(160, 120, FORMAT.time_base)) is cut


def test_promising_leaves_out_small_unaligned_and_endless_regions() -> None:
    marks = tuple(float(value) for value in range(10))
    good = MappedRegion(4, (0, 0, 40, 50), 0.9, "detected", marks)
    others = (replace(good, landmarks=()), replace(good, box=(0, 0, 29, 40)), replace(good, box=(0, 0, np.inf, 40)))
    assert promising(TrackMapping(1, "face", (*others, good))) == [good]


@pytest.mark.parametrize(
    ("capture_ms", "end_ms", "expected"),
    [(1_000, 1_400, (1_000, 1_400)), (0, 0, (None, None)), (1_400, 1_000, (None, None))],
)
def test_captured_ms_takes_only_times_that_mean_something(
    capture_ms: int, end_ms: int, expected: tuple[int | None, int | None]
) -> None:
    evidence = new_evidence("city-faces", CHUNK, b"", 0, "day", "high")
    assert captured_ms(evidence) == (1_000_000, 1_000_400)
    assert captured_ms(replace(evidence, capture_ms=capture_ms, end_ms=end_ms)) == expected


def looked(cosine: float, quality: float) -> Looked:
    """A view at this cosine to (1, 0)."""
    return Looked(1, "indexed", 0, quality, np.array([cosine, np.sqrt(1 - cosine**2)], np.float32), quality)


KNOWN = {0: Look(0.7, np.array([1, 0], np.float32), 0.7)}
FULL = {0: replace(KNOWN[0], chunks=MAX_CHUNKS)}


@pytest.mark.parametrize(
    ("view", "looks", "place"),
    [
        (looked(1, 0.6), {}, 0),
        (looked(1, 0.6), {0: Look(0.0)}, 0),
        (looked(0.99, 0.8), KNOWN, 0),
        (looked(0.99, 0.6), KNOWN, 0),
        (looked(0.99, 0.8), FULL, 0),
        (looked(0.99, 0.6), FULL, None),
        (looked(0.8, 0.6), KNOWN, 1),
        (looked(0.8, 0.4), KNOWN, None),
        (looked(-1, 0.9), {look: KNOWN[0] for look in range(4)}, None),
        (Looked(1, "unclear", 0, 0.0), {}, 0),
        (Looked(1, "unclear", 0, 0.0), KNOWN, None),
    ],
)
def test_place_of_a_view_is_beside_those_unlike_it(view: Looked, looks: dict[int, Look], place: int | None) -> None:
    assert place_of(view, looks) == place


def test_pool_is_the_direction_of_the_weighted_sum() -> None:
    across, up = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    vector, weight = pool([across, up], [3, 4])
    assert np.allclose(vector, [0.6, 0.8]) and weight == pytest.approx(5)
    assert np.allclose(pool([across], [0.5])[0], across)


def test_pools_pooled_again_are_one_pool_of_all() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(5, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    worth = rng.uniform(0.3, 1, 5)
    first, second = pool(vectors[:2], worth[:2]), pool(vectors[2:], worth[2:])
    together, whole = pool([first[0], second[0]], [first[1], second[1]]), pool(vectors, worth)
    assert np.allclose(together[0], whole[0], atol=1e-6) and together[1] == pytest.approx(whole[1])


def test_landmarks_of_a_crop_are_those_of_the_whole_picture() -> None:
    portrait = astronaut()
    find = detector()
    faces = Faces(find, None)  # type: ignore[arg-type]  # nothing is embedded
    found = find.detect(portrait)
    box = found.boxes[0].tolist()
    left, top = int(box[0]) - 40, int(box[1]) - 40
    crop = np.ascontiguousarray(portrait[top : int(box[3]) + 40, left : int(box[2]) + 40])
    inside = [box[0] - left, box[1] - top, box[2] - left, box[3] - top]
    marks = faces.landmarks(crop, inside)
    assert marks is not None
    assert np.abs(marks + (left, top) - found.landmarks[0]).max() < 0.06 * (box[2] - box[0])
    assert faces.landmarks(crop, [0, 0, 8, 8]) is None
    assert faces.landmarks(np.zeros((64, 64, 3), np.uint8), [8, 8, 40, 40]) is None

