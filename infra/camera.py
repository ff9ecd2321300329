"""Cameras, files and folders of pictures as chunks: remuxed where their GOPs fit, else encoded again.

A GOP stays as it is (its slices and parameter sets, byte for byte) when it is H.264 or H.265, progressive 8-bit 4:2:0
of even size, starts with an IDR picture, lasts no longer than 10 s (a file) or the chunk length (a camera), is within
2 MiB coded and 96 MiB decoded, and decodes to one picture per packet in the order of its times (of a camera whose GOPs
did so far, one in eight is tried). Short GOPs are merged up to the chunk length. All others go through `camera_convert`
and `camera_recode`, GOP by GOP: frames out are frames in. Times stay as the source gives them, the first may be other
than 0; missing ones come from its frame rate (25 a second if unknown). A broken tail ends the video. What a video is:
`camera_chunks`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
from av.stream import Stream

from infra.camera_audio import AudioTrack
from infra.camera_chunks import Chunker, Clock
from infra.camera_convert import FormatRule, Turn, turn_of
from infra.camera_input import Input, is_folder, is_live, name_of, open_input, pictures_in
from infra.camera_recode import Encode, Recoder
from infra.camera_segment import MAX_CHUNK_MS, Segmenter, Trust
from schemas.errors import SourceError, UsageError
from schemas.frames import CodedUnit, FrameChunk, Planes, VideoFormat

PICTURE_RATE = Fraction(25)
_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a source delivers. `gops`: frames of the first GOPs; `kept` and `recoded` count them; `reasons` say why."""

    source: str
    container: str
    codec: str
    pixels: str
    width: int
    height: int
    rate: float
    rotation: int
    audio: str
    gops: tuple[int, ...]
    kept: int
    recoded: int
    reasons: tuple[str, ...]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _check(chunk_ms: int, camera_id: str) -> None:
    if not 100 <= chunk_ms <= MAX_CHUNK_MS:
        raise UsageError(f"a chunk of {chunk_ms} ms: 100 to {MAX_CHUNK_MS} are taken")
    if not camera_id or not all(c.isascii() and (c.isalnum() or c in "-_") for c in camera_id):
        raise UsageError(f"camera id {camera_id!r}: letters, digits, '-' and '_' only")


def open_source(
    src: str,
    *,
    encode: Encode,
    camera_id: str,
    chunk_ms: int = 1000,
    start_ms: int | None = None,
    loop: bool = False,
    realtime: bool = False,
    audio: bool = False,
    whole: bool = False,
) -> Iterator[FrameChunk]:
    """Chunks of a file, a folder of pictures, an RTSP camera or a V4L2 device.

    `encode` is `operators.codec.encode`. `start_ms` is the capture time of the first frame (default: now, or a
    camera's own). `loop` begins files again, as a new video; `realtime` gives a chunk when its last frame would have
    been captured. `audio` puts the source's sound beside the pictures. `whole`: a file is one video, however long. A
    camera that stops is called again for ever, after 1 to 30 s. The source is opened at once, so that errors come from
    this call.

    Raises:
        SourceError: it can't be read, now or (a camera's first call excepted) never again; the message says what to do.
        UsageError: a chunk length or camera id out of range.

    """
    _check(chunk_ms, camera_id)
    stills, live = is_folder(src), is_live(src) or realtime
    chunker = Chunker(camera_id, chunk_ms, start_ms, not is_live(src), live=live, whole=whole, stills=stills)
    if stills:
        paths = pictures_in(Path(src))
        chunks = _repeat(lambda: _pictures(paths, encode, chunk_ms, chunker), loop)
    elif is_live(src):
        chunks = _live(src, open_input(src), encode, chunk_ms, chunker, audio)
    else:
        first, trust = [open_input(src)], Trust() if realtime else None
        chunks = _repeat(
            lambda: _read(first.pop() if first else open_input(src), encode, chunk_ms, chunker, audio, trust), loop
        )
    return _paced(chunks) if realtime and not is_live(src) else chunks


def _repeat(make: Callable[[], Iterator[FrameChunk]], loop: bool) -> Iterator[FrameChunk]:
    for turn in count():
        got = 0
        for chunk in make():
            got += 1
            yield chunk
        if not loop or not got:
            if not got and not turn:
                raise SourceError("the source holds no picture that decodes; is it complete?")
            return


def _paced(chunks: Iterator[FrameChunk]) -> Iterator[FrameChunk]:
    began: float | None = None
    origin = 0
    for chunk in chunks:
        if began is None:
            began, origin = time.monotonic(), chunk.capture_ms
        shown = (chunk.end_pts - min(chunk.pts)) * chunk.format.time_base
        due = began + (chunk.capture_ms - origin) / 1000 + float(shown)
        time.sleep(max(0.0, due - time.monotonic()))
        yield chunk


def _read(
    source: Input, encode: Encode, chunk_ms: int, chunker: Chunker, audio: bool, trust: Trust | None = None
) -> Iterator[FrameChunk]:
    """All chunks of an open source until it ends or breaks."""
    segmenter = Segmenter(source, encode, chunk_ms, trust)
    sounds = source.container.streams.audio
    track = AudioTrack(sounds[0]) if audio and sounds else None
    streams = [source.stream, sounds[0]] if track else [source.stream]
    try:
        for packet in _packets(source, streams):
            if track is not None and packet.stream is not source.stream:
                track.add(packet)
                continue
            for run in segmenter.feed(packet, _now_ms()):
                yield from (_with_sound(chunk, track) for chunk in chunker.add(run))
        for run in segmenter.finish():
            yield from (_with_sound(chunk, track) for chunk in chunker.add(run))
        yield from (_with_sound(chunk, track) for chunk in chunker.finish())
    finally:
        source.close()


def _packets(source: Input, streams: Sequence[Stream]) -> Iterator[av.Packet]:
    """Packets until the source ends or breaks."""
    try:
        yield from (packet for packet in source.container.demux(*streams) if packet.size)
    except (av.FFmpegError, OSError) as error:
        _LOG.warning("%s: reading stopped (%s); its video ends here",
                     name_of(source.container.name), type(error).__name__)


def _with_sound(chunk: FrameChunk, track: AudioTrack | None) -> FrameChunk:
    if track is None:
        return chunk
    return replace(chunk, audio=track.take(chunk.end_pts * chunk.format.time_base))


def _live(
    src: str, source: Input, encode: Encode, chunk_ms: int, chunker: Chunker, audio: bool
) -> Iterator[FrameChunk]:
    """A camera, called again after each stop."""
    failures = 0
    while True:
        for chunk in _read(source, encode, chunk_ms, chunker, audio, Trust()):
            failures = 0
            yield chunk
        while True:
            pause = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
            failures += 1
            _LOG.warning("%s: the camera stopped; calling it again in %g s", name_of(src), pause)
            time.sleep(pause)
            try:
                source = open_input(src)
            except SourceError as error:
                _LOG.warning("%s", error)
                continue
            break


def _pictures(paths: list[Path], encode: Encode, chunk_ms: int, chunker: Chunker) -> Iterator[FrameChunk]:
    """Pictures at 25 a second; one of another size begins a new video."""
    time_base = 1 / PICTURE_RATE
    clock = Clock(time_base, time_base, PICTURE_RATE)
    recoder: Recoder | None = None
    rules: tuple[Turn, Fraction | None] | None = None
    for index, path in enumerate(paths):
        source = open_input(str(path))
        try:
            frame = next(source.container.decode(source.stream))
            found = turn_of(frame), source.stream.sample_aspect_ratio  # a closed container's streams are freed
        except (av.FFmpegError, StopIteration) as error:
            raise SourceError(f"{path}: the picture doesn't decode; is the file complete?") from error
        finally:
            source.close()
        if recoder is None or rules != found:
            runs = recoder.flush() if recoder is not None else ()
            for run in runs:
                yield from chunker.add(run)
            turn, aspect = rules = found
            rule = FormatRule(time_base, aspect, turn, (0, 2, 2, 2))
            recoder = Recoder(None, rule, clock, encode, chunk_ms)
        for run in recoder.picture(frame, index, _now_ms()):
            yield from chunker.add(run)
    for run in recoder.flush() if recoder is not None else ():
        yield from chunker.add(run)
    yield from chunker.finish()


def describe(src: str, seconds: float = 12.0) -> SourceReport:
    """What a source delivers in its first seconds, and what would be done with it; nothing is encoded.

    Raises:
        SourceError: it can't be read.

    """
    source = open_input(str(pictures_in(Path(src))[0]) if is_folder(src) else src)
    segmenter = Segmenter(source, _no_encode, MAX_CHUNK_MS if not source.live else 1000)
    context, sounds = source.stream.codec_context, source.container.streams.audio
    began, seen, kept = time.monotonic(), 0, 0
    try:
        for packet in source.container.demux(source.stream):
            if not packet.size or time.monotonic() - began > seconds or seen > seconds * source.rate:
                break
            seen += 1
            kept += sum(not run.recoded for run in segmenter.feed(packet, _now_ms()))
        kept += sum(not run.recoded for run in segmenter.finish())
    except av.FFmpegError as error:
        raise SourceError(f"{name_of(src)}: reading stopped ({type(error).__name__}); is it complete?") from error
    finally:
        source.close()
    return SourceReport(
        name_of(src), source.container.format.name, context.name, context.pix_fmt or "", source.width, source.height,
        float(source.rate), source.rotation, sounds[0].codec_context.name if sounds else "", tuple(segmenter.gops),
        kept, segmenter.recoded, tuple(segmenter.reasons),
    )


def _no_encode(
    frames: Sequence[Planes], pts: Sequence[int], format: VideoFormat, *, crf: float, preset: str
) -> tuple[CodedUnit, ...]:
    """Stands where `describe` wants no encoding: units without pictures."""
    return tuple(CodedUnit(time, b"") for time in pts)
