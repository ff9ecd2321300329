"""`sealframe bench file`: our file mode against the transcoding floor and against deface, one after the other.

One clip, scaled to 720p and 1080p. The floor decodes and encodes with the very functions and settings that file mode
uses, and does nothing in between. deface is the package's own command, at its default and searching at 640x360, on the
first frames alone, since it is slow; its start-up (the run on one frame) is taken off. Ratios hold for this run; times
don't carry over to other machines.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from infra.camera import open_source
from operators.codec import decode, encode
from operators.pipeline import Pipeline
from operators.seal import Identity
from schemas.frames import FrameChunk
from streams.anonymize import anonymize, fresh_signer
from streams.evaluate.report import Figure
from streams.setup import file_policy, finder

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
FLOOR = {"veryfast": 0.85, "ultrafast": 0.70}
DEFACE = {"720p": 16.0, "1080p": 22.0}
DEFACE_FAST = 6.0
CRF, RATE, DEFACE_FRAMES = 23, 25, 30
GOP_FRAMES = 50
Tell = Callable[[str], None]


def evaluate(
    clip: Path, folder: Path, frames: int, presets: tuple[str, ...], deface: bool, tell: Tell = lambda _: None
) -> list[Figure]:
    """Ratios for both sizes; `folder` takes the scaled clips."""
    found = []
    for name, (width, height) in SIZES.items():
        path = folder / f"{name}.mp4"
        count = scaled(clip, path, width, height, frames)
        chunks = [*open_source(str(path), encode=encode, camera_id="bench")]
        ours = 0.0
        for preset in presets:
            floor = count / timed(transcode, chunks, preset)
            evidence, plain = (count / timed(run, chunks, folder, preset, evidence=kept) for kept in (True, False))
            ours = ours or evidence
            tell(f"{name} {preset}: floor {floor:.1f}, ours {evidence:.1f}, without evidence {plain:.1f} frames/s")
            found.append(Figure(f"floor_ratio_{name}_{preset}", evidence / floor, "", ">=", FLOOR.get(preset), count,
                                f"{evidence:.1f} of {floor:.1f} frames/s"))
            found.append(Figure(f"floor_ratio_no_evidence_{name}_{preset}", plain / floor, "", ">=", None, count))
        for way, options, target in (
            ("deface", (), DEFACE[name]), ("deface_fast", ("--scale", "640x360"), DEFACE_FAST),
        ) if deface else ():  # fmt: skip
            peer = defaced(clip, folder, (width, height), options)
            tell(f"{name}: {way} {peer:.2f} frames/s")
            found.append(Figure(f"{way}_ratio_{name}", ours / peer, "", ">=", target, DEFACE_FRAMES,
                                f"{ours:.1f} frames/s at {presets[0]} against {peer:.2f}"))
    return found


def scaled(clip: Path, out: Path, width: int, height: int, frames: int) -> int:
    """Write the clip at another size, there and back again until there are so many frames; returns their number."""
    with av.open(str(clip)) as source:
        pictures = [one.reformat(width, height, "yuv420p") for one in source.decode(video=0)][:frames]
    with av.open(str(out), "w") as sink:
        stream = sink.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast", "g": str(GOP_FRAMES)}
        for number, picture in zip(range(frames), _to_and_fro(pictures), strict=False):
            picture.pts, picture.time_base = number, Fraction(1, RATE)
            sink.mux(stream.encode(picture))
        sink.mux(stream.encode(None))
    return frames


def _to_and_fro(pictures: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    while True:
        yield from pictures
        pictures.reverse()


def transcode(chunks: list[FrameChunk], preset: str) -> None:
    """The floor: decode, encode."""
    for chunk in chunks:
        pictures = [frame.planes for frame in decode(chunk).frames]
        encode(pictures, chunk.pts, chunk.format, crf=CRF, preset=preset)


def run(chunks: list[FrameChunk], folder: Path, preset: str, *, evidence: bool) -> None:
    """File mode as `sealframe anonymize` runs it."""
    policy = file_policy(method="blur", quality="high", stride=5, crf=CRF, preset=preset, keep_evidence=evidence)
    signer, sealed = fresh_signer(), folder / "out.sealed" if evidence else None
    recipient = Identity.create().public if evidence else b""
    anonymize(iter(chunks), Pipeline(policy, finder(["face"]), signer), signer, folder / "out.mp4", sealed, recipient)


def defaced(clip: Path, folder: Path, size: tuple[int, int], options: tuple[str, ...]) -> float:
    """Frames a second of the deface command on the first frames, without its start-up."""
    seconds = []
    for frames in (1, 1 + DEFACE_FRAMES):
        path = folder / "deface.mp4"
        scaled(clip, path, *size, frames)
        seconds.append(timed(_deface, path, folder / "defaced.mp4", options))
    return DEFACE_FRAMES / max(seconds[1] - seconds[0], 1e-6)


def _deface(path: Path, out: Path, options: tuple[str, ...]) -> None:
    command = [str(Path(sys.executable).with_name("deface")), str(path), "-o", str(out), *options]
    subprocess.run(command, check=True, capture_output=True)


def timed(work: Callable[..., object], *given: object, **named: object) -> float:
    """Seconds on the wall that it takes."""
    began = time.perf_counter()
    work(*given, **named)
    return time.perf_counter() - began
