"""The outline of heads and plates: what is painted, and where nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.models import resolve
from operators import pixels
from operators.cohere import lay_out
from operators.colour import planes_of
from operators.desensitise.base import Spot
from operators.desensitise.policy import Policy
from operators.desensitise.silhouette import GREY, SILHOUETTE, painted
from operators.heads import COLUMNS, ROWS, WEIGHTS, Window, heads, seen, window_of
from operators.replacing.drawn import HEIGHT, WIDTH, drawn
from schemas.errors import MalformedRecord
from schemas.frames import VideoFormat
from schemas.regions import Region, RegionSet
from schemas.state import MAX_APPEARANCE_BYTES

FACE = Region(1, "face", (40, 60, 88, 132), 1.0, "detected")
PLATE = Region(1, "plate", (20, 20, 60, 32), 1.0, "detected", (20, 20, 60, 20, 60, 30, 20, 30))
FORMAT = VideoFormat(WIDTH, HEIGHT, Fraction(1, 25), matrix=1)


def _drawn(seed: int) -> Spot:
    """A drawn head on its even ground; the face's box runs from above the brows to the chin."""
    donor = drawn(seed)
    eyes, mouth = donor.landmarks[:2].mean(0), donor.landmarks[3:].mean(0)
    tall = 2.5 * (mouth[1] - eyes[1])
    x, top = float(eyes[0]), float(eyes[1] - 0.38 * tall)
    face = replace(FACE, box=(x - 0.4 * tall, top, x + 0.4 * tall, top + tall))
    return Spot(planes_of(donor.rgb, FORMAT), found=face)


@pytest.mark.parametrize(
    ("outline", "rows", "columns"),
    [(b"", (0, 40), (0, 80)), (bytes([0, 0, 255, 0, 255, 255, 0, 255]), (0, 40), (0, 80)),
     (bytes([51, 51, 204, 51, 204, 204, 51, 204]), (8, 32), (16, 64)),
     (bytes([48, 54, 206, 54, 206, 201, 48, 201]), (8, 32), (16, 64))],
    ids=["nothing said", "all of it", "on the squares", "off them by less than half"],
)  # fmt: skip
def test_painted_are_the_squares_inside_the_points(outline, rows, columns) -> None:
    inside = painted(outline, (40, 80))
    assert inside[rows[0] : rows[1], columns[0] : columns[1]].all()
    assert inside.sum() == (rows[1] - rows[0]) * (columns[1] - columns[0])


def test_painted_of_a_region_that_ends_within_a_square_ends_there() -> None:
    assert painted(bytes([0, 0, 255, 0, 255, 255, 0, 255]), (38, 46)).all()


@pytest.mark.parametrize("appearance", [b"\x80\x80\x80", bytes(4), bytes(194)])
def test_painted_by_another_methods_appearance_is_refused(appearance: bytes) -> None:
    with pytest.raises(MalformedRecord, match="isn't an outline"):
        SILHOUETTE.paint(Spot(pixels.blank(32, 32)), appearance)


def test_paint_greys_the_inside_in_all_planes_and_nothing_else() -> None:
    planes = pixels.blank(32, 32, 50, 60, 70)
    SILHOUETTE.paint(Spot(planes), bytes([64, 64, 191, 64, 191, 191, 64, 191]))
    inside = painted(bytes([64, 64, 191, 64, 191, 191, 64, 191]), (32, 32))
    assert (planes.y == np.where(inside, GREY, 50)).all()
    coarse = inside[::2, ::2]
    assert (planes.u == np.where(coarse, GREY, 60)).all() and (planes.v == np.where(coarse, GREY, 70)).all()
    assert coarse.sum() * 4 == inside.sum()


@pytest.mark.parametrize(
    "found",
    [None, replace(FACE, source="coasting"), replace(FACE, source="zone"), replace(FACE, kind="person"),
     replace(FACE, box=(40, 60, 56, 80)), replace(PLATE, landmarks=()),
     replace(PLATE, landmarks=(60, 20, 100, 20, 100, 30, 60, 30)), replace(PLATE, landmarks=(float("nan"),) * 8)],
    ids=["nothing known", "coasting", "zone", "no head", "small", "no corners", "corners elsewhere", "no numbers"],
)  # fmt: skip
def test_outline_that_would_be_a_guess_is_none(found: Region | None) -> None:
    assert SILHOUETTE.prepare(replace(_drawn(1), found=found), b"") == b""


def test_outline_where_the_network_sees_no_person_is_none() -> None:
    """An even grey: whatever the detector meant, the whole region is painted."""
    assert SILHOUETTE.prepare(Spot(pixels.blank(128, 160, 128), found=FACE), b"") == b""


def test_outline_of_a_plate_runs_outside_of_its_corners() -> None:
    """Its height is 10, so 1.5 samples go on every side: 18.5 to 61.5, 18.5 to 31.5; and of squares those half in."""
    spot = Spot(pixels.blank(96, 64), 0, 0, PLATE)
    shown = SILHOUETTE.prepare(spot, b"")
    points = np.frombuffer(shown, np.uint8).reshape(4, 2) / 255 * (96, 64)
    assert np.abs(points - [(18.5, 18.5), (61.5, 18.5), (61.5, 31.5), (18.5, 31.5)]).max() < 0.4
    inside = painted(shown, (64, 96))
    assert inside[20:30, 20:60].all() and not inside[:16].any() and not inside[:, 64:].any()


def test_outline_of_a_plate_counts_from_where_the_region_begins() -> None:
    marks = tuple(value + shift for value, shift in zip(PLATE.landmarks, (160, 320) * 4, strict=True))
    moved = replace(PLATE, box=(180, 340, 220, 352), landmarks=marks)
    here = Spot(pixels.blank(96, 64), 160, 320, moved)
    assert SILHOUETTE.prepare(here, b"") == SILHOUETTE.prepare(Spot(pixels.blank(96, 64), 0, 0, PLATE), b"")


@pytest.mark.parametrize("seed", range(6))
def test_outline_of_a_head_covers_face_and_hair_and_leaves_the_corners(seed: int) -> None:
    spot = _drawn(seed)
    shown = SILHOUETTE.prepare(spot, b"")
    assert 6 <= len(shown) <= MAX_APPEARANCE_BYTES
    inside = painted(shown, spot.planes.y.shape)
    box = spot.found.box
    oval = np.zeros(inside.shape, np.uint8)
    cv2.ellipse(oval, (((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), (box[2] - box[0], box[3] - box[1]), 0.0), 1, -1)
    assert inside[oval > 0].mean() > 0.99
    assert not inside[:8, :8].any() and not inside[:8, -8:].any()
    assert 0.3 < inside.mean() < 0.7


def test_outline_of_the_same_region_is_the_same_twice() -> None:
    assert SILHOUETTE.prepare(_drawn(3), b"") == SILHOUETTE.prepare(_drawn(3), b"")


def test_network_is_the_one_of_the_catalogue() -> None:
    assert resolve("heads", Path()) == WEIGHTS


def test_window_beyond_the_region_repeats_its_rim() -> None:
    planes = pixels.blank(64, 64, 100, 110, 120)
    planes.y[:, 0] = 228
    values = seen(planes, Window(-32, -8, 32, 72, 36.0))
    assert values.shape == (6, ROWS, COLUMNS)
    assert (values[:4, :, :15] == (228 - 128) / 64).all() and (values[:4, :, 18:] == (100 - 128) / 64).all()
    assert (values[4] == (110 - 128) / 64).all() and (values[5] == (120 - 128) / 64).all()


def test_window_far_outside_of_the_region_is_answered_all_the_same() -> None:
    said = heads(pixels.blank(32, 32), window_of((500.0, 500.0, 548.0, 560.0)))
    assert said.shape == (ROWS, COLUMNS) and ((said >= 0) & (said <= 1)).all()


def test_layout_for_an_outline_claims_the_whole_head() -> None:
    regions = RegionSet("c", "v", 0, ((replace(FACE, box=(320, 320, 400, 420)),),))
    video = VideoFormat(960, 960, Fraction(1, 25))
    policies = [
        Policy({}, {"face": "silhouette"}, insist=True), Policy({}, {"face": "solid"}, whole_heads=True),
        Policy({}, {"face": "solid"}),
    ]
    outline, head, face = (lay_out(regions, video, policy)[0][0].rect for policy in policies)
    assert outline == head != face
