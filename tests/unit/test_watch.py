"""Only what has changed is searched again, and nothing that came, left or moved is missed by it."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.detect import Several, Watch, around
from operators.detect.watch import CELL, LEAST, MOST, _least, changed
from operators.detect.windows import ALIGNED, MARGIN, WORTHWHILE, windows
from operators.pixels import freeze
from schemas.errors import ConfigError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections, PartlySeen, boxes
from streams.setup import detector
from tests.support.pictures import ASTRONAUT_FACE, astronaut, planes_of

WIDE, HIGH, SIDE = 1280, 720, 64
FORMAT = VideoFormat(WIDE, HIGH, Fraction(1, 25))


def picture(*places: tuple[int, int], light: int = 250, ground: int = 60) -> Planes:
    """A flat ground with a bright square at each place (x, y), in the top left corner a dark one for contrast."""
    y = np.full((HIGH, WIDE), ground, np.uint8)
    y[:CELL, : 3 * CELL] = 0
    for left, top in places:
        y[top : top + SIDE, left : left + SIDE] = light
    chroma = np.full((HIGH // 2, WIDE // 2), 128, np.uint8)
    return freeze(Planes(y, chroma, chroma.copy()))


class Bright:
    """Finds bright squares in whatever part of a picture it gets, and remembers how much it was asked about."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.sizes: list[int] = []

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int) -> Detections:
        self.asked.append(planes.y.shape)
        self.sizes.append(size)
        found = cv2.connectedComponentsWithStats((planes.y > 150).astype(np.uint8))[2][1:, :4]
        rows = [(x, y, x + w, y + h) for x, y, w, h in found.tolist()]
        return Detections("face", boxes(rows), np.full(len(rows), 0.9, np.float32),
                          np.zeros((len(rows), 0, 2), np.float32))

    def share(self) -> float:
        """Of the picture, in the last question."""
        return self.asked[-1][0] * self.asked[-1][1] / (HIGH * WIDE)


def places(found: tuple[Detections, ...]) -> set[tuple[int, int]]:
    (faces,) = found
    return {(round(x), round(y)) for x, y, _, _ in faces.boxes.tolist()}


def test_a_picture_that_stays_is_searched_once() -> None:
    finder = Bright()
    watch = Watch(finder)
    seen = [places(watch.look(picture((200, 200)), FORMAT, WIDE)) for _ in range(4)]
    assert seen == [{(200, 200)}] * 4 and finder.asked == [(HIGH, WIDE)]


def test_what_comes_moves_and_leaves_is_seen_by_searching_a_part() -> None:
    finder = Bright()
    watch = Watch(finder)
    for at in ([(200, 200)], [(200, 200), (904, 404)], [(200, 200), (940, 420)], [(200, 200)], []):
        assert places(watch.look(picture(*at), FORMAT, WIDE)) == set(at)
    assert finder.asked[0] == (HIGH, WIDE) and len(finder.asked) == 5
    assert max(rows * columns for rows, columns in finder.asked[1:]) < WORTHWHILE * HIGH * WIDE / 2


def test_a_part_is_searched_as_finely_as_the_whole() -> None:
    finder = Bright()
    watch = Watch(finder)
    watch.look(picture(), FORMAT, WIDE // 2)
    watch.look(picture((600, 300)), FORMAT, WIDE // 2)
    assert finder.sizes == [WIDE // 2, max(finder.asked[1]) // 2]


def test_what_comes_little_by_little_is_searched() -> None:
    finder = Bright()
    watch = Watch(finder)
    for light in range(60, 252, 4):
        found = watch.look(picture((640, 320), light=light), FORMAT, WIDE)
    assert places(found) == {(640, 320)} and len(finder.asked) > 10


def test_in_a_dull_picture_less_is_a_change() -> None:
    small = np.full((45, 80), 60, np.uint8)
    other = small.copy()
    other[20, 40] += 6
    assert changed((small,), (other,), 3).sum() == 1 and not changed((small,), (other,), 8).any()
    finder = Bright()
    watch = Watch(finder)
    dull = picture(ground=20)
    watch.look(dull, FORMAT, WIDE)
    watch.look(picture((640, 320), ground=20, light=26), FORMAT, WIDE)
    assert len(finder.asked) == 2


@pytest.mark.parametrize("plane", ["u", "v"])
def test_colour_alone_is_a_change(plane: str) -> None:
    finder = Bright()
    watch = Watch(finder)
    still, tinted = picture(), picture()
    samples = getattr(tinted, plane).copy()
    samples[200:220, 300:320] += 40
    watch.look(still, FORMAT, WIDE)
    watch.look(freeze(Planes(**{"y": tinted.y, "u": tinted.u, "v": tinted.v, plane: samples})), FORMAT, WIDE)
    assert len(finder.asked) == 2 and finder.share() < 0.2


def test_what_reaches_the_edge_of_a_part_leads_to_a_search_of_all() -> None:
    finder = Bright()
    watch = Watch(finder)
    before = picture().y.copy()
    before[300:340, 100:1200] = 149  # too dark to be found
    after = np.where(before == 149, 152, before).astype(np.uint8)  # found, by too little a change
    after[300:340, 1100:1200] = 200
    chroma = picture().u
    assert not places(watch.look(freeze(Planes(before, chroma, chroma)), FORMAT, WIDE))
    assert places(watch.look(freeze(Planes(after, chroma, chroma)), FORMAT, WIDE)) == {(100, 300)}
    assert finder.asked[-1] == (HIGH, WIDE) and finder.asked[-2] != (HIGH, WIDE)


def square(left: int, top: int) -> Detections:
    one = boxes([(left, top, left + SIDE, top + SIDE)])
    return Detections("face", one, np.full(1, 0.9, np.float32), np.zeros((1, 0, 2), np.float32))


def test_around_places_alone_is_searched_and_said_which_windows_those_are() -> None:
    finder, known = Bright(), [square(200, 200), square(280, 240), square(1000, 500)]
    seen = around(finder, picture((230, 220), (1000, 500)), FORMAT, WIDE, boxes(known[0].boxes), known)
    assert isinstance(seen, PartlySeen) and places(seen.found) == {(230, 220)}
    assert len(finder.asked) == 1 and finder.share() < 0.25
    [window] = seen.windows.tolist()
    for x1, y1, x2, y2 in (*known[0].boxes.tolist(), *known[1].boxes.tolist()):  # the second one meets the window
        assert window[0] < x1 and window[1] < y1 and x2 < window[2] and y2 < window[3]


def test_around_two_places_far_apart_are_two_windows() -> None:
    finder, where = Bright(), boxes([*square(100, 100).boxes, *square(1100, 600).boxes])
    seen = around(finder, picture((110, 104), (1090, 590), (640, 40)), FORMAT, WIDE, where, [])
    assert isinstance(seen, PartlySeen) and len(seen.windows) == len(finder.asked) == 2
    assert places(seen.found) == {(110, 104), (1090, 590)}


def test_around_all_is_searched_where_a_window_cuts_something_or_would_save_little() -> None:
    ground = picture().y.copy()
    ground[300:340, 100:1200] = 200
    crossed = freeze(Planes(ground, picture().u, picture().v))
    finder = Bright()
    seen = around(finder, crossed, FORMAT, WIDE, square(200, 260).boxes, [])
    assert isinstance(seen, tuple) and places(seen) == {(100, 300)} and finder.asked[-1] == (HIGH, WIDE)
    wide = boxes([(0, 0, WIDE - 100, HIGH - 100)])
    assert isinstance(around(Bright(), picture((640, 320)), FORMAT, WIDE, wide, []), tuple)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-40, WIDE), st.integers(-40, HIGH)), min_size=1, max_size=5),
       st.lists(st.tuples(st.integers(0, WIDE - SIDE), st.integers(CELL, HIGH - SIDE)), max_size=6))
def test_around_finds_whatever_lies_whole_at_the_places(where: list[tuple[int, int]], things: list[tuple[int, int]]):
    shown = picture(*things)
    everything, looked_at = Bright().detect_planes(shown, FORMAT, WIDE), [square(*place) for place in where]
    seen = around(Bright(), shown, FORMAT, WIDE, boxes([one.boxes[0] for one in looked_at]), looked_at)
    wanted = {tuple(box) for box in everything.boxes.tolist()
              if any(left <= box[0] and top <= box[1] and box[2] <= left + SIDE and box[3] <= top + SIDE
                     for left, top in where)}
    found = seen.found if isinstance(seen, PartlySeen) else seen
    assert wanted <= {tuple(box) for box in found[0].boxes.tolist()}


def test_a_large_object_of_which_little_changes_stays() -> None:
    finder = Bright()
    watch = Watch(finder)
    before, after = (picture().y.copy() for _ in range(2))
    before[100:600, 300:800] = after[100:600, 300:800] = 200
    after[420:440, 500:560] = 220
    first = watch.look(freeze(Planes(before, picture().u, picture().v)), FORMAT, WIDE)
    second = watch.look(freeze(Planes(after, picture().u, picture().v)), FORMAT, WIDE)
    assert places(first) == places(second) == {(300, 100)} and finder.share() < 0.3


def test_a_large_object_that_creeps_is_followed_to_a_cell() -> None:
    finder = Bright()
    watch = Watch(finder)
    for step in range(24):  # 6 samples a look change the two ends only, a tenth of its cells
        y = picture().y.copy()
        y[320:352, 100 + 6 * step : 740 + 6 * step] = 200
        found = watch.look(freeze(Planes(y, picture().u, picture().v)), FORMAT, WIDE)
        [(left, top)] = places(found)
        assert top == 320 and 100 + 6 * step - CELL <= left <= 100 + 6 * step


def test_where_most_has_changed_all_is_searched() -> None:
    finder = Bright()
    watch = Watch(finder)
    watch.look(picture(), FORMAT, WIDE)
    watch.look(picture((100, 100), ground=90), FORMAT, WIDE)
    assert finder.asked == [(HIGH, WIDE)] * 2


def test_each_size_is_watched_by_itself_and_another_picture_size_begins_anew() -> None:
    finder = Bright()
    watch = Watch(finder)
    for size in (WIDE, WIDE // 2, WIDE, WIDE // 2):
        watch.look(picture(), FORMAT, size)
    assert finder.sizes == [WIDE, WIDE // 2]
    half = freeze(Planes(*(plane[: len(plane) // 2].copy() for plane in picture().all())))
    watch.look(half, FORMAT, WIDE)
    assert finder.asked[-1] == (HIGH // 2, WIDE)


def test_after_a_failure_all_is_searched() -> None:
    class Failing(Bright):
        def detect_planes(self, planes: Planes, video: VideoFormat, size: int) -> Detections:
            found = super().detect_planes(planes, video, size)
            if len(self.asked) == 2:
                raise ConfigError("no answer")
            return found

    finder = Failing()
    watch = Watch(finder)
    watch.look(picture(), FORMAT, WIDE)
    with pytest.raises(ConfigError):
        watch.look(picture((640, 320)), FORMAT, WIDE)
    assert places(watch.look(picture((640, 320)), FORMAT, WIDE)) == {(640, 320)}
    assert finder.asked[-1] == (HIGH, WIDE)


def test_everywhere_searches_each_picture_whole() -> None:
    finder = Bright()
    watch = Watch(finder, everywhere=True)
    for _ in range(3):
        watch.look(picture(), FORMAT, WIDE)
    assert finder.asked == [(HIGH, WIDE)] * 3


def test_a_real_face_that_comes_into_a_still_picture_is_found_by_its_part() -> None:
    rng = np.random.default_rng(3)
    ground = cv2.resize(rng.integers(60, 140, (9, 16, 3), np.uint8), (WIDE, HIGH), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(astronaut(), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    frames = []
    for corners in ([(100, 400)], [(100, 400), (900, 100)], [(100, 400), (930, 110)]):
        rgb = ground.copy()
        for left, top in corners:
            rgb[top : top + len(small), left : left + small.shape[1]] = small
        frames.append((planes_of(rgb), corners))
    watch = Watch(Several(detector()))
    for (planes, video), corners in frames:
        (found,) = watch.look(planes, video, WIDE)
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        face = np.array([(ASTRONAUT_FACE[i] + ASTRONAUT_FACE[i + 2]) / 2 for i in (0, 1)]) * 0.4
        near = np.abs(centres[:, None] - (np.array(corners) + face)[None]).max(2) < 12
        assert near.any(0).all()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_windows_hold_every_change_with_room_and_cut_nothing_known(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(2, 40)) * 32, data.draw(st.integers(2, 60)) * 32
    moved = np.zeros((height // CELL, width // CELL), bool)
    for _ in range(data.draw(st.integers(1, 6))):
        moved[data.draw(st.integers(0, len(moved) - 1)), data.draw(st.integers(0, moved.shape[1] - 1))] = True
    known = []
    for _ in range(data.draw(st.integers(0, 5))):
        top, left = data.draw(st.integers(0, height - 20)), data.draw(st.integers(0, width - 20))
        known.append((top, left, min(height, top + data.draw(st.integers(8, 300))),
                      min(width, left + data.draw(st.integers(8, 300)))))
    parts = windows(moved, known, height, width, data.draw(st.sampled_from([0.5, 0.75, 1.0])))
    if parts is None:
        return
    cover = np.zeros((height, width), int)
    for top, left, bottom, right in parts:
        assert top % ALIGNED == left % ALIGNED == 0 and 0 <= top < bottom <= height and 0 <= left < right <= width
        cover[top:bottom, left:right] += 1
    assert cover.max() == 1
    for row, column in np.argwhere(moved):
        top, left = max(0, row * CELL - MARGIN), max(0, column * CELL - MARGIN)
        assert cover[top : (row + 1) * CELL + MARGIN, left : (column + 1) * CELL + MARGIN].all()
    for top, left, bottom, right in known:
        assert cover[top:bottom, left:right].min() == cover[top:bottom, left:right].max()


@pytest.mark.parametrize("size", [(16, 16), (18, 18), (32, 30), (34, 34), (16, 128), (512, 16)])
def test_tiny_pictures_are_watched(size: tuple[int, int]) -> None:
    wide, high = size
    one = freeze(Planes(*(plane[: high // part, : wide // part].copy()
                          for plane, part in zip(picture((4, 4)).all(), (1, 2, 2), strict=True))))
    finder, video = Bright(), VideoFormat(wide, high, Fraction(1, 25))
    watch = Watch(finder)
    (first,), (again,) = watch.look(one, video, 512), watch.look(one, video, 512)
    assert len(first.boxes) == len(again.boxes) == 1
    assert len(finder.asked) == 1


@pytest.mark.parametrize(("levels", "least"), [((0, 255), MOST), ((100, 110), LEAST), ((20, 116), 6)])
@pytest.mark.parametrize("shape", [(4, 4), (5, 40), (90, 160)])
def test_what_counts_as_a_change_follows_the_contrast_at_any_size(
    shape: tuple[int, int], levels: tuple[int, int], least: int
) -> None:
    some = np.full(shape, levels[0], np.uint8)
    some[:, shape[1] // 2 :] = levels[1]
    expected = LEAST if shape[1] <= 8 else least  # one sample in eight a side is looked at: of the smallest, one in all
    assert _least(some) == expected
