"""How far a mask reaches beyond the box that was found: the shape of a whole face, padding, and more in doubt.

A detector that sees part of a face draws a box around that part: nearly all generated faces that leak with padding
alone have too low a box, at the picture's edge or beside somebody nearer. So where a track has a sure detection, its
size there is the face's size all along, and part of the doubt is enough.

A region is in doubt that was filled in without a detection, touches another one, or lies at the picture's edge; a few
frames around, too. What all this leaves bare and costs in area: `DECISIONS.md`, 83.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np
import numpy.typing as npt

from operators.desensitise.policy import Policy
from operators.heads import WIDE, head_of
from operators.pixels import padded, touch
from operators.track.geometry import union
from schemas.frames import VideoFormat
from schemas.regions import Place, Region, RegionSet

DOUBT_FRAMES = 4
EDGE = 2.0
"""Pixels from the picture's edge within which a box may be cut by it."""
SURE = 0.8
"""From this score on a detection away from the picture's edge is one of the whole face."""
WIDEST = 0.9
"""Up to so wide for its height a sure face has the mask of its height, and what is over `WIDE` takes of the padding:
larger masks for whoever is a little wider tell who that is (`DECISIONS.md`, 104). Wider boxes rather show half a face.
"""
KNOWN = 0.75
"""Share of the doubt that is left to a track whose size a sure detection tells."""
Box = tuple[float, float, float, float]
Track = Sequence[tuple[int, Region]]


def reaches(
    regions: RegionSet, format: VideoFormat, policy: Policy, doubtful: Mapping[int, Set[int]]
) -> dict[Place, Box]:
    """The box that each region's mask has to cover, beyond the picture's edge too: what was found lies in it.

    `doubtful`: as `in_doubt` says.
    """
    out: dict[Place, Box] = {}
    for track, found in by_track(regions).items():
        heights = known_heights(found, format)
        doubt = policy.doubt * (KNOWN if heights.any() else 1.0)
        unsure = doubtful.get(track, set())
        for (i, region), high in zip(found, heights.tolist(), strict=True):
            share = policy.padding_of(region.kind) + doubt * (i in unsure)
            out[i, track] = union(padded(extent(region, format, policy, high), share), region.box)
    return out


def by_track(regions: RegionSet) -> dict[int, list[tuple[int, Region]]]:
    """The regions of each track with their frames, ascending."""
    out: dict[int, list[tuple[int, Region]]] = {}
    for i, frame in enumerate(regions.frames):
        for region in frame:
            out.setdefault(region.track, []).append((i, region))
    return dict(sorted(out.items()))


def known_heights(found: Track, format: VideoFormat) -> npt.NDArray[np.float64]:
    """How high a track's face is in each of its frames, by the sure detections before and after; 0: there are none."""
    sizes = [(i, size_of(region.box, format, region.score)) for i, region in found if _is_sure(region, format)]
    sure = np.array(sizes).reshape(-1, 2)
    frames = np.array([i for i, _ in found])
    return np.interp(frames, sure[:, 0], sure[:, 1]) if len(sure) else np.zeros(len(frames))


def extent(region: Region, format: VideoFormat, policy: Policy, high: float = 0.0) -> Box:
    """The box to hide: of a face one of the shape that all get, drawn out to its head where the policy wants heads."""
    if region.kind != "face":
        return region.box
    box = shaped(region.box, format, high, region.score)
    return head_of(box) if policy.hides_heads(region.kind) else box


def shaped(box: Box, format: VideoFormat, high: float = 0.0, score: float = 1.0) -> Box:
    """A box `WIDE` times as wide as high that stands for this one: as large as its face, and at least so high.

    Hardly any whole face is over `WIDEST`, so masks of faces of one height don't differ.
    It has the same middle; but where the picture's edge cuts the box, the rest of the face lies beyond that edge.
    """
    high = max(high, size_of(box, format, score))
    x1, x2 = _widened(box[0], box[2], WIDE * high, format.width)
    y1, y2 = _widened(box[1], box[3], high, format.height)
    return x1, y1, x2, y2


def size_of(box: Box, format: VideoFormat, score: float = 1.0) -> float:
    """How high the face with this box is; by its width where the box may show too little of its height."""
    width, height = box[2] - box[0], box[3] - box[1]
    whole = width <= WIDEST * height and score >= SURE and not _at_edge(box, format)
    return height if whole else max(height, width / WIDE)


def _widened(low: float, high: float, length: float, limit: int) -> tuple[float, float]:
    more = length - (high - low)
    cut_low, cut_high = low <= EDGE, high >= limit - EDGE
    before = more / 2 if cut_low == cut_high else more * cut_low
    return low - before, high + more - before


def in_doubt(regions: RegionSet, format: VideoFormat) -> dict[int, set[int]]:
    """Per track the frames where its region is in doubt, those close by in time counted in."""
    out: dict[int, set[int]] = {}
    for i, frame in enumerate(regions.frames):
        for region in frame:
            beside = (touch(region.box, other.box) for other in frame if other.track != region.track)
            if region.source == "filled" or _at_edge(region.box, format) or any(beside):
                out.setdefault(region.track, set()).update(range(i - DOUBT_FRAMES, i + DOUBT_FRAMES + 1))
    return out


def _at_edge(box: Box, format: VideoFormat) -> bool:
    x1, y1, x2, y2 = box
    return x1 <= EDGE or y1 <= EDGE or x2 >= format.width - EDGE or y2 >= format.height - EDGE


def _is_sure(region: Region, format: VideoFormat) -> bool:
    whole = region.source == "detected" and not _at_edge(region.box, format)
    return region.kind == "face" and whole and region.score >= SURE
