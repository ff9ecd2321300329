"""What shows people bare, and what opens it, is its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.recipients import read_identity, write_identity
from operators.desensitise.policy import Policy
from operators.pipeline import Pipeline
from operators.seal import Identity
from operators.sign import SigningKey
from schemas.errors import ConfigError
from streams.anonymize import anonymize
from streams.cli.export import write_archive
from streams.forensic.export import Archive
from streams.restore_file import restore_file
from tests.support.scenes import chunk, crossing
from tests.unit.test_anonymize import Textures

OWNER = Identity(bytes(range(32)))
KEY = SigningKey(b"f" * 32)


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Nothing but the code keeps others out."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_restored_file_is_its_owners_alone(tmp_path: Path) -> None:
    video, evidence, out = (tmp_path / name for name in ("public.mp4", "sealed", "restored.mp4"))
    pipeline = Pipeline(Policy({"file": frozenset({"face"})}), Textures(), KEY)
    anonymize(iter([chunk(crossing(20), end=True)]), pipeline, KEY, video, evidence, OWNER.public)
    out.write_bytes(b"an older one")
    assert restore_file(video, evidence, OWNER, out)  > 0
    assert (mode(out), mode(video)) == (0o600, 0o666)


def test_exported_archive_is_its_owners_alone(tmp_path: Path) -> None:
    write_archive(Archive((("one.mp4", [b"picture"]),), 1_700_000_000_000), tmp_path / "out.zip")
    assert mode(tmp_path / "out.zip") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["out.zip"]


@pytest.mark.parametrize("open_to", [0o604, 0o640, 0o644, 0o620, 0o601])
def test_identity_that_is_open_to_others_is_refused(tmp_path: Path, open_to: int) -> None:
    key = tmp_path / "me.key"
    write_identity(key, OWNER.private)
    assert read_identity(key) == OWNER.private
    key.chmod(open_to)
    with pytest.raises(ConfigError, match=r"me\.key is open to others: make it 0600"):
        read_identity(key)
