"""Reading plates: CTC decoding worked out by hand, and what the reader refuses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from infra.models import resolve
from operators.plates import ALPHABET, WEIGHTS, PlateReader, beam, fit, greedy, plausible, settled
from schemas.errors import ConfigError

needs_weights = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the plate reader isn't trained yet")


def _steps(*rows: dict[str, float]) -> np.ndarray:
    """Probabilities of each step by character; `_` is the blank."""
    made = np.zeros((len(rows), len(ALPHABET) + 1), np.float32)
    for step, row in enumerate(rows):
        for character, share in row.items():
            made[step, 0 if character == "_" else ALPHABET.index(character) + 1] = share
    return made


def test_alphabet_characters_occur_once():
    assert len(set(ALPHABET)) == len(ALPHABET)


@pytest.mark.parametrize(
    ("signs", "text"),
    [("AAB", "AB"), ("A_A", "AA"), ("__", ""), ("_皖皖A_1", "皖A1"), ("11_11", "11"), ("가_나", "가나")],
)
def test_greedy_and_beam_certain_steps_give_the_same_text(signs, text):
    probabilities = _steps(*({sign: 1.0} for sign in signs))
    assert greedy(probabilities).text == text
    assert beam(probabilities)[0].text == text
    assert beam(probabilities)[0].characters == (1.0,) * len(text)


def test_beam_sums_alignments_where_greedy_sees_only_the_best():
    probabilities = _steps({"_": 0.6, "A": 0.4}, {"_": 0.6, "A": 0.4})
    assert greedy(probabilities).text == ""
    first, second = beam(probabilities)[:2]
    assert (first.text, second.text) == ("A", "")
    assert first.confidence == pytest.approx(0.64)
    assert second.confidence == pytest.approx(0.36)


def test_beam_repeated_character_needs_a_blank_between():
    texts = {one.text: one.confidence for one in beam(_steps({"A": 1.0}, {"_": 0.3, "A": 0.7}, {"A": 1.0}))}
    assert texts["AA"] == pytest.approx(0.3)
    assert texts["A"] == pytest.approx(0.7)


def test_confidence_of_a_character_is_low_where_texts_differ():
    reading = beam(_steps({"A": 1.0}, {"0": 0.6, "O": 0.4}, {"B": 1.0}))[0]
    assert reading.text == "A0B"
    assert reading.characters == pytest.approx((1.0, 0.6, 1.0))
    assert greedy(_steps({"A": 0.7}, {"A": 0.9}, {"_": 1.0})).characters == pytest.approx((0.9,))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("AB123", True), ("5555", True), ("皖A12345", True), ("皖A1234警", True),
        ("皖AAB123", True), ("皖AABC12", False), ("皖AO1234", False), ("皖AD12345", True),
        ("12가3456", True), ("서울12가3456", True), ("", False), ("A", False), ("皖12345", False), ("AB皖123", False),
        ("A가123", False), ("皖A123", False), ("ABCDEFGHIJK", False),
    ],
)
def test_plausible_follows_the_formats_of_countries(text, holds):
    assert plausible(text) is holds


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("LMO10BE", "LM010BE"), ("BA3020Z", "BA302OZ"), ("ACOM7V", "AC0M7V"), ("LM010BE", "LM010BE"),
        ("LM0108E", "LM0108E"), ("ABO1OCD", "AB01OCD"), ("EMR7094", "EMR7094"), ("皖A0123O", "皖A0123O"),
        ("SHOP", "SHOP"), ("", ""),
        ("1B19839", "1B19839"), ("CW1694", "CW1694"), ("A000956", "A000956"),
    ],
)
def test_settled_takes_one_of_a_shape_for_the_other_where_one_format_asks_for_it(text, result):
    assert settled(text) == result


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 10), (10, 10, 4)])
def test_fit_other_than_rgb_is_refused(shape):
    with pytest.raises(ConfigError):
        fit(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(24, 94, 3), (160, 320, 3), (1, 1, 3)])
def test_fit_any_size_becomes_the_networks(shape):
    assert fit(np.zeros(shape, np.uint8)).shape == (32, 96, 3)


def test_reader_another_model_is_refused():
    with pytest.raises(ConfigError):
        PlateReader(b"no model")


@needs_weights
def test_reader_probabilities_add_up_and_a_batch_is_read_as_one_by_one():
    rng = np.random.default_rng(3)
    crops = [rng.integers(0, 256, (24 + n, 94, 3)).astype(np.uint8) for n in range(3)]
    reader = PlateReader(WEIGHTS)
    together = reader.probabilities(crops)
    assert together.shape == (3, 24, len(ALPHABET) + 1)
    assert together.sum(2) == pytest.approx(1, abs=1e-5)
    alone = np.concatenate([reader.probabilities([crop]) for crop in crops])
    assert np.abs(together - alone).max() < 1e-3
    assert reader.read([]) == []


def test_weights_are_those_of_the_catalogue(tmp_path):
    assert resolve("plate-reader", tmp_path) == WEIGHTS


@needs_weights
@pytest.mark.parametrize("text", ["KL427", "HX8352", "7RTN614"])
def test_reader_reads_a_written_plate(text):
    plate = np.full((48, 200, 3), 235, np.uint8)
    width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.3, 4)[0][0]
    place = ((200 - width) // 2, 38)
    cv2.putText(plate, text, place, cv2.FONT_HERSHEY_SIMPLEX, 1.3, (30, 20, 20), 4, cv2.LINE_AA)
    [reading] = PlateReader(WEIGHTS).read([plate])
    assert reading.text == text and len(reading.characters) == len(text)
    assert min(reading.characters) > 0.5 and 0 < reading.confidence <= 1
