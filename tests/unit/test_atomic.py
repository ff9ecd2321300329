"""Files that are whole or not there, and keys that are too; a disk that is full says what to do."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.atomic import AtomicFile, write_whole
from infra.recipients import RECIPIENT, asked_recipient, read_identity, read_recipient, recipient_text, write_identity
from operators.seal import Identity, seal
from schemas.errors import ConfigError, SealframeError, UsageError
from schemas.records import AssociatedData
from streams.account import Account

PRIME = 2**255 - 19


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """Files may grow to this size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)


@pytest.mark.parametrize("pieces", [[b"x" * 100], [b"x" * 2**20], [b"x" * 5000] * 9])
def test_full_disk_is_an_error_of_ours_and_leaves_what_was_there(tmp_path: Path, pieces: list[bytes]) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with full_after(50), pytest.raises(SealframeError, match="free some space"), AtomicFile(tmp_path / "a") as whole:
        for piece in pieces:
            assert whole.file is not None
            whole.file.write(piece)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_an_error_of_the_work_stays_itself_on_a_full_disk(tmp_path: Path) -> None:
    with full_after(5), pytest.raises(ConfigError, match="mine"), AtomicFile(tmp_path / "a") as whole:
        assert whole.file is not None
        whole.file.write(b"waits in the buffer")
        raise ConfigError("mine")
    assert not list(tmp_path.iterdir())


def test_report_on_a_full_disk_leaves_the_one_before(tmp_path: Path) -> None:
    write_whole(tmp_path / "r", b"old")
    with full_after(50), pytest.raises(SealframeError, match="free some space"):
        Account().write(tmp_path / "r")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("r", b"old")]


@pytest.mark.parametrize("size", [0, 20])
def test_key_on_a_full_disk_leaves_no_file_so_the_next_try_makes_one(tmp_path: Path, size: int) -> None:
    made = Identity.create()
    with full_after(size), pytest.raises(SealframeError, match="free some space"):
        write_identity(tmp_path / "me.key", made.private)
    assert not list(tmp_path.iterdir())
    write_identity(tmp_path / "me.key", made.private)
    assert read_identity(tmp_path / "me.key") == made.private


@pytest.mark.parametrize("top", [0, 2**255])
@pytest.mark.parametrize("number", [0, 1, PRIME - 1, PRIME, PRIME + 1, int.from_bytes(bytes.fromhex(
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "little"), int.from_bytes(bytes.fromhex(
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "little")])
def test_recipient_that_nothing_can_be_sealed_for_is_refused_as_it_is_read(number: int, top: int) -> None:
    public = (number + top).to_bytes(32, "little")
    with pytest.raises(ValueError, match="public key"):
        seal(b"", [public], AssociatedData("t", "pictures", "", "", 0))
    with pytest.raises(ConfigError, match="order is low"):
        read_recipient(recipient_text(public))
    with pytest.raises(UsageError, match="--recipient"):
        asked_recipient(recipient_text(public))


def test_recipient_that_is_none_is_wrong_use_of_the_option(tmp_path: Path) -> None:
    for text in (RECIPIENT, f"{RECIPIENT}{'0' * 63}", f"{RECIPIENT}{'x' * 64}", str(tmp_path / "none")):
        with pytest.raises(UsageError, match="--recipient"):
            asked_recipient(text)
    made = Identity.create().public
    assert asked_recipient(recipient_text(made)) == made
