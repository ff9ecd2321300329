"""A network loaded in ONNX Runtime: on the CPU, one core for each caller, quiet."""

from __future__ import annotations

import onnxruntime as ort  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as state  # type: ignore[import-untyped]

from schemas.errors import ConfigError

ORT_ERRORS = (
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NotImplemented,
    state.RuntimeException,
)


def cpu_session(model: bytes, name: str) -> ort.InferenceSession:
    """A session on one CPU core, without spinning, quiet.

    Raises:
        ConfigError: ONNX Runtime can't load the model.

    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except (*ORT_ERRORS, UnicodeDecodeError) as error:
        raise ConfigError(f"model {name} can't be loaded: {type(error).__name__}") from error
