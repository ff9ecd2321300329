"""Chunks that are masked whole: coded once, in the bytes that painting and coding each picture gives."""

from __future__ import annotations

from dataclasses import replace

from operators.codec import decode
from operators.cohere import lay_out
from operators.desensitise.paint import paint
from operators.desensitise.policy import Policy
from operators.grey import all_grey, all_whole
from operators.pipeline import encode_public
from tests.support.scenes import FORMAT, chunk, crossing, regions

PLACES = crossing()
CHUNK = chunk(PLACES)
POLICY = Policy({}, preset="ultrafast", zones=((0.0, 0.0, 0.5, 0.5),))


def test_grey_has_the_bytes_of_painted_pictures_whenever_they_were_taken() -> None:
    layout = lay_out(regions(PLACES, failed=frozenset(range(len(PLACES)))), FORMAT, POLICY)
    assert all_whole(layout, FORMAT)
    painted = list(paint(decode(CHUNK).frames, layout, FORMAT, {}, POLICY))
    later = replace(CHUNK, units=tuple(replace(unit, pts=unit.pts + 777) for unit in CHUNK.units))
    for one in (CHUNK, later):
        assert all_grey(one.pts, FORMAT, POLICY.crf, "ultrafast") == encode_public(painted, one, POLICY, layout)


def test_grey_is_not_for_a_chunk_with_one_frame_that_isnt_masked_whole() -> None:
    failed = frozenset(range(1, len(PLACES)))
    assert not all_whole(lay_out(regions(PLACES, failed=failed), FORMAT, POLICY), FORMAT)
    assert not all_whole(((),) * len(PLACES), FORMAT)
