"""The INT8 embedder: the same file everywhere, and vectors that hardly differ from those of fp32."""

from __future__ import annotations

import hashlib

import numpy as np

from infra.models import centerface, model, source
from operators.detect import FaceDetector
from operators.embed import CROPS, FaceEmbedder, align, template
from operators.training import dlib_to_onnx, embedder_int8
from tests.support.pictures import astronaut

DRIFT = 0.002


def test_int8_conversion_gives_the_file_of_the_catalogue_and_vectors_near_those_of_fp32():
    data = source(model("face-embedder")).read_bytes()
    whole = embedder_int8.convert(data)
    assert hashlib.sha256(whole).hexdigest() == model("face-embedder-int8").converted
    picture = astronaut()
    landmarks = FaceDetector(centerface()).detect(picture).landmarks[0]
    chips = np.stack([align(picture, landmarks, crop) for crop in CROPS])
    plain, quantised = (template(FaceEmbedder(one).embed(chips)) for one in (dlib_to_onnx.convert(data), whole))
    assert plain @ quantised > 1 - DRIFT


def test_crops_zoom_and_move_the_chip():
    picture = astronaut()
    landmarks = FaceDetector(centerface()).detect(picture).landmarks[0]
    whole, tight, left = (align(picture, landmarks, crop).astype(float) for crop in CROPS[:3])
    middle = slice(60, 90)
    assert np.abs(whole - tight)[middle, middle].mean() < np.abs(whole - left)[middle, middle].mean()
    assert np.abs(align(picture, landmarks, CROPS[2])[40:110, 46:104] - tight[40:110, 50:108]).mean() < 12
