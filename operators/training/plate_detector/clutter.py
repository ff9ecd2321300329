"""What looks like a plate and is none: house fronts, signs, lettering, windows, grilles, stickers, blank panels.

One line of capitals and digits on a ground of a plate's shape is a plate, whatever it hangs on; so signs here have
several lines, small letters, or a shape that no plate has.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from operators.training.plate_detector.place import put, turned
from operators.training.plates.glyphs import Glyphs, words
from operators.training.plates.layouts import SLOGANS, STATES, paste

Rgb = npt.NDArray[np.uint8]
WORDS = (
    "Parking Exit Entrance Open Closed Police taxi School Sale Welcome Hotel bakery Market Fresh coffee Rent Service "
    "Customers only Private Property slow Keep right Stop Garage Bus Station Pharmacy Restaurant Rue Strasse avenue "
    "www. .com info@ Tel. 24h Free Delivery Driving Fire Truck Move Power Turbo Diesel Hybrid quattro GTI"
).split()

HOUSES = 0.35
SMALL = "abcdefghijklmnoprstuvwxyz0123456789 -/"


def clutter(picture: Rgb, glyphs: Glyphs, rng: np.random.Generator) -> None:
    """Paint a house front now and then, and up to four smaller things into the picture."""
    if rng.random() < HOUSES:
        house, (height, width) = _house(rng), picture.shape[:2]
        corners = turned(house.shape[1] / house.shape[0], rng)
        corners = corners * np.float32(width * rng.uniform(0.4, 1.6) / np.ptp(corners[:, 0]))
        put(picture, house, corners + (rng.uniform(0, 1, 2) * (width, height)).astype(np.float32))
    for _ in range(int(rng.integers(0, 5))):
        made = (_sign, _sign, _lettering, _window, _grille, _panel)[int(rng.integers(6))](glyphs, rng)
        flat, share = made
        corners = turned(flat.shape[1] / flat.shape[0], rng)
        height, width = picture.shape[:2]
        size = float(np.exp(rng.uniform(np.log(20), np.log(0.6 * width))))
        corners = corners * np.float32(size / np.ptp(corners[:, 0]))
        where = rng.uniform(0, 1, 2) * (width, height)
        put(picture, flat, corners + where.astype(np.float32), share)


Made = tuple[Rgb, npt.NDArray[np.float32] | None]


def _tone(rng: np.random.Generator) -> tuple[int, ...]:
    """White, grey, yellow or any colour."""
    kind = rng.random()
    if kind < 0.35:
        return (int(rng.integers(190, 256)),) * 3
    if kind < 0.45:
        return 235, 200, 50
    if kind < 0.55:
        return (int(rng.integers(10, 110)),) * 3
    return tuple(int(one) for one in rng.integers(0, 256, 3))


def _text(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.5:
        return " ".join(str(one) for one in rng.choice(WORDS, int(rng.integers(1, 4))))
    if kind < 0.75:
        return str(rng.choice(SLOGANS if kind < 0.65 else STATES)).lower()
    return "".join(str(one) for one in rng.choice(list(SMALL), int(rng.integers(4, 16))))


def _clock(rng: np.random.Generator) -> str:
    """The time as cameras write it into their pictures."""
    day = f"{rng.integers(2008, 2030)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    hour = f"{rng.integers(24):02d}:{rng.integers(60):02d}:{rng.integers(60):02d}"
    return f"{day} {hour}" if rng.random() < 0.6 else day if rng.random() < 0.5 else hour


def _sign(glyphs: Glyphs, rng: np.random.Generator) -> Made:
    """A board with two to six lines."""
    height, width = 90, int(rng.uniform(50, 320))
    ground = _tone(rng)
    board = np.full((height, width, 3), ground, np.uint8)
    ink = (15, 15, 20) if sum(ground) > 330 else (240, 240, 235)
    if rng.random() < 0.3:
        ink = _tone(rng)  # type: ignore[assignment]
    lines = int(rng.integers(2, 7))
    for line in range(lines):
        mask = words(glyphs, _text(rng), rng)
        tall = int(height / lines * rng.uniform(0.45, 0.85))
        wide = int(min(width * rng.uniform(0.4, 0.95), mask.shape[1] * tall / mask.shape[0] * 1.3))
        if wide > 3 and tall > 3:
            small = cv2.resize(mask, (wide, tall), interpolation=cv2.INTER_AREA)
            paste(board, small, int((width - wide) * rng.uniform(0.1, 0.9)), int(height / lines * (line + 0.1)), ink)
    if rng.random() < 0.4:
        cv2.rectangle(board, (2, 2), (width - 3, height - 3), ink, 2)
    return board, None


def _lettering(glyphs: Glyphs, rng: np.random.Generator) -> Made:
    """Letters without a ground of their own, as on vans, shops and boots."""
    kind = rng.random()
    text = _text(rng) if kind < 0.4 else _text(rng).upper() if kind < 0.75 else _clock(rng)
    mask = words(glyphs, text, rng)
    flat: Rgb = np.empty((*mask.shape, 3), np.uint8)
    flat[:] = _tone(rng)
    return flat, np.asarray(mask / 255, np.float32)


def _window(glyphs: Glyphs, rng: np.random.Generator) -> Made:
    """Panes in a frame."""
    height, width = int(rng.uniform(40, 120)), int(rng.uniform(50, 240))
    pane = np.full((height, width, 3), _tone(rng), np.uint8)
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 7))
    gap = int(rng.integers(2, 7))
    for row in range(rows):
        for column in range(columns):
            y, x = row * height // rows, column * width // columns
            tone = np.clip(np.array(_tone(rng)) * rng.uniform(0.1, 0.8), 0, 255)
            pane[y + gap : y + height // rows - gap, x + gap : x + width // columns - gap] = tone
    return pane, None


def _grille(glyphs: Glyphs, rng: np.random.Generator) -> Made:
    """Bars, across or down, as of radiators, fences, stairs, zebra crossings."""
    height, width = int(rng.uniform(24, 80)), int(rng.uniform(50, 260))
    bars = np.full((height, width, 3), _tone(rng), np.uint8)
    pitch, other = int(rng.integers(4, 16)), _tone(rng)
    wide = max(1, int(pitch * rng.uniform(0.2, 0.7)))
    for at in range(0, max(height, width), pitch):
        if rng.random() < 0.5:
            bars[:, at : at + wide] = other
        elif pitch > 7:
            bars[at : at + wide] = other
    return bars, None


def _panel(glyphs: Glyphs, rng: np.random.Generator) -> Made:
    """A blank board, or a round lamp on one."""
    height, width = 40, int(rng.uniform(30, 200))
    board = np.full((height, width, 3), _tone(rng), np.uint8)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            where = int(rng.uniform(0, width)), int(rng.uniform(0, height))
            cv2.circle(board, where, int(rng.uniform(3, 18)), _tone(rng), -1 if rng.random() < 0.6 else 2)
    fade = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.5, 1), width)[None, :, None]
    return np.asarray(board * fade, np.uint8), None


def _house(rng: np.random.Generator) -> Rgb:
    """Rows of windows in a wall, half of the time with a shop's board or a road along the bottom."""
    height, width = int(rng.uniform(120, 300)), int(rng.uniform(140, 420))
    front = np.full((height, width, 3), _tone(rng), np.uint8)
    front[:] = np.clip(front + rng.normal(0, rng.uniform(0, 14), front.shape), 0, 255)
    rows, columns = int(rng.integers(2, 8)), int(rng.integers(2, 12))
    tall, wide = height / rows, width / columns
    share_y, share_x, tone = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), np.array(_tone(rng))
    for row in range(rows):
        for column in range(columns):
            y, x = int((row + 0.5 - share_y / 2) * tall), int((column + 0.5 - share_x / 2) * wide)
            pane = np.clip(tone * rng.uniform(0.3, 1.1), 0, 255)
            front[y : y + int(share_y * tall), x : x + int(share_x * wide)] = pane
    if rng.random() < 0.5:
        front[int(height * rng.uniform(0.75, 0.95)) :] = _tone(rng)
    return front
