"""What is put into quarantine comes out again by the custodian's key, sample for sample, and by no other."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from infra import tls
from infra.camera_audio import AudioTrack
from infra.framing import RECORDED, framed
from infra.recipients import write_identity
from operators.codec import decode as decode_pictures
from operators.seal import Identity
from schemas.codec import decode, encode, unpack_as
from schemas.errors import IntegrityError, UsageError
from schemas.frames import FrameChunk
from schemas.records import RecordedRecord, SealedEvidence
from schemas.topics import OPERATOR_VIDEO, QUARANTINE, RAW, evidence_topic
from streams.cli.custodian import _make_folder, app
from streams.clock import now_ms
from streams.custodian import Keys, Opened, open_held
from streams.intake import Enrolment, Intake, seal_raw
from streams.setup import detector
from streams.stage import CAMERA, Arrival, Output
from streams.topology import Protection, WholeStage
from tests.support.rights import as_nobody, open_place
from tests.support.scenes import crossing
from tests.support.worker import signing_key
from tests.topology.test_stages import PIPELINE, POLICY, SAFE, VIDEO, FixedAddresses, Parts, _run, scene

NOBODY = Identity(bytes([9]) * 32)


@dataclass(frozen=True)
class Quarantine:
    """Eight chunks of a camera that is far too late, as a worker leaves them, and a record that is no chunk."""

    chunks: list[FrameChunk]
    outputs: list[Output]
    ca: Path
    protection: Protection

    def recorded(self, folder: Path, outputs: Sequence[Output] = (), topic: str = QUARANTINE) -> Path:
        """The recording of these outputs; without any, of all."""
        path = folder / "quarantine.rec"
        records = (RecordedRecord(topic, one.key, one.value, now_ms()) for one in outputs or self.outputs)
        path.write_bytes(RECORDED + b"".join(framed(encode(one)) for one in records))
        return path

    def open(self, folder: Path, keys: Keys, outputs: Sequence[Output] = (), camera: str = "") -> Opened:
        """What comes out, in `folder`."""
        return open_held(self.recorded(folder, outputs), keys, tls.signer_at(self.ca), folder, camera=camera)

    def pictures(self, *seqs: int) -> list[bytes]:
        """The samples of these chunks."""
        return [b"".join(plane.tobytes() for plane in one.planes.all())
                for seq in seqs for one in decode_pictures(self.chunks[seq]).frames]


@pytest.fixture(scope="module")
def quarantine(tmp_path_factory: pytest.TempPathFactory) -> Quarantine:
    folder = tmp_path_factory.mktemp("tls")
    ca = tls.create_ca(folder)
    protection = Protection(POLICY, detector(), signing_key(folder, "pipeline"), FixedAddresses(), SAFE.public)
    parts = Parts(folder, Intake(PIPELINE, lambda der: tls.signer_identity(der, ca), Enrolment()), protection)
    chunks = [replace(scene(crossing()[:4], seq, end=seq == 7), live=True) for seq in range(8)]
    arrivals = [replace(one, sent_ms=chunks[-1].capture_ms) for one in parts.raw(chunks)]
    arrivals.insert(3, replace(arrivals[0], value=b"no chunk at all"))
    arrivals = [replace(one, offset=i) for i, one in enumerate(arrivals)]
    port = asyncio.run(_run(WholeStage(parts.intake, protection), arrivals, chunks[-1].capture_ms + 640_000))
    return Quarantine(chunks, port.of(QUARANTINE), ca, protection)


def _samples(film: Path) -> list[bytes]:
    with av.open(str(film)) as container:
        return [frame.to_ndarray(format="yuv420p").tobytes() for frame in container.decode(video=0)]


def _times_s(film: Path) -> list[float]:
    with av.open(str(film)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def test_custodian_opens_what_was_masked_whole_what_was_dropped_and_what_was_no_chunk(
    quarantine: Quarantine, tmp_path: Path
) -> None:
    done = quarantine.open(tmp_path, Keys(SAFE, PIPELINE))
    assert (done.pictures, done.dropped, done.records, dict(done.refused)) == (8, 12, 1, {})
    assert _samples(tmp_path / f"{VIDEO}.mp4") == quarantine.pictures(3, 7)
    assert _samples(tmp_path / f"{VIDEO}.dropped.mp4") == quarantine.pictures(4, 5, 6)
    (kept,) = (tmp_path / "records").iterdir()
    assert kept.read_bytes() == b"no chunk at all"
    assert sorted(done.files) == sorted([f"{VIDEO}.mp4", f"{VIDEO}.dropped.mp4", f"records/{kept.name}"])
    assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in done.files)


def test_custodian_shows_evidence_when_it_was_captured(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.open(tmp_path, Keys(SAFE))
    assert np.allclose(np.diff(_times_s(tmp_path / f"{VIDEO}.mp4")), [0.04, 0.04, 0.04, 0.52, 0.04, 0.04, 0.04])


def test_custodian_hears_what_was_sealed_and_what_was_dropped_in_one_piece(
    quarantine: Quarantine, tmp_path: Path
) -> None:
    sounds = _sounds(tmp_path / "source.mp4", len(quarantine.chunks))
    heard = [replace(chunk, audio=sound) for chunk, sound in zip(quarantine.chunks, sounds, strict=True)]
    intake = Intake(PIPELINE, lambda der: tls.signer_identity(der, quarantine.ca), Enrolment())
    parts = Parts(quarantine.ca.parent, intake, quarantine.protection)
    arrivals = [replace(one, sent_ms=heard[-1].capture_ms) for one in parts.raw(heard)]
    port = asyncio.run(_run(WholeStage(intake, quarantine.protection), arrivals, heard[-1].capture_ms + 640_000))
    done = quarantine.open(tmp_path, Keys(SAFE, PIPELINE), port.of(QUARANTINE))
    assert (done.sound, done.pictures, done.dropped, done.refused.total()) == (len(heard), 8, 12, 0)
    with av.open(str(tmp_path / f"{VIDEO}.mka")) as whole, av.open(str(tmp_path / "source.mp4")) as source:
        packets, true = ([bytes(one) for one in found.demux(audio=0) if one.size] for found in (whole, source))
        assert packets == true
    for authority in POLICY.authorities:
        for output in port.of(evidence_topic(authority)):
            evidence = decode(SealedEvidence, unpack_as("evidence", output.value).body)
            assert {part.type for part in evidence.parts} <= {"mapping", "piece"}


def _sounds(path: Path, count: int) -> list[bytes]:
    """The sound of a file, cut as chunks carry it."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        for index in range(8 * count):
            tone = np.sin(np.arange(1024, dtype=np.float32) * (0.05 + 0.01 * index))[None]
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 1024 * index, Fraction(1, 16000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(str(path)) as source:
        track, packets = AudioTrack(source.streams.audio[0]), [one for one in source.demux(audio=0) if one.size]
        for packet in packets:
            track.add(packet)
        length = max((one.pts or 0) * one.time_base for one in packets)
        return [track.take(length * (n + 1) / count if n + 1 < count else Fraction(10**9)) for n in range(count)]


def test_custodian_without_the_pipelines_key_gets_dropped_chunks_as_they_came(
    quarantine: Quarantine, tmp_path: Path
) -> None:
    done = quarantine.open(tmp_path, Keys(SAFE))
    assert (done.pictures, done.dropped, done.records) == (8, 0, 4)


def test_custodian_opens_each_chunk_once_and_those_of_other_cameras_not_at_all(
    quarantine: Quarantine, tmp_path: Path
) -> None:
    twice = [*quarantine.outputs, *quarantine.outputs]
    done = quarantine.open(tmp_path, Keys(SAFE, PIPELINE), twice)
    assert (done.pictures, done.dropped, done.records) == (8, 12, 2)
    assert _samples(tmp_path / f"{VIDEO}.mp4") == quarantine.pictures(3, 7)
    (tmp_path / "others").mkdir()
    others = quarantine.open(tmp_path / "others", Keys(SAFE, PIPELINE), camera="gate-2")
    assert not others.files and not others.refused


def test_custodian_opens_an_edges_chunk(quarantine: Quarantine, tmp_path: Path) -> None:
    arrival = Arrival(CAMERA, 0, 5, b"cam", encode(quarantine.chunks[5]))
    done = quarantine.open(tmp_path, Keys(SAFE), [quarantine.protection.quarantine(arrival, "Overload: dropped")])
    assert done.dropped == 4 and _samples(tmp_path / f"{VIDEO}.dropped.mp4") == quarantine.pictures(5)


@pytest.mark.parametrize(("reason", "dropped"), [("Overload: dropped", 4), ("SignerNotEnrolled: not its camera", 0)])
def test_custodian_believes_of_a_gateways_chunk_what_the_worker_knew(
    quarantine: Quarantine, tmp_path: Path, reason: str, dropped: int
) -> None:
    signer = signing_key(quarantine.ca.parent, "gateway-1")
    arrival = Arrival(RAW, 0, 5, b"cam", seal_raw(quarantine.chunks[5], PIPELINE.public, signer))
    done = quarantine.open(tmp_path, Keys(SAFE, PIPELINE), [quarantine.protection.quarantine(arrival, reason)])
    assert (done.dropped, done.records) == (dropped, int(not dropped))


@pytest.mark.parametrize("keys", [Keys(NOBODY), Keys(PIPELINE, PIPELINE)])
def test_nobody_else_opens_anything(quarantine: Quarantine, tmp_path: Path, keys: Keys) -> None:
    done = quarantine.open(tmp_path, keys)
    assert not done.files and dict(done.refused) == {"NotForMe": len(quarantine.outputs)}


def test_what_is_damaged_or_not_the_pipelines_is_counted_and_costs_nothing_else(
    quarantine: Quarantine, tmp_path: Path
) -> None:
    broken = [replace(one, value=one.value[:-9] + bytes([one.value[-9] ^ 1]) + one.value[-8:])
              for one in quarantine.outputs[:2]]
    junk = Output(QUARANTINE, b"cam", b"\xff" * 40)
    done = quarantine.open(tmp_path, Keys(SAFE, PIPELINE), [*broken, junk, *quarantine.outputs])
    assert (done.pictures, done.dropped, done.records) == (8, 12, 1)
    assert done.refused.total() == 3
    path = quarantine.recorded(tmp_path)
    other_ca = tls.create_ca(tmp_path / "other")
    strangers = open_held(path, Keys(SAFE), tls.signer_at(other_ca), tmp_path / "other")
    assert strangers.pictures == 0 and strangers.refused["BadSignature"] == 2


def test_names_of_records_stay_in_their_folder(quarantine: Quarantine, tmp_path: Path) -> None:
    arrival = Arrival("../../elsewhere", 0, 1, b"cam", b"x")
    done = quarantine.open(tmp_path, Keys(SAFE), [quarantine.protection.quarantine(arrival, "why")])
    assert not done.files and dict(done.refused) == {"MalformedRecord": 1}


def test_recording_of_another_topic_is_refused(quarantine: Quarantine, tmp_path: Path) -> None:
    path = quarantine.recorded(tmp_path, topic=OPERATOR_VIDEO)
    with pytest.raises(UsageError, match=f"holds {OPERATOR_VIDEO}: record {QUARANTINE}"):
        open_held(path, Keys(SAFE), tls.signer_at(quarantine.ca), tmp_path)


def test_verb_lists_without_a_key_and_opens_with_it(quarantine: Quarantine, tmp_path: Path) -> None:
    path, safe, stranger = quarantine.recorded(tmp_path), tmp_path / "safe", tmp_path / "stranger"
    write_identity(safe, SAFE.private)
    write_identity(stranger, NOBODY.private)
    listed = CliRunner().invoke(app, ["list", str(path), "--ca", str(quarantine.ca), "--json"])
    held = {(row["camera"], row["what"]): row["records"] for row in json.loads(listed.stdout)["held"]}
    assert held == {("cam", "evidence of a chunk"): 2, ("cam", "Overload"): 3, ("cam", "MalformedRecord"): 1}
    command = [sys.executable, "-m", "streams.cli", "custodian", "list", str(path), "--ca", str(quarantine.ca)]
    table = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Overload" in table.stdout + table.stderr

    common = ["open", str(path), "--ca", str(quarantine.ca), "--json", "-o"]
    done = CliRunner().invoke(app, [*common, str(tmp_path / "out"), "--identity", str(safe)])
    assert done.exit_code == 0 and json.loads(done.stdout)["pictures"] == 8
    refused = CliRunner().invoke(app, [*common, str(tmp_path / "not"), "--identity", str(stranger)])
    assert isinstance(refused.exception, IntegrityError) and "NotForMe" in str(refused.exception)


def test_verb_that_can_not_make_its_folder_is_refused_before_the_work(quarantine: Quarantine, tmp_path: Path) -> None:
    write_identity(tmp_path / "safe", SAFE.private)
    common = ["open", str(quarantine.recorded(tmp_path)), "--ca", str(quarantine.ca), "--identity",
              str(tmp_path / "safe"), "-o"]
    for out in ("/proc/sealframe/out", str(tmp_path / ("a" * 300))):  # where root may make none either
        refused = CliRunner().invoke(app, [*common, out])
        assert isinstance(refused.exception, UsageError) and "name a folder in a place" in str(refused.exception)


def test_folder_for_what_is_opened_that_takes_no_files_is_refused() -> None:
    with open_place() as place:
        (place / "out").mkdir(mode=0o555)
        with as_nobody(), pytest.raises(UsageError, match="name a folder in a place"):
            _make_folder(place / "out/new")
        with as_nobody(), pytest.raises(UsageError, match="nothing can be written there; name another"):
            _make_folder(place / "out")
