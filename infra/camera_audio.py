"""The sound of a chunk: the source's own packets in a Matroska file, without tags."""

from __future__ import annotations

import io
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.packet import Packet

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
