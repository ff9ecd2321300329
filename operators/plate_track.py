"""Reading a plate along its track: glimpses of it frame by frame, joined into one text.

`rectify` and `cut` give a frame's crop; `glimpse` reads crops and keeps what each may say; `join` weighs all of them
(`operators/plate_evidence.py`). A glimpse holds texts and probabilities, no pixels, and goes to JSON and back in a few
kB. Coordinates are pixels, x to the right, y down.

Not done here: finding plates, following them, deciding which crops belong to one track.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix

import cv2
import numpy as np
import numpy.typing as npt

from operators.plate_evidence import GUESSES, Evidence, Step
from operators.plates import ALPHABET, PlateReader, Reading, Rgb, beam, chosen, plausible, settled
from schemas.errors import ConfigError, MalformedRecord
from schemas.regions import Array

MARGIN = 0.03
"""Share of width and height that a crop shows beyond the plate on each side."""
TALLEST, WIDEST = 96, 288
SMALLEST = 8
LIKELY = 0.002
"""A class of a step is kept from this probability on, and at most `RIVALS` of a step."""
RIVALS = 6
READABLE_HEIGHT, SHARP = 20.0, 14.0
_ROUND = 4

MOST_FRAMES = 48
"""Of a longer track, so many glimpses are joined: those of which the reader is surest."""
LONGEST = 11
_LEAST_WEIGHT, _TRUST = 0.05, 0.5
"""A frame weighs this much, and the reader's confidence to this power."""
_SAID, _UNSAID, _VOTES, _FIRST, _ODD = 0.5, 0.3, 2.0, 0.4, 6.0
"""What frames that read just this text by themselves count: the surest and how many, the surest of all once more;
and what a text costs that no country has. Fitted, as all numbers here, to generated tracks of seeds 900 and 31."""
_CALM = 2.5
"""Frames of a track are alike: for confidences they count as so many (fitted to generated tracks)."""
_MOST_TEXTS, _PAIRED, _SIGNS, _ROUNDS = 120, 16, 12, 8


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What one frame's crop may say, likeliest text first; how good the crop is, 0 to 1; the reader's steps.

    Without steps, `join` takes the readings' characters with their confidences instead.
    """

    readings: tuple[Reading, ...]
    quality: float
    steps: tuple[Step, ...] = ()


def rectify(picture: Rgb, corners: npt.ArrayLike) -> Rgb:
    """The plate seen straight on, with a little margin, at about as many pixels as the picture has of it.

    Corners (4, 2) x y: top-left, top-right, bottom-right, bottom-left as the plate is read; they may lie outside.

    Raises:
        MalformedRecord: not four finite points that go clockwise round a convex quadrilateral of a pixel or more.

    """
    points = np.asarray(corners, np.float64)
    if points.shape != (4, 2) or not np.isfinite(points).all() or np.abs(points).max() > 1e6:
        raise MalformedRecord(f"a plate has four finite corners (4, 2), not {points.shape}")
    edges = np.roll(points, -1, 0) - points
    after = np.roll(edges, -1, 0)
    if (edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]).min() < 1.0:
        raise MalformedRecord("a plate's corners go clockwise round a convex quadrilateral")
    sides = np.hypot(edges[:, 0], edges[:, 1])
    width, height = max(sides[0], sides[2]), max(sides[1], sides[3])
    shrink = min(1.0, WIDEST / width, TALLEST / height)
    size = max(SMALLEST, round(width * (1 + 2 * MARGIN))), max(SMALLEST, round(height * (1 + 2 * MARGIN)))
    size = min(size[0], 8 * WIDEST), min(size[1], 8 * TALLEST)
    low, high = MARGIN / (1 + 2 * MARGIN), (1 + MARGIN) / (1 + 2 * MARGIN)
    target = np.array([[low, low], [high, low], [high, high], [low, high]]) * size
    matrix = cv2.getPerspectiveTransform(points.astype(np.float32), target.astype(np.float32))
    flat = cv2.warpPerspective(_rgb(picture), matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if shrink < 1:
        least = max(SMALLEST, round(size[0] * shrink)), max(SMALLEST, round(size[1] * shrink))
        flat = cv2.resize(flat, least, interpolation=cv2.INTER_AREA)
    return np.asarray(flat, np.uint8)


def cut(picture: Rgb, box: Sequence[float]) -> Rgb:
    """The crop by a box xyxy with a little margin, for plates whose corners aren't known.

    Raises:
        MalformedRecord: the box is empty, not finite or outside the picture.

    """
    height, width = _rgb(picture).shape[:2]
    if len(box) != 4 or not all(math.isfinite(value) for value in box):
        raise MalformedRecord("a box has four finite numbers")
    x1, y1, x2, y2 = (float(value) for value in box)
    aside, above = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    left, top = max(0, round(x1 - aside)), max(0, round(y1 - above))
    right, bottom = min(width, round(x2 + aside)), min(height, round(y2 + above))
    if x2 <= x1 or y2 <= y1 or right <= left or bottom <= top:
        raise MalformedRecord("a box is empty or outside its picture")
    return np.ascontiguousarray(picture[top:bottom, left:right])


def views(picture: Rgb, box: Sequence[float], corners: npt.ArrayLike) -> list[Rgb]:
    """A found plate straightened by its corners, and as its box cuts it; only that where the corners fit no plate.

    Raises:
        MalformedRecord: the box is empty, not finite or outside the picture.

    """
    boxed = cut(picture, box)
    try:
        return [rectify(picture, corners), boxed]
    except MalformedRecord:
        return [boxed]


def read_views(reader: PlateReader, seen: Sequence[Rgb]) -> Reading:
    """What the views of one plate in one picture say together; errors as `glimpse`."""
    said = glimpse(reader, seen)
    return join(said) if len(said) > 1 else alone(said[0])


def glimpse(reader: PlateReader, crops: Sequence[Rgb]) -> list[Glimpse]:
    """What each crop may say, and how good it is: its height, its sharpness, how sure the reader is.

    Raises:
        ConfigError: a crop isn't RGB, or the network doesn't run.

    """
    made = []
    for crop, probabilities in zip(crops, reader.probabilities(list(crops)), strict=True):
        readings = tuple(beam(probabilities))
        sure = max((one.confidence for one in readings), default=0.0)
        made.append(Glimpse(readings, _quality(crop, sure), _compact(probabilities)))
    return made


def alone(one: Glimpse) -> Reading:
    """What one frame says by itself, as `PlateReader.read` has it: the likeliest plausible text, settled."""
    return chosen(list(one.readings)) if one.readings else Reading("", (), 0.0)


def join(glimpses: Sequence[Glimpse]) -> Reading:
    """The text that all glimpses of one plate say together, with a confidence for every character.

    Texts that frames read, and those put together from parts of them, are weighed by `Evidence` over all frames, by
    whether a country has such a text, and by the surest frame that reads just this; the best ones are changed by a
    character at a time until nothing is better. `confidence` is that of the text among all those weighed.

    Raises:
        MalformedRecord: no glimpse.

    """
    if not glimpses:
        raise MalformedRecord("a track without glimpses has no reading")
    kept = sorted((one for one in glimpses if one.readings), key=lambda one: -_sure(one))[:MOST_FRAMES]
    return _Search(kept).best() if kept else Reading("", (), 0.0)


class _Search:
    """Texts of a track and how good each is: log of a probability, but for a constant."""

    def __init__(self, glimpses: Sequence[Glimpse]) -> None:
        self.weights = [_LEAST_WEIGHT + _sure(one) ** _TRUST for one in glimpses]
        self.frames = [one.steps or _spelt(one.readings) for one in glimpses]
        self.evidence = Evidence(self.frames, self.weights)
        self.known: dict[str, float] = {}
        self.surest: dict[str, float] = {}
        self.votes: dict[str, float] = {}
        for one in glimpses:
            said = alone(one)
            self.surest[said.text] = max(self.surest.get(said.text, 0.0), said.confidence)
            self.votes[said.text] = self.votes.get(said.text, 0.0) + 1 / len(glimpses)
        self.first = max(self.surest, key=lambda text: (self.surest[text], text))
        read: dict[str, float] = {}
        for one, weight in zip(glimpses, self.weights, strict=True):
            for reading in one.readings:
                read[reading.text] = read.get(reading.text, 0.0) + weight * reading.confidence
        texts = _most(read, _MOST_TEXTS)
        self.weigh([*texts, *sorted(_overlapping(texts[:_PAIRED])), *sorted(self._halves())])

    def best(self) -> Reading:
        signs = self.evidence.likeliest(_SIGNS)
        looked: set[str] = set()
        for _ in range(_ROUNDS):
            leading = [text for text in sorted(self.known, key=self._rank)[:2] if text not in looked]
            if not leading:
                break
            looked.update(leading)
            self.weigh([near for text in leading for near in _near(text, signs)])
        text = min(self.known, key=self._rank)
        calm = min(1.0, _CALM / sum(self.weights))
        shares = {one: math.exp((value - self.known[text]) * calm) for one, value in self.known.items()}
        total = sum(shares.values())
        characters = [0.0] * len(text)
        for one, share in shares.items():
            for at in _common(text, one):
                characters[at] += share / total
        return Reading(settled(text), tuple(characters), shares[text] / total)

    def weigh(self, texts: Iterable[str]) -> None:
        new = [text for text in dict.fromkeys(texts) if text not in self.known and len(text) <= LONGEST]
        lightly, said = max(self.weights) * math.log(GUESSES), _SAID * sum(self.weights)
        for text, value in zip(new, self.evidence.score(new), strict=True):
            support = self.surest.get(settled(text), 0.0) + _VOTES * self.votes.get(settled(text), 0.0)
            alone_too = said * (math.log(support + _UNSAID) + _FIRST * (settled(text) == self.first))
            self.known[text] = float(value) - len(text) * lightly + alone_too - (0.0 if plausible(text) else _ODD)

    def _rank(self, text: str) -> tuple[float, str]:
        return -self.known[text], text

    def _halves(self) -> set[str]:
        """What one frame says left of a step, and another right of it."""
        made = set()
        parts = [_greedy(frame) for frame in self.frames]
        for step in range(1, max(len(frame) for frame in self.frames)):
            left: dict[str, float] = {}
            right: dict[str, float] = {}
            for part, weight in zip(parts, self.weights, strict=True):
                before = "".join(sign for at, sign in part if at < step)
                after = "".join(sign for at, sign in part if at >= step)
                left[before] = left.get(before, 0.0) + weight
                right[after] = right.get(after, 0.0) + weight
            made |= {one + other for one in _most(left, 3) for other in _most(right, 3)}
        return made


def _most(weights: Mapping[str, float], count: int) -> list[str]:
    """The texts that weigh most."""
    return sorted(weights, key=lambda text: (-weights[text], text))[:count]


def _sure(one: Glimpse) -> float:
    return min(1.0, max(reading.confidence for reading in one.readings))


def _spelt(readings: Sequence[Reading]) -> tuple[Step, ...]:
    """Steps for a glimpse that has none: a place a step, blanks between them."""
    first, *others = readings
    steps: list[Step] = []
    for at, sign in enumerate(first.text):
        shares = {sign: min(1.0, first.characters[at])}
        for other in others:
            if len(other.text) == len(first.text) and other.text[at] not in shares:
                shares[other.text[at]] = min(other.confidence, 1 - sum(shares.values()))
        steps += [(("", 1.0),), tuple(shares.items())]
    return (*steps, (("", 1.0),))


def _greedy(frame: Sequence[Step]) -> list[tuple[int, str]]:
    """The likeliest character of every step that has one, where it begins."""
    tops = [step[0][0] if step else "" for step in frame]
    return [(at, sign) for at, sign in enumerate(tops) if sign and (at == 0 or tops[at - 1] != sign)]


def _common(text: str, other: str) -> list[int]:
    """Places of the text at which the other has the same: in the same place, or beside the one it has more or less."""
    places = range(len(text))
    if len(other) == len(text):
        return [at for at in places if text[at] == other[at]]
    before = len(commonprefix([text, other]))
    after = len(commonprefix([text[::-1], other[::-1]]))
    if before + after < min(len(text), len(other)):
        return []
    return [at for at in places if at < before or at >= len(text) - after]


def _overlapping(texts: Sequence[str]) -> set[str]:
    """Texts that end as others begin, put together."""
    made = set()
    for one in texts:
        for other in texts:
            most = min(len(one), len(other))
            made |= {one + other[shared:] for shared in range(2, most) if one.endswith(other[:shared])}
    return made


def _near(text: str, signs: Sequence[str]) -> Iterator[str]:
    """Every text with one character less, another one, or one more."""
    for at in range(len(text) + 1):
        before, after = text[:at], text[at + 1 :]
        if at < len(text):
            yield before + after
            yield from (before + sign + after for sign in signs)
        yield from (before + sign + text[at:] for sign in signs)


def as_json(one: Glimpse) -> dict[str, object]:
    """A glimpse as JSON carries it, two kB or so; `from_json` reads it."""
    return {
        "readings": [
            [said.text, [round(sure, _ROUND) for sure in said.characters], round(said.confidence, 6)]
            for said in one.readings
        ],
        "quality": round(one.quality, _ROUND),
        "steps": [["".join(sign or " " for sign, _ in step), *(share for _, share in step)] for step in one.steps],
    }


def from_json(value: object) -> Glimpse:
    """The glimpse that `as_json` gave.

    Raises:
        MalformedRecord: anything else.

    """
    try:
        if not isinstance(value, dict):
            raise TypeError("not an object")
        readings = tuple(
            Reading(_text(text), tuple(_share(one) for one in characters), _share(sure))
            for text, characters, sure in value["readings"]
        )
        steps = tuple(_step(signs, shares) for signs, *shares in value["steps"])
        if any(len(one.characters) != len(one.text) for one in readings):
            raise ValueError("a confidence for every character")
        return Glimpse(readings, _share(value["quality"]), steps)
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedRecord(f"this isn't a glimpse of a plate: {type(error).__name__}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or any(sign not in ALPHABET for sign in value):
        raise ValueError("a text of the reader's alphabet")
    return value


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1.001:
        raise ValueError("a share of 0 to 1")
    return min(1.0, float(value))


def _step(signs: object, shares: Iterable[object]) -> Step:
    if not isinstance(signs, str):
        raise TypeError("a step's characters")
    return tuple(
        (_text(sign.strip(" ")), _share(share)) for sign, share in zip(signs, shares, strict=True)
    )


def _compact(probabilities: Array) -> tuple[Step, ...]:
    """The likeliest classes of every step, others are left out."""
    made = []
    for step in probabilities:
        order = [int(label) for label in np.argsort(-step)[:RIVALS] if step[label] >= LIKELY]
        made.append(tuple((ALPHABET[n - 1] if n else "", round(float(step[n]), _ROUND)) for n in order))
    return tuple(made)


def _quality(crop: Rgb, sure: float) -> float:
    """The mean of three shares: height over a readable one, sharpness over a sharp one's, the reader's confidence."""
    tall = min(1.0, crop.shape[0] / READABLE_HEIGHT)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    spread = float(grey.std()) + 4.0
    edges = float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean()) / spread * 32
    return float((tall + min(1.0, edges / SHARP) + min(1.0, sure)) / 3)


def _rgb(picture: Rgb) -> Rgb:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ConfigError(f"a picture is uint8 RGB (h, w, 3), not {picture.dtype} {picture.shape}")
    return picture
