"""The restored video: blank frames of the video's size, one for each region picture, in the order of time; playable.

Made when it is asked for, out of the evidence, in memory: nothing is written. Beside it goes a list of its pictures:
which image each is from, where the region lies, whose it is and how that is known:

- `detected`: the detector saw it there, on a track of the subject
- `camshift`: it didn't, by motion or because something was in between; CamShift followed the subject to this region
- `track`: only the worker's tracker says so
- `unsure`: CamShift says another subject than the track does, so the picture is nobody's
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from infra.postgres import Database
from operators import pixels
from operators.codec import encode
from operators.detect.picture import rgb_of
from operators.dropouts import Label, Seen, State, label
from operators.fragment import fragment, init_segment
from schemas.errors import MissingEvidence, UsageError
from schemas.frames import Planes, VideoFormat
from schemas.records import MappedRegion
from streams.authority import store
from streams.authority.blank import OpenPiece, blank_frame, open_all
from streams.authority.reading import EvidenceReader, OpenedChunk

RATE = 25
CRF, PRESET = 20.0, "superfast"
GOP = 50
MAX_BYTES = 512 * 2**20
How = Literal["detected", "camshift", "track", "unsure"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of a restored video, by number from 0. `from_ms`: capture time of its chunk's first frame."""

    picture: int
    image_id: str
    from_ms: int
    track: int
    kind: str
    box: tuple[float, ...]
    subject: str | None
    how: How


@dataclass(frozen=True, slots=True)
class RestoredVideo:
    """MP4 and the list of its pictures. `closed`: how many regions have no picture, for it doesn't open any more."""

    video_id: str
    media: bytes = field(repr=False)
    pictures: tuple[Shown, ...]
    closed: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A video's subjects, and the number of each track's."""

    names: tuple[str, ...]
    of: Mapping[int, int]


def restored_video(
    database: Database, reader: EvidenceReader, video_id: str, granted: Sequence[int] | None = None
) -> RestoredVideo:
    """The restored video of what these tracks alone claim (None: everything that opens).

    Raises:
        UsageError: no evidence of this video; or more than 512 MiB would come of it.
        MissingEvidence: its records are older than 0.1 and don't say how large its pictures are.
        IntegrityError: the evidence isn't what was taken in.

    """
    with database.connection() as db:
        seqs, known = list(store.places(db, video_id)), _subjects(db, video_id)
    if not seqs:
        raise UsageError(f"there is no evidence of {video_id}")
    allowed = None if granted is None else frozenset(granted)

    def opened() -> Iterator[OpenedChunk]:
        for seq in seqs:
            with database.connection() as db:
                chunk = reader.chunk(db, video_id, seq, allowed)
            yield chunk

    return compose(video_id, opened(), known)


def compose(video_id: str, chunks: Iterable[OpenedChunk], subjects: Mapping[str, Sequence[int]]) -> RestoredVideo:
    """The restored video of opened chunks in their order; `subjects`: the tracks of each.

    Raises:
        UsageError, MissingEvidence: see `restored_video`.

    """
    known = _Known(tuple(subjects), {track: n for n, tracks in enumerate(subjects.values()) for track in tracks})
    parts: list[bytes] = []
    shown: list[Shown] = []
    state: State = {}
    closed = 0
    for opened in chunks:
        if opened.format is None:
            raise MissingEvidence(f"{video_id}: its evidence doesn't say how large the pictures are")
        format = replace(opened.format, time_base=Fraction(1, RATE))
        if not parts:
            parts.append(init_segment(format))
        pieces = open_all(opened.pieces)
        state, labels = label(state, _seen(opened, pieces, known))
        pictures, listed, missing = _pictures(video_id, opened, pieces, known, _by_region(labels), len(shown))
        parts += _coded(pictures, len(shown), len(parts), format)
        shown += listed
        closed += missing
        if sum(map(len, parts)) > MAX_BYTES:
            raise UsageError(f"the restored video is over {MAX_BYTES >> 20} MiB: ask for one subject")
    return RestoredVideo(video_id, b"".join(parts), tuple(shown), closed)


def _subjects(db: Any, video_id: str) -> dict[str, Sequence[int]]:
    rows = db.execute(
        "SELECT subject_id, tracks FROM subjects WHERE video_id = %s ORDER BY subject_id", (video_id,)
    ).fetchall()
    return dict(rows)


def _seen(opened: OpenedChunk, pieces: Sequence[OpenPiece], known: _Known) -> list[Seen]:
    """The frames of a chunk as CamShift takes them, all regions in one blank picture."""
    regions = _by_frame(opened)
    found = []
    for frame_no in sorted(regions):
        built = blank_frame(pieces, frame_no, opened.format)
        if built is None:
            continue
        picture, blocks, video = built
        here = [(track, _box(region)) for track, _, region in regions[frame_no] if region.source == "detected"]
        detected = {known.of[track]: box for track, box in here if track in known.of}
        lost = tuple(_box(region) for _, _, region in regions[frame_no] if region.source != "detected")
        rgb = rgb_of(picture, video, video.width, video.height)
        found.append(Seen(frame_no, rgb, pixels.sample_masks(blocks, video)[0], detected, lost))
    return found


def _pictures(
    video_id: str, opened: OpenedChunk, pieces: Sequence[OpenPiece], known: _Known,
    labels: Mapping[tuple[int, tuple[float, ...]], int], first: int,
) -> tuple[list[Planes], list[Shown], int]:
    """A blank picture for each region, in the order of frames and tracks, their list, and how many don't open."""
    pictures: list[Planes] = []
    listed: list[Shown] = []
    closed = 0
    for frame_no, regions in sorted(_by_frame(opened).items()):
        for track, kind, region in regions:
            own = [(piece, planes) for piece, planes in pieces if track in piece.tracks]
            built = blank_frame(own, frame_no, opened.format)
            if built is None:
                closed += 1
                continue
            pictures.append(built[0])
            subject, how = _whose(known.of.get(track), labels.get((frame_no, _box(region))), region)
            listed.append(Shown(
                first + len(listed), f"{video_id}/{frame_no}", opened.capture_ms, track, kind, region.box,
                None if subject is None else known.names[subject], how,
            ))
    return pictures, listed, closed


def _whose(own: int | None, followed: int | None, region: MappedRegion) -> tuple[int | None, How]:
    if region.source == "detected":
        return own, "detected"
    if followed is None:
        return own, "track"
    return (followed, "camshift") if own in (None, followed) else (None, "unsure")


def _coded(pictures: Sequence[Planes], first: int, parts: int, format: VideoFormat) -> list[bytes]:
    """Fragments of at most `GOP` pictures, numbered on."""
    coded: list[bytes] = []
    for at in range(0, len(pictures), GOP):
        some = pictures[at : at + GOP]
        times = range(first + at, first + at + len(some))
        units = encode(some, times, format, crf=CRF, preset=PRESET)
        coded.append(fragment(units, times.stop, parts + len(coded), format))
    return coded


def _by_frame(opened: OpenedChunk) -> dict[int, list[tuple[int, str, MappedRegion]]]:
    found: dict[int, list[tuple[int, str, MappedRegion]]] = {}
    for mapping in sorted(opened.mappings, key=lambda one: one.track):
        for region in mapping.regions:
            if len(region.box) == 4 and np.isfinite(region.box).all():
                found.setdefault(region.frame_no, []).append((mapping.track, mapping.kind, region))
    return found


def _by_region(labels: Sequence[Sequence[Label]]) -> dict[tuple[int, tuple[float, ...]], int]:
    return {(one.frame_no, one.box): one.subject for some in labels for one in some if one.source == "camshift"}


def _box(region: MappedRegion) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = region.box
    return x1, y1, x2, y2
