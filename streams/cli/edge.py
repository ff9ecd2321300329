"""`sealframe edge`: camera and operators in one process; raw pictures never leave it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from threading import Event
from typing import Annotated

import typer

from infra.camera import open_source
from infra.camera_input import is_live
from infra.recipients import read_recipient
from infra.settings import load
from infra.tls import signer_identity
from operators.codec import encode
from schemas.frames import FrameChunk
from streams.addresses import AddressBook
from streams.backlog import Backlog
from streams.cli.output import give, progress, say
from streams.cli.stack import HOME, Home
from streams.clock import now_ms
from streams.edge import run_edge
from streams.ending import SIGNALS
from streams.health import run_out
from streams.push import while_valid
from streams.readiness import Doorkeeper
from streams.setup import finder, stream_policy
from streams.stack import Stack, signing_key
from streams.topology import Protection


def edge(
    source: Annotated[str, typer.Argument(metavar="SRC", help="file, folder of pictures, RTSP address or device")],
    camera: Annotated[str, typer.Option(help="id of the camera")],
    home: Home = HOME,
    loop: Annotated[bool, typer.Option(help="begin a file again at its end, as a new video")] = False,
    realtime: Annotated[bool, typer.Option(help="as fast as it was captured")] = False,
    low_latency: Annotated[bool, typer.Option(help="chunks of 0.5 s instead of 1 s; costs bits")] = False,
    audio: Annotated[bool, typer.Option(help="seal sound to the custodian alone; without it, it is dropped")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print totals as JSON")] = False,
) -> None:
    """Read a camera, desensitise and seal beside it, and send only the results: there is no raw topic.

    Runs as the principal `pipeline`; told to stop (Ctrl-C, SIGTERM), it finishes what was read and closes its video.
    Nothing leaves before the operating platform and every authority have answered.
    """
    settings = load(home=home)
    stack = Stack(settings)
    access, signer = stack.access("pipeline"), signing_key(stack.tls, "pipeline")
    entitled = {name: frozenset(kinds) for name, kinds in settings.authorities.items()}
    book = AddressBook(entitled, lambda der: signer_identity(der, access.identity.ca), now_ms)
    protection = Protection(
        stream_policy(settings), finder(settings.detect, settings.face_detector, stack.home / "models"), signer, book,
        read_recipient(stack.custodian()),
    )
    chunks: Iterator[FrameChunk] = open_source(
        source, encode=encode, camera_id=camera, chunk_ms=500 if low_latency else settings.chunk_ms, loop=loop,
        realtime=realtime, audio=audio,
    )
    chunks = iter(Backlog(chunks)) if is_live(source) else chunks
    chunks = while_valid(chunks, run_out(access.identity))
    stop = Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    keeper = Doorkeeper(access, signer, book)
    with keeper, access.producer() as producer, ThreadPoolExecutor(1) as pool, progress("chunks", as_json) as bar:
        totals = asyncio.run(run_edge(
            chunks, protection, producer, pool, keeper.gate,
            report=lambda now: bar.update(bar.task_ids[0], completed=now.processed), stop=stop,
        ))
    if as_json:
        give(asdict(totals))
    else:
        say(f"{camera}: {totals.processed} chunks, {totals.sent} records, {totals.sent_bytes:,} bytes")
