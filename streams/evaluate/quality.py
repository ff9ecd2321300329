"""`sealframe eval quality`: does the quality score tell which faces are recognised? Error against reject share.

Photographs of `identities` are made worse at random, each in one way: smaller, blurred, moved, covered, in poor light,
or not at all; each is compared with the untouched other photographs of its person. The curve is the share of these
genuine comparisons that fall below the threshold (false non-match rate, FNMR) when the worst share by quality is
rejected first: the method of ISO/IEC 29794-1 and of NIST's FRVT for quality (Grother and Tabassi, 2007). A score that
knows nothing leaves it flat; the best possible one rejects nothing but errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect import FaceDetector
from operators.detect.measure import overlaps
from operators.embed import FEATURES, SAME, TIGHT, FaceEmbedder, align
from operators.quality import quality
from schemas.errors import MalformedRecord, UsageError
from streams.evaluate.faces import folder_of, listed
from streams.evaluate.report import Figure

REJECTED = np.arange(0, 31) / 100
FULL = 96.0
KINDS = ("none", "size", "blur", "motion", "covered", "covered", "light")

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face as it was read: whose, of which picture, what was done to it, quality, shorter side, unit vector."""

    person: int
    picture: int
    kind: str
    quality: float
    size: float
    vector: npt.NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Curves:
    """FNMR at each share of `REJECTED`, by quality, by size alone, at random, and by the errors themselves."""

    quality: tuple[float, ...]
    size: tuple[float, ...]
    random: tuple[float, ...]
    ideal: tuple[float, ...]
    comparisons: int


def evaluate(
    data: Path, detector: FaceDetector, embedder: FaceEmbedder, seed: int, people: int | None = None,
    step: Step = lambda done, of: None,
) -> tuple[list[Figure], Curves]:
    """Figures and curves over the labelled photographs of `data`, of so many people (None: of all)."""
    worse, clean = gather(data, detector, embedder, seed, people, step)
    made = curves(worse, clean, seed)
    note = f"seed {seed}; mean FNMR at {SAME:g} with 0 to 30 % rejected, {made.comparisons} genuine comparisons"
    size, chance = float(np.mean(made.size)), float(np.mean(made.random))
    area = float(np.mean(made.quality))
    return [
        Figure("edc_quality", area, "", "<=", min(size, chance), made.comparisons, note),
        Figure("edc_size", size, n=made.comparisons, note="the same by the face's size alone"),
        Figure("edc_random", chance, n=made.comparisons, note="the same at random"),
        Figure("edc_ideal", float(np.mean(made.ideal)), n=made.comparisons, note="the same if errors go first"),
        Figure("fnmr_0", made.quality[0], n=made.comparisons, note="nothing rejected"),
        Figure("fnmr_20", made.quality[20], n=made.comparisons, note="the worst fifth by quality rejected"),
    ], made


def gather(
    data: Path, detector: FaceDetector, embedder: FaceEmbedder, seed: int, people: int | None, step: Step
) -> tuple[list[Seen], list[Seen]]:
    """Faces made worse, and untouched, of everybody with several photographs."""
    found, rng = listed(folder_of(data)), np.random.default_rng(seed)
    known = [person for person in np.unique(found.people) if (found.people == person).sum() > 1]
    chosen = rng.permutation(known)[:people].tolist()
    several = [n for n, person in enumerate(found.people) if person in chosen]
    if not several:
        raise UsageError(f"{data} has nobody with several photographs")
    worse: list[Seen] = []
    clean: list[Seen] = []
    for at, n in enumerate(several):
        picture = cv2.imread(str(found.paths[n]))
        if picture is None:
            raise UsageError(f"{found.paths[n].name} can't be read")
        rgb = np.ascontiguousarray(picture[:, :, ::-1], np.uint8)
        seen = detector.detect(rgb)
        if len(seen.boxes):
            box = seen.boxes[(seen.boxes[:, 2:] - seen.boxes[:, :2]).prod(1).argmax()]
            kind = KINDS[at % len(KINDS)]
            changed, scale = worsened(rgb, box.astype(np.float64), kind, rng)
            who = int(found.people[n])
            clean.append(_read(rgb, box, who, n, "clean", detector, embedder))
            worse.append(_read(changed, box * np.float32(scale), who, n, kind, detector, embedder))
        step(at + 1, len(several))
    return worse, clean


def worsened(rgb: Rgb, box: Floats, kind: str, rng: np.random.Generator) -> tuple[Rgb, float]:
    """A picture made worse in this way, and by how much it was scaled."""
    width = float(box[2] - box[0])
    if kind == "size":
        scale = float(rng.uniform(16, 60)) / width
        return np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8), scale
    if kind == "blur":
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.01, 0.08)) * width), np.uint8), 1.0
    if kind == "motion":
        length = int(rng.uniform(0.05, 0.35) * width) | 1
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        return np.asarray(cv2.filter2D(rgb, -1, kernel), np.uint8), 1.0
    if kind == "covered":
        return _covered(rgb, box, rng), 1.0
    if kind == "light":
        gain = float(rng.uniform(0.08, 0.5) if rng.random() < 0.5 else rng.uniform(1.5, 3.5))
        return np.clip(rgb * gain + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8), 1.0
    return rgb, 1.0


def _covered(rgb: Rgb, box: Floats, rng: np.random.Generator) -> Rgb:
    """Something of one colour, a little uneven, over a tenth to six tenths of the face from one side."""
    share, side = float(rng.uniform(0.1, 0.6)), int(rng.integers(4))
    size = np.tile(box[2:] - box[:2], 2)
    area = box + 0.2 * size * (-1, -1, 1, 1)
    area[(side + 2) % 4] = box[side] + share * size[side] * (1 if side < 2 else -1)
    x1, y1 = (max(0, int(v)) for v in area[:2])
    x2, y2 = min(rgb.shape[1], int(area[2])), min(rgb.shape[0], int(area[3]))
    grain = rng.normal(0, 25, ((y2 - y1) // 4 + 1, (x2 - x1) // 4 + 1)).astype(np.float32)
    uneven = cv2.resize(grain, (max(1, x2 - x1), max(1, y2 - y1)))[..., None]
    changed = rgb.copy()
    changed[y1:y2, x1:x2] = np.clip(rng.integers(0, 256, 3) + uneven, 0, 255).astype(np.uint8)[: y2 - y1, : x2 - x1]
    return changed


def _read(
    rgb: Rgb, box: npt.NDArray[np.float32], person: int, picture: int, kind: str, detector: FaceDetector,
    embedder: FaceEmbedder,
) -> Seen:
    """The face as an authority reads it; one that isn't found has no vector and quality 0."""
    size = float(min(box[2] - box[0], box[3] - box[1]))
    nothing = Seen(person, picture, kind, 0.0, size, np.zeros(FEATURES, np.float32))
    found = detector.detect(np.ascontiguousarray(rgb))
    over = overlaps(found.boxes, box[None].astype(np.float32))[:, 0] if len(found.boxes) else np.zeros(0)
    if not len(over) or over.max() < 0.3:
        return nothing
    at = int(over.argmax())
    try:
        chip = align(rgb, found.landmarks[at], TIGHT)
    except MalformedRecord:
        return nothing
    x1, y1, x2, y2 = (max(0, round(float(v))) for v in found.boxes[at])
    luma = np.asarray(16 + cv2.cvtColor(rgb[y1:y2, x1:x2], cv2.COLOR_RGB2GRAY) * (219 / 255), np.uint8)
    worth = quality(found.boxes[at].tolist(), found.landmarks[at], float(found.scores[at]), luma)
    return Seen(person, picture, kind, worth, size, embedder.embed(chip[None])[0])


def curves(worse: list[Seen], clean: list[Seen], seed: int) -> Curves:
    """The curves of all comparisons of a worsened face with the other photographs of its person."""
    vectors, people = np.stack([one.vector for one in clean]), np.array([one.person for one in clean])
    pictures = np.array([one.picture for one in clean])
    alike: list[float] = []
    by: list[tuple[float, float]] = []
    for one in worse:
        mates = vectors[(people == one.person) & (pictures != one.picture)] @ one.vector
        alike += mates.tolist()
        by += [(one.quality, min(FULL, one.size))] * len(mates)
    wrong = np.array(alike) < SAME
    scores = np.array(by)
    rng = np.random.default_rng(seed)
    return Curves(
        edc(wrong, scores[:, 0]), edc(wrong, scores[:, 1]), edc(wrong, rng.random(len(wrong))), edc(wrong, ~wrong),
        len(wrong),
    )


def edc(wrong: npt.NDArray[np.bool_], scores: npt.NDArray[np.generic]) -> tuple[float, ...]:
    """Share of errors left at each share of `REJECTED`, the lowest scores rejected first; ties as they come."""
    ordered = wrong[np.argsort(scores, kind="stable")]
    return tuple(float(ordered[int(share * len(ordered)) :].mean()) for share in REJECTED)


def plot(made: Curves) -> str:
    """The curves as one HTML page with a drawing in it; needs nothing from elsewhere."""
    top = max(0.05, max(made.size + made.random + made.quality) * 1.1)
    drawn = (("quality", made.quality, "#0a7", ""), ("size alone", made.size, "#c60", ' stroke-dasharray="6 3"'),
             ("random", made.random, "#888", ' stroke-dasharray="2 3"'),
             ("ideal", made.ideal, "#05a", ' stroke-dasharray="8 3 2 3"'))
    lines, words = [], []
    for row, (name, values, colour, dash) in enumerate(drawn):
        points = " ".join(f"{60 + 500 * share / 0.3:.1f},{320 - 290 * value / top:.1f}"
                          for share, value in zip(REJECTED, values, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        words.append(f'<text x="80" y="{240 + 18 * row}" fill="{colour}">{name}</text>')
    ticks = "".join(f'<text x="{60 + 500 * n / 3:.0f}" y="340" text-anchor="middle">{10 * n} %</text>'
                    for n in range(4))
    ticks += "".join(f'<text x="52" y="{324 - 290 * n / 4:.0f}" text-anchor="end">{top * n / 4:.2f}</text>'
                     for n in range(5))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Error against reject share</title>'
        f"<h1>Error against reject share</h1><p>FNMR at {SAME:g} of {made.comparisons} genuine comparisons, by the"
        ' share of the worst faces rejected.</p><svg viewBox="0 0 600 350" width="900" role="img"'
        ' aria-label="error against reject share" font-family="sans-serif" font-size="13">'
        '<path d="M60 20V320H570" fill="none" stroke="#444"/>' + ticks + "".join(lines + words) + "</svg></html>\n"
    )
