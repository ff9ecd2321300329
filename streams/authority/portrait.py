"""The picture of a subject's best region, as pages show it: as it was, or so blurred that nobody is known by it.

Opened in memory from what the subject's tracks alone claim: blocks that it shares with others stay blank, whoever asks.
Whether somebody may see it unblurred, the case says, not this module; and whoever shows it logs that.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from infra.postgres import Database
from operators.detect.picture import crop_rgb
from schemas.errors import MissingEvidence, UsageError
from schemas.records import MappedRegion
from streams.authority.blank import blank_frame, open_all
from streams.authority.reading import EvidenceReader, OpenedChunk

SIDE = 192
MARGIN = 0.25
CELLS = 5
"""Cells a side of a blurred portrait: a face of five by five means is known neither to people nor to the embedder."""
QUALITY = 85

Rgb = npt.NDArray[np.uint8]


def portrait(
    database: Database, reader: EvidenceReader, subject_id: str, *, blurred: bool = True, side: int = SIDE
) -> bytes:
    """JPEG of a subject's best region with a quarter of its size around, its longer side `side` pixels.

    `blurred` (the default: unsure means masked): of five cells a side, scaled up. A face's best region is the view of
    highest quality of its best track, a plate's the best glimpse, else the largest region of the first chunk.

    Raises:
        UsageError: no such subject.
        MissingEvidence: its region doesn't open any more: keys destroyed, or nothing that it alone claims.
        IntegrityError: the evidence isn't what was taken in.

    """
    with database.connection() as db:
        video_id, tracks, best, seq, frame = best_region(db, subject_id)
        opened = reader.chunk(db, video_id, seq, frozenset(tracks))
    found = _cropped(opened, best, frame)
    if found is None:
        raise MissingEvidence(f"{subject_id}: its best region doesn't open")
    return _jpeg(_coarse(found) if blurred else found, side)


def best_region(db: Any, subject_id: str) -> tuple[str, tuple[int, ...], int, int, int | None]:
    """Video, tracks, best track, and chunk and frame of a subject's best region; frame None where none was rated.

    Raises:
        UsageError: no such subject.

    """
    row = db.execute(
        "SELECT video_id, tracks, best_track, kind FROM subjects WHERE subject_id = %s", (subject_id,)
    ).fetchone()
    if row is None:
        raise UsageError(f"there is no subject {subject_id}")
    video_id, tracks, best, kind = row
    table = "track_features" if kind == "face" else "track_plates"
    rated = db.execute(
        f"SELECT chunk_seq, frame_no FROM {table} WHERE video_id = %s AND track = %s AND quality > 0"  # noqa: S608
        " ORDER BY quality DESC LIMIT 1", (video_id, best),
    ).fetchone()
    if rated is not None:
        return video_id, tuple(tracks), best, rated[0], rated[1]
    first = db.execute(
        "SELECT min(chunk_seq) FROM spans WHERE video_id = %s AND track = %s", (video_id, best)
    ).fetchone()
    return video_id, tuple(tracks), best, first[0] or 0, None


def _cropped(opened: OpenedChunk, track: int, frame: int | None) -> Rgb | None:
    """The region as RGB; what the opened pieces don't show is black."""
    mapping = next((one for one in opened.mappings if one.track == track), None)
    if mapping is None:
        return None
    regions = [one for one in mapping.regions if len(one.box) == 4 and frame in (None, one.frame_no)]
    if not regions:
        return None
    region = max(regions, key=_area)
    built = blank_frame(open_all(opened.pieces, {region.frame_no}), region.frame_no, opened.format)
    if built is None:
        return None
    picture, _, video = built
    x1, y1, x2, y2 = region.box
    rgb, _, _ = crop_rgb(picture, video, (x1, y1, x2, y2), MARGIN)
    return rgb


def _area(region: MappedRegion) -> float:
    return (region.box[2] - region.box[0]) * (region.box[3] - region.box[1])


def _coarse(rgb: Rgb) -> Rgb:
    """Means of cells, scaled up smoothly: what is lost can't be won back by sharpening."""
    cells = cv2.resize(rgb, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cells, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def _jpeg(rgb: Rgb, side: int) -> bytes:
    scale = side / max(rgb.shape[:2])
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    sized = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(sized[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)
