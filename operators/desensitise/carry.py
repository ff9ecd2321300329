"""Desensitised pictures that carry hidden bytes: every block may differ from the original in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from operators.hiding.carrier import Carrier
from operators.hiding.payload import hide
from operators.pixels import Mask, all_blocks, freeze
from schemas.frames import DesensitisedFrame, VideoFormat


def carrying(
    frames: Sequence[DesensitisedFrame], format: VideoFormat, payload: bytes, carrier: Carrier
) -> Iterator[DesensitisedFrame]:
    """The pictures of a group with the bytes in them; errors as `hide`."""
    hidden = hide([frame.planes for frame in frames], payload, carrier)
    for frame, planes in zip(frames, hidden, strict=True):
        yield replace(frame, planes=freeze(planes), mask=_whole(format))


def _whole(format: VideoFormat) -> Mask:
    mask = all_blocks(format)
    mask.flags.writeable = False
    return mask
