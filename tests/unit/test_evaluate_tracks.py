"""The tracks suite's counting, on regions and faces made by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from schemas.frames import VideoFormat
from schemas.regions import Region, RegionSource
from streams.demo.compose import Face, Truth
from streams.evaluate.tracks import Tracks, count, figures, owner

VIDEO = VideoFormat(160, 96, Fraction(1, 25))
LEFT, RIGHT = (16.0, 16.0, 48.0, 48.0), (96.0, 16.0, 128.0, 48.0)


def face(label: str, box: tuple[float, float, float, float] = LEFT, hidden_rows: int = 0) -> Face:
    shown = np.ones((int(box[3] - box[1]), int(box[2] - box[0])), bool)
    shown[:hidden_rows] = False
    return Face(label, box, float(shown.mean()), np.packbits(shown).tobytes())


def region(
    track: int, box: tuple[float, float, float, float] = LEFT, source: RegionSource = "detected"
) -> Region:
    x1, y1, x2, y2 = box
    eyes, mouth, middle = y1 + 0.35 * (y2 - y1), y1 + 0.8 * (y2 - y1), (x1 + x2) / 2
    points = (x1 + 8, eyes, x2 - 8, eyes, middle, (y1 + y2) / 2, x1 + 9, mouth, x2 - 9, mouth)
    return Region(track, "face", box, 0.9, source, points if source == "detected" else ())


def counted(faces: list[tuple[Face, ...]], regions: list[tuple[Region, ...]]) -> Tracks:
    labels = tuple(sorted({one.label for frame in faces for one in frame}))
    return count(Truth(160, 96, 25, labels, tuple(faces)), [(VIDEO, frame) for frame in regions], 0.0)


@pytest.mark.parametrize(
    ("found", "faces", "label"),
    [
        (region(1), (face("a"),), "a"),
        (region(1, RIGHT), (face("a"), face("b", RIGHT)), "b"),
        (region(1, RIGHT), (face("a"),), None),
        (region(1), (face("a", hidden_rows=20),), None),
        (region(1, source="tracked"), (face("a"),), None),
    ],
)
def test_owner_is_the_face_whose_visible_pixels_hold_the_landmarks(found, faces, label) -> None:
    assert owner(found, faces) == label


def test_a_track_that_goes_over_shows_two_people() -> None:
    faces = [(face("a"), face("b", RIGHT))] * 4
    swapped = [(region(1), region(2, RIGHT))] * 2 + [(region(1, RIGHT), region(3))] * 2
    assert sorted(counted(faces, swapped).owners) == [1, 1, 2]
    assert counted(faces, [(region(1), region(2, RIGHT))] * 4).owners == [1, 1]


def test_one_wrong_detection_makes_no_second_owner() -> None:
    faces = [(face("a"), face("b", RIGHT))] * 4
    assert counted(faces, [(region(1),)] * 3 + [(region(1, RIGHT),)]).owners == [1]


def test_a_face_in_blocks_of_another_ones_track_alone_is_lost() -> None:
    frames = [(face("a"),)] * 3 + [(face("b"),)] * 3
    mine = [(region(1),)] * 3 + [(region(2),)] * 2
    others = counted(frames, [*mine, (region(1, source="coasting"),)])
    both = counted(frames, [*mine, (region(1, source="coasting"), region(2, source="tracked"))])
    assert (others.faces, others.lost) == (6, 1) and both.lost == 0


def test_figures_count_mixed_tracks_and_tracks_a_person() -> None:
    found = {one.id: one for one in figures(Tracks(people=2, faces=9, lost=1, owners=[1, 2, 1]))}
    assert found["mixed_tracks"].value == 1 and found["mixed_tracks"].holds is False
    assert found["lost_faces"].value == 1 and found["tracks_a_person"].value == 1.5
    assert figures(Tracks(people=2, faces=9, owners=[1, 1]))[0].holds and figures(Tracks())[0].holds is False
