"""`index_faces = "on_case"`: what an authority platform does beside taking in evidence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from infra.keys import KeyStore
from infra.postgres import Database
from infra.settings import CaseSetting
from schemas.errors import UsageError
from streams.authority.index import FaceIndex
from streams.authority.on_case import OnCase
from streams.authority.reading import EvidenceReader
from streams.authority.service import AuthoritySetup
from streams.clock import now_ms
from streams.forensic.gate import Gate
from streams.forensic.log import AccessLog
from streams.forensic.server import rules_of


@contextmanager
def on_cases(setup: AuthoritySetup, store: KeyStore, index: FaceIndex, policy: str) -> Iterator[None]:
    """Meanwhile faces are indexed where open cases look, and dropped with them; `policy` of cases as JSON.

    Raises:
        UsageError: that isn't such a policy.

    """
    try:
        rules = rules_of(CaseSetting.model_validate_json(policy))
    except ValidationError as error:
        raise UsageError("--cases is JSON with the names of [cases] in sealframe.toml") from error
    stop = threading.Event()
    with Database(setup.database, vectors=True, size=2) as database:
        gate = Gate(database, AccessLog(database, now_ms), rules)
        work = OnCase(database, EvidenceReader(setup.name, store, setup.folder), index, gate.cases.approved_scopes)
        thread = threading.Thread(target=work.run, args=(stop,), name="on-case")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
