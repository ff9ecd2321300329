"""`sealframe bench file`: our file mode against the transcoding floor and against deface, one after the other.

One clip, scaled to 720p and 1080p. The floor decodes and encodes with the very functions and settings that file mode
uses, on one thread, and does nothing in between; `floor_all_cores` does so with several chunks at a time. deface is
the package's own command, at its default and searching at 640x360, on the first frames alone, since it is slow; its
start-up (the run on one frame) is taken off. Ratios hold for this run; times don't carry over to other machines.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av

from infra.camera import open_source
from operators.codec import decode, encode
from operators.desensitise.policy import DEFAULT
from operators.pipeline import Pipeline
from operators.seal import Identity
from schemas.frames import FrameChunk
from streams.anonymize import anonymize, fresh_signer
from streams.evaluate.report import Figure
from streams.setup import file_policy, finder

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
EMPTY_SIZES = {"360p": (640, 360)}
EMPTY = {"360p": 0.2, "720p": 0.6, "1080p": 0.6}
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
        chunks = chunks_of(clip, folder / f"{name}.mp4", width, height, frames)
        ours = 0.0
        for preset in presets:
            floor = frames / timed(transcode, chunks, preset)
            spread = frames / timed(transcode, chunks, preset, os.cpu_count() or 1)
            evidence, plain = (frames / timed(run, chunks, folder, preset, evidence=kept) for kept in (True, False))
            ours = ours or evidence
            tell(f"{name} {preset}, frames/s: floor {floor:.1f} (all cores {spread:.1f}), ours {evidence:.1f}, "
                 f"without evidence {plain:.1f}")
            found.append(Figure(f"floor_ratio_{name}_{preset}", evidence / floor, "", ">=", FLOOR.get(preset), frames,
                                f"{evidence:.1f} of {floor:.1f} frames/s"))
            found.append(Figure(f"floor_all_cores_ratio_{name}_{preset}", evidence / spread, "", ">=", None, frames,
                                f"{evidence:.1f} of {spread:.1f} frames/s"))
            found.append(Figure(f"floor_ratio_no_evidence_{name}_{preset}", plain / floor, "", ">=", None, frames))
        for way, options, target in (
            ("deface", (), DEFACE[name]), ("deface_fast", ("--scale", "640x360"), DEFACE_FAST),
        ) if deface else ():  # fmt: skip
            peer = defaced(clip, folder, (width, height), options)
            tell(f"{name}: {way} {peer:.2f} frames/s")
            found.append(Figure(f"{way}_ratio_{name}", ours / peer, "", ">=", target, DEFACE_FRAMES,
                                f"{ours:.1f} frames/s at {presets[0]} against {peer:.2f}"))
    return found


def evaluate_empty(clip: Path, folder: Path, frames: int, preset: str, tell: Tell = lambda _: None) -> list[Figure]:
    """How fast a video with nobody in it goes through, against decoding alone."""
    found = []
    for name, (width, height) in (EMPTY_SIZES | SIZES).items():
        chunks = chunks_of(clip, folder / f"empty-{name}.mp4", width, height, frames)
        floor, ours = frames / timed(decode_all, chunks), frames / timed(run, chunks, folder, preset, evidence=True)
        tell(f"{name}, nobody: decoding {floor:.1f}, ours {ours:.1f} frames/s")
        found.append(Figure(f"empty_ratio_{name}", ours / floor, "", ">=", EMPTY[name], frames,
                            f"{ours:.1f} of {floor:.1f} frames/s"))
    return found


def chunks_of(clip: Path, path: Path, width: int, height: int, frames: int) -> list[FrameChunk]:
    """The clip's first frames at this size, as the chunks of a file written to `path`."""
    scaled(clip, path, width, height, frames)
    return [*open_source(str(path), encode=encode, camera_id="bench")]


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


def transcode(chunks: Sequence[FrameChunk], preset: str, cores: int = 1) -> None:
    """The floor: decode, encode; on several cores, so many chunks at a time."""
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda chunk: _recode(chunk, preset), chunks))


def _recode(chunk: FrameChunk, preset: str) -> None:
    pictures = [frame.planes for frame in decode(chunk).frames]
    encode(pictures, chunk.pts, chunk.format, crf=CRF, preset=preset)


def decode_all(chunks: Sequence[FrameChunk]) -> None:
    """Decode, and nothing else."""
    for chunk in chunks:
        decode(chunk)


def run(chunks: list[FrameChunk], folder: Path, preset: str, *, evidence: bool) -> None:
    """File mode as `sealframe anonymize` runs it."""
    policy = file_policy(method=DEFAULT, quality="high", stride=5, crf=CRF, preset=preset, keep_evidence=evidence)
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
