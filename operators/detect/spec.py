"""What a detector needs to say about itself: how a picture goes in and how its outputs become boxes.

Another detector is another `DetectorSpec`; loading, padding, checking, suppression and limits are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.regions import Array, Detections, ObjectKind

Tensor = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes before suppression, in pixels of the padded picture: boxes (n, 4), scores (n,), landmarks (n, k, 2).

    k is 0 where the network gives no landmarks.
    """

    boxes: Array
    scores: Array
    landmarks: Array


class DetectorSpec(Protocol):
    """How one kind of network is fed and read."""

    @property
    def name(self) -> str:
        """The network, for messages."""
        ...

    @property
    def kind(self) -> ObjectKind:
        """What its boxes hold."""
        ...

    @property
    def multiple(self) -> int:
        """Height and width of its input are multiples of this."""
        ...

    @property
    def outputs(self) -> int:
        """How many output tensors it has."""
        ...

    def prepare(self, padded: npt.NDArray[np.uint8]) -> Tensor:
        """The input tensor of a padded RGB picture (3, h, w); it is cast to the type that the network takes."""
        ...

    def decode(self, outputs: Sequence[Array], height: int, width: int, threshold: float) -> Candidates:
        """Boxes of the outputs for an input of this size; raises ConfigError on wrong shapes."""
        ...


class Detector(Protocol):
    """What finds objects of one kind in a picture: one network read by a spec, or several in a row."""

    def detect(self, picture: npt.NDArray[np.uint8]) -> Detections:
        """Objects of an RGB picture (h, w, 3), in its pixels, best first; raises ConfigError where a network fails."""
        ...
