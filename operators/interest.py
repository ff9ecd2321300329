"""Tell the encoder where quality matters less: FFmpeg's regions of interest, which x264 adds to its adaptive quantiser.

Painted blocks hold a few flat or smooth values: coarser steps there are not seen, and cost 0.3 to 1.8 % fewer bits of
the whole public video.
"""

from __future__ import annotations

from collections.abc import Sequence

from av.filter import Graph
from av.video.format import VideoFormat as PixelFormat
from av.video.frame import VideoFrame

from operators.pixels import BlockRect
from schemas.frames import BLOCK, VideoFormat

OFFSET = 0.3
"""Of the quantiser's range. At 0.1 half as much is saved."""


class Interest:
    """Marks frames of one size; the frame that comes back is for the encoder alone."""

    def __init__(self, format: VideoFormat) -> None:
        self._format = format
        self._rects: tuple[BlockRect, ...] = ()
        self._graph: Graph | None = None

    def marked(self, frame: VideoFrame, rects: Sequence[BlockRect]) -> VideoFrame:
        """The same picture, with these rectangles marked as worth less."""
        if not rects:
            return frame
        if self._graph is None or tuple(rects) != self._rects:
            self._rects, self._graph = tuple(rects), self._built(rects)
        self._graph.push(frame)
        marked = self._graph.pull()
        if not isinstance(marked, VideoFrame):
            raise TypeError("the filter gave no picture")
        return marked

    def _built(self, rects: Sequence[BlockRect]) -> Graph:
        graph = Graph()
        last = graph.add_buffer(
            width=self._format.width, height=self._format.height, format=PixelFormat("yuv420p"),
            time_base=self._format.time_base,
        )
        for rect in rects:
            place = (f"x={rect.left * BLOCK}:y={rect.top * BLOCK}"
                     f":w={(rect.right - rect.left) * BLOCK}:h={(rect.bottom - rect.top) * BLOCK}")
            region = graph.add("addroi", f"{place}:qoffset={OFFSET}")
            last.link_to(region)
            last = region
        sink = graph.add("buffersink")
        last.link_to(sink)
        graph.configure()
        return graph
