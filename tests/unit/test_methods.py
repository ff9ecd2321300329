from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import repeat

import cv2
import numpy as np
import pytest

from operators import pixels
from operators.codec import decode, decode_units, encode
from operators.cohere import WHOLE, Claim, lay_out
from operators.desensitise.base import Spot, appearance_key
from operators.desensitise.paint import appearance_keys, appearances, masks, paint
from operators.desensitise.policy import METHODS, Policy
from operators.desensitise.scramble import LEVELS, SCRAMBLE
from operators.pixels import BlockRect
from schemas.errors import MalformedRecord
from schemas.frames import Planes, VideoFormat
from schemas.state import MAX_APPEARANCE_BYTES
from tests.support.planes import changed_blocks, equal
from tests.support.scenes import FORMAT, chunk, crossing, regions

PLACES = crossing()
CHUNK = chunk(PLACES)
DECODED = decode(CHUNK)
LAYOUT = lay_out(regions(PLACES), FORMAT, Policy({}))
SECRET = b"s" * 32
KEY = appearance_key(SECRET, "video", 0, 1)


def _policy(method: str) -> Policy:
    return Policy({}, methods={"face": method}, insist=True)


def _painted(method: str, layout=LAYOUT):
    policy = _policy(method)
    used = appearances(DECODED, layout, {}, policy, appearance_keys(layout, CHUNK, policy, SECRET))
    return used, list(paint(DECODED.frames, layout, FORMAT, used, policy))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_overwrites_its_blocks_and_nothing_else(method: str) -> None:
    used, frames = _painted(method)
    assert all(len(shown) <= MAX_APPEARANCE_BYTES for shown in used.values())
    for frame, original, mask in zip(frames, DECODED.frames, masks(LAYOUT, FORMAT), strict=True):
        assert not (changed_blocks(frame.planes, original.planes, FORMAT) & ~mask).any()
        assert (frame.mask == mask).all()


@pytest.mark.parametrize("method", [name for name in METHODS if name != "scale2"])
def test_every_method_shows_the_same_of_pictures_that_differ_only_in_detail(method: str) -> None:
    """What isn't in the coarse averages is in no public sample."""
    coarse, fine = pixels.blank(96, 96, 120), pixels.blank(96, 96, 120)
    fine.y[np.indices((96, 96)).sum(0) % 2 == 0] = 90
    fine.y[np.indices((96, 96)).sum(0) % 2 == 1] = 150
    shown = [METHODS[method].prepare(Spot(planes), KEY) for planes in (coarse, fine)]
    assert shown[0] == shown[1]


def test_paint_a_zone_greys_its_own_blocks_alone() -> None:
    """It once greyed the whole picture, of which the signed masks and the evidence held only the zone."""
    layout = lay_out(regions(PLACES), FORMAT, Policy({}, zones=((0.0, 0.0, 0.25, 1.0),)))
    _, frames = _painted("blur", layout)
    for frame, original, claims in zip(frames, DECODED.frames, layout, strict=True):
        assert claims[-1].track == WHOLE
        assert not (changed_blocks(frame.planes, original.planes, FORMAT) & ~frame.mask).any()
        assert (pixels.view(frame.planes, claims[-1].rect).y == 128).all()


def test_appearance_keys_differ_by_video_chunk_and_track() -> None:
    places = [("a", 0, 1), ("b", 0, 1), ("a", 1, 1), ("a", 0, 2)]
    assert len({appearance_key(SECRET, *place) for place in places}) == len(places)
    assert appearance_keys(LAYOUT, CHUNK, _policy("blur"), SECRET) == {}


def _face() -> Planes:
    """A region of 96x112 with a structure that its coarse view keeps."""
    region = pixels.blank(96, 112, 60)
    region.y[30:90, 20:70], region.u[20:30], region.v[:, 10:30] = 200, 90, 170
    return region


@pytest.mark.parametrize("crf", [18, 23, 28])
def test_scramble_is_read_back_out_of_coded_video_and_opens_with_its_key_alone(crf: int) -> None:
    region, rect = _face(), BlockRect(2, 3, 9, 9)
    shown = SCRAMBLE.prepare(Spot(region), KEY)
    frames = [pixels.copy(frame.planes) for frame in DECODED.frames]
    for frame in frames:
        SCRAMBLE.paint(Spot(pixels.view(frame, rect)), shown)
    units = encode(frames, CHUNK.pts, FORMAT, crf=crf)
    for decoded in decode_units(units, "h264", FORMAT.width, FORMAT.height):
        assert SCRAMBLE.read(pixels.view(decoded, rect)) == shown
    view = SCRAMBLE.decrypt(shown, KEY, 96, 112)
    plain = pixels.blank(96, 112)
    replace(METHODS["mosaic"], rows=8, smooth=True, cell=1).paint(  # type: ignore[type-var]
        Spot(plain), replace(METHODS["mosaic"], rows=8).prepare(Spot(region), b"")  # type: ignore[type-var]
    )
    assert equal(view, plain)
    wrong = SCRAMBLE.decrypt(shown, appearance_key(SECRET, "video", 0, 2), 96, 112)
    assert pixels.psnr(view, region) > pixels.psnr(wrong, region) + 6


@pytest.mark.parametrize("region", [pixels.blank(96, 112, 60), _face()], ids=["flat", "structured"])
def test_scramble_levels_are_uniform_whatever_is_hidden(region: Planes) -> None:
    """Chi-squared of 16 levels over 2,000 keys, in all cells together and in each of them."""
    keys = (appearance_key(SECRET, "video", i, 1) for i in range(2000))
    levels = np.array([np.frombuffer(SCRAMBLE.prepare(Spot(region), key), np.uint8) for key in keys])
    counts = np.stack([np.bincount(cell, minlength=LEVELS) for cell in levels.T])
    expected = len(levels) / LEVELS
    assert ((counts.sum(0) - counts.sum() / LEVELS) ** 2 / (counts.sum() / LEVELS)).sum() < 37.7  # 15 degrees, 99.9 %
    assert ((counts - expected) ** 2 / expected).sum(1).max() < 51  # the worst of 96 cells, 99.9 %


def test_scramble_without_its_key_or_of_another_method_is_refused() -> None:
    with pytest.raises(MalformedRecord):
        SCRAMBLE.prepare(Spot(_face()), b"")
    with pytest.raises(MalformedRecord):
        SCRAMBLE.paint(Spot(_face()), b"\x01" * 3)
    with pytest.raises(MalformedRecord):
        SCRAMBLE.paint(Spot(_face()), b"\xff" * 96)


def test_appearances_of_a_keyed_method_show_nothing_of_who_is_always_touched_by_another() -> None:
    """A coarse view that can be read back must not hold a second person."""
    rect = BlockRect(2, 2, 8, 8)
    layout = tuple((Claim(1, "face", rect), Claim(2, "face", BlockRect(5, 5, 9, 9))) for _ in DECODED.frames)
    policy = _policy("scramble")
    keys = appearance_keys(layout, CHUNK, policy, SECRET)
    used = appearances(DECODED, layout, {}, policy, keys)
    view = SCRAMBLE.decrypt(used[1], keys[1], 96, 96)
    assert (view.y == 136).all()


def test_a_small_region_shows_fewer_cells_and_a_large_one_all() -> None:
    for side, cells in ((32, 1), (64, 2), (128, 4)):
        region = pixels.blank(side, side)
        region.y[:] = np.arange(side, dtype=np.uint8)[:, None]
        shown = METHODS["blur"].prepare(Spot(region), b"")
        METHODS["blur"].paint(Spot(region), shown)
        rows = region.y[:, 0].astype(int)
        assert (rows.min() == rows.max()) == (cells == 1)
        assert (np.diff(rows) >= 0).all()


def test_what_must_be_read_back_is_not_coded_coarsely() -> None:
    assert not METHODS["scramble"].easy


def test_encode_with_easy_blocks_costs_less_and_is_the_same_each_time() -> None:
    rect = BlockRect(2, 3, 9, 9)
    frames = [frame.planes for frame in DECODED.frames]
    plain = encode(frames, CHUNK.pts, FORMAT)
    eased, again = (encode(frames, CHUNK.pts, FORMAT, easy=repeat([rect])) for _ in range(2))
    assert eased == again
    assert sum(len(unit.data) for unit in eased) < sum(len(unit.data) for unit in plain)


@pytest.mark.parametrize("grain", [0, 1, 3])
def test_encode_rim_of_a_mask_shows_nothing_of_what_lies_around(grain: int) -> None:
    """The codec smooths borders; with a coarse rim it did so here, where the ground passes through the mask's grey."""
    picture, rect = pixels.blank(160, 112), BlockRect(2, 3, 5, 7)
    picture.y[:] = np.linspace(90, 130, 160) + np.random.default_rng(0).integers(-grain, grain + 1, (112, 160))
    for plane in pixels.view(picture, rect).all():
        plane[:] = 110
    (unit,) = encode([picture], (0,), FORMAT, easy=[[rect]])
    (shown,) = decode_units([unit], "h264", 160, 112)
    assert (pixels.view(shown, rect).y == 110).all()


@pytest.mark.parametrize("method", ["veil", "solid"])
@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_what_is_the_same_for_everybody_comes_out_of_the_codec_to_the_sample(method: str, blocks: int) -> None:
    """Its errors would follow what lies around, by which people were told from one another."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        coarse = random.integers(40, 210, (10, 12)).astype(np.uint8)
        picture, rect = pixels.blank(192, 160), BlockRect(2, 2, 2 + blocks, 2 + blocks)
        picture.y[:] = cv2.resize(coarse, (192, 160)) + random.integers(0, 8, (160, 192), np.uint8)
        METHODS[method].paint(Spot(pixels.view(picture, rect)), METHODS[method].prepare(Spot(picture), KEY))
        (unit,) = encode([picture], (0,), VideoFormat(192, 160, Fraction(1, 25)), crf=23, easy=[[rect]])
        (shown,) = decode_units([unit], "h264", 192, 160)
        planes = zip(pixels.view(picture, rect).all(), pixels.view(shown, rect).all(), strict=True)
        assert np.mean([np.mean(one != other) for one, other in planes]) < 0.02


@pytest.mark.parametrize("method", ["veil", "solid"])
def test_the_default_and_what_is_unsure_look_the_same_whatever_is_hidden(method: str) -> None:
    """What doesn't depend on the samples can't give anybody away."""
    noise = np.random.default_rng(3)
    shown = []
    for _ in range(2):
        region = pixels.blank(96, 112)
        for plane in region.all():
            plane[:] = noise.integers(0, 256, plane.shape)
        METHODS[method].paint(Spot(region), METHODS[method].prepare(Spot(region), KEY))
        shown.append(region)
    assert equal(shown[0], shown[1])
    assert Policy({}).method("face").name == "veil" and Policy({}).method("badge").name == "solid"
