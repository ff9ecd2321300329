"""A checkpoint as ONNX files that ONNX Runtime runs: fp32, and INT8 (QDQ) calibrated on drawn plates.

The same checkpoint, fonts and library versions give the same bytes. The contrast that the network sets, its last
convolution and the two before it stay in fp32: they are cheap and decide between characters that look alike.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch

from operators.detect.session import cpu_session
from operators.plates import HEIGHT, WIDTH
from operators.training.plates.glyphs import load
from operators.training.plates.network import PlateNetwork
from operators.training.plates.pictures import Crops
from operators.training.quantise import digest, quantise

OPSET = 17
CALIBRATION_CROPS = 512
CALIBRATION_SEED = 5_000_000
MOST_APART = 2e-3
Pictures = npt.NDArray[np.uint8]


def export(checkpoint: Path, out: Path, tell: Callable[[str], None]) -> None:
    """Write `out` (INT8) and, beside it, the same network in fp32 (`-fp32` in the name).

    Raises:
        ValueError: ONNX Runtime's outputs differ from those of torch.

    """
    torch.set_num_threads(1)
    network = PlateNetwork()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    network.eval()
    drawn = Crops(load(), [], CALIBRATION_SEED)
    pictures = np.stack([drawn[number][0] for number in range(CALIBRATION_CROPS)])
    with torch.no_grad():
        expected = network(torch.from_numpy(pictures[:16])).numpy()
    plain = out.with_name(f"{out.stem}-fp32.onnx")
    example = torch.zeros(1, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    torch.onnx.export(
        network, (example,), str(plain), opset_version=OPSET, dynamo=False, input_names=["plates"],
        output_names=["logits"], dynamic_axes={"plates": {0: "n"}, "logits": {0: "n"}},
    )  # fmt: skip
    apart = float(np.abs(_run(plain, pictures[:16]) - expected).max())
    if apart > MOST_APART:
        raise ValueError(f"ONNX Runtime differs from torch by {apart:.2g}")
    tell(f"fp32: differs from torch by {apart:.1g}, {plain.stat().st_size:,} bytes, {digest(plain)}")
    quantise(plain, out, ({"plates": picture[None]} for picture in pictures), _chosen)
    same = float((_run(plain, pictures).argmax(2) == _run(out, pictures).argmax(2)).all(1).mean())
    tell(f"INT8: {same:.1%} of {CALIBRATION_CROPS} drawn plates as fp32, {out.stat().st_size:,} bytes, {digest(out)}")


def _chosen(graph: onnx.GraphProto) -> dict[str, list[str]]:
    return {"nodes_to_quantize": [node.name for node in graph.node if node.op_type == "Conv"][1:-1]}


def _run(model: Path, pictures: Pictures) -> npt.NDArray[np.float32]:
    return np.asarray(cpu_session(model.read_bytes(), model.stem).run(None, {"plates": pictures})[0], np.float32)
