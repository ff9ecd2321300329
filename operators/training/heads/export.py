"""A checkpoint as an ONNX file that ONNX Runtime runs; the same checkpoint and library versions give the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from operators.detect.session import cpu_session
from operators.heads import COLUMNS, ROWS
from operators.training.heads.network import INPUTS, HeadNetwork, Likely
from operators.training.quantise import digest

OPSET = 17
MOST_APART = 1e-4


def export(checkpoint: Path, out: Path, tell: Callable[[str], None]) -> None:
    """Write `out`.

    Raises:
        ValueError: ONNX Runtime's output differs from that of torch.

    """
    network = HeadNetwork()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    likely = Likely(network).eval()
    window = torch.randn(1, INPUTS, ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = likely(window).numpy()
    torch.onnx.export(
        likely, (window,), str(out), opset_version=OPSET, dynamo=False, input_names=["window"], output_names=["likely"]
    )
    (said,) = cpu_session(out.read_bytes(), out.stem).run(None, {"window": window.numpy()})
    apart = float(np.abs(expected - said).max())
    if apart > MOST_APART:
        raise ValueError(f"ONNX Runtime differs from torch by {apart:.2g}")
    tell(f"differs from torch by {apart:.1g}, {out.stat().st_size:,} bytes, {digest(out)}")
