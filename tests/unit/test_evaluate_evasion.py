"""Attacks on the shipped detector: what is counted, and (with torch) that the gradient is the file's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from infra.models import PYRAMID_FACE, resolve
from operators.desensitise.policy import Policy
from operators.detect.face import frozen
from operators.detect.picture import Rgb
from schemas.regions import Detections, boxes
from streams.demo.compose import Face, Truth
from streams.evaluate.evasion import Answers, Tally, figures, padded, searched, tally, worn
from streams.setup import detector
from tests.support.pictures import astronaut
from tests.support.scenes import FACE, FORMAT, chunk

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch isn't installed (extra `train`)")
MARK = (112, 72)
PLACES = [[(48, 32), *([MARK] if i in (5, 15) else [])] for i in range(20)]
"""A face, and a square beside it in every second planned examination."""
CHUNKS = [chunk(PLACES[:10], 0), chunk(PLACES[10:], 1, end=True)]
BOX = (48.0, 32.0, 48.0 + FACE, 32.0 + FACE)
SHOWN = np.packbits(np.ones((FACE, FACE), bool)).tobytes()
TRUTH = Truth(FORMAT.width, FORMAT.height, 25, ("one",), ((Face("one", BOX, 1.0, SHOWN),),) * 20)
SEEN = Detections("face", boxes([BOX]), frozen(np.array([0.9])), frozen(np.full((1, 5, 2), np.nan)))
MISSED = Detections.none("face")
POLICY = Policy({})


def _misses_marked(picture: Rgb) -> Detections:
    return MISSED if picture[MARK[1] : MARK[1] + FACE, MARK[0] : MARK[0] + FACE, 1].std() > 25 else SEEN


def test_tally_tracking_covers_what_every_second_examination_misses() -> None:
    out, count = Tally(), len(searched(CHUNKS, POLICY))
    tally(out, TRUTH, CHUNKS, Answers(_misses_marked), POLICY)
    assert (out.faces, out.alone, out.tracked) == (count, count // 2, 0)
    assert out.recovered == 1


def test_tally_what_is_never_found_stays_bare_both_ways() -> None:
    out, count = Tally(), len(searched(CHUNKS, POLICY))
    tally(out, TRUTH, CHUNKS, Answers(lambda _: MISSED), POLICY)
    assert (out.alone, out.tracked, out.recovered) == (count, count, 0)


def test_padded_masks_every_block_that_a_padded_box_touches() -> None:
    assert padded(SEEN, FORMAT, Policy({}, padding=0)).sum() == 4
    assert padded(SEEN, FORMAT, POLICY).sum() == 16 and not padded(MISSED, FORMAT, POLICY).any()


def test_worn_paints_a_tenth_of_the_face_and_nothing_that_is_covered() -> None:
    pytest.importorskip("torch", reason="torch isn't installed (extra `train`)")
    picture, ink = np.zeros((FORMAT.height, FORMAT.width, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)
    painted = worn(picture, ink, TRUTH, 0)[..., 0] > 0
    rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    assert 0.08 * FACE**2 < painted.sum() <= 0.1 * FACE**2
    assert rows.min() >= BOX[1] and rows.max() < BOX[3] and columns.min() >= BOX[0] and columns.max() < BOX[2]
    hidden = Truth(FORMAT.width, FORMAT.height, 25, ("one",), ((Face("one", BOX, 0.5, bytes(len(SHOWN))),),))
    assert not worn(picture, ink, hidden, 0).any()


def test_figures_name_both_ways_and_what_tracking_recovers() -> None:
    found = {one.id: one for one in figures({"nothing_int8": Tally(100, 2, 0), "noise_int8": Tally(100, 80, 20)})}
    assert found["leak_noise_int8_alone"].value == 0.8 and found["leak_noise_int8_tracked"].value == 0.2
    assert found["recovered_noise_int8"].value == 0.75 and found["recovered_noise_int8"].holds
    assert "recovered_nothing_int8" not in found


@needs_torch
def test_unrolled_gives_what_the_file_gives_and_a_gradient_that_hides_the_face() -> None:
    from operators.training.faces.attack import LIMIT, perturbed
    from operators.training.unrolled import Unrolled

    network, found = Unrolled(resolve(PYRAMID_FACE, Path()), rounded=True), detector(PYRAMID_FACE)
    face = astronaut()[:256, 96:352]
    tensor = np.ascontiguousarray(face.transpose(2, 0, 1)[None])
    for ours, theirs in zip(network.run(tensor), found._run(tensor), strict=True):
        assert np.abs(ours - theirs).mean() < 0.1
    hidden = perturbed(network, np.ascontiguousarray(face), seed=1, steps=60)
    assert np.abs(hidden.astype(int) - face).max() <= LIMIT
    best = max(found.detect(np.ascontiguousarray(face)).scores)
    assert max(found.detect(hidden).scores, default=0) < best / 2
