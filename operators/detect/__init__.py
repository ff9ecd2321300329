"""Find faces and plates in pictures, and the frames where a new scene begins."""

from operators.detect.around import around, whole
from operators.detect.blind import is_blind
from operators.detect.centerface import CenterFace
from operators.detect.choose import choose
from operators.detect.face import FaceDetector, rescale
from operators.detect.mtcnn import MTCNN_SCORE, Mtcnn
from operators.detect.picture import DETECTION_SIDE, crop_rgb, picture_of
from operators.detect.plate import PLATE_KEPT, PLATE_SCORE, PlateDetector, PyramidPlate
from operators.detect.pyramid import PyramidFace
from operators.detect.readers import CONTINUES, READERS, Stretched, fitting, opened
from operators.detect.scene import is_cut
from operators.detect.several import Finder, Several
from operators.detect.spec import Candidates, Detector, DetectorSpec
from operators.detect.watch import Watch

__all__ = [
    "CONTINUES",
    "DETECTION_SIDE",
    "MTCNN_SCORE",
    "PLATE_KEPT",
    "PLATE_SCORE",
    "READERS",
    "Candidates",
    "CenterFace",
    "Detector",
    "DetectorSpec",
    "FaceDetector",
    "Finder",
    "Mtcnn",
    "PlateDetector",
    "PyramidFace",
    "PyramidPlate",
    "Several",
    "Stretched",
    "Watch",
    "around",
    "choose",
    "crop_rgb",
    "fitting",
    "is_blind",
    "is_cut",
    "opened",
    "picture_of",
    "rescale",
    "whole",
]
