"""The training loop: crops in, checkpoints and a log out; it can be stopped and resumed at any time.

AdamW with warm-up and a cosine schedule over the time given, CTC loss (Graves et al., 2006), in bfloat16 where that is
faster. The weights kept are a moving average. Crops are drawn in processes of their own; the network keeps to one
core, because on shared cores threads inside an operation wait for one another: ten times the time (measured).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from operators.plates import STEPS, greedy
from operators.training.loop import follow, save, set_rate
from operators.training.plates.glyphs import Glyphs
from operators.training.plates.labels import Plate
from operators.training.plates.network import PlateNetwork
from operators.training.plates.pictures import Crops, classes

BATCH = 64
RATE = 3e-3
WARM_STEPS = 200
DECAY = 0.02
AVERAGE = 0.997
HALF = True
SAVE_EVERY_S = 60.0
MEASURE_EVERY_S = 150.0
MEASURED = 512
MEASURED_SEED = 4_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """A seed, minutes in all, threads of the network, processes that draw crops, share of real ones."""

    seed: int
    minutes: float
    threads: int = 1
    drawers: int = 2
    real: float = 0.2


class _Endless(IterableDataset):  # type: ignore[misc]
    """Batches from number `first` on; each drawing process takes every n-th."""

    def __init__(self, crops: Crops, first: int) -> None:
        self.crops, self.first = crops, first

    def __iter__(self) -> Iterator[tuple[Tensor, list[str]]]:
        info = torch.utils.data.get_worker_info()
        at, every = (info.id, info.num_workers) if info else (0, 1)
        batch = self.first + at
        while True:
            yield collate([self.crops[number] for number in range(batch * BATCH, (batch + 1) * BATCH)])
            batch += every


def collate(crops: Sequence[tuple[npt.NDArray[np.uint8], str]]) -> tuple[Tensor, list[str]]:
    """Pictures (b, 32, 96, 3) uint8 and their texts."""
    return torch.from_numpy(np.stack([picture for picture, _ in crops])), [text for _, text in crops]


def loss(logits: Tensor, texts: Sequence[str]) -> Tensor:
    """CTC: minus the log probability of each text, a character, averaged. Logits (b, 24, classes)."""
    targets = [classes(text) for text in texts]
    lengths = torch.tensor([len(target) for target in targets])
    flat = torch.tensor([label for target in targets for label in target])
    steps = torch.full((len(texts),), STEPS)
    said = logits.float().log_softmax(2).transpose(0, 1)
    return nn.functional.ctc_loss(said, flat, steps, lengths, zero_infinity=True)


def train(
    run: Run, glyphs: Glyphs, plates: Sequence[Plate], checkpoint: Path, tell: Callable[[str], None],
    resume: Path | None = None,
) -> None:
    """Train for `run.minutes` in all, those before a resume counted in; the log goes beside the checkpoint.

    The share right of drawn crops kept back is measured on the way; real plates kept back aren't looked at.
    """
    torch.manual_seed(run.seed)
    network = PlateNetwork().to(memory_format=torch.channels_last)
    average = PlateNetwork()
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    step, spent = 0, 0.0
    if resume:
        state = torch.load(resume, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = int(state["step"]), float(state["spent"])
    crops = Crops(glyphs, plates, run.seed, run.real)
    kept = Crops(glyphs, [], MEASURED_SEED)
    fixed = collate([kept[number] for number in range(MEASURED)])
    batches = iter(DataLoader(_Endless(crops, step), batch_size=None, num_workers=run.drawers, prefetch_factor=4))
    torch.set_num_threads(run.threads)
    began = time.monotonic() - spent
    saved = measured = spent
    smooth = 0.0
    while True:
        share = (time.monotonic() - began) / (60 * run.minutes)
        set_rate(optimiser, step, share, RATE, WARM_STEPS)
        pictures, texts = next(batches)
        network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
            logits = network(pictures)
        value = loss(logits, texts)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        step += 1
        follow(average, network, min(AVERAGE, step / (20 + step)))
        smooth = 0.98 * smooth + 0.02 * float(value) if smooth else float(value)
        spent = time.monotonic() - began
        over = share >= 1
        values: dict[str, float] = {}
        if spent - measured >= MEASURE_EVERY_S or over:
            measured = spent
            values = {"exact_drawn": exact(average, *fixed)}
        if values or step % 100 == 0:
            note = {"step": step, "seconds": round(spent), "loss": round(smooth, 4)} | values
            with checkpoint.with_suffix(".log").open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
            tell(" ".join(f"{key} {said}" for key, said in note.items()))
        if spent - saved >= SAVE_EVERY_S or over:
            saved = spent
            save(checkpoint, network, average, optimiser, step, spent)
        if over:
            return


@torch.no_grad()  # type: ignore[untyped-decorator]
def exact(network: nn.Module, pictures: Tensor, texts: Sequence[str]) -> float:
    """The share of crops read without a fault."""
    network.eval()
    said = torch.cat([network(part).softmax(2) for part in pictures.split(BATCH)]).numpy()
    return float(np.mean([greedy(one).text == text for one, text in zip(said, texts, strict=True)]))
