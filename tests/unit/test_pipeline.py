from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators.codec import encode as encode_pictures
from operators.desensitise.policy import Policy, Site
from operators.masks import unpack_masks
from operators.pipeline import Pipeline, kept_appearances, seal_draft
from operators.pixels import freeze
from operators.seal import Identity
from operators.sign import SigningKey, check, digest
from schemas.codec import decode, encode, pack
from schemas.errors import ClockJump, ConfigError, MalformedRecord
from schemas.frames import FrameChunk, Planes, VideoFormat
from schemas.records import CUSTODIAN, OperatorBody, SealedEvidence
from schemas.regions import Detections, boxes
from schemas.state import MAX_STATE_BYTES, CameraState, TrackState
from tests.support.scenes import FORMAT, chunk, crossing, regions

KEY = SigningKey(b"p" * 32)
PLACES = crossing()
POLICY = Policy({"faces": frozenset({"face"}), "plates": frozenset({"plate"})})


def _pipeline(policy: Policy = POLICY) -> Pipeline:
    return Pipeline(policy, None, KEY)  # type: ignore[arg-type]  # protect() never detects


def test_protect_is_deterministic_and_leaves_its_state_equal() -> None:
    state = CameraState()
    before = encode(state)
    first = _pipeline().protect(state, chunk(PLACES), regions(PLACES))
    second = _pipeline().protect(state, chunk(PLACES), regions(PLACES))
    assert first == second
    assert encode(state) == before


def test_protect_chains_start_chunks_and_end() -> None:
    state, one = _pipeline().protect(CameraState(), chunk(PLACES, 0), regions(PLACES, 0))
    _, two = _pipeline().protect(state, chunk(PLACES, 1, end=True), regions(PLACES, 1))
    bodies = [decode(OperatorBody, check(r.signed, "operator", KEY.public)) for r in (*one.operator, *two.operator)]
    start, first, second, end = bodies
    assert start.start and first.chunk and second.chunk and end.end
    assert first.chunk.previous_digest == digest(one.operator[0].signed.body)
    assert second.chunk.previous_digest == digest(one.operator[1].signed.body)
    assert end.end.digest == digest(two.operator[0].signed.body)
    assert (end.end.chunks, end.end.frames) == (2, 20)
    faces = next(count for count in end.end.evidence if count.authority == "faces")
    assert (faces.parts, faces.previous) == (sum(len(d.parts) for d in (*one.evidence, *two.evidence)), 2)


def test_protect_sends_mixed_pieces_to_the_custodian_only() -> None:
    _, out = _pipeline().protect(CameraState(), chunk(PLACES), regions(PLACES, kinds=("face", "plate")))
    kinds = {draft.authority: {part.kinds for part in draft.parts} for draft in out.evidence}
    assert kinds == {"faces": {("face",)}, "plates": {("plate",)}, CUSTODIAN: {("face", "plate")}}


def test_protect_whole_masked_frames_go_to_the_custodian_with_an_alarm() -> None:
    _, out = _pipeline().protect(CameraState(), chunk(PLACES), regions(PLACES, failed=frozenset(range(10))))
    assert {draft.authority for draft in out.evidence} == {CUSTODIAN}
    assert [alarm.kind for alarm in out.alarms] == ["masked-whole"]


@pytest.mark.parametrize("lost", [0, 1])
def test_protect_says_when_chunks_before_one_never_came(lost: int) -> None:
    state, _ = _pipeline().protect(CameraState(), chunk(PLACES, 0), regions(PLACES, 0))
    _, out = _pipeline().protect(state, chunk(PLACES, 1 + lost), regions(PLACES, 1 + lost))
    body = decode(OperatorBody, out.operator[0].signed.body).chunk
    assert body is not None and body.gaps == lost * len(PLACES)
    assert [alarm.kind for alarm in out.alarms] == ["lost"] * lost
    assert all(f"{body.gaps} frames" in alarm.text for alarm in out.alarms)


@pytest.mark.parametrize("methods", [("scramble", "veil"), ("solid", "veil")])
def test_protect_under_another_method_takes_no_appearance_of_the_one_before(methods: tuple[str, str]) -> None:
    before, after = (
        _pipeline(Policy({"faces": frozenset({"face"})}, methods={"face": name}, preset="ultrafast"))
        for name in methods
    )
    state, _ = before.protect(CameraState(), chunk(PLACES, 0), regions(PLACES, 0))
    changed, out = after.protect(state, chunk(PLACES, 1), regions(PLACES, 1))
    alone, _ = after.protect(replace(state, appearances=()), chunk(PLACES, 1), regions(PLACES, 1))
    assert decode(OperatorBody, out.operator[0].signed.body).chunk and changed.appearances == alone.appearances
    again, _ = after.protect(changed, chunk(PLACES, 2), regions(PLACES, 2))
    assert again.appearances[0].appearance == changed.appearances[0].appearance


def test_lose_follows_nobody_over_the_chunk() -> None:
    state, _ = _pipeline().protect(CameraState(), chunk(PLACES, 0), regions(PLACES, 0))
    held = TrackState(1, "face", (0.0,) * 8, (0.0,) * 8, b"", 0.9, 3, 0)
    after, out = _pipeline().lose(replace(state, tracks=(held,)), chunk(PLACES, 1))
    assert (after.tracks, after.cut, after.reached, out.operator) == ((), True, 2 * len(PLACES), ())


def test_protect_operator_body_names_no_kind_track_or_score() -> None:
    _, out = _pipeline().protect(CameraState(), chunk(PLACES), regions(PLACES))
    assert b"face" not in out.operator[1].signed.body.replace(b"faces", b"")


def test_protect_keeps_an_appearance_steady_over_chunks() -> None:
    state, _ = _pipeline().protect(CameraState(), chunk(PLACES, 0), regions(PLACES, 0))
    later, _ = _pipeline().protect(state, chunk(PLACES[::-1], 1), regions(PLACES[::-1], 1))
    assert [a.appearance for a in later.appearances] == [a.appearance for a in state.appearances]
    assert len(pack("state", later)) < MAX_STATE_BYTES


def test_protect_takes_no_appearance_into_another_video() -> None:
    state, _ = _pipeline().protect(CameraState(), chunk(PLACES), regions(PLACES))
    assert state.appearances
    nobody = replace(regions(PLACES), frames=((),) * len(PLACES))
    state, _ = _pipeline().protect(state, chunk(PLACES, video="cam-other"), nobody)
    assert not state.appearances


def test_kept_appearances_are_the_newest_that_fit_into_a_state() -> None:
    known = kept_appearances((), chunk(PLACES, 0), {track: b"s" * 200 for track in range(500)})
    newer = kept_appearances(known, chunk(PLACES, 1), {track: b"t" * 200 for track in range(100, 200)})
    assert {one.track for one in newer} >= set(range(100, 200)) and 100 < len(newer) < 500
    assert len(pack("state", CameraState(appearances=newer))) < MAX_STATE_BYTES // 2


def test_protect_zones_go_to_the_custodian_and_take_what_is_in_them_along() -> None:
    policy = replace(POLICY, sites=(Site(("cam",), {"zones": ((0.0, 0.0, 0.5, 1.0),)}),))
    _, out = _pipeline(policy).protect(CameraState(), chunk(PLACES), regions(PLACES, kinds=("face", "plate")))
    kinds = {draft.authority: {part.kinds for part in draft.parts if part.type == "piece"} for draft in out.evidence}
    assert kinds[CUSTODIAN] >= {("frame",), ("face", "frame"), ("frame", "plate")}
    assert kinds["faces"] == {("face",)}
    mask = unpack_masks(decode(OperatorBody, out.operator[1].signed.body).chunk.masks, 10, FORMAT)
    assert all(frame[:, :5].all() for frame in mask)


def test_policy_at_a_camera_is_that_of_the_first_site_that_names_it() -> None:
    sites = (Site(("gate-*",), {"padding": 0.3, "kinds": frozenset({"plate"})}), Site(("*-2",), {"stride": 1}))
    policy = replace(POLICY, sites=sites)
    gate, hall, other = (policy.at(name) for name in ("gate-2", "hall-2", "hall-1"))
    assert (gate.padding, gate.kinds, gate.stride) == (0.3, {"plate"}, 5)
    assert (hall.padding, hall.kinds, hall.stride) == (0.1, None, 1)
    assert other is policy and gate.authorities == policy.authorities


@pytest.mark.parametrize("changes", [{"padding": 9.0}, {"zones": ((0.5, 0.0, 0.4, 1.0),)}, {"methods": {"face": "x"}}])
def test_policy_with_a_site_that_cant_be_is_refused(changes) -> None:
    with pytest.raises(ConfigError):
        replace(POLICY, sites=(Site(("*",), changes),))


def test_locate_leaves_alone_what_is_small_or_of_another_kind_here() -> None:
    class Two:
        def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
            marks = np.full((2, 5, 2), np.nan, np.float32)
            rows = boxes(np.array([(10, 10, 30, 40), (60, 60, 70, 72)], np.float32))
            scores = np.array([0.9, 0.9], np.float32)
            return Detections("face", rows, scores, marks), Detections("plate", rows[:1], scores[:1], marks[:1, :4])

    def shown(changes) -> set[tuple[str, float]]:
        policy = replace(POLICY, sites=(Site(("cam",), changes),))
        _, found = Pipeline(policy, Two(), KEY).locate(CameraState(), chunk(PLACES), None)  # type: ignore[arg-type]
        return {(region.kind, round(region.box[3] - region.box[1])) for frame in found.frames for region in frame}

    assert shown({}) >= {("face", 30), ("face", 12), ("plate", 30)}
    assert {kind for kind, _ in shown({"kinds": frozenset({"plate"})})} == {"plate"}
    assert ("face", 12) not in shown({"smallest": 20.0}) and ("face", 30) in shown({"smallest": 20.0})


@pytest.mark.parametrize(("contrast", "masked"), [(1, False), (10, True), (60, False)])
def test_step_a_picture_without_contrast_is_masked_whole_with_an_alarm(contrast: int, masked: bool) -> None:
    class Nothing:
        def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
            return (Detections.none("face"),)

    ramp = np.tile(np.linspace(40, 40 + contrast, FORMAT.width).round().astype(np.uint8), (FORMAT.height, 1))
    flat = np.full((FORMAT.height // 2, FORMAT.width // 2), 128, np.uint8)
    units = encode_pictures([freeze(Planes(ramp, flat, flat))] * 5, range(5), FORMAT, crf=5, preset="veryfast")
    dull = FrameChunk("cam", "cam-video", 0, 0, 1_000_000, FORMAT, "h264", units, 5, end=True)
    _, out = Pipeline(POLICY, Nothing(), KEY).step(CameraState(), dull, None)
    assert [alarm.kind for alarm in out.alarms] == (["blind"] if masked else [])
    assert bool(decode(OperatorBody, out.operator[1].signed.body).chunk.masks) == masked


def test_protect_passes_an_empty_chunk_through_unchanged() -> None:
    empty = chunk([[]] * 4)
    _, out = _pipeline().protect(CameraState(), empty, regions([[]] * 4))
    body = decode(OperatorBody, out.operator[1].signed.body).chunk
    assert body and body.passed and not out.evidence
    from operators.fragment import parse_fragment

    units, _ = parse_fragment(out.operator[1].media, empty.format, empty.pts[0])
    assert [u.data for u in units] == [u.data for u in empty.units]


def test_protect_a_new_video_closes_the_old_one() -> None:
    state, _ = _pipeline().protect(CameraState(), chunk(PLACES), regions(PLACES))
    _, out = _pipeline().protect(state, chunk(PLACES, video="cam-other"), regions(PLACES))
    kinds = [decode(OperatorBody, r.signed.body) for r in out.operator]
    assert kinds[0].end and kinds[0].end.video_id == "cam-video" and kinds[1].start and kinds[2].chunk


def test_protect_a_straggler_of_a_closed_video_opens_nothing() -> None:
    pipeline, state, videos = _pipeline(), CameraState(), [f"cam-{n}" for n in range(3)]
    for video in videos:
        state, _ = pipeline.protect(state, chunk(PLACES, video=video), regions(PLACES))
    assert state.closed == ("cam-1", "cam-0")
    for video in videos[:2]:
        with pytest.raises(ClockJump, match="closed"):
            pipeline.protect(state, chunk(PLACES, 1, video=video), regions(PLACES, 1))
    state, out = pipeline.protect(state, chunk(PLACES, 1, video="cam-2"), regions(PLACES, 1))
    assert len(out.operator) == 1 and state.video_id == "cam-2"


def test_protect_out_of_order_is_a_clock_jump() -> None:
    state, _ = _pipeline().protect(CameraState(), chunk(PLACES, 1), regions(PLACES, 1))
    with pytest.raises(ClockJump):
        _pipeline().protect(state, chunk(PLACES, 0), regions(PLACES, 0))


def test_protect_a_chunk_of_another_format_than_its_video_is_refused_and_costs_no_other() -> None:
    pipeline, first, second = _pipeline(), chunk(PLACES, 0), chunk(PLACES, 1)
    state, _ = pipeline.protect(CameraState(), first, regions(PLACES, 0))
    wrong = [replace(FORMAT, full_range=not FORMAT.full_range), replace(FORMAT, width=FORMAT.width - 2),
             replace(FORMAT, time_base=FORMAT.time_base / 2)]
    for other in (replace(second, format=format) for format in wrong):
        for act in (lambda one=other: pipeline.protect(state, one, regions(PLACES, 1)),
                    lambda one=other: pipeline.step(state, one, None)):
            with pytest.raises(MalformedRecord, match="another format than its video"):
                act()
    after, out = pipeline.protect(state, second, regions(PLACES, 1))
    assert len(out.operator) == 1 and after.last_seq == 1


def test_protect_counts_lost_frames_as_a_gap() -> None:
    state, _ = _pipeline().protect(CameraState(), chunk(PLACES, 0), regions(PLACES, 0))
    _, out = _pipeline().protect(state, chunk(PLACES, 2), regions(PLACES, 2))
    body = decode(OperatorBody, out.operator[0].signed.body).chunk
    assert body and body.gaps == len(PLACES)


def test_protect_regions_of_another_chunk_are_refused() -> None:
    with pytest.raises(MalformedRecord):
        _pipeline().protect(CameraState(), chunk(PLACES), regions(PLACES[:-1]))


def test_seal_draft_opens_for_its_recipient_and_is_signed() -> None:
    _, out = _pipeline().protect(CameraState(), chunk(PLACES), regions(PLACES))
    me = Identity.create()
    signed = seal_draft(out.evidence[0], "e1", [me.public], "topic", "high", KEY)
    evidence = decode(SealedEvidence, check(signed, "evidence", KEY.public))
    assert evidence.operator_digest == digest(out.operator[1].signed.body)
    assert len(evidence.parts) == len(out.evidence[0].parts)


@pytest.mark.parametrize("change", [{"methods": {"face": "none"}}, {"stride": 0}, {"crf": 99}, {"padding": -1.0}])
def test_policy_with_a_wrong_value_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(POLICY, **change)  # type: ignore[arg-type]


def test_step_keeps_only_the_chunk_it_looked_ahead_to() -> None:
    pipeline = Pipeline(POLICY, NoFaces(), KEY)  # type: ignore[arg-type]
    first, second = chunk([[]] * 4, 0), chunk([[]] * 4, 1, end=True)
    state, _ = pipeline.step(CameraState(), first, second)
    assert [kept.chunk_seq for kept, _ in pipeline.examiner._kept["cam"].values()] == [1]
    pipeline.step(state, second, None)
    assert not pipeline.examiner._kept


class NoFaces:
    """A detector that looks and finds nobody."""

    def detect_planes(self, planes: object, video: object, size: int) -> Detections:
        return Detections.none("face")


class DarkFace:
    """A detector that finds one face, and only in dark scenes."""

    def detect_planes(self, planes: Planes, video: object, size: int) -> Detections:
        if planes.y.mean() > 150:
            return Detections.none("face")
        box, marks = np.array([[40, 40, 72, 72]], np.float32), np.empty((0, 5, 2), np.float32)
        return Detections("face", box, np.array([0.9], np.float32), marks)


def test_locate_scene_cut_between_two_chunks_ends_tracks_and_stops_back_fill() -> None:
    dark, light = chunk([[]] * 4, 0), chunk([[]] * 4, 1, light=80, turned=True, end=True)
    back = replace(chunk([[]] * 4, 2, end=True), end=True)
    pipeline = Pipeline(POLICY, DarkFace(), KEY)  # type: ignore[arg-type]
    state, first = pipeline.locate(CameraState(), dark, light)
    assert state.cut and all(first.frames)
    state, second = pipeline.locate(replace(state, video_id="cam-video"), light, back)
    assert state.cut and not any(second.frames)
    state, third = pipeline.locate(state, back, None)
    assert not state.cut and {region.track for frame in third.frames for region in frame} == {2}


class FaceAndPlate:
    """A detector of two kinds, each with one object that stays."""

    def detect_planes(self, planes: object, video: object, size: int) -> tuple[Detections, ...]:
        boxes, score = np.array([[16, 16, 48, 48]], np.float32), np.array([0.9], np.float32)
        corners = np.array([[[16, 64], [48, 64], [48, 80], [16, 80]]], np.float32)
        return (
            Detections("face", boxes, score, np.empty((1, 0, 2), np.float32)),
            Detections("plate", np.array([[16, 64, 48, 80]], np.float32), score, corners),
        )


def test_step_tracks_both_kinds_and_seals_each_to_its_authority() -> None:
    pipeline = Pipeline(POLICY, FaceAndPlate(), KEY)
    clip = chunk([[]] * 6, 0, end=True)
    _, regions = pipeline.locate(CameraState(), clip, None)
    assert {region.kind for frame in regions.frames for region in frame} == {"face", "plate"}
    assert all(len(frame) == 2 for frame in regions.frames)
    marks = [r.landmarks for frame in regions.frames for r in frame if r.kind == "plate" and r.source == "detected"]
    assert marks and set(marks) == {(16.0, 64.0, 48.0, 64.0, 48.0, 80.0, 16.0, 80.0)}
    _, out = pipeline.step(CameraState(), clip, None)
    kinds = {draft.authority: {kind for part in draft.parts for kind in part.kinds} for draft in out.evidence}
    assert kinds["faces"] == {"face"} and kinds["plates"] == {"plate"}


class Blind:
    """A detector that fails."""

    def detect_planes(self, planes: object, video: object, size: int) -> Detections:
        raise ConfigError("the network answers with values that aren't numbers")


def test_step_with_a_failing_detector_masks_every_frame_whole() -> None:
    pipeline = Pipeline(POLICY, Blind(), KEY)  # type: ignore[arg-type]
    clip = chunk([[]] * 4, 0, end=True)
    _, out = pipeline.step(CameraState(), clip, None)
    body = decode(OperatorBody, out.operator[1].signed.body).chunk
    assert body and all(mask.all() for mask in unpack_masks(body.masks, 4, clip.format))
    assert {draft.authority for draft in out.evidence} == {CUSTODIAN} and out.alarms
