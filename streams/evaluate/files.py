"""`sealframe eval files`: file mode over every clip of a folder, and what it costs.

For each clip: frames and times out against the chunks that the source gave; pieces opened against the sealed samples
and the original; what lies outside the masks against encoding the unmasked original at the same settings; bytes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import av

from infra.camera import open_source
from operators import pixels
from operators.codec import decode, decode_units, encode
from operators.desensitise.policy import DEFAULT
from operators.fragment import parse_fragment
from operators.masks import unpack_masks
from operators.pipeline import Pipeline
from operators.seal import Identity
from operators.sign import digest
from schemas.frames import FrameChunk, Planes
from schemas.records import OperatorChunk
from streams.anonymize import anonymize, fresh_signer
from streams.evaluate.report import Figure
from streams.restore_file import RestoredChunk, restored_chunks
from streams.setup import file_policy, finder

SUFFIXES = (".mp4", ".mkv", ".gif", ".h265", ".h264", ".avi", ".mov", ".ts")


@dataclass(slots=True)
class ClipResult:
    """What one clip gave. Errors are sums of squared differences with their counts of samples."""

    name: str
    frames_in: int = 0
    frames_out: int = 0
    times_wrong: int = 0
    chunks: int = 0
    passed: int = 0
    masked_frames: int = 0
    original_bytes: int = 0
    public_bytes: int = 0
    unmasked_bytes: int = 0
    evidence_bytes: int = 0
    restored: list[int] = field(default_factory=lambda: [0, 0])
    outside: list[int] = field(default_factory=lambda: [0, 0])
    outside_unmasked: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def restored_db(self) -> float:
        """PSNR of restored blocks against the original; nan where nothing was masked."""
        return pixels.psnr_of(*self.restored) if self.restored[1] else float("nan")

    @property
    def outside_loss_db(self) -> float:
        """How much worse the picture is outside masks than if nothing had been masked."""
        if not self.outside[0] and not self.outside_unmasked[0]:
            return 0.0
        return pixels.psnr_of(*self.outside_unmasked) - pixels.psnr_of(*self.outside)


def clips(folder: Path) -> list[Path]:
    """Every video under a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def evaluate(folder: Path, quality: str, tell: Callable[[str], None]) -> tuple[list[Figure], list[ClipResult]]:
    """All figures over the clips of a folder."""
    results = []
    for path in clips(folder):
        tell(path.name)
        results.append(run_clip(path, quality))
    return _figures(results, quality), results


def first_chunks(path: Path, frames: int) -> list[FrameChunk]:
    """Whole chunks until they hold so many frames, of the first video alone."""
    out: list[FrameChunk] = []
    for chunk in islice(open_source(str(path), encode=encode, camera_id="leak"), frames):
        if sum(len(one.units) for one in out) >= frames or (out and chunk.video_id != out[0].video_id):
            break
        out.append(chunk)
    return out


def run_clip(path: Path, quality: str) -> ClipResult:
    """Anonymise one clip in file mode, restore it, compare."""
    result = ClipResult(path.name)
    policy = file_policy(method=DEFAULT, quality=quality, stride=5, crf=23, preset="veryfast", keep_evidence=True)
    signer, identity = fresh_signer(), Identity.create()
    pipeline = Pipeline(policy, finder(["face"]), signer)
    originals: list[FrameChunk] = []
    with tempfile.TemporaryDirectory() as scratch:
        out, sealed = Path(scratch, "out.mp4"), Path(scratch, "out.sealed")
        chunks = _kept(iter(open_source(str(path), encode=encode, chunk_ms=2000, camera_id="eval")), originals)
        totals = anonymize(chunks, pipeline, signer, out, sealed, identity.public)
        result.frames_in, result.chunks, result.passed = totals.frames_in, totals.chunks, totals.chunks_passed
        result.masked_frames, result.original_bytes = totals.masked_frames, totals.original_bytes
        result.public_bytes, result.evidence_bytes = totals.public_bytes, totals.evidence_bytes
        result.frames_out, result.times_wrong = compare_times(out, originals)
        media = out.read_bytes()
        for chunk, restored in zip(originals, restored_chunks(out, sealed, identity), strict=True):
            _compare(result, chunk, restored, media, policy.crf, policy.preset)
    return result


def _kept(chunks: Iterator[FrameChunk], originals: list[FrameChunk]) -> Iterator[FrameChunk]:
    for chunk in chunks:
        originals.append(chunk)
        yield chunk


def compare_times(out: Path, originals: Sequence[FrameChunk]) -> tuple[int, int]:
    """Frames that another reader (FFmpeg) finds in the file, and how many of them are over 1 ms off."""
    origin = originals[0].pts[0]
    wanted = [float((pts - origin) * chunk.format.time_base) for chunk in originals for pts in chunk.pts]
    with av.open(str(out)) as container:
        got = [float(frame.time or 0.0) for frame in container.decode(video=0)]
    start = got[0] if got else 0.0
    return len(got), sum(abs(a - (b - start)) > 0.001 for a, b in zip(wanted, got, strict=False))


def _compare(
    result: ClipResult, chunk: FrameChunk, restored: RestoredChunk, media: bytes, crf: int, preset: str
) -> None:
    original = [frame.planes for frame in decode(chunk).frames]
    masks = unpack_masks(restored.chunk.masks, len(original), chunk.format)
    public = _public(restored.chunk, chunk, media)
    if restored.chunk.passed:
        result.unmasked_bytes += restored.chunk.media_bytes
        return
    units = encode(original, chunk.pts, chunk.format, crf=crf, preset=preset)
    result.unmasked_bytes += sum(len(unit.data) for unit in units)
    unmasked = decode_units(units, "h264", chunk.format.width, chunk.format.height)
    for index, mask in enumerate(masks):
        inside, outside = pixels.sample_masks(mask, chunk.format), pixels.sample_masks(~mask, chunk.format)
        if mask.any():
            _add(result.restored, restored.frames[index], original[index], inside)
        _add(result.outside, public[index], original[index], outside)
        _add(result.outside_unmasked, unmasked[index], original[index], outside)


def _public(body: OperatorChunk, chunk: FrameChunk, media: bytes) -> list[Planes]:
    start = _find(media, body)
    units, _ = parse_fragment(media[start : start + body.media_bytes], chunk.format)
    return decode_units(units, "h264", chunk.format.width, chunk.format.height)


def _find(media: bytes, body: OperatorChunk) -> int:
    at = media.find(b"moof") - 4
    while digest(media[at : at + body.media_bytes]) != body.media_digest:
        at = media.find(b"moof", at + 8) - 4
    return at


def _add(total: list[int], a: Planes, b: Planes, masks: tuple[pixels.Mask, pixels.Mask]) -> None:
    error, count = pixels.squared_error(a, b, masks)
    total[0] += error
    total[1] += count


def _figures(results: Sequence[ClipResult], quality: str) -> list[Figure]:
    masked = [r for r in results if r.masked_frames]
    ratios = [r.evidence_bytes / r.public_bytes for r in results]
    worst = min((r.restored_db for r in masked), default=float("inf"))
    n = len(results)
    return [
        Figure("clips_processed", n, "clips", "==", n, n),
        Figure("frames_in", sum(r.frames_in for r in results), "frames", n=n),
        Figure("frames_lost", sum(r.frames_in - r.frames_out for r in results), "frames", "==", 0, n),
        Figure("times_wrong", sum(r.times_wrong for r in results), "frames", "==", 0, n, "over 1 ms off"),
        Figure("psnr_regions_db", worst, "dB", ">=", 45 if quality == "high" else float("inf"), len(masked),
               "worst clip"),
        Figure("psnr_outside_loss_db", max(r.outside_loss_db for r in results), "dB", "<=", 0.3, n, "worst clip"),
        Figure("evidence_ratio", sum(ratios) / n, "", "<=", 0.5 if quality == "high" else None, n, "mean of clips"),
        Figure("bits_ratio", sum(r.public_bytes for r in results) / sum(r.unmasked_bytes for r in results), "",
               "<=", None, n, "public against encoding the unmasked original at the same settings"),
        Figure("transfer_ratio",
               sum(r.public_bytes + r.evidence_bytes for r in results) / sum(r.original_bytes for r in results), "",
               "<=", None, n, "public + evidence against original (SYS-3)"),
        Figure("chunks_passed", sum(r.passed for r in results), "chunks", n=sum(r.chunks for r in results)),
    ]
