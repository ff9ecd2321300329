"""`sealframe eval attack-structure`: does what is shown say anything of what is hidden, by structure alone?

A game of two pictures: the attacker sees a masked region, and two bare ones, that which it was made of and another
person's, and says which. Who knows nothing is right half of the time. It is played with what attacks on permutations
and ciphers read:

- `levels`: how alike the histograms of luma are (a permutation of samples keeps them);
- `energies`: how alike the sorted means and deviations of all cells are (a permutation of blocks keeps them);
- `place`: how strongly the samples agree place by place (what averages and weak noise keep);
- `jigsaw`: the cells are put together by how well their edges fit, greedily from the best pair on (after Pomeranz,
  Shemesh, Ben-Shahar, "A fully automated greedy square jigsaw puzzle solver", CVPR 2011); then as `place`, at the best
  of all cyclic shifts.

Beside it the same game on noise: what the method shows of a third person, of the same kind and unrelated. What is won
no more often than that, says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from operators.desensitise.base import Method
from streams.evaluate.attack.attackers import Floats
from streams.evaluate.attack.film import Bare, Camera, Seen, Trying, shipped
from streams.evaluate.attack.people import Album
from streams.evaluate.recognition import Flags
from streams.evaluate.report import Figure

CELLS, CELL = 8, 12
SIDE = CELLS * CELL
SURE = 2.326
"""Deviations of a normal that one in a hundred exceeds."""
Likeness = Callable[[Floats, Floats], float]
"""How alike a shown and a bare region (96, 96) are; larger is more."""


def regions(album: Album, methods: Sequence[Method], height: int, rows: Sequence[int], seed: int) -> list[Floats]:
    """Luma of one masked region a photograph (n, 96, 96) by method."""
    camera, policies = Camera(seed), [Trying({}, custodian=False, tried=method) for method in methods]
    out: list[list[Floats]] = [[] for _ in methods]
    for row in rows:
        shot = camera.still(album.picture(row), album.boxes[row], height)
        for number, seen in enumerate(shipped(shot, policies)):
            out[number].append(_luma(seen[0]))
    return [np.stack(shown) for shown in out]


def _luma(seen: Seen) -> Floats:
    return np.asarray(cv2.resize(seen.region.y.astype(np.float64), (SIDE, SIDE)), np.float64)


def game(shown: Floats, bare: Floats, likeness: Likeness, rng: np.random.Generator) -> Flags:
    """Whether the own region is more alike than the next one's, round by round (n,); equals by chance."""
    own = np.array([likeness(one, mine) for one, mine in zip(shown, bare, strict=True)])
    other = np.array([likeness(one, theirs) for one, theirs in zip(shown, np.roll(bare, 1, 0), strict=True)])
    return np.asarray((own > other) | ((own == other) & (rng.random(len(own)) < 0.5)), bool)


def levels(shown: Floats, bare: Floats) -> float:
    """Minus the distance of sorted samples (earth mover's between the histograms)."""
    return -float(np.abs(np.sort(shown, axis=None) - np.sort(bare, axis=None)).mean())


def energies(shown: Floats, bare: Floats) -> float:
    """Minus the distance of sorted means and sorted deviations of all cells."""
    mine, theirs = cells(shown), cells(bare)
    far = np.abs(np.sort(mine.mean((1, 2))) - np.sort(theirs.mean((1, 2)))).mean()
    return -float(far + np.abs(np.sort(mine.std((1, 2))) - np.sort(theirs.std((1, 2)))).mean())


def place(shown: Floats, bare: Floats) -> float:
    """Correlation of the samples."""
    mine, theirs = shown - shown.mean(), bare - bare.mean()
    return float((mine * theirs).sum() / max(float(np.linalg.norm(mine) * np.linalg.norm(theirs)), 1e-9))


def jigsaw(shown: Floats, bare: Floats) -> float:
    """Correlation of the cells' means once put together, at the best cyclic shift."""
    pieces = cells(shown)
    mine = pieces.mean((1, 2))[solved(pieces)]
    theirs = cells(bare).mean((1, 2)).reshape(CELLS, CELLS)
    mine, theirs = mine - mine.mean(), theirs - theirs.mean()
    spectrum = np.fft.fft2(mine).conj() * np.fft.fft2(theirs)
    return float(np.fft.ifft2(spectrum).real.max() / max(float(np.linalg.norm(mine) * np.linalg.norm(theirs)), 1e-9))


LIKENESSES: dict[str, Likeness] = {"levels": levels, "energies": energies, "place": place, "jigsaw": jigsaw}


def cells(region: Floats) -> Floats:
    """The region's cells (64, 12, 12), row by row."""
    return region.reshape(CELLS, CELL, CELLS, CELL).swapaxes(1, 2).reshape(-1, CELL, CELL)


def solved(pieces: Floats) -> npt.NDArray[np.intp]:
    """Which piece lies where (8, 8): the best pair first, then always the piece and place that fit best."""
    beside, below = _misfits(pieces)
    board = np.full((2 * CELLS + 1, 2 * CELLS + 1), -1, np.intp)
    left = int(np.divmod(beside.argmin(), len(pieces))[0])
    board[CELLS, CELLS] = left
    free = set(range(len(pieces))) - {left}
    while free:
        row, column, piece = _next(board, sorted(free), beside, below)
        board[row, column] = piece
        free.remove(piece)
    rows, columns = np.nonzero(board >= 0)
    top, first = int(rows.min()), int(columns.min())
    return board[top : top + CELLS, first : first + CELLS]


def _misfits(pieces: Floats) -> tuple[Floats, Floats]:
    """How badly piece j lies to the right of piece i, and below it, (64, 64) each; never itself.

    Both edges go on as they slope, and are compared with what is there; then against the best quarter of all
    neighbours, so that flat pieces don't win everywhere (as in the paper).
    """
    out = []
    for side in (pieces, pieces.swapaxes(1, 2)):
        after, before = 2 * side[:, :, -1] - side[:, :, -2], 2 * side[:, :, 0] - side[:, :, 1]
        far = np.abs(after[:, None] - side[None, :, :, 0]).mean(2) + np.abs(side[:, None, :, -1] - before[None]).mean(2)
        np.fill_diagonal(far, np.inf)
        scale = np.sort(far, 1)[:, len(pieces) // 4, None] + np.sort(far, 0)[len(pieces) // 4]
        out.append(far / np.maximum(scale, 1e-9))
    return out[0], out[1]


def _next(board: npt.NDArray[np.intp], free: list[int], beside: Floats, below: Floats) -> tuple[int, int, int]:
    """Row, column and piece that fit best beside what lies already, within 8 rows and 8 columns."""
    rows, columns = np.nonzero(board >= 0)
    low, high = rows.max() - CELLS + 1, rows.min() + CELLS - 1
    first, last = columns.max() - CELLS + 1, columns.min() + CELLS - 1
    around = {(r + dr, c + dc) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
              for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0))}
    best = (np.inf, 0.0, 0, 0, 0)
    for r, c in sorted(around):
        if board[r, c] >= 0 or not (low <= r <= high and first <= c <= last):
            continue
        costs = [
            *([beside[board[r, c - 1]]] if board[r, c - 1] >= 0 else []),
            *([beside[:, board[r, c + 1]]] if board[r, c + 1] >= 0 else []),
            *([below[board[r - 1, c]]] if board[r - 1, c] >= 0 else []),
            *([below[:, board[r + 1, c]]] if board[r + 1, c] >= 0 else []),
        ]
        cost = np.mean(costs, 0)[free]
        at = int(cost.argmin())
        best = min(best, (float(cost[at]), -len(costs), r, c, free[at]))
    return best[2], best[3], best[4]


def evaluate(
    album: Album, methods: Sequence[Method], height: int, rows: Sequence[int], seed: int, tell: Callable[[str], None]
) -> list[Figure]:
    """The game of every likeness on every method and photograph, against the same on noise."""
    rng = np.random.default_rng(seed)
    bare, *shown = regions(album, [Bare(), *methods], height, rows, seed)
    out = []
    for method, own in zip(methods, shown, strict=True):
        for name, likeness in LIKENESSES.items():
            right, chance = (game(one, bare, likeness, rng) for one in (own, np.roll(own, 2, 0)))
            out.append(_figure(f"structure_{name}_{method.name}", right, chance, method.keyed))
            tell(f"{out[-1].id}: {out[-1].note}")
    return out


def _figure(id: str, right: Flags, chance: Flags, keyed: bool) -> Figure:
    """By how much the game is won more often than on noise: the lower end at 99 %, as several games are played.

    Only what claims to be encrypted has a target; averages show what they show.
    """
    apart = right.astype(np.float64) - chance
    error = float(apart.std(ddof=1)) / len(apart) ** 0.5
    note = f"{right.mean():.1%} right, {chance.mean():.1%} on noise: {apart.mean():+.1%} +- {1.96 * error:.1%} (95 %)"
    return Figure(id, float(apart.mean()) - SURE * error, "", "<=", 0.0 if keyed else None, len(apart), note)
