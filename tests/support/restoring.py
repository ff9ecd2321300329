"""Restorations as jobs, made by the service's own worker in a thread and followed to their end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from streams.forensic.gate import Ground
from streams.forensic.jobs import Restorations, open_keys
from streams.forensic.restorations import UNFINISHED, Restoration, Wish
from streams.forensic.service import Forensics
from tests.support.authority import NAME, Desk, Recording, clock, log_signer
from tests.support.cases import GROUND, open_case

LOOKS, EVERY_SECONDS = 2400, 0.025


class Killed(BaseException):
    """The process dies here."""


def work(jobs: Restorations, until: Callable[[], bool]) -> None:
    """Let the worker work, in a thread as in the server, until something holds or it dies."""
    stop = threading.Event()

    def run() -> None:
        try:
            jobs.run(stop)
        except Killed:
            stop.set()

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(LOOKS):
        if stop.wait(EVERY_SECONDS) or until():
            break
    stop.set()
    jobs.wake()
    thread.join()


def finished(service: Forensics, restoration_id: str, person: str = GROUND.actor) -> Restoration:
    """Work until a restoration is over."""
    if service.jobs:
        work(service.jobs, lambda: service.restoration(restoration_id, person).state not in UNFINISHED)
    return service.restoration(restoration_id, person)


def restored(
    desk: Desk, recording: Recording, subject: str, out: Path, wish: Wish | None = None, ground: Ground = GROUND
) -> Restoration:
    """Restore a subject from the desk's evidence and a recording's operator video; written where it is done.

    `wish`: lossless, without gaps, the subject alone where nothing is said.
    """
    open_case(desk.database)
    service = Forensics(desk.database, desk.log, None)
    with closing(open_keys(desk.home / "keys", desk.home / "secret")) as keys:
        service.jobs = Restorations(
            NAME, desk.database, desk.log, desk.restorer(recording), keys, desk.home / "restorations",
            log_signer().key, clock, service.may_restore,
        )
        job = finished(service, service.begin_restoration(subject, ground, wish or Wish()).restoration_id)
        if job.state == "done":
            out.write_bytes(b"".join(service.restored_file(job.restoration_id, ground.actor)[1]))
    return job
