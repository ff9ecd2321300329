"""`sealframe eval restore`: one subject of a 720p video brought back over the whole stack, timed and compared.

Generated people cross a street, filmed there and back until the time is full; the video goes through broker, worker
and both platforms; then an investigator asks for one subject, as `sealframe restore` does, and the file that comes is
compared with the public video and the sealed samples, sample by sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from infra.tls import signer_at
from operators import pixels
from operators.codec import decode_units
from operators.fragment import parse_fragment
from operators.masks import unpack_masks
from operators.pieces import block_mask
from schemas.errors import SealframeError, ServiceUnavailable
from schemas.frames import Planes
from schemas.records import OperatorChunk, Piece
from streams.clock import now_ms
from streams.demo import measure
from streams.demo.run import CASE, PURPOSE, Demo, Filmed, Shot
from streams.evaluate import bench, stage
from streams.evaluate.report import Figure
from streams.forensic.manifest import SUFFIX, verify_restoration
from streams.forensic.restorations import UNFINISHED, Wish
from streams.stack import Stack
from streams.verify import Checked, check_record

WIDTH, HEIGHT = 1280, 720
TARGET = 0.5
"""Seconds of work for a second of video: a minute in half of one."""
ARRIVAL_SECONDS, INDEX_SECONDS, POLL_SECONDS = 1800.0, 60.0, 0.25
Tell = Callable[[str], None]


@dataclass(slots=True)
class Compared:
    """Samples of the restored video: of granted pieces equal to the sealed ones, all others equal to the public's."""

    totals: measure.Totals = field(default_factory=measure.Totals)
    outside: int = 0
    outside_equal: int = 0


def evaluate(stack: Stack, pictures: Path, folder: Path, seconds: int, tell: Tell) -> list[Figure]:
    """Film so many seconds, push, restore and compare on a stack that is up; videos go to `folder`.

    Raises:
        ConfigError: the pictures of people aren't there.
        ServiceUnavailable: the video or its subjects didn't arrive.

    """
    tell("filming")
    (scene,) = stage.cameras(pictures, folder, width=WIDTH, height=HEIGHT, count=1)
    shot = Shot("restore-1", folder / "street.mp4", None)
    bench.scaled(scene, shot.path, WIDTH, HEIGHT, seconds * bench.RATE)
    run = Demo(stack.settings, stack, folder, tell)
    try:
        run.open_case([shot.camera_id])
        tell("pushing, and waiting for both platforms")
        filmed = run.push(shot)
        records = run.arrived(filmed, ARRIVAL_SECONDS)
        subject, tracks = _longest(run, filmed)
        found = [_timed(run, subject, folder, wish, tell) for wish in (Wish(with_gaps=True),
                                                                       Wish(with_gaps=True, lossless=False))]
        tell("comparing")
        compared = _compare(run, filmed, records, frozenset(tracks), found[0])
    finally:
        run.close()
    return [*_figures(found[0], "restore"), *_figures(found[1], "restore_playable"), *_equal(compared)]


@dataclass(frozen=True, slots=True)
class Timed:
    """One restoration: its file, manifest and times; `cpu`: seconds that the forensic service computed, `load`: of the
    machine in that minute.
    """

    path: Path
    manifest: dict[str, Any]
    seconds: float
    verify_seconds: float
    cpu: float
    load: float


def _longest(run: Demo, filmed: Filmed) -> tuple[str, tuple[int, ...]]:
    """The subject with the longest way from its first to its last frame, once subjects are there."""
    end = time.monotonic() + INDEX_SECONDS
    while time.monotonic() < end:
        with run.database.connection() as db:
            row = db.execute(
                "SELECT s.subject_id, s.tracks FROM subjects s JOIN spans p ON p.video_id = s.video_id"
                " AND p.track = ANY(s.tracks) WHERE s.video_id = %s GROUP BY 1, 2"
                " ORDER BY max(p.last_frame) - min(p.first_frame) DESC LIMIT 1",
                (filmed.video_id,),
            ).fetchone()
        if row:
            return str(row[0]), tuple(row[1])
        time.sleep(0.2)
    raise ServiceUnavailable("the authority found no subject in the video")


def _timed(run: Demo, subject: str, folder: Path, wish: Wish, tell: Tell) -> Timed:
    """Ask, wait, fetch, as `sealframe restore` does; then check once more by itself."""
    tell(f"restoring, {'lossless' if wish.lossless else 'playable'}")
    out = folder / f"restored-{'lossless' if wish.lossless else 'playable'}.mp4"
    service = psutil.Process(run.stack.status()[f"forensic-{run.authority}"])
    before, began = sum(service.cpu_times()[:2]), time.monotonic()
    job = run.forensic.begin(subject, CASE, PURPOSE, wish)
    while job["state"] in UNFINISHED:
        time.sleep(POLL_SECONDS)
        job = run.forensic.restoration(job["id"])
    if job["state"] != "done":
        raise SealframeError(f"the restoration is {job['state']}: {job['error']}")
    manifest = run.forensic.fetch(job["id"], out, run.stack.tls / "ca.pem")
    seconds, cpu = time.monotonic() - began, sum(service.cpu_times()[:2]) - before
    began = time.monotonic()
    verify_restoration(out, out.with_name(out.name + SUFFIX), signer_at(run.stack.tls / "ca.pem"))
    return Timed(out, manifest, seconds, time.monotonic() - began, cpu, psutil.getloadavg()[0])


def _compare(
    run: Demo, filmed: Filmed, records: list[Checked], tracks: frozenset[int], found: Timed
) -> Compared:
    compared, by_seq = Compared(), {r.body.chunk.chunk_seq: r for r in records if r.body.chunk}
    reader, keys = run.reader()
    with keys, av.open(str(found.path)) as container:
        frames = (frame for frame in container.decode(video=0))
        for said in found.manifest["body"]["chunks"]:
            chunk = by_seq[said["seq"]].body.chunk
            if chunk is None:
                continue
            shown = [_planes(next(frames)) for _ in chunk.pts]
            pieces: tuple[Piece, ...] = ()
            if said["evidence"]:
                with run.database.connection() as db:
                    pieces = reader.chunk(db, filmed.video_id, said["seq"], tracks).pieces
            measure.compare_pieces(compared.totals, pieces, shown, chunk.first_frame)
            _outside(compared, run, filmed, chunk, pieces, shown)
    return compared


def _outside(
    compared: Compared, run: Demo, filmed: Filmed, chunk: OperatorChunk, pieces: tuple[Piece, ...], shown: list[Planes]
) -> None:
    """Count the samples outside of granted pieces that equal the public picture's."""
    format = filmed.originals[0].format
    signer = signer_at(run.stack.tls / "ca.pem")
    fetched = run.operator.chunk(filmed.video_id, chunk.chunk_seq)
    record = check_record(fetched, lambda der: signer(der, now_ms()))
    units, _ = parse_fragment(record.record.media, format, filmed.originals[0].pts[0])
    public = decode_units(units, "h264", format.width, format.height)
    own = [np.zeros_like(mask) for mask in unpack_masks(chunk.masks, len(public), format)]
    for piece in pieces:
        for place in piece.frames:
            blocks = block_mask(place, piece)
            own[place.frame_no - chunk.first_frame][
                place.row : place.row + blocks.shape[0], place.column : place.column + blocks.shape[1]
            ] |= blocks
    for index, (a, b) in enumerate(zip(public, shown, strict=True)):
        luma, chroma = pixels.sample_masks(~own[index], format)
        for mask, one, other in zip((luma, chroma, chroma), a.all(), b.all(), strict=True):
            compared.outside += int(mask.sum())
            compared.outside_equal += int((one == other)[mask].sum())


def _planes(frame: av.VideoFrame) -> Planes:
    whole, h, w = np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8).ravel(), frame.height, frame.width
    luma, quarter = h * w, h * w // 4
    return Planes(whole[:luma].reshape(h, w), whole[luma : luma + quarter].reshape(h // 2, w // 2),
                  whole[luma + quarter :].reshape(h // 2, w // 2))


def _figures(found: Timed, name: str) -> list[Figure]:
    body = found.manifest["body"]
    hows = [said["how"] for said in body["chunks"]]
    note = (f"asked, made, fetched and checked; {body['replaced']} frames with the subject, {hows.count('passed')} of "
            f"{len(hows)} chunks passed")
    return [
        Figure(f"{name}_seconds", found.seconds, "s", "<=", TARGET * body["frames"] / bench.RATE, body["frames"], note),
        Figure(f"{name}_cpu_seconds", found.cpu, "s", "<=", None, body["frames"],
               f"of the forensic service, all cores together; the machine's load was {found.load:.0f}"),
        Figure(f"{name}_bytes", found.path.stat().st_size, "bytes", "<=", None, body["frames"]),
        Figure(f"{name}_verify_seconds", found.verify_seconds, "s", "<=", None, len(hows), "`sealframe verify`"),
    ]


def _equal(compared: Compared) -> list[Figure]:
    totals = compared.totals
    return [
        Figure("restore_samples_equal", totals.samples_equal / max(totals.samples, 1), "", "==", 1.0, totals.samples,
               "inside: restored against sealed, as another reader (FFmpeg) decodes the file"),
        Figure("restore_outside_equal", compared.outside_equal / max(compared.outside, 1), "", "==", 1.0,
               compared.outside, "everywhere else: against the public video"),
    ]
