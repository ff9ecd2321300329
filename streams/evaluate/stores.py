"""What both platforms have stored of pushed videos, against the signed records of the topics.

The operating platform is asked over HTTPS, as a forensic service asks it, and its files are read; of the authority,
index, files and keys are read, and a sample of masked chunks is restored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import tls
from infra.framing import EVIDENCE, read_framed
from infra.postgres import Database, connect
from operators.codec import decode_units
from operators.fragment import parse_fragment
from operators.restore import restore_frames
from schemas.errors import DigestMismatch, IntegrityError, MissingChunk, MissingEvidence, NotForMe, PoisonError
from schemas.records import VideoStart
from streams.authority.reading import EvidenceReader
from streams.authority.store import evidence_path
from streams.authority.unread import waiting
from streams.demo import measure
from streams.evaluate.delivered import Delivered, identify
from streams.evaluate.report import Figure
from streams.operating.client import OperatorClient
from streams.operating.store import media_path
from streams.stack import Stack
from streams.verify import Checked, Identify, check_chain, check_record, read_evidence

SAMPLED = 8
Pairs = Iterable[tuple[int, int]]


@dataclass(slots=True)
class Stored:
    """Sums over videos: faults of the operating platform's store, and of the authorities' stores."""

    chunks: int = 0
    missing: int = 0
    doubled: int = 0
    differing: int = 0
    files: int = 0
    chains: int = 0
    parts: int = 0
    parts_missing: int = 0
    parts_doubled: int = 0
    unread: int = 0
    tracks: int = 0
    read_twice: int = 0


@dataclass(slots=True)
class Restored:
    """Chunks that hold evidence, how many of them were restored or couldn't be, and their samples."""

    masked: int = 0
    sampled: int = 0
    failed: int = 0
    samples: int = 0
    equal: int = 0


def counts(stack: Stack) -> dict[str, int]:
    """Rows by service: videos with an end and chunks of the operating platform, evidence of the authorities."""
    found = {}
    for name, database in stack.databases.items():
        query = "SELECT (SELECT count(*) FROM chunks) + (SELECT count(end_digest) FROM videos)"
        with connect(database.app()) as db:
            row = db.execute(query if name == "operator" else "SELECT count(*) FROM evidence").fetchone()
        found[name] = int(row[0]) if row else 0
    return found


def unread(stack: Stack) -> int:
    """Chunks that the authorities have stored and not yet indexed."""
    found = 0
    for name in stack.settings.authorities:
        with connect(stack.databases[f"authority-{name}"].app()) as db:
            found += waiting(db)
    return found


def expected_counts(stack: Stack, found: Mapping[str, Delivered]) -> dict[str, int]:
    """What `counts` gives once both platforms have everything."""
    expected = {f"authority-{name}": sum(len(one.expected(name)) for one in found.values())
                for name in stack.settings.authorities}
    return expected | {"operator": sum(len(one.chunks) + one.ended for one in found.values())}


def figures(stack: Stack, found: Mapping[str, Delivered], pushed: int) -> list[Figure]:
    """Compare both stores with the topics, restore a sample, and count what isn't right."""
    stored, restored = Stored(), Restored()
    viewer = tls.load(stack.tls, f"authority-{next(iter(stack.settings.authorities))}")
    with OperatorClient(stack.url("operator"), viewer) as client:
        for video, one in found.items():
            compare_operator(stored, one, *_answered(client, stack, video))
        for name in stack.settings.authorities:
            _authority(stack, name, found, client, stored, restored)
    return summed(stored, restored, pushed, len(found))


def summed(stored: Stored, restored: Restored, pushed: int, videos: int) -> list[Figure]:
    """The figures of these sums."""
    note = f"{restored.sampled} of {restored.masked} chunks with evidence, at most {SAMPLED} a video"
    equal = restored.equal / restored.samples if restored.samples else 0.0
    return [
        Figure("operator_store_chunks_missing", pushed - stored.chunks + stored.missing, "", "==", 0, pushed),
        Figure("operator_store_chunks_doubled", stored.doubled, "", "==", 0, pushed, "second versions too"),
        Figure("operator_store_chunks_differing", stored.differing, "", "==", 0, pushed, "from the signed record"),
        Figure("operator_files_differing", stored.files, "", "==", 0, videos, "from start and chunks in order"),
        Figure("operator_store_chains_broken", stored.chains, "", "==", 0, videos, "as the platform answers"),
        Figure("authority_store_parts_missing", stored.parts_missing, "", "==", 0, stored.parts),
        Figure("authority_store_parts_doubled", stored.parts_doubled, "", "==", 0, stored.parts),
        Figure("authority_chunks_unread", stored.unread, "", "==", 0, stored.parts, "stored and not indexed"),
        Figure("authority_tracks_read_twice", stored.read_twice, "", "==", 0, stored.tracks,
               "indexed from more chunks than show them"),
        Figure("restored_chunks_failed", restored.failed, "", "==", 0, restored.sampled),
        Figure("restored_samples_equal", equal, "", "==", 1.0, restored.samples, note),
    ]


def compare_operator(
    stored: Stored, video: Delivered, answered: Sequence[Checked], places: Sequence[int], conflicts: int, file: bytes
) -> None:
    """Count what the operating platform has of one video.

    `answered`: its records, `places`: its chunks by the index, `conflicts`: second versions it has seen, `file`: bytes.
    """
    wanted = video.chunks
    kept = {record.body.chunk.chunk_seq: record.digest for record in answered if record.body.chunk}
    stored.chunks += len(wanted)
    stored.missing += len(set(wanted) - (set(places) & set(kept)))
    stored.doubled += len(places) - len(set(places)) + conflicts
    stored.differing += sum(digest != wanted[seq].digest if seq in wanted else 1 for seq, digest in kept.items())
    stored.files += file != video.media
    try:
        check_chain(answered)
    except IntegrityError:
        stored.chains += 1


def compare_parts(expected: Mapping[int, int], found: Pairs) -> tuple[int, int]:
    """How many parts are missing and how many too many, of those found as (chunk, part)."""
    times = Counter(found)
    kept = Counter(seq for seq, _ in times)
    missing = sum(max(0, parts - kept[seq]) for seq, parts in expected.items())
    strange = sum(max(0, parts - expected.get(seq, 0)) for seq, parts in kept.items())
    return missing, strange + sum(number - 1 for number in times.values())


def sample(seqs: Sequence[int], most: int = SAMPLED) -> list[int]:
    """At most so many, evenly over all of them, the last one with them."""
    last, number = len(seqs) - 1, min(most, len(seqs))
    return [seqs[last - last * step // max(1, number - 1)] for step in range(number)][::-1]


def _answered(client: OperatorClient, stack: Stack, video: str) -> tuple[list[Checked], list[int], int, bytes]:
    try:
        about, who = client.video(video), identify(stack)
        answered = [check_record(record, who, media=False) for record in client.records(video)]
    except MissingChunk:
        return [], [], 0, b""
    path = media_path(stack.home / "operator", video)
    file = path.read_bytes() if path.exists() else b""
    return answered, [int(place["seq"]) for place in about["places"]], int(about["conflicts"]), file


def _authority(
    stack: Stack, name: str, found: Mapping[str, Delivered], client: OperatorClient, stored: Stored, restored: Restored
) -> None:
    folder, who = stack.home / "authority" / name, identify(stack)
    reader, keys = measure.open_reader(name, stack.home / "keystore" / name, stack.home / "secrets" / name, folder)
    with keys, Database(stack.databases[f"authority-{name}"].app()) as database:
        with database.connection() as db:
            stored.unread += waiting(db)
            tracks, twice = read_twice(db)
            stored.tracks, stored.read_twice = stored.tracks + tracks, stored.read_twice + twice
        for video, one in found.items():
            expected = one.expected(name)
            with database.connection() as db:
                indexed = compare_parts(expected, _indexed(db, video))
                seen = _conflicts(db, video)
            filed = compare_parts(expected, _filed(evidence_path(folder, video), who))
            stored.parts += sum(expected.values())
            stored.parts_missing += max(indexed[0], filed[0])
            stored.parts_doubled += indexed[1] + filed[1] + seen
            restored.masked += len(expected)
            for seq in sample(sorted(expected)):
                _restore(restored, one, seq, client, reader, database, who)


def _indexed(db: Any, video: str) -> list[tuple[int, int]]:
    """Parts that open, by the index."""
    return list(db.execute(
        "SELECT chunk_seq, part FROM parts WHERE video_id = %s AND state = 'open'", (video,)
    ).fetchall())


def read_twice(db: Any) -> tuple[int, int]:
    """Tracks of faces that are indexed, and those whose looks hold views of more chunks than they are in."""
    row = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE f.chunks > s.chunks) FROM"
        " (SELECT video_id, track, sum(chunks) AS chunks FROM track_features GROUP BY 1, 2) f"
        " JOIN (SELECT video_id, track, count(*) AS chunks FROM spans GROUP BY 1, 2) s USING (video_id, track)"
    ).fetchone()
    return int(row[0]), int(row[1])


def _conflicts(db: Any, video: str) -> int:
    return int(db.execute("SELECT count(*) FROM conflicts WHERE video_id = %s", (video,)).fetchone()[0])


def _filed(path: Path, who: Identify) -> list[tuple[int, int]]:
    """Parts in the video's file, every record checked; those before a torn record."""
    found: list[tuple[int, int]] = []
    if not path.exists():
        return found
    with path.open("rb") as file:
        try:
            for value in read_framed(file, EVIDENCE):
                evidence, _ = read_evidence(value, who)
                found += [(evidence.chunk_seq, number) for number in range(len(evidence.parts))]
        except (PoisonError, IntegrityError):
            return found
    return found


def _restore(
    restored: Restored, video: Delivered, seq: int, client: OperatorClient, reader: EvidenceReader, database: Database,
    who: Identify,
) -> None:
    restored.sampled += 1
    totals = measure.Totals()
    try:
        _compare(totals, video, seq, client, reader, database, who)
    except (IntegrityError, PoisonError, NotForMe):
        restored.failed += 1
    restored.samples += totals.samples
    restored.equal += totals.samples_equal


def _compare(
    totals: measure.Totals, video: Delivered, seq: int, client: OperatorClient, reader: EvidenceReader,
    database: Database, who: Identify,
) -> None:
    start: VideoStart = next(record.body.start for record in video.records.values() if record.body.start)
    fetched = check_record(client.chunk(start.video_id, seq), who)
    with database.connection() as db:
        opened = reader.chunk(db, start.video_id, seq)
    if fetched.body.chunk is None or opened.operator_digest != fetched.digest:
        raise DigestMismatch(f"{fetched.where}: the evidence belongs to another version")
    if opened.closed:
        raise MissingEvidence(f"{fetched.where}: {len(opened.closed)} parts don't open")
    units, _ = parse_fragment(fetched.record.media, start.format, start.origin_pts)
    public = decode_units(units, "h264", start.format.width, start.format.height)
    frames = restore_frames(fetched.body.chunk, start.format, public, opened.pieces)
    measure.compare_pieces(totals, opened.pieces, frames, fetched.body.chunk.first_frame)
