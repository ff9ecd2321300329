"""How well texts explain what a plate reader saw in many frames: the arithmetic of `operators.plate_track.join`.

A frame's steps give every text a likelihood by Connectionist Temporal Classification (the forward sum over all
alignments; Graves et al., 2006). Four things keep one frame from a veto: each step leaves a little probability to
every character (a misread one costs a bounded amount, what is right beside it still counts); characters that follow
one another may be hidden; a frame may say nothing of the plate at all; and likelihoods are taken relative to a reader
that guesses every character, so that a frame that says nothing counts nothing, and long texts as much as short ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Step = tuple[tuple[str, float], ...]
"""What one of the reader's steps may be: characters, "" for none, with probabilities; likeliest first."""

GUESSES = 20.0
"""A reader that guesses has one chance in so many for a character: fewer than there are, for guesses repeat."""
SLIP = 0.05
"""Probability that a step says something other than the network believes: half of that, no character."""
HIDDEN, MORE = 0.05, 0.7
"""Probability that characters are hidden at a place, and that one more beside them is."""
LOST = 0.02
"""Probability that a frame says nothing of the plate."""
_LEAST = 1e-300


class Evidence:
    """The steps of several frames and how much each frame weighs, ready to score texts."""

    def __init__(self, frames: Sequence[Sequence[Step]], weights: Sequence[float]) -> None:
        self.signs = tuple(sorted({sign for frame in frames for step in frame for sign, _ in step} - {""}))
        self._class = {sign: n for n, sign in enumerate(("", *self.signs))}
        self._weights = np.asarray(weights, np.float64)
        longest = max((len(frame) for frame in frames), default=0)
        steps = np.zeros((len(frames), longest, len(self.signs) + 2))
        for at, frame in enumerate(frames):
            for to, step in enumerate(frame):
                for sign, share in step:
                    steps[at, to, self._class[sign]] = share
        steps[..., 0] += steps.sum(2) == 0
        steps /= np.maximum(1.0, steps.sum(2, keepdims=True))
        self._steps = steps
        floor = np.full(len(self.signs) + 2, 0.5 / GUESSES)
        floor[0] = 0.5
        self._smooth = (1 - SLIP) * steps + (1 - (1 - SLIP) * steps.sum(2, keepdims=True)) * floor

    def likeliest(self, most: int) -> list[str]:
        """The characters that frames show best, at most so many."""
        best = self._steps[:, :, 1:-1].max(1, initial=0.0)
        return [self.signs[n] for n in np.argsort(-(self._weights @ best), kind="stable")[:most]]

    def likelihoods(self, texts: Sequence[str]) -> Floats:
        """(frames, texts): log of how likely each frame's steps say a text, over the likelihood of guessing it."""
        most = max((len(text) for text in texts), default=0)
        labels = np.full((len(texts), most), len(self.signs) + 1, np.intp)
        for row, text in enumerate(texts):
            labels[row, : len(text)] = [self._class.get(sign, len(self.signs) + 1) for sign in text]
        twice = np.zeros((len(texts), most), bool)
        twice[:, 1:] = labels[:, 1:] == labels[:, :-1]
        gaps = _gaps(most)
        blank = np.zeros((len(self._smooth), len(texts), most + 1))
        blank += gaps[0]
        blank[:, :, 0] = 1.0
        sign = np.zeros((len(self._smooth), len(texts), most))
        for step in range(self._smooth.shape[1]):
            said = self._smooth[:, step]
            after = sign @ gaps[1:]
            before = blank[:, :, :-1] + after[:, :, :-1]
            before[:, :, 1:] += np.where(twice[:, 1:], 0.0, sign[:, :, :-1])
            after += blank
            after[:, :, 1:] += sign
            sign, blank = (sign + GUESSES * before) * said[:, labels], after * said[:, :1, None]
        total = blank + sign @ gaps[1:]
        total[:, :, 1:] += sign
        ends = np.array([len(text) for text in texts], np.intp)
        found = total[:, np.arange(len(texts)), ends]
        return np.asarray(np.log(np.maximum(found, _LEAST)) - np.log(_ways(gaps))[ends], np.float64)

    def score(self, texts: Sequence[str]) -> Floats:
        """(texts,): the weighted sum over frames, each bounded below; higher is better."""
        return np.asarray(
            self._weights @ np.logaddexp(np.log1p(-LOST) + self.likelihoods(texts), np.log(LOST)), np.float64
        )


def _gaps(most: int) -> Floats:
    """(from, to): what hiding the characters between two places costs; nothing is said of a hidden one."""
    places = np.arange(most + 1)
    length = places[None, :] - places[:, None]
    return np.where(length > 0, HIDDEN * MORE ** (length - 1.0), 0.0)


def _ways(gaps: Floats) -> Floats:
    """What all ways to hide some of so many characters come to together, hiding none among them."""
    reached = gaps[0].copy()
    reached[0] = 1.0
    for at in range(1, len(gaps)):
        shown = reached[at - 1]
        reached += shown * gaps[at]
        reached[at] += shown
    return reached
