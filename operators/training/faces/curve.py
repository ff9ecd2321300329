"""The log of a training as a picture (SVG): loss by its parts, and AP50 and recall on the photographs kept back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 720, 300, 44
COLOURS = {"score": "#777", "box": "#b50", "points": "#38c", "ap50": "#080", "recall": "#a0a"}
Point = tuple[float, float]


def draw(log: Path, out: Path) -> None:
    """Write `out`: minutes to the right, values upwards from 0 to 1."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    longest = max(line["seconds"] for line in lines) / 60
    parts = [_axes(longest)]
    for row, (name, colour) in enumerate(COLOURS.items()):
        values = [(line["seconds"] / 60 / longest, min(line[name], 1.0)) for line in lines if name in line]
        parts.append(_curve(values, colour, name in ("ap50", "recall")))
        parts.append(_text(WIDTH - 90, MARGIN + 16 * row, name, colour))
    body = "\n".join(parts)
    out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n', encoding="utf-8",
    )  # fmt: skip


def _place(point: Point) -> str:
    x = MARGIN + point[0] * (WIDTH - 2 * MARGIN)
    y = HEIGHT - MARGIN - point[1] * (HEIGHT - 2 * MARGIN)
    return f"{x:.1f},{y:.1f}"


def _curve(values: Sequence[Point], colour: str, dots: bool) -> str:
    places = [_place(value) for value in values]
    marks = [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in (p.split(",") for p in places)]
    line = f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(places)}"/>'
    return line + "".join(marks if dots else [])


def _axes(longest: float) -> str:
    lines = []
    for tick in range(0, 11, 2):
        left, right = _place((0, tick / 10)).split(","), _place((1, tick / 10)).split(",")
        lines.append(f'<line x1="{left[0]}" y1="{left[1]}" x2="{right[0]}" y2="{right[1]}" stroke="#ddd"/>')
        lines.append(_text(MARGIN - 26, float(left[1]) + 4, f"{tick / 10:.1f}", "#333"))
        x = float(_place((tick / 10, 0)).split(",")[0])
        lines.append(_text(x - 8, HEIGHT - MARGIN + 18, f"{longest * tick / 10:.0f}", "#333"))
    lines.append(_text(WIDTH / 2 - 60, HEIGHT - 8, "minutes of training", "#333"))
    return "\n".join(lines)


def _text(x: float, y: float, words: str, colour: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}">{words}</text>'
