"""`sealframe eval evasion`: faces that an attacker with the network's file uncovers, with and without tracking.

Two attackers (`operators/training/faces/attack.py`). One sits in the camera and adds noise of at most 8 levels to what
the network sees, in all examinations or in every second one. The other prints a patch of a tenth of the face and wears
it in front of the camera: it is painted into the clip before the encoder. Each against the file shipped (INT8) and
against its twin without rounding. Counted are the faces of examined frames: without tracking, what that frame's own
detections leave open, padded alike; with tracking, what the worker's masks do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from infra.camera import open_source
from infra.models import PYRAMID_FACE, resolve
from operators.codec import decode, encode
from operators.desensitise.policy import Policy
from operators.detect import DETECTION_SIDE, FaceDetector, is_cut, picture_of
from operators.detect.spec import Tensor
from operators.pixels import blocks_of
from operators.sign import digest
from operators.track import plan
from schemas.errors import UsageError
from schemas.frames import FrameChunk, Planes, VideoFormat
from schemas.regions import Array, Detections
from streams.demo.cast import Scene
from streams.demo.compose import Truth, compose
from streams.demo.cutout import Rgb
from streams.evaluate.leak import MIN_VISIBLE, Flags, count, found_in, laid_out, scenes
from streams.evaluate.report import Figure
from streams.setup import FACE_MODELS, detector

if TYPE_CHECKING:
    from operators.training.unrolled import Unrolled

RECOVERED = 0.5
LEARN_FROM = 24
Tell = Callable[[str], None]


@dataclass(slots=True)
class Tally:
    """Faces of examined frames; how many leak by the frame's own detections, and by the worker's masks."""

    faces: int = 0
    alone: int = 0
    tracked: int = 0

    @property
    def recovered(self) -> float:
        """Of those that leak without tracking, the share that doesn't with it."""
        return 1 - self.tracked / self.alone if self.alone else 1.0


class Twin(FaceDetector):
    """The shipped detector without rounding."""

    def __init__(self, path: Path, network: Unrolled) -> None:
        super().__init__(path, FACE_MODELS[PYRAMID_FACE].spec, FACE_MODELS[PYRAMID_FACE].score)
        self._network = network

    def _run(self, tensor: Tensor) -> Sequence[Array]:
        return self._network.run(tensor)


class Answers:
    """A finder that says what `answer` says about a picture, and asks only once about each."""

    def __init__(self, answer: Callable[[Rgb], Detections]) -> None:
        self._answer, self._known = answer, dict[bytes, Detections]()

    def detect(self, picture: Rgb) -> Detections:
        """The answer about a picture as the network gets it."""
        key = _key(picture)
        if key not in self._known:
            self._known[key] = self._answer(picture)
        return self._known[key]

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE) -> tuple[Detections, ...]:
        """The answer about a frame."""
        return (self.detect(picture_of(planes, video)[0]),)


def _key(picture: Rgb) -> bytes:
    return digest(picture.tobytes())


def evaluate(data: Path, folder: Path, clips: int, policy: Policy, tell: Tell = lambda _: None) -> list[Figure]:
    """So many generated clips of the first cast; `data` holds `labels.tsv`.

    Raises:
        UsageError: torch isn't there.

    """
    try:
        from operators.training.unrolled import Unrolled
    except ImportError as error:
        raise UsageError("attacks need torch: pip install 'sealframe[train]'") from error
    path, policy = resolve(PYRAMID_FACE, Path()), replace(policy, watch=False)  # an attack is on a whole picture
    plain, exact = Unrolled(path, rounded=False), Unrolled(path, rounded=True)
    networks = {"int8": (detector(PYRAMID_FACE), exact), "twin": (Twin(path, plain), plain)}
    tallies: dict[str, Tally] = {}
    for scene in list(scenes(data, range(1)))[:clips]:
        truth, chunks = _filmed(scene, folder)
        for name, (found, network) in networks.items():
            for attack, (film, answers) in _answers(scene, folder, truth, chunks, policy, found, network).items():
                one = tallies.setdefault(f"{attack}_{name}", Tally())
                tally(one, truth, film, answers, policy)
                tell(f"{scene.camera_id}, {attack}, {name}: of {one.faces} faces {one.alone} leak alone, "
                     f"{one.tracked} with tracking")
    return figures(tallies)


def _answers(
    scene: Scene, folder: Path, truth: Truth, chunks: Sequence[FrameChunk], policy: Policy, found: FaceDetector,
    network: Unrolled,
) -> dict[str, tuple[Sequence[FrameChunk], Answers]]:
    """By attack: the film, and what the network says about its frames.

    Noise in every second examination spares every other planned one; where one more is made, noise waits for it.
    """
    from operators.training.faces.attack import patch, perturbed

    pictures = searched(chunks, policy)
    spared = {_key(picture) for picture in list(pictures.values())[::2]}
    clear = Answers(found.detect)
    noisy = Answers(lambda seen: found.detect(perturbed(network, seen, int.from_bytes(_key(seen)[:4]))))
    half = Answers(lambda seen: (clear if _key(seen) in spared else noisy).detect(seen))
    learnt = sorted(pictures)[:: max(1, len(pictures) // LEARN_FROM)]
    faces = [[face.box for face in truth.frames[number] if face.visible >= MIN_VISIBLE] for number in learnt]
    ink = patch(network, [pictures[number] for number in learnt], faces, scene.seed)
    _, printed = _filmed(scene, folder, lambda picture, number: worn(picture, ink, truth, number))
    return {
        "nothing": (chunks, clear), "noise": (chunks, noisy), "noise_half": (chunks, half),
        "patch": (printed, Answers(found.detect)),
    }  # fmt: skip


def worn(picture: Rgb, ink: Rgb, truth: Truth, number: int) -> Rgb:
    """The picture with the patch on each of its faces, where nobody nearer covers it."""
    import cv2

    from operators.training.faces.attack import spot

    out = picture.copy()
    for face in truth.frames[number]:
        top, left, side = spot(face.box, *picture.shape[:2])
        first, edge, seen = face.pixels
        here = np.zeros(picture.shape[:2], bool)
        here[first : first + seen.shape[0], edge : edge + seen.shape[1]] = seen
        part = np.s_[top : top + side, left : left + side]
        out[part][here[part]] = cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA)[here[part]]
    return out


def tally(
    out: Tally, truth: Truth, chunks: Sequence[FrameChunk], answers: Answers, policy: Policy
) -> None:
    """Count one clip in its planned examinations, given what is found in each frame."""
    pictures = searched(chunks, policy)
    numbers = list(pictures)
    tracked = [frame for chunk, regions in found_in(chunks, answers, policy)
               for frame in laid_out(regions, chunk, policy)]
    alone = [((), padded(answers.detect(picture), chunks[0].format, policy)) for picture in pictures.values()]
    few = replace(truth, frames=tuple(truth.frames[number] for number in numbers))
    with_it, without = count(few, [tracked[number] for number in numbers]), count(few, alone)
    out.faces += without.faces
    out.alone += without.leaking
    out.tracked += with_it.leaking


def padded(found: Detections, video: VideoFormat, policy: Policy) -> Flags:
    """The blocks that one frame's detections mask by themselves."""
    mask = np.zeros(video.blocks, bool)
    for box in found.boxes:
        mask |= blocks_of(box, policy.padding_of(found.kind), video)
    return mask


def searched(chunks: Sequence[FrameChunk], policy: Policy) -> dict[int, Rgb]:
    """The frames that a worker plans to examine, in order, as the network gets them."""
    out = {}
    for chunk in chunks:
        decoded = decode(chunk)
        for i in plan(decoded, policy.stride, is_cut, ends=chunk is chunks[-1]).examine:
            out[chunk.first_frame + i] = picture_of(decoded.frames[i].planes, chunk.format)[0]
    return out


def _filmed(
    scene: Scene, folder: Path, treat: Callable[[Rgb, int], Rgb] = lambda picture, number: picture
) -> tuple[Truth, list[FrameChunk]]:
    path = folder / f"{scene.camera_id}.mp4"
    truth = compose(scene.people, path, detect=detector().detect, seed=scene.seed, seconds=scene.seconds,
                    face_width=scene.face_width, treat=treat)
    chunks = [*open_source(str(path), encode=encode, camera_id="attack")]
    path.unlink()
    return truth, chunks


def figures(tallies: dict[str, Tally]) -> list[Figure]:
    """By attack and network: leak rates with and without tracking, and what tracking recovers."""
    found = []
    for name, one in tallies.items():
        for way, leaking in (("alone", one.alone), ("tracked", one.tracked)):
            rate = leaking / max(one.faces, 1)
            found.append(Figure(f"leak_{name}_{way}", rate, "", "<=", None, one.faces, f"{leaking} face-frames"))
        if not name.startswith("nothing"):
            found.append(Figure(f"recovered_{name}", one.recovered, "", ">=", RECOVERED, one.alone,
                                "of the faces that the attack uncovers without tracking"))
    return found
