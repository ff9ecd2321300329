"""The least covered faces of an evaluation, as a page of pictures: left the face, right what is left of it.

One HTML file without scripts that holds its pictures itself. It shows faces: it is for who may see the clips anyway.
"""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from operators.detect import crop_rgb
from schemas.frames import BLOCK, Planes, VideoFormat

MARGIN, HEIGHT = 1.0, 220
GREY, GREEN = 128, (0, 200, 0)
Box = tuple[float, float, float, float]
Flags = npt.NDArray[np.bool_]
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px system-ui;margin:2rem;background:#fff;color:#111}}
ol{{display:flex;flex-wrap:wrap;gap:1rem;list-style:none;padding:0}}
figure{{margin:0}}img{{display:block;height:{height}px}}figcaption{{max-width:30rem}}</style>
<h1>{title}</h1><p>{words}</p><ol>{items}</ol></html>
"""


@dataclass(frozen=True, slots=True)
class Sight:
    """A face that isn't all covered; `share` of it is bare; `picture` is a JPEG."""

    share: float
    where: str
    picture: bytes = field(repr=False)


@dataclass(slots=True)
class Worst:
    """Keeps the `most` barest faces that it is shown."""

    most: int = 24
    sights: list[Sight] = field(default_factory=list)

    def wants(self, share: float) -> bool:
        """Whether a face of which so much is bare belongs here."""
        return share > 0 and (len(self.sights) < self.most or share > self.sights[-1].share)

    def add(self, share: float, where: str, planes: Planes, video: VideoFormat, box: Box, mask: Flags) -> None:
        """A face in a frame, with the blocks (rows, columns) that are masked there."""
        if self.wants(share):
            self.sights.append(Sight(share, where, _drawn(planes, video, box, mask)))
            self.sights = sorted(self.sights, key=lambda one: -one.share)[: self.most]

    def page(self, title: str) -> str:
        """The page as HTML."""
        items = "".join(
            f'<li><figure><img alt="a face and what is left of it" '
            f'src="data:image/jpeg;base64,{base64.b64encode(one.picture).decode()}">'
            f"<figcaption>{one.share:.0%} bare: {html.escape(one.where)}</figcaption></figure></li>"
            for one in self.sights
        )
        words = (f"The {len(self.sights)} least covered faces. Left the frame with the face's true place, right what "
                 "an operator gets, masked blocks in grey." if self.sights else "Every face is covered in every frame.")
        return _PAGE.format(title=html.escape(title), words=words, items=items, height=HEIGHT)

    def write(self, path: Path, title: str) -> None:
        """The page as a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page(title), encoding="utf-8")


def _drawn(planes: Planes, video: VideoFormat, box: Box, mask: Flags) -> bytes:
    crop, left, top = crop_rgb(planes, video, box, MARGIN)
    seen, masked = crop.copy(), crop.copy()
    rows, columns = (np.arange(start, start + size) // BLOCK
                     for start, size in ((top, crop.shape[0]), (left, crop.shape[1])))
    hidden = mask[np.ix_(np.minimum(rows, mask.shape[0] - 1), np.minimum(columns, mask.shape[1] - 1))]
    masked[hidden] = GREY
    first, last = ((round(x) - left, round(y) - top) for x, y in (box[:2], box[2:]))
    cv2.rectangle(seen, first, last, GREEN, 1)
    pair = cv2.cvtColor(np.hstack([seen, masked]), cv2.COLOR_RGB2BGR)
    scale = HEIGHT / pair.shape[0]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.imencode(".jpg", cv2.resize(pair, None, fx=scale, fy=scale, interpolation=way))[1].tobytes()
