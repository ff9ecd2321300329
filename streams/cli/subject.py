"""`sealframe restored-video`, `package`, `open-package`, `erase`: what else may be done with a subject."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra import tls
from infra.atomic import write_whole
from infra.recipients import read_identity, read_recipient, recipient_text
from streams.authority.package import unpack_package
from streams.authority.restored_video import compose
from streams.cli.output import give, say
from streams.cli.search import DEFAULT_TLS, As, AsJson, Authority, Case, Purpose, Tls, Url, client_of
from streams.forensic.subject_api import zipped
from streams.words import plural

Subject = Annotated[str, typer.Argument(help="subject as `sealframe search` names it")]


def restored_video(
    subject: Subject,
    case: Case,
    purpose: Purpose,
    principal: As,
    out: Annotated[Path, typer.Option("-o", "--out", help="ZIP with restored.mp4 and pictures.json")],
    everyone: Annotated[bool, typer.Option("--all", help="everyone in its video, where the case allows it")] = False,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """The sealed regions alone, one blank frame for each, in the order of time: quick to look through.

    pictures.json says of each picture which image it is from, whose it is, and how that is known: detected there, or
    followed by CamShift where the detector lost it. Nothing is fetched from the operating platform.
    """
    with client_of(url, tls_folder, principal, authority, _kind(subject)) as client:
        done = client.restored_video(subject, case, purpose, out, everyone=everyone)
    give(done) if as_json else say(f"{out}: written; log {done['entry']}")


def package(
    subject: Subject,
    case: Case,
    purpose: Purpose,
    principal: As,
    recipient: Annotated[str, typer.Option("--to", help="public key, or a file with it (sealframe keys create)")],
    out: Annotated[Path, typer.Option("-o", "--out", help="the package")],
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """The regions of one subject in one video, in the order of frames, sealed for whom you name.

    Only who has the recipient's identity opens it. The plate's number, where the library has it, is told here.
    """
    key = recipient_text(read_recipient(recipient))
    with client_of(url, tls_folder, principal, authority, _kind(subject)) as client:
        done = client.package(subject, case, purpose, key, out)
    if as_json:
        give(done)
        return
    plate = f", plate {done['plate']}" if done["plate"] else ""
    say(f"{out}: {plural(done['frames'], 'frame')} of {plural(done['chunks'], 'chunk')}{plate}; log {done['entry']}")


def open_package(
    file: Annotated[Path, typer.Argument(help="the package", exists=True, dir_okay=False)],
    identity: Annotated[Path, typer.Option(help="your identity (sealframe keys create)", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="ZIP with restored.mp4 and pictures.json")],
    ca: Annotated[Path, typer.Option(help="certificate of the authority's CA", exists=True, dir_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Check a package and open it with your identity: one blank frame for each region, and the list of them."""
    opened = unpack_package(
        file.read_bytes(), read_identity(identity), lambda der: tls.signer_identity(der, ca)
    )
    tracks = sorted({mapping.track for chunk in opened.chunks for mapping in chunk.mappings})
    made = compose(opened.video_id, opened.chunks, {file.stem: tracks})
    write_whole(out, zipped(made), secret=True)
    about = {"video": opened.video_id, "authority": opened.authority, "pictures": len(made.pictures)}
    give(about) if as_json else say(f"{out}: {plural(len(made.pictures), 'picture')} of {opened.video_id}")


def erase(
    subject: Subject,
    case: Case,
    purpose: Purpose,
    principal: As,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Destroy the keys of one subject, for ever: no copy of its evidence opens again. Neighbours stay.

    The case must allow erasures (`sealframe case open --erases`). The log says before and after what was destroyed, by
    numbers and digests; keep the proof of the entry that this names: `sealframe log prove ENTRY`. What is under a legal
    hold is refused (`sealframe hold list`).
    """
    with client_of(url, tls_folder, principal, authority, _kind(subject)) as client:
        done = client.erase(subject, case, purpose)
    if as_json:
        give(done)
        return
    say(f"{done['subject_id']}: {done['keys']} keys destroyed; {done['parts']} parts of its evidence can't be opened"
        f" any more. Entry {done['entry']} of the access log says so.")
    if done["days"]:
        say(f"The key of {', '.join(done['days'])} would still open a copy of them; it is destroyed by itself, as soon"
            " as all that came that day is in, at the latest two days after it.")


def _kind(subject: str) -> str:
    return "plate" if subject.rpartition("/")[2].startswith("p") else "face"
