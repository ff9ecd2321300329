"""A checkpoint as ONNX files that ONNX Runtime runs: fp32, and INT8 (QDQ) calibrated on training pictures.

The same checkpoint, pictures and library versions give the same bytes. The last convolution of each head stays in
fp32: it is cheap, and its outputs (a score near zero, log sizes, offsets) span too much for one 8-bit scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import torch

from operators.detect.session import cpu_session
from operators.training.faces.network import INPUT_SCALE, STRIDES, FaceNetwork
from operators.training.faces.pictures import read_rgb
from operators.training.quantise import digest, quantise
from operators.training.stem import fold

OPSET = 17
SIZE = 640
CALIBRATION_PICTURES = 200
MOST_APART = 2e-3
Picture = npt.NDArray[np.float32]


def export(checkpoint: Path, data: Path, out: Path, tell: Callable[[str], None]) -> None:
    """Write `out` (INT8) and, beside it, the same network in fp32 (`-fp32` in the name).

    Raises:
        ValueError: ONNX Runtime's outputs differ from those of torch.

    """
    torch.set_num_threads(1)
    network = FaceNetwork()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    network.eval()
    plain = out.with_name(f"{out.stem}-fp32.onnx")
    pictures = list(_pictures(data))
    with torch.no_grad():
        expected = [level.numpy() for level in network(torch.from_numpy(pictures[0]))]
    _write(network, plain)
    said = cpu_session(plain.read_bytes(), out.stem).run(None, {"picture": pictures[0]})
    apart = max(float(np.abs(a - b).max()) for a, b in zip(expected, said, strict=True))
    if apart > MOST_APART:
        raise ValueError(f"ONNX Runtime differs from torch by {apart:.2g}")
    tell(f"fp32: differs from torch by {apart:.1g}, {plain.stat().st_size:,} bytes, {digest(plain)}")
    quantise(plain, out, ({"picture": picture} for picture in pictures), _chosen)
    fold(out)
    tell(f"INT8: {out.stat().st_size:,} bytes, {digest(out)}")


def _write(network: FaceNetwork, path: Path) -> None:
    """As one file, the input's scale folded into the first convolution, height and width free."""
    with torch.no_grad():
        network.stem[0][0].weight *= INPUT_SCALE
    network.scale = 1.0
    names = [f"stride{stride}" for stride in STRIDES]
    free = {name: {2: f"height_{name}", 3: f"width_{name}"} for name in ("picture", *names)}
    torch.onnx.export(
        network, (torch.zeros(1, 3, 96, 128),), str(path), opset_version=OPSET, dynamo=False,
        input_names=["picture"], output_names=names, dynamic_axes=free,
    )  # fmt: skip


def _pictures(folder: Path) -> Iterator[Picture]:
    """Pictures to calibrate with, (1, 3, h, w), spread over the folder."""
    files = sorted(folder.glob("*.webp"))
    for path in files[:: max(1, len(files) // CALIBRATION_PICTURES)][:CALIBRATION_PICTURES]:
        picture = read_rgb(path)
        ratio = SIZE / max(picture.shape[:2])
        width, height = (round(length * ratio) for length in picture.shape[1::-1])
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        padded[:height, :width] = cv2.resize(picture, (width, height))
        yield np.ascontiguousarray(padded.transpose(2, 0, 1)[None])


def _chosen(graph: onnx.GraphProto) -> dict[str, list[str]]:
    made = {output: node.name for node in graph.node for output in node.output}
    return {"nodes_to_exclude": [made[f"stride{stride}"] for stride in STRIDES]}
