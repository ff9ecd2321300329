"""An authority with a real database and key store, and a pipeline and operating platform in memory beside it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.keys import KeyStore, create_secret
from infra.postgres import Database
from operators.desensitise.policy import Policy
from operators.pipeline import Pipeline, seal_draft
from operators.sign import SigningKey
from schemas.codec import decode, pack
from schemas.frames import FrameChunk
from schemas.records import OperatorBody, OperatorRecord
from schemas.regions import RegionSet
from schemas.state import CameraState
from schemas.topics import DAY_MS, evidence_topic
from streams.authority.reading import EvidenceReader
from streams.authority.sink import EvidenceSink, Taken
from streams.authority.unread import Indexing
from streams.forensic.log import AccessLog, LogSigner
from streams.forensic.proofs import origin_of
from streams.forensic.restore import Restorer
from tests.support.scenes import chunk, crossing, regions

NAME = "city-faces"
KEY = SigningKey(b"p" * 32)
LOG_KEY = SigningKey(b"l" * 32)
NOW_MS = 1_700_000_000_000
VIDEO = f"cam-{NOW_MS}-0000000a"
PLACES = crossing()
POLICY = Policy({NAME: frozenset({"face"}), "city-plates": frozenset({"plate"})})


def identify(signer: bytes) -> tuple[str, bytes]:
    """Takes raw keys: that of `KEY` is the pipeline's, any other a stranger's."""
    return ("pipeline" if signer == KEY.public else "camera-x"), signer


def identify_at(signer: bytes, time_ms: int) -> tuple[str, bytes]:
    """Takes raw keys: that of `LOG_KEY` is the authority's, else as `identify`."""
    return (f"authority-{NAME}", signer) if signer == LOG_KEY.public else identify(signer)


def log_signer(key: SigningKey = LOG_KEY) -> LogSigner:
    """Signs checkpoints; its certificate is the raw key."""
    return LogSigner(origin_of(NAME), lambda: replace(key, signer=key.public))


def clock() -> int:
    """A clock that stands still."""
    return NOW_MS


@dataclass
class Recording:
    """What the pipeline sent of one video: operator records, and evidence records of `NAME`; an operating platform."""

    operator: list[OperatorRecord] = field(default_factory=list)
    evidence: list[bytes] = field(default_factory=list)

    def records(self, video_id: str) -> Sequence[OperatorRecord]:
        """The operating platform's records, without media."""
        return [OperatorRecord(record.signed) for record in self.operator]

    def chunk(self, video_id: str, chunk_seq: int) -> OperatorRecord:
        """The operating platform's chunk."""
        for record in self.operator:
            body = decode(OperatorBody, record.signed.body).chunk
            if body and body.chunk_seq == chunk_seq:
                return record
        raise KeyError(chunk_seq)


def record(
    chunks: Sequence[FrameChunk], found: Sequence[RegionSet] | None, public: bytes, epoch: str = "day",
    policy: Policy = POLICY, pipeline: Pipeline | None = None, signer: SigningKey = KEY,
) -> Recording:
    """Run the pipeline's second half over these regions, or with a pipeline that detects, all of it."""
    made, state = Recording(), CameraState()
    pipeline = pipeline or Pipeline(policy, None, KEY)  # type: ignore[arg-type]
    for index, one in enumerate(chunks):
        following = chunks[index + 1] if index + 1 < len(chunks) else None
        if found is None:
            state, out = pipeline.step(state, one, following)
        else:
            state, out = pipeline.protect(state, one, found[index])
        made.operator += out.operator
        for draft in out.evidence:
            if draft.authority == NAME:
                signed = seal_draft(draft, epoch, [public], evidence_topic(NAME), policy.quality, signer)
                made.evidence.append(pack("evidence", signed))
    return made


@dataclass
class Desk:
    """An authority's parts under one folder; `epoch` is the public key of its one epoch."""

    home: Path
    database: Database
    keys: KeyStore
    epoch: bytes
    sink: EvidenceSink
    log: AccessLog

    @property
    def reader(self) -> EvidenceReader:
        """Reads its evidence back."""
        return EvidenceReader(NAME, self.keys, self.home / "evidence")

    def restorer(self, recording: Recording) -> Restorer:
        """Restores from its evidence and a recording's operator video."""
        return Restorer(NAME, self.database, self.reader, recording, identify_at, lambda: NOW_MS + DAY_MS)

    def take(self, recording: Recording) -> list[Taken]:
        """Take in all evidence of a recording."""
        return [self.sink.take(value, NOW_MS) for value in recording.evidence]

    def close(self) -> None:
        """Close files; the database stays."""
        self.sink.close()
        self.keys.close()


def open_desk(home: Path, database: Database, indexing: Indexing | None = None) -> Desk:
    """An authority in this folder, which is made where it is missing."""
    keys = KeyStore(home / "keys", create_secret(home / "secret"), create=True)
    epoch = keys.create_identity("day").public
    sink = EvidenceSink(NAME, database, keys, home / "evidence", identify, indexing)
    return Desk(home, database, keys, epoch, sink, AccessLog(database, clock, log_signer()))


def recorded(
    public: bytes, chunks: int = 2, signer: SigningKey = KEY, policy: Policy = POLICY, video: str = VIDEO
) -> Recording:
    """Two faces, tracks 1 and 2, that meet in the middle of each chunk and go on."""
    made = [chunk(PLACES, seq, end=seq == chunks - 1, video=video) for seq in range(chunks)]
    return record(made, [regions(PLACES, seq) for seq in range(chunks)], public, signer=signer, policy=policy)


def add_subject(desk: Desk, *tracks: int, video: str = VIDEO, kind: str = "face") -> str:
    """Note a subject of these tracks, as an index would; returns its name."""
    name = f"{video}/s{tracks[0]}"
    with desk.database.connection() as db:
        db.execute("INSERT INTO subjects VALUES (%s, %s, 'cam', %s, %s, %s, %s, %s)",
                   (name, video, kind, list(tracks), tracks[0], NOW_MS, NOW_MS))
    return name


def copy_evidence(desk: Desk, to: Path) -> Path:
    """A copy of the evidence folder."""
    shutil.copytree(desk.home / "evidence", to)
    return to
