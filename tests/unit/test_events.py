"""The view of movement: where things go, in which colour, and that looks don't get through."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from infra.camera import open_source
from operators.codec import encode
from operators.desensitise.events import EventView
from operators.flow_colours import SYSTEMS, munsell_rgb, table
from operators.fragment import fragment, init_segment
from operators.motion import CELL, DIRECTIONS, REACH, SPEEDS, Motion, quantised
from operators.pixels import freeze
from schemas.errors import UsageError
from schemas.frames import Plane, Planes, RawFrame, VideoFormat
from streams.events import events
from tests.support import textured
from tests.support.planes import equal

FORMAT = VideoFormat(320, 240, textured.TIME_BASE)


def _moved(x: int, y: int, seed: int = 0) -> tuple[Plane, Plane]:
    """A textured square of 96 samples that goes by x, y before a still background."""
    ground, patch = textured.pictures(FORMAT, 1, 5)[0].y, textured.pictures(FORMAT, 1, seed)[0].y[:96, :96]
    out = []
    for left, top in ((100, 80), (100 + x, 80 + y)):
        picture = ground.copy()
        picture[top : top + 96, left : left + 96] = patch
        out.append(picture)
    return out[0], out[1]


@pytest.mark.parametrize(("x", "y", "direction"), [(4, 0, 0), (0, 4, 8), (-4, 0, 16), (0, -4, 24), (3, 3, 4)])
def test_motion_names_direction_and_speed_of_what_moves(x: int, y: int, direction: int) -> None:
    cells = Motion().cells(*_moved(x, y))
    inside = cells[13:18, 16:21].astype(int)
    level = int((np.hypot(x, y) / (REACH * FORMAT.width)) ** 0.5 * SPEEDS)
    assert (inside > 0).all()
    off = (inside - 1) % DIRECTIONS - direction
    assert np.abs((off + 16) % 32 - 16).max() <= 1
    assert np.median((inside - 1) // DIRECTIONS) == level
    assert (cells[:, :8] == 0).all()


def test_motion_of_noise_alone_is_none() -> None:
    one, two = (planes.y for planes in textured.pictures(FORMAT, 2)[:2])
    still = one.copy()
    still[:] = np.clip(one.astype(int) + np.random.default_rng(1).integers(-3, 4, one.shape), 0, 255)
    assert (Motion().cells(one, still) == 0).mean() > 0.99
    assert (Motion().cells(one, two) == 0).mean() < 0.99


SMALL = """
import sys
import numpy as np
from operators.motion import CELL, Motion
for pair in sys.argv[1:]:
    width, height = map(int, pair.split("x"))
    noise = np.random.default_rng(width).integers(0, 255, (height, width), np.uint8)
    for one in (noise, np.full_like(noise, 90)):
        assert Motion().cells(one, np.roll(one, 3, 1)).shape == (-(-height // CELL), -(-width // CELL))
"""


@pytest.mark.parametrize("sizes", ["16x16 18x18", "96x16 128x16 256x16", "512x24 512x32 512x48", "2000x16 2000x48",
                                   "640x40 640x48", "16x2000 16x8000 62x62 64x64 8000x62"])
def test_motion_of_flat_and_tiny_pictures_ends_no_process(sizes: str) -> None:
    """In a process of its own: OpenCV's flow ended it by a signal."""
    done = subprocess.run([sys.executable, "-c", SMALL, *sizes.split()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_motion_in_a_flat_picture_has_the_direction_of_what_moves() -> None:
    before, after = (plane[88:128] for plane in _moved(4, 0))
    cells = Motion().cells(np.ascontiguousarray(before), np.ascontiguousarray(after))
    inside = cells[1:4, 16:21].astype(int)
    assert (inside > 0).all()
    assert np.isin((inside - 1) % DIRECTIONS, (31, 0, 1)).all()
    assert (cells[:, :8] == 0).all()


def test_cell_that_moves_alone_counts_as_still() -> None:
    flow = np.zeros((9, 9, 2), np.float32)
    flow[4, 4] = 3
    assert not quantised(flow, np.ones((9, 9), bool), 320).any()
    flow[4, 3:6] = 3
    assert quantised(flow, np.ones((9, 9), bool), 320)[4, 4]
    assert not quantised(flow, np.zeros((9, 9), bool), 320).any()


@pytest.mark.parametrize("system", SYSTEMS)
def test_colours_of_all_values_differ_and_opposite_directions_most(system: str) -> None:
    colours = table(system)
    assert colours.shape == (1 + SPEEDS * DIRECTIONS, 3)
    assert colours.min() >= 0
    assert colours.max() <= 1
    fast = colours[-DIRECTIONS:]
    apart = [np.linalg.norm(fast - np.roll(fast, step, 0), axis=1).mean() for step in (1, 8, 16)]
    assert 0 < apart[0] < apart[1] < apart[2]
    slow = np.linalg.norm(colours[1 : 1 + DIRECTIONS] - colours[0], axis=1).mean()
    assert slow < np.linalg.norm(fast - colours[0], axis=1).mean()


def test_munsell_neutral_is_grey_of_its_luminance_and_chroma_takes_it_away() -> None:
    grey = munsell_rgb(0.3, 5, 0)
    # ASTM D1535: value 5 is 19.27 % of the white's luminance, sRGB 0.4764.
    assert grey == pytest.approx([0.4764] * 3, abs=0.003)
    red = munsell_rgb(0.0, 5, 10)
    assert red[0] > red[1] + 0.2
    assert red[0] > red[2]


def test_wheel_is_that_of_the_benchmark() -> None:
    fast = table("wheel")[-DIRECTIONS:]
    assert fast[0] == pytest.approx([1, 0, 0], abs=0.01)
    assert table("wheel")[0] == pytest.approx([1, 1, 1])


def test_view_shows_no_texture_only_cells_of_one_colour() -> None:
    frames = [RawFrame(i, i, Planes(y, *textured.pictures(FORMAT, 1)[0].all()[1:])) for i, y in enumerate(_moved(4, 0))]
    first, second = EventView(FORMAT).shown(frames)
    assert len({plane.tobytes() for plane in (first.planes.y[:CELL, :CELL], first.planes.y[80:88, 120:128])}) == 1
    cells = second.planes.y.reshape(30, CELL, 40, CELL).transpose(0, 2, 1, 3).reshape(-1, CELL * CELL)
    assert (cells == cells[:, :1]).all()
    assert second.mask.all()
    assert len(np.unique(second.planes.y)) > 1


def test_view_of_one_movement_is_the_same_whatever_moves() -> None:
    """The texture of a square changes cells at its border at most: which ones move, not what is shown of them."""
    shown = [Motion().cells(*_moved(4, 0, seed)) for seed in (1, 2, 3)]
    inner = [cells[12:19, 15:22] for cells in shown]
    assert all((np.abs(one.astype(int) - inner[0]) <= 1).mean() > 0.9 for one in inner)


def test_view_begins_anew_at_a_cut() -> None:
    one = textured.pictures(FORMAT, 1, 1)[0]
    other = freeze(Planes(255 - one.y, *(np.full_like(plane, 90) for plane in (one.u, one.v))))
    shown = list(EventView(FORMAT).shown([RawFrame(0, 0, one), RawFrame(1, 1, other)]))
    assert equal(shown[1].planes, shown[0].planes)


def test_unknown_colours_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="munsell, hsv, wheel"):
        EventView(FORMAT, "rainbow")


def test_events_of_a_file_keep_its_frames_and_times(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    units = encode(textured.pictures(FORMAT, 30), range(30), FORMAT, crf=20)
    source.write_bytes(init_segment(FORMAT) + fragment(units, 30, 1, FORMAT))
    chunks = iter(open_source(str(source), encode=encode, chunk_ms=400, camera_id="file"))
    totals = events(chunks, out, "hsv", 23, "veryfast")
    with av.open(str(out)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert totals.frames == len(pictures) == 30
    assert pictures[0].max() < 20
    assert pictures[10][40:120, 30:90].max() > 40
    assert cv2.mean(pictures[10][160:])[0] < 20
