"""`sealframe restore`: bring a found subject back, and only that one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import IntegrityError, UsageError
from streams.cli.output import give, progress, say
from streams.cli.search import DEFAULT_TLS, As, AsJson, Authority, Case, Purpose, Tls, Url, client_of
from streams.forensic.client import ForensicClient
from streams.forensic.manifest import SUFFIX
from streams.forensic.restorations import Wish
from streams.words import plural

WithGaps = Annotated[bool, typer.Option(help="write the video although frames are missing")]


def restore(
    subject: Annotated[str, typer.Argument(
        help="subject as `sealframe search` names it, or the id of a restoration that you began before")],
    case: Case,
    purpose: Purpose,
    principal: As,
    out: Annotated[Path, typer.Option("-o", "--out", help="the restored video; its manifest is put beside it")],
    everyone: Annotated[bool, typer.Option("--all", help="show everybody, where the case allows it")] = False,
    with_gaps: WithGaps = False,
    playable: Annotated[bool, typer.Option(help="crf 12 instead of lossless, so that browsers play it")] = False,
    burnt: Annotated[bool, typer.Option("--burn", help="watermark in the pictures: case, person, time, entry")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="stop the restoration of this id instead")] = False,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Fetch the desensitised video, check it, put the subject's samples back. Others stay masked.

    The service works on it as a job: whoever stops waiting, or whose service was restarted, follows it by its id. The
    video comes with a signed manifest, its chain of custody, which is checked here and by `sealframe verify` anywhere.
    Written only when every frame of the subject could be restored; else the gaps are listed (--with-gaps writes it).
    """
    if burnt and not playable:
        raise UsageError("a watermark in the pictures changes them: --burn goes with --playable")
    begun = re.fullmatch("[0-9a-f]{32}", subject) is not None
    kind = "plate" if subject.rpartition("/")[2].startswith("p") else "face"
    with client_of(url, tls_folder, principal, authority, kind) as client:
        if cancel:
            give(client.cancel(subject)) if as_json else say(f"{subject}: {client.cancel(subject)['state']}")
            return
        wish = Wish(everyone, with_gaps, not playable, burnt)
        job = client.restoration(subject) if begun else client.begin(subject, case, purpose, wish)
        done = followed(client, job, as_json)
        written = done["state"] == "done"
        if written:
            client.fetch(done["id"], out, tls_folder / "ca.pem")
    said = {name: done[name] for name in ("id", "entry", "frames", "replaced", "lost", "gaps")}
    if as_json:
        give({"written": written, **said, "gaps": len(done["gaps"]) if written else done["gaps"]})
    elif written:
        lost = f", {plural(done['lost'], 'frame')} lost meanwhile" if done["lost"] else ""
        say(f"{out}: {done['replaced']} of {done['frames']} frames restored, {plural(len(done['gaps']), 'gap')}{lost}; "
            f"log {done['entry']}; chain of custody in {out.name}{SUFFIX}, all of it holds")
    if not written:
        raise IntegrityError(f"not whole, nothing written: {listed(done['gaps'])}")


def followed(client: ForensicClient, job: dict[str, Any], quiet: bool) -> dict[str, Any]:
    """Show how far a job is until it is done, or ended with gaps.

    Raises:
        SealframeError: it failed, or was cancelled.

    """
    said = [""]
    with progress(f"restoring, id {job['id']}", quiet) as bar:
        def tell(now: dict[str, Any]) -> None:
            bar.update(bar.tasks[0].id, total=now["frames"] or None, completed=now["done"])
            if now["error"] != said[-1] and not quiet:
                say(now["error"])
            said.append(now["error"])

        return client.wait(job, tell)


def listed(gaps: list[dict[str, Any]]) -> str:
    """The first gaps in words."""
    first = "; ".join(f"{gap['first_frame']}-{gap['last_frame']}: {gap['reason']}" for gap in gaps[:5])
    return f"{len(gaps)} gaps ({first})"
