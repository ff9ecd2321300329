"""`sealframe push`: a camera's video into the broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from infra.camera import open_source
from infra.camera_input import is_live
from infra.settings import load
from operators.codec import encode
from schemas.frames import FrameChunk
from streams.backlog import Backlog
from streams.cli.output import give, progress, say
from streams.cli.stack import HOME, Home
from streams.health import run_out
from streams.intake import writer
from streams.push import PATIENCE_MS, paced, while_valid
from streams.push import push as run
from streams.stack import Stack, signing_key
from streams.words import plural


def push(
    source: Annotated[str, typer.Argument(metavar="SRC", help="file, folder of pictures, RTSP address or device")],
    camera: Annotated[str, typer.Option(help="whose video it is; see `sealframe camera add`")],
    gateway: Annotated[str, typer.Option(help="push as this gateway, which the settings let send for the camera")] = "",
    home: Home = HOME,
    loop: Annotated[bool, typer.Option(help="begin a file again at its end, as a new video")] = False,
    realtime: Annotated[bool, typer.Option(help="as fast as it was captured")] = False,
    rate: Annotated[float, typer.Option(help="that many times real time; 0: as fast as it goes")] = 0.0,
    low_latency: Annotated[bool, typer.Option(help="chunks of 0.5 s instead of 1 s; costs bits")] = False,
    start_ms: Annotated[int | None, typer.Option(help="capture time of the first frame; default: now")] = None,
    audio: Annotated[bool, typer.Option(help="seal sound to the custodian alone; without it, it is dropped")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print totals as JSON")] = False,
) -> None:
    """Cut a source into chunks, seal them to the pipeline, sign them as the camera, send them in order.

    Packets are passed on where their GOPs fit, else coded again once; `sealframe camera test SRC` says which.
    While the broker is slow a file waits; of a camera 32 MiB wait, beyond that its oldest chunks become a signed gap.
    """
    settings = load(home=home)
    stack = Stack(settings)
    principal = writer(gateway or camera, gateway=bool(gateway))
    chunks: Iterator[FrameChunk] = open_source(
        source, encode=encode, camera_id=camera, chunk_ms=500 if low_latency else settings.chunk_ms,
        start_ms=start_ms, loop=loop, realtime=realtime, audio=audio,
    )
    backlog = Backlog(chunks) if is_live(source) else None
    chunks = iter(backlog or chunks)
    if rate:
        chunks = paced(chunks, rate)
    access = stack.access(principal)
    chunks = while_valid(chunks, run_out(access.identity))
    with progress("frames", quiet=as_json) as bar, access.producer(timeout_ms=PATIENCE_MS) as producer:
        totals = run(
            chunks, camera, producer, stack.pipeline_recipient(), signing_key(stack.tls, principal),
            report=lambda now: bar.update(bar.task_ids[0], completed=now.frames),
        )
    dropped = backlog.dropped if backlog else 0
    if as_json:
        give({**asdict(totals), "dropped": dropped})
    else:
        say(f"{camera}: {plural(totals.frames, 'frame')} in {plural(totals.chunks, 'chunk')}, "
            f"{totals.coded_bytes:,} bytes, {totals.seconds:.1f} s; videos {', '.join(totals.videos)}"
            + (f"; {plural(dropped, 'chunk')} dropped, as the broker took too little" if dropped else ""))
