"""The verbs of files: no file is lost by a slip, none is left half-written, and what is missing is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from infra.framing import EVIDENCE
from infra.recipients import recipient_text, write_identity
from operators.codec import encode
from operators.fragment import fragment, init_segment
from operators.seal import Identity
from schemas.errors import MissingEvidence, UsageError
from streams.cli.anonymize import anonymize
from streams.cli.events import events
from streams.cli.hide import hide, reveal
from streams.cli.restore_file import restore_file
from streams.cli.verify import verify
from streams.cli.zones import app as zones
from tests.support.scenes import FORMAT, crossing, picture

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
COMMAND = [sys.executable, "-m", "streams.cli"]
OWNER = Identity(bytes(range(32)))
TO = ("--recipient", recipient_text(OWNER.public))


def _app(verb: Callable[..., None]) -> typer.Typer:
    app = typer.Typer()
    app.command()(verb)
    return app


APPS = {verb.__name__: _app(verb) for verb in (anonymize, restore_file, hide, reveal, events, verify)} | {
    "zones": zones}


def _run(verb: str, *words: object) -> dict[str, object]:
    """What the verb prints as JSON."""
    done = CliRunner().invoke(APPS[verb], [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    told: dict[str, object] = json.loads(done.stdout)
    return told


def _video(path: Path, frames: int) -> None:
    units = encode([picture(place) for place in crossing(frames)], range(frames), FORMAT)
    path.write_bytes(init_segment(FORMAT) + fragment(units, frames, 1, FORMAT))


def _with_sound(path: Path, codec: str = "libx264", sound: bool = True, frames: int = 24) -> None:
    """A clip of grey noise, with or without a second of sound beside it."""
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 160, 112, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        audio = out.add_stream("aac", rate=48000, layout="mono") if sound else None
        for seed in range(frames):
            noise = np.random.default_rng(seed).integers(0, 255, (112, 160, 3), dtype=np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(noise, "rgb24")))
        out.mux(video.encode(None))
        if audio is not None:
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
            quiet.rate, quiet.pts, quiet.time_base = 48000, 0, Fraction(1, 48000)
            out.mux([*audio.encode(quiet), *audio.encode(None)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a clip, its public video with evidence, a key."""
    monkeypatch.chdir(tmp_path)
    _video(Path("in.mp4"), 10)
    write_identity(Path("me.key"), OWNER.private)
    Path("to.txt").write_text(TO[1])
    _run("anonymize", "in.mp4", "out.mp4", "--evidence", "e", *TO)
    return tmp_path


BACK = ("out.mp4", "--evidence", "e", "--identity", "me.key", "-o")


@pytest.mark.parametrize(("verb", "words", "named"), [
    ("anonymize", ("in.mp4", "x.mp4", "--evidence", "x.mp4", *TO), ("--evidence", "OUT")),
    ("anonymize", ("in.mp4", "x.mp4", "--evidence", "in.mp4", *TO), ("--evidence", "IN")),
    ("anonymize", ("in.mp4", "x.mp4", "--evidence", "y", "--recipient", "to.txt", "--report", "to.txt"),
     ("--report", "--recipient")),
    ("anonymize", ("in.mp4", "in.mp4"), ("OUT", "IN")),
    ("anonymize", ("in.mp4", "x.mp4", "--report", "in.mp4"), ("--report", "IN")),
    ("anonymize", ("in.mp4", "x.mp4", "--report", "x.mp4"), ("--report", "OUT")),
    ("anonymize", ("in.mp4", "x.mp4", "--report", "none/x"), ("--report", "no folder none")),
    ("anonymize", ("in.mp4", "."), ("OUT", "is a folder")),
    ("restore_file", (*BACK, "e"), ("--out", "--evidence")),
    ("restore_file", (*BACK, "out.mp4"), ("--out", "the video")),
    ("restore_file", (*BACK, "me.key"), ("--out", "--identity")),
    ("restore_file", (*BACK, "x.mp4", "--report", "x.mp4"), ("--report", "--out")),
    ("restore_file", (*BACK, "/"), ("--out", "is a folder")),
    ("hide", ("in.mp4", "in.mp4", *TO), ("OUT", "IN")),
    ("hide", ("in.mp4", "to.txt", "--recipient", "to.txt"), ("OUT", "--recipient")),
    ("events", ("in.mp4", "in.mp4"), ("OUT", "IN")),
    ("reveal", ("in.mp4", "--identity", "me.key", "-o", "in.mp4"), ("--out", "is no folder")),
    ("anonymize", ("in.mp4", "x.mp4", "--method", "magic"), ("method",)),
    ("anonymize", ("in.mp4", "x.mp4", "--stride", "0"), ("stride",)),
    ("anonymize", ("in.mp4", "x.mp4", "--crf", "0"), ("1 to 51",)),
    ("anonymize", ("in.mp4", "x.mp4", "--crf", "99"), ("1 to 51",)),
    ("anonymize", ("in.mp4", "x.mp4", "--evidence", "y", "--recipient", TO[1][:-1]), ("--recipient",)),
    ("anonymize", ("in.mp4", "x.mp4", "--evidence", "y", "--recipient", recipient_text(bytes(32))), ("--recipient",)),
    ("events", ("in.mp4", "x.mp4", "--crf", "-4"), ("1 to 51",)),
    ("events", ("in.mp4", "x.mp4", "--crf", "nan"), ("1 to 51",)),
    ("events", ("in.mp4", "x.mp4", "--crf", "99"), ("1 to 51",)),
    ("events", ("in.mp4", "x.mp4", "--preset", "foo"), ("preset",)),
    ("hide", ("in.mp4", "x.mp4", *TO, "--crf", "nan"), ("1 to 51",)),
    ("hide", ("in.mp4", "x.mp4", "--recipient", "none"), ("--recipient",)),
    ("zones", ("propose", "z", "--camera", "a", "--zone", "0,0,1,1", "--reason", "r", "--until", "9999-12-31"),
     ("9999-12-31",)),
])
def test_wrong_use_is_refused_before_the_work_and_costs_no_file(
    folder: Path, verb: str, words: Sequence[str], named: Sequence[str]
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError) as refused:
        CliRunner().invoke(APPS[verb], words, catch_exceptions=False)
    assert all(name in str(refused.value) for name in named)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(("verb", "words"), [
    ("restore_file", ("out.mp4", "--evidence", ".", "--identity", "me.key", "-o", "x.mp4")),
    ("restore_file", (".", "--evidence", "e", "--identity", "me.key", "-o", "x.mp4")),
    ("restore_file", ("out.mp4", "--evidence", "e", "--identity", ".", "-o", "x.mp4")),
    ("verify", (".", "--evidence", "e")), ("verify", ("out.mp4", "--evidence", ".")), ("verify", (".", "--ca", "e")),
])
def test_folder_where_a_file_is_read_is_wrong_use(folder: Path, verb: str, words: Sequence[str]) -> None:
    assert CliRunner().invoke(APPS[verb], words, catch_exceptions=False).exit_code == 2


def test_evidence_of_its_first_bytes_alone_is_named(folder: Path) -> None:
    Path("e").write_bytes(EVIDENCE)
    for verb, words in (("restore_file", (*BACK, "x.mp4")), ("verify", BACK[:3])):
        with pytest.raises(MissingEvidence, match="e: there is no record"):
            _run(verb, *words)
    assert not Path("x.mp4").exists()


def test_zones_picture_over_the_statement_is_refused(folder: Path) -> None:
    words = ("--camera", "a", "--zone", "0,0,1,1", "--reason", "r", "--from", "2030-01-01", "--until", "2030-01-02")
    assert CliRunner().invoke(zones, ["propose", "z", *words], catch_exceptions=False).exit_code == 0
    kept = Path("z").read_bytes()
    for drawn in ("z", ".", "none/x.svg"):
        with pytest.raises(UsageError, match="--picture"):
            CliRunner().invoke(zones, ["show", "z", "--picture", drawn], catch_exceptions=False)
    assert Path("z").read_bytes() == kept


@pytest.mark.parametrize(("number", "code", "least"), [(signal.SIGTERM, 143, 0), (signal.SIGHUP, 129, 1)])
def test_verb_that_is_told_to_end_leaves_no_part_of_a_file(
    tmp_path: Path, number: signal.Signals, code: int, least: int
) -> None:
    _with_sound(tmp_path / "long.mp4", sound=False, frames=600)
    words = ["anonymize", "long.mp4", "out.mp4", "--preset", "slow"]
    ours = signal.signal(number, signal.SIG_DFL)  # tests may run under nohup, and what is ignored stays ignored
    with subprocess.Popen([*COMMAND, *words], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE) as verb:
        signal.signal(number, ours)
        while not any(one.stat().st_size >= least for one in tmp_path.glob(".*.part")) and verb.poll() is None:
            time.sleep(0.01)
        assert verb.poll() is None
        verb.send_signal(number)
        said = verb.communicate(timeout=60)[1]
    assert verb.returncode == code, said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4"]


@pytest.mark.parametrize("words", [
    ("anonymize", "in.mp4", "x.mp4"), ("restore-file", *BACK, "x.mp4"), ("events", "in.mp4", "x.mp4"),
    ("hide", "in.mp4", "x.mp4", *TO, "--crf", "12"),
])
def test_verb_on_a_full_disk_says_so_in_a_line_and_leaves_nothing(folder: Path, words: Sequence[str]) -> None:
    before = sorted(path.name for path in folder.iterdir())
    full = ["bash", "-c", 'ulimit -f 1; exec "$@"', "full", *COMMAND, *words]
    done = subprocess.run(full, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert done.returncode == 1 and "x.mp4: " in done.stderr and "free some space" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


def test_frames_that_the_source_lost_are_counted_everywhere(folder: Path) -> None:
    _with_sound(Path("whole.avi"), "mjpeg", sound=False)
    with av.open("whole.avi") as container:
        spots = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(Path("whole.avi").read_bytes())
    for at, size in spots[9:12]:
        data[at + 8 : at + size - 8] = bytes(size - 16)
    Path("torn.avi").write_bytes(data)
    told = _run("anonymize", "torn.avi", "x.mp4", "--evidence", "y", *TO, "--report", "r")
    assert (told["frames_in"], told["frames_lost"]) == (21, 3)
    assert json.loads(Path("r").read_text())["lost"] == 3
    _run("restore_file", "x.mp4", "--evidence", "y", "--identity", "me.key", "-o", "z.mp4", "--report", "r2")
    assert json.loads(Path("r2").read_text())["lost"] == 3
    assert _run("verify", "x.mp4", "--evidence", "y")["frames_lost"] == 3
    assert _run("events", "torn.avi", "x.mp4")["frames_lost"] == 3
    assert _run("hide", "torn.avi", "x.mp4", *TO)["frames_lost"] == 3
    done = CliRunner().invoke(APPS["anonymize"], ["torn.avi", "x.mp4"], catch_exceptions=False)
    assert "3 frames of the source couldn't be read" in " ".join(done.stderr.split())


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_file_that_was_cut_off_is_told(folder: Path, name: str) -> None:
    whole = Path(name).with_stem("whole")
    with av.open(str(whole), "w", options={"movflags": "faststart"} if whole.suffix == ".mp4" else {}) as container:
        stream = container.add_stream("libx264", rate=10, width=64, height=48, gop_size=10)
        for i in range(60):
            noise = np.random.default_rng(i).integers(0, 255, (48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise)))
        container.mux(stream.encode())
    Path(name).write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for verb, words in (("anonymize", ()), ("events", ()), ("hide", TO)):
        assert _run(verb, str(whole), "x.mp4", *words)["seconds_cut_off"] == 0
        assert 2.0 < float(str(_run(verb, name, "x.mp4", *words)["seconds_cut_off"])) < 4.5
        done = CliRunner().invoke(APPS[verb], [name, "x.mp4", *words], catch_exceptions=False)
        assert "the file promises 6.0 s of pictures" in " ".join(done.stderr.split())


@pytest.mark.parametrize("sound", [True, False])
def test_sound_that_is_dropped_is_said_once(folder: Path, sound: bool) -> None:
    _with_sound(Path("clip.mp4"), sound=sound)
    for verb, words in (("anonymize", ()), ("events", ()), ("hide", TO)):
        assert _run(verb, "clip.mp4", "x.mp4", *words)["sound_dropped"] == sound
        done = CliRunner().invoke(APPS[verb], ["clip.mp4", "x.mp4", *words], catch_exceptions=False)
        assert done.stderr.count("the source has sound") == sound
    with av.open("x.mp4") as container:
        assert not container.streams.audio


def test_names_with_brackets_work_and_are_printed_as_they_are(folder: Path) -> None:
    Path("w[").mkdir()
    done = CliRunner().invoke(APPS["anonymize"], ["in.mp4", "w[/b].mp4"], catch_exceptions=False)
    assert done.exit_code == 0 and "w[/b].mp4: 10 frames" in done.stderr
    assert Path("w[/b].mp4").stat().st_size
