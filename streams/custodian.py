"""What the custodian alone opens: frames masked whole, pieces that nobody else gets, records that were put aside.

Read from a recording of `frames.quarantine.v1` (`sealframe record`), so the key comes to no server. Of evidence blank
pictures are made with the pieces in their places, shown when they were captured; of a chunk that was put aside, where
the pipeline's key is at hand too, the camera's own pictures; of any other record its bytes. What doesn't open is
counted, with the reason, and nothing else is lost by it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from infra.atomic import AtomicFile, write_whole
from infra.camera_audio import SoundFile
from operators.codec import decode as decode_pictures
from operators.codec import encode
from operators.fragment import fragment, init_segment
from operators.seal import Identity, evidence_aad, unseal
from schemas.codec import decode, unpack, unpack_as
from schemas.errors import IntegrityError, MalformedRecord, MissingEvidence, NotForMe, PoisonError, UsageError
from schemas.frames import CodedUnit, FrameChunk, Planes, VideoFormat
from schemas.records import CUSTODIAN, Piece, Quarantined, RecordedRecord, SealedEvidence, Signed
from schemas.topics import QUARANTINE, RAW
from schemas.video_id import is_of
from streams.authority.blank import blank_frame, open_all
from streams.authority.opening import content_of
from streams.intake import RECORD, Enrolment, Intake
from streams.recording import recorded
from streams.stage import CAMERA, OVERLOAD, Arrival
from streams.topology import quarantine_aad
from streams.verify import Identify, read_evidence

IdentifyAt = Callable[[bytes, int], tuple[str, bytes]]
"""`Identify` at the time of a record, ms."""
UNREADABLE = (IntegrityError, PoisonError, NotForMe)
TICKS = Fraction(1, 1000)
CRF, PRESET = 12.0, "veryfast"
TOPIC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True, slots=True)
class Held:
    """A record of the quarantine: a chunk's evidence, or a record that was put aside with the reason."""

    camera_id: str
    received_ms: int
    found: SealedEvidence | Quarantined = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """The custodian's identity, and the pipeline's, to which raw chunks are sealed."""

    custodian: Identity
    pipeline: Identity | None = None


@dataclass
class Opened:
    """Totals: files written, pictures of evidence and of put-aside chunks, chunks with sound, other records, and why
    some didn't open.
    """

    files: list[str] = field(default_factory=list)
    pictures: int = 0
    dropped: int = 0
    sound: int = 0
    records: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def held(path: Path, identify: IdentifyAt, refused: Counter[str]) -> Iterator[Held]:
    """The records of a recording; what isn't evidence by the pipeline's signature, or put aside, goes to `refused`.

    Raises:
        MalformedRecord: not a recording, or a truncated one.
        UsageError: a recording of another topic.

    """
    with path.open("rb") as file:
        for one in recorded(file):
            if one.topic != QUARANTINE:
                raise UsageError(f"{path.name} holds {one.topic}: record {QUARANTINE}")
            try:
                yield _held(one, identify)
            except UNREADABLE as error:
                refused[type(error).__name__] += 1


def open_held(
    path: Path, keys: Keys, identify: IdentifyAt, out: Path, *,
    camera: str = "", lossless: bool = True, progress: Callable[[int], None] = lambda _: None,
) -> Opened:
    """Write what a recording holds into the folder `out`; `camera`: of one alone.

    `<video>.mp4` shows evidence, `<video>.mka` is its sound, `<video>.dropped.mp4` shows chunks that were put aside,
    `records` holds the others as they came. Raises as `held`.
    """
    totals = Opened()
    with ExitStack() as stack:
        films = _Films(out, stack, totals)
        for number, one in enumerate(held(path, identify, totals.refused), 1):
            try:
                if camera in ("", one.camera_id):
                    _open(one, keys, films, identify, lossless)
            except UNREADABLE as error:
                totals.refused[type(error).__name__] += 1
            progress(number)
    return totals


def _held(one: RecordedRecord, identify: IdentifyAt) -> Held:
    camera_id = one.key.decode(errors="replace")
    found = unpack(one.value)
    if found.kind == "quarantined":
        return Held(camera_id, one.timestamp_ms, found.value)
    evidence, _ = read_evidence(one.value, lambda der: identify(der, one.timestamp_ms))
    if evidence.authority != CUSTODIAN or not is_of(evidence.video_id, evidence.camera_id):
        raise MalformedRecord(f"evidence for {evidence.authority!r}")
    return Held(evidence.camera_id, one.timestamp_ms, evidence)


@dataclass
class _Film:
    """An MP4 that grows by chunks, each once and in order; `end` in its own ticks."""

    file: BinaryIO
    format: VideoFormat
    origin: int
    end: int
    seq: int = -1

    def add(self, units: Sequence[CodedUnit], end: int, seq: int) -> None:
        """One chunk's pictures, in decoding order."""
        self.file.write(fragment(units, end, seq + 1, self.format, self.origin))
        self.end, self.seq = end, seq


@dataclass
class _Sound:
    file: SoundFile
    seq: int = -1


class _Films:
    """The films of a folder, and its other files."""

    def __init__(self, out: Path, stack: ExitStack, totals: Opened) -> None:
        self._out, self._stack, self.totals = out, stack, totals
        self._films: dict[str, _Film] = {}
        self._sounds: dict[str, _Sound] = {}

    def hear(self, video_id: str, seq: int, sound: bytes) -> None:
        """The sound of a chunk, once and in order."""
        name = f"{video_id}.mka"
        if name not in self._sounds:
            self._sounds[name] = _Sound(self._stack.enter_context(SoundFile(self._begin(name))))
        one = self._sounds[name]
        if seq > one.seq:
            one.file.add(sound)
            one.seq = seq
            self.totals.sound += 1

    def _begin(self, name: str) -> BinaryIO:
        file = self._stack.enter_context(AtomicFile(self._out / name, secret=True)).file
        if file is None:
            raise UsageError(f"{name} can't be begun")
        self.totals.files.append(name)
        return file

    def film(self, name: str, format: VideoFormat, origin: int) -> _Film:
        """The film of this name, begun at `origin` where there is none; raises MalformedRecord for another format."""
        if name not in self._films:
            file = self._begin(name)
            file.write(init_segment(format))
            self._films[name] = _Film(file, format, origin, origin)
        film = self._films[name]
        if film.format != format:
            raise MalformedRecord(f"{name}: pictures of another format")
        return film

    def keep(self, record: Quarantined, plain: bytes) -> None:
        """A record as it came."""
        if not TOPIC_NAME.fullmatch(record.topic):
            raise MalformedRecord("a record of a topic that has no name")
        self.totals.records += 1
        name = f"records/{self.totals.records:06}-{record.topic}-{record.partition}-{record.offset}"
        (self._out / "records").mkdir(mode=0o700, exist_ok=True)
        write_whole(self._out / name, plain, secret=True)
        self.totals.files.append(name)


def _open(one: Held, keys: Keys, films: _Films, identify: IdentifyAt, lossless: bool) -> None:
    if isinstance(one.found, SealedEvidence):
        _show(one.found, keys.custodian, films, lossless)
        return
    record = one.found
    place = (record.topic, record.partition, record.offset)
    plain = unseal(record.sealed, [keys.custodian], quarantine_aad(*place))
    arrival = Arrival(*place, one.camera_id.encode(), plain)
    chunk = _chunk(arrival, keys, lambda der: identify(der, one.received_ms), record.reason.startswith(OVERLOAD))
    if chunk is None:
        films.keep(record, plain)
    else:
        _play(chunk, films)


def _chunk(arrival: Arrival, keys: Keys, identify: Identify, taken_in: bool) -> FrameChunk | None:
    """The chunk in a record, whose pictures decode; None for any other. An edge's chunks lie there as they are.

    `taken_in`: the worker knew its writer, so a gateway's right to write for this camera was looked up there.
    """
    try:
        if arrival.topic == CAMERA:
            chunk = decode(FrameChunk, arrival.value)
        elif arrival.topic == RAW and keys.pipeline is not None:
            writers = _writers(arrival, identify) if taken_in else Enrolment()
            chunk = Intake(keys.pipeline, identify, writers).open(arrival)
        else:
            return None
        decode_pictures(chunk)
    except UNREADABLE:
        return None
    return chunk if is_of(chunk.video_id, chunk.camera_id) else None


def _writers(arrival: Arrival, identify: Identify) -> Enrolment:
    """Whoever signed the record may write for its camera."""
    signed: Signed = unpack_as(RECORD, arrival.value)
    return Enrolment({identify(signed.signer)[0]: frozenset({arrival.key.decode()})})


def _play(chunk: FrameChunk, films: _Films) -> None:
    """The camera's own pictures, as coded where they are H.264."""
    units = chunk.units
    if chunk.codec != "h264":
        units = encode([one.planes for one in decode_pictures(chunk).frames], chunk.pts, chunk.format, lossless=True)
    film = films.film(f"{chunk.video_id}.dropped.mp4", chunk.format, chunk.pts[0])
    if chunk.chunk_seq <= film.seq:
        return
    if chunk.pts[0] < film.end:
        raise MalformedRecord(f"{chunk.video_id} chunk {chunk.chunk_seq}: begins before the one ahead of it has ended")
    film.add(units, chunk.end_pts, chunk.chunk_seq)
    films.totals.dropped += len(units)
    if chunk.audio:
        films.hear(chunk.video_id, chunk.chunk_seq, chunk.audio)


def _show(evidence: SealedEvidence, custodian: Identity, films: _Films, lossless: bool) -> None:
    """The frames of a chunk in which something is the custodian's, and its sound."""
    if evidence.format is None:
        raise MissingEvidence(f"{evidence.video_id}: its evidence doesn't say how large the pictures are")
    pieces: list[Piece] = []
    for part in evidence.parts:
        plain = unseal(part.sealed, [custodian], evidence_aad(evidence, part, QUARANTINE))
        if part.type == "sound":
            films.hear(evidence.video_id, evidence.chunk_seq, plain)
        elif isinstance(content := content_of(part, plain), Piece):
            pieces.append(content)
    pictures = _pictures(evidence, pieces)
    if not pictures:
        return
    film = films.film(f"{evidence.video_id}.mp4", replace(evidence.format, time_base=TICKS), evidence.capture_ms)
    if evidence.chunk_seq <= film.seq:
        return
    start, count = max(film.end, evidence.capture_ms), len(pictures)
    end = max(evidence.end_ms, start + count)
    times = [start + (end - start) * i // count for i in range(count)]
    film.add(encode(pictures, times, film.format, crf=CRF, preset=PRESET, lossless=lossless), end, evidence.chunk_seq)
    films.totals.pictures += count


def _pictures(evidence: SealedEvidence, pieces: Sequence[Piece]) -> list[Planes]:
    opened = open_all(pieces)
    numbers = sorted({place.frame_no for piece in pieces for place in piece.frames})
    shown = (blank_frame(opened, number, evidence.format) for number in numbers)
    return [one[0] for one in shown if one is not None]
