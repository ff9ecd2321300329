"""`sealframe eval memory`: memory of the worker's process while two 720p cameras run at real time for minutes.

Resident set size (RSS), as the kernel counts it, once a second; generated clips run in loops, each turn a new video.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from streams.evaluate.latency import Timed, film
from streams.evaluate.report import Figure
from streams.evaluate.stage import Meter, worker_mib
from streams.stack import Stack

MAX_MIB = 600.0
MAX_GROWTH_MIB = 30.0
EVERY_SECONDS = 1.0


def evaluate(stack: Stack, clips: Mapping[str, Path], minutes: float) -> list[Figure]:
    """Film for so many minutes, sample all the while."""
    samples: list[float] = []
    lags: list[int] = []

    def sample(timed: Timed, over: threading.Event) -> None:
        used = worker_mib(stack)
        while not over.wait(EVERY_SECONDS):
            samples.append(used())
            lags.append(timed.waiting)

    meter, began = Meter(stack), time.monotonic()
    timed = film(stack, clips, minutes * 60, sample)
    return [*figures(samples, lags, timed, time.monotonic() - began, len(clips)), *meter.figures()]


def figures(
    samples: Sequence[float], lags: Sequence[int], timed: Timed, seconds: float, cameras: int
) -> list[Figure]:
    """Highest value, growth between the second and the last quarter, and whether the worker kept up."""
    quarter, n = max(1, len(samples) // 4), len(samples)
    growth = median(samples[-quarter:]) - median(samples[quarter : 2 * quarter] or samples)
    frames = sum(one.frames for one in timed.pushed)
    return [
        Figure("worker_rss_max_mib", max(samples), "MiB", "<=", MAX_MIB, n, f"{cameras} looping 720p cameras"),
        Figure("worker_rss_median_mib", median(samples), "MiB", "<=", None, n),
        Figure("worker_rss_growth_mib", growth, "MiB", "<=", MAX_GROWTH_MIB, n,
               "median of the last quarter less that of the second"),
        Figure("worker_lag_chunks", median(lags[-quarter:]), "chunks", "<=", 2.0 * cameras, n,
               "sent and not yet seen, median of the last quarter; one a camera is always held"),
        Figure("worker_chunks_unseen", timed.waiting + len(timed.lost), "chunks", "==", 0, len(timed.sent),
               f"when all had its time; {len(timed.lost)} were dropped"),
        Figure("memory_frames", frames, "frames", n=len(timed.sent), note=f"pushed in {seconds:.0f} s"),
    ]
