"""Attacks by structure break a permutation of blocks, and are lost on the encrypted scramble."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.desensitise.base import Lasts, Spot
from operators.desensitise.scramble import SCRAMBLE
from schemas.errors import UsageError
from streams.evaluate.attack import keys, structure
from streams.evaluate.attack.people import Album

PEOPLE = 60


@dataclass(frozen=True)
class Shuffled:
    """Blocks put elsewhere by a key: what this project doesn't ship."""

    name: str = "shuffled"
    lasts: Lasts = "chunk"
    keyed: bool = True
    easy: bool = False

    def prepare(self, spot: Spot, key: bytes) -> bytes:
        return key

    def paint(self, spot: Spot, appearance: bytes) -> None:
        order = np.random.default_rng(int.from_bytes(appearance, "big")).permutation(64)
        for plane in spot.planes.all():
            h, w = plane.shape[0] // 8, plane.shape[1] // 8
            blocks = plane[: 8 * h, : 8 * w].reshape(8, h, 8, w).swapaxes(1, 2).reshape(64, h, w)
            plane[: 8 * h, : 8 * w] = blocks[order].reshape(8, 8, h, w).swapaxes(1, 2).reshape(8 * h, 8 * w)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    folder, paths = tmp_path_factory.mktemp("people"), []
    for person in range(PEOPLE):
        rng = np.random.default_rng(person)
        coarse = rng.integers(30, 226, (6, 5, 3)).astype(np.uint8)
        picture = cv2.resize(coarse, (150, 180), interpolation=cv2.INTER_CUBIC)
        paths.append(folder / f"{person}.png")
        cv2.imwrite(str(paths[-1]), picture)
    boxes = np.tile(np.array([26, 30, 114, 140], np.float32), (PEOPLE, 1))
    empty = np.zeros((PEOPLE, 5, 2), np.float32)
    return Album(tuple(paths), np.arange(PEOPLE), boxes, empty, np.zeros((PEOPLE, 128), np.float32))


def test_structure_breaks_a_permutation_of_blocks_but_not_the_scramble(album: Album) -> None:
    figures = structure.evaluate(album, [Shuffled(), SCRAMBLE], 100, range(PEOPLE), 0, lambda what: None)
    found = {figure.id: figure for figure in figures}
    for name in ("levels", "energies", "jigsaw"):
        assert found[f"structure_{name}_shuffled"].holds is False
        assert found[f"structure_{name}_shuffled"].value > 0.1
        assert found[f"structure_{name}_scramble"].holds
    assert found["structure_place_scramble"].holds


def test_solved_puts_a_smooth_picture_together_again() -> None:
    rows, columns = np.mgrid[0:96, 0:96]
    picture = 60 + rows + 0.4 * columns + 25 * np.sin(rows / 17 + columns / 23) + 18 * np.cos(columns / 7)
    order = np.random.default_rng(1).permutation(64)
    board = order[structure.solved(structure.cells(picture)[order])]
    right = (board[:, 1:] == board[:, :-1] + 1).sum() + (board[1:] == board[:-1] + 8).sum()
    assert right >= 0.9 * 112


def test_game_on_noise_is_won_half_of_the_time() -> None:
    rng = np.random.default_rng(0)
    shown, bare = rng.uniform(0, 255, (2, 400, 96, 96))
    won = structure.game(shown, bare, structure.place, rng).mean()
    assert 0.4 < won < 0.6


def test_right_key_shows_and_near_key_does_not(album: Album) -> None:
    right, near = keys.evaluate(album, [SCRAMBLE, Shuffled()], 100, range(PEOPLE), 0, lambda what: None)
    assert right.id == "key_right_scramble"
    assert right.value == 1.0
    assert near.holds


def test_picture_files_that_are_missing_are_named(tmp_path: Path) -> None:
    gone = Album((tmp_path / "gone.png",), np.zeros(1, np.intp), np.zeros((1, 4), np.float32),
                 np.zeros((1, 5, 2), np.float32), np.zeros((1, 128), np.float32))
    with pytest.raises(UsageError, match="gone.png"):
        gone.picture(0)
