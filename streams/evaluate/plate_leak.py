"""`sealframe eval plate-leak`: which plates stay bare, on generated road clips whose truth is known for every pixel.

Drawn cars with drawn plates drive away, come nearer, cross obliquely, hide each other (`streams/demo/roads.py`). Each
clip goes through detection, tracking and mask layout as in the worker. A plate-frame is a plate of at least 8 px height
of which a quarter is in view; it leaks where more than a tenth of what is in view lies outside the masked blocks. The
drawn plates are those of the detector's training: other seeds, the same layouts and fonts. Drawn cars are easier than
real ones, so this measures tracking and masking; what real plates are found, `sealframe eval plates` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from operators.desensitise.policy import Policy
from operators.detect import Finder
from operators.training.plates.glyphs import Glyphs, load
from operators.training.plates.layouts import draw
from streams.demo.roads import Draw, compose_road
from streams.evaluate.leak import LEAK, Leaks, count, masked
from streams.evaluate.report import Figure

MIN_HEIGHT = 8
MAX_LEAK = 0.002
WIDTHS = ((28.0, 110.0), (50.0, 160.0), (24.0, 70.0))
SECONDS = 9.0
Tell = Callable[[str], None]


def evaluate(folder: Path, clips: int, finder: Finder, policy: Policy, tell: Tell = lambda _: None) -> list[Figure]:
    """So many clips, each of another seed; files go to `folder` and are removed.

    Raises:
        ConfigError: the fonts of plates aren't installed.

    """
    paint: Draw = partial(_draw, load())
    total, shares = Leaks(), list[float]()
    for seed in range(clips):
        path = folder / f"road-{seed}.mp4"
        truth = compose_road(paint, path, seed=seed, seconds=SECONDS, plate_width=WIDTHS[seed % len(WIDTHS)])
        shown = masked(path, finder, policy)
        total.add(count(truth, shown, MIN_HEIGHT))
        shares += [float(mask.mean()) for _, mask in shown]
        path.unlink()
        tell(f"road {seed}: {total.leaking} of {total.faces} plates leak")
    return figures(total, float(np.mean(shares)))


def _draw(glyphs: Glyphs, rng: np.random.Generator) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], str]:
    return draw(glyphs, rng)


def figures(total: Leaks, share: float) -> list[Figure]:
    """Leak rate with its target, bare plates, passages with any leak, the longest leak, and the `share` masked."""
    plates, runs = total.faces, total.runs
    return [
        Figure("plate_leak_rate", total.rate, "", "<=", MAX_LEAK, plates,
               f"{total.leaking} plate-frames more than {LEAK:.0%} bare"),
        Figure("plate_bare_rate", total.bare / max(plates, 1), "", "<=", None, plates, f"{total.bare} plate-frames"),
        Figure("leaking_passages", total.leaking_runs / max(runs, 1), "", "<=", None, runs,
               f"{total.leaking_runs} of {runs} passages of a car"),
        Figure("longest_plate_leak_ms", total.longest_ms, "ms", "<=", None, runs),
        Figure("masked_share", share, "", "<=", None, 1,
               "of the picture, false plates too: who masks all leaks nothing"),
    ]
