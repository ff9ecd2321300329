"""Tell the encoder where quality matters less: FFmpeg's regions of interest, which x264 adds to its adaptive quantiser.

Painted blocks hold a few flat or smooth values: coarser steps there are not seen, and cost fewer bits. Not so a mask's
outermost blocks: the codec smooths the border of two blocks the more, the coarser they are (ITU-T H.264, 8.7.2.2), and
would draw what lies around over the mask's rim, by which people were told from one another (`FIGURES.md`, "Attacks").
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
        """The same picture, with what these rectangles have inside marked as worth less."""
        inner = tuple(one for rect in rects if (one := _inside(rect, *self._format.blocks)))
        if not inner:
            return frame
        if self._graph is None or inner != self._rects:
            self._rects, self._graph = inner, self._built(inner)
        self._graph.push(frame)
        marked = self._graph.pull()
        if not isinstance(marked, VideoFrame):
            raise TypeError("the filter gave no picture")
        return marked

    def _built(self, rects: Sequence[BlockRect]) -> Graph:
        graph = Graph()
        graph.threads = 1  # else it starts one a core, each time
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


def _inside(rect: BlockRect, rows: int, columns: int) -> BlockRect | None:
    """A mask without its outermost blocks, but those at the picture's edge; None where nothing is left."""
    top, left = rect.top + (rect.top > 0), rect.left + (rect.left > 0)
    bottom, right = rect.bottom - (rect.bottom < rows), rect.right - (rect.right < columns)
    return BlockRect(top, left, bottom, right) if top < bottom and left < right else None
