"""Detectors that a user brings as an ONNX file: by which spec a file is read, and whether it fits.

Most exports declare one input size. Where the network turns out to take others too, it is fed pictures as they are;
where it doesn't (grids or sizes baked in), pictures are scaled down into the declared size, and small faces get lost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from operators.detect.face import FaceDetector
from operators.detect.graph import declared
from operators.detect.scrfd import BARE_OUTPUTS, KPS_OUTPUTS, Scrfd
from operators.detect.spec import Detector, DetectorSpec
from operators.detect.yolov5_face import Yolov5Face
from operators.detect.yunet import YuNet
from schemas.errors import ConfigError, UsageError
from schemas.regions import Detections

READERS = ("yunet", "scrfd", "yolov5-face")
FACE, CONTINUES = 0.5, 0.5
"""The score that tracking takes for a face's, and the share of it from which a box continues a track."""
_TRIED = ((96, 160), (192, 64))
Size = tuple[int, int]


def spec_of(reads: str, outputs: int) -> DetectorSpec:
    """How a file with so many outputs is read.

    Raises:
        UsageError: no such reader.

    """
    if reads == "yunet":
        return YuNet()
    if reads == "scrfd":
        return Scrfd(outputs=BARE_OUTPUTS if outputs == BARE_OUTPUTS else KPS_OUTPUTS)
    if reads == "yolov5-face":
        return Yolov5Face()
    raise UsageError(f"nothing reads {reads!r}; there are {', '.join(READERS)}")


def opened(model: bytes, reads: str, score: float, size: Size | None) -> FaceDetector:
    """The detector, keeping boxes from this score on, fed in this size only if one is given; errors as `fitting`."""
    return FaceDetector(model, spec_of(reads, declared(model).outputs), score, size=size)


def fitting(model: bytes, reads: str) -> Size | None:
    """Try the file on blank pictures: the one height and width that it takes, or None where it takes any.

    Raises:
        UsageError: no such reader.
        ConfigError: not an ONNX file, or its outputs aren't those of the reader.

    """
    found = declared(model)
    if spec_of(reads, found.outputs).outputs != found.outputs:
        raise ConfigError(
            f"the file has {found.outputs} outputs, an export of {reads} has {spec_of(reads, found.outputs).outputs}; "
            f"{_hint(found.outputs)}see `sealframe models add --help` for the exports that are read"
        )
    try:
        _try(opened(model, reads, FACE, None), *_TRIED)
    except ConfigError:
        if found.size is None:
            raise
        _try(opened(model, reads, FACE, found.size), found.size)
        return found.size
    return None


def _hint(outputs: int) -> str:
    """Whose exports have so many outputs, if anybody's; never taken unasked."""
    alike = [reads for reads in READERS if spec_of(reads, outputs).outputs == outputs]
    return f"--reads {alike[0]} fits; " if alike else ""


def _try(detector: FaceDetector, *sizes: Size) -> None:
    for height, width in sizes:
        detector.detect(np.full((height, width, 3), 127, np.uint8))


class Stretched:
    """A detector whose scores are stretched so that `face` becomes FACE, the score from which tracking starts.

    What scores a face differs from network to network; tracking knows one scale.
    """

    def __init__(self, detector: Detector, face: float) -> None:
        self.detector, self.face = detector, face

    def detect(self, picture: npt.NDArray[np.uint8]) -> Detections:
        """What the detector finds, in the same order."""
        found = self.detector.detect(picture)
        scores = np.interp(found.scores, [0, self.face, 1], [0, FACE, 1]).astype(np.float32)
        scores.flags.writeable = False
        return Detections(found.kind, found.boxes, scores, found.landmarks)
