"""Find faces and plates in pictures, and the frames where a new scene begins."""

from operators.detect.blind import is_blind
from operators.detect.centerface import CenterFace
from operators.detect.choose import choose
from operators.detect.face import FaceDetector, rescale
from operators.detect.picture import DETECTION_SIDE, crop_rgb, picture_of
from operators.detect.plate import PLATE_KEPT, PLATE_SCORE, PlateDetector, PyramidPlate
from operators.detect.pyramid import PyramidFace
from operators.detect.scene import is_cut
from operators.detect.several import Finder, Several
from operators.detect.spec import Candidates, DetectorSpec

__all__ = [
    "DETECTION_SIDE",
    "PLATE_KEPT",
    "PLATE_SCORE",
    "Candidates",
    "CenterFace",
    "DetectorSpec",
    "FaceDetector",
    "Finder",
    "PlateDetector",
    "PyramidFace",
    "PyramidPlate",
    "Several",
    "choose",
    "crop_rgb",
    "is_blind",
    "is_cut",
    "picture_of",
    "rescale",
]
