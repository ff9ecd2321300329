"""The account as a page: what was left bare. One HTML file without scripts that holds its pictures itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.records import Rectangle
from streams.spare import SparedTrack

WIDTH = 640
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>What was left bare</title>
<style>body{{font:16px system-ui;margin:2rem;background:#fff;color:#111}}table{{border-collapse:collapse}}
td,th{{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ccc}}code{{font-size:.8em}}</style>
<h1>What was left bare</h1>{parts}</html>
"""


@dataclass(frozen=True, slots=True)
class BareTotal:
    """A never-masked zone over a video: frames in which it was in force, regions that it left bare."""

    zone: Rectangle
    statement: bytes
    frames: int
    regions: int


def picture(zones: Sequence[BareTotal], size: tuple[int, int], *, counts: bool = True) -> str:
    """The zones in the outline of a frame of this width and height, with their counts, as SVG."""
    height = round(WIDTH * size[1] / size[0])
    drawn = "".join(
        _drawn(f"{number}: {one.regions} left bare" if counts else str(number), one.zone, height)
        for number, one in enumerate(zones, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="never-masked zones"><rect width="{WIDTH}" height="{height}" fill="#ddd" '
        f'stroke="#111"/>{drawn}</svg>'
    )


def page(zones: Sequence[BareTotal], size: tuple[int, int], spared: Sequence[SparedTrack] = ()) -> str:
    """The page as HTML: zones drawn, and a still of every track that stays visible by consent."""
    return _PAGE.format(parts=(_zones(zones, size) if zones else "") + (_spared(spared) if spared else ""))


def _zones(zones: Sequence[BareTotal], size: tuple[int, int]) -> str:
    rows = "".join(
        f"<tr><td>{number}</td><td>{_shares(one.zone)}</td><td>{one.frames}</td><td>{one.regions}</td>"
        f"<td><code>{html.escape(one.statement.hex())}</code></td></tr>"
        for number, one in enumerate(zones, 1)
    )
    head = "<tr><th>zone</th><th>left, top, right, bottom</th><th>frames</th><th>left bare</th><th>statement</th></tr>"
    words = "What was found wholly inside these zones wasn't masked, by a statement that two approvers signed."
    return f"<h2>Never-masked zones</h2><p>{words}</p>{picture(zones, size)}<table>{head}{rows}</table>"


def _spared(tracks: Sequence[SparedTrack]) -> str:
    rows = "".join(
        f'<tr><td><img alt="track {one.track.track}" src="data:image/jpeg;base64,'
        f'{base64.b64encode(one.still).decode()}"></td><td>{one.track.track}</td>'
        f"<td>{one.start_s:.1f} to {one.end_s:.1f} s</td><td>{one.track.score:.3f}</td><td>{one.track.looks}</td>"
        f"<td><code>{one.picture.hex()}</code></td></tr>"
        for one in tracks
    )
    head = "<tr><th>still</th><th>track</th><th>visible</th><th>likeness</th><th>looks</th><th>picture</th></tr>"
    words = "These tracks stay visible for pictures of people who consented. Look whether each is who it should be."
    return f"<h2>Spared by consent</h2><p>{words}</p><table>{head}{rows}</table>"


def _drawn(label: str, zone: Rectangle, height: int) -> str:
    x, y = zone.left * WIDTH, zone.top * height
    w, h = zone.right * WIDTH - x, zone.bottom * height - y
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="#fff" stroke="#c00" stroke-width="3"/>'
        f'<text x="{x + 6:.1f}" y="{y + 20:.1f}" font-family="system-ui" font-size="14">{label}</text>'
    )


def _shares(zone: Rectangle) -> str:
    return ", ".join(f"{value:g}" for value in (zone.left, zone.top, zone.right, zone.bottom))
