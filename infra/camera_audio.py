"""The sound of a chunk: the source's own packets in a Matroska file, without tags; and of chunks together again."""

from __future__ import annotations

import io
from fractions import Fraction
from types import TracebackType
from typing import BinaryIO, Self

import av
from av.audio.stream import AudioStream
from av.packet import Packet

from schemas.errors import UndecodableChunk

MAX_AUDIO_BYTES = 2**20


class AudioTrack:
    """Collects the packets of one audio stream and hands them out chunk by chunk."""

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        self._packets: list[Packet] = []

    def add(self, packet: Packet) -> None:
        """Keep a packet until its chunk is complete."""
        if packet.pts is not None and packet.size:
            self._packets.append(packet)

    def take(self, until: Fraction) -> bytes:
        """Sound that begins before `until` (seconds of the source); empty when there is none.

        Over 1 MiB (long chunks of uncompressed sound) it is left out: pictures have the room.
        """
        base = self._stream.time_base or Fraction(1)
        ready = [packet for packet in self._packets if (packet.pts or 0) * base < until]
        self._packets = self._packets[len(ready) :]
        if not ready or sum(packet.size for packet in ready) > MAX_AUDIO_BYTES:
            return b""
        out = io.BytesIO()
        with av.open(out, "w", format="matroska", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream_from_template(self._stream)
            stream.metadata.clear()
            for packet in ready:
                packet.stream = stream
                container.mux(packet)
        return out.getvalue()


class SoundFile:
    """The sound of chunks, in their order, as one Matroska file again."""

    def __init__(self, file: BinaryIO) -> None:
        self._container = av.open(file, "w", format="matroska", options={"fflags": "+bitexact"})
        self._stream: AudioStream | None = None

    def add(self, sound: bytes) -> None:
        """The next chunk's; raises UndecodableChunk for what isn't sound."""
        try:
            with av.open(io.BytesIO(sound), "r", format="matroska") as chunk:
                if self._stream is None:
                    self._stream = self._container.add_stream_from_template(chunk.streams.audio[0])
                for packet in chunk.demux(audio=0):
                    if packet.size:
                        packet.stream = self._stream
                        self._container.mux(packet)
        except (av.FFmpegError, IndexError, ValueError) as error:
            raise UndecodableChunk(f"a chunk's sound can't be read ({type(error).__name__})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
