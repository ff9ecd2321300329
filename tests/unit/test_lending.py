"""Memory of pictures is used again once nobody looks at them, and never before."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from operators import lending
from operators.lending import BLOCK_BYTES, MOST_FREE, PictureMemory
from schemas.frames import Planes

WIDTH, HEIGHT = 640, 368
A_BLOCK = BLOCK_BYTES // (WIDTH * HEIGHT * 3 // 2)


def at(planes: Planes) -> int:
    return planes.y.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def nothing_free():
    gc.collect()
    lending._free.clear()
    yield
    lending._free.clear()


def taken(pictures: int) -> list[Planes]:
    memory = PictureMemory(WIDTH, HEIGHT, pictures)
    return [memory.picture() for _ in range(pictures)]


def test_pictures_share_no_sample() -> None:
    pictures = taken(2 * A_BLOCK + 3)
    for number, planes in enumerate(pictures):
        for plane in planes.all():
            plane[:] = number % 251
    assert all((plane == number % 251).all() for number, planes in enumerate(pictures) for plane in planes.all())
    assert {plane.shape for planes in pictures for plane in planes.all()} == {(368, 640), (184, 320)}


def test_memory_is_used_again_when_all_its_pictures_are_gone() -> None:
    first = taken(A_BLOCK)
    where = {at(planes) for planes in first}
    del first
    assert {at(planes) for planes in taken(A_BLOCK)} == where


def test_memory_of_a_picture_that_somebody_holds_is_left_alone() -> None:
    first = taken(A_BLOCK)
    held = first[0].y[10:20]
    held[:] = 7
    del first
    assert not lending._free
    for planes in taken(3 * A_BLOCK):
        planes.y[:] = 1
    assert (held == 7).all()


def test_no_more_waits_than_is_kept() -> None:
    many = taken((MOST_FREE + 3) * A_BLOCK)
    del many
    assert len(lending._free) == MOST_FREE


def test_little_and_huge_pictures_have_memory_of_their_own() -> None:
    few, huge = taken(2), PictureMemory(4096, 2160, 2)
    large = [huge.picture() for _ in range(2)]
    assert large[0].y.shape == (2160, 4096) and not np.shares_memory(large[0].y, large[1].y)
    del few, large
    assert not lending._free
