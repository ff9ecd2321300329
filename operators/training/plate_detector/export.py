"""A checkpoint as ONNX files that ONNX Runtime runs: fp32, and INT8 (QDQ) calibrated on scenes.

The same checkpoint, scenes and library versions give the same bytes. The last convolution of each head stays in fp32,
as in the face detector.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch

from operators.detect.session import cpu_session
from operators.training.faces.network import INPUT_SCALE, STRIDES
from operators.training.plate_detector.network import PlateDetectorNetwork
from operators.training.plate_detector.scenes import Scenes
from operators.training.quantise import digest, quantise
from operators.training.stem import fold

OPSET = 17
CALIBRATION_SCENES = 300
CALIBRATION_SEED = 5_000_000
MOST_APART = 2e-3


def export(checkpoint: Path, scenes: Scenes, out: Path, tell: Callable[[str], None]) -> None:
    """Write `out` (INT8) and, beside it, the same network in fp32 (`-fp32` in the name).

    Raises:
        ValueError: ONNX Runtime's outputs differ from those of torch.

    """
    torch.set_num_threads(1)
    network = PlateDetectorNetwork()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    network.eval()
    pictures = [
        np.ascontiguousarray(scenes[number].picture.transpose(2, 0, 1)[None], np.float32)
        for number in range(CALIBRATION_SCENES)
    ]
    with torch.no_grad():
        expected = [level.numpy() for level in network(torch.from_numpy(pictures[0]))]
        network.stem[0][0].weight *= INPUT_SCALE
    network.scale = 1.0
    plain = out.with_name(f"{out.stem}-fp32.onnx")
    names = [f"stride{stride}" for stride in STRIDES]
    free = {name: {2: f"height_{name}", 3: f"width_{name}"} for name in ("picture", *names)}
    torch.onnx.export(
        network, (torch.zeros(1, 3, 96, 128),), str(plain), opset_version=OPSET, dynamo=False,
        input_names=["picture"], output_names=names, dynamic_axes=free,
    )  # fmt: skip
    said = cpu_session(plain.read_bytes(), out.stem).run(None, {"picture": pictures[0]})
    apart = max(float(np.abs(a - b).max()) for a, b in zip(expected, said, strict=True))
    if apart > MOST_APART:
        raise ValueError(f"ONNX Runtime differs from torch by {apart:.2g}")
    tell(f"fp32: differs from torch by {apart:.1g}, {plain.stat().st_size:,} bytes, {digest(plain)}")
    quantise(plain, out, ({"picture": picture} for picture in pictures), _chosen)
    fold(out)
    tell(f"INT8: {out.stat().st_size:,} bytes, {digest(out)}")


def _chosen(graph: onnx.GraphProto) -> dict[str, list[str]]:
    made = {output: node.name for node in graph.node for output in node.output}
    return {"nodes_to_exclude": [made[f"stride{stride}"] for stride in STRIDES]}
