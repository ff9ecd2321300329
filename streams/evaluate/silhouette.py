"""`sealframe eval silhouette`: outlines of heads against known ones; how much of the face they cover; how fast.

The known outlines (`outlines.tsv`) are of people of Labeled Faces in the Wild, cut out once by a teacher and looked
through by eye. Everybody is laid before a photograph of a street, so what shows of them is exactly known; scaled to
one of three face heights, coded (x264 veryfast CRF 23) and searched by the worker's detector. The head is what of the
person lies in the box that the policy draws out from the known face; the face is what of it lies in the face's box.
Both are looked for with the box moved, too, and in the photographs as they are. Beside it: of all upright ellipses
about the detected box, one for everybody, the one with the highest mean IoU on these very outlines.
"""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators import pixels
from operators.cohere import Claim, lay_out
from operators.desensitise.paint import spot
from operators.desensitise.policy import Policy
from operators.desensitise.silhouette import SILHOUETTE, painted
from operators.detect import Finder
from operators.detect.measure import overlaps
from operators.heads import Box, height_of
from operators.reach import extent
from schemas.errors import UsageError
from schemas.frames import BLOCK, Planes, VideoFormat
from schemas.regions import Detections, Region, RegionSet
from streams.demo.pictures import Photograph, Rgb
from streams.evaluate.attack.film import planes_of
from streams.evaluate.passages import Coded
from streams.evaluate.report import Figure

TABLE = Path(__file__).with_name("outlines.tsv")
IOU, COVERED = 0.85, 0.995
HEIGHTS = 40, 80, 120
SOFT, OFF = 0.8, 0.1
OVALS = (0.0, 0.05, 0.1, 0.15, 0.2), (0.4, 0.45, 0.5, 0.55, 0.6), (0.65, 0.7, 0.75, 0.8, 0.85)
"""Ellipses, in heights of the face: how far their middle lies above its own, half their width, half their height."""
POLICY = Policy({}, {"face": SILHOUETTE.name}, custodian=False, insist=True)
Mask = npt.NDArray[np.bool_]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A photograph, the face's box in it, and the person's outline (2 n,): x y, x y ..., in its pixels."""

    path: Path
    face: Box
    outline: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A coded picture, the face's box, and how much of each pixel is the person."""

    planes: Planes
    format: VideoFormat
    face: Box
    person: Mask


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one outline: whether it was drawn, IoU with the head, share of the face that is painted, CPU milliseconds.

    `ovals`: the IoU of each ellipse.
    """

    height: int
    drawn: bool
    iou: float
    covered: float
    ms: float
    ovals: tuple[float, ...]


def known(data: Path) -> list[Known]:
    """The outlines whose photographs lie under a folder; raises `UsageError` where there are none."""
    by_digest = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(data.rglob("*.jpg"))}
    rows = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines()]
    found = [
        Known(by_digest[digest], _box(bytes.fromhex(face)), np.frombuffer(bytes.fromhex(points), np.uint8))
        for digest, face, points in rows if digest in by_digest
    ]
    if not found:
        raise UsageError(f"{data} holds no photograph of {TABLE.name}")
    return found


def streets(folder: Path) -> list[Path]:
    """The photographs of `folder`/labels.tsv in which a plate has a box, and so isn't all of the picture."""
    try:
        with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
            return sorted({folder / row["file"] for row in csv.DictReader(table, delimiter="\t") if row["w"]})
    except (OSError, KeyError) as error:
        raise UsageError(f"{folder} holds no photographs of streets to lay people before") from error


def evaluate(
    people: Sequence[Known], grounds: Sequence[Path], finder: Finder, seed: int, tell: Tell = lambda _: None
) -> list[Figure]:
    """All figures: everybody once before a photograph of `grounds`, and once as they were photographed.

    Raises:
        UsageError: nobody's face is found.

    """
    rng = np.random.default_rng(seed)
    laid, moved, plain = [], [], []
    for number, who in enumerate(people):
        height = HEIGHTS[number % len(HEIGHTS)]
        ground = Photograph(grounds[int(rng.integers(len(grounds)))]).read()
        away, shown = float(rng.uniform(0, 2 * np.pi)), _laid(who, ground, height, rng)
        region, own = _seen(shown, finder), _as_they_were(who)
        laid.append(_outcome(shown, region, height))
        moved.append(_outcome(shown, region and _moved(region, away), height))
        plain.append(_outcome(own, _seen(own, finder), 0))
    seen = [[one for one in outcomes if one] for outcomes in (laid, moved, plain)]
    if not all(seen):
        raise UsageError("the detector finds no face in these photographs")
    tell(f"of {len(people)}, {len(seen[0])} are found before other photographs, {len(seen[2])} in their own")
    return figures(*seen)


def figures(laid: Sequence[Outcome], moved: Sequence[Outcome], plain: Sequence[Outcome]) -> list[Figure]:
    """Against the targets."""
    n, ious = len(laid), np.array([one.iou for one in laid])
    covered, spent = np.array([one.covered for one in laid]), np.array([one.ms for one in laid])
    ovals = np.array([one.ovals for one in laid]).mean(0)
    by_height = {height: [one.iou for one in laid if one.height == height] for height in HEIGHTS}
    return [
        Figure("silhouette_iou", _mean(ious), "", ">=", IOU, n,
               f"19 of 20 reach {np.percentile(ious, 5):.3f}"),
        Figure("silhouette_ellipse_iou", float(ovals.max()), "", ">=", None, n, "the best one for everybody"),
        Figure("silhouette_covered", _mean(covered), "", ">=", COVERED, n, f"of the face; least {covered.min():.3f}"),
        Figure("silhouette_covered_moved", _mean(one.covered for one in moved), "", ">=", COVERED, len(moved),
               f"boxes off by {OFF:.0%} of the face, as between detections"),
        Figure("silhouette_drawn", _mean([one.drawn for one in laid]), "", ">=", None, n,
               "the others are painted as whole regions, and count so"),
        *(Figure(f"silhouette_iou_{height}px", _mean(part), "", ">=", None, len(part), "face height")
          for height, part in by_height.items() if part),
        Figure("silhouette_iou_photographs", _mean([one.iou for one in plain]), "", ">=", None, len(plain),
               "photographs as they are, against the same outlines"),
        Figure("silhouette_covered_photographs", _mean([one.covered for one in plain]), "", ">=", None, len(plain)),
        Figure("silhouette_ms", float(np.median(spent)), "ms", "<=", None, n,
               "CPU time of one region, appearance and paint"),
    ]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values]))


def _laid(who: Known, behind: Rgb, height: int, rng: np.random.Generator) -> Shown:
    """The person before a part of another photograph, the face so high."""
    picture, person = _read(who)
    ground = _part(behind, picture.shape[1], picture.shape[0], rng)
    alpha = cv2.GaussianBlur(person.astype(np.float32), (0, 0), SOFT)[..., None]
    mixed = np.rint(picture * alpha + ground * (1 - alpha))
    return _coded(np.asarray(mixed, np.uint8), person, who.face, height / height_of(who.face))


def _as_they_were(who: Known) -> Shown:
    picture, person = _read(who)
    return _coded(picture, person, who.face, 1.0)


def _read(who: Known) -> tuple[Rgb, Mask]:
    picture = Photograph(who.path).read()
    person = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(person, [who.outline.reshape(-1, 2).astype(np.int32)], 1)
    return picture, person.view(bool)


def _part(picture: Rgb, wide: int, high: int, rng: np.random.Generator) -> Rgb:
    """Some part of a photograph, at least a third of it, at this size."""
    share = float(rng.uniform(0.35, 1.0)) * min(picture.shape[1] / wide, picture.shape[0] / high)
    across, down = int(share * wide), int(share * high)
    top, left = (int(rng.integers(side + 1)) for side in (picture.shape[0] - down, picture.shape[1] - across))
    part = picture[top : top + down, left : left + across]
    return np.asarray(cv2.resize(part, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)


def _coded(picture: Rgb, person: Mask, face: Box, scale: float) -> Shown:
    """Scaled, in whole blocks, and as the camera's codec shows it."""
    wide, high = (round(side * scale / BLOCK) * BLOCK for side in picture.shape[1::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    across, down = wide / picture.shape[1], high / picture.shape[0]
    shares = cv2.resize(person.astype(np.float32), (wide, high), interpolation=how)
    format = VideoFormat(wide, high, Fraction(1, 25), matrix=1)
    scaled = np.asarray(cv2.resize(picture, (wide, high), interpolation=how), np.uint8)
    planes = Coded(23)([planes_of(scaled)], format)[0]
    box = face[0] * across, face[1] * down, face[2] * across, face[3] * down
    return Shown(planes, format, box, shares >= 0.5)


def _moved(region: Region, away: float) -> Region:
    """A region that isn't where the face is, but `OFF` from there in this direction."""
    far = OFF * height_of(region.box)
    x, y = far * np.cos(away), far * np.sin(away)
    x1, y1, x2, y2 = region.box
    return replace(region, box=(x1 + x, y1 + y, x2 + x, y2 + y), source="filled")


def _outcome(shown: Shown, region: Region | None, height: int) -> Outcome | None:
    """What the method does with it; None where the detector doesn't see the face."""
    if region is None:
        return None
    (claim,) = lay_out(RegionSet("", "", 0, ((region,),)), shown.format, POLICY)[0]
    place = spot(shown.planes, claim, shown.format)
    began = time.thread_time()
    appearance = SILHOUETTE.prepare(place, b"")
    SILHOUETTE.paint(replace(place, planes=pixels.copy(place.planes)), appearance)
    ms = 1000 * (time.thread_time() - began)
    mask = np.zeros(shown.person.shape, bool)
    rows, columns = place.planes.y.shape
    mask[place.top : place.top + rows, place.left : place.left + columns] = painted(appearance, place.planes.y.shape)
    head = shown.person & _inside(extent(replace(region, box=shown.face), shown.format, POLICY), mask.shape)
    face = shown.person & _inside(shown.face, mask.shape)
    covered = float((face & mask).sum() / max(1, face.sum()))
    ovals = tuple(_iou(oval, head) for oval in _ovals(region, claim, mask.shape))
    return Outcome(height, bool(appearance), _iou(mask, head), covered, ms, ovals)


def _seen(shown: Shown, finder: Finder) -> Region | None:
    look = finder.detect_planes(shown.planes, shown.format, max(shown.format.width, shown.format.height))
    found: Detections = look[0] if isinstance(look, tuple) else look
    if not len(found.boxes):
        return None
    shares = overlaps(found.boxes, np.array([shown.face], np.float32))[:, 0]
    best = int(shares.argmax())
    if shares[best] < 0.4:
        return None
    box = found.boxes[best].tolist()
    return Region(1, "face", (box[0], box[1], box[2], box[3]), float(found.scores[best]), "detected")


def _inside(box: Box, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, bool)
    x1, y1, x2, y2 = (max(0, round(side)) for side in box)
    mask[y1:y2, x1:x2] = True
    return mask


def _ovals(region: Region, claim: Claim, shape: tuple[int, ...]) -> Iterator[Mask]:
    """All of `OVALS` about the detected face, cut where the region ends above and below."""
    x1, y1, x2, y2 = region.box
    face, middle = height_of(region.box), ((x1 + x2) / 2, (y1 + y2) / 2)
    for up, across, down in product(*OVALS):
        mask = np.zeros(shape, np.uint8)
        at = middle[0], middle[1] - up * face
        cv2.ellipse(mask, (at, (2 * across * face, 2 * down * face), 0.0), 1, cv2.FILLED)
        mask[: claim.rect.top * BLOCK] = mask[claim.rect.bottom * BLOCK :] = 0
        yield mask.view(bool)


def _iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def _box(values: bytes) -> Box:
    x1, y1, x2, y2 = values
    return float(x1), float(y1), float(x2), float(y2)
