"""What a late camera's chunks are worth; lateness is given, never measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators import effort
from operators.desensitise.policy import Policy
from operators.effort import COARSE, DROPPED, FULL, SPARSE, WHOLE, decide, eased
from operators.masks import unpack_masks
from operators.pieces import canvases
from operators.pipeline import Pipeline
from operators.sign import SigningKey
from schemas.codec import decode, pack, unpack_as
from schemas.frames import FrameChunk, Planes, VideoFormat
from schemas.records import CUSTODIAN, OperatorBody, OperatorChunk, Piece
from schemas.regions import Detections, boxes
from schemas.state import CameraState, LoadState
from tests.support.scenes import FACE, FORMAT, chunk

KEY = SigningKey(b"p" * 32)
POLICY = Policy({"faces": frozenset({"face"})})
PLACES = [[(16 + 4 * i, 32)] for i in range(20)]


def levels(lates: list[float], load: LoadState | None = None) -> list[int]:
    """The level of each chunk, the first two are decided already."""
    out = []
    for late in lates:
        load = decide(load, late)
        out.append(load.ahead)
    return out


def test_decide_takes_one_level_a_late_chunk_in_the_order_of_harm() -> None:
    assert levels([0.9, 1.0, 1.2, 1.3, 11.9, 12.0, 17.9, 29.9, 30.0, 99.0]) == [
        FULL, SPARSE, SPARSE, COARSE, COARSE, WHOLE, WHOLE, WHOLE, DROPPED, DROPPED,
    ]  # fmt: skip


def test_decide_who_is_very_late_takes_the_first_steps_at_once_but_not_the_last_ones() -> None:
    assert levels([1.9]) == [SPARSE] and levels([2.0]) == [COARSE]
    assert levels([1.0, 99.0, 99.0]) == [SPARSE, COARSE, WHOLE]


def test_decide_counts_lateness_in_lengths_of_longer_chunks_until_frames_are_masked_whole() -> None:
    for length in (0.2, 1.0, 5.0):
        unit = max(1.0, length)
        assert decide(None, 0.9 * unit, length).ahead == FULL
        assert decide(None, 1.9 * unit, length).ahead == SPARSE
        assert decide(None, 2.0 * unit, length).ahead == COARSE
        assert decide(LoadState(COARSE, COARSE), 11.9 * unit, length).ahead == COARSE
        assert decide(LoadState(COARSE, COARSE), 12.0 * unit, length).ahead == WHOLE
        assert decide(LoadState(WHOLE, WHOLE), 30.0, length).ahead == DROPPED


def test_decide_what_was_said_of_the_next_chunk_but_one_holds() -> None:
    load = LoadState()
    for late in (5.0, 5.0, 0.0, 9.0, 31.0, 31.0, 0.1):
        after = decide(load, late)
        assert after.level == load.ahead
        load = after


def test_decide_steps_down_after_early_chunks_in_a_row_only() -> None:
    coarse = LoadState(COARSE, COARSE)
    assert levels([0.4] * 5 + [0.5] + [0.4] * 6, coarse) == [COARSE] * 11 + [SPARSE]
    assert levels([0.9] * 3, LoadState(WHOLE, WHOLE))[-1] == COARSE
    assert levels([1.0] * 9, LoadState(WHOLE, WHOLE))[-1] == WHOLE


@pytest.mark.parametrize("outage_s", [40.0, 300.0, 590.0])
def test_decide_a_backlog_that_shrinks_is_worked_off_and_nothing_of_it_dropped(outage_s: float) -> None:
    """Masked whole, a second of video takes half of one."""
    lates = [outage_s - 0.5 * n for n in range(int(2 * outage_s) + 20)]
    found = levels([max(0.0, late) for late in lates])
    assert DROPPED not in found
    assert found[3:3 + int(2 * outage_s) - 6] == [WHOLE] * (int(2 * outage_s) - 6) and found[-1] < WHOLE


def test_decide_a_backlog_that_grows_or_will_soon_be_gone_is_dropped_to_half_of_it() -> None:
    growing = [60.0, 60.0, 60.0, 55.0, 60.0, 64.9, 65.0, 50.0, 32.6, 32.4]
    assert levels(growing) == [COARSE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, DROPPED, DROPPED, DROPPED, WHOLE]
    shrinking = [700.0, 699.0, 698.0, 697.0, 600.0, 349.1, 348.9]
    assert levels(shrinking) == [COARSE, WHOLE, DROPPED, DROPPED, DROPPED, DROPPED, WHOLE]


def test_decide_a_clock_behind_the_brokers_leaves_states_that_can_be_stored() -> None:
    load = LoadState(WHOLE, WHOLE, mark_ms=900)
    for _ in range(30):
        load = decide(load, -3.0)
        assert unpack_as("state", pack("state", CameraState(load=load))).load == load
    assert (load.level, load.ahead) == (FULL, FULL)


def test_decide_a_step_down_that_has_to_be_taken_back_takes_longer_next_time() -> None:
    late_again = [0.4] * 6 + [1.0]
    assert levels([1.0, *late_again], None) == [SPARSE] * 6 + [FULL, SPARSE]
    load = None
    for late in [1.0, *late_again]:
        load = decide(load, late)
    waits = []
    for _ in range(8):
        run = next(n for n in range(1, 400) if levels([0.4] * n, load)[-1] == FULL)
        waits.append(run)
        for late in [0.4] * run + [1.0]:
            load = decide(load, late)
    assert waits == [24, 96, 384, 384, 384, 384, 384, 384]
    for late in [0.4] * (384 + effort.RECENT):
        load = decide(load, late)
    assert load == LoadState()


def test_decide_a_machine_that_is_too_slow_settles_and_never_runs_away() -> None:
    """A chunk a second; a level's chunk takes so long, what is dropped nothing: lateness stays below the last step."""
    seconds = {FULL: 1.5, SPARSE: 1.2, COARSE: 1.1, WHOLE: 0.4, DROPPED: 0.0}
    late, load, seen = 0.0, LoadState(), []
    for _ in range(600):
        late = max(0.0, late + seconds[load.level] - 1.0)
        load = decide(load, late)
        seen.append((late, load.level))
    assert max(late for late, _ in seen) < 14
    assert {level for _, level in seen} == {FULL, SPARSE, COARSE, WHOLE}
    changes = sum(one != two for (_, one), (_, two) in zip(seen, seen[1:], strict=False))
    assert changes < 60


def test_decide_a_level_that_is_just_cheap_enough_is_kept() -> None:
    """It tries to do more ever more rarely, and gets a little late each time."""
    seconds = {FULL: 1.6, SPARSE: 1.3, COARSE: 0.9, WHOLE: 0.4}
    late, load, seen = 0.0, LoadState(), []
    for _ in range(600):
        late = max(0.7, late + seconds[load.level] - 1.0)
        load = decide(load, late)
        seen.append((late, load.level))
    assert max(late for late, _ in seen) < 2.5
    assert WHOLE not in {level for _, level in seen}
    assert sum(late > 1.5 for late, _ in seen) < 0.05 * len(seen)


@pytest.mark.parametrize("level", [SPARSE, COARSE])
def test_eased_policy_masks_more_and_codes_faster_but_seals_and_hides_alike(level: int) -> None:
    less = eased(POLICY, level)
    assert less.padding_of("face") == POLICY.padding_of("face") + POLICY.doubt
    assert replace(less, padding=POLICY.padding, preset=POLICY.preset) == POLICY
    assert eased(POLICY, FULL) is POLICY


@pytest.mark.parametrize("level", [SPARSE, COARSE])
def test_sides_are_halved_between_looks_at_full_size_a_second_apart(level: int) -> None:
    times = [0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4]
    assert effort.sides(1920, level, 1280, times) == [1920, 640, 640, 1920, 640, 640, 1920]
    assert effort.sides(1920, FULL, 1280, times) == [1920] * 7
    assert effort.sides(320, level, 1280, times[:2]) == [320, 160]


class _Knows:
    """Finds the square that moves as `PLACES` say, by its frame's brightest place; notes at what sizes it is asked."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
        self.sizes.append(size)
        columns = np.abs(planes.u.astype(int) - 120).sum(0)
        x = 2 * int(np.flatnonzero(columns > columns.max() / 2)[0])
        marks = np.full((1, 5, 2), np.nan, np.float32)
        return (Detections("face", boxes([(x, 32, x + FACE, 32 + FACE)]), np.float32([0.9]), marks),)


def _body(record) -> OperatorChunk:
    found = decode(OperatorBody, record.signed.body).chunk
    assert found is not None
    return found


def _step(level: int, ahead: int = FULL, following: FrameChunk | None = None):
    finder = _Knows()
    state = CameraState(load=LoadState(level, ahead) if level or ahead else None)
    after, out = Pipeline(POLICY, finder, KEY, at_once=1).step(state, chunk(PLACES), following)
    return finder.sizes, after, out, _body(out.operator[1])


def test_step_with_less_effort_searches_less_and_masks_everything_and_more() -> None:
    masks = {}
    for level, looks in ((FULL, 5), (SPARSE, 5), (COARSE, 5)):
        sizes, after, out, body = _step(level)
        assert (len(sizes), body.effort, after.effort) == (looks, level, level)
        assert [alarm.kind for alarm in out.alarms] == (["overload"] if level else [])
        masks[level] = np.stack(unpack_masks(body.masks, len(PLACES), FORMAT))
    for level in (SPARSE, COARSE):
        assert masks[level].sum() > masks[FULL].sum()
        for i, [(x, y)] in enumerate(PLACES):
            rows, columns = slice(y // 16, -(-(y + FACE) // 16)), slice(x // 16, -(-(x + FACE) // 16))
            assert masks[level][i][rows, columns].all(), (level, i)


def test_step_coarse_looks_are_half_as_large_but_for_the_first() -> None:
    sizes, *_ = _step(COARSE)
    assert sizes[0] == POLICY.detection_side
    assert sizes[1] == FORMAT.width // 2


def test_step_whole_looks_at_nothing_and_seals_the_cameras_own_pictures_to_the_custodian() -> None:
    sizes, after, out, body = _step(WHOLE)
    assert sizes == [] and body.effort == WHOLE
    assert np.stack(unpack_masks(body.masks, len(PLACES), FORMAT)).all()
    assert {draft.authority for draft in out.evidence} == {CUSTODIAN}
    assert [alarm.kind for alarm in out.alarms] == ["overload"]
    (piece,) = [decode(Piece, part.plaintext) for part in out.evidence[0].parts if part.type == "piece"]
    assert piece.true_digest == piece.sealed_digest
    assert len(canvases(piece)) == len(PLACES)
    assert after.tracks == () and after.cut


def test_step_before_a_chunk_that_nobody_will_look_at_doesnt_count_on_it() -> None:
    alone = _step(COARSE)
    before_whole = _step(COARSE, WHOLE, chunk(PLACES, 1))
    assert before_whole[3] == alone[3] and before_whole[0] == alone[0]


def test_step_before_a_chunk_of_less_effort_is_masked_and_coded_as_that_one() -> None:
    sizes, after, out, body = _step(FULL, COARSE, chunk(PLACES, 1))
    alone = _step(FULL)
    assert sizes[:len(alone[0])] == alone[0] and (body.effort, after.effort) == (COARSE, COARSE)
    more, usual = (np.stack(unpack_masks(one.masks, len(PLACES), FORMAT)) for one in (body, alone[3]))
    assert (usual <= more).all() and more.sum() > usual.sum()
    assert _step(COARSE, FULL, chunk(PLACES, 1))[3].effort == COARSE


def test_step_with_equal_effort_gives_equal_bytes() -> None:
    for level in (SPARSE, COARSE, WHOLE):
        assert _step(level)[3] == _step(level)[3]


def test_steps_look_at_each_chunk_once_though_levels_change() -> None:
    finder = _Knows()
    pipeline = Pipeline(POLICY, finder, KEY, at_once=1)
    state, looks = CameraState(), []
    chunks = [chunk(PLACES, seq) for seq in range(6)]
    for one, following in zip(chunks, [*chunks[1:], None], strict=True):
        before = len(finder.sizes)
        state, _ = pipeline.step(state, one, following)
        state = replace(state, load=decide(state.load, 13.0))
        looks.append(len(finder.sizes) - before)
    # 4 looks a chunk, and one where the square jumps back between the first two; chunk 2 has its own last frame, too,
    # as nobody looks at those after it
    assert looks == [9, 4, 1, 0, 0, 0]


def test_dropped_levels_are_named_for_all() -> None:
    assert len(effort.LEVELS) == DROPPED + 1 == len(effort.RISE_S) + 1 == len(effort.FALL_S) + 1
    assert list(effort.RISE_S) == sorted(effort.RISE_S)
