"""Plates for tests: drawn ones that the reader reads, filmed ones, and lines of a plate library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from operators.codec import encode
from operators.plates import Reading, Rgb
from schemas.frames import FrameChunk, VideoFormat
from schemas.regions import Region, RegionSet
from streams.authority import plate_index
from tests.support.authority import NOW_MS
from tests.support.pictures import planes_of

FRAMES = 6
WIDTH, HEIGHT = 160, 40
LEAN = 12
"""By how much a filmed plate's right side is lower."""


def drawn(text: str) -> Rgb:
    """A flat plate, 240x60."""
    plate = np.full((60, 240, 3), 235, np.uint8)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.35, 3)
    where = ((240 - width) // 2, 30 + height // 2)
    cv2.putText(plate, text, where, cv2.FONT_HERSHEY_SIMPLEX, 1.35, (20, 20, 25), 3, cv2.LINE_AA)
    return plate


def filmed(
    texts: Sequence[str], video: str, seq: int = 0, *, tracks: Sequence[int] = (), end: bool = True,
    corners: bool = True, scale: float = 1.0,
) -> tuple[FrameChunk, RegionSet]:
    """A chunk in which leaning plates drive by, one above the other, and where they are; tracks from 1 on."""
    tracks = tracks or range(1, len(texts) + 1)
    format, pictures, frames = VideoFormat(320, 96 * max(1, len(texts)), Fraction(1, 25), matrix=6), [], []
    wide, tall, lean = (value * scale for value in (WIDTH, HEIGHT, LEAN))
    for index in range(FRAMES):
        street = np.full((format.height, format.width, 3), 90, np.uint8)
        found = []
        for row, (text, track) in enumerate(zip(texts, tracks, strict=True)):
            left, top = 40 + 4 * index, 96 * row + 20
            quad = np.array([[left, top], [left + wide, top + lean], [left + wide, top + tall + lean],
                             [left, top + tall]], np.float32)
            flat = np.array([[0, 0], [240, 0], [240, 60], [0, 60]], np.float32)
            matrix = cv2.getPerspectiveTransform(flat, quad)
            cv2.warpPerspective(drawn(text), matrix, (format.width, format.height), street, cv2.INTER_AREA,
                                cv2.BORDER_TRANSPARENT)
            landmarks = tuple(float(value) for value in quad.reshape(-1)) if corners else ()
            box = (left, top, left + wide, top + tall + lean)
            found.append(Region(track, "plate", box, 0.9, "detected", landmarks))
        pictures.append(planes_of(street, matrix=6)[0])
        frames.append(tuple(found))
    units = encode(pictures, range(FRAMES), format, crf=14, preset="veryfast")
    units = tuple(replace(unit, pts=unit.pts + FRAMES * seq) for unit in units)
    first, after = FRAMES * seq, FRAMES * (seq + 1)
    chunk = FrameChunk("cam", video, seq, first, NOW_MS + 240 * seq, format, "h264", units, after, end)
    return chunk, RegionSet("cam", video, seq, tuple(frames))


def saying(text: str, sure: float | Sequence[float] = 0.95) -> Reading:
    """A reading of this text."""
    characters = (sure,) * len(text) if isinstance(sure, float) else tuple(sure)
    return Reading(text, characters, min(characters))


def seen(
    db: Any, video: str, seq: int, plates: Sequence[tuple[int, Reading | None]], camera: str = "cam",
    span: tuple[int, int] = (0, 5), start_ms: int = NOW_MS,
) -> None:
    """A chunk's evidence of these tracks as it is indexed, without its file; one without a reading is too small."""
    db.execute("INSERT INTO videos VALUES (%s, %s, %s, 0, %s) ON CONFLICT DO NOTHING",
               (video, camera, start_ms, start_ms + 60_000))
    db.execute("INSERT INTO evidence VALUES (%s, %s, '', '', %s, 1, 'day', 'high', 0, 0, 0, %s, %s)",
               (video, seq, seq, start_ms + 1000 * seq, start_ms + 1000 * seq + 1000))
    for track, reading in plates:
        db.execute("INSERT INTO spans VALUES (%s, %s, %s, 'plate', %s, %s, 6)", (video, track, seq, *span))
        said = (reading.text, list(reading.characters), reading.confidence) if reading else (None, None, 0.0)
        db.execute(
            "INSERT INTO track_plates (video_id, track, state, chunk_seq, frame_no, quality, text, characters,"
            " confidence) VALUES (%s, %s, %s, %s, %s, 0.8, %s, %s, %s)",
            (video, track, "read" if reading else "too-small", seq, span[0], *said),
        )
    plate_index.merge(db, video, camera)
    plate_index.cover(db, [video])
