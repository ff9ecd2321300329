"""Faces are known upright alone: what a phone turned is put upright, what another sender turned is masked whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from operators.desensitise.policy import Policy
from operators.masks import unpack_masks
from operators.pipeline import Pipeline
from operators.sign import SigningKey
from schemas.codec import decode
from schemas.frames import FrameChunk
from schemas.records import OperatorBody
from streams.setup import finder
from tests.support.scenes import chunk, crossing

PLACES = crossing()


def _sent(sent: FrameChunk) -> tuple[list[str], list[float]]:
    """Kinds of alarms, and the share of each frame that is masked."""
    pipeline = Pipeline(Policy({}, preset="ultrafast"), finder(["face"]), SigningKey(bytes(32)))
    _, out = pipeline.step(pipeline.initial("cam"), sent, None)
    shown = [body.chunk for record in out.operator if (body := decode(OperatorBody, record.signed.body)).chunk]
    assert shown[0] is not None
    masks = unpack_masks(shown[0].masks, len(sent.units), sent.format) if shown[0].masks else []
    return [alarm.kind for alarm in out.alarms], [float(mask.mean()) for mask in masks]


def test_a_chunk_of_turned_pictures_is_masked_whole() -> None:
    good = chunk(PLACES, end=True)
    assert _sent(good) == ([], [])
    turned: tuple[Literal[90, 180, 270], ...] = (90, 180, 270)
    for turn in turned:
        alarms, masked = _sent(replace(good, format=replace(good.format, rotation=turn)))
        assert alarms == ["masked-whole"] and masked == [1.0] * len(PLACES)
