"""Which cells shall find which face, and how wrong they are.

Assignment: Ge et al., "YOLOX" (2021), 2.4 (SimOTA): each face takes as many cells as its ten best IoUs add up to,
those with the least cost of score and IoU, among the cells near its centre.
Score loss: Li et al., "Generalized Focal Loss" (2020), quality focal loss: a taken cell shall say its IoU; times the
teacher's score, where the face is one that a teacher found.
Box loss: Zhang et al., "Focal and Efficient IOU Loss" (2021), EIoU. Points: smooth L1 in shares of the face's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from operators.training.faces.network import boxes_of

RADIUS = 1.5
BEST = 10
IOU_COST = 3.0
OUTSIDE_COST = 1e5
BOX_WEIGHT, POINTS_WEIGHT = 2.0, 1.0
POINTS_KNEE = 0.05
BELIEF = 1.15
"""A sure teacher says 0.8 to 0.9 where a network of this loss says how well its box fits."""
TINY = 1e-7


@dataclass(frozen=True)
class Faces:
    """What one picture holds: boxes (n, 4) xyxy in pixels, those to find, and those that count neither way.

    `points` (n, 5, 2), or as many as the network says, belong to the boxes to find; NaN where they aren't known.
    `scores` (n,): how sure a teacher is of each box that it found; None: people labelled them.
    """

    boxes: Tensor
    points: Tensor
    ignored: Tensor
    scores: Tensor | None = None


def iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of pairs, broadcast: (..., 4), (..., 4) -> (...)."""
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    shared = sides.prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).clamp(min=0).prod(-1) for x in (a, b)]
    return shared / (areas[0] + areas[1] - shared + TINY)


def assign(scores: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Taken cells and the face that takes each: logits (n,), boxes (n, 4), faces (m, 4) -> indices (k,), (k,)."""
    if not len(faces):
        nothing = torch.zeros(0, dtype=torch.long)
        return nothing, nothing
    inside = ((centres[None] > faces[:, None, :2]) & (centres[None] < faces[:, None, 2:])).all(-1)
    middles = (faces[:, :2] + faces[:, 2:]) / 2
    near = ((centres[None] - middles[:, None]).abs() < RADIUS * strides[None, :, None]).all(-1)
    chosen = (inside | near).any(0).nonzero()[:, 0]
    overlap = iou(boxes[None, chosen], faces[:, None])
    cost = functional.softplus(-scores[chosen])[None] - IOU_COST * (overlap + 1e-6).log()
    cost = cost + OUTSIDE_COST * ~(inside & near)[:, chosen]
    counts = overlap.topk(min(BEST, len(chosen)), 1).values.sum(1).clamp(min=1).long()
    rank = cost.argsort(1).argsort(1)
    wanted = torch.where(rank < counts[:, None], cost, torch.inf)
    least, face = wanted.min(0)
    taken = least.isfinite()
    return chosen[taken], face[taken]


def eiou(boxes: Tensor, faces: Tensor) -> Tensor:
    """1 - IoU, plus the squared distances of centres and of sides in shares of the hull: (n, 4), (n, 4) -> (n,)."""
    hull = torch.maximum(boxes[:, 2:], faces[:, 2:]) - torch.minimum(boxes[:, :2], faces[:, :2])
    centre = (boxes[:, :2] + boxes[:, 2:] - faces[:, :2] - faces[:, 2:]) / 2
    size = boxes[:, 2:] - boxes[:, :2] - faces[:, 2:] + faces[:, :2]
    apart = centre.square().sum(1) / (hull.square().sum(1) + TINY)
    return 1 - iou(boxes, faces) + apart + (size.square() / (hull.square() + TINY)).sum(1)


def quality_focal(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy towards a quality in 0..1, weighted by the squared error."""
    error = (target - logits.sigmoid()).square()
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none") * error


def ignored_cells(centres: Tensor, strides: Tensor, boxes: Tensor) -> Tensor:
    """Cells whose centre lies in one of the boxes, each grown to at least a stride: (n, 2), (m, 4) -> (n,)."""
    if not len(boxes):
        return torch.zeros(len(centres), dtype=torch.bool)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    reach = torch.maximum(half[None], strides[:, None, None] / 2)
    return ((centres[:, None] - middle[None]).abs() <= reach).all(-1).any(1)


def loss(
    values: Tensor, centres: Tensor, strides: Tensor, batch: list[Faces], points_weight: float = POINTS_WEIGHT
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch, (b, cells, 15), and its parts for the log."""
    boxes = boxes_of(values, centres, strides)
    target, weight = torch.zeros(values.shape[:2]), torch.ones(values.shape[:2])
    rows, wanted, points, sure = [], [], [], []
    with torch.no_grad():
        for index, faces in enumerate(batch):
            cell, face = assign(values[index, :, 0], boxes[index], centres, strides, faces.boxes)
            weight[index, ignored_cells(centres, strides, faces.ignored)] = 0
            weight[index, cell] = 1
            overlap = iou(boxes[index, cell], faces.boxes[face])
            believed = torch.ones_like(overlap) if faces.scores is None else faces.scores[face]
            target[index, cell] = overlap if faces.scores is None else (BELIEF * believed * overlap).clamp(max=1)
            sure.append(believed)
            rows.append(torch.stack([torch.full_like(cell, index), cell], 1))
            wanted.append(faces.boxes[face])
            points.append(faces.points[face])
    taken, face_boxes, face_points = torch.cat(rows), torch.cat(wanted), torch.cat(points)
    trust = torch.cat(sure)
    count = trust.sum().clamp(min=1)
    of_score = (quality_focal(values[..., 0], target) * weight).sum() / count
    of_box = (eiou(boxes[taken[:, 0], taken[:, 1]], face_boxes) * trust).sum() / count
    of_points = _points_loss(values[taken[:, 0], taken[:, 1]], centres, strides, taken[:, 1], face_boxes, face_points)
    total = of_score + BOX_WEIGHT * of_box + points_weight * of_points
    parts = {"score": of_score, "box": of_box, "points": of_points}
    return total, {name: float(part.detach()) for name, part in parts.items()}


def _points_loss(
    values: Tensor, centres: Tensor, strides: Tensor, cell: Tensor, faces: Tensor, points: Tensor
) -> Tensor:
    known = points.flatten(1).isfinite().all(1)
    if not bool(known.any()):
        return values.sum() * 0
    cell = cell[known]
    said = values[known, 5:].reshape(-1, *points.shape[1:]) * strides[cell, None, None] + centres[cell, None]
    size = (faces[known, 2:] - faces[known, :2]).mean(1).clamp(min=1)[:, None, None]
    wrong = (said - points[known]) / size
    total = functional.smooth_l1_loss(wrong, torch.zeros_like(wrong), beta=POINTS_KNEE, reduction="sum")
    return total / wrong.numel()
