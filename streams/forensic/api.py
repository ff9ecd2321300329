"""HTTPS API of the forensic service. Who calls is the person of the client certificate or sign-in: `Door`.

Every call that shows something names case and purpose, and its log entry is written before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from streams.authority.service import health_app
from streams.forensic.case_api import add_cases, add_people
from streams.forensic.door import Door
from streams.forensic.hold_api import add_holds
from streams.forensic.hold_desk import HoldDesk
from streams.forensic.job_api import add_restorations
from streams.forensic.log_api import add_checkpoints, add_log
from streams.forensic.search_api import add_search
from streams.forensic.service import Forensics
from streams.forensic.subject_api import add_subjects
from streams.forensic.subjects import SubjectDesk


def create_app(
    service: Forensics, registry: CollectorRegistry, door: Door, failing: Callable[[], str] = lambda: "",
    subjects: SubjectDesk | None = None, holds: HoldDesk | None = None,
) -> FastAPI:
    """The app: search, restoration, access log, cases, people, holds, and what else is done with a subject."""
    app = health_app("Sealframe forensic service", registry, failing)
    door.guard(app)
    add_search(app, service, door)
    add_restorations(app, service, door)
    add_log(app, service.log, door)
    add_cases(app, door)
    add_people(app, door)
    add_checkpoints(app, service.log)
    if holds:
        add_holds(app, holds, door)
    if subjects:
        add_subjects(app, subjects, door)
    return app
