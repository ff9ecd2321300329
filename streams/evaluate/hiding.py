"""`sealframe eval hiding`: what is hidden in desensitised pictures, and what comes back after each passage.

Of each clip one group of frames, found and painted as file mode does, filled to its last byte with drawn bits. PSNR is
against the same desensitised pictures without hidden bits, over all samples of the three planes; luma alone beside it.
Bit errors are after correction: all bits of a group that doesn't come back whole count. Pictures of faces go the real
way: sealed, hidden, coded as `sealframe hide` does, opened again, and compared by the default embedder with the face of
the same frame at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from operators import pixels
from operators.desensitise.carry import carrying
from operators.detect.picture import crop_rgb, rgb_of
from operators.embed import SAME, FaceEmbedder, align
from operators.hiding.carrier import DENSE, STURDY, Carrier, known_bits, pilots, put, turns
from operators.hiding.faces import FORMAT, SIDE, pictures_of
from operators.hiding.marks import mark
from operators.hiding.payload import capacity
from operators.hiding.recover import recover
from operators.pipeline import Pipeline
from operators.seal import Identity, unseal
from schemas.codec import decode as decode_record
from schemas.errors import DamagedEnvelope
from schemas.frames import Planes, VideoFormat
from schemas.records import Envelope, HiddenPictures
from streams.authority.faces import Faces
from streams.evaluate.files import first_chunks
from streams.evaluate.passages import PASSAGES, Coded
from streams.evaluate.report import Figure
from streams.hide import HideTotals, Seen, aad, sealed_pictures, seen_frames

PSNR_DB, BPP = 38.0, 0.02
PUBLISHED = {DENSE.name: 18.0, STURDY.name: 23.0}
LOOKS, LARGE_ENOUGH = 6, 40.0
CURVE_PLACES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))
CURVE_COUNTS, CURVE_CRFS, CURVE_STEP = (1, 2, 3, 5, 8), (18, 20, 23, 28), 105.5
Tell = Callable[[str], None]


@dataclass(slots=True)
class Totals:
    """Of one carrier, over clips."""

    psnr: list[float] = field(default_factory=list)
    luma: list[float] = field(default_factory=list)
    bpp: list[float] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    bits: int = 0
    larger: list[float] = field(default_factory=list)
    face_frames: int = 0
    covered: int = 0
    looked: int = 0
    matched: int = 0


def evaluate(
    clips: Iterable[Path], frames: int, make: Callable[[], Pipeline], faces: Faces, embedder: FaceEmbedder,
    tell: Tell = lambda _: None,
) -> list[Figure]:
    """The first group of so many frames of every clip, by both carriers."""
    totals = {carrier.name: Totals() for carrier in (DENSE, STURDY)}
    for path in clips:
        seen, format = group_of(path, frames, make())
        for carrier in (DENSE, STURDY):
            total = totals[carrier.name]
            lost = passed(seen, format, carrier, total)
            faces_back(seen, format, carrier, faces, embedder, total)
            tell(f"{path.name}, {carrier.name}: {total.psnr[-1]:.2f} dB, lost after {', '.join(lost) or 'nothing'}")
    return [*_figures(totals[DENSE.name], "", targets=True), *_figures(totals[STURDY.name], "sturdy_", targets=False)]


def group_of(path: Path, frames: int, pipeline: Pipeline) -> tuple[list[Seen], VideoFormat]:
    """The first frames of a clip, before and after they are painted."""
    chunks = first_chunks(path, frames)
    seen = [one for _, part in seen_frames(pipeline, iter(chunks)) for one in part]
    return seen[:frames], chunks[0].format


def passed(seen: Sequence[Seen], format: VideoFormat, carrier: Carrier, total: Totals) -> list[str]:
    """Fill a group with bits, send it through every passage; returns those after which it doesn't come back."""
    plain = [one.shown.planes for one in seen]
    payload = np.random.default_rng(0).bytes(capacity(format.width, format.height, len(seen), carrier))
    full = [one.planes for one in carrying([one.shown for one in seen], format, payload, carrier)]
    total.psnr.append(float(np.mean([pixels.psnr(a, b) for a, b in zip(plain, full, strict=True)])))
    total.luma.append(float(np.mean([cv2.PSNR(a.y, b.y) for a, b in zip(plain, full, strict=True)])))
    total.bpp.append(len(payload) * 8 / (format.width * format.height * len(seen)))
    total.bits += len(payload) * 8
    published = Coded(PUBLISHED[carrier.name])(full, format)
    total.larger.append(_size(full, format, carrier) / _size(plain, format, carrier))
    sent = {name: (full, run) for name, run in PASSAGES.items()}
    sent |= {f"published_{name}": (published, run) for name, run in PASSAGES.items() if not isinstance(run, Coded)}
    lost = []
    for name, (pictures, run) in sent.items():
        total.lost.setdefault(name, 0)
        if not _whole(run(pictures, format), format, carrier, payload):
            total.lost[name] += len(payload) * 8
            lost.append(name)
    return lost


def faces_back(
    seen: Sequence[Seen], format: VideoFormat, carrier: Carrier, faces: Faces, embedder: FaceEmbedder, total: Totals
) -> None:
    """Hide small pictures of the group's faces as `sealframe hide` does, open them, and compare."""
    with_faces = {index for index, one in enumerate(seen) if one.regions}
    if not with_faces:
        return
    identity = Identity.create()
    room = capacity(format.width, format.height, len(seen), carrier)
    payload = sealed_pictures(0, list(seen), identity.public, room, HideTotals())
    total.face_frames += len(with_faces)
    if not payload:
        return
    carried = [one.planes for one in carrying([one.shown for one in seen], format, payload, carrier)]
    try:
        back, _ = recover(Coded(PUBLISHED[carrier.name])(carried, format), format, carrier)
    except DamagedEnvelope:
        return
    hidden = decode_record(HiddenPictures, unseal(decode_record(Envelope, back), [identity], aad(0)))
    total.covered += len({index for track in hidden.tracks for index in track.frames} & with_faces)
    for track in hidden.tracks:
        pictures = dict(zip(track.frames, pictures_of(track), strict=True))
        for index in track.frames[:: max(1, len(track.frames) // LOOKS)]:
            region = next(one for one in seen[index].regions if one.track == track.track)
            box = region.box
            if min(box[2] - box[0], box[3] - box[1]) < LARGE_ENOUGH or region.source != "detected":
                continue
            likeness = _likeness(seen[index].raw.planes, box, pictures[index], format, faces, embedder)
            total.looked += likeness is not None
            total.matched += (likeness or 0) >= SAME


def curve(
    clips: Iterable[Path], frames: int, make: Callable[[], Pipeline], tell: Tell = lambda _: None
) -> list[Figure]:
    """Bits a pixel that n places a block hold behind each CRF, at the PSNR of the carriers: mean mutual information.

    Beside it the bits a pixel that x264 spends on the whole video with nothing hidden in it.
    """
    held: dict[tuple[int, float], list[float]] = {}
    spent: dict[float, list[float]] = {}
    for path in clips:
        seen, format = group_of(path, frames, make())
        plain = [one.shown.planes for one in seen]
        for crf in CURVE_CRFS:
            bits = 8 * sum(len(unit.data) for unit in Coded(crf).units(plain, format))
            spent.setdefault(crf, []).append(bits / (format.width * format.height * len(plain)))
        for count in CURVE_COUNTS:
            carrier = Carrier("curve", CURVE_PLACES[:count], CURVE_STEP / count**0.5, 0)
            for crf in CURVE_CRFS:
                held.setdefault((count, crf), []).append(_held(plain, format, carrier, crf))
        tell(path.name)
    whole = [
        Figure(f"whole_video_crf{crf:g}", float(np.mean(values)), "bits a pixel", n=len(values),
               note=f"nothing hidden; {min(values):.4f} to {max(values):.4f}")
        for crf, values in spent.items()
    ]
    return whole + [
        Figure(f"curve_{count}_places_crf{crf:g}", float(np.mean(values)), "bits a pixel", n=len(values),
               note=f"{min(values):.4f} to {max(values):.4f}")
        for (count, crf), values in held.items()
    ]


def _held(plain: Sequence[Planes], format: VideoFormat, carrier: Carrier, crf: float) -> float:
    shape = format.height // 8, format.width // 8, len(carrier.places)
    free = ~pilots(shape)
    sent = [
        Planes(put(mark(one.y), known_bits(shape, number)[free], carrier, number), one.u, one.v)
        for number, one in enumerate(plain)
    ]
    told = 0.0
    for number, planes in enumerate(Coded(crf)(sent, format)):
        right = turns(planes.y, carrier, number) * (1 - 2.0 * known_bits(shape, number))
        share = float(np.clip(right.mean(), 0, 0.98))
        soft = 2 * share * (2 - share**2) / (1 - share**2) * right
        told += max(0.0, 1 - float(np.mean(np.logaddexp(0, -soft))) / float(np.log(2)))
    return told / len(plain) * len(carrier.places) / 64


def _size(frames: Sequence[Planes], format: VideoFormat, carrier: Carrier) -> int:
    return sum(len(unit.data) for unit in Coded(PUBLISHED[carrier.name]).units(frames, format))


def _whole(pictures: Sequence[Planes], format: VideoFormat, carrier: Carrier, payload: bytes) -> bool:
    try:
        return recover(pictures, format, carrier)[0] == payload
    except DamagedEnvelope:
        return False


def _likeness(
    raw: Planes, box: tuple[float, float, float, float], small: Planes, format: VideoFormat, faces: Faces,
    embedder: FaceEmbedder,
) -> float | None:
    """Cosine of the face at full size and in its small picture; without landmarks None of the full one, 0 of the small.

    The small picture is looked at as the authority would: three times as large, with its border repeated around it.
    """
    rgb, left, top = crop_rgb(raw, format, box, 0.5)
    points = faces.landmarks(rgb, (box[0] - left, box[1] - top, box[2] - left, box[3] - top))
    if points is None:
        return None
    large = cv2.resize(rgb_of(small, FORMAT, SIDE, SIDE), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    around = cv2.copyMakeBorder(large, SIDE, SIDE, SIDE, SIDE, cv2.BORDER_REPLICATE)
    inner = SIDE + 3 * SIDE * 0.1, SIDE + 3 * SIDE * 0.1, SIDE + 3 * SIDE * 0.9, SIDE + 3 * SIDE * 0.9
    found = faces.landmarks(np.asarray(around, np.uint8), inner)
    if found is None:
        return 0.0
    one, two = embedder.embed(np.stack([align(rgb, points), align(np.asarray(around, np.uint8), found)]))
    return float(one @ two)


def _figures(total: Totals, prefix: str, *, targets: bool) -> list[Figure]:
    n, zero = len(total.psnr), 0 if targets else None
    figures = [
        Figure(f"{prefix}psnr_db", min(total.psnr), "dB", ">=", PSNR_DB, n, "worst clip, all samples"),
        Figure(f"{prefix}psnr_luma_db", min(total.luma), "dB", n=n, note="worst clip, luma alone"),
        Figure(f"{prefix}capacity_bpp", min(total.bpp), "bits a pixel", ">=", BPP if targets else None, n,
               "net of correction, marks and pilots"),
    ]
    for name, lost in total.lost.items():
        named = targets and name in ("x264_crf28", "blur", "rescale", "analogue_larger", "analogue_smaller")
        figures.append(Figure(f"{prefix}bit_errors_{name}", lost, "bits", "<=", zero if named else None, total.bits,
                              "after correction; n: bits"))
    return figures + [
        Figure(f"{prefix}bits_ratio", float(np.mean(total.larger)), "", n=n,
               note=f"x264 CRF {PUBLISHED['sturdy' if prefix else 'dense']:g}, with hidden bits against without"),
        Figure(f"{prefix}frames_with_a_face", total.covered / max(total.face_frames, 1), "", ">=",
               1 if targets else None, total.face_frames, "of the frames in which one was found"),
        Figure(f"{prefix}faces_match", total.matched / max(total.looked, 1), "", n=total.looked,
               note="64x64 against full size, cosine >= 0.928; boxes from 40 px"),
    ]
