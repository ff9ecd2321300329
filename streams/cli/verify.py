"""`sealframe verify`: is a file what was signed, and is it whole? Needs no key and no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import UsageError
from streams.cli.output import give, say
from streams.restore_file import verify as run
from streams.words import plural

SUFFIX = ".manifest.json"
CA_NEEDED = "whose signatures are to hold? Name the deployment's CA: --ca .sealframe/tls/ca.pem"


def verify(
    file: Annotated[Path, typer.Argument(
        metavar="FILE", exists=True, dir_okay=False,
        help="what `anonymize` wrote (--evidence), what `restore` wrote or a proof of `log prove` (--ca)")],
    evidence: Annotated[Path | None, typer.Option(
        help="the sealed evidence beside a video", exists=True, dir_okay=False)] = None,
    ca: Annotated[Path | None, typer.Option(
        help="certificate of the deployment's CA", exists=True, dir_okay=False)] = None,
    manifest: Annotated[Path | None, typer.Option(
        help="of a restored video; default: beside it, FILE.manifest.json", exists=True, dir_okay=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Check every signature, digest, link and counter in a file, offline; name what doesn't hold (exit code 1).

    A desensitised video is checked against its evidence file. A restored one against its manifest: the pipeline's
    signatures and chain, each stretch of the file, the authority's signature, the access log. A proof of the log
    against the log's checkpoint. All but the first need the deployment's CA, and no server.
    """
    if evidence is not None:
        _verify_video(file, evidence, as_json)
        return
    if ca is None:
        raise UsageError(f"a video is checked with --evidence; anything else: {CA_NEEDED}")
    beside = manifest or file.with_name(file.name + SUFFIX)
    said = check_restored(file, beside, ca) if beside.exists() else check_proof(file, ca)
    give({"holds": True, "said": said}) if as_json else say(f"{file.name}: {said}")


def check_restored(file: Path, manifest: Path, ca: Path) -> str:
    """What a restored video's manifest says of it, in words.

    Raises:
        IntegrityError: something was changed; names what.
        UsageError: the manifest isn't one.

    """
    from infra.tls import signer_at
    from streams.forensic.manifest import verify_restoration

    return verify_restoration(file, manifest, signer_at(ca)).words


def check_proof(file: Path, ca: Path) -> str:
    """What a proof of the access log proves, in words.

    Raises:
        IntegrityError: it doesn't hold.
        UsageError: it isn't one.

    """
    from infra.tls import signer_at
    from streams.forensic.proofs import said_of

    return said_of(_json(file), signer_at(ca))


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise UsageError(f"{file.name} is neither a video with --evidence nor a proof as JSON") from error


def _verify_video(video: Path, evidence: Path, as_json: bool) -> None:
    records, by_chunk = run(video, evidence)
    chunks = sum(record.body.chunk is not None for record in records)
    parts = sum(len(sealed.parts) for found in by_chunk.values() for sealed in found)
    bare = [zone for record in records if record.body.chunk for zone in record.body.chunk.bare]
    statements = sorted({zone.statement.hex() for zone in bare})
    lost = sum(signed.gaps for record in records if (signed := record.body.chunk or record.body.end))
    if as_json:
        give({"chunks": chunks, "parts": parts, "holds": True, "frames_lost": lost,
              "left_bare": sum(zone.regions for zone in bare), "bare_zone_statements": statements})
        return
    say(f"{video.name}: {chunks} chunks and {parts} sealed parts, all as they were signed")
    if lost:
        say(f"{plural(lost, 'frame')} of the source could not be read, and {'is' if lost == 1 else 'are'} not in it")
    if bare:
        say(f"never-masked zones left {sum(zone.regions for zone in bare)} bare, by {', '.join(statements)}")
