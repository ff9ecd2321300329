"""`index_faces = "on_case"`: what an authority platform does beside taking in evidence."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from infra.keys import KeyStore
from infra.postgres import Database
from infra.settings import CaseSetting
from schemas.errors import UsageError
from schemas.records import Alarm
from streams.authority.index import FaceIndex
from streams.authority.on_case import OnCase
from streams.authority.reading import EvidenceReader
from streams.authority.service import AuthoritySetup, send_alarm
from streams.clock import now_ms
from streams.forensic.gate import Gate
from streams.forensic.log import AccessLog
from streams.forensic.server import rules_of

log = logging.getLogger(__name__)


@contextmanager
def on_cases(
    setup: AuthoritySetup, store: KeyStore, index: FaceIndex, policy: str, stop: threading.Event
) -> Iterator[None]:
    """Meanwhile faces are indexed where open cases look, and dropped with them; `policy` of cases as JSON.

    `stop` is set when that ends by a fault; leaving raises it then.

    Raises:
        UsageError: that isn't such a policy.
        SealframeError: it ended by a fault.

    """
    try:
        rules = rules_of(CaseSetting.model_validate_json(policy))
    except ValidationError as error:
        raise UsageError("--cases is JSON with the names of [cases] in sealframe.toml") from error
    source = f"authority-{setup.name}"
    with Database(setup.database, vectors=True, size=2) as database, setup.kafka.producer() as producer:

        def tell(text: str) -> None:
            text = f"stored evidence can't be indexed: {text}"
            log.warning("evidence-unread: %s", text)
            send_alarm(producer, Alarm("evidence-unread", source, "", now_ms(), text))

        gate = Gate(database, AccessLog(database, now_ms), rules)
        reader = EvidenceReader(setup.name, store, setup.folder)
        with OnCase(database, reader, index, gate.cases.approved_scopes, tell, stop) as work:
            yield
            work.check()
