"""What restoration takes for desensitised, on a real face, coded: by methods that leave fine detail in view."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import cv2
import numpy as np
import pytest

from operators import pixels
from operators.codec import decode_units, encode
from operators.desensitise.base import Spot
from operators.desensitise.scale import SCALES
from operators.desensitise.silhouette import SILHOUETTE
from operators.masks import pack_masks
from operators.pieces import Gathered, code
from operators.restore import looks_bare, outlined, restore_frames
from schemas.errors import NotDesensitised
from schemas.frames import Planes, VideoFormat
from schemas.records import OperatorChunk, Piece, PieceFrame

FORMAT = VideoFormat(256, 256, Fraction(1, 25))
FACE = np.s_[2:11, 4:12]
"""Blocks of the face and some around it."""
HEAD = bytes(np.rint(255 * np.stack([0.5 + 0.3 * np.cos(a := np.linspace(0, 6, 40)), 0.5 + 0.35 * np.sin(a)], 1))
             .astype(np.uint8).ravel())


@cache
def original() -> Planes:
    """A photograph of a face, 256x256."""
    from skimage import data

    yuv = cv2.cvtColor(np.ascontiguousarray(data.astronaut()[:256, 96:352]), cv2.COLOR_RGB2YUV_I420)
    rows = yuv.reshape(-1)
    return pixels.freeze(Planes(
        rows[:65536].reshape(256, 256), rows[65536:81920].reshape(128, 128), rows[81920:].reshape(128, 128),
    ))


def mask() -> pixels.Mask:
    """The blocks that are hidden."""
    found = pixels.no_blocks(FORMAT)
    found[FACE] = True
    return found


@cache
def soft() -> Planes:
    """The photograph as if taken at a quarter of its size."""
    small = cv2.resize(original().y, (64, 64), interpolation=cv2.INTER_AREA)
    y = np.asarray(cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC), np.uint8)
    return pixels.freeze(replace(original(), y=y))


def shown(method: str, crf: float, true: Planes | None = None) -> Planes:
    """The photograph with the face hidden so, or as it is for "", coded."""
    planes = pixels.copy(true or original())
    spot = Spot(pixels.view(planes, pixels.BlockRect(2, 4, 11, 12)))
    for one in (*SCALES, SILHOUETTE):
        if one.name == method:
            one.paint(spot, HEAD if method == "silhouette" else one.prepare(spot, b""))
    units = encode([planes], [0], FORMAT, crf=crf)
    return decode_units(units, "h264", 256, 256)[0]


def restored(public: Planes, method: str, true: Planes | None = None) -> list[Planes]:
    """By evidence of the face in a chunk that was signed as hidden by this method."""
    (piece,) = code([evidence(true or original())], "lossless")
    assert isinstance(piece, Piece)
    body = OperatorChunk("cam", "cam-video", 0, 0, 0, (0,), 1, pack_masks([mask()]), method, (), b"", 0, b"")
    return restore_frames(body, FORMAT, [public], [piece])


def evidence(true: Planes) -> Gathered:
    """All of the photograph, of which the face is its own."""
    place = PieceFrame(0, 0, 0, np.packbits(mask()).tobytes())
    return Gathered((1,), ("face",), FORMAT, lambda: [true], [mask()], (place,))


@pytest.mark.parametrize("crf", [18, 23, 28])
@pytest.mark.parametrize("method", ["scale2", "scale4", "scale8", "silhouette", "plate,silhouette"])
def test_what_a_method_leaves_in_view_is_no_reason_to_refuse(method: str, crf: float) -> None:
    (picture,) = restored(shown(method.split(",")[-1], crf), method)
    luma = pixels.sample_masks(mask(), FORMAT)[0]
    assert (picture.y[luma] == original().y[luma]).all()


@pytest.mark.parametrize("crf", [18, 23])
@pytest.mark.parametrize("method", ["veil", "scale2", "scale4", "scale8", "silhouette"])
def test_a_bare_picture_is_refused_whatever_the_chunk_says(method: str, crf: float) -> None:
    with pytest.raises(NotDesensitised):
        restored(shown("", crf), method)


def test_what_one_method_leaves_in_view_is_refused_in_a_chunk_of_another() -> None:
    for method in ("silhouette", "scale2"):
        with pytest.raises(NotDesensitised):
            restored(shown(method, 18), "veil")


def test_outlined_looks_at_all_that_is_masked_about_a_piece_and_at_nothing_else() -> None:
    signed = mask()
    signed[13:15, 0:3] = True
    corner, apart = pixels.no_blocks(FORMAT), pixels.no_blocks(FORMAT)
    corner[2, 4], apart[14, 1] = True, True
    public = shown("silhouette", 23)
    assert outlined(public, signed, corner) and not outlined(public, signed, apart)
    assert not outlined(shown("", 23), signed, corner)
    tinted = replace(public, u=np.full_like(public.u, 110))
    assert not outlined(tinted, signed, corner)


def test_looks_bare_of_half_the_resolution_asks_for_what_is_beyond_it() -> None:
    true, public = original().y, shown("scale2", 18).y
    assert looks_bare(public, true, mask()) and not looks_bare(public, true, mask(), factor=2)
    assert looks_bare(true, true, mask(), factor=2)


@pytest.mark.parametrize("crf", [18, 23, 28])
def test_a_soft_picture_at_a_quarter_of_its_resolution_is_restored_and_a_bare_one_refused(crf: float) -> None:
    public, true, luma = shown("scale4", crf, soft()), soft(), pixels.sample_masks(mask(), FORMAT)[0]
    assert looks_bare(public.y, true.y, mask())
    assert (restored(public, "scale4", true)[0].y[luma] == true.y[luma]).all()
    for method in ("scale4", "veil,scale4", "scale8"):
        with pytest.raises(NotDesensitised):
            restored(shown("", crf, true), method, true)
