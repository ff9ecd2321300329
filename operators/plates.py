"""Reading licence plates: a crop in, its text out, with a confidence for every character.

The network (`operators/training/plates/network.py`) gives a probability of every character, or none, at each of 24
steps across the crop. Texts are those of Connectionist Temporal Classification (Graves et al., 2006): equal steps
that follow one another are one character, blanks are none. Latin letters, digits, Chinese provinces, Hangul.

Not done here: finding plates, their corners; reading along a track (`operators/plate_track.py`). Plates of two
lines aren't read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect.session import ORT_ERRORS, cpu_session
from schemas.errors import ConfigError
from schemas.regions import Array

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
UMLAUTS = "ÄÖÜ"
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
CHINESE_MARKS = "港澳学警挂使领"
HANGUL = (
    "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주아바사자배하허호국합육해공"
    "울산대인천광전세종경기강원충북남제"
)
ALPHABET = DIGITS + LETTERS + UMLAUTS + PROVINCES + CHINESE_MARKS + HANGUL
"""Class n of the network is ALPHABET[n - 1]; class 0 is the blank."""

WEIGHTS = Path(__file__).with_name("weights") / "plate-reader.onnx"
FORMATS = ("AA000AA", "AA00AAA", "AA0A0A", "AAA0A00", "AA00AA0000")
"""Common formats that change between letters (A) and digits (0) twice: they tell O from 0 and I from 1."""
PLAIN = (
    "AAA000", "000AAA", "AAA0000", "0000AAA", "0AAA000", "AAA00000", "AA00000", "AA000000", "AA0000", "A000000",
    "000000", "0000000", "AAAAAA", "AAAAAAA",
)  # fmt: skip
"""Common formats that are left as they were read."""
_SERIAL = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_PLAUSIBLE = re.compile(
    f"[{LETTERS}{UMLAUTS}{DIGITS}]{{2,10}}"
    f"|[{PROVINCES}][{LETTERS}](?=(?:[{DIGITS}]*[{_SERIAL}]?){{2}}[{DIGITS}]*[{CHINESE_MARKS}]?$)"
    f"[{_SERIAL}{DIGITS}]{{4,5}}[{_SERIAL}{DIGITS}{CHINESE_MARKS}]"
    f"|[{HANGUL}]{{0,2}}[{DIGITS}]{{1,3}}[{HANGUL}][{DIGITS}]{{4}}"
)
_TWINS = {"O": "0", "0": "O", "I": "1", "1": "I"}
HEIGHT, WIDTH, STEPS = 32, 96, 24
BEAM = 8
_BATCH = 16
_RIVALS = 6
_UNLIKELY = 1e-4
_MOST_CHANGES = 2

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Reading:
    """A plate's text, how sure each of its characters is, and the whole: 0 to 1."""

    text: str
    characters: tuple[float, ...]
    confidence: float


def plausible(text: str) -> bool:
    """A text as some country has it: Latin alone, a Chinese province before, or Hangul where Korea has it.

    Chinese serials (GA 36) have five or six characters, of which at most two are letters, and neither I nor O.
    """
    return _PLAUSIBLE.fullmatch(text) is not None


def fit(crop: Rgb) -> Rgb:
    """Any RGB crop as the network takes it, (32, 96, 3): squeezed, not padded."""
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3 or not crop.size:
        raise ConfigError(f"a plate is read from uint8 RGB (h, w, 3), not {crop.dtype} {crop.shape}")
    shrinks = crop.shape[0] > HEIGHT and crop.shape[1] > WIDTH
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (WIDTH, HEIGHT), interpolation=way), np.uint8)


def greedy(probabilities: Array) -> Reading:
    """The text of the likeliest class at each step, of probabilities (steps, classes).

    A character is as sure as its surest step; the whole is the product over all steps.
    """
    best = probabilities.argmax(1)
    sure = probabilities.max(1)
    text: list[str] = []
    confidences: list[float] = []
    for step, label in enumerate(best):
        if label and (step == 0 or best[step - 1] != label):
            text.append(ALPHABET[label - 1])
            confidences.append(float(sure[step]))
        elif label:
            confidences[-1] = max(confidences[-1], float(sure[step]))
    return Reading("".join(text), tuple(confidences), float(sure.prod()))


def beam(probabilities: Array, width: int = BEAM) -> list[Reading]:
    """The likeliest texts of probabilities (steps, classes), likeliest first, at most `width`.

    Prefix search: probabilities of all alignments that give the same text are added up, so `confidence` is that of
    the text. A character is as sure as the sum of the kept texts that have it at the same place.
    """
    kept: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for step in probabilities.astype(np.float64):
        grown: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        labels = [int(label) for label in np.argsort(-step)[:_RIVALS] if label and step[label] > _UNLIKELY]
        for prefix, (blank, ended) in kept.items():
            grown[prefix][0] += (blank + ended) * step[0]
            if prefix:
                grown[prefix][1] += ended * step[prefix[-1]]
            for label in labels:
                before = blank if prefix and label == prefix[-1] else blank + ended
                grown[(*prefix, label)][1] += before * step[label]
        order = sorted(grown.items(), key=lambda item: (-sum(item[1]), item[0]))[:width]
        kept = {prefix: (values[0], values[1]) for prefix, values in order}
    total = sum(sum(values) for values in kept.values()) or 1.0
    return [
        Reading("".join(ALPHABET[label - 1] for label in prefix), _agreeing(prefix, kept, total), float(sum(values)))
        for prefix, values in kept.items()
    ]


def _agreeing(
    prefix: tuple[int, ...], kept: dict[tuple[int, ...], tuple[float, float]], total: float
) -> tuple[float, ...]:
    """For each place the share of all kept texts of this length that have the same character there."""
    return tuple(
        float(sum(sum(v) for other, v in kept.items() if len(other) == len(prefix) and other[at] == label) / total)
        for at, label in enumerate(prefix)
    )


def settled(text: str) -> str:
    """The text in a common format, if O and 0, I and 1 taken for each other give one; else as it is.

    On most plates the two look the same; which one it is, the format tells. The fewest changes count, if at most two.
    """
    if _shape(text) in PLAIN:
        return text
    found: dict[str, int] = {}
    for form in FORMATS:
        if len(form) == len(text):
            pairs = zip(text, form, strict=True)
            made = "".join(one if _shape(one) == sign else _TWINS.get(one, " ") for one, sign in pairs)
            changes = sum(one != other for one, other in zip(text, made, strict=True))
            if " " not in made and changes <= _MOST_CHANGES:
                found[made] = changes
    least = [made for made, changes in found.items() if changes == min(found.values())]
    return least[0] if len(least) == 1 else text


def _shape(text: str) -> str:
    return "".join("0" if one in DIGITS else "A" if one in LETTERS else " " for one in text)


def chosen(readings: list[Reading]) -> Reading:
    """Of the texts of `beam`, the likeliest plausible one, else the likeliest; `settled`."""
    best = next((one for one in readings if plausible(one.text)), readings[0])
    return replace(best, text=settled(best.text))


class PlateReader:
    """The network, ready to run on one core; may be called from several threads at once."""

    def __init__(self, model: bytes | Path) -> None:
        data = model.read_bytes() if isinstance(model, Path) else model
        self._session = cpu_session(data, "plate reader")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or inputs[0].shape[1:] != [HEIGHT, WIDTH, 3] or outputs[0].shape[1:] != [
            STEPS, len(ALPHABET) + 1,
        ]:  # fmt: skip
            raise ConfigError(f"the plate reader must turn (n, 32, 96, 3) into (n, {STEPS}, {len(ALPHABET) + 1})")
        self._input = inputs[0].name

    def probabilities(self, crops: list[Rgb]) -> Array:
        """(n, 24, classes), each step's adding up to 1, of RGB crops of any size.

        Raises:
            ConfigError: a crop isn't RGB, or the network doesn't run.

        """
        parts = [self._run(crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)]
        return np.concatenate([np.empty((0, STEPS, len(ALPHABET) + 1), np.float32), *parts])

    def read(self, crops: list[Rgb]) -> list[Reading]:
        """The likeliest plausible text of each crop, or the likeliest; then `settled`. Errors as `probabilities`."""
        return [chosen(beam(one)) for one in self.probabilities(crops)]

    def _run(self, crops: list[Rgb]) -> Array:
        batch = np.stack([fit(crop) for crop in crops])
        try:
            (logits,) = self._session.run(None, {self._input: batch})
        except ORT_ERRORS as error:
            raise ConfigError(f"the plate reader doesn't run: {type(error).__name__}") from error
        powers = np.exp(logits - logits.max(2, keepdims=True))
        return np.asarray(powers / powers.sum(2, keepdims=True), np.float32)
