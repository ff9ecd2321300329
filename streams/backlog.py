"""A camera is read on while the broker makes `push` wait: so much may wait here, beyond that the oldest is dropped.

A camera that nobody reads from hangs up, or drops packets in the middle of a GOP. So a thread reads it, and what waits
is bounded in bytes. Only whole chunks are dropped, the oldest first and never a video's last one: the frame numbers go
on behind them, so that the pipeline signs a gap of that many frames. Files need none of this: they can wait.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from schemas.errors import SealframeError, SourceError
from schemas.frames import FrameChunk

MOST_BYTES = 32 * 2**20
_LOG = logging.getLogger(__name__)


class Backlog:
    """The chunks of a live source, to be iterated over once; `dropped` counts those that had to go.

    What reading raises is raised to who iterates, after all that came before it.
    """

    def __init__(self, chunks: Iterable[FrameChunk], most_bytes: int = MOST_BYTES) -> None:
        self._chunks, self._most = chunks, most_bytes
        self._waiting: deque[FrameChunk] = deque()
        self._size = self.dropped = 0
        self._moved = threading.Condition()
        self._over = self._halted = False
        self._error: SealframeError | None = SourceError("reading the camera failed; its traceback is in the log")
        self._reader = threading.Thread(target=self._read, name="camera", daemon=True)

    def __iter__(self) -> Iterator[FrameChunk]:
        self._reader.start()
        try:
            while (chunk := self._next()) is not None:
                yield chunk
        finally:
            self._halted = True
        if self._error is not None:
            raise self._error

    def _next(self) -> FrameChunk | None:
        with self._moved:
            self._moved.wait_for(lambda: self._waiting or self._over)
            if not self._waiting:
                return None
            self._size -= size_of(self._waiting[0])
            return self._waiting.popleft()

    def _read(self) -> None:
        try:
            for chunk in self._chunks:
                if self._halted:
                    return
                with self._moved:
                    self._add(chunk)
                    self._moved.notify()
            self._error = None
        except SealframeError as error:
            self._error = error
        finally:
            with self._moved:
                self._over = True
                self._moved.notify()

    def _add(self, chunk: FrameChunk) -> None:
        self._waiting.append(chunk)
        self._size += size_of(chunk)
        while self._size > self._most:
            oldest = next((i for i, one in enumerate(self._waiting) if not one.end and one is not chunk), None)
            if oldest is None:
                return
            self._drop(oldest)

    def _drop(self, index: int) -> None:
        gone = self._waiting[index]
        del self._waiting[index]
        self._size -= size_of(gone)
        following = self._waiting[index]
        self._waiting[index] = replace(following, gaps=following.gaps + gone.gaps)
        self.dropped += 1
        _LOG.warning("%s chunk %s: dropped, as the broker takes too little", gone.video_id, gone.chunk_seq)


def size_of(chunk: FrameChunk) -> int:
    """Coded bytes."""
    return sum(len(unit.data) for unit in chunk.units) + len(chunk.audio)
