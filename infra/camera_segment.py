"""Cuts a stream of packets into closed GOPs, and decides for each whether it stays as it is.

The rules are in the docstring of `camera`; the decision is made by decoding the GOP as the pipeline will. A camera's
bytes come over TCP as it sent them: of one whose GOPs were in order so far one in eight is decoded, as that takes as
long as all else here together. What is wrong with one of the others the pipeline finds; its chunk goes to quarantine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import av
from av.video.frame import VideoFrame

from infra.camera_chunks import MAX_GAP_S, Clock, Run
from infra.camera_convert import check_size
from infra.camera_input import Input
from infra.camera_recode import Decoder, Encode, Recoder
from infra.camera_units import Item, UnitReader, check_gop, decoder
from schemas.errors import SourceError
from schemas.frames import MAX_CODED_BYTES, MAX_DECODED_BYTES, CodedUnit, SourceCodec

MAX_CHUNK_MS = 10_000
TRUSTED_AFTER, CHECK_EVERY = 8, 8
"""A camera's GOPs in a row that must have been in order; one in so many is decoded from then on, and the last one."""


@dataclass(slots=True)
class Trust:
    """How many GOPs in a row were in order; parameter sets and first picture of the one that was decoded last."""

    in_order: int = 0
    sets: bytes = b""
    first: VideoFrame | None = None

    def known(self, gop: Sequence[Item]) -> tuple[list[int], VideoFrame] | None:
        """As `check_gop`, from times and what was decoded before; None where the GOP is to be decoded."""
        due = self.in_order < TRUSTED_AFTER or self.in_order % CHECK_EVERY == 0
        if due or self.first is None or gop[0].sets != self.sets or any(item.sets for item in gop[1:]):
            return None
        times = [item.pts for item in gop if item.pts is not None]
        if len(set(times)) < len(gop):
            return None
        return sorted(range(len(gop)), key=times.__getitem__), self.first

    def note(self, gop: Sequence[Item], found: tuple[list[int], VideoFrame] | str) -> None:
        """What `known` or `check_gop` said of a GOP."""
        if isinstance(found, str):
            self.in_order = 0
        else:
            self.in_order, self.sets, self.first = self.in_order + 1, gop[0].sets, found[1]


class Segmenter:
    """Packets in, runs out; `reasons` collects why GOPs were encoded again."""

    def __init__(self, source: Input, encode: Encode, chunk_ms: int, trust: Trust | None = None) -> None:
        """`trust`: what is known of a camera, or of a file in the place of one; None: every GOP is decoded."""
        self._trust = trust
        self._in, self._encode, self._chunk_ms = source, encode, chunk_ms
        self._longest_ms = chunk_ms * 1.05 if source.live else MAX_CHUNK_MS
        self._base = source.stream.time_base or source.time_base
        self._clock = Clock(self._base, source.time_base, source.rate)
        self._units = UnitReader(source.stream, source.codec) if source.codec else None
        self._gop: list[Item] = []
        self._sets = b""
        self._recoder: Recoder | None = None
        self._lost = 0
        self.gops: list[int] = []
        self.reasons: list[str] = []
        self.recoded = 0

    def feed(self, packet: av.Packet, arrived_ms: int) -> Iterator[Run]:
        """Runs that a packet completes."""
        yield from self._counted(self._fed(packet, arrived_ms))

    def finish(self) -> Iterator[Run]:
        """The rest, at the end of the source."""
        yield from self._counted(self._close(None))

    def _counted(self, runs: Iterator[Run]) -> Iterator[Run]:
        """With the packets that gave no picture; the next run counts those that none does yet."""
        for run in runs:
            lost, self._lost = self._lost, 0
            yield replace(run, lost=run.lost + lost) if lost else run

    def _fed(self, packet: av.Packet, arrived_ms: int) -> Iterator[Run]:
        if self._units is None:
            item = Item(packet.pts, packet.duration or 0, b"", arrived_ms, packet=packet)
            self._recoder = self._recoder or self._recode(self._in.why)
            yield from self._recoder.feed(item)
            return
        try:
            unit = self._units.read(packet, arrived_ms)
        except (av.FFmpegError, SourceError):
            self._lost += 1
            return
        if unit is not None:
            yield from self._add(unit)

    def _add(self, item: Item) -> Iterator[Run]:
        if item.idr:
            yield from self._close(item)
            self._sets = item.sets
        if self._recoder is not None:
            yield from self._recoder.feed(item)
            return
        self._gop.append(item)
        why = "" if self._gop[0].idr else "it doesn't begin with an IDR picture"
        if why or (why := self._too_long()):
            yield from self._give_up(why)

    def _too_long(self) -> str:
        first, last = self._gop[0].pts, self._gop[-1].pts
        spans = len(self._gop) / self._in.rate if first is None or last is None else (last - first) * self._base
        if spans * 1000 > self._longest_ms:
            return f"a GOP lasts longer than {self._longest_ms / 1000:g} s"
        if sum(len(item.data) for item in self._gop) > MAX_CODED_BYTES:
            return f"a GOP is over {MAX_CODED_BYTES >> 20} MiB"
        if len(self._gop) * self._in.width * self._in.height * 3 // 2 > MAX_DECODED_BYTES:
            return f"a GOP is over {MAX_DECODED_BYTES >> 20} MiB decoded"
        return ""

    def _recode(self, why: str) -> Recoder:
        if why not in self.reasons:
            self.reasons.append(why)
        self.recoded += 1
        return Recoder(self._decoder, self._in.rule, self._clock, self._encode, self._chunk_ms)

    def _decoder(self) -> Decoder:
        return decoder(self._in.codec) if self._in.codec else self._in.stream.codec_context

    def _give_up(self, why: str) -> Iterator[Run]:
        self._recoder = self._recode(why)
        gop, self._gop = self._gop, []
        for item in gop:
            yield from self._recoder.feed(item)

    def _close(self, following: Item | None) -> Iterator[Run]:
        """End the GOP before an IDR picture, or at the end."""
        next_pts = None
        if following is not None and following.pts is not None and not following.leading:
            next_pts = self._clock.scale(following.pts)
        if self._gop:
            made = self._kept(self._gop, next_pts, following)
            if isinstance(made, Run):
                self._gop = []
                yield made
            else:
                yield from self._give_up(made)
        if self._recoder is not None:
            follows = next_pts is not None and following is not None and following.sets == self._sets
            yield from self._recoder.flush(next_pts, follows)
            self._lost += self._recoder.lost
            self._recoder = None

    def _checked(self, gop: list[Item], codec: SourceCodec, last: bool) -> tuple[list[int], VideoFrame] | str:
        """As `check_gop`, which is spared where a camera may be trusted."""
        if self._trust is None or codec != "h264":
            return check_gop(gop, codec)
        found = (None if last else self._trust.known(gop)) or check_gop(gop, codec)
        self._trust.note(gop, found)
        return found

    def _kept(self, gop: list[Item], next_pts: int | None, following: Item | None) -> Run | str:
        """The GOP as it is, or why that can't be."""
        codec: SourceCodec | None = self._in.codec
        if codec is None:
            return self._in.why
        if any(item.hidden for item in gop):
            return "the container hides some of its pictures"
        found = self._checked(gop, codec, last=following is None)
        if isinstance(found, str):
            return found
        order, first = found
        check_size(first.width, first.height)
        self._in.width, self._in.height = first.width, first.height
        if why := self._too_long():
            return why
        timed = all(item.pts is not None for item in gop)
        times = {index: self._clock.time(gop[index].pts if timed else None) for index in order}
        if len(set(times.values())) != len(times):
            return "times closer than a tick"
        self.gops.append(len(gop))
        units = tuple(CodedUnit(times[index], item.data) for index, item in enumerate(gop))
        longest = max(item.duration for item in gop)
        tick = max(1, self._clock.scale(longest)) if longest else self._clock.tick
        end = max(times.values())
        near = next_pts is not None and 0 < (next_pts - end) * self._in.time_base <= MAX_GAP_S
        follows = near and following is not None and following.sets == gop[0].sets
        return Run(units, self._in.rule.of(first), codec, tick, gop[0].arrived_ms, False, next_pts, follows)
