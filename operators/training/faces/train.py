"""The training loop: crops in, checkpoints and a log out; it can be stopped and resumed at any time.

AdamW with warm-up and a cosine schedule over the time given; the weights kept are a moving average. Convolutions run
in bfloat16 where that is faster, the loss in float32. Each process works on one core with crops of its own, and
gradients are averaged at every step: on shared cores, threads inside an operation wait for one another far longer.
With a teacher's network to mimic, the crops are shown to it too, and wild views that nobody labelled besides. Some of
either may be shown with noise that hides faces from the network as it is then; what is to be said of them stays.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed, nn

from operators.detect.face import suppress
from operators.detect.measure import Matched, average_precision, gather, recall_at, score_at
from operators.training.faces.attack import weakened
from operators.training.faces.loss import Faces, iou, loss
from operators.training.faces.mimic import Mimic, Teacher
from operators.training.faces.network import FaceNetwork, boxes_of, cells, flat
from operators.training.faces.pictures import CROP, Crop, Photograph, Rgb, crop
from operators.training.faces.wild import View, wild
from operators.training.loop import follow, save, set_rate

RATE = 2e-3
WARM_STEPS = 300
DECAY = 0.02
AVERAGE = 0.999
MIMIC_WEIGHT = 2.0
HALF = True
FOUND = 0.3
"""IoU from which on a teacher's box is that of a labelled face."""
SAVE_EVERY_S = 60.0
MEASURE_EVERY_S = 400.0
MEASURED_SIZE = 640


@dataclass(frozen=True)
class Run:
    """What a run is: its seed, how long it trains in all, on how many cores, and CenterFace's file to mimic.

    `side` of a crop in pixels, and how many crops and wild views a process takes at once: larger crops show larger
    faces. `rate`: the highest learning rate. `attacked`: how many of these are shown with noise made for the network.
    """

    seed: int
    minutes: float
    processes: int = 2
    mimicked: Path | None = None
    side: int = CROP
    batch: int = 8
    wild: int = 0
    rate: float = RATE
    attacked: int = 0


class Crops:
    """Crop and wild view number n, drawn from the seed and n alone."""

    def __init__(self, photographs: Sequence[Photograph], seed: int, side: int) -> None:
        self.photographs, self.seed, self.side = photographs, seed, side

    def __getitem__(self, number: int) -> Crop:
        cv2.setNumThreads(1)
        rng = np.random.default_rng([self.seed, number])
        return crop(self.photographs[int(rng.integers(len(self.photographs)))], rng, self.side)

    def wild(self, number: int) -> View:
        """A view for the teacher."""
        return wild(self.photographs, np.random.default_rng([self.seed, 7, number]), self.side)


class Mimicry:
    """What learns from the teacher's features, with an optimiser of its own."""

    def __init__(self, model: Path) -> None:
        self.teacher, self.mimic = Teacher(model), Mimic()
        self.optimiser = torch.optim.AdamW(self.mimic.parameters(), lr=RATE)

    def look(self, shown: Sequence[Rgb]) -> tuple[Callable[[Sequence[Tensor]], Tensor], list[Faces]]:
        """How far the network's levels are from what the teacher says of these, and the faces that it finds."""
        features, score, faces = self.teacher(tensor(shown))
        return lambda levels: self.mimic(levels, features, score), faces


def tensor(pictures: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
    """(h, w, 3) each -> (b, 3, h, w) float32, channels last."""
    joined = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return joined.float().contiguous(memory_format=torch.channels_last)


def labelled(crops: Sequence[Crop]) -> list[Faces]:
    """What people labelled."""
    return [
        Faces(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (one.boxes, one.points, one.ignored)))
        for one in crops
    ]


def unfound(faces: Faces, view: View) -> Faces:
    """The faces that a teacher found in a view; the labelled ones that it didn't count neither way."""
    boxes = torch.from_numpy(view.labelled)
    missed = iou(boxes[:, None], faces.boxes[None]).amax(1) < FOUND if len(faces.boxes) else boxes[:, 0] > -1
    return replace(faces, ignored=boxes[missed])


def train(
    run: Run, photographs: Sequence[Photograph], held_out: Sequence[Photograph], checkpoint: Path,
    tell: Callable[[str], None], resume: Path | None = None,
) -> None:
    """Train for `run.minutes` in all, those before a resume counted in; the log goes beside the checkpoint."""
    with tempfile.TemporaryDirectory() as scratch:
        meeting = f"file://{scratch}/meeting"
        context = multiprocessing.get_context("fork")
        others = [
            context.Process(target=_work, args=(rank, meeting, run, photographs, [], checkpoint, tell, resume))
            for rank in range(1, run.processes)
        ]
        for other in others:
            other.start()
        _work(0, meeting, run, photographs, held_out, checkpoint, tell, resume)
        for other in others:
            other.join()


def _work(
    rank: int, meeting: str, run: Run, photographs: Sequence[Photograph], held_out: Sequence[Photograph],
    checkpoint: Path, tell: Callable[[str], None], resume: Path | None,
) -> None:
    """One process's part; the first one measures, saves and says."""
    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=run.processes)
    network = FaceNetwork().to(memory_format=torch.channels_last)
    average = FaceNetwork()
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(_groups(network), lr=run.rate)
    mimicry = Mimicry(run.mimicked) if run.mimicked else None
    optimisers = [optimiser, mimicry.optimiser] if mimicry else [optimiser]
    parameters = [p for one in optimisers for group in one.param_groups for p in group["params"]]
    step, spent = 0, 0.0
    if resume:
        state = torch.load(resume, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        if "optimiser" in state:
            optimiser.load_state_dict(state["optimiser"])
        step, spent = int(state["step"]), float(state["spent"])
    centres, strides = cells(run.side, run.side)
    crops = Crops(photographs, run.seed, run.side)
    began, saved, measured = time.monotonic() - spent, spent, spent
    parts: dict[str, float] = {}
    log = checkpoint.with_suffix(".log")
    while True:
        share = torch.tensor([(time.monotonic() - began) / (60 * run.minutes)])
        distributed.broadcast(share, 0)
        for one in optimisers:
            set_rate(one, step, float(share), run.rate, WARM_STEPS)
            one.zero_grad(set_to_none=True)
        first = (step * run.processes + rank) * run.batch
        shown = [crops[number] for number in range(first, first + run.batch)]
        views = [crops.wild((step * run.processes + rank) * run.wild + i) for i in range(run.wild if mimicry else 0)]
        seen = [one.picture for one in views]
        pictures, faces = tensor([*(one.picture for one in shown), *seen]), labelled(shown)
        if mimicry:
            unlike, found = mimicry.look([*(one.clean for one in shown), *seen])
            faces += [unfound(*one) for one in zip(found[len(shown) :], views, strict=True)]
        if run.attacked:
            attacked = [i * len(pictures) // run.attacked for i in range(run.attacked)]
            pictures[attacked] = _against(network, pictures[attacked], seed=first)
        network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
            levels = network.levels(pictures)
            outputs = network.says(levels)
        total, said = loss(flat(outputs), centres, strides, faces)
        if mimicry:
            apart = unlike(levels)
            total, said = total + MIMIC_WEIGHT * apart, said | {"mimic": float(apart.detach())}
        total.backward()
        _share_gradients(parameters, run.processes)
        nn.utils.clip_grad_norm_(parameters, 10.0)
        for one in optimisers:
            one.step()
        step += 1
        over = float(share) >= 1
        if rank == 0:
            spent = time.monotonic() - began
            follow(average, network, min(AVERAGE, step / (20 + step)))
            parts = {key: 0.98 * parts.get(key, value) + 0.02 * value for key, value in said.items()}
            values: dict[str, float] = {}
            if spent - measured >= MEASURE_EVERY_S or over:
                measured = spent
                values = figures(measure(average, held_out if over else held_out[::2]))
            if values or step % 100 == 0:
                _note(log, step=step, seconds=round(spent), **parts, **values)
                tell(f"step {step}, {spent / 60:.1f} min, {_line(parts | values)}")
            if spent - saved >= SAVE_EVERY_S or over:
                saved = spent
                save(checkpoint, network, average, optimiser, step, spent)
        if over:
            break
    distributed.destroy_process_group()


def _against(network: FaceNetwork, pictures: Tensor, seed: int) -> Tensor:
    """The pictures with noise made for the network as it answers in use."""
    network.eval().requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
        noisy = weakened(network, pictures, seed)
    network.requires_grad_(True)
    return noisy


def _share_gradients(parameters: Sequence[Tensor], processes: int) -> None:
    """Every gradient becomes the mean over all processes."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    joined = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(joined)
    at = 0
    for gradient in gradients:
        gradient.copy_((joined[at : at + gradient.numel()] / processes).view_as(gradient))
        at += gradient.numel()


def _groups(network: nn.Module) -> list[dict[str, Any]]:
    """Weight decay for kernels only."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]


def _note(log: Path, **values: float) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({key: round(value, 5) for key, value in values.items()}) + "\n")


def _line(values: dict[str, float]) -> str:
    return " ".join(f"{key} {value:.4f}" for key, value in values.items())


@torch.no_grad()  # type: ignore[untyped-decorator]
def measure(network: FaceNetwork, photographs: Sequence[Photograph]) -> Matched:
    """The network on photographs kept back, scaled to a longer side of 640; faces count from 12 px there."""
    network.eval()
    found = []
    for one in photographs:
        scale = MEASURED_SIZE / max(one.picture.shape[:2])
        size = [round(length * scale) for length in one.picture.shape[1::-1]]
        picture = np.zeros((-(-size[1] // 32) * 32, -(-size[0] // 32) * 32, 3), np.float32)
        picture[: size[1], : size[0]] = cv2.resize(one.picture, size)  # type: ignore[call-overload]
        centres, strides = cells(*picture.shape[:2])
        values = flat(network(torch.from_numpy(picture.transpose(2, 0, 1))[None]))[0]
        scores = values[:, 0].sigmoid().numpy()
        order = np.argsort(-scores)[:1000]
        order = order[scores[order] > 0.02]
        boxes = boxes_of(values, centres, strides).numpy()[order]
        keep = suppress(boxes, 0.4)
        faces = one.boxes * scale
        wanted = one.wanted & (faces[:, 3] - faces[:, 1] >= 12)
        found.append((boxes[keep], scores[order][keep], faces, wanted))
    return gather(found)


def figures(matched: Matched) -> dict[str, float]:
    """Average precision, and recall at 0.1 false boxes a picture."""
    return {"ap50": average_precision(matched), "recall": recall_at(matched, score_at(matched))[0]}
