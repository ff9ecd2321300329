"""Make a video of people walking through a scene, from a seed, and say where every face is in every frame.

People are cut-outs of photographs (`cutout.py`) before a drawn scene (`backdrop.py`). They walk as `walks.py` says:
enter, leave and come back; the first two towards each other, so that their faces cross in each outing. The same
arguments give the same file. What it does not do: faces that turn or speak.

Boxes are pixels x1, y1, x2, y2, as the detector drew them on the photograph, moved and scaled with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import UsageError
from streams.demo.backdrop import Backdrop, backdrop, noise
from streams.demo.cutout import Box, Cutout, Detect, Rgb, cut_out
from streams.demo.pictures import Photograph
from streams.demo.walks import Walk, walks

Floats = npt.NDArray[np.float64]
BT709 = 1


@dataclass(frozen=True, slots=True)
class PersonPicture:
    """A person as they appear: under a label, by one photograph."""

    label: str
    photograph: Photograph


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a frame: box cut at the frame's edge, share of the whole face that is in view and not covered.

    `shown`: bits of the box's pixels, row by row, set where nobody nearer covers it.
    """

    label: str
    box: Box
    visible: float
    shown: bytes = b""

    @property
    def pixels(self) -> tuple[int, int, npt.NDArray[np.bool_]]:
        """Top, left, and for each pixel of the box whether this face is seen there."""
        left, top, right, bottom = _whole(self.box)
        bits = np.unpackbits(np.frombuffer(self.shown, np.uint8), count=(bottom - top) * (right - left))
        return top, left, bits.reshape(bottom - top, right - left).astype(bool)


@dataclass(frozen=True, slots=True)
class Truth:
    """Who is where: `frames[i]` are the faces of frame i with any part in view, far to near."""

    width: int
    height: int
    fps: int
    labels: tuple[str, ...]
    frames: tuple[tuple[Face, ...], ...]

    def track(self, label: str, visible: float = 0.0) -> dict[int, Box]:
        """Boxes of one person by frame number, where at least the share `visible` is in view."""
        return {
            number: face.box
            for number, faces in enumerate(self.frames)
            for face in faces
            if face.label == label and face.visible >= visible
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Actor:
    """One outing with the cut-out at its size; `light` multiplies its samples."""

    label: str
    walk: Walk
    cutout: Cutout
    light: float


def compose(
    people: Sequence[PersonPicture],
    out: Path,
    *,
    detect: Detect,
    seed: int,
    seconds: float = 9.0,
    fps: int = 25,
    width: int = 640,
    height: int = 360,
    face_width: tuple[float, float] = (66.0, 100.0),
    treat: Callable[[Rgb, int], Rgb] = lambda picture, number: picture,
    crf: int = 18,
) -> Truth:
    """Write an H.264 MP4 of `people`; faces are `face_width` pixels wide, from the farthest to the nearest.

    `treat` changes each picture (RGB, frame number) before it is encoded at `crf`; no face may move by it.

    Raises:
        UsageError: nobody, two of the same label, odd or small sides, or a time below four seconds.
        SourceError: a photograph can't be read, or no face is found in it.

    """
    labels = tuple(person.label for person in people)
    if not labels or len(set(labels)) != len(labels):
        raise UsageError("a video needs people, each once")
    if width % 2 or height % 2 or min(width, height) < 240 or seconds < 4 or fps < 1:
        raise UsageError(f"can't compose {width}x{height}, {fps} frames a second, {seconds} s")
    rng = np.random.default_rng(seed)
    frames = round(seconds * fps)
    scene, grain = backdrop(rng, width, height), noise(rng, width, height)
    cutouts = [cut_out(person.photograph.read(), detect) for person in people]
    lights = rng.uniform(0.88, 1.08, len(people)).tolist()
    actors = [
        _Actor(labels[walk.place], walk, cutouts[walk.place].resized(float(walk.size.max())), lights[walk.place])
        for walk in walks(rng, len(people), frames, width, height, face_width)
    ]
    truth: list[tuple[Face, ...]] = []
    drawn = _pictures(rng, scene, grain, actors, frames, fps, truth)
    write_video(out, map(treat, drawn, range(frames)), width, height, fps, crf)
    return Truth(width, height, fps, labels, tuple(truth))


def _pictures(
    rng: np.random.Generator,
    scene: Backdrop,
    grain: npt.NDArray[np.int16],
    actors: Sequence[_Actor],
    frames: int,
    fps: int,
    truth: list[tuple[Face, ...]],
) -> Iterator[Rgb]:
    """The frames, RGB, one by one; the faces of each are added to `truth`."""
    for number in range(frames):
        picture = scene.frame(number / fps)
        height, width = picture.shape[:2]
        near = np.zeros((height, width), np.float32)
        shown = [(actor, spot) for actor in actors if (spot := actor.walk.at(number)) is not None]
        placed = [(actor, *_place(actor.cutout, spot, width, height)) for actor, spot in shown]
        faces: list[Face] = []
        for actor, matrix, area, box in reversed(placed):
            alpha = _warp(actor.cutout.pixels[..., 3], matrix, area)
            face = _face(actor.label, box, near)
            faces += [face] if face else []
            hidden = near[area[1] : area[3], area[0] : area[2]]
            np.maximum(hidden, alpha, out=hidden)
        for actor, matrix, area, _ in placed:
            _paste(picture, _warp(actor.cutout.pixels, matrix, area), area, actor.light)
        truth.append(tuple(reversed(faces)))
        down, across = rng.integers(0, [grain.shape[0] - height, grain.shape[1] - width]).tolist()
        part = grain[down : down + height, across : across + width]
        yield np.asarray(cv2.add(picture, part, dtype=cv2.CV_8U), np.uint8)


def _place(
    cutout: Cutout, spot: tuple[float, float, float], width: int, height: int
) -> tuple[Floats, tuple[int, int, int, int], Box]:
    """Affine map of the cut-out into the frame, the part of the frame it touches, and the face's box there."""
    x, y, size = spot
    x1, y1, x2, y2 = cutout.face
    scale = size / (x2 - x1)
    left, top = x - scale * (x1 + x2) / 2, y - scale * (y1 + y2) / 2
    rows, columns = cutout.pixels.shape[:2]
    area = (
        int(np.clip(np.floor(left), 0, width)),
        int(np.clip(np.floor(top), 0, height)),
        int(np.clip(np.ceil(left + scale * columns), 0, width)),
        int(np.clip(np.ceil(top + scale * rows), 0, height)),
    )
    box = (left + scale * x1, top + scale * y1, left + scale * x2, top + scale * y2)
    return np.array([[scale, 0, left - area[0]], [0, scale, top - area[1]]]), area, box


def _warp(pixels: npt.NDArray[np.float32], matrix: Floats, area: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
    wide, high = area[2] - area[0], area[3] - area[1]
    if wide < 1 or high < 1:
        return np.zeros((high, wide, *pixels.shape[2:]), np.float32)
    return cv2.warpAffine(pixels, matrix, (wide, high), flags=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _paste(picture: Rgb, layer: npt.NDArray[np.float32], area: tuple[int, int, int, int], light: float) -> None:
    if layer.size:
        part = picture[area[1] : area[3], area[0] : area[2]]
        part[:] = np.clip(part * (1 - layer[..., 3:]) + layer[..., :3] * light, 0, 255).astype(np.uint8)


def _face(label: str, box: Box, near: npt.NDArray[np.float32]) -> Face | None:
    """The face as far as it is in the frame; None where nothing of it can be seen. `near`: alpha of who is nearer."""
    height, width = near.shape
    x1, y1, x2, y2 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    if x2 - x1 < 1 or y2 - y1 < 1:
        return None
    cut = round(float(x1), 2), round(float(y1), 2), round(float(x2), 2), round(float(y2), 2)
    share = (x2 - x1) * (y2 - y1) / ((box[2] - box[0]) * (box[3] - box[1]))
    left, top, right, bottom = _whole(cut)
    hidden = near[top:bottom, left:right]
    visible = round(float(share * (1 - hidden.mean())), 4)
    return Face(label, cut, visible, np.packbits(hidden < 0.5).tobytes()) if visible > 0.01 else None


def _whole(box: Box) -> tuple[int, int, int, int]:
    return int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))


def write_video(out: Path, pictures: Iterator[Rgb], width: int, height: int, fps: int, crf: int) -> None:
    """H.264, 4:2:0, BT.709, closed GOPs of one second.

    Equal pictures give equal bytes: one thread, and no mbtree, whose result varies from call to call.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part.mp4")
    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        stream.codec_context.colorspace = stream.codec_context.color_primaries = BT709
        stream.codec_context.color_trc = BT709
        stream.codec_context.color_range = 1
        stream.codec_context.options = {
            "preset": "veryfast",
            "crf": f"{crf}",
            "x264-params": f"keyint={fps}:min-keyint={fps}:scenecut=0:open-gop=0:no-mbtree=1",
        }
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    part.replace(out)
