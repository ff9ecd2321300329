"""Tracks drawn from labelled photographs, each compared with every picture: how often consent is seen where none is.

A photograph becomes a track of as many looks as are judged at once: its face, `WIDTHS` pixels wide, moved, turned and
scaled from look to look, in its own light, with noise, through x264. So all looks of a track are as alike as those of a
real one, and a longer track can only fail in more windows: what is measured here is the rate at its worst.

Rates count ordered pairs of a track and another person's picture. Those aren't independent: a person is in many of
them. So beside the bound over pairs stands the one over pairs of people, who count as falsely matched if any of their
pairs is; and what a generalised Pareto tail says (Hosking and Wallis 1987, by probability-weighted moments).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from operators.codec import decode_units, encode
from operators.embed import FEATURES
from operators.spare import SpareSettings
from schemas.errors import UsageError
from schemas.frames import Planes, VideoFormat
from schemas.regions import Array, Region
from streams.authority.faces import Faces, Rgb
from streams.evaluate.recognition import Flags, Ints
from streams.spare import view_of

VIDEO = VideoFormat(320, 240, Fraction(1, 25))
WIDTHS = 62.0, 120.0
CRFS = 20, 30
ASIDE, DOWN, TURN, ZOOM, NOISE = 40.0, 25.0, 6.0, 0.04, 3.0
LIGHT = 0.75, 1.2
TAIL = 1e-3
"""Share of the highest similarities that the tail is fitted to."""
Step = Callable[[int, int], None]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """`pictures` (n, 128) and the track drawn from each, `tracks` (n, looks, 128); NaN where one can't be read.

    `people` (n,): whose each is.
    """

    pictures: Array
    tracks: Array
    people: Ints


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `count`; `people_hit` of `people` unordered pairs of persons have at least one hit."""

    hits: int
    count: int
    people_hit: int = 0
    people: int = 0


def draw(paths: Sequence[Path], people: Ints, faces: Faces, looks: int, step: Step = lambda done, of: None) -> Drawn:
    """Every picture as it is read, and as a track; `step` hears of each: done, all."""
    pictures = np.full((len(paths), FEATURES), np.nan, np.float32)
    tracks = np.full((len(paths), looks, FEATURES), np.nan, np.float32)
    for at, path in enumerate(paths):
        step(at + 1, len(paths))
        data = path.read_bytes()
        try:
            probe = faces.probe(data)
        except UsageError:
            continue
        pictures[at] = probe.embedding
        rgb = np.ascontiguousarray(np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR))[:, :, ::-1], np.uint8)
        found = [view_of(planes, VIDEO, region, faces) for planes, region in film(rgb, probe.box, looks, at)]
        views = [one[0] for one in found if one is not None]
        if len(views) == looks:
            tracks[at] = faces.embed(views)
    return Drawn(pictures, tracks, people)


def film(rgb: Rgb, box: Sequence[float], looks: int, seed: int) -> list[tuple[Planes, Region]]:
    """So many coded frames of a photograph's face, with its region in each; equal arguments give equal frames."""
    rng = np.random.default_rng(seed)
    width, light, crf = rng.uniform(*WIDTHS), rng.uniform(*LIGHT), int(rng.integers(*CRFS))
    pictures, regions = [], []
    for _ in range(looks):
        scale = width * (1 + rng.uniform(-ZOOM, ZOOM)) / (box[2] - box[0])
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        turn = cv2.getRotationMatrix2D(middle, float(rng.uniform(-TURN, TURN)), float(scale))
        x, y = VIDEO.width / 2 + rng.uniform(-ASIDE, ASIDE), VIDEO.height / 2 + rng.uniform(-DOWN, DOWN)
        turn[0, 2] += x - middle[0]
        turn[1, 2] += y - middle[1]
        smooth = cv2.GaussianBlur(rgb, (0, 0), 0.4 / scale) if scale < 0.7 else rgb
        shown = cv2.warpAffine(smooth, turn, (VIDEO.width, VIDEO.height), borderMode=cv2.BORDER_REFLECT)
        shown = np.clip(shown * light + rng.normal(0, NOISE, shown.shape), 0, 255)
        pictures.append(_planes(np.asarray(shown, np.uint8)))
        half = scale * (box[2] - box[0]) / 2, scale * (box[3] - box[1]) / 2
        regions.append(Region(1, "face", (x - half[0], y - half[1], x + half[0], y + half[1]), 0.9, "detected"))
    units = encode(pictures, range(looks), VIDEO, crf=crf, preset="veryfast")
    return list(zip(decode_units(units, "h264", VIDEO.width, VIDEO.height), regions, strict=True))


def _planes(rgb: Rgb) -> Planes:
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
    rows = [np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
    return Planes(*(row[: p.height, : p.width].copy() for row, p in zip(rows, frame.planes, strict=True)))


def similarities(drawn: Drawn) -> tuple[Array, Array]:
    """Pooled and least single similarity of every track (rows) to every picture (columns); NaN where one is missing."""
    sums = drawn.tracks.sum(1)
    pooled = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    worst = np.full((len(pooled), len(drawn.pictures)), np.inf, np.float32)
    for k in range(drawn.tracks.shape[1]):
        worst = np.minimum(worst, drawn.tracks[:, k] @ drawn.pictures.T)
    return np.asarray(pooled @ drawn.pictures.T, np.float32), worst


def false_matches(drawn: Drawn, settings: SpareSettings, persons: Ints | None = None) -> Rate:
    """Tracks that would be spared for another person's picture; `persons`: among these alone."""
    use = np.ones(len(drawn.people), bool) if persons is None else np.isin(drawn.people, persons)
    pooled, worst = similarities(Drawn(drawn.pictures[use], drawn.tracks[use], drawn.people[use]))
    people = drawn.people[use]
    other = (people[:, None] != people[None]) & np.isfinite(pooled)
    hit = other & (pooled >= settings.pooled) & (worst >= settings.each)
    pairs = {(min(a, b), max(a, b)) for a, b in zip(*(people[k].tolist() for k in np.nonzero(hit)), strict=True)}
    seen = len(set(people[np.isfinite(pooled).any(1)].tolist()))
    return Rate(int(hit.sum()), int(other.sum()), len(pairs), seen * (seen - 1) // 2)


def found_again(drawn: Drawn, settings: SpareSettings, *, same: bool = False) -> Rate:
    """Tracks that are spared for another picture of their own person, or (`same`) for the very one they show."""
    pooled, worst = similarities(drawn)
    own = np.eye(len(drawn.people), dtype=bool)
    own = own if same else (drawn.people[:, None] == drawn.people[None]) & ~own
    return Rate(int((own & (pooled >= settings.pooled) & (worst >= settings.each)).sum()), int(own.sum()))


def tail(drawn: Drawn, threshold: float, nearest: float = 1.0) -> float:
    """Rate of other people's pictures at or over a threshold, by a Pareto tail fitted to the highest pooled ones.

    `nearest`: among so large a share of other people alone, those whose pictures are most like one's own on average.
    """
    pooled, _ = similarities(drawn)
    other = (drawn.people[:, None] != drawn.people[None]) & np.isfinite(pooled)
    if nearest < 1:
        other &= _kin(drawn, nearest)[drawn.people[:, None], drawn.people[None]]
    return pareto(np.asarray(pooled[other], np.float64), threshold)


def pareto(values: Floats, threshold: float) -> float:
    """Share of such values at or over a threshold beyond them, by a tail fitted to the highest `TAIL` of them."""
    start = float(np.quantile(values, 1 - TAIL))
    over = np.sort(values[values > start] - start)
    if len(over) < 2 or threshold <= start:
        return float((values >= threshold).mean())
    ranks = (np.arange(1, len(over) + 1) - 0.35) / len(over)
    first, second = float(over.mean()), float(((1 - ranks) * over).mean())
    shape, scale = 2 - first / (first - 2 * second), 2 * first * second / (first - 2 * second)
    share = len(over) / len(values)
    if abs(shape) < 1e-9:
        return share * math.exp(-(threshold - start) / scale)
    return float(share * max(0.0, 1 + shape * (threshold - start) / scale) ** (-1 / shape))


def _kin(drawn: Drawn, share: float) -> Flags:
    """(people, people): for each person the share of others whose mean vectors are most like theirs."""
    count = int(drawn.people.max()) + 1
    means = np.stack([np.nan_to_num(drawn.pictures[drawn.people == k]).sum(0) for k in range(count)])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    alike = means @ means.T
    np.fill_diagonal(alike, -np.inf)
    lowest = np.sort(alike, axis=1)[:, -max(1, round(share * (count - 1)))]
    return np.asarray(alike >= lowest[:, None], bool)


def most(hits: int, count: int) -> float:
    """Upper end of the exact one-sided interval at 95 % of a small rate (Poisson; 3.0 / count without a hit)."""
    low, high = float(hits), hits + 10 * math.sqrt(hits + 1)
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(hits + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return min(1.0, high / count)
