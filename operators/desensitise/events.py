"""Pictures that show what moves and nothing of what it looks like: the second view of the operating platform.

The whole picture is replaced, so nothing has to be found first. A frame shows the movement since the one before it; the
first one of a video, and of a scene, shows none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from operators.colour import samples_of
from operators.detect import is_cut
from operators.flow_colours import SYSTEMS, table
from operators.motion import CELL, Cells, Motion
from operators.pixels import all_blocks, freeze
from schemas.errors import UsageError
from schemas.frames import DesensitisedFrame, Planes, RawFrame, VideoFormat


class EventView:
    """Draws movement in one colour system, for pictures of one format.

    Raises:
        UsageError: no such colour system.

    """

    def __init__(self, format: VideoFormat, system: str = "munsell") -> None:
        if system not in SYSTEMS:
            raise UsageError(f"no colour system {system!r}; there are {', '.join(SYSTEMS)}")
        self._format, self._motion = format, Motion()
        self._samples = np.clip(np.rint(samples_of(table(system), format)), 0, 255).astype(np.uint8)
        self._mask = all_blocks(format)
        self._mask.flags.writeable = False

    def shown(self, frames: Iterable[RawFrame], before: RawFrame | None = None) -> Iterator[DesensitisedFrame]:
        """The frames' movement, one by one; `before`: the frame ahead of them, of the same video."""
        for frame in frames:
            cells = self._cells(before, frame)
            yield DesensitisedFrame(frame.frame_no, frame.pts, freeze(self._drawn(cells)), self._mask)
            before = frame

    def _cells(self, before: RawFrame | None, frame: RawFrame) -> Cells:
        if before is None or is_cut(before.planes, frame.planes):
            rows, columns = -(-self._format.height // CELL), -(-self._format.width // CELL)
            return np.zeros((rows, columns), np.uint8)
        return self._motion.cells(before.planes.y, frame.planes.y)

    def _drawn(self, cells: Cells) -> Planes:
        """Every cell in its colour, with hard edges: cells are a quarter of a codec's block."""
        colours, height, width = self._samples[cells], self._format.height, self._format.width
        planes = []
        for part, channel in ((1, 0), (2, 1), (2, 2)):
            side = CELL // part
            wide = cv2.resize(np.ascontiguousarray(colours[..., channel]), None, fx=side, fy=side,
                              interpolation=cv2.INTER_NEAREST)
            planes.append(np.ascontiguousarray(wide[: height // part, : width // part], np.uint8))
        return Planes(*planes)
