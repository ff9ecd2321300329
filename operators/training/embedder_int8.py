"""The face embedder as INT8 (QDQ, per channel): dlib's file to ONNX, then quantised by a kept table of ranges.

Which range each tensor has was measured once, on chips cut from the demo's pictures (`python -m
operators.training.embedder_int8 FOLDER`), and is kept in `embedder_ranges.json`: about 60 pairs of numbers, no pictures
and no vectors. So the same file comes out on every machine, and set-up needs no pictures. The last product
stays in fp32: it decides all 128 numbers.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect import FaceDetector
from operators.embed import Crop, align
from operators.training import dlib_to_onnx
from operators.training.joined import join_means, take_bytes
from schemas.errors import ConfigError, UsageError

RANGES = Path(__file__).with_name("embedder_ranges.json")
CUTS = 12
"""So many chips are cut of each face, in changed place, light and contrast."""
_KEPT = ("MatMul", "Flatten")

Chips = npt.NDArray[np.uint8]


def convert(data: bytes) -> bytes:
    """The bytes of dlib's file as those of an INT8 ONNX file; the same input gives the same bytes.

    Raises:
        ConfigError: another network, a damaged file, or the package `onnx` isn't installed.

    """
    with tempfile.TemporaryDirectory() as scratch:
        prepared = _prepared(dlib_to_onnx.convert(data), Path(scratch))
        return _quantised(prepared, json.loads(RANGES.read_text()), Path(scratch))


def measured(data: bytes, chips: Chips) -> dict[str, list[float]]:
    """Lowest and highest value of every tensor of the network over chips (n, 150, 150, 3), by its name."""
    quantization = _quantization()

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        left = iter(chips)

        def get_next(self) -> dict[str, Chips] | None:
            chip = next(self.left, None)
            return None if chip is None else {"chips": chip[None]}

    with tempfile.TemporaryDirectory() as scratch:
        prepared = _prepared(dlib_to_onnx.convert(data), Path(scratch))
        calibrator = quantization.create_calibrator(
            prepared, augmented_model_path=str(Path(scratch, "augmented.onnx")),
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        calibrator.collect_data(Reader())
        found = calibrator.compute_data()
    return {name: [_short(side) for side in one.range_value] for name, one in sorted(found.items())}


def _short(value: npt.ArrayLike) -> float:
    """The one number of an array, to six digits."""
    return float(f"{float(np.ravel(value)[0]):.6g}")


def cut(folder: Path, detector: FaceDetector, seed: int = 0) -> Chips:
    """Chips of the largest face of every picture in a folder, in changed place, light and contrast.

    Raises:
        UsageError: the folder shows no face.

    """
    rng, chips = np.random.default_rng(seed), []
    for rgb in _pictures(folder):
        found = detector.detect(rgb)
        if len(found.boxes):
            landmarks = found.landmarks[(found.boxes[:, 2:] - found.boxes[:, :2]).prod(1).argmax()]
            chips += [_changed(rgb, landmarks, rng) for _ in range(CUTS)]
    if not chips:
        raise UsageError(f"{folder} shows no face")
    return np.stack(chips)


def _changed(rgb: Chips, landmarks: npt.ArrayLike, rng: np.random.Generator) -> Chips:
    crop = Crop(1 + 0.12 * rng.random(), *rng.uniform(-6, 6, 2).tolist())
    lit = 255 * (align(rgb, landmarks, crop) / 255) ** rng.uniform(0.6, 1.6)
    return np.asarray(np.clip((lit - 128) * rng.uniform(0.6, 1.3) + 128 + rng.uniform(-20, 20), 0, 255), np.uint8)


def _pictures(folder: Path) -> Iterator[Chips]:
    for path in sorted(folder.iterdir()):
        read = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if read is not None:
            scale = min(1.0, 640 / max(read.shape[:2]))
            small = cv2.resize(read, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield np.ascontiguousarray(small[:, :, ::-1], np.uint8)


def _prepared(plain: bytes, scratch: Path) -> str:
    """The network with named nodes, optimised as quantising wants it; the file's path."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = onnx.load_from_string(plain)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}-{number}"
    named, prepared = scratch / "named.onnx", scratch / "prepared.onnx"
    onnx.save(model, str(named))
    quant_pre_process(str(named), str(prepared), skip_symbolic_shape=True)
    return str(prepared)


def _quantised(prepared: str, ranges: dict[str, list[float]], scratch: Path) -> bytes:
    import onnx
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    quantization, model, out = _quantization(), onnx.load(prepared), scratch / "int8.onnx"
    join_means(model)
    types = sorted({node.op_type for node in model.graph.node} - set(_KEPT))
    known = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    made = QDQQuantizer(
        model, per_channel=True, reduce_range=False, weight_qType=quantization.QuantType.QInt8,
        activation_qType=quantization.QuantType.QUInt8, tensors_range=TensorsData(CalibrationMethod.MinMax, known),
        nodes_to_quantize=[node.name for node in model.graph.node if node.op_type in types], nodes_to_exclude=[],
        op_types_to_quantize=types, extra_options={},
    )
    made.quantize_model()
    take_bytes(made.model.model)
    made.model.save_model_to_file(str(out))
    return out.read_bytes()


def _quantization() -> Any:
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise ConfigError("converting models needs the package onnx: pip install 'sealframe[server]'") from error
    return quantization


def main() -> None:
    """Measure the ranges again: dlib's file, the detector's file and a folder of pictures."""
    if len(sys.argv) != 4:
        raise UsageError("python -m operators.training.embedder_int8 DLIB.dat DETECTOR.onnx FOLDER")
    network, detector, folder = map(Path, sys.argv[1:])
    found = measured(network.read_bytes(), cut(folder, FaceDetector(detector)))
    RANGES.write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
