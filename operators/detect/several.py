"""Objects of several kinds in one picture: the picture is scaled and turned to RGB once, for all networks."""

from __future__ import annotations

from typing import Protocol

from operators.detect.face import FaceDetector, rescale
from operators.detect.picture import DETECTION_SIDE, picture_of
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections


class Finder(Protocol):
    """What looks for objects in a frame."""

    def detect_planes(
        self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE
    ) -> Detections | tuple[Detections, ...]:
        """Objects of one kind, or of each kind, in samples of the frame; raises ConfigError where a network fails."""
        ...


class Several:
    """Detectors side by side, one for each kind; where one fails, all do: the frame is then masked whole."""

    def __init__(self, *detectors: FaceDetector) -> None:
        self.detectors = detectors

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE) -> tuple[Detections, ...]:
        """Objects of each kind in a frame, searched in a picture of at most `size` on the longer side."""
        picture, scale_x, scale_y = picture_of(planes, video, size)
        return tuple(rescale(detector.detect(picture), scale_x, scale_y) for detector in self.detectors)
