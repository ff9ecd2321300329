"""Faults of both stores, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.records import OperatorRecord
from streams.evaluate.delivered import Delivered
from streams.evaluate.report import Figure
from streams.evaluate.stores import Restored, Stored, compare_operator, compare_parts, sample, summed
from streams.verify import Checked, check_record
from tests.support.operator_video import identify, rewritten, video

MADE = video(3, evidence={0: [("city-faces", 2)], 2: [("city-faces", 1)]})
FILE = b"".join(record.media for record in MADE.records)


def checked(records: Sequence[OperatorRecord]) -> list[Checked]:
    return [check_record(record, identify) for record in records]


def delivered(records: Sequence[OperatorRecord] = MADE.records) -> Delivered:
    found = Delivered()
    for record in checked(records):
        found.add(record)
    return found


def compared(answered: Sequence[OperatorRecord], places: Sequence[int], conflicts: int, file: bytes) -> Stored:
    stored = Stored()
    compare_operator(stored, delivered(), checked(answered), places, conflicts, file)
    return stored


def by_id(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.id: figure for figure in figures}


def test_delivered_same_record_again_is_counted_and_changes_nothing() -> None:
    found = delivered((*MADE.records, MADE.records[1]))

    assert (found.repeated, found.seqs, found.ended) == (1, [0, 1, 2], True)
    assert found.media == FILE
    assert found.expected("city-faces") == {0: 2, 2: 1}


def test_delivered_second_version_comes_twice_and_the_first_one_counts() -> None:
    other = rewritten(MADE.records[2], method="other")
    found = delivered((*MADE.records[:3], other))

    assert found.seqs == [0, 1, 1]
    assert found.chunks[1].record == MADE.records[2]
    assert not found.ended


def test_compare_operator_whole_video_has_no_fault() -> None:
    assert compared(MADE.records, [0, 1, 2], 0, FILE) == Stored(chunks=3)


@pytest.mark.parametrize(
    ("answered", "places", "conflicts", "file", "faults"),
    [
        ((), [], 0, b"", Stored(chunks=3, missing=3, files=1, chains=1)),
        (MADE.without(2), [0, 2], 0, FILE, Stored(chunks=3, missing=1, chains=1)),
        (MADE.records, [0, 1], 0, FILE, Stored(chunks=3, missing=1)),
        (MADE.records, [0, 1, 1, 2], 0, FILE, Stored(chunks=3, doubled=1)),
        (MADE.records, [0, 1, 2], 2, FILE, Stored(chunks=3, doubled=2)),
        (MADE.records, [0, 1, 2], 0, FILE + b"x", Stored(chunks=3, files=1)),
        (MADE.without(-1), [0, 1, 2], 0, FILE, Stored(chunks=3, chains=1)),
        ((*MADE.records[:3], rewritten(MADE.records[3], method="other"), MADE.records[4]), [0, 1, 2], 0, FILE,
         Stored(chunks=3, differing=1, chains=1)),
    ],
    ids=["nothing", "answer", "index", "twice", "conflicts", "tail", "end", "version"],
)
def test_compare_operator_each_fault_is_counted(
    answered: Sequence[OperatorRecord], places: list[int], conflicts: int, file: bytes, faults: Stored
) -> None:
    assert compared(answered, places, conflicts, file) == faults


@pytest.mark.parametrize(
    ("found", "missing", "doubled"),
    [
        ([(0, 0), (0, 1), (2, 0)], 0, 0),
        ([(0, 0), (2, 0)], 1, 0),
        ([], 3, 0),
        ([(0, 0), (0, 0), (0, 1), (2, 0)], 0, 1),
        ([(0, 0), (0, 0), (2, 0)], 1, 1),
        ([(0, 0), (0, 1), (0, 2), (1, 0), (2, 0)], 0, 2),
    ],
    ids=["whole", "one", "all", "twice", "twice-for-another", "unannounced"],
)
def test_compare_parts_counts_missing_and_doubled(found: list[tuple[int, int]], missing: int, doubled: int) -> None:
    assert compare_parts({0: 2, 2: 1}, found) == (missing, doubled)


@pytest.mark.parametrize(
    ("seqs", "taken"),
    [([], []), ([5], [5]), ([5, 6], [5, 6]), ([1, 2, 3, 4], [1, 2, 3, 4]), (list(range(10)), [0, 3, 6, 9])],
)
def test_sample_takes_a_few_evenly(seqs: list[int], taken: list[int]) -> None:
    assert sample(seqs, 4) == taken


def test_summed_chunk_that_no_topic_holds_is_missing_in_the_store_too() -> None:
    found = by_id(summed(Stored(chunks=9, missing=1), Restored(3, 2, 0, 100, 100), pushed=10, videos=1))

    assert found["operator_store_chunks_missing"].value == 2
    assert found["restored_samples_equal"].holds
    assert found["restored_samples_equal"].note == "2 of 3 chunks with evidence, at most 8 a video"


def test_summed_nothing_restored_is_no_success() -> None:
    found = by_id(summed(Stored(), Restored(), pushed=0, videos=0))

    assert found["restored_samples_equal"].holds is False
