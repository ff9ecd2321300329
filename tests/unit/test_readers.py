"""Detectors of the user's: every layout against a plain reference, small networks end to end, files that don't fit."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from onnx import TensorProto

from operators.detect import Stretched, fitting, opened
from operators.detect.graph import declared
from operators.detect.scrfd import Scrfd
from operators.detect.yolov5_face import Yolov5Face
from operators.detect.yunet import YuNet
from schemas.errors import ConfigError, UsageError
from schemas.regions import Detections, boxes
from tests.support.networks import STRIDES, Net, red_cell, scrfd, yolov5_face, yunet
from tests.support.pictures import astronaut

HEIGHT, WIDTH = 96, 160
FACES = [  # stride, row, column, anchor, score, box xyxy, landmarks
    (8, 3, 7, 1, 0.9, (50.0, 20.0, 66.0, 41.0), [(55, 26), (61.5, 26), (58, 30), (55, 36), (61, 36)]),
    (16, 5, 9, 0, 0.7, (130.0, 60.0, 175.0, 110.0), [(140, 75), (160, 75), (150, 85), (141, 97), (159, 97)]),
    (32, 0, 0, 1, 0.55, (-9.0, -20.0, 61.0, 70.0), [(10, 12), (40, 12), (25, 30), (12, 50), (38, 50)]),
]


def yunet_outputs() -> list[np.ndarray]:
    """The faces as YuNet would say them."""
    count = [(HEIGHT // s) * (WIDTH // s) for s in STRIDES]
    cls, obj, box, kps = ([np.zeros((1, n, c), np.float32) for n in count] for c in (1, 1, 4, 10))
    for stride, row, column, _, score, (x1, y1, x2, y2), points in FACES:
        level, at = STRIDES.index(stride), row * (WIDTH // stride) + column
        cls[level][0, at], obj[level][0, at] = score**2 / 0.95, 0.95
        box[level][0, at] = (
            (x1 + x2) / 2 / stride - column, (y1 + y2) / 2 / stride - row,
            math.log((x2 - x1) / stride), math.log((y2 - y1) / stride),
        )  # fmt: skip
        kps[level][0, at] = [v for x, y in points for v in (x / stride - column, y / stride - row)]
    return [*cls, *obj, *box, *kps]


def scrfd_outputs() -> list[np.ndarray]:
    """The faces as SCRFD would say them."""
    count = [2 * (HEIGHT // s) * (WIDTH // s) for s in STRIDES]
    score, box, kps = ([np.zeros((n, c), np.float32) for n in count] for c in (1, 4, 10))
    for stride, row, column, anchor, sure, (x1, y1, x2, y2), points in FACES:
        level, at = STRIDES.index(stride), 2 * (row * (WIDTH // stride) + column) + anchor
        x, y = column * stride, row * stride
        score[level][at] = sure
        box[level][at] = np.array([x - x1, y - y1, x2 - x, y2 - y]) / stride
        kps[level][at] = [v / stride for px, py in points for v in (px - x, py - y)]
    return [*score, *box, *kps]


def yolo_outputs() -> list[np.ndarray]:
    """The faces as YOLOv5-face would say them."""
    count = 3 * sum((HEIGHT // s) * (WIDTH // s) for s in STRIDES)
    rows = np.zeros((1, count, 16), np.float32)
    for at, (_, _, _, _, score, (x1, y1, x2, y2), points) in zip((7, 300, count - 1), FACES, strict=True):
        marks = [v for point in points for v in point]
        rows[0, at] = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, score / 0.8, *marks, 0.8]
    return [rows]


SPECS = [(YuNet(), yunet_outputs), (Scrfd(), scrfd_outputs), (Yolov5Face(), yolo_outputs)]
IDS = ["yunet", "scrfd", "yolov5-face"]


@pytest.mark.parametrize(("spec", "outputs"), SPECS, ids=IDS)
def test_decode_gives_back_the_faces_that_were_encoded(spec, outputs):
    found = spec.decode(outputs(), HEIGHT, WIDTH, 0.5)
    np.testing.assert_allclose(found.boxes, [face[5] for face in FACES], atol=1e-3)
    np.testing.assert_allclose(found.scores, [face[4] for face in FACES], rtol=1e-5)
    np.testing.assert_allclose(found.landmarks, [face[6] for face in FACES], atol=1e-3)


@pytest.mark.parametrize(("spec", "outputs"), SPECS, ids=IDS)
@pytest.mark.parametrize(("threshold", "count"), [(0.6, 2), (0.8, 1), (0.95, 0)])
def test_decode_keeps_what_scores_more_than_the_threshold(spec, outputs, threshold, count):
    found = spec.decode(outputs(), HEIGHT, WIDTH, threshold)
    assert found.boxes.shape == (count, 4) and found.landmarks.shape == (count, 5, 2) and len(found.scores) == count


@pytest.mark.parametrize(("spec", "outputs"), SPECS, ids=IDS)
def test_decode_for_another_size_raises(spec, outputs):
    with pytest.raises(ConfigError, match=r"shapes .* 160x128"):
        spec.decode(outputs(), 128, WIDTH, 0.5)


@pytest.mark.parametrize(("spec", "outputs"), SPECS[:2], ids=IDS[:2])
def test_decode_outputs_in_another_order_are_read_alike(spec, outputs):
    mixed = [np.squeeze(one, 0) if one.ndim == 3 else one[None] for one in reversed(outputs())]
    found = spec.decode(mixed, HEIGHT, WIDTH, 0.5)
    np.testing.assert_allclose(found.boxes, [face[5] for face in FACES], atol=1e-3)


def test_decode_scrfd_without_landmarks_gives_none():
    found = Scrfd(outputs=6).decode(scrfd_outputs()[:6], HEIGHT, WIDTH, 0.5)
    assert found.landmarks.shape == (3, 0, 2)
    np.testing.assert_allclose(found.boxes, [face[5] for face in FACES], atol=1e-3)
    with pytest.raises(ConfigError, match="shapes"):
        Scrfd(outputs=6).decode(scrfd_outputs(), HEIGHT, WIDTH, 0.5)


def random_yunet() -> bytes:
    """A network of YuNet's layout that says many different things."""
    net, draw = Net((640, 640)), np.random.default_rng(5)
    for name, columns in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in STRIDES:
            weights = draw.normal(0, 1 / 1024, (columns, 3))
            value = net.cells(stride, weights, 0.5 + draw.normal(0, 0.3, columns) * (columns > 1), columns)
            net.output(value, f"{name}_{stride}")
    return net.file()


@pytest.mark.parametrize("shape", [(96, 160), (101, 67)])
def test_yunet_finds_what_opencvs_own_reader_finds(tmp_path, shape):
    model, path = random_yunet(), tmp_path / "yunet.onnx"
    path.write_bytes(_renamed(model))
    picture = np.ascontiguousarray(cv2.resize(astronaut(), shape[::-1], interpolation=cv2.INTER_AREA))
    theirs = cv2.FaceDetectorYN.create(str(path), "", shape[::-1], 0.4, 1.0, 100_000)
    _, faces = theirs.detect(np.ascontiguousarray(picture[:, :, ::-1]))
    detector = opened(model, "yunet", 0.4, None)
    padded = np.zeros((3, -(-shape[0] // 32) * 32, -(-shape[1] // 32) * 32), np.float32)
    padded[:, : shape[0], : shape[1]] = picture.transpose(2, 0, 1)
    outputs = detector._run(detector.spec.prepare(padded))
    ours = detector.spec.decode(outputs, *padded.shape[1:], 0.4)
    assert len(faces) == len(ours.boxes) > 20
    corner, size = ours.boxes[:, :2], ours.boxes[:, 2:] - ours.boxes[:, :2]
    rows = np.concatenate([corner, size, ours.landmarks.reshape(-1, 10), ours.scores[:, None]], 1)
    order = lambda table: table[np.lexsort(np.round(table[:, (0, 1)], 2).T)]  # noqa: E731
    np.testing.assert_allclose(order(rows), order(faces), rtol=1e-3, atol=1e-2)


def _renamed(model: bytes) -> bytes:
    """With the input's name that OpenCV wants."""
    import onnx

    loaded = onnx.load_from_string(model)
    loaded.graph.input[0].name = "input"
    for node in loaded.graph.node:
        node.input[:] = ["input" if name == "pictures" else name for name in node.input]
    return loaded.SerializeToString()


NETWORKS = [
    ("yunet", yunet(), None), ("yunet", yunet(None), None), ("scrfd", scrfd(), None), ("scrfd", scrfd(False), None),
    ("scrfd", scrfd(fixed=(256, 320), batched=True), None), ("yolov5-face", yolov5_face(), (320, 320)),
    ("yolov5-face", yolov5_face((192, 256)), (192, 256)),
]  # fmt: skip
NETWORK_IDS = ["yunet", "yunet-free", "scrfd", "scrfd-bare", "scrfd-batched", "yolov5-face", "yolov5-face-wide"]


@pytest.mark.parametrize(("reads", "model", "size"), NETWORKS, ids=NETWORK_IDS)
def test_fitting_says_the_size_that_a_network_takes(reads, model, size):
    assert fitting(model, reads) == size


@pytest.mark.parametrize(("reads", "model", "size"), NETWORKS, ids=NETWORK_IDS)
def test_detect_red_cell_is_found_at_its_place(reads, model, size):
    found = opened(model, reads, 0.5, size).detect(red_cell(180, 250, 2, 3))
    np.testing.assert_allclose(found.boxes, [[96, 56, 128, 104]], atol=1e-3)  # 32 x 48 around (112, 80)
    assert 0.7 < found.scores[0] <= 0.91
    if found.landmarks.shape[1]:
        np.testing.assert_allclose(found.landmarks[0], [[96 + 3.2 * k, 80] for k in range(5)], atol=1e-3)
    blue = np.ascontiguousarray(red_cell(180, 250, 2, 3)[:, :, ::-1])
    assert len(opened(model, reads, 0.2, size).detect(blue).boxes) == 0


def test_detect_picture_larger_than_the_only_size_is_scaled_down_and_boxes_back():
    detector = opened(yolov5_face((192, 256)), "yolov5-face", 0.5, (192, 256))
    found = detector.detect(red_cell(384, 400, 2, 3, 64))  # half its size: 192 x 200
    np.testing.assert_allclose(found.boxes, [[192, 112, 256, 208]], atol=1e-2)
    np.testing.assert_allclose(found.landmarks[0, 4], [192 + 0.4 * 64, 160], atol=1e-2)
    wide = detector.detect(red_cell(192, 1024, 0, 3, 128))  # a quarter: 48 x 256
    np.testing.assert_allclose(wide.boxes, [[384, 0, 512, 160]], atol=1e-2)  # cut at the upper edge


def test_declared_reads_size_and_outputs():
    assert declared(yunet()).size == (640, 640) and declared(yunet()).outputs == 12
    assert declared(scrfd()).size is None and declared(scrfd(False)).outputs == 6


def broken(value: float) -> bytes:
    """YOLOv5-face's layout, every row this value."""
    net = Net()
    parts = [net.cells(stride, np.zeros((48, 3)), np.full(48, value), 16) for stride in STRIDES]
    net.output(net.node("Concat", parts, axis=1), "output")
    return net.file()


def half() -> bytes:
    net = Net(element=TensorProto.FLOAT16)
    net.output("pictures", "output", 4)
    return net.file()


def stranger() -> bytes:
    """One output of another shape."""
    net = Net((320, 320))
    net.output("pictures", "output", 4)
    return net.file()


@pytest.mark.parametrize(("reads", "model", "says"), [
    ("yunet", scrfd(), "9 outputs, an export of yunet has 12"),
    ("scrfd", yunet(), "12 outputs, an export of scrfd has 9"),
    ("yolov5-face", yunet(), "12 outputs, an export of yolov5-face has 1"),
    ("yolov5-face", stranger(), "shapes"),
    ("yolov5-face", half(), "float32"),
    ("yolov5-face", broken(float("nan")), "aren't numbers"),
    ("yunet", b"no model", "ONNX"),
    ("yunet", b"", "ONNX"),
    ("yunet", yunet()[:900], "model"),
])
def test_fitting_file_that_does_not_fit_says_why(reads, model, says):
    with pytest.raises(ConfigError, match=says):
        fitting(model, reads)


def test_fitting_unknown_reader_is_wrong_use():
    with pytest.raises(UsageError, match="yunet, scrfd, yolov5-face"):
        fitting(yunet(), "retinaface")


def test_yunet_box_beyond_all_numbers_raises():
    outputs = yunet_outputs()
    outputs[6][..., 2] = 1000
    found = YuNet().decode(outputs, HEIGHT, WIDTH, 0.5)
    assert not np.isfinite(found.boxes).all()
    net = Net()
    for name, columns, bias in (("cls", 1, 1), ("obj", 1, 1), ("bbox", 4, 1000), ("kps", 10, 0)):
        for stride in STRIDES:
            net.output(net.cells(stride, np.zeros((columns, 3)), np.full(columns, bias), columns), f"{name}_{stride}")
    with pytest.raises(ConfigError, match="beyond all numbers"):
        fitting(net.file(), "yunet")


class Says:
    """A detector that says what it was told."""

    def __init__(self, scores) -> None:
        self.scores = np.array(scores, np.float32)

    def detect(self, picture) -> Detections:
        n = len(self.scores)
        box = boxes(np.tile([0, 0, 9, 9], (n, 1)))
        return Detections("face", box, self.scores, np.zeros((n, 5, 2), np.float32))


def test_stretched_makes_the_users_score_the_one_that_starts_tracks():
    found = Stretched(Says([1, 0.9, 0.8, 0.4, 0]), 0.8).detect(np.zeros((9, 9, 3), np.uint8))
    np.testing.assert_allclose(found.scores, [1, 0.75, 0.5, 0.25, 0], rtol=1e-6)
    assert not found.scores.flags.writeable
