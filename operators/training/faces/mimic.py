"""What the teacher says of a view, as a target: its inner features, and the faces that it finds.

The network learns, beside its task, to predict the last features of each of CenterFace's pyramid levels from its own
levels by one 1x1 convolution each (Romero et al., "FitNets", 2015; on fused levels of a pyramid: Cao et al., "PKD",
2022). Features are brought to mean 0 and deviation 1 by channel; half of the weight lies where the teacher sees faces.
The teacher looks at labelled crops before they are discoloured, at wild ones as they are. The convolutions are thrown
away after training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from operators.detect.centerface import CenterFace
from operators.detect.face import suppress
from operators.detect.graph import free_shapes
from operators.detect.session import cpu_session
from operators.training.faces.loss import Faces
from operators.training.faces.network import NECK
from schemas.regions import Array

LEVELS = ("535", "518", "511")
CHANNELS = 24
TINY = 1e-5
SHRINK = 2
SEEN, POINTED, MOST = 0.15, 0.5, 300
"""From which score on the teacher's boxes are faces, from which on its points are; at most so many."""


class Teacher:
    """CenterFace, with its inner features as outputs."""

    def __init__(self, model: Path) -> None:
        graph = onnx.load_from_string(free_shapes(model.read_bytes()))
        said = [one.name for one in graph.graph.output]
        for name in LEVELS:
            graph.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        self._session = cpu_session(graph.SerializeToString(), model.stem)
        self._input, self._wanted = self._session.get_inputs()[0].name, [*said, *LEVELS]

    def __call__(self, pictures: Tensor) -> tuple[list[Tensor], Tensor, list[Faces]]:
        """RGB (b, 3, h, w) 0 to 255 -> features at strides 8, 16, 32; score at stride 8 (b, 1, ., .); faces, by score.

        Features of the finest level have four cells of stride 4 side by side as channels.
        """
        said = [self._session.run(self._wanted, {self._input: one[None].numpy()}) for one in pictures.contiguous()]
        heat, *levels = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*(
            (one[0], *one[-len(LEVELS) :]) for one in said
        ), strict=True))  # fmt: skip
        levels[0] = functional.pixel_unshuffle(levels[0], SHRINK)
        faces = [_faces(one[: -len(LEVELS)], *pictures.shape[2:]) for one in said]
        return levels, functional.max_pool2d(heat, SHRINK), faces


def _faces(outputs: Sequence[Array], height: int, width: int) -> Faces:
    found = CenterFace().decode(outputs, height, width, SEEN)
    best = np.argsort(-found.scores)[:MOST]
    best = best[suppress(found.boxes[best], 0.3)] if len(best) else best
    boxes = found.boxes[best].clip(0, np.array([width, height] * 2, np.float32))
    points = np.where(found.scores[best, None, None] >= POINTED, found.landmarks[best], np.nan).astype(np.float32)
    nothing = torch.zeros(0, 4)
    return Faces(torch.from_numpy(boxes), torch.from_numpy(points), nothing, torch.from_numpy(found.scores[best]))


class Mimic(nn.Module):  # type: ignore[misc]
    """One 1x1 convolution a level, and the loss that compares."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.ModuleList(
            nn.Conv2d(NECK, channels, 1) for channels in (CHANNELS * SHRINK**2, CHANNELS, CHANNELS)
        )

    def forward(self, levels: Sequence[Tensor], features: Sequence[Tensor], score: Tensor) -> Tensor:
        """How far the network's `levels` are from the teacher's `features`: 1 for one that says nothing."""
        parts = []
        for level, read, wanted in zip(levels, self.read, features, strict=True):
            wrong = (standard(read(level.float())) - standard(wanted)).square().mean(1, keepdim=True)
            seen = functional.adaptive_max_pool2d(score, wrong.shape[2:]) + TINY
            parts.append((wrong.mean() + (wrong * seen).sum() / seen.sum()) / 2)
        return torch.stack(parts).mean()


def standard(features: Tensor) -> Tensor:
    """Each channel with mean 0 and deviation 1 over batch and place."""
    deviation, mean = torch.std_mean(features, (0, 2, 3), keepdim=True)
    return (features - mean) / (deviation + TINY)
