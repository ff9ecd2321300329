"""Masked regions as those who watch get them: filmed, coded, desensitised, coded again, decoded.

Two ways to film a photograph, at a face height in pixels: as it is, in one frame (`still`); and as a cut-out of head
and shoulders that moves over a drawn backdrop, in changed light, with noise, over two chunks (`walk`). The region is
where the worker's detector saw the face in the photograph, with an error of 2 % of its height, padded and laid out in
blocks as shipped. What lies outside the mask is cut away: the attack is on what the method shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from operators.codec import decode, decode_units, encode
from operators.cohere import WHOLE, lay_out
from operators.desensitise.base import Lasts, Method, Spot
from operators.desensitise.fixed import SOLID
from operators.desensitise.paint import appearance_keys, appearances, paint
from operators.desensitise.policy import Policy
from operators.pipeline import encode_public
from operators.pixels import BlockRect, view
from schemas.frames import BLOCK, FrameChunk, Planes, VideoFormat
from schemas.regions import ObjectKind, Region, RegionSet
from streams.demo.backdrop import Backdrop, backdrop, noise
from streams.demo.cutout import Box, Cutout, Rgb

LUMA, CHROMA = 32, 16
HEIGHTS = (20, 48, 100, 200)
FRAMES, CHUNKS, FPS = 2, 2, 25
WRONG, SCALED, PATH = 0.02, 0.08, 0.4
LIGHT = (0.88, 1.08)
RIM = 4
SCENES, WIDE, HIGH = 12, 768, 480
BT709 = 1
BT709_VIDEO = VideoFormat(2, 2, Fraction(1, FPS), matrix=BT709, primaries=BT709, transfer=BT709)
_SCALER = VideoReformatter()


@dataclass(frozen=True, slots=True)
class Trying(Policy):
    """The shipped policy with one method for everything, whether or not it is in the registry."""

    tried: Method = SOLID

    def method(self, kind: str) -> Method:
        """The one."""
        return self.tried


class Bare:
    """No method: what the attacks find where nothing is hidden, which says that they work."""

    name: str = "bare"
    lasts: Lasts = "track"
    keyed: bool = False
    easy: bool = False

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        """Something, so that there is an appearance."""
        return b"."

    def paint(self, spot: Spot, appearance: bytes) -> None:
        """Leave the region as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """What a camera delivered of one face, where it is in each frame, and a secret of its own for keyed methods."""

    chunks: tuple[FrameChunk, ...] = field(repr=False)
    regions: tuple[RegionSet, ...]
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A public picture, the masked blocks in it, and the box that they hide."""

    planes: Planes = field(repr=False)
    video: VideoFormat
    rect: BlockRect
    box: Box

    @property
    def region(self) -> Planes:
        """The masked blocks alone."""
        return view(self.planes, self.rect)

    @property
    def core(self) -> Planes:
        """The same without its rim, where the codec's filter mixes in what lies outside (ITU-T H.264, 8.7)."""
        y, u, v = self.region.all()
        rim = min(RIM, min(y.shape) // 8 * 2)
        half = rim // 2
        return Planes(y[rim:-rim, rim:-rim], u[half:-half, half:-half], v[half:-half, half:-half])

    @property
    def around(self) -> Planes:
        """The masked blocks and a third of their height and width on every side, as far as the picture goes."""
        rows, columns = self.video.blocks
        down, across = (-(-side // 3) for side in (self.rect.bottom - self.rect.top, self.rect.right - self.rect.left))
        top, left = max(0, self.rect.top - down), max(0, self.rect.left - across)
        bottom, right = min(rows, self.rect.bottom + down), min(columns, self.rect.right + across)
        return view(self.planes, BlockRect(top, left, bottom, right))


class Camera:
    """Films photographs; the same seed gives the same shots."""

    def __init__(self, seed: int, crf: float = 23.0, preset: str = "veryfast", kind: ObjectKind = "face") -> None:
        self._rng, self._crf, self._preset, self._kind = np.random.default_rng(seed), crf, preset, kind
        self._scenes: list[Backdrop] = [backdrop(self._rng, WIDE, HIGH) for _ in range(SCENES)]
        self._grain = noise(self._rng, WIDE, HIGH)

    def still(self, photograph: Rgb, box: Sequence[float], height: float) -> Shot:
        """The photograph, its face so high, at some place on the grid of blocks."""
        x1, y1, x2, y2 = (float(value) for value in box)
        scale = height * float(np.exp(self._rng.uniform(-SCALED, SCALED))) / (y2 - y1)
        small, ratio = _smaller(photograph, scale)
        wide, high = _frame_side(scale * (x2 - x1), height), _frame_side(scale * (y2 - y1), height)
        left, top = (float(self._rng.uniform(0, BLOCK)) for _ in "xy")
        shift = (wide - scale * (x1 + x2)) / 2 + left - BLOCK / 2, (high - scale * (y1 + y2)) / 2 + top - BLOCK / 2
        matrix = np.array([[scale / ratio, 0, shift[0]], [0, scale / ratio, shift[1]]])
        picture = cv2.warpAffine(small, matrix, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        at = (scale * x1 + shift[0], scale * y1 + shift[1], scale * x2 + shift[0], scale * y2 + shift[1])
        return self._shot([[np.asarray(picture, np.uint8)]], [[self._seen(at)]])

    def walk(self, cutout: Cutout, height: float) -> Shot:
        """The cut-out, its face so high, on a straight way over a backdrop."""
        rng, (x1, y1, x2, y2) = self._rng, cutout.face
        scale = height * float(np.exp(rng.uniform(-SCALED, SCALED))) / (y2 - y1)
        actor, light = cutout.resized(scale * (x2 - x1)), rng.uniform(*LIGHT)
        wide, high = _frame_side(scale * (x2 - x1), height), _frame_side(scale * (y2 - y1), height)
        way = PATH * height * (np.linspace(-0.5, 0.5, FRAMES * CHUNKS)[:, None]) * rng.uniform(-1, 1, (1, 2))
        middle = np.array([wide, high]) / 2 + rng.uniform(-BLOCK / 2, BLOCK / 2, 2)
        scene = self._window(self._scenes[int(rng.integers(SCENES))].still, wide, high).astype(np.float32)
        pictures, boxes = [], []
        face = np.array(actor.face).reshape(2, 2)
        for at in middle + way - face.mean(0):
            layer = cv2.warpAffine(actor.pixels, np.array([[1, 0, at[0]], [0, 1, at[1]]]), (wide, high))
            shown = scene * (1 - layer[..., 3:]) + layer[..., :3] * light + self._window(self._grain, wide, high)
            pictures.append(np.rint(shown).clip(0, 255).astype(np.uint8))
            boxes.append(self._seen(tuple((face + at).reshape(4).tolist())))
        parts = [slice(FRAMES * k, FRAMES * (k + 1)) for k in range(CHUNKS)]
        return self._shot([pictures[part] for part in parts], [boxes[part] for part in parts])

    def _window(self, picture: npt.NDArray[np.generic], wide: int, high: int) -> npt.NDArray[np.generic]:
        top = int(self._rng.integers(picture.shape[0] - high + 1))
        left = int(self._rng.integers(picture.shape[1] - wide + 1))
        return picture[top : top + high, left : left + wide]

    def _seen(self, box: Sequence[float]) -> Box:
        x1, y1, x2, y2 = (float(value) for value in np.array(box) + self._rng.normal(0, WRONG * (box[3] - box[1]), 4))
        return x1, y1, x2, y2

    def _shot(self, pictures: Sequence[Sequence[Rgb]], boxes: Sequence[Sequence[Box]]) -> Shot:
        high, wide = pictures[0][0].shape[:2]
        video = replace(BT709_VIDEO, width=wide, height=high)
        chunks, regions, first = [], [], 0
        for number, (shown, places) in enumerate(zip(pictures, boxes, strict=True)):
            pts = tuple(range(first, first + len(shown)))
            units = encode(map(planes_of, shown), pts, video, crf=self._crf, preset=self._preset)
            chunks.append(FrameChunk("attack", "attack", number, first, 0, video, "h264", units, first + len(shown)))
            found = tuple((Region(1, self._kind, box, 1.0, "detected"),) for box in places)
            regions.append(RegionSet("attack", "attack", number, found))
            first += len(shown)
        return Shot(tuple(chunks), tuple(regions), self._rng.bytes(32))


def shipped(shot: Shot, policies: Sequence[Policy]) -> list[tuple[Seen, ...]]:
    """The public pictures of a shot, decoded, by policy: `lay_out`, `paint` and encoder as the pipeline calls them."""
    out: list[list[Seen]] = [[] for _ in policies]
    known: list[Mapping[int, bytes]] = [MappingProxyType({}) for _ in policies]
    for chunk, regions in zip(shot.chunks, shot.regions, strict=True):
        decoded, video = decode(chunk), chunk.format
        for number, policy in enumerate(policies):
            layout = lay_out(regions, video, policy)
            keys = appearance_keys(layout, chunk, policy, shot.secret)
            known[number] = used = appearances(decoded, layout, known[number], policy, keys)
            units = encode_public(paint(decoded.frames, layout, video, used, policy), chunk, policy, layout)
            pictures = decode_units(units, "h264", video.width, video.height)
            out[number] += [
                Seen(planes, video, next(claim.rect for claim in claims if claim.track != WHOLE), found[0].box)
                for planes, claims, found in zip(pictures, layout, regions.frames, strict=True)
            ]
    return [tuple(seen) for seen in out]


def sampled(region: Planes) -> npt.NDArray[np.uint8]:
    """A region: luma at 32x32, both chromas at 16x16, in a row (1536,)."""
    parts = zip(region.all(), (LUMA, CHROMA, CHROMA), strict=True)
    return np.concatenate([_scaled(plane, side).ravel() for plane, side in parts])


def _scaled(plane: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    how = cv2.INTER_AREA if min(plane.shape) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (side, side), interpolation=how), np.uint8)


def planes_of(picture: Rgb) -> Planes:
    """An RGB picture of even sides as YUV 4:2:0, BT.709, limited range."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = _SCALER.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
    values, (high, wide) = np.asarray(frame.to_ndarray(), np.uint8), picture.shape[:2]
    chroma = values[high:].reshape(2, high // 2, wide // 2)
    return Planes(values[:high], chroma[0], chroma[1])


def _frame_side(side: float, height: float) -> int:
    """Room for a face's side with padding, its way, and some blocks around, in whole blocks."""
    return BLOCK * int(np.ceil((1.2 * np.exp(SCALED) * side + PATH * height) / BLOCK + 3))


def _smaller(photograph: Rgb, scale: float) -> tuple[Rgb, float]:
    """The photograph halved until it's at most twice as large as wanted, and its scale."""
    ratio = 1.0
    while scale / ratio < 0.5 and min(photograph.shape[:2]) > 1:
        rows, columns = photograph.shape[0] // 2, photograph.shape[1] // 2
        half = cv2.resize(photograph[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA)
        photograph, ratio = np.asarray(half, np.uint8), ratio / 2
    return photograph, ratio

