from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from operators import annexb, piece_video, pixels
from operators import pieces as pieces_module
from operators.claims import Sharing
from operators.codec import decode, encode
from operators.cohere import Claim, lay_out
from operators.desensitise.paint import appearances, masks, paint
from operators.desensitise.policy import Policy
from operators.masks import pack_masks
from operators.piece_video import MIN_PSNR_DB, beside
from operators.pieces import Gathered, block_mask, canvases, cut, gather, shares, some_canvases
from operators.pixels import BlockRect, freeze
from operators.restore import looks_bare, restore_frames
from schemas.errors import DigestMismatch, MalformedRecord, NotDesensitised, UndecodableChunk
from schemas.frames import DecodedChunk, Planes, VideoFormat
from schemas.records import OperatorChunk, Piece
from schemas.regions import ObjectKind
from tests.support.planes import changed_blocks, equal
from tests.support.scenes import FORMAT, chunk, crossing, regions

PLACES = crossing()
CHUNK = chunk(PLACES)
DECODED = decode(CHUNK)
REGIONS = regions(PLACES)
LAYOUT = lay_out(REGIONS, FORMAT, Policy({}, padding=0.25, doubt=0, hold=4))
POLICY = Policy({"faces": frozenset({"face"})})
FRAMES = tuple(
    paint(DECODED.frames, LAYOUT, DECODED.chunk.format, appearances(DECODED, LAYOUT, {}, POLICY), POLICY)
)
PUBLIC = [frame.planes for frame in FRAMES]
ORIGINAL = [frame.planes for frame in DECODED.frames]


def _body() -> OperatorChunk:
    return OperatorChunk("cam", "cam-video", 0, 0, 0, CHUNK.pts, CHUNK.end_pts, pack_masks([f.mask for f in FRAMES]),
                         "blur", (), b"", 0, b"")


def _same(a: Planes, b: Planes, mask: np.ndarray) -> bool:
    return not (changed_blocks(a, b, FORMAT) & mask).any()


def test_paint_changes_no_sample_outside_the_mask_and_every_block_inside() -> None:
    for frame, original in zip(FRAMES, ORIGINAL, strict=True):
        changed = changed_blocks(frame.planes, original, FORMAT)
        assert not (changed & ~frame.mask).any()
        assert frame.mask.any()


def test_masks_cover_every_padded_box() -> None:
    for frame, found in zip(FRAMES, REGIONS.frames, strict=True):
        for region in found:
            assert frame.mask[pixels.blocks_of(region.box, 0.25, FORMAT)].all()


@pytest.mark.parametrize("sharing", get_args(Sharing))
def test_pieces_hold_each_painted_block_exactly_once(sharing: Sharing) -> None:
    counts = [np.zeros(FORMAT.blocks, int) for _ in FRAMES]
    for piece in cut(DECODED, LAYOUT, "high", sharing=sharing):
        for place in piece.frames:
            mask = block_mask(place, piece)
            counts[place.frame_no][place.row : place.row + mask.shape[0],
                                   place.column : place.column + mask.shape[1]] += mask
    for count, frame in zip(counts, FRAMES, strict=True):
        assert np.array_equal(count, frame.mask.astype(int))


def test_pieces_of_crossing_objects_are_one_each_and_one_shared() -> None:
    assert [piece.tracks for piece in cut(DECODED, LAYOUT, "high")] == [(1,), (1, 2), (2,)]


def test_pieces_of_neighbours_are_one() -> None:
    (piece,) = cut(DECODED, LAYOUT, "high", sharing="neighbours")
    assert (piece.tracks, piece.kinds) == ((1, 2), ("face",))


def _blocks(gathered: list[Gathered], frame_no: int) -> np.ndarray:
    """How often each block of a frame is in a piece."""
    counts = np.zeros(FORMAT.blocks, int)
    for one in gathered:
        for place, mask in zip(one.frames, one.masks, strict=True):
            if place.frame_no == frame_no:
                rows, columns = mask.shape
                counts[place.row : place.row + rows, place.column : place.column + columns] += mask
    return counts


def test_pieces_joined_are_of_those_who_meet_in_a_frame_and_hold_each_block_exactly_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces_module, "CROWD_SHARE", 1.0)
    layout = lay_out(REGIONS, FORMAT, Policy({}, padding=0, doubt=0, hold=0))
    joined = gather(DECODED, layout, sharing="crowds")
    assert [one.tracks for one in joined] == [(1,), (1, 2), (2,)]
    together = {place.frame_no for place in joined[1].frames}
    assert together == {i for i, (one, two) in enumerate(layout) if pixels.meet(one.rect, two.rect)}
    assert not together & {place.frame_no for one in (joined[0], joined[2]) for place in one.frames}
    for i, mask in enumerate(masks(layout, FORMAT)):
        assert (_blocks(joined, i) == mask).all()


def test_pieces_joined_are_of_one_kind_and_never_of_a_zone() -> None:
    rects = BlockRect(0, 0, 4, 4), BlockRect(2, 2, 6, 6), BlockRect(3, 3, 7, 7), BlockRect(6, 6, 8, 8)
    kinds: tuple[ObjectKind, ...] = ("face", "face", "plate", "frame")
    claims = tuple(Claim(track, kind, rect) for track, kind, rect in zip((1, 2, 3, 0), kinds, rects, strict=True))
    layout = (claims, *((),) * (len(FRAMES) - 1))
    found = {one.tracks: one.kinds for one in gather(DECODED, layout, sharing="crowds")}
    assert found == {
        (1, 2): ("face",), (1, 2, 3): ("face", "plate"), (2, 3): ("face", "plate"), (3,): ("plate",),
        (0, 3): ("frame", "plate"), (0,): ("frame",),
    }  # fmt: skip


def _format(height: int) -> VideoFormat:
    return replace(FORMAT, height=height)


def _street(height: int) -> DecodedChunk:
    """The scene cut at this height, as a camera sends it."""
    pictures = [Planes(p.y[:height], p.u[: height // 2], p.v[: height // 2]) for p in ORIGINAL]
    units = encode(pictures, CHUNK.pts, _format(height), crf=12)
    return decode(replace(CHUNK, format=_format(height), units=units))


@pytest.mark.parametrize("height", [112, 104])  # 104: as 1080, not of whole blocks
def test_a_late_cameras_crowd_is_one_piece_of_its_own_pictures(height: int) -> None:
    street = _street(height)
    layout = lay_out(REGIONS, street.chunk.format, POLICY)
    (piece,) = cut(street, layout, "high", sharing="crowds")
    assert (piece.tracks, piece.kinds) == ((1, 2), ("face",))
    assert [unit.data for unit in piece.units] == [annexb.strip(unit.data) for unit in street.chunk.units]
    assert piece.true_digest == piece.sealed_digest
    public = list(paint(street.frames, layout, street.chunk.format, appearances(street, layout, {}, POLICY), POLICY))
    body = replace(_body(), masks=pack_masks([frame.mask for frame in public]))
    restored = restore_frames(body, street.chunk.format, [frame.planes for frame in public], [piece])
    assert all(equal(a, b.planes) for a, b in zip(restored, street.frames, strict=True))


@pytest.mark.parametrize("wanted", [{0}, {4}, {2, 7}, {9}, {3, 99}, set(), set(range(10))])
@pytest.mark.parametrize("sharing", ["people", "crowds"])  # crowds: the camera's own coded pictures
def test_some_canvases_are_those_of_all(wanted: set[int], sharing: Sharing) -> None:
    street = _street(104)
    for piece in cut(street, lay_out(REGIONS, street.chunk.format, POLICY), "high", sharing=sharing):
        every = dict(zip(piece.frames, canvases(piece), strict=True))
        later = tuple(replace(unit, pts=3 * unit.pts + 7) for unit in piece.units)
        some, pictures = some_canvases(replace(piece, units=later), wanted)
        assert some.frames == tuple(frame for frame in piece.frames if frame.frame_no in wanted)
        assert all(equal(every[frame], one) for frame, one in zip(some.frames, pictures, strict=True))


def test_only_what_wanted_pictures_need_is_decoded() -> None:
    units = _street(104).chunk.units
    free = {unit.pts for unit in units if not annexb.is_reference(unit.data)}
    last, first = units[-1].pts, units[0].pts
    assert free
    assert [unit.pts for unit in piece_video._needed(units, {first})] == [first]
    assert {unit.pts for unit in piece_video._needed(units, {last})} == {unit.pts for unit in units} - free | {last}
    assert not piece_video._needed(units, {last + first + 10**6})


def test_a_frame_masked_whole_is_the_cameras_own_at_any_height() -> None:
    street = _street(104)
    layout = lay_out(regions(PLACES, failed=frozenset(range(len(PLACES)))), street.chunk.format, POLICY)
    (piece,) = cut(street, layout, "high")
    assert piece.tracks == (0,) and piece.units[0].data == annexb.strip(street.chunk.units[0].data)
    assert all(canvas.y.shape == (112, 160) for canvas in canvases(piece))


@pytest.mark.parametrize(("kinds", "failed", "hidden", "share"), [
    (("face", "plate"), frozenset(), range(10), 0.1),
    (("face", "face"), frozenset({3}), range(10), 0.1),
    (("face", "face"), frozenset(), range(9), 0.1),
    (("face", "face"), frozenset(), range(10), 0.9),
])  # fmt: skip
def test_no_crowd_where_others_may_be_entitled_or_little_is_hidden(
    kinds: tuple[str, str], failed: frozenset[int], hidden: range, share: float, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces_module, "CROWD_SHARE", share)
    found = regions(PLACES, kinds=kinds, failed=failed)
    found = replace(found, frames=tuple(frame if i in hidden else () for i, frame in enumerate(found.frames)))
    gathered = gather(DECODED, lay_out(found, FORMAT, replace(POLICY, hold=0)), sharing="crowds")
    assert len(gathered) > 1 and not any(one.units for one in gathered if one.tracks != (0,))


def test_no_crowd_where_the_cameras_pictures_are_of_another_codec() -> None:
    other = replace(DECODED, chunk=replace(CHUNK, codec="hevc"))
    assert gather(DECODED, LAYOUT, sharing="crowds")[0].units
    assert not any(one.units for one in gather(other, LAYOUT, sharing="crowds"))


def test_shares_hold_every_piece_once_the_largest_first() -> None:
    gathered = gather(DECODED, LAYOUT)
    halves = shares(gathered, 2)
    assert sorted(one.tracks for half in halves for one in half) == [one.tracks for one in gathered]
    assert [len(half) for half in halves] == [2, 1]
    areas = [len(one.frames) * one.format.width * one.format.height for one in (halves[0][0], halves[1][0])]
    assert areas == sorted(areas, reverse=True)


def test_gathered_canvases_are_held_or_where_they_outgrow_the_pictures_cut_anew() -> None:
    few = gather(DECODED, LAYOUT)[0]
    assert few.pictures()[0] is few.pictures()[0]
    ring = Claim(1, "face", BlockRect(0, 0, *FORMAT.blocks)), Claim(2, "face", BlockRect(1, 1, 2, 2))
    around, inside = gather(DECODED, (ring,) * len(FRAMES))
    assert around.pictures()[0] is not around.pictures()[0]
    assert sum(mask.size for one in (around, inside) for mask in one.masks) == len(FRAMES) * (around.masks[0].size + 1)
    assert all(_same(a, b, around.masks[0]) for a, b in zip(around.pictures(), ORIGINAL, strict=True))


@pytest.mark.parametrize("sharing", get_args(Sharing))
def test_restore_lossless_gives_back_every_sample(sharing: Sharing) -> None:
    restored = restore_frames(_body(), FORMAT, PUBLIC, cut(DECODED, LAYOUT, "lossless", sharing=sharing))
    assert all(equal(a, b) for a, b in zip(restored, ORIGINAL, strict=True))


@pytest.mark.parametrize("sharing", get_args(Sharing))
@pytest.mark.parametrize("public", ["veryfast", "ultrafast"])
def test_restore_high_is_at_least_45_db_and_repeats(public: str, sharing: Sharing) -> None:
    settings = beside(public, sharing)
    pieces = cut(DECODED, LAYOUT, "high", settings, sharing)
    assert pieces == cut(DECODED, LAYOUT, "high", settings, sharing)
    restored = restore_frames(_body(), FORMAT, PUBLIC, pieces)
    errors = [pixels.squared_error(a, b, pixels.sample_masks(f.mask, FORMAT))
              for a, b, f in zip(restored, ORIGINAL, FRAMES, strict=True)]
    assert pixels.psnr_of(sum(e for e, _ in errors), sum(n for _, n in errors)) >= MIN_PSNR_DB


def test_restore_one_of_two_crossing_objects_shows_no_sample_of_the_other() -> None:
    pieces = {piece.tracks: piece for piece in cut(DECODED, LAYOUT, "lossless")}
    restored = restore_frames(_body(), FORMAT, PUBLIC, [pieces[1,]])
    for index, claims in enumerate(LAYOUT):
        other = pixels.no_blocks(FORMAT)
        for claim in claims:
            if claim.track == 2:
                other[claim.rect.top : claim.rect.bottom, claim.rect.left : claim.rect.right] = True
        assert _same(restored[index], PUBLIC[index], other)


def _bare() -> list[Planes]:
    return ORIGINAL


def test_restore_into_a_bare_picture_is_refused() -> None:
    with pytest.raises(NotDesensitised, match="isn't desensitised"):
        restore_frames(_body(), FORMAT, _bare(), cut(DECODED, LAYOUT, "high"))


def test_restore_where_the_chunk_signs_no_mask_is_refused() -> None:
    with pytest.raises(NotDesensitised, match="signed chunk"):
        restore_frames(replace(_body(), masks=b""), FORMAT, PUBLIC, cut(DECODED, LAYOUT, "high"))


def _other_unit(piece: Piece) -> Piece:
    other = next(p for p in cut(DECODED, LAYOUT, "high") if p.tracks == (2,))
    return replace(piece, units=other.units[: len(piece.units)])


@pytest.mark.parametrize(("change", "error"), [
    (lambda p: replace(p, sealed_digest=b"\0" * 32), DigestMismatch),
    (_other_unit, (DigestMismatch, UndecodableChunk, MalformedRecord)),
    (lambda p: replace(p, units=p.units[:-1]), MalformedRecord),
    (lambda p: replace(p, width=p.width + 1), MalformedRecord),
    (lambda p: replace(p, width=1 << 20), MalformedRecord),
    (lambda p: replace(p, frames=tuple(replace(f, row=99) for f in p.frames)), MalformedRecord),
    (lambda p: replace(p, frames=tuple(replace(f, frame_no=99) for f in p.frames)), MalformedRecord),
    (lambda p: replace(p, frames=tuple(replace(f, blocks=b"") for f in p.frames)), MalformedRecord),
])
def test_restore_a_changed_piece_is_refused(change: object, error: type[Exception]) -> None:
    piece = cut(DECODED, LAYOUT, "high")[0]
    with pytest.raises(error):
        restore_frames(_body(), FORMAT, PUBLIC, [change(piece)])  # type: ignore[operator]


def test_frame_masked_whole_is_one_piece_of_track_zero() -> None:
    layout = lay_out(regions(PLACES, failed=frozenset({3})), FORMAT, Policy({}, padding=0.25, doubt=0, hold=4))
    whole = next(p for p in cut(DECODED, layout, "lossless") if p.kinds == ("frame",))
    assert whole.tracks == (0,) and [f.frame_no for f in whole.frames] == [3]
    assert not any(f.frame_no == 3 for p in cut(DECODED, layout, "high") if p.tracks != (0,) for f in p.frames)


@pytest.mark.parametrize(("noise", "times"), [(1, 1), (2, 3), (8, 1), (20, 1)])
def test_a_large_piece_is_coded_as_a_whole_once_where_some_of_its_pictures_tell_its_quality(
    noise: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, coded = np.random.default_rng(noise), []
    grainy = [Planes(*(np.clip(plane + random.normal(0, noise, plane.shape), 0, 255).astype(np.uint8)
                       for plane in frame.planes.all())) for frame in DECODED.frames]
    frames = tuple(replace(frame, planes=freeze(one)) for frame, one in zip(DECODED.frames, grainy, strict=True))
    monkeypatch.setattr(piece_video, "encode", lambda one, *a, **k: coded.append(len(one)) or encode(one, *a, **k))
    layout = ((Claim(1, "face", BlockRect(0, 0, 6, 8)),),) * len(frames)
    (piece,) = cut(replace(DECODED, frames=frames), layout, "high")
    assert coded == [2, *[10] * times]
    cropped = [Planes(one.y[:96, :128], one.u[:48, :64], one.v[:48, :64]) for one in grainy]
    errors = [pixels.squared_error(a, b) for a, b in zip(canvases(piece), cropped, strict=True)]
    assert MIN_PSNR_DB <= pixels.psnr_of(sum(e for e, _ in errors), sum(n for _, n in errors)) < MIN_PSNR_DB + 2.5


def test_piece_over_the_limit_is_coded_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piece_video, "MAX_PIECE_BYTES", 900)
    for quality in ("lossless", "high"):
        for piece in cut(DECODED, LAYOUT, quality):
            assert sum(len(unit.data) for unit in piece.units) <= 900
            assert piece.true_digest != piece.sealed_digest
            assert restore_frames(_body(), FORMAT, PUBLIC, [piece])


def test_piece_whose_sample_alone_is_over_the_limit_is_coded_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    frames = tuple(
        replace(frame, planes=freeze(Planes(*(random.integers(0, 256, plane.shape, np.uint8)
                                              for plane in frame.planes.all()))))
        for frame in DECODED.frames
    )
    limit = 12_000
    monkeypatch.setattr(piece_video, "MAX_PIECE_BYTES", limit)
    layout = ((Claim(1, "face", BlockRect(0, 0, 6, 8)),),) * len(frames)
    (piece,) = cut(replace(DECODED, frames=frames), layout, "high")
    assert sum(len(unit.data) for unit in piece.units) <= limit
    assert piece.true_digest != piece.sealed_digest


def test_cut_a_plain_picture_that_codes_without_any_error() -> None:
    flat = [freeze(Planes(*(np.full(plane.shape, 90, np.uint8) for plane in frame.planes.all())))
            for frame in DECODED.frames]
    frames = tuple(replace(frame, planes=planes) for frame, planes in zip(DECODED.frames, flat, strict=True))
    pieces = cut(replace(DECODED, frames=frames), LAYOUT, "high")
    samples = [canvas.y[block_mask(place, p).repeat(16, 0).repeat(16, 1)]
               for p in pieces for canvas, place in zip(canvases(p), p.frames, strict=True)]
    assert samples and all(np.abs(one.astype(int) - 90).max() <= 1 for one in samples)


@pytest.mark.parametrize(("blocks", "likeness", "bare"), [
    (1, 0.95, True), (1, 0.6, False), (2, 0.6, False), (16, 0.6, True), (16, 0.4, False), (1, 0.0, False),
])  # fmt: skip
def test_looks_bare_asks_more_of_few_blocks_where_chance_agrees(blocks: int, likeness: float, bare: bool) -> None:
    rng = np.random.default_rng(5)
    original, other = rng.integers(60, 190, (2, 64, 64)).astype(np.float32)
    fetched = 125 + likeness * (original - 125) + np.sqrt(1 - likeness**2) * (other - 125)
    mask = np.zeros((4, 4), bool)
    mask.reshape(-1)[:blocks] = True
    assert looks_bare(fetched.astype(np.uint8), original.astype(np.uint8), mask) == bare
