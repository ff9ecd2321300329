"""`sealframe verify`: is a desensitised video what was signed, and is its evidence whole? Needs no key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.output import give, say
from streams.restore_file import verify as run


def verify(
    video: Annotated[Path, typer.Argument(metavar="FILE", help="what `sealframe anonymize` wrote", exists=True)],
    evidence: Annotated[Path, typer.Option(help="the sealed evidence beside it", exists=True)],
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Check every signature, digest, link and counter of a video and its evidence; name what doesn't hold."""
    records, by_chunk = run(video, evidence)
    chunks = sum(record.body.chunk is not None for record in records)
    parts = sum(len(sealed.parts) for found in by_chunk.values() for sealed in found)
    bare = [zone for record in records if record.body.chunk for zone in record.body.chunk.bare]
    statements = sorted({zone.statement.hex() for zone in bare})
    if as_json:
        give({"chunks": chunks, "parts": parts, "holds": True, "left_bare": sum(zone.regions for zone in bare),
              "bare_zone_statements": statements})
        return
    say(f"{video.name}: {chunks} chunks and {parts} sealed parts, all as they were signed")
    if bare:
        say(f"never-masked zones left {sum(zone.regions for zone in bare)} bare, by {', '.join(statements)}")
