"""What `sealframe eval silhouette` counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.replacing.drawn import drawn
from schemas.errors import UsageError
from streams.evaluate import silhouette
from streams.evaluate.silhouette import TABLE, Known, Outcome, evaluate, figures, known, streets
from streams.setup import finder

GOOD = Outcome(40, True, 0.9, 1.0, 1.0, (0.7, 0.8))


def _values(laid, plain) -> dict[str, tuple[float, bool | None]]:
    return {one.id: (one.value, one.holds) for one in figures(laid, [GOOD], plain)}


def test_figures_are_means_against_their_targets() -> None:
    poor = Outcome(80, False, 0.5, 0.98, 3.0, (0.9, 0.6))
    found = _values([GOOD, poor], [GOOD])
    assert found["silhouette_iou"] == (pytest.approx(0.7), False)
    assert found["silhouette_covered"] == (pytest.approx(0.99), False)
    assert found["silhouette_drawn"][0] == pytest.approx(0.5)
    assert found["silhouette_iou_40px"][0] == pytest.approx(0.9) and found["silhouette_iou_80px"][0] == 0.5
    assert found["silhouette_iou_photographs"][0] == pytest.approx(0.9)
    assert found["silhouette_ms"][0] == pytest.approx(2.0)


def test_ellipse_is_the_one_best_for_all_not_for_each() -> None:
    other = replace(GOOD, ovals=(0.9, 0.6))
    assert _values([GOOD, other], [GOOD])["silhouette_ellipse_iou"][0] == pytest.approx(0.8)


def test_table_names_over_200_people_once_each_with_the_face_inside_its_outline() -> None:
    rows = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines()]
    assert len(rows) >= 200 and len({digest for digest, _, _ in rows}) == len(rows)
    for _, face, points in rows:
        x1, y1, x2, y2 = bytes.fromhex(face)
        outline = np.frombuffer(bytes.fromhex(points), np.uint8).reshape(-1, 2).astype(np.int32)
        assert cv2.pointPolygonTest(outline, ((x1 + x2) / 2, (y1 + y2) / 2), False) > 0


def test_folders_without_what_is_needed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photograph"):
        known(tmp_path)
    with pytest.raises(UsageError, match="streets"):
        streets(tmp_path)


def test_streets_are_photographs_in_which_the_plate_has_a_box(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("file\tx\ty\tw\th\na.jpg\t1\t1\t9\t4\ncrop.jpg\t\t\t\t\na.jpg\t5\t5\t9\t4\n")
    assert streets(tmp_path) == [tmp_path / "a.jpg"]


def test_evaluate_covers_drawn_heads_before_an_even_ground(tmp_path: Path) -> None:
    """Heads whose outline is known because they were drawn; an even street behind them."""
    people = [_person(tmp_path, seed) for seed in range(3)]
    cv2.imwrite(str(tmp_path / "street.png"), np.full((400, 500, 3), (90, 120, 60), np.uint8))
    found = {one.id: one for one in evaluate(people, [tmp_path / "street.png"], finder(["face"]), 0)}
    assert found["silhouette_iou"].n == 3
    assert found["silhouette_covered"].value > 0.97
    assert 0.5 < found["silhouette_iou"].value <= 1
    assert len(silhouette.HEIGHTS) == sum(key.endswith("px") for key in found)


def _person(folder: Path, seed: int) -> Known:
    """A drawn face of 128x160 pixels in the middle of a picture, its head an egg about it."""
    picture = np.full((250, 250, 3), 128, np.uint8)
    donor = drawn(seed)
    picture[45:205, 61:189] = np.rint(donor.rgb * 255).astype(np.uint8)[:, :, ::-1]
    path = folder / f"{seed}.png"
    cv2.imwrite(str(path), picture)
    eyes, mouth = donor.landmarks[:2].mean(0) + (61, 45), donor.landmarks[3:].mean(0) + (61, 45)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    egg = np.stack([125 + 48 * np.cos(turn), 129 + 62 * np.sin(turn)], 1)
    tall = 2.5 * (mouth[1] - eyes[1])
    top = float(eyes[1] - 0.38 * tall)
    face = float(eyes[0] - 0.4 * tall), top, float(eyes[0] + 0.4 * tall), top + float(tall)
    return Known(path, face, egg.astype(np.uint8).reshape(-1))
