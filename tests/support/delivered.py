"""What a worker delivered of a camera: every chunk in one version, in one chain, with the evidence that it counts."""

from __future__ import annotations

from operators.sign import check, digest
from schemas.codec import decode, unpack_as
from schemas.records import OperatorRecord, SealedEvidence
from schemas.topics import evidence_topic
from streams.verify import check_chain, check_evidence, check_record, expected_evidence
from tests.support.worker import Deployment


def ended(deployment: Deployment, camera: str) -> bool:
    """The camera's video has its end."""
    return any(body.end for body in deployment.bodies(camera))


def delivered_once(deployment: Deployment, camera: str, chunks: int) -> None:
    """Fail unless all chunks are there, each in one version only; sinks drop what comes twice in the same bytes."""
    first: dict[bytes, OperatorRecord] = {}
    for record in deployment.operator(camera):
        first.setdefault(record.signed.body, record)
    checked = [check_record(record, deployment.identify) for record in first.values()]
    check_chain(checked)
    assert [one.body.chunk.chunk_seq for one in checked if one.body.chunk] == list(range(chunks))
    digests = {digest(body) for body in first}
    got: dict[int, int] = {}
    for message in deployment.read(evidence_topic("city-faces"), "authority-city-faces"):
        if message.key == camera.encode():
            signed = unpack_as("evidence", message.value)
            evidence = decode(SealedEvidence, check(signed, "evidence", deployment.identify(signed.signer)[1]))
            assert evidence.operator_digest in digests
            got[evidence.chunk_seq] = len(evidence.parts)
    check_evidence(expected_evidence(checked, "city-faces"), got)
