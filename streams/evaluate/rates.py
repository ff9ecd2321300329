"""Measures of coded video over time and over rate: Bjontegaard delta rate, flicker, identity invariance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.errors import UsageError

Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


def bd_rate(reference: Sequence[tuple[float, float]], tested: Sequence[tuple[float, float]]) -> float:
    """How many more bits (share; below 0: fewer) the tested coder needs for the reference's quality.

    Points are (bytes, dB), at least four each, of ascending quality. Bjontegaard, "Calculation of average PSNR
    differences between RD-curves", ITU-T VCEG-M33 (2001): cubics of log rate over quality, integrated where both are.

    Raises:
        UsageError: too few points, or curves that have no quality in common.

    """
    if min(len(reference), len(tested)) < 4:
        raise UsageError("a curve has at least four points")
    curves = [np.array(points, np.float64) for points in (reference, tested)]
    low, high = max(c[:, 1].min() for c in curves), min(c[:, 1].max() for c in curves)
    if high <= low:
        raise UsageError("the curves have no quality in common")
    means = []
    for curve in curves:
        whole = np.polyint(np.polyfit(curve[:, 1], np.log(curve[:, 0]), 3))
        means.append((np.polyval(whole, high) - np.polyval(whole, low)) / (high - low))
    return float(np.exp(means[1] - means[0]) - 1)


def flicker(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8], where: Flags) -> tuple[float, int]:
    """Sum of the luma's absolute changes from one frame to the next in these samples, and how many they are."""
    count = int(where.sum())
    return (float(np.abs(before[where].astype(np.int16) - after[where]).sum()) if count else 0.0), count


def identity_invariance(embeddings: npt.NDArray[np.floating]) -> float:
    """How much the identity that a recogniser sees changes from frame to frame; 0 where it stays the same.

    Mean Euclidean distance between the unit vectors (n, d) of neighbouring frames of one face,
    IdI = 1/(n-1) sum |f(i+1) - f(i)|: the Identity Invariance score's idea of Balaji et al., "Temporally coherent video
    anonymization through GAN inpainting" (2021), which compares neighbouring frames in a recogniser's space.

    Raises:
        UsageError: fewer than two frames.

    """
    if len(embeddings) < 2:
        raise UsageError("a change needs two frames")
    return float(np.linalg.norm(np.diff(embeddings, axis=0), axis=1).mean())
