from __future__ import annotations

import numpy as np
import pytest

from operators import pixels
from operators.desensitise.carry import carrying
from operators.hiding import polar
from operators.hiding.carrier import DENSE, STURDY, Carrier
from operators.hiding.faces import SIDE, pictures_of, small_pictures
from operators.hiding.payload import capacity, hide, read
from operators.hiding.recover import recover
from operators.pixels import freeze, no_blocks
from schemas.codec import decode
from schemas.errors import DamagedEnvelope, UsageError
from schemas.frames import DesensitisedFrame, Planes, VideoFormat
from schemas.records import HiddenPictures
from schemas.regions import Region
from streams.evaluate.passages import Blurred, Coded, Filmed, Pass, Rescaled
from tests.support import textured

FORMAT = VideoFormat(320, 240, textured.TIME_BASE)
FRAMES = textured.pictures(FORMAT, 24)


@pytest.mark.parametrize(("length", "data", "capacity_share"), [(4096, 1100, 1.5), (1024, 40, 2.2), (64, 16, 2.4)])
def test_polar_code_corrects_what_a_noisy_channel_turned(length: int, data: int, capacity_share: float) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (20, data), np.uint8)
    words = polar.encode(bits, length)
    mean = float(polar._sigma(np.log(np.array(capacity_share * data / length)))) ** 2 / 2
    soft = (1 - 2.0 * words) * mean + rng.normal(0, np.sqrt(2 * mean), words.shape)
    assert ((soft < 0) != words).mean() > 0.03
    assert (polar.decode(soft.astype(np.float32), data) == bits).all(1).mean() >= 0.9


def test_polar_code_without_noise_gives_every_word_back() -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 100), np.uint8)
    words = polar.encode(bits, 256)
    assert (polar.decode((1 - 2.0 * words).astype(np.float32) * 9, 100) == bits).all()


@pytest.mark.parametrize("carrier", [DENSE, STURDY], ids=lambda carrier: carrier.name)
def test_hidden_bytes_fill_the_promised_room_at_the_promised_quality(carrier: Carrier) -> None:
    payload = _payload(carrier)
    hidden = list(hide(FRAMES, payload, carrier))
    assert read([planes.y for planes in hidden], carrier) == payload
    assert np.mean([pixels.psnr(a, b) for a, b in zip(FRAMES, hidden, strict=True)]) >= 38
    if carrier == DENSE:
        assert len(payload) * 8 >= 0.02 * FORMAT.width * FORMAT.height * len(FRAMES)


@pytest.mark.parametrize(("carrier", "passage"), [
    (DENSE, Coded(20)), (DENSE, Blurred(1.5)), (DENSE, Rescaled(0.75)), (DENSE, Filmed(1.02, (0.4, -0.3))),
    (DENSE, Filmed(0.98, (-0.35, 0.6))), (STURDY, Coded(28)), (STURDY, Filmed(0.985, (0.1, 0.5))),
])  # fmt: skip
def test_hidden_bytes_come_back_after(carrier: Carrier, passage: Pass) -> None:
    payload = _payload(carrier)
    copy = passage(list(hide(FRAMES, payload, carrier)), FORMAT)
    assert recover(copy, FORMAT, carrier)[0] == payload


def test_passage_through_a_screen_is_measured() -> None:
    copy = Filmed(1.02, (0.4, -0.3))(list(hide(FRAMES, _payload(DENSE), DENSE)), FORMAT)
    passage = recover(copy, FORMAT, DENSE)[1]
    middle = passage.moved @ np.array([(FORMAT.width - 1) / 2, (FORMAT.height - 1) / 2, 1])
    assert passage.moved[:, :2] == pytest.approx(1.02 * np.eye(2), abs=0.001)
    assert middle == pytest.approx(((FORMAT.width - 1) / 2 + 0.4, (FORMAT.height - 1) / 2 - 0.3), abs=0.1)


def test_picture_without_hidden_bytes_gives_none() -> None:
    with pytest.raises(DamagedEnvelope, match="no hidden bytes"):
        recover(FRAMES[:4], FORMAT, DENSE)


def test_frames_in_another_order_are_refused() -> None:
    hidden = list(hide(FRAMES, _payload(DENSE), DENSE))
    with pytest.raises(DamagedEnvelope):
        recover(hidden[::-1], FORMAT, DENSE)


def test_more_bytes_than_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="fit"):
        next(hide(FRAMES, _payload(DENSE) + b"x", DENSE))


def test_carrying_pictures_say_that_every_block_may_differ() -> None:
    shown = [DesensitisedFrame(i, i, planes, no_blocks(FORMAT)) for i, planes in enumerate(FRAMES[:4])]
    carried = list(carrying(shown, FORMAT, b"sealed", DENSE))
    assert all(frame.mask.all() for frame in carried)
    assert read([frame.planes.y for frame in carried], DENSE) == b"sealed"


def test_small_pictures_keep_a_region_in_every_frame_first() -> None:
    long = [Region(1, "face", (40, 40, 72, 80), 0.9, "detected") for _ in FRAMES]
    large = [Region(2, "face", (100, 60, 220, 200), 0.9, "detected") for _ in FRAMES[:3]]
    regions = [(one, *large[i : i + 1]) for i, one in enumerate(long)]
    whole = small_pictures(FRAMES, regions, 100_000)
    kept = []
    for share in (1, 0.6, 0.4, 0.25, 0.15, 0.1, 0.07):
        coded = small_pictures(FRAMES, regions, int(share * len(whole)))
        got = decode(HiddenPictures, coded)
        assert len(coded) <= share * len(whole)
        assert got.tracks[0].track == 1
        assert got.left_out == 2 - len(got.tracks)
        assert [len(pictures_of(track)) for track in got.tracks] == [len(track.frames) for track in got.tracks]
        kept.append(sum(len(track.frames) for track in got.tracks))
    assert kept[0] == len(FRAMES) + 3
    assert len(FRAMES) in kept
    assert kept == sorted(kept, reverse=True)
    assert 1 <= kept[-1] < len(FRAMES)
    assert pictures_of(got.tracks[0])[0].y.shape == (SIDE, SIDE)
    assert small_pictures(FRAMES, regions, 3) == b""


def test_small_picture_shows_the_square_about_its_box() -> None:
    dark = freeze(pixels.blank(320, 240, 30))
    bright = pixels.copy(dark)
    bright.y[60:120, 100:160] = 200
    region = Region(1, "face", (106, 66, 154, 114), 0.9, "detected")
    plain = decode(HiddenPictures, small_pictures([freeze(bright)], [[region]], 100_000))
    (shown,) = pictures_of(plain.tracks[0])
    assert shown.y[4:-4, 4:-4].min() > 190


def _payload(carrier: Carrier) -> bytes:
    return np.random.default_rng(3).bytes(capacity(FORMAT.width, FORMAT.height, len(FRAMES), carrier))


def _corner(size: tuple[int, int], count: int) -> list[Planes]:
    """So many pictures, of this width and height each."""
    wide, high = size
    return [
        freeze(Planes(*(p[: high // n, : wide // n].copy() for p, n in zip(planes.all(), (1, 2, 2), strict=True))))
        for planes in (FRAMES * 5)[:count]
    ]


@pytest.mark.parametrize(("size", "count"), [((16, 16), 4), ((16, 16), 100), ((18, 18), 6), ((24, 24), 2)])
@pytest.mark.parametrize("carrier", [DENSE, STURDY], ids=lambda carrier: carrier.name)
def test_pictures_too_small_to_carry_anything_pass_without_bits(
    size: tuple[int, int], count: int, carrier: Carrier
) -> None:
    format = VideoFormat(*size, textured.TIME_BASE)
    frames = _corner(size, count)
    hidden = list(hide(frames, b"", carrier))
    assert len(hidden) == count and capacity(*size, count, carrier) == 0
    with pytest.raises(UsageError):
        next(hide(frames, b"x", carrier))
    with pytest.raises(DamagedEnvelope):
        recover(hidden, format, carrier)


@pytest.mark.parametrize("size", [(128, 16), (16, 128)])
def test_bytes_in_pictures_smaller_than_a_tile_of_the_marks_are_read_or_said_to_be_lost(size: tuple[int, int]) -> None:
    format = VideoFormat(*size, textured.TIME_BASE)
    frames = _corner(size, 24)
    payload = bytes(range(capacity(*size, 24, DENSE) // 2))
    assert payload
    assert recover(list(hide(frames, payload, DENSE)), format, DENSE)[0] == payload
    with pytest.raises(DamagedEnvelope):
        recover(frames, format, DENSE)
