"""An operating platform for tests: signer certificates, a database of its own, records on a topic."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from infra import tls
from infra.kafka import Message
from operators.sign import SigningKey
from schemas.codec import pack
from schemas.records import OperatorRecord
from schemas.topics import OPERATOR_VIDEO
from streams.operating.service import OperatorService, OperatorSetup
from streams.operating.store import Finding, Store
from streams.verify import check_record
from tests.support.operator_video import Video, identify

RECEIVED_MS = 1_700_000_100_000


def certified_key(folder: Path, principal: str = "pipeline") -> SigningKey:
    """A signing key whose certificate the CA in `folder` has signed."""
    files = tls.issue_signer(folder, principal)
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    seed = key.private_bytes_raw()  # type: ignore[union-attr]
    return SigningKey(seed, files.certificate_der())


def by_ca(folder: Path):
    """Whose a signer certificate is, now."""
    return lambda der: tls.signer_identity(der, folder / "ca.pem", at=datetime.now(UTC))


def store_all(store: Store, *videos: Video) -> list[Finding]:
    """Put whole videos, one batch each."""
    findings = []
    for video in videos:
        with store.batch() as batch:
            for record in video.records:
                batch.put(check_record(record, identify), RECEIVED_MS)
            findings += batch.findings
    return findings


def messages(records: Iterable[OperatorRecord], camera: str = "cam-1", first: int = 0) -> list[Message]:
    """Records as a consumer would hand them over."""
    return [
        Message(OPERATOR_VIDEO, 0, first + index, camera.encode(), pack("operator", record), RECEIVED_MS)
        for index, record in enumerate(records)
    ]


@contextmanager
def taking(setup: OperatorSetup) -> Iterator[OperatorService]:
    """The platform in this process, its sink in a thread."""
    stop = threading.Event()
    with OperatorService(setup) as service:
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        yield service
        stop.set()
        thread.join()
