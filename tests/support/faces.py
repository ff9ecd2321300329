"""Stand-ins for the face networks, for the drawn scenes of `tests.support.scenes`: objects there are told by colour."""

from __future__ import annotations

import numpy as np

from operators.embed import FEATURES
from schemas.regions import Detections
from streams.authority.faces import Faces


class NoDetector:
    """A face detector that finds nothing: what is read then are the worker's landmarks."""

    def detect(self, rgb: np.ndarray) -> Detections:
        return Detections.none("face")


class ByColour:
    """An embedder: the vector of a scene's object n, red (0) or blue (1), lies along axis `first` + n + 1."""

    def __init__(self, first: int) -> None:
        self._first = first

    def embed(self, chips: np.ndarray) -> np.ndarray:
        middle = chips[:, 60:90, 60:90].reshape(len(chips), -1, 3).astype(float).mean(1)
        return np.eye(FEATURES, dtype=np.float32)[self._first + 1 + (middle[:, 2] > middle[:, 0])]


def by_colour(name: str = "made", first: int = 0) -> Faces:
    """Both as the face models of an authority."""
    return Faces(NoDetector(), ByColour(first), name)  # type: ignore[arg-type]
