"""MTCNN: its weights file read and converted, the networks against plain loops, the cascade on ones that see red."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from infra.models import MTCNN_PARTS, model, source
from operators.detect.mtcnn import Cascade, Mtcnn, best, patch, squares
from operators.training.mtcnn_to_onnx import NETS, convert, read, shapes, to_onnx
from schemas.errors import ConfigError
from tests.support.networks import RED, Net
from tests.support.pictures import ASTRONAUT_FACE, astronaut

NAMES = list(NETS)


def some_arrays(name: str) -> list[np.ndarray]:
    draw = np.random.default_rng(len(name))
    return [draw.normal(0, 0.2, shape).astype(np.float32) for shape in shapes(name)]


def stream(arrays) -> bytes:
    """The arrays as joblib lays them out: a description, the padding's length, the padding, the numbers."""
    out = bytearray(b"\x80\x04\x95\xdb\0\0\0\0\0\0\0]\x94(")
    for number, array in enumerate(arrays):
        out += b"\x8c\x05shape\x94" + bytes(number % 7) + b"K\x10ub"
        padding = -(len(out) + 1) % 16
        out += bytes([padding]) + b"\xff" * padding + array.tobytes()
    return bytes(out) + b"e."


@pytest.mark.parametrize("name", NAMES)
def test_read_gives_every_array_as_it_was_written(name):
    arrays = some_arrays(name)
    for one, other in zip(read(stream(arrays), name), arrays, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:-1], lambda data: data + b".", lambda data: data[: len(data) // 2],
    lambda data: data.replace(b"K\x10ub", b"K\x08ub", 1), lambda data: data[:-3] + b"\xff\xff\x7f" + data[-2:],
    lambda data: data[: data.index(b"K\x10ub") + 4], lambda data: stream(some_arrays("mtcnn-r")),
])  # fmt: skip
def test_read_damaged_file_raises(damage):
    with pytest.raises(ConfigError, match="MTCNN"):
        read(damage(stream(some_arrays("mtcnn-p"))), "mtcnn-p")


def convolved(values, kernel, bias):
    """(h, w, c) with a kernel (k, k, c, f), no padding."""
    k = len(kernel)
    rows, columns = values.shape[0] - k + 1, values.shape[1] - k + 1
    out = np.empty((rows, columns, kernel.shape[3]))
    for y in range(rows):
        for x in range(columns):
            out[y, x] = np.tensordot(values[y : y + k, x : x + k], kernel, 3) + bias
    return out


def pooled(values, side, padding):
    """The largest of side x side every second place; `SAME_UPPER` goes on past the end, `VALID` stops before it."""
    sizes = [-(-n // 2) if padding == "SAME_UPPER" else (n - side) // 2 + 1 for n in values.shape[:2]]
    cells = [[values[2 * y : 2 * y + side, 2 * x : 2 * x + side].max((0, 1)) for x in range(sizes[1])]
             for y in range(sizes[0])]  # fmt: skip
    return np.array(cells)


def rectified(values, slope):
    return np.where(values > 0, values, values * slope.reshape(-1))


def plainly(name: str, arrays, picture) -> dict[str, np.ndarray]:
    """The network by loops, on one picture (h, w, 3); dense layers read columns before rows, as the library does."""
    left, values = iter(arrays), picture.astype(np.float64)
    for _, _, pooling in NETS[name].convolutions:
        values = rectified(convolved(values, next(left), next(left)), next(left))
        values = pooled(values, *pooling) if pooling else values
    if NETS[name].dense:
        flat = np.array([values[y, x, c] for x in range(values.shape[1]) for y in range(values.shape[0])
                         for c in range(values.shape[2])])  # fmt: skip
        values = rectified(flat @ next(left) + next(left), next(left))
    said = {head: values @ next(left).reshape(values.shape[-1], -1) + next(left) for head, _ in NETS[name].heads}
    grown = np.exp(said["scores"])
    return said | {"scores": grown / grown.sum(-1, keepdims=True)}


@pytest.mark.parametrize(("name", "size"), [("mtcnn-p", (12, 12)), ("mtcnn-p", (27, 18)), ("mtcnn-r", (24, 24)),
                                            ("mtcnn-o", (48, 48))])  # fmt: skip
def test_converted_network_says_what_plain_loops_say(name, size):
    arrays = some_arrays(name)
    session = onnxruntime.InferenceSession(to_onnx(arrays, name), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(3).normal(0, 0.5, (*size, 3)).astype(np.float32)
    expected = plainly(name, arrays, picture)
    names = [head for head, _ in NETS[name].heads]
    for head, said in zip(names, session.run(names, {"pictures": picture.transpose(2, 0, 1)[None]}), strict=True):
        wanted = expected[head].transpose(2, 0, 1)[None] if expected[head].ndim == 3 else expected[head][None]
        np.testing.assert_allclose(said, wanted, rtol=1e-3, atol=1e-4)


def test_conversion_twice_gives_equal_bytes():
    assert to_onnx(some_arrays("mtcnn-p"), "mtcnn-p") == to_onnx(some_arrays("mtcnn-p"), "mtcnn-p")


def target(side: int) -> np.ndarray:
    """How red a patch's middle is less twice how red its border is: 1 for a red square half as wide as the patch."""
    middle = np.zeros((side, side), bool)
    middle[side // 4 : side * 3 // 4, side // 4 : side * 3 // 4] = True
    weights = np.where(middle, 1 / middle.sum(), -2 / (~middle).sum())
    kernel = np.array([0.5, -0.25, -0.25])[:, None, None] * weights
    return np.stack([np.zeros_like(kernel), kernel]).astype(np.float32)


def proposing() -> bytes:
    """Looks at windows of 12 as P-Net does; boxes stay where they are."""
    net = Net()
    net.node("Relu", [net.node("Conv", [padded(net), net.constant(target(12))], strides=[2, 2])], "scores")
    nothing = net.constant(np.zeros((4, 3, 12, 12), np.float32))
    net.node("Conv", [padded(net), nothing], "boxes", strides=[2, 2])
    return finished(net, ("boxes", "scores"))


def padded(net: Net) -> str:
    """One more row and column, so that an odd side has as many windows as P-Net sees in it."""
    return net.node("Pad", ["pictures", net.constant(np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64))])


def judging(side: int, box=(0, 0, 0, 0), points=None, value: float = 0.0) -> bytes:
    """Looks at whole patches; moves every box by these shares."""
    net = Net((side, side))
    net.node("Flatten", [net.node("Relu", [net.node("Conv", ["pictures", net.constant(target(side))])])], "scores")
    heads = {"boxes": box} | ({"points": points} if points else {})
    for name, shares in heads.items():
        nothing = net.constant(np.zeros((len(shares), 3, side, side), np.float32))
        bias = net.constant(np.array(shares, np.float32) + value)
        net.node("Flatten", [net.node("Conv", ["pictures", nothing, bias])], name)
    return finished(net, (*heads, "scores"))


def finished(net: Net, names) -> bytes:
    net.outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    return net.file(batch="n")


POINTS = (0.3, 0.7, 0.5, 0.35, 0.65, 0.4, 0.4, 0.6, 0.8, 0.8)


def seeing_red(**last) -> Mtcnn:
    models = proposing(), judging(24), judging(48, points=POINTS, **last)
    return Mtcnn(models, 0.4, Cascade(proposed=0.3, refined=0.3))


def red_square(x: int, y: int, side: int = 20) -> np.ndarray:
    """On grey, 200 x 150."""
    picture = np.full((150, 200, 3), 127, np.uint8)
    picture[y : y + side, x : x + side] = RED
    return picture


@pytest.mark.parametrize(("x", "y"), [(100, 60), (30, 100), (10, 10), (5, 70), (165, 118)])
def test_detect_red_square_is_found_at_its_place(x, y):
    found = seeing_red().detect(red_square(x, y))
    assert len(found.boxes) == 1
    wanted = np.clip([x - 10, y - 10, x + 30, y + 30], 0, [200, 150, 200, 150])
    np.testing.assert_allclose(found.boxes[0], wanted, atol=8)
    assert found.scores[0] > 0.4


def test_detect_large_square_is_found_in_a_small_scale():
    (box,) = seeing_red().detect(red_square(60, 30, 60)).boxes
    np.testing.assert_allclose(box, [30, 0, 150, 120], atol=20)


def test_detect_last_network_moves_the_box_by_shares_of_it_but_not_the_landmarks():
    picture = red_square(100, 60)
    still, moved = seeing_red().detect(picture), seeing_red(box=(-0.25, 0, 0, 0.5)).detect(picture)
    corner, side = still.boxes[0, :2], still.boxes[0, 2] - still.boxes[0, 0]
    shares = np.array(POINTS).reshape(2, 5).T
    np.testing.assert_allclose(moved.boxes[0] - still.boxes[0], [-side / 4, 0, 0, side / 2], atol=0.01)
    np.testing.assert_allclose(still.landmarks[0], corner + shares * side, atol=0.01)
    np.testing.assert_allclose(moved.landmarks, still.landmarks, atol=0.01)


@pytest.mark.parametrize("shape", [(11, 67), (20, 20), (101, 67), (1, 1)])
def test_detect_blank_picture_finds_nothing(shape):
    found = seeing_red().detect(np.full((*shape, 3), 127, np.uint8))
    assert found.boxes.shape == (0, 4) and found.landmarks.shape == (0, 5, 2)


def test_detect_network_that_says_no_numbers_or_other_shapes_raises():
    picture = red_square(100, 60)
    with pytest.raises(ConfigError, match="numbers"):
        seeing_red(value=float("nan")).detect(picture)
    with pytest.raises(ConfigError, match="shapes"):
        Mtcnn((proposing(), judging(24, box=(0, 0)), judging(48, points=POINTS)), cascade=Cascade(0.3)).detect(picture)
    with pytest.raises(ConfigError, match="run"):
        Mtcnn((proposing(), judging(24), judging(24, points=POINTS)), cascade=Cascade(0.3, 0.3)).detect(picture)
    with pytest.raises(ConfigError, match="loaded"):
        Mtcnn((b"junk", judging(24), judging(48, points=POINTS)))


def test_squares_keep_the_centre_and_the_longer_side():
    found = squares(np.array([[10, 10, 20, 40], [0, 0, 8, 4]], np.float32))
    assert found.tolist() == [[0, 10, 30, 40], [0, -2, 8, 6]]
    assert squares(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_patch_is_grey_beyond_the_edge():
    values = np.ones((10, 10, 3), np.float32)
    corner = patch(values, np.array([-5, -5, 5, 5], np.float32), 10)
    assert corner[:5].max() == corner[:, :5].max() == 0 and corner[5:, 5:].min() == 1
    assert patch(values, np.array([30, 30, 40, 40], np.float32), 24).shape == (24, 24, 3)
    assert patch(values, np.array([3, 3, 3.2, 3.2], np.float32), 24).min() == 1


def test_best_sorts_and_bounds():
    boxes, scores = best(np.arange(40000, dtype=np.float32).reshape(-1, 4), np.arange(10000, dtype=np.float32))
    assert len(boxes) == len(scores) == 4096 and scores[0] == 9999 and boxes[0, 0] == 39996


def test_convert_something_else_raises():
    with pytest.raises(ConfigError, match="MTCNN"):
        convert(b"no weights", "mtcnn-p")


def test_weights_of_the_package_find_a_real_face():
    if not (importlib.util.find_spec("mtcnn") and importlib.util.find_spec("lz4")):
        pytest.skip("the extra mtcnn isn't installed")
    parts = [convert(Path(source(model(name))).read_bytes(), name) for name in MTCNN_PARTS]
    found = Mtcnn((parts[0], parts[1], parts[2])).detect(astronaut())
    assert len(found.boxes) == 1 and found.scores[0] > 0.9
    np.testing.assert_allclose(found.boxes[0], ASTRONAUT_FACE, atol=12)
    left, right, nose, mouth_left, mouth_right = found.landmarks[0]
    assert left[0] < nose[0] < right[0] and mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
