"""The training loop: scenes in, checkpoints and a log out; it can be stopped and resumed at any time.

AdamW with warm-up and a cosine schedule over the time given, in bfloat16 where that is faster; the weights kept are a
moving average. Cells are assigned and losses taken as for faces (`operators/training/faces/loss.py`). Scenes are drawn
in a process of their own; the network keeps to one core.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from operators.detect.face import suppress
from operators.detect.measure import Matched, average_precision, gather, recall_at, score_at
from operators.training.faces.loss import Faces, loss
from operators.training.faces.network import boxes_of, cells, flat
from operators.training.loop import follow, save, set_rate
from operators.training.plate_detector.network import CORNERS, PlateDetectorNetwork
from operators.training.plate_detector.scenes import TALL, WIDE, Scene, Scenes

BATCH = 8
RATE = 2e-3
WARM_STEPS = 300
DECAY = 0.02
CORNERS_WEIGHT = 8.0
AVERAGE = 0.998
HALF = True
SAVE_EVERY_S = 60.0
MEASURE_EVERY_S = 240.0
MEASURED = 160
MEASURED_SEED = 4_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """A seed, minutes in all, and processes that draw scenes."""

    seed: int
    minutes: float
    drawers: int = 1


Batch = tuple[Tensor, list[Faces]]


class _Endless(IterableDataset):  # type: ignore[misc]
    """Batches from number `first` on; each drawing process takes every n-th."""

    def __init__(self, scenes: Scenes, first: int) -> None:
        self.scenes, self.first = scenes, first

    def __iter__(self) -> Iterator[Batch]:
        info = torch.utils.data.get_worker_info()
        at, every = (info.id, info.num_workers) if info else (0, 1)
        batch = self.first + at
        while True:
            yield collate([self.scenes[number] for number in range(batch * BATCH, (batch + 1) * BATCH)])
            batch += every


def collate(scenes: Sequence[Scene]) -> Batch:
    """Pictures (b, 3, 192, 384) uint8, and their plates."""
    pictures = torch.from_numpy(np.stack([one.picture for one in scenes])).permute(0, 3, 1, 2)
    return pictures, [
        Faces(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (one.boxes, one.corners, one.ignored)))
        for one in scenes
    ]


def train(
    run: Run, scenes: Scenes, kept: Scenes, checkpoint: Path, tell: Callable[[str], None], resume: Path | None = None,
    start: Path | None = None,
) -> None:
    """Train for `run.minutes` in all, those before a resume counted in; the log goes beside the checkpoint.

    `start`: a face detector's checkpoint to begin with. The network is measured on the way on scenes of `kept`; real
    plates kept back aren't looked at.
    """
    torch.manual_seed(run.seed)
    network = PlateDetectorNetwork().to(memory_format=torch.channels_last)
    if start:
        network.adopt(torch.load(start, weights_only=True)["average"])
    average = PlateDetectorNetwork()
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(_groups(network), lr=RATE)
    step, spent = 0, 0.0
    if resume:
        state = torch.load(resume, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = int(state["step"]), float(state["spent"])
    fixed = [kept[number] for number in range(MEASURED)]
    centres, strides = cells(TALL, WIDE)
    ahead = 8 if run.drawers else None
    batches = iter(DataLoader(_Endless(scenes, step), batch_size=None, num_workers=run.drawers, prefetch_factor=ahead))
    torch.set_num_threads(1)
    began = time.monotonic() - spent
    saved = measured = spent
    parts: dict[str, float] = {}
    while True:
        share = (time.monotonic() - began) / (60 * run.minutes)
        set_rate(optimiser, step, share, RATE, WARM_STEPS)
        pictures, plates = next(batches)
        network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
            outputs = network(pictures.float().contiguous(memory_format=torch.channels_last))
        total, said = loss(flat(outputs), centres, strides, plates, CORNERS_WEIGHT)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        step += 1
        follow(average, network, min(AVERAGE, step / (20 + step)))
        parts = {key: 0.98 * parts.get(key, value) + 0.02 * value for key, value in said.items()}
        spent = time.monotonic() - began
        over = share >= 1
        values: dict[str, float] = {}
        if spent - measured >= MEASURE_EVERY_S or over:
            measured = spent
            values = measure(average, fixed)
        if values or step % 100 == 0:
            note = {"step": step, "seconds": round(spent)} | {k: round(v, 5) for k, v in (parts | values).items()}
            with checkpoint.with_suffix(".log").open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
            tell(" ".join(f"{key} {value}" for key, value in note.items()))
        if spent - saved >= SAVE_EVERY_S or over:
            saved = spent
            save(checkpoint, network, average, optimiser, step, spent)
        if over:
            return


def _groups(network: nn.Module) -> list[dict[str, object]]:
    """Weight decay for kernels only."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]


@torch.no_grad()  # type: ignore[untyped-decorator]
def measure(network: PlateDetectorNetwork, scenes: Sequence[Scene]) -> dict[str, float]:
    """AP50, recall at 0.1 false boxes a picture, and how far corners are off (median, in heights of the plate)."""
    network.eval()
    centres, strides = cells(TALL, WIDE)
    found, off = [], []
    for one in scenes:
        picture = torch.from_numpy(one.picture.transpose(2, 0, 1)[None].astype(np.float32))
        values = flat(network(picture))[0]
        scores = values[:, 0].sigmoid().numpy()
        order = np.argsort(-scores)[:300]
        order = order[scores[order] > 0.02]
        keep = order[suppress(boxes_of(values, centres, strides).numpy()[order], 0.4)]
        boxes = boxes_of(values, centres, strides).numpy()[keep]
        points = values[keep, 5:].reshape(-1, CORNERS, 2) * strides[keep, None, None] + centres[keep, None]
        truth = np.concatenate([one.boxes, one.ignored])
        found.append((boxes, scores[keep], truth, np.arange(len(truth)) < len(one.boxes)))
        off += _corner_errors(points.numpy(), boxes, one)
    matched: Matched = gather(found)
    recall = recall_at(matched, score_at(matched))[0]
    return {"ap50": average_precision(matched), "recall": recall, "corners": float(np.median(off)) if off else 9.0}


def _corner_errors(points: np.ndarray, boxes: np.ndarray, scene: Scene) -> list[float]:
    """Mean distance of the four corners of the best box near each plate, in shares of the plate's height."""
    errors = []
    for box, true in zip(scene.boxes, scene.corners, strict=True):
        middle = (box[:2] + box[2:]) / 2
        near = ((boxes[:, :2] < middle) & (boxes[:, 2:] > middle)).all(1)
        if near.any() and np.isfinite(true).all():
            height = np.linalg.norm(true[3] - true[0]) + np.linalg.norm(true[2] - true[1])
            errors.append(float(2 * np.linalg.norm(points[near][0] - true, axis=1).mean() / height))
    return errors
