"""`sealframe eval bits`: what each method costs in bits, against the original and against masking frame by frame.

Every clip is looked at once; then each method paints the same masks (`silhouette` the larger ones of heads, of which it
paints a part), and each result is coded as the public video is:
closed GOPs of a chunk, the same preset and CRF. The original is coded alike. Beside it: the original in GOPs of 250
frames, and the camera's own bytes. The naive way (`naive.py`) masks each frame by itself, the same area.

Only frames of chunks with masks can differ; chunks without any are counted on both sides.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np

from infra.camera import open_source
from operators import pixels
from operators.codec import decode, decode_units, encode
from operators.cohere import Layout, lay_out
from operators.desensitise.base import Method
from operators.desensitise.paint import appearance_keys, appearances, masks, paint
from operators.desensitise.policy import METHODS, Policy
from operators.detect import Finder
from operators.detect.picture import picture_of
from operators.embed import FaceEmbedder, align
from operators.examine import Examiner
from operators.pipeline import encode_public
from schemas.errors import MalformedRecord
from schemas.frames import MAX_DECODED_BYTES, CodedUnit, DecodedChunk, FrameChunk, Planes
from schemas.regions import PartlySeen, RegionSet, Seen
from streams.evaluate import naive
from streams.evaluate.files import clips
from streams.evaluate.leak import found_in
from streams.evaluate.rates import bd_rate, flicker, identity_invariance
from streams.evaluate.report import Figure

CURVE = (33, 28, 23, 18)
LONG_GOP = 250
COUNTS_FROM = 0.01
"""Share of a clip's samples that is masked from which the clip counts."""
MEAN, WORST, LONG, OTHERS, SCRAMBLED = 0.92, 1.0, 1.1, 1.0, 1.1
OF_NAIVE = {"mosaic": 0.9, "blur": 0.9, "replace": 0.9, "scramble": 0.3}
NAIVE: Mapping[str, tuple[Method, ...]] = {name: (METHODS[name],) for name in OF_NAIVE} | {
    "scramble": (METHODS["scramble"], naive.SampleScramble())
}
"""By method, what it is compared with, frame by frame."""
FACES_A_CLIP = 60
_SECRET = b"bits"
Tell = Callable[[str], None]
Way = Callable[[int], tuple[CodedUnit, ...]]
"""Codes a chunk at a CRF."""


@dataclass(slots=True)
class Coded:
    """What one way of masking gave over a clip: bytes, change in masked samples from frame to frame, vectors."""

    bytes: int = 0
    changed: float = 0.0
    samples: int = 0
    vectors: list[np.ndarray] = field(default_factory=list)

    @property
    def flicker(self) -> float:
        """Mean absolute change of masked luma samples from frame to frame."""
        return self.changed / self.samples if self.samples else 0.0

    @property
    def invariance(self) -> float:
        """Identity invariance; nan where no face was followed."""
        return identity_invariance(np.stack(self.vectors)) if len(self.vectors) > 1 else float("nan")


@dataclass(slots=True)
class ClipBits:
    """A clip; `curves`: bytes, squared error, samples outside the masks by CRF, of the original and of the default."""

    name: str
    frames: int = 0
    samples: int = 0
    masked: int = 0
    camera: int = 0
    long_gop: int = 0
    original: Coded = field(default_factory=Coded)
    ours: dict[str, Coded] = field(default_factory=dict)
    naive: dict[str, Coded] = field(default_factory=dict)
    curves: dict[str, dict[int, list[int]]] = field(default_factory=dict)

    @property
    def area(self) -> float:
        """Share of all samples that is masked."""
        return self.masked / max(1, self.samples)

    def ratio(self, method: str) -> float:
        """Bytes of a method against the original's."""
        return self.ours[method].bytes / max(1, self.original.bytes)

    def bd_rate(self) -> float:
        """Of the default method against the original, by quality outside the masks."""
        lines = {
            way: [(float(b), pixels.psnr_of(error, count)) for b, error, count in (points[crf] for crf in CURVE)]
            for way, points in self.curves.items()
        }
        return bd_rate(lines["original"], lines["default"])


@dataclass(frozen=True, slots=True)
class Settings:
    """What is run: methods, whether the naive way and the curves are, too; `embedder` for identity invariance."""

    finder: Finder
    policy: Policy
    methods: tuple[str, ...]
    naive: bool = True
    curves: bool = True
    embedder: FaceEmbedder | None = None


def evaluate(folder: Path, settings: Settings, tell: Tell = lambda _: None) -> tuple[list[Figure], list[ClipBits]]:
    """All figures over the clips of a folder."""
    found = []
    for path in clips(folder):
        result = run_clip(path, settings)
        ratios = ", ".join(f"{name} {result.ratio(name):.3f}" for name in result.ours)
        tell(f"{path.name}: {result.area:.1%} masked: {ratios or 'does not count'}")
        found.append(result)
    return figures([one for one in found if one.masked], settings), found


def run_clip(path: Path, settings: Settings) -> ClipBits:
    """Every way of masking one clip; nothing is coded of one without a mask."""
    result = ClipBits(path.name)
    chunks = [*open_source(str(path), encode=encode, chunk_ms=2000, camera_id="eval")]
    seen = [*found_in(chunks, settings.finder, settings.policy)]
    layouts = [lay_out(regions, chunk.format, settings.policy) for chunk, regions in seen]
    for (chunk, _), layout in zip(seen, layouts, strict=True):
        result.frames += len(chunk.pts)
        result.samples += len(chunk.pts) * chunk.format.width * chunk.format.height
        result.masked += sum(int(_samples(mask, chunk).sum()) for mask in masks(layout, chunk.format))
        result.camera += size(chunk.units)
    if not result.masked:
        return result
    factor, boxes = _naive_boxes(chunks, settings, result) if settings.naive else (1.0, [])
    known: dict[str, dict[int, bytes]] = {name: {} for name in settings.methods}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, ((chunk, regions), layout) in enumerate(zip(seen, layouts, strict=True)):
            decoded = decode(chunk)
            work: list[tuple[Coded, Way]] = [(result.original, _bare(decoded, settings.policy))]
            for name in settings.methods:
                policy = replace(settings.policy, methods=_only(name))
                own = lay_out(regions, chunk.format, policy)
                work.append((result.ours.setdefault(name, Coded()), as_shipped(decoded, own, known[name], policy)))
                for method in NAIVE.get(name, ()) if boxes else ():
                    way = _naively(decoded, boxes[number], factor, method, settings.policy)
                    work.append((result.naive.setdefault(method.name, Coded()), way))
            list(pool.map(partial(_code, chunk=chunk, layout=layout, regions=regions, settings=settings), work))
            if settings.curves:
                _add_curves(result, decoded, layout, settings)
    result.long_gop = sum(_long_gops(chunks, settings.policy))
    return result


def _only(method: str) -> MappingProxyType[str, str]:
    return MappingProxyType({"face": method})


def _samples(mask: pixels.Mask, chunk: FrameChunk) -> pixels.Mask:
    return pixels.sample_masks(mask, chunk.format)[0]


def _plainly(pictures: Callable[[], Iterable[Planes]], chunk: FrameChunk, policy: Policy) -> Way:
    return lambda crf: encode(pictures(), chunk.pts, chunk.format, crf=crf, preset=policy.preset)


def _bare(decoded: DecodedChunk, policy: Policy) -> Way:
    return _plainly(lambda: (frame.planes for frame in decoded.frames), decoded.chunk, policy)


def as_shipped(decoded: DecodedChunk, layout: Layout, known: dict[int, bytes], policy: Policy) -> Way:
    """As the pipeline does it; the appearances are remembered in `known`."""
    chunk = decoded.chunk
    used = appearances(decoded, layout, known, policy, appearance_keys(layout, chunk, policy, _SECRET))
    known |= used
    return lambda crf: encode_public(
        paint(decoded.frames, layout, chunk.format, used, policy), chunk, replace(policy, crf=crf), layout
    )


def _naively(
    decoded: DecodedChunk, boxes: Sequence[naive.Boxes], factor: float, method: Method, policy: Policy
) -> Way:
    chunk = decoded.chunk
    return _plainly(lambda: naive.painted(decoded.frames, boxes, factor, chunk.format, method), chunk, policy)


def _naive_boxes(
    chunks: Sequence[FrameChunk], settings: Settings, result: ClipBits
) -> tuple[float, list[list[naive.Boxes]]]:
    """What is found in each frame by itself, and the factor at which it covers the same area."""
    examiner, found = Examiner(replace(settings.policy, stride=1), settings.finder), []
    for chunk in chunks:
        looked = examiner.of(chunk, None)[0].found
        examiner.take(chunk)
        found.append([_boxes(looked.get(i)) for i in range(len(chunk.pts))])
    every = [boxes for chunk in found for boxes in chunk]
    return naive.factor_of(every, chunks[0].format, result.masked), found


def _boxes(found: Seen | None) -> naive.Boxes:
    every = found.found if isinstance(found, PartlySeen) else found or ()
    return np.concatenate([np.empty((0, 4), np.float32), *(one.boxes for one in every)])


def _code(
    work: tuple[Coded, Way], chunk: FrameChunk, layout: Layout, regions: RegionSet, settings: Settings
) -> None:
    """Code a chunk one way, and measure what became of the masked samples."""
    coded, way = work
    units = way(settings.policy.crf)
    coded.bytes += size(units)
    # Samples in another order code to more than a chunk may hold.
    shown = decode_units(units, "h264", chunk.format.width, chunk.format.height, max_coded=MAX_DECODED_BYTES)
    where = masks(layout, chunk.format)
    for i, j in pairwise(range(len(shown))):
        both = where[i] & where[j]
        if both.any():
            changed, count = flicker(shown[i].y, shown[j].y, _samples(both, chunk))
            coded.changed, coded.samples = coded.changed + changed, coded.samples + count
    if settings.embedder:
        _follow(coded, shown, chunk, regions, settings.embedder)


def _follow(
    coded: Coded, shown: Sequence[Planes], chunk: FrameChunk, regions: RegionSet, embedder: FaceEmbedder
) -> None:
    """Vectors of the largest face with landmarks, frame after frame, where the original has it; so many a clip."""
    best = max((region for frame in regions.frames for region in frame if len(region.landmarks) == 10),
               key=lambda region: region.box[2] - region.box[0], default=None)
    for planes, frame in zip(shown, regions.frames, strict=True) if best else ():
        mine = [r for r in frame if r.track == best.track and len(r.landmarks) == 10] if best else []
        if mine and len(coded.vectors) < FACES_A_CLIP:
            rgb, scale_x, scale_y = picture_of(planes, chunk.format, max(planes.y.shape))
            points = np.reshape(mine[0].landmarks, (5, 2)) / (scale_x, scale_y)
            try:
                coded.vectors.append(embedder.embed(align(rgb, points)[None])[0])
            except MalformedRecord:
                continue


def _add_curves(result: ClipBits, decoded: DecodedChunk, layout: Layout, settings: Settings) -> None:
    chunk, where = decoded.chunk, masks(layout, decoded.chunk.format)
    method = settings.policy.methods["face"]
    policy = replace(settings.policy, methods=_only(method))
    ways = {"original": _bare(decoded, policy), "default": as_shipped(decoded, layout, {}, policy)}
    for name, way in ways.items():
        for crf in CURVE:
            units = way(crf)
            point = result.curves.setdefault(name, {}).setdefault(crf, [0, 0, 0])
            point[0] += size(units)
            shown = decode_units(units, "h264", chunk.format.width, chunk.format.height)
            for picture, frame, mask in zip(shown, decoded.frames, where, strict=True):
                error, count = pixels.squared_error(picture, frame.planes, pixels.sample_masks(~mask, chunk.format))
                point[1], point[2] = point[1] + error, point[2] + count


def _long_gops(chunks: Sequence[FrameChunk], policy: Policy) -> Iterator[int]:
    """Bytes of the original in GOPs of 250 frames."""
    held: list[Planes] = []
    times: list[int] = []
    for chunk in chunks:
        held += [frame.planes for frame in decode(chunk).frames]
        times += chunk.pts
        while len(held) >= LONG_GOP or (chunk is chunks[-1] and held):
            units = encode(held[:LONG_GOP], times[:LONG_GOP], chunk.format, crf=policy.crf, preset=policy.preset)
            del held[:LONG_GOP], times[:LONG_GOP]
            yield size(units)


def size(units: Sequence[CodedUnit]) -> int:
    """Bytes of coded pictures."""
    return sum(len(unit.data) for unit in units)


def figures(masked: Sequence[ClipBits], settings: Settings) -> list[Figure]:
    """Means over the clips of which enough is masked; the worst of all with a mask, or finding less would be better."""
    found = [one for one in masked if one.area >= COUNTS_FROM]
    if not found:
        return [Figure("clips", 0, "clips", ">=", 1, 0, "none has 1 % masked area")]
    default, n = settings.policy.methods["face"], len(found)
    out = [Figure("masked_area", float(np.mean([one.area for one in found])), "", "<=", None, n)]
    for name in settings.methods:
        ratios = [one.ratio(name) for one in found]
        bound = MEAN if name == default else SCRAMBLED if name == "scramble" else OTHERS
        out.append(Figure(f"bits_{name}", float(np.mean(ratios)), "", "<=", bound, n, "mean of clips"))
        if name == default:
            worst = max(masked, key=lambda one: one.ratio(name))
            out.append(Figure("bits_worst", worst.ratio(name), "", "<=", WORST, len(masked), worst.name))
            out += _of_default(found, name)
        for way in (method.name for method in NAIVE.get(name, ()) if found[0].naive):
            shares = [one.ours[name].bytes / max(1, one.naive[way].bytes) for one in found]
            naively = float(np.mean([one.naive[way].bytes / max(1, one.original.bytes) for one in found]))
            out.append(Figure(f"of_naive_{way}", float(np.mean(shares)), "", "<=", OF_NAIVE[name], n,
                              f"frame by frame it costs {naively:.2f} of the original"))
        steady = float(np.mean([one.ours[name].flicker for one in found]))
        original = float(np.mean([one.original.flicker for one in found]))
        out.append(Figure(f"flicker_{name}", steady, "levels", "<=", None, n, f"the original's: {original:.2f}"))
        known = [one for one in found if len(one.ours[name].vectors) > 1 and len(one.original.vectors) > 1]
        if known:
            out.append(Figure(f"idi_{name}", float(np.mean([one.ours[name].invariance for one in known])), "", "<=",
                              None, len(known),
                              f"the original's: {np.mean([one.original.invariance for one in known]):.3f}"))
    return out


def _of_default(found: Sequence[ClipBits], name: str) -> list[Figure]:
    long = [one.ours[name].bytes / max(1, one.long_gop) for one in found]
    camera = [one.ours[name].bytes / max(1, one.camera) for one in found]
    out = [
        Figure("bits_long_gop", float(np.mean(long)), "", "<=", LONG, len(found),
               f"against one GOP of {LONG_GOP} frames; worst {max(long):.2f}"),
        Figure("bits_camera", float(np.mean(camera)), "", "<=", None, len(found), "against the camera's own bytes"),
    ]
    if found[0].curves:
        rates = [one.bd_rate() for one in found]
        out.append(Figure("bd_rate", float(np.mean(rates)), "", "<=", None, len(found),
                          f"bits for equal quality outside the masks, CRF 18 to 33; worst {max(rates):+.3f}"))
    return out
