"""`sealframe export`: a person's own appearances, for that person."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from infra.atomic import AtomicFile
from schemas.errors import IntegrityError, UsageError
from streams.cli.output import give, say
from streams.cli.restore import WithGaps, followed, listed
from streams.cli.search import DEFAULT_TLS, As, AsJson, Authority, Case, Purpose, Tls, Url, client_of
from streams.forensic.export import Appearance, Archive, archive_of
from streams.forensic.restorations import Wish
from streams.words import plural

PIECE = 2**20


def export(
    subjects: Annotated[list[str], typer.Argument(help="that person's subjects, as searches named them")],
    case: Case,
    purpose: Purpose,
    principal: As,
    out: Annotated[Path, typer.Option("-o", "--out", help="the archive (.zip)")],
    with_gaps: WithGaps = False,
    lossless: Annotated[bool, typer.Option(help="exact samples; browsers may not play it")] = False,
    url: Url = None,
    authority: Authority = None,
    tls_folder: Tls = DEFAULT_TLS,
    as_json: AsJson = False,
) -> None:
    """Pack one person's appearances over several videos: that person is shown, all others stay masked.

    For somebody who asks for their own data. The archive holds the videos with their signed manifests, the CA's
    certificate, and a page that says in words what is in it, what isn't, and how to check it. Each video is a
    restoration of its own in the access log. Exit code 1: nothing could be restored.
    """
    if out.exists():
        raise UsageError(f"{out} exists already: choose another name")
    wish = Wish(with_gaps=with_gaps, lossless=lossless)
    found, missing = [], []
    with tempfile.TemporaryDirectory(prefix="sealframe-export-", dir=out.parent) as scratch, \
            client_of(url, tls_folder, principal, authority) as client:
        for number, subject in enumerate(dict.fromkeys(subjects)):
            job = followed(client, client.begin(subject, case, purpose, wish, "export"), as_json)
            if job["state"] == "gaps":
                missing.append((subject, listed(job["gaps"])))
                continue
            path = Path(scratch) / f"{number}.mp4"
            manifest = client.fetch(job["id"], path, tls_folder / "ca.pem")
            found.append(Appearance(file_pieces(path), manifest))
        if not found:
            raise IntegrityError(f"nothing could be restored whole (--with-gaps writes it): {missing[0][1]}")
        archive = archive_of(found, missing, tls_folder / "ca.pem")
        write_archive(archive, out)
    if as_json:
        give({"videos": archive.videos, "missing": [subject for subject, _ in missing]})
    else:
        say(f"{out}: {plural(len(archive.videos), 'video')}, {len(missing)} missing; begin with index.html")


def write_archive(archive: Archive, out: Path) -> None:
    """Put an archive under its name once whole, for its owner alone: it shows somebody."""
    with AtomicFile(out, secret=True) as whole:
        if whole.file is not None:
            whole.file.writelines(archive.pieces())


def file_pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
