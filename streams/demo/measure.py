"""What the demo counts, against the originals that were pushed and the truth of the generated video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.keys import KeyStore
from infra.postgres import Database
from operators import pixels
from operators.codec import decode, decode_units, encode
from operators.fragment import parse_fragment
from operators.masks import unpack_masks
from operators.pieces import block_mask, canvases
from operators.restore import restore_frames
from schemas.frames import BLOCK, FrameChunk, Planes
from schemas.records import OperatorChunk, Piece
from streams.authority.reading import EvidenceReader
from streams.demo.compose import Truth
from streams.evaluate.report import Figure
from streams.operating.client import OperatorClient
from streams.verify import Checked

COVERED = 0.9
VISIBLE = 0.5


@dataclass(slots=True)
class Totals:
    """Sums over all chunks of all cameras."""

    frames_in: int = 0
    frames_out: int = 0
    samples: int = 0
    samples_equal: int = 0
    faces: int = 0
    faces_bare: int = 0
    original_bytes: int = 0
    public_bytes: int = 0
    unmasked_bytes: int = 0
    evidence_bytes: int = 0
    inside: tuple[int, int] = (0, 0)
    outside: tuple[int, int] = (0, 0)
    outside_unmasked: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """One chunk as everybody has it: original, desensitised, restored for all tracks; and what the operator signed."""

    chunk: FrameChunk
    body: OperatorChunk
    original: list[Planes]
    public: list[Planes]
    restored: list[Planes]
    pieces: tuple[Piece, ...]


def chunks(
    originals: Sequence[FrameChunk], records: Sequence[Checked], operator: OperatorClient, reader: EvidenceReader,
    database: Database,
) -> Iterator[Seen]:
    """Every chunk of a video, fetched from the platforms and restored."""
    origin = originals[0].pts[0]
    bodies = {r.body.chunk.chunk_seq: r.body.chunk for r in records if r.body.chunk}
    for chunk in originals:
        body = bodies[chunk.chunk_seq]
        units, _ = parse_fragment(operator.chunk(chunk.video_id, chunk.chunk_seq).media, chunk.format, origin)
        public = decode_units(units, "h264", chunk.format.width, chunk.format.height)
        pieces: tuple[Piece, ...] = ()
        if body.masks:
            with database.connection() as db:
                pieces = reader.chunk(db, chunk.video_id, chunk.chunk_seq).pieces
        restored = restore_frames(body, chunk.format, public, pieces)
        yield Seen(chunk, body, [f.planes for f in decode(chunk).frames], public, restored, pieces)


def add(totals: Totals, seen: Seen, truth: Truth | None, crf: int, preset: str) -> None:
    """Count one chunk, also against encoding it unmasked and against the truth."""
    add_restored(totals, seen)
    chunk, body = seen.chunk, seen.body
    units = encode(seen.original, chunk.pts, chunk.format, crf=crf, preset=preset)
    totals.unmasked_bytes += body.media_bytes if body.passed else sum(len(unit.data) for unit in units)
    unmasked = decode_units(units, "h264", chunk.format.width, chunk.format.height)
    masks = unpack_masks(body.masks, len(seen.public), chunk.format)
    for i, mask in enumerate(masks):
        inside, outside = pixels.sample_masks(mask, chunk.format), pixels.sample_masks(~mask, chunk.format)
        if not body.passed:
            totals.outside = _sum(totals.outside, seen.public[i], seen.original[i], outside)
            totals.outside_unmasked = _sum(totals.outside_unmasked, unmasked[i], seen.original[i], outside)
        if truth is not None:
            _count_faces(totals, truth, chunk.first_frame + i, inside[0])


def add_restored(totals: Totals, seen: Seen) -> None:
    """Count one chunk: frames, bytes, restored blocks against the original and against the sealed pieces."""
    totals.frames_in += len(seen.chunk.units)
    totals.frames_out += len(seen.public)
    totals.original_bytes += sum(len(unit.data) for unit in seen.chunk.units)
    totals.public_bytes += seen.body.media_bytes
    masks = unpack_masks(seen.body.masks, len(seen.public), seen.chunk.format) if seen.body.masks else ()
    for i, mask in enumerate(masks):
        inside = pixels.sample_masks(mask, seen.chunk.format)
        totals.inside = _sum(totals.inside, seen.restored[i], seen.original[i], inside)
    compare_pieces(totals, seen.pieces, seen.restored, seen.chunk.first_frame)


def compare_pieces(
    totals: Totals, pieces: Sequence[Piece], frames: Sequence[Planes], first_frame: int
) -> None:
    """Count a chunk's restored samples against those that its sealed pieces hold, inside the picture."""
    for piece in pieces:
        for place, canvas in zip(piece.frames, canvases(piece), strict=True):
            restored = frames[place.frame_no - first_frame]
            mask = block_mask(place, piece)
            for size, to, of in zip((BLOCK, BLOCK // 2, BLOCK // 2), restored.all(), canvas.all(), strict=True):
                part = to[place.row * size :, place.column * size :][: of.shape[0], : of.shape[1]]
                own = np.kron(mask, np.ones((size, size), bool))[: part.shape[0], : part.shape[1]]
                totals.samples += int(own.sum())
                totals.samples_equal += int((part == of[: part.shape[0], : part.shape[1]])[own].sum())


def figures(totals: Totals, found: Mapping[str, Any], seconds: float) -> list[Figure]:
    """The demo's figures, by their fixed ids; `found` is what the search gave (empty: nobody was searched).

    Of a user's own video in which nothing was hidden nothing is restored, so that no target is set for it.
    """
    faces = totals.faces
    loss = 0.0
    if totals.outside[0]:
        loss = pixels.psnr_of(*totals.outside_unmasked) - pixels.psnr_of(*totals.outside)
    inside = pixels.psnr_of(*totals.inside) if totals.inside[1] else float("inf")
    hidden = bool(found) or totals.samples > 0
    result = [
        Figure("frames_in", totals.frames_in, "frames"),
        Figure("frames_out", totals.frames_out, "frames", "==", totals.frames_in),
        Figure("samples_equal", totals.samples_equal / max(totals.samples, 1), "", "==",
               1.0 if hidden else None, totals.samples, "restored samples of pieces against the sealed ones"),
        Figure("psnr_regions_db", inside, "dB", ">=", 45.0 if hidden else None, totals.inside[1],
               "restored regions against the original"),
        Figure("psnr_outside_loss_db", loss, "dB", "<=", 0.3, note="against encoding the original unmasked"),
    ]
    if found:
        searched = found["persons_searched"]
        result += [
            Figure("persons", found["persons"], "persons", n=found["persons"], note="different people in the videos"),
            Figure("rank1", found["rank1"], "persons", "==", searched, searched,
                   "searched by other photographs or moments, right subject first"),
            Figure("strangers_matched", found["strangers_matched"], "persons", "==", 0, found["strangers"]),
        ]
    if "rank1_on_case" in found:
        result += [
            Figure("vectors_on_case", found["vectors_left"], "vectors", "==", 0, found["vectors"],
                   "left to search by with index_faces = on_case and no open case; n: with always"),
            Figure("rank1_on_case", found["rank1_on_case"], "persons", "==", found["rank1"], searched,
                   "found by the same photographs once a case was open again"),
        ]
    if faces:
        low, high = _interval(totals.faces_bare, faces)
        result.append(Figure("leak_rate", totals.faces_bare / faces, "", "<=", None, faces,
                             f"faces over half visible, not {COVERED:.0%} masked; 95 %: {low:.4f} to {high:.4f}"))
    return [
        *result,
        Figure("bits_ratio", totals.public_bytes / totals.unmasked_bytes, "", "<=", 1.0,
               note="public against encoding the original unmasked"),
        Figure("evidence_ratio", totals.evidence_bytes / totals.public_bytes, "", note="evidence / public bytes"),
        Figure("transfer_ratio", (totals.public_bytes + totals.evidence_bytes) / totals.original_bytes, "",
               note="both / original (SYS-3)"),
        Figure("seconds", seconds, "s", "<=", 90.0, note="without set-up"),
    ]


def open_reader(authority: str, keystore: Path, secret: Path, folder: Path) -> tuple[EvidenceReader, KeyStore]:
    """The authority's own way to its evidence; close the store when done."""
    store = KeyStore(keystore, secret)
    return EvidenceReader(authority, store, folder), store


def _sum(
    total: tuple[int, int], a: Planes, b: Planes, masks: tuple[pixels.Mask, pixels.Mask]
) -> tuple[int, int]:
    error, count = pixels.squared_error(a, b, masks)
    return total[0] + error, total[1] + count


def _count_faces(totals: Totals, truth: Truth, frame_no: int, masked: pixels.Mask) -> None:
    for face in truth.frames[frame_no] if frame_no < len(truth.frames) else ():
        x1, y1, x2, y2 = (round(value) for value in face.box)
        if face.visible > VISIBLE and x2 > x1 and y2 > y1:
            totals.faces += 1
            totals.faces_bare += bool(masked[y1:y2, x1:x2].mean() < COVERED)


def _interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval at 95 % (Wilson 1927)."""
    z, p = 1.96, hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * ((p * (1 - p) / count + z * z / (4 * count * count)) ** 0.5)
    return max(0.0, middle - half), min(1.0, middle + half)
