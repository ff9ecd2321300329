"""A network in fp32 as INT8 (QDQ), calibrated on inputs like those that it will see; the same input, the same bytes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy.typing as npt
import onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

Inputs = Mapping[str, npt.NDArray]  # type: ignore[type-arg]


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, inputs: Iterable[Inputs]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> Inputs | None:
        return next(self._left, None)


def quantise(
    plain: Path, out: Path, inputs: Iterable[Inputs], chosen: Callable[[onnx.GraphProto], dict[str, list[str]]]
) -> None:
    """Write `out`. `inputs`: by name of the network's input; `chosen`: `nodes_to_quantize` or `nodes_to_exclude`."""
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch, "prepared.onnx")
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared), str(out), _Reader(inputs), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            **chosen(onnx.load(str(prepared)).graph),
        )


def digest(path: Path) -> str:
    """SHA-256 of a file, as people read it."""
    return f"SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
