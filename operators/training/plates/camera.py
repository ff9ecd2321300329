"""What a camera makes of a plate: a place in a picture, perspective, light, dirt, blur, noise, few pixels, JPEG.

`photograph` puts a flat plate before a made-up background and cuts it out by its box, as loosely as boxes are drawn.
`spoil` is its second half, for crops of real pictures as well.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def photograph(plate: Rgb, rng: np.random.Generator) -> Rgb:
    """A crop of the plate, 24 to 220 px wide, at the resolution of a camera."""
    height, width = plate.shape[:2]
    plate = covered(dirtied(plate, rng), rng)
    corners = _corners(width, height, rng)
    low, high = corners.min(0), corners.max(0)
    size = high - low
    pad = rng.uniform(-0.02, 0.09, 4) * (size[0], size[1], size[0], size[1]) * rng.uniform(0, 1.4)
    low, high = low - pad[:2], high + pad[2:]
    across = float(np.exp(rng.uniform(np.log(44), np.log(220))))
    scale = across / (high[0] - low[0])
    down = int(np.clip((high[1] - low[1]) * scale, 12, 140))
    target = ((corners - low) * (across / (high[0] - low[0]), down / (high[1] - low[1]))).astype(np.float32)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    if scale < 0.7:
        plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), 0.35 / scale), np.uint8)
    crop = _background(int(across), down, rng)
    cv2.warpPerspective(
        plate, cv2.getPerspectiveTransform(source, target), (int(across), down), dst=crop,
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT,
    )
    return spoil(crop, rng)


def spoil(crop: Rgb, rng: np.random.Generator, hard: float = 1.0) -> Rgb:
    """Light, blur, noise, fewer pixels, JPEG; `hard` scales how often."""
    if rng.random() < 0.85 * hard:
        crop = lit(crop, rng)
    if rng.random() < 0.3 * hard:
        crop = _shaded(crop, rng)
    if rng.random() < 0.5 * hard:
        crop = blurred(crop, rng)
    if rng.random() < 0.25 * hard:
        crop = _coarse(crop, rng)
    if rng.random() < 0.5 * hard:
        noise = rng.standard_normal(crop.shape, np.float32) * rng.uniform(1, 12)
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5 * hard:
        coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))])[1]
        crop = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return crop


def _corners(width: int, height: int, rng: np.random.Generator) -> Floats:
    """The plate's corners after a turn, a shear and a little perspective, clockwise from the upper left."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - (width / 2, height / 2)
    turn = np.deg2rad(rng.normal(0, 5.0 if rng.random() < 0.7 else 11.0))
    shear = rng.normal(0, 0.12)
    squeeze = rng.uniform(0.6, 1.1)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.array([[squeeze, shear], [0, 1]])
    return np.asarray(corners @ matrix.T + rng.normal(0, 0.035 * height, (4, 2)), np.float32)


def _background(width: int, height: int, rng: np.random.Generator) -> Rgb:
    """Bumper and frame as far as the crop shows them: a smooth ground, edges along it."""
    few = rng.integers(0, 200, (int(rng.integers(2, 5)), int(rng.integers(2, 5)), 1)).astype(np.float32)
    few = np.clip(few * rng.uniform(0.2, 1) + rng.normal(0, 12, (*few.shape[:2], 3)), 0, 255)
    return np.ascontiguousarray(cv2.resize(few.astype(np.float32), (width, height)), np.uint8)


def dirtied(plate: Rgb, rng: np.random.Generator) -> Rgb:
    """Blots of dust and splashes over a fifth of all plates."""
    if rng.random() > 0.2:
        return plate
    height, width = plate.shape[:2]
    grain = rng.random((int(rng.integers(3, 9)), int(rng.integers(6, 24)))).astype(np.float32)
    share = np.clip(cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC) - rng.uniform(0.4, 0.8), 0, 1)
    share = np.minimum(share * rng.uniform(0.8, 2.5), 0.75)[:, :, None]
    tone = np.array([120, 100, 80]) * rng.uniform(0.4, 1.5)
    return np.clip(plate * (1 - share) + tone * share, 0, 255).astype(np.uint8)


def covered(plate: Rgb, rng: np.random.Generator) -> Rgb:
    """A frame along the edge, or something thin across: text stays readable."""
    height, width = plate.shape[:2]
    plate = plate.copy()
    if rng.random() < 0.2:
        tone = [int(one) for one in rng.integers(0, 256, 3)] if rng.random() < 0.4 else [int(rng.integers(0, 90))] * 3
        bar = int(height * rng.uniform(0.03, 0.14 if width < 2.5 * height else 0.07))
        if rng.random() < 0.7:
            plate[:bar] = tone
        if rng.random() < 0.7:
            plate[height - bar :] = tone
    if rng.random() < 0.04:
        ends = [(int(rng.uniform(0, width)), int(rng.uniform(0, height))) for _ in range(2)]
        cv2.line(plate, ends[0], ends[1], [int(one) for one in rng.integers(0, 256, 3)], int(rng.integers(1, 4)))
    return plate


def lit(crop: Rgb, rng: np.random.Generator) -> Rgb:
    """Contrast, brightness, saturation, tint, gamma; one in seven at night, one in ten washed out."""
    kind = rng.random()
    gain = rng.uniform(0.12, 0.4) if kind < 0.14 else rng.uniform(0.55, 1.35)
    shift = rng.uniform(-20, 20) * min(gain, 1) + (rng.uniform(60, 150) * (1 - gain) if 0.14 <= kind < 0.24 else 0)
    saturation = 0.0 if rng.random() < 0.12 else rng.uniform(0.3, 1.4)
    grey = np.full((3, 3), 1 / 3) * (1 - saturation)
    colour = (grey + np.eye(3) * saturation) * gain * rng.uniform(0.85, 1.15, 3)[:, None]
    made = cv2.transform(crop, np.concatenate([colour, np.full((3, 1), shift)], 1).astype(np.float32))
    if rng.random() < 0.4:
        table = (np.linspace(0, 1, 256) ** rng.uniform(0.5, 1.9) * 255).astype(np.uint8)
        made = cv2.LUT(made, table)
    return np.asarray(made, np.uint8)


def _shaded(crop: Rgb, rng: np.random.Generator) -> Rgb:
    """A shadow's edge, or a light's glare, across the plate."""
    height, width = crop.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        far = (x / width - rng.uniform(0.2, 0.8)) * np.cos(angle) + (y / height - rng.uniform(0.2, 0.8)) * np.sin(angle)
        gain = 1 - rng.uniform(0.2, 0.65) / (1 + np.exp(-far * rng.uniform(5, 60)))
        return np.clip(crop * gain[:, :, None], 0, 255).astype(np.uint8)
    far = ((x / width - rng.uniform()) / 0.3) ** 2 + ((y / height - rng.uniform()) / 0.5) ** 2
    return np.clip(crop + (rng.uniform(30, 130) * np.exp(-far))[:, :, None], 0, 255).astype(np.uint8)


def blurred(crop: Rgb, rng: np.random.Generator) -> Rgb:
    """Out of focus, or moved; by a share of the crop's width."""
    unit = crop.shape[1] / 96
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), max(0.3, rng.uniform(0.3, 1.3) * unit)), np.uint8)
    length = max(2, int(rng.uniform(2, 6) * unit))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), (length - 1) / 2
    ends = [round(middle + sign * middle * part) for sign in (-1, 1) for part in (np.cos(angle), np.sin(angle))]
    cv2.line(kernel, (ends[0], ends[1]), (ends[2], ends[3]), (1.0,))
    return np.asarray(cv2.filter2D(crop, -1, kernel / kernel.sum()), np.uint8)


def _coarse(crop: Rgb, rng: np.random.Generator) -> Rgb:
    """Fewer pixels, then as many as before, as videos and enlargements have it; never under 40 px wide."""
    height, width = crop.shape[:2]
    share = max(rng.uniform(0.3, 0.9), 44 / width)
    if share >= 1:
        return crop
    few = cv2.resize(crop, (int(width * share), max(10, int(height * share))), interpolation=cv2.INTER_AREA)
    way = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(few, (width, height), interpolation=way), np.uint8)
