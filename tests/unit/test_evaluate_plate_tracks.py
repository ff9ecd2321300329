"""`eval plate-tracks`: plates on their way, which tracks count, and what is counted of them."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from operators.plate_track import Glimpse, join
from operators.plates import WEIGHTS, PlateReader, Reading
from operators.training.plates.moving import LEAST, MOST, film, misplaced
from schemas.errors import ConfigError, SourceError, UsageError
from streams.evaluate.plate_clips import follow, known_plates
from streams.evaluate.plate_tracks import LAYOUTS, drive, figures, tracked
from streams.setup import plate_detector
from tests.support.shared import shared_data

needs_reader = pytest.mark.skipif(
    not WEIGHTS.is_file() or importlib.util.find_spec("PIL") is None, reason="the reader or Pillow is missing"
)


def _said(text: str, sure: float) -> Glimpse:
    return Glimpse((Reading(text, (sure,) * len(text), sure),), sure)


def _flat() -> np.ndarray:
    plate = np.full((64, 256, 3), 230, np.uint8)
    plate[16:48, 20:236] = 20
    return plate


@pytest.mark.parametrize("number", range(6))
def test_film_is_seeded_and_its_corners_hold_the_plate(number):
    frames, again = (film(_flat(), np.random.default_rng([5, number])) for _ in range(2))
    assert LEAST <= len(frames) <= MOST and len(frames) == len(again)
    for one, other in zip(frames, again, strict=True):
        assert np.array_equal(one.picture, other.picture) and np.array_equal(one.corners, other.corners)
        edges = np.roll(one.corners, -1, 0) - one.corners
        after = np.roll(edges, -1, 0)
        assert (edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]).min() > 0
        assert misplaced(one.corners, np.random.default_rng(1)) == pytest.approx(one.corners, abs=15)


def test_film_of_halves_never_shows_the_whole_plate():
    for number in range(6):
        shown = [frame.shown for frame in film(_flat(), np.random.default_rng([6, number]), "halves")]
        assert max(shown) < 0.8 and len(set(shown)) == 2
    assert all(frame.shown == 1 for frame in film(_flat(), np.random.default_rng(6), "none"))


def test_track_tells_what_frames_say_alone_together_and_by_majority():
    track = tracked("AB123", "eu", [_said("AB123", 0.5), _said("AB128", 0.9), _said("AB123", 0.6), _said("AB12", 0.1)])
    assert (track.readable, track.best_frame, track.voted, track.joined.text) == (0.5, "AB128", "AB123", "AB123")


def test_figures_count_tracks_right_worse_and_by_vote():
    right = tracked("AB123", "eu", [_said("AB123", 0.9), _said("AB124", 0.3)])
    wrong = tracked("AB123", "eu", [_said("KL777", 0.9)] * 3 + [_said("AB123", 0.99)])
    values = {one.id: one.value for one in figures([right, wrong], 5, [right], 1, [wrong])}
    assert values["track_exact"] == 0.5 and values["best_frame_exact"] == 1.0 and values["voting_exact"] == 0.5
    assert values["worse_than_best_frame"] == 1 and values["halves_exact"] == 1.0
    assert values["faint_exact"] == 0.0
    with pytest.raises(SourceError):
        figures([], 5, [], 1)


@needs_reader
def test_drive_same_seed_gives_the_same_track():
    from operators.training.plates.glyphs import load

    try:
        glyphs = load()
    except ConfigError as error:
        pytest.skip(str(error))
    reader = PlateReader(WEIGHTS)
    first, again = (drive(reader, glyphs, LAYOUTS[0], np.random.default_rng([1, 2])) for _ in range(2))
    assert (first.text, first.alone, first.joined) == (again.text, again.alone, again.joined)
    assert LEAST <= len(first.alone) <= MOST


def test_known_plates_are_those_that_the_table_calls_readable(tmp_path):
    (tmp_path / "clips.tsv").write_text(
        "file\tplates\na.mp4\tnone\nb.mp4\t1 readable: AB12CDE (UK); far cars too\nc.mp4\tsmall, not readable\n"
        "d.mp4\treadable, first: 99A12345 (Vietnam)\n"
    )
    assert known_plates(tmp_path) == {tmp_path / "b.mp4": "AB12CDE", tmp_path / "d.mp4": "99A12345"}
    with pytest.raises(UsageError):
        known_plates(tmp_path / "none")


@needs_reader
def test_clip_with_a_readable_plate_is_read_along_its_track():
    data = shared_data()
    [(path, text)] = [one for one in known_plates(data).items() if one[0].name == "license_plate.mp4"]
    tracks = follow(path, plate_detector(), PlateReader(WEIGHTS))
    assert join(max(tracks, key=lambda one: len(one.glimpses)).glimpses).text == text
