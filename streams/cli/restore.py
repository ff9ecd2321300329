"""`sealframe restore`: bring a found subject back, and only that one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import IntegrityError
from streams.cli.output import give, say
from streams.cli.search import DEFAULT_TLS, As, AsJson, Authority, Case, Purpose, Tls, Url, client_of


def restore(
    subject: Annotated[str, typer.Argument(help="subject as `sealframe search` names it")],
    case: Case,
    purpose: Purpose,
    principal: As,
    out: Annotated[Path, typer.Option("-o", "--out", help="the restored video")],
    everyone: Annotated[bool, typer.Option("--all", help="show everybody, where the case allows it")] = False,
    with_gaps: Annotated[bool, typer.Option(help="write the video although frames are missing")] = False,
    playable: Annotated[bool, typer.Option(help="crf 12 instead of lossless, so that browsers play it")] = False,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Fetch the desensitised video, check it, put the subject's samples back. Others stay masked.

    Written only when every frame of the subject could be restored; else the gaps are listed (--with-gaps writes it).
    """
    kind = "plate" if subject.rpartition("/")[2].startswith("p") else "face"
    with client_of(url, tls_folder, principal, authority, kind) as client:
        done = client.restore(
            subject, case, purpose, out, everyone=everyone, with_gaps=with_gaps, lossless=not playable
        )
    if as_json:
        give(done)
    elif done["written"]:
        say(f"{out}: {done['replaced']} of {done['frames']} frames restored, {done['gaps']} gaps; log {done['entry']}")
    if not done["written"]:
        listed = "; ".join(f"{gap['first_frame']}-{gap['last_frame']}: {gap['reason']}" for gap in done["gaps"][:5])
        raise IntegrityError(f"not whole, nothing written: {len(done['gaps'])} gaps ({listed})")
