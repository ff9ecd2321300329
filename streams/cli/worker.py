"""`sealframe worker`: detect, track, desensitise, seal; until told to stop."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.memory import return_freed_memory
from infra.recipients import read_recipient
from infra.settings import load
from schemas.errors import UsageError
from streams.cli.output import tell
from streams.cli.stack import HOME, Home
from streams.intake import Enrolment
from streams.setup import finder, stream_policy
from streams.stack import Stack, signing_key
from streams.worker import Part, WorkerSetup, run_worker

PARTS: dict[str, Part] = {"whole": "whole", "locate": "locate", "protect": "protect"}


def worker(
    home: Home = HOME,
    member: Annotated[str, typer.Option(help="stable id of this worker: a restart takes its partitions back")] = "1",
    part: Annotated[str, typer.Option(help="whole, or one half of the topology: locate | protect")] = "whole",
    threads: Annotated[int, typer.Option(help="chunks worked on side by side; 0: one a core, two at least", min=0)] = 0,
    health_port: Annotated[int, typer.Option(help="loopback port of health and figures; 0: any free one")] = 0,
    log_level: Annotated[str, typer.Option(help="of the Kafka client: WARNING, INFO, DEBUG")] = "WARNING",
    as_json: Annotated[bool, typer.Option("--json", help="print the address of its figures as JSON")] = False,
) -> None:
    """Turn raw chunks into desensitised video and sealed evidence.

    Nothing leaves before the operating platform and every authority have answered for the epoch: raw chunks wait
    sealed in their topic meanwhile. Ends on SIGTERM; what wasn't acknowledged comes again.

    A live camera that is late gets fewer looks and larger masks, then whole frames masked; at last its chunks are
    dropped: a signed gap, an alarm each, and the chunk in quarantine. See `sealframe_worker_late_seconds` and
    `sealframe_worker_effort` at /metrics; `sealframe bench stream` says how many cameras this machine takes.
    """
    if part not in PARTS:
        raise UsageError(f"--part is one of {', '.join(PARTS)}")
    return_freed_memory()
    settings = load(home=home)
    stack = Stack(settings)
    setup = WorkerSetup(
        stack.access("pipeline"), signing_key(stack.tls, "pipeline"), stack.pipeline_identity(),
        read_recipient(stack.custodian()), {n: frozenset(k) for n, k in settings.authorities.items()},
        stream_policy(settings), stack.home / "worker" / member, member=member, threads=threads,
        health_port=health_port, part=PARTS[part],
        enrolment=Enrolment.of(settings.gateways),
    )
    run_worker(
        setup, finder(settings.detect, settings.face_detector, stack.home / "models"), loglevel=log_level,
        told=lambda url: tell(f"worker {member}: {url}/metrics, {url}/health", {"member": member, "url": url}, as_json),
    )
