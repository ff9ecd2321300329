"""`sealframe hide` and `sealframe reveal`: sealed pictures inside a desensitised video, and out of it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import cv2
import typer

from infra.atomic import write_whole
from infra.camera import open_source
from infra.recipients import asked_recipient, read_identity
from operators.codec import encode
from operators.desensitise.policy import DEFAULT, METHODS
from operators.detect.picture import rgb_of
from operators.hiding.carrier import DENSE
from operators.hiding.faces import FORMAT, SIDE, pictures_of
from operators.pipeline import Pipeline
from operators.seal import Identity
from schemas.errors import SourceError, UsageError
from streams.anonymize import fresh_signer
from streams.cli.left_out import Taken, left_out, say_left_out
from streams.cli.output import give, progress, say
from streams.cli.paths import check_folder, check_paths
from streams.hide import Revealed, best_carrier
from streams.hide import hide as run
from streams.hide import reveal as read
from streams.setup import FINDS_FACES, check_coding, file_policy, finder

CRFS = {"dense": 18.0, "sturdy": 23.0}
CHUNK_MS = 2000
CarrierName = Annotated[str, typer.Option(
    "--carrier", help="dense: 0.02 bits a pixel, mostly up to CRF 22; sturdy: 0.0012, up to 28")]


def hide(
    source: Annotated[str, typer.Argument(metavar="IN", help="video file, raw stream, GIF or folder of pictures")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="desensitised video (fragmented MP4)")],
    recipient: Annotated[str, typer.Option(help="public key, or a file with it, that the pictures are sealed for")],
    method: Annotated[str, typer.Option(
        help=f"how faces are hidden: {', '.join(METHODS)}; plates are solid")] = DEFAULT,
    insist: Annotated[bool, typer.Option("--insist", help="take a method that attacks broke all the same")] = False,
    carrier: CarrierName = DENSE.name,
    crf: Annotated[float | None, typer.Option(help="x264 quality; default: 18 (dense), 23 (sturdy)")] = None,
    preset: Annotated[str, typer.Option(help="x264 preset")] = "veryfast",
    kinds: Annotated[list[str] | None, typer.Option("--hide", help="face or plate; may be repeated")] = None,
    faces: Annotated[str, typer.Option("--detector", help="finds faces: see `sealframe models list`")] = FINDS_FACES,
    as_json: Annotated[bool, typer.Option("--json", help="print totals as JSON")] = False,
) -> None:
    """Hide faces, and keep sealed 64x64 pictures of them inside the public video itself.

    They come back with `sealframe reveal` from any copy with all its frames: coded again, blurred, scaled, filmed from
    a screen. The samples of the masks themselves are in no such file; for those see `anonymize --evidence`. The video
    grows: hiding looks like fine noise, which codecs pay for. Sound isn't taken along. Make a key with
    `sealframe keys create me.key`, then `sealframe hide in.mp4 out.mp4 --recipient sealframe-recipient-1:...`.
    """
    check_paths([("IN", source), ("--recipient", recipient)], [("OUT", out)])
    began, carried, public = time.monotonic(), best_carrier(carrier), asked_recipient(recipient)
    crf = CRFS[carried.name] if crf is None else crf
    check_coding(crf, preset)
    policy = file_policy(method=method, quality="high", stride=5, crf=23, preset=preset,
                         keep_evidence=False, insist=insist)
    pipeline = Pipeline(policy, finder(kinds or ["face"], faces), fresh_signer())
    taken = Taken(source)
    chunks = taken.of(open_source(source, encode=encode, chunk_ms=CHUNK_MS, camera_id="file", whole=True))
    with progress("frames", quiet=as_json) as bar:
        totals = run(chunks, pipeline, public, out, carried, crf,
                     lambda done: bar.update(bar.task_ids[0], completed=done))
    if as_json:
        give({"frames": totals.frames, "groups": totals.groups, "regions_hidden": totals.hidden,
              "regions_left_out": totals.left_out, "room": totals.room, "payload_bytes": totals.payload_bytes,
              "public_bytes": totals.public_bytes, "seconds": round(time.monotonic() - began, 3),
              **left_out(taken)})
        return
    say(f"{out}: {totals.frames} frames, {totals.public_bytes:,} bytes; {totals.hidden} pictures of regions hidden, "
        f"{totals.left_out} left out for lack of room ({totals.payload_bytes:,} of {totals.room:,} bytes used)")
    say_left_out(taken)


def reveal(
    source: Annotated[str, typer.Argument(metavar="FILE", help="a video that `sealframe hide` wrote, or a copy of it")],
    identity: Annotated[Path, typer.Option(
        help="file with the private key they are sealed for", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="folder for the pictures: KIND-TRACK/FRAME.png")],
    carrier: CarrierName = DENSE.name,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the original, where the copy has another size")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Get the hidden pictures back out of a video; what happened to the copy is found out and undone.

    The copy needs all frames, in order, from the first one on. Groups of 48 frames are read each by itself: a lost one
    is named, the others come back. Exit code 1: nothing came back.
    """
    check_folder("--out", out)
    chunks = iter(open_source(source, encode=encode, chunk_ms=CHUNK_MS, camera_id="file", whole=True))
    groups, pictures = [], 0
    for group in read(chunks, Identity(read_identity(identity)), best_carrier(carrier), _size(size)):
        pictures += _written(group, out)
        groups.append(group)
        if group.why and not as_json:
            say(f"frames from {group.first_frame} on: {group.why}")
    back = sum(group.pictures is not None for group in groups)
    if as_json:
        give({"groups": len(groups), "groups_back": back, "pictures": pictures,
              "passages": [_passage(group) for group in groups]})
    else:
        say(f"{out}: {pictures} pictures out of {back} of {len(groups)} groups")
    if not back:
        raise typer.Exit(1)


def _written(group: Revealed, out: Path) -> int:
    """Write a group's pictures, each for its owner alone; how many."""
    count = 0
    for track in group.pictures.tracks if group.pictures else ():
        folder = out / f"{track.kind}-{track.track}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"{folder}: can't be made ({error.strerror})") from error
        for index, planes in zip(track.frames, pictures_of(track), strict=True):
            rgb = rgb_of(planes, FORMAT, SIDE, SIDE)
            png = cv2.imencode(".png", rgb[:, :, ::-1])[1].tobytes()
            write_whole(folder / f"{group.first_frame + index:06}.png", png, secret=True)
            count += 1
    return count


def _passage(group: Revealed) -> dict[str, object]:
    passage = group.passage
    return {"first_frame": group.first_frame, "why": group.why} if passage is None else {
        "first_frame": group.first_frame, "moved": passage.moved.round(4).tolist(),
        "power": round(passage.power, 3), "blur": round(passage.blur, 2), "why": group.why,
    }


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found or any(int(side) % 2 or not 16 <= int(side) <= 8192 for side in found.groups()):
        raise UsageError(f"{text!r} is no size such as 1280x720, both sides even")
    return int(found[1]), int(found[2])
