"""The leak suite's counting, on masks and faces made by hand, and on one short clip of package pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from infra.camera import open_source
from operators.codec import encode
from operators.cohere import Claim
from operators.desensitise.policy import Policy
from operators.pixels import BlockRect
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections
from streams.demo.compose import Face, PersonPicture, Truth, compose
from streams.demo.pictures import Photograph
from streams.evaluate.leak import AS_SHIPPED, WITHOUT, Remembering, bare_share, count, figures, found_in, masked
from streams.evaluate.weather import VARIANTS
from streams.setup import detector
from tests.support.pictures import astronaut
from tests.support.scenes import FORMAT, picture

WIDTH, HEIGHT = 160, 96
BOX = (32.0, 32.0, 64.0, 64.0)


def face(box: tuple[float, float, float, float] = BOX, hidden_rows: int = 0) -> Face:
    shown = np.ones((int(box[3] - box[1]), int(box[2] - box[0])), bool)
    shown[:hidden_rows] = False
    return Face("someone", box, float(shown.mean()), np.packbits(shown).tobytes())


def blocks(*rects: BlockRect) -> tuple[tuple[Claim, ...], np.ndarray]:
    mask = np.zeros((HEIGHT // 16, WIDTH // 16), bool)
    for rect in rects:
        mask[rect.top : rect.bottom, rect.left : rect.right] = True
    return tuple(Claim(i + 1, "face", rect) for i, rect in enumerate(rects)), mask


def truth(frames: list[tuple[Face, ...]]) -> Truth:
    return Truth(WIDTH, HEIGHT, 25, ("someone",), tuple(frames))


@pytest.mark.parametrize(
    ("rects", "share"),
    [((BlockRect(2, 2, 4, 4),), 0.0), ((BlockRect(2, 2, 3, 4),), 0.5), ((BlockRect(2, 3, 4, 4),), 0.5), ((), 1.0)],
)
def test_bare_share_is_what_lies_outside_the_blocks(rects, share) -> None:
    assert bare_share(face(), blocks(*rects)[1]) == share


def test_bare_share_counts_only_what_is_in_view() -> None:
    assert bare_share(face(hidden_rows=16), blocks(BlockRect(3, 2, 4, 4))[1]) == 0.0
    assert bare_share(face(hidden_rows=16), blocks(BlockRect(2, 2, 3, 4))[1]) == 1.0


def test_bare_share_of_a_face_at_the_edge_of_a_picture_that_is_no_whole_block_high() -> None:
    mask = np.ones((6, 10), bool)
    assert bare_share(face((150.0, 80.0, 160.0, 97.0)), mask) == 0.0


def test_count_of_runs_leaks_and_the_longest() -> None:
    covered, half, bare = blocks(BlockRect(2, 2, 4, 4)), blocks(BlockRect(2, 2, 3, 4)), blocks()
    away = [((), blocks()[1])] * 30
    shown = [covered, half, bare, covered, *away, covered, covered]
    frames: list[tuple[Face, ...]] = [*[(face(),)] * 4, *[()] * 30, *[(face(),)] * 2]
    found = count(truth(frames), shown)
    assert (found.faces, found.leaking, found.bare, found.runs, found.leaking_runs) == (6, 2, 1, 2, 1)
    assert found.longest_ms == 80


def test_small_and_hidden_faces_are_not_counted() -> None:
    small, hidden = face((32.0, 32.0, 48.0, 48.0)), face(hidden_rows=28)
    assert count(truth([(small,), (hidden,)]), [blocks(), blocks()]).faces == 0


def test_area_is_assigned_to_the_face_that_a_claim_covers_most() -> None:
    found = count(truth([(face(),)]), [blocks(BlockRect(1, 1, 5, 5), BlockRect(0, 8, 2, 10))])
    assert found.masked[0] == 16 * 256 and found.true[0] == 32 * 32 and found.idle_pixels == 4 * 256


def test_figures_name_the_targets() -> None:
    found = {f.id: f for f in figures(count(truth([(face(),)]), [blocks()]), {})}
    assert found["leak_rate"].value == 1.0 and found["leak_rate"].holds is False
    assert found["masked_ratio_20_40"].value == 0.0


def test_masked_covers_a_person_who_walks_by(tmp_path: Path) -> None:
    portrait = tmp_path / "astronaut.png"
    cv2.imwrite(str(portrait), astronaut()[:, :, ::-1])
    find = detector()
    people = [PersonPicture("astronaut", Photograph(portrait))]
    made = compose(people, tmp_path / "clip.mp4", detect=find.detect, seed=3, seconds=4.0, treat=VARIANTS["darker"])
    found = count(made, masked(tmp_path / "clip.mp4", find, Policy({})))
    assert found.faces > 30 and found.leaking == 0


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_without_a_part_of_following_other_regions_come_out(tmp_path: Path, name: str) -> None:
    portrait = tmp_path / "astronaut.png"
    cv2.imwrite(str(portrait), astronaut()[:, :, ::-1])
    find = Remembering(detector())
    people = [PersonPicture("astronaut", Photograph(portrait))]
    compose(people, tmp_path / "clip.mp4", detect=detector().detect, seed=3, seconds=4.0)
    chunks = list(open_source(str(tmp_path / "clip.mp4"), encode=encode, camera_id="leak"))
    shipped = [found for _, found in found_in(chunks, find, Policy({}))]
    assert shipped == [found for _, found in found_in(chunks, find, Policy({}), AS_SHIPPED)]
    assert shipped != [found for _, found in found_in(chunks, find, Policy({}), WITHOUT[name])]


def test_remembering_asks_once_about_a_picture() -> None:
    asked: list[int] = []

    class Counting:
        def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> Detections:
            asked.append(size)
            return Detections.none("face")

    finder = Remembering(Counting())
    frames = [picture([(20, 20)], seed) for seed in (1, 2, 1)]
    for one in frames:
        assert not len(finder.detect_planes(one, FORMAT).boxes)
    assert len(asked) == 2

