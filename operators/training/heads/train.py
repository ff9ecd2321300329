"""The training loop: windows in, checkpoints and a log out.

AdamW with warm-up and a cosine schedule over the time given, in bfloat16; the weights kept are a moving average. The
loss is cross-entropy and 1 - Dice of the same cells. Windows are drawn in a process of their own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from operators.training.heads.network import HeadNetwork
from operators.training.heads.pictures import Pictures
from operators.training.loop import follow, save, set_rate

BATCH = 64
RATE = 3e-3
WARM_STEPS = 100
DECAY = 0.01
AVERAGE = 0.995
MEASURE_EVERY_S = 120.0
MEASURED = 512
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Run:
    """A seed, and minutes in all."""

    seed: int
    minutes: float


class _Endless(IterableDataset):  # type: ignore[misc]
    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def __iter__(self) -> Iterator[Batch]:
        number = 0
        while True:
            yield batch(self.pictures, range(number, number + BATCH))
            number += BATCH


def batch(pictures: Pictures, numbers: range) -> Batch:
    """Windows (b, 6, h, w) and cells (b, 1, h, w)."""
    windows, cells = zip(*(pictures[number] for number in numbers), strict=True)
    return torch.stack([*map(torch.from_numpy, windows)]), torch.stack([*map(torch.from_numpy, cells)])[:, None]


def loss(logits: Tensor, cells: Tensor) -> Tensor:
    """Mean cross-entropy, and 1 - Dice."""
    said = logits.sigmoid()
    shared = 2 * (said * cells).sum((1, 2, 3)) / (said.sum((1, 2, 3)) + cells.sum((1, 2, 3)) + 1)
    return functional.binary_cross_entropy_with_logits(logits, cells) + 0.5 * (1 - shared.mean())


def train(run: Run, pictures: Pictures, kept: Pictures, checkpoint: Path, tell: Callable[[str], None]) -> None:
    """Until the time is over, measured on `kept`; the log goes beside the checkpoint."""
    torch.manual_seed(run.seed)
    torch.set_num_threads(1)
    network, average = HeadNetwork(), HeadNetwork()
    average.load_state_dict(network.state_dict())
    network, average = (one.to(memory_format=torch.channels_last) for one in (network, average))
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    fixed = batch(kept, range(MEASURED))
    batches = iter(DataLoader(_Endless(pictures), batch_size=None, num_workers=1, prefetch_factor=8))
    began = measured = time.monotonic()
    step, share = 0, 0.0
    while share < 1:
        share = (time.monotonic() - began) / (60 * run.minutes)
        set_rate(optimiser, step, share, RATE, WARM_STEPS)
        windows, cells = next(batches)
        network.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(windows.contiguous(memory_format=torch.channels_last))
        wrong = loss(logits.float(), cells)
        optimiser.zero_grad(set_to_none=True)
        wrong.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        step += 1
        follow(average, network, min(AVERAGE, step / (20 + step)))
        if share >= 1 or time.monotonic() - measured >= MEASURE_EVERY_S:
            measured = time.monotonic()
            note = {"step": step, "seconds": round(measured - began), "loss": round(wrong.item(), 4),
                    "iou": round(measure(average, *fixed), 4)}  # fmt: skip
            with checkpoint.with_suffix(".log").open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
            tell(" ".join(f"{key} {value}" for key, value in note.items()))
            save(checkpoint, network, average, optimiser, step, measured - began)


@torch.no_grad()  # type: ignore[untyped-decorator]
def measure(network: HeadNetwork, windows: Tensor, cells: Tensor) -> float:
    """Mean IoU of cells that are likelier a person's than not."""
    network.eval()
    said, true = network(windows) > 0, cells > 0.5
    return float(((said & true).sum((1, 2, 3)) / (said | true).sum((1, 2, 3)).clamp(min=1)).mean())
