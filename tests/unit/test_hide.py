"""Hide and reveal over whole files: what was sealed comes back with the right key alone, and says so when it can't."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from infra.camera import open_source
from infra.recipients import write_identity
from operators.codec import decode, encode
from operators.desensitise.policy import Policy
from operators.detect.face import frozen
from operators.hiding.carrier import DENSE
from operators.hiding.faces import SIDE, pictures_of
from operators.pipeline import Pipeline
from operators.seal import Identity
from operators.sign import SigningKey
from schemas.errors import NotForMe, SourceError, UsageError
from schemas.frames import FrameChunk, Planes, VideoFormat
from schemas.regions import Detections, boxes
from streams.cli.hide import _written
from streams.cli.hide import reveal as verb_reveal
from streams.evaluate.passages import Blurred
from streams.hide import GROUP, hide, reveal
from tests.support import textured
from tests.unit.test_camera_formats import write

FORMAT = VideoFormat(320, 240, textured.TIME_BASE)
BOX = (60.0, 60.0, 124.0, 124.0)
OWNER = Identity(bytes(range(32)))


class OneFace:
    """Finds a face at one place in every picture."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
        marks = frozen(np.full((1, 5, 2), np.nan))
        return (Detections("face", boxes([BOX]), frozen(np.full(1, 0.9)), marks),)


def _chunks(count: int) -> list[FrameChunk]:
    pictures, out = textured.pictures(FORMAT, count), []
    for seq, first in enumerate(range(0, count, 20)):
        part = pictures[first : first + 20]
        units = encode(part, range(first, first + len(part)), FORMAT, crf=14)
        out.append(FrameChunk("cam", "video", seq, first, 40 * first, FORMAT, "h264", units, first + len(part)))
    return out


def _hidden(path: Path, crf: float = 18) -> None:
    pipeline = Pipeline(Policy({}, custodian=False), OneFace(), SigningKey(bytes(32)))
    totals = hide(iter(_chunks(GROUP + 12)), pipeline, OWNER.public, path, DENSE, crf)
    assert (totals.frames, totals.groups, totals.hidden, totals.left_out) == (60, 2, 60, 0)


def _copy(path: Path) -> list[FrameChunk]:
    return list(open_source(str(path), encode=encode, camera_id="copy"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, draw = tmp_path_factory.mktemp("hide") / "out.mp4", np.random.default_rng(7).bytes
    with pytest.MonkeyPatch.context() as drawn:  # keys are part of what the codec has to carry: the same each time
        drawn.setattr("secrets.token_bytes", draw)
        drawn.setattr("Crypto.PublicKey.ECC.get_random_bytes", draw)
        _hidden(path)
    return path


def test_reveal_gives_the_pictures_of_every_frame(video: Path) -> None:
    groups = list(reveal(iter(_copy(video)), OWNER, DENSE))
    assert [group.first_frame for group in groups] == [0, GROUP]
    tracks = [group.pictures.tracks[0] for group in groups if group.pictures]
    assert [track.frames for track in tracks] == [tuple(range(GROUP)), tuple(range(12))]
    original = textured.pictures(FORMAT, 1)[0].y[52:132, 52:132]
    shown = pictures_of(tracks[0])[0].y
    assert shown.shape == (SIDE, SIDE)
    assert np.corrcoef(original[::5, ::5].ravel(), shown[::4, ::4].ravel())[0, 1] > 0.8


def test_revealed_pictures_are_their_owners_alone(video: Path, tmp_path: Path) -> None:
    groups = list(reveal(iter(_copy(video)), OWNER, DENSE))
    before = os.umask(0)
    try:
        assert sum(_written(group, tmp_path) for group in groups) == GROUP + 12
    finally:
        os.umask(before)
    found = sorted(tmp_path.rglob("*.png"))
    assert [path.name for path in found] == [f"{number:06}.png" for number in range(GROUP + 12)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert cv2.imread(str(found[0])).shape == (SIDE, SIDE, 3)


def test_revealed_pictures_without_a_folder_for_them_are_an_error_of_ours(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="can't be made"):
        _written(next(reveal(iter(_copy(video)), OWNER, DENSE)), tmp_path / "file")


def test_reveal_by_another_key_is_refused(video: Path) -> None:
    with pytest.raises(NotForMe):
        list(reveal(iter(_copy(video)), Identity.create(), DENSE))


def test_reveal_out_of_a_blurred_copy_says_what_was_undone(video: Path) -> None:
    blurred = []
    for chunk in _copy(video):
        pictures = Blurred(1.6)([frame.planes for frame in decode(chunk).frames], FORMAT)
        blurred.append(replace(chunk, units=encode(pictures, chunk.pts, chunk.format, crf=10), codec="h264"))
    groups = list(reveal(iter(blurred), OWNER, DENSE))
    assert all(group.pictures for group in groups)
    assert groups[0].passage is not None
    assert groups[0].passage.blur > 0.9


def test_reveal_names_a_group_that_is_lost(video: Path) -> None:
    chunks = _copy(video)
    groups = list(reveal(iter([*chunks[1:]]), OWNER, DENSE))
    assert not any(group.pictures for group in groups)
    assert all(group.why for group in groups)


@pytest.mark.parametrize("size", [(160, 120), (320, 240)])
def test_reveal_of_a_copy_that_changes_midway_gives_what_was_before_and_refuses(
    video: Path, size: tuple[int, int]
) -> None:
    other = replace(FORMAT, width=size[0], height=size[1])
    units = encode(textured.pictures(other, 2), range(2), other, crf=14)
    chunks = [*_copy(video), FrameChunk("copy", "another", 0, 0, 0, other, "h264", units, 2)]
    groups = reveal(iter(chunks), OWNER, DENSE)
    assert next(groups).pictures
    with pytest.raises(SourceError, match="changes its format.*split it there"):
        next(groups)


def test_verb_reveal_of_a_stream_of_two_sizes_is_refused(tmp_path: Path) -> None:
    parts = [write(tmp_path / f"{width}.h264", size=(width, 96), format="h264") for width in (96, 128)]
    (tmp_path / "both.h264").write_bytes(b"".join(part.read_bytes() for part in parts))
    write_identity(tmp_path / "key", OWNER.private)
    app = typer.Typer()
    app.command()(verb_reveal)
    words = [str(tmp_path / "both.h264"), "--identity", str(tmp_path / "key"), "-o", str(tmp_path / "out")]
    with pytest.raises(SourceError, match="split it there"):
        CliRunner().invoke(app, words, catch_exceptions=False)


def test_hide_that_can_not_be_read_back_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lower --crf"):
        _hidden(tmp_path / "out.mp4", crf=40)
    assert not list(tmp_path.iterdir())
