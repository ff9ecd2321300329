"""What the topics hold of pushed videos: each record's first version, checked, and the evidence of their chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infra.tls import signer_identity
from operators.sign import check
from schemas.codec import decode, unpack_as
from schemas.errors import IntegrityError
from schemas.records import SealedEvidence
from schemas.topics import OPERATOR_VIDEO, evidence_topic
from streams.evaluate.report import Figure
from streams.stack import Stack
from streams.verify import Checked, Identify, check_chain, check_evidence, check_record, expected_evidence

READ_SECONDS = 120.0


@dataclass
class Delivered:
    """What the operating platform's topic holds of one video: first versions in order, and how many came again."""

    records: dict[bytes, Checked] = field(default_factory=dict)
    repeated: int = 0

    def add(self, checked: Checked) -> None:
        """Take the next record."""
        self.repeated += checked.digest in self.records
        self.records.setdefault(checked.digest, checked)

    @property
    def ended(self) -> bool:
        """Its end is there."""
        return any(record.body.end for record in self.records.values())

    @property
    def seqs(self) -> list[int]:
        """Chunks in the order of the topic; one in two versions twice."""
        return [record.body.chunk.chunk_seq for record in self.records.values() if record.body.chunk]

    @property
    def chunks(self) -> dict[int, Checked]:
        """The first version of each chunk."""
        found: dict[int, Checked] = {}
        for record in self.records.values():
            if record.body.chunk:
                found.setdefault(record.body.chunk.chunk_seq, record)
        return found

    @property
    def media(self) -> bytes:
        """Start and chunks as they must lie in the video's file."""
        start = b"".join(record.record.media for record in self.records.values() if record.body.start)
        return start + b"".join(record.record.media for record in self.chunks.values())

    def expected(self, authority: str) -> dict[int, int]:
        """Parts that an authority must have, by chunk."""
        return expected_evidence(self.records.values(), authority)


def identify(stack: Stack) -> Identify:
    """Whose a signer certificate is, by the stack's CA."""
    return lambda der: signer_identity(der, stack.tls / "ca.pem")


def read(stack: Stack, cameras: Sequence[str]) -> dict[str, Delivered]:
    """The videos of these cameras."""
    keys, who = {camera.encode() for camera in cameras}, identify(stack)
    found: dict[str, Delivered] = {}
    with stack.access("operator").consumer("operator.eval") as consumer:
        messages = consumer.read_all(OPERATOR_VIDEO, seconds=READ_SECONDS)
    for message in messages:
        if message.key in keys:
            checked = check_record(unpack_as("operator", message.value), who)
            found.setdefault(checked.item.video_id, Delivered()).add(checked)
    return found


def grown(stack: Stack) -> int:
    """How far the operating platform's topic reaches; grows with every record."""
    with stack.access("operator").consumer("operator.eval") as consumer:
        return sum(consumer.bounds(OPERATOR_VIDEO, number)[1] for number in consumer.partitions(OPERATOR_VIDEO))


def figures(stack: Stack, found: Mapping[str, Delivered], pushed: int) -> list[Figure]:
    """What of `pushed` chunks the topics lost, hold in two versions, or can't prove."""
    distinct = sum(len(set(one.seqs)) for one in found.values())
    versions = sum(len(one.seqs) for one in found.values()) - distinct
    wrong = sum(
        _evidence_faults(stack, name, {video: one.expected(name) for video, one in found.items()})
        for name in stack.settings.authorities
    )
    repeated = sum(one.repeated for one in found.values())
    return [
        Figure("chunks_lost", pushed - distinct, "", "==", 0, pushed),
        Figure("chunks_in_two_versions", versions, "", "==", 0, pushed),
        Figure("videos_with_broken_chain", sum(map(_broken, found.values())), "", "==", 0, len(found)),
        Figure("videos_with_wrong_evidence", wrong, "", "==", 0, len(found)),
        Figure("records_repeated", repeated, "", "<=", None, pushed, "equal bytes, dropped by the sinks"),
    ]


def _broken(one: Delivered) -> bool:
    try:
        check_chain(list(one.records.values()))
    except IntegrityError:
        return True
    return False


def _evidence_faults(stack: Stack, authority: str, wanted: Mapping[str, Mapping[int, int]]) -> int:
    principal, who = f"authority-{authority}", identify(stack)
    got: dict[str, dict[int, int]] = {video: {} for video in wanted}
    with stack.access(principal).consumer(f"{principal}.eval") as consumer:
        messages = consumer.read_all(evidence_topic(authority), seconds=READ_SECONDS)
    for message in messages:
        signed = unpack_as("evidence", message.value)
        evidence = decode(SealedEvidence, check(signed, "evidence", who(signed.signer)[1]))
        if evidence.video_id in got:
            got[evidence.video_id][evidence.chunk_seq] = len(evidence.parts)
    faults = 0
    for video, expected in wanted.items():
        try:
            check_evidence(expected, got[video])
        except IntegrityError:
            faults += 1
    return faults
