"""Real stages over memory: whole, cut after tracking, and in process make the same; intake lets nobody else in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra import tls
from operators.desensitise.policy import Policy
from operators.effort import COARSE, FULL, WHOLE
from operators.pipeline import Pipeline
from operators.seal import Identity, evidence_aad, unseal
from operators.sign import SigningKey
from schemas.codec import decode, encode, pack, unpack, unpack_as
from schemas.errors import ChunkTooLarge, MalformedRecord, PlatformNotReady, PoisonError, SignerNotEnrolled
from schemas.frames import FrameChunk
from schemas.records import CUSTODIAN, Quarantined, RawPlace, SealedEvidence, UploadAddress
from schemas.topics import ALARMS, MAX_RECORD_BYTES, OPERATOR_VIDEO, QUARANTINE, RAW, REGIONS, evidence_topic
from streams.intake import Enrolment, Intake, seal_raw
from streams.lanes import Limits
from streams.runner import Runner
from streams.setup import detector
from streams.stage import Arrival, Output
from streams.topology import LocateStage, Protection, ProtectStage, WholeStage, quarantine_aad
from streams.verify import Checked, check_chain, check_record
from tests.support.memory import MemoryPort, no_wait
from tests.support.scenes import FORMAT, chunk, crossing
from tests.support.shared import shared_data
from tests.support.worker import clip, signing_key

PIPELINE, AUTHORITY, SAFE = (Identity(bytes([n]) * 32) for n in (1, 2, 3))
CLIP = "intel-iot-devkit+sample-videos/asl_gestures/help.mkv"
POLICY = Policy({"faces": frozenset({"face"})}, preset="ultrafast")
SIGNER = SigningKey(b"s" * 32)
VIDEO = "cam-1700000000000-0000000a"
scene = partial(chunk, video=VIDEO)


class FixedAddresses:
    """One authority, always ready."""

    def address(self, authority: str) -> UploadAddress:
        return UploadAddress(authority, 1, evidence_topic(authority), ("face",), "day", AUTHORITY.public, 0, 2**50)

    def routes(self) -> Mapping[str, frozenset[str]]:
        return POLICY.authorities


@dataclass(frozen=True)
class Parts:
    """What stages are made of."""

    folder: Path
    intake: Intake
    protection: Protection

    def raw(self, chunks: Sequence[FrameChunk], camera: str = "cam") -> list[Arrival]:
        signer = signing_key(self.folder, f"camera-{camera}")
        records = [seal_raw(chunk, PIPELINE.public, signer) for chunk in chunks]
        return [Arrival(RAW, 0, i, chunks[i].camera_id.encode(), record) for i, record in enumerate(records)]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("tls")
    ca = tls.create_ca(folder)
    intake = Intake(PIPELINE, lambda der: tls.signer_identity(der, ca), Enrolment({"gateway-1": frozenset({"cam"})}))
    return Parts(folder, intake, Protection(POLICY, detector(), SIGNER, FixedAddresses(), SAFE.public))


async def _run(stage: object, arrivals: Sequence[Arrival], now_ms: int = 0) -> MemoryPort:
    port = MemoryPort()
    with ThreadPoolExecutor(2) as pool:
        runner: Runner = Runner(  # type: ignore[type-arg]
            stage, port, pool, Limits(idle_ms=0), sleep=no_wait, clock=lambda: now_ms,  # type: ignore[arg-type]
        )
        for arrival in arrivals:
            await runner.submit(arrival)
        await runner.settle()
        if runner.error is not None:
            raise runner.error
    return port


def _opened(outputs: Sequence[Output]) -> list[tuple[str, int, list[bytes]]]:
    found = []
    for output in outputs:
        evidence = decode(SealedEvidence, unpack_as("evidence", output.value).body)
        parts = [unseal(p.sealed, [AUTHORITY, SAFE], evidence_aad(evidence, p, output.topic)) for p in evidence.parts]
        found.append((evidence.authority, evidence.chunk_seq, parts))
    return found


def test_whole_cut_and_in_process_make_equal_video_and_evidence(parts: Parts) -> None:
    chunks = clip(shared_data() / "clips" / CLIP, "cam")[-3:]
    chunks = [replace(c, chunk_seq=i, first_frame=c.first_frame - chunks[0].first_frame) for i, c in enumerate(chunks)]
    raw = parts.raw(chunks)
    whole = asyncio.run(_run(WholeStage(parts.intake, parts.protection), raw))

    located = asyncio.run(_run(LocateStage(parts.intake, parts.protection), raw)).of(REGIONS)
    regions = [Arrival(REGIONS, 0, i, output.key, output.value) for i, output in enumerate(located)]
    cut = asyncio.run(_run(ProtectStage(parts.intake, parts.protection, lambda place: raw[place.offset]), regions))

    pipeline = Pipeline(POLICY, detector(), SIGNER)
    state, direct = pipeline.initial("cam"), []
    for i, one in enumerate(chunks):
        state, outgoing = pipeline.step(state, one, chunks[i + 1] if i + 1 < len(chunks) else None)
        direct += [pack("operator", record) for record in outgoing.operator]

    assert len(direct) == 5
    assert [output.value for output in whole.of(OPERATOR_VIDEO)] == direct
    assert [output.value for output in cut.of(OPERATOR_VIDEO)] == direct
    evidence = _opened(whole.of(evidence_topic("faces")))
    assert evidence and evidence == _opened(cut.of(evidence_topic("faces")))


def test_late_camera_is_treated_alike_whole_and_cut_and_what_is_dropped_is_a_gap_and_sealed(parts: Parts) -> None:
    places = crossing()[:4]
    chunks = [replace(scene(places, seq, end=seq == 7), live=True) for seq in range(8)]
    sent_ms = chunks[-1].capture_ms
    raw = [replace(arrival, sent_ms=sent_ms) for arrival in parts.raw(chunks)]
    whole = asyncio.run(_run(WholeStage(parts.intake, parts.protection), raw, sent_ms + 640_000))
    located = asyncio.run(_run(LocateStage(parts.intake, parts.protection), raw, sent_ms + 640_000))
    regions = [Arrival(REGIONS, 0, i, one.key, one.value) for i, one in enumerate(located.of(REGIONS))]
    cut = asyncio.run(_run(ProtectStage(parts.intake, parts.protection, lambda place: raw[place.offset]), regions))

    video = whole.of(OPERATOR_VIDEO)
    assert [output.value for output in video] == [output.value for output in cut.of(OPERATOR_VIDEO)]
    records = [check_record(unpack_as("operator", one.value), lambda _: ("pipeline", SIGNER.public)) for one in video]
    check_chain(records)
    shown = [record.body.chunk for record in records if record.body.chunk]
    assert [(one.chunk_seq, one.effort, one.gaps) for one in shown] == [
        (0, FULL, 0), (1, COARSE, 0), (2, COARSE, 0), (3, WHOLE, 0), (7, WHOLE, 12),
    ]  # fmt: skip
    kinds = {unpack_as("alarm", one.value).kind for port in (whole, located) for one in port.of(ALARMS)}
    assert kinds == {"overload"}
    for port in (whole, located):
        dropped = [one for one in map(_quarantined, port.of(QUARANTINE)) if one is not None]
        assert [(one.offset, one.reason.split(":")[0]) for one in dropped] == [(n, "Overload") for n in (4, 5, 6)]
        plain = unseal(dropped[0].sealed, [SAFE], quarantine_aad(RAW, 0, 4))
        assert plain == raw[4].value


def _quarantined(output: Output) -> Quarantined | None:
    """A record that was put aside; None for evidence of the custodian's."""
    found = unpack(output.value)
    return found.value if found.kind == "quarantined" else None


def damaged(seq: int, *, end: bool = False, first: int | None = None) -> FrameChunk:
    """A chunk that no picture can be decoded of, as torn on its way into the camera's encoder."""
    whole = scene(crossing(), seq, end=end)
    units = tuple(replace(unit, data=b"\0\0\0\1\x65" + bytes(40)) for unit in whole.units)
    return replace(whole, units=units, first_frame=whole.first_frame if first is None else first)


def _cut(parts: Parts, raw: Sequence[Arrival]) -> tuple[MemoryPort, MemoryPort]:
    """What both halves of the cut topology send."""
    located = asyncio.run(_run(LocateStage(parts.intake, parts.protection), raw))
    regions = [Arrival(REGIONS, 0, i, one.key, one.value) for i, one in enumerate(located.of(REGIONS))]
    stage = ProtectStage(parts.intake, parts.protection, lambda place: raw[place.offset])
    return located, asyncio.run(_run(stage, regions))


def _checked(port: MemoryPort) -> list[Checked]:
    records = [unpack_as("operator", one.value) for one in port.of(OPERATOR_VIDEO)]
    return [check_record(record, lambda _: ("pipeline", SIGNER.public)) for record in records]


def _lost(*ports: MemoryPort) -> list[str]:
    alarms = [unpack_as("alarm", one.value) for port in ports for one in port.of(ALARMS)]
    return [alarm.text for alarm in alarms if alarm.kind == "lost"]


def test_video_whose_last_chunk_goes_to_quarantine_is_closed_and_says_what_is_missing(parts: Parts) -> None:
    frames = len(crossing())
    raw = parts.raw([scene(crossing(), 0), damaged(1), damaged(2, end=True)])
    whole = asyncio.run(_run(WholeStage(parts.intake, parts.protection), raw))
    located, cut = _cut(parts, raw)
    for ports in ([whole], [located, cut]):
        records = _checked(ports[-1])
        end = check_chain(records).end
        assert end is not None and (end.chunks, end.frames, end.gaps) == (1, frames, 2 * frames)
        assert [f"last {2 * frames} frames" in text for text in _lost(*ports)] == [True]
        put_aside = [one for port in ports for one in map(_quarantined, port.of(QUARANTINE)) if one]
        assert [(one.topic, one.offset) for one in put_aside] == [(RAW, 1), (RAW, 2)]
    assert [one.value for one in whole.of(OPERATOR_VIDEO)] == [one.value for one in cut.of(OPERATOR_VIDEO)]


def test_video_left_open_is_closed_with_the_gap_when_the_next_begins(parts: Parts) -> None:
    frames = len(crossing())
    other = replace(scene(crossing(), 0, end=True), video_id="cam-1700000009000-0000000b", capture_ms=1700000009000)
    raw = parts.raw([scene(crossing(), 0), damaged(1), other])
    whole, (located, cut) = asyncio.run(_run(WholeStage(parts.intake, parts.protection), raw)), _cut(parts, raw)
    for ports in ([whole], [located, cut]):
        first = [one for one in _checked(ports[-1]) if one.item.video_id == VIDEO]
        second = [one for one in _checked(ports[-1]) if one.item.video_id != VIDEO]
        assert [chain.end.gaps for chain in map(check_chain, (first, second)) if chain.end] == [frames, 0]
        assert [VIDEO in text for text in _lost(*ports)] == [True]


def test_chunk_after_one_in_quarantine_tells_of_it_and_the_end_no_more(parts: Parts) -> None:
    frames = len(crossing())
    skipped = replace(scene(crossing(), 2, end=True), gaps=3)
    raw = parts.raw([scene(crossing()), damaged(1), skipped])
    port = asyncio.run(_run(WholeStage(parts.intake, parts.protection), raw))
    records = _checked(port)
    end = check_chain(records).end
    assert end is not None and (end.frames, end.gaps) == (3 * frames, 0)
    assert [one.body.chunk.gaps for one in records if one.body.chunk] == [0, frames + 3]
    assert len(_lost(port)) == 1


@pytest.mark.parametrize("first", [0, 2**31 - 1 - 20])
def test_frame_numbers_of_a_chunk_that_is_lost_break_nothing(parts: Parts, first: int) -> None:
    raw = parts.raw([scene(crossing(), 0), damaged(1, end=True, first=first)])
    end = check_chain(_checked(asyncio.run(_run(WholeStage(parts.intake, parts.protection), raw)))).end
    frames = len(crossing())
    assert end is not None and (end.frames, end.gaps) == (frames, first and first + len(damaged(1).units) - frames)


def test_regions_whose_raw_chunk_changed_are_quarantined(parts: Parts) -> None:
    raw = parts.raw([scene(crossing(), end=True)])
    located = asyncio.run(_run(LocateStage(parts.intake, parts.protection), raw)).of(REGIONS)
    other = parts.raw([scene(crossing(), end=True)])
    stage = ProtectStage(parts.intake, parts.protection, lambda place: other[place.offset])
    port = asyncio.run(_run(stage, [Arrival(REGIONS, 0, 0, located[0].key, located[0].value)]))
    assert [output.topic for output in port.sent] == [QUARANTINE]


class NobodyReady(FixedAddresses):
    """An authority whose address has run out."""

    def routes(self) -> Mapping[str, frozenset[str]]:
        raise PlatformNotReady("no address")


def test_partition_is_given_up_while_no_platform_is_ready(parts: Parts) -> None:
    protection = Protection(POLICY, detector(), SIGNER, NobodyReady(), SAFE.public)

    async def work() -> None:
        port = MemoryPort()
        with ThreadPoolExecutor(2) as pool:
            stage = WholeStage(parts.intake, protection)
            given_up: Runner[FrameChunk] = Runner(stage, port, pool, Limits(idle_ms=0))
            for arrival in parts.raw([scene(crossing(), seq, end=seq == 2) for seq in range(3)]):
                await given_up.submit(arrival)
            await asyncio.sleep(1)
            await given_up.revoke()
            assert (given_up.unacked(), given_up.error, port.sent, port.acked) == (0, None, [], {})

    asyncio.run(work())


def test_raw_place_travels_with_the_regions(parts: Parts) -> None:
    raw = parts.raw([scene(crossing(), end=True)])
    sent = asyncio.run(_run(LocateStage(parts.intake, parts.protection), raw)).of(REGIONS)
    place = unpack_as("regions", sent[0].value).raw
    assert isinstance(place, RawPlace)
    assert (place.topic, place.partition, place.offset) == (RAW, 0, 0)


def test_intake_opens_what_the_camera_sealed(parts: Parts) -> None:
    sent = scene(crossing())
    assert parts.intake.open(parts.raw([sent])[0]) == sent


def test_gateway_writes_for_its_cameras_only(parts: Parts) -> None:
    signer = signing_key(parts.folder, "gateway-1")
    mine, other = scene(crossing()), replace(scene(crossing()), camera_id="elsewhere")
    parts.intake.open(Arrival(RAW, 0, 0, b"cam", seal_raw(mine, PIPELINE.public, signer)))
    with pytest.raises(SignerNotEnrolled):
        parts.intake.open(Arrival(RAW, 0, 0, b"elsewhere", seal_raw(other, PIPELINE.public, signer)))


def test_camera_writing_as_another_is_refused(parts: Parts) -> None:
    with pytest.raises(SignerNotEnrolled, match="camera-thief may not write for camera cam"):
        parts.intake.open(parts.raw([scene(crossing())], "thief")[0])


def test_camera_may_not_name_another_ones_video(parts: Parts) -> None:
    for video in ("gate-1-1700000000000-0000000a", "cam-1-1700000000000-0000000a", "cam", "cam-0000000a", f"{VIDEO} "):
        with pytest.raises(MalformedRecord, match="camera's"):
            parts.intake.open(parts.raw([chunk(crossing(), video=video)])[0])


NOBODYS = replace(FORMAT, primaries=70_000)
WIDE, LONG = (replace(FORMAT, sample_aspect=Fraction(*ratio)) for ratio in ((1000, 1), (2**40 + 1, 2**40)))


@pytest.mark.parametrize("changed", [
    {"format": NOBODYS}, {"format": replace(FORMAT, matrix=70_000)}, {"format": WIDE}, {"format": LONG},
    {"first_frame": 2**32}, {"first_frame": 2**64 - 1}, {"gaps": 2**32 - 1}, {"chunk_seq": 2**64 - 1},
    {"capture_ms": 2**60}, {"capture_ms": -1}, {"video_id": "v" * 1_000_000}, {"end_pts": 2**63 - 1},
])  # fmt: skip
def test_numbers_that_nothing_can_be_made_of_are_quarantined_and_stop_nobody(
    parts: Parts, changed: dict[str, Any]
) -> None:
    bad = replace(scene(crossing(), end=True), **changed)
    port = asyncio.run(_run(WholeStage(parts.intake, parts.protection), parts.raw([bad])))
    assert [_quarantined(one) is not None for one in port.of(QUARANTINE)] == [True] and not port.of(OPERATOR_VIDEO)


def test_signer_of_another_ca_is_refused(parts: Parts, tmp_path: Path) -> None:
    tls.create_ca(tmp_path)
    record = seal_raw(scene(crossing()), PIPELINE.public, signing_key(tmp_path, "camera-cam"))
    with pytest.raises(SignerNotEnrolled):
        parts.intake.open(Arrival(RAW, 0, 0, b"cam", record))


def test_chunk_for_another_pipeline_is_refused(parts: Parts) -> None:
    record = seal_raw(scene(crossing()), SAFE.public, signing_key(parts.folder, "camera-cam"))
    with pytest.raises(MalformedRecord, match="recipients"):
        parts.intake.open(Arrival(RAW, 0, 0, b"cam", record))


@pytest.mark.parametrize(
    ("key", "partition"), [(b"other", 0), (b"", 0), (b"cam", 1)], ids=["other key", "no key", "other partition"]
)
def test_chunk_in_the_wrong_place_is_refused(parts: Parts, key: bytes, partition: int) -> None:
    intake = replace(parts.intake, place=lambda key: 0)
    with pytest.raises(MalformedRecord):
        intake.open(replace(parts.raw([scene(crossing())])[0], key=key, partition=partition))


def test_no_changed_byte_and_no_truncation_gets_in(parts: Parts) -> None:
    good = parts.raw([scene([[]] * 2)])[0]
    step = max(1, len(good.value) // 60)
    for at in range(0, len(good.value), step):
        changed = bytearray(good.value)
        changed[at] ^= 0x10
        for value in (bytes(changed), good.value[:at]):
            with pytest.raises(PoisonError):
                parts.intake.open(replace(good, value=value))


def test_quarantined_record_opens_with_the_safe_key_only(parts: Parts) -> None:
    arrival = Arrival(RAW, 1, 7, b"cam", b"record as it came")
    record = unpack_as("quarantined", parts.protection.quarantine(arrival, "MalformedRecord: why").value)
    assert (record.reason, record.topic, record.partition, record.offset) == ("MalformedRecord: why", RAW, 1, 7)
    assert unseal(record.sealed, [SAFE], quarantine_aad(RAW, 1, 7)) == arrival.value


def test_record_over_the_limit_is_quarantined_cut(parts: Parts) -> None:
    arrival = Arrival(RAW, 0, 0, b"cam", bytes(MAX_RECORD_BYTES))
    output = parts.protection.quarantine(arrival, "ChunkTooLarge: why")
    assert len(output.value) < MAX_RECORD_BYTES
    assert "(cut to" in unpack_as("quarantined", output.value).reason


def test_whole_masked_frames_go_to_the_quarantine_topic(parts: Parts) -> None:
    pipeline = Pipeline(POLICY, detector(), SIGNER)
    from tests.support.scenes import regions

    places = crossing()
    _, outgoing = pipeline.protect(pipeline.initial("cam"), scene(places), regions(places, failed=frozenset(range(10))))
    outputs = parts.protection.outputs("cam", outgoing)
    custody = [output for output in outputs if output.topic == QUARANTINE]
    assert [authority for authority, _, _ in _opened(custody)] == [CUSTODIAN]


def test_output_over_the_limit_is_poison(parts: Parts) -> None:
    pipeline = Pipeline(POLICY, detector(), SIGNER)
    _, outgoing = pipeline.step(pipeline.initial("cam"), scene([[]] * 2), None)
    large = replace(outgoing.operator[0], media=bytes(MAX_RECORD_BYTES))
    with pytest.raises(ChunkTooLarge):
        parts.protection.outputs("cam", replace(outgoing, operator=(large,)))


def test_chunk_is_the_same_after_its_journey() -> None:
    sent = scene(crossing())
    assert decode(FrameChunk, encode(sent)) == sent
