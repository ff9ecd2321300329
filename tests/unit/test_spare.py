"""Consent by picture: a track stays visible only if all of its life says that it is who consented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators.bare import left_bare
from operators.desensitise.policy import Policy
from operators.masks import unpack_masks
from operators.pipeline import Pipeline
from operators.sign import SigningKey
from operators.spare import Lives, Spare, Spared, SpareSettings, consented, likeness
from schemas.codec import decode
from schemas.errors import ConfigError, SourceError
from schemas.records import CUSTODIAN, OperatorBody
from schemas.regions import Array, Region, RegionSet, RegionSource
from schemas.state import CameraState
from streams.spare import FirstPass, digest_of
from tests.support.scenes import FORMAT, chunk

PICTURE, STRANGER = np.eye(128, dtype=np.float32)[0], np.eye(128, dtype=np.float32)[1]
SETTINGS = SpareSettings(looks=3, pooled=0.95, each=0.9, gap_s=1.0, near=0.25, after_s=1.0)
HERE, FAR = (10.0, 10.0, 50.0, 50.0), (110.0, 60.0, 150.0, 100.0)


def _alike(cosine: float, other: int = 2) -> Array:
    """A unit vector so alike to PICTURE."""
    vector = np.zeros(128, np.float32)
    vector[0], vector[other] = cosine, np.sqrt(1 - cosine**2)
    return vector


def _region(track: int, box: tuple[float, float, float, float] = HERE, source: RegionSource = "detected") -> Region:
    return Region(track, "face", box, 0.9, source)


def _judge(
    frames: list[tuple[Region, ...]], looks: dict[tuple[int, int], Array], *, step: float = 0.2,
    pictures: tuple[Array, ...] = (PICTURE,), cuts: frozenset[int] = frozenset(),
) -> tuple[Spared, ...]:  # fmt: skip
    regions = RegionSet("cam", "cam-video", 0, tuple(frames), frozenset(), cuts)
    judge = Spare(SETTINGS)
    lives = judge.step(judge.initial("cam"), regions, 100, [step * i for i in range(len(frames))], looks)
    return judge.spared(lives, pictures)


def _looks(*cosines: float) -> dict[tuple[int, int], Array]:
    """Of track 1, frame by frame."""
    return {(i, 1): _alike(cosine) for i, cosine in enumerate(cosines)}


ALONE = [(_region(1),)] * 6


def test_spared_a_track_that_is_alike_all_its_life_from_its_first_to_its_last_look() -> None:
    (found,) = _judge(ALONE, {(i, 1): _alike(0.97) for i in (1, 2, 3, 4)})
    assert (found.track, found.first, found.last, found.picture, found.looks) == (1, 101, 104, 0, 4)
    assert found.score == pytest.approx(0.97, abs=1e-5) and found.worst == pytest.approx(0.97, abs=1e-5)


@pytest.mark.parametrize(("cosines", "found"), [
    ((0.97, 0.97, 0.97), True),
    ((0.97, 0.97), False),                            # too few looks
    ((0.94, 0.94, 0.94), False),                      # alike, but not surely
    ((0.97, 0.97, 0.97, 0.89), False),                # one look like somebody else
    ((0.99, 0.99, 0.99, 0.91, 0.91, 0.91), False),    # another person from the middle on
    ((0.91, 0.99, 0.99, 0.99), True),
    ((), False),
])
def test_spared_every_look_and_every_few_in_a_row_have_to_be_alike(cosines: tuple[float, ...], found: bool) -> None:
    assert bool(_judge(ALONE, _looks(*cosines))) is found


def test_spared_a_time_without_good_looks_is_a_time_in_which_it_may_be_anybody() -> None:
    assert _judge(ALONE, _looks(*[0.97] * 6), step=1.0)
    assert not _judge(ALONE, _looks(*[0.97] * 6), step=1.01)


def test_spared_who_touches_another_face_stays_masked_and_so_does_the_other() -> None:
    near = (58.0, 10.0, 98.0, 50.0)
    looks = {(i, track): _alike(0.97) for i in range(6) for track in (1, 2)}
    apart, together = (_region(1), _region(2, FAR)), (_region(1), _region(2, near))
    assert [one.track for one in _judge([apart] * 6, looks)] == [1, 2]
    assert not _judge([apart] * 5 + [together], looks)


def test_spared_who_stands_where_another_was_a_moment_ago_stays_masked_as_does_the_other() -> None:
    frames = [(_region(1),)] * 4 + [()] + [(_region(2),)] * 4
    looks = {(i, i // 5 + 1): _alike(0.97) for i in (0, 1, 2, 3, 5, 6, 7, 8)}
    assert not _judge(frames, looks)
    assert [one.track for one in _judge(frames, looks, step=0.6)] == [1, 2]
    assert [one.track for one in _judge(frames, looks, cuts=frozenset({5}))] == [1, 2]


def test_spared_by_the_picture_that_is_most_alike_and_never_by_two_together() -> None:
    halves = {(i, 1): _alike(0.97) if i < 3 else STRANGER for i in range(6)}
    assert not _judge(ALONE, halves, pictures=(PICTURE, STRANGER))
    assert _judge(ALONE, _looks(*[0.97] * 6), pictures=(STRANGER, PICTURE))[0].picture == 1
    assert not _judge(ALONE, _looks(*[0.97] * 6), pictures=())


def test_step_goes_on_over_the_border_of_chunks_and_leaves_its_state_equal() -> None:
    judge, looks = Spare(SETTINGS), {(i, 1): _alike(0.97) for i in range(2)}
    regions = RegionSet("cam", "cam-video", 0, ((_region(1),),) * 2)
    first = judge.step(Lives(), regions, 0, [0.0, 0.2], looks)
    kept = {track: life.looks for track, life in first.tracks.items()}
    second = judge.step(first, regions, 2, [0.4, 0.6], looks)
    assert {track: life.looks for track, life in first.tracks.items()} == kept
    assert not judge.spared(first, [PICTURE])
    (found,) = judge.spared(second, [PICTURE])
    assert (found.first, found.last) == (0, 3)
    other = replace(regions, frames=((_region(2),), ()))
    assert not judge.spared(judge.step(second, other, 4, [0.8, 1.0], {}), [PICTURE])


def test_likeness_is_that_of_the_worst_few_in_a_row() -> None:
    vectors = np.stack([_alike(0.9, 2), _alike(0.9, 3), _alike(0.9, 2), _alike(0.9, 2)])
    pooled, worst = likeness(vectors, PICTURE, 2)
    assert (pooled, worst) == (pytest.approx(0.9), pytest.approx(0.9))
    assert likeness(vectors[:2], PICTURE, 2)[0] == pytest.approx(1.8 / np.sqrt(1.8**2 + 2 * 0.19))
    assert likeness(vectors, PICTURE, 5) == (-np.inf, -np.inf)


@pytest.mark.parametrize("change", [{"looks": 0}, {"each": 0.97}, {"pooled": 1.01}, {"gap_s": 0.0}, {"each": 0.0}])
def test_settings_that_cant_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        replace(SETTINGS, **change)  # type: ignore[arg-type]


SPARED = Spared(1, 2, 4, 0, 0.97, 0.97, 5)


def test_consented_not_before_the_first_look_nor_after_the_last_nor_where_the_face_is_lost() -> None:
    frames = [(_region(1), _region(2, FAR))] * 3 + [(_region(1, source="coasting"),)] + [(_region(1),)] * 2
    regions = RegionSet("cam", "cam-video", 0, tuple(frames))
    assert consented(regions, 0, [SPARED]) == {(2, 1), (4, 1)}
    assert consented(regions, 2, [SPARED]) == {(0, 1), (1, 1), (2, 1)}
    assert consented(replace(regions, failed=frozenset({2})), 0, [SPARED]) == {(4, 1)}
    plates = tuple(tuple(replace(region, kind="plate") for region in frame) for frame in frames)
    assert not consented(replace(regions, frames=plates), 0, [SPARED])


def test_protect_leaves_the_spared_track_bare_without_evidence_and_paints_what_others_claim() -> None:
    frames = 6
    one = chunk([[(16, 40), (112, 40)]] * frames)
    near = Region(2, "face", (40.0, 40.0, 72.0, 72.0), 0.9, "detected")
    regions = RegionSet("cam", "cam-video", 0, ((_region(1, (16, 40, 48, 72)), near),) * frames)
    policy = Policy({"faces": frozenset({"face"})}, doubt=0, spared=(replace(SPARED, first=0, last=3),))
    _, out = Pipeline(policy, None, SigningKey(b"s" * 32)).protect(CameraState(), one, regions)  # type: ignore[arg-type]
    body = next(b.chunk for r in out.operator if (b := decode(OperatorBody, r.signed.body)).chunk)
    masks = unpack_masks(body.masks, frames, FORMAT)
    assert body.spared == 4 and out.bare == {(i, 1) for i in range(4)}
    assert not any(mask[:, 1].any() for mask in masks[:4]) and all(mask[3, 1] for mask in masks[4:])
    assert all(mask[3:4, 2:5].all() for mask in masks)
    assert CUSTODIAN not in {draft.authority for draft in out.evidence}
    always = left_bare(regions, one, replace(policy, zones=((0.0, 0.0, 0.15, 1.0),)))
    assert not always.places and always.spared == 0


def test_check_regions_other_than_those_that_were_judged_stop_the_run() -> None:
    regions = RegionSet("cam", "one-name", 0, ((_region(1),),))
    first = FirstPass((), (digest_of(regions),))
    first.check(0, replace(regions, video_id="another-name"))
    for number, other in ((1, regions), (0, replace(regions, frames=((_region(2),),)))):
        with pytest.raises(SourceError, match="nothing is spared"):
            first.check(number, other)
