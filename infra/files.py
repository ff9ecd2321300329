"""Files that grow at their end, and survive a kill or a power cut at any moment.

The index (a database) says how many bytes of a file count. Write order: append, `sync`, commit the index, acknowledge
the source. What lies behind the indexed size was never acknowledged, and is cut off when the file is opened again.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import ConfigError, DigestMismatch, ServiceUnavailable

READ_BYTES = 256 * 1024
NEWEST, FEWEST = 100, 3
"""So many files are looked for at a start; of fewer than that, all may have been lost one by one."""
LOST = ".lost"
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO)
"""With these a disk says that it hasn't got the bytes; anything else it may get over."""


def check_mounted(folder: Path, known: Sequence[Path]) -> None:
    """Refuse a folder that holds none of the files which the index knows: what is written now would be hidden later.

    Raises:
        ConfigError: so it is; says how to go on without them.

    """
    if len(known) < FEWEST or any(path.exists() for path in known) or (folder / LOST).exists():
        return
    raise ConfigError(
        f"{folder} holds none of the {len(known)} newest files that the database knows: is its disk mounted? "
        f"If they are lost for good, make a file {LOST} there to go on without them"
    )


class AppendFile:
    """One growing file (mode 0600), opened at the size that its index vouches for."""

    def __init__(self, path: Path, size: int = 0) -> None:
        """Open or create `path` and cut it back to `size` bytes.

        Raises:
            DigestMismatch: the file is shorter than that: acknowledged bytes are gone.
            ServiceUnavailable: the disk refuses.

        """
        self.path, self.size, self._dirty = path, size, False
        try:
            fresh = not path.exists()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            if fresh:
                sync_folder(path.parent)
            found = os.fstat(self._file).st_size
            if found > size:
                os.ftruncate(self._file, size)
                os.fsync(self._file)
        except OSError as error:
            raise ServiceUnavailable(f"{path.name}: {error.strerror}") from error
        if found < size:
            os.close(self._file)
            raise DigestMismatch(f"{path.name}: {found} bytes where {size} were stored")

    def append(self, data: bytes) -> int:
        """Write at the end; return where the data begin. Nothing is kept when the disk refuses.

        Raises:
            ServiceUnavailable: disk full or broken.

        """
        at, done = self.size, 0
        view = memoryview(data)
        try:
            while done < len(data):
                done += os.pwrite(self._file, view[done:], at + done)
        except OSError as error:
            self.cut(at)
            raise ServiceUnavailable(f"{self.path.name}: {error.strerror}") from error
        self.size, self._dirty = at + len(data), True
        return at

    def sync(self) -> None:
        """Return when all that was appended lies on the disk.

        Raises:
            ServiceUnavailable: the disk refuses; what was appended since the last sync must be taken as lost.

        """
        if self._dirty:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise ServiceUnavailable(f"{self.path.name}: {error.strerror}") from error
            self._dirty = False

    def cut(self, size: int) -> None:
        """Drop what lies behind `size`."""
        os.ftruncate(self._file, size)
        self.size = size

    def close(self) -> None:
        """Close without a sync."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FolderLock:
    """Only one process at a time may write into a folder; the lock goes with the process."""

    def __init__(self, folder: Path) -> None:
        """Make the folder (0700) where it is missing, and lock it.

        Raises:
            ConfigError: another process holds it.

        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise ConfigError(f"another process writes into {folder.name}") from error

    def release(self) -> None:
        """Let others write."""
        os.close(self._file)


def sync_folder(folder: Path) -> None:
    """Make names that were created or removed in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there, for good.

    Raises:
        ServiceUnavailable: the disk refuses.

    """
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise ServiceUnavailable(f"{path.name}: {error.strerror}") from error


def read_range(path: Path, at: int, length: int) -> bytes:
    """Exactly `length` bytes from `at`.

    Raises:
        DigestMismatch: the file doesn't hold them, or the disk has lost it.
        ServiceUnavailable: they can't be read now.

    """
    data = b"".join(stream_range(path, at, length))
    if len(data) != length:
        raise DigestMismatch(f"{path.name}: {len(data)} of {length} bytes at {at}")
    return data


def stream_range(path: Path, at: int, length: int) -> Iterator[bytes]:
    """The same in pieces of at most 256 KiB; ends early where the file does.

    Raises:
        DigestMismatch: the file is gone, or the disk has lost it.
        ServiceUnavailable: it can't be read now: no right, too many open files, a folder out of reach.

    """
    try:
        with path.open("rb") as file:
            file.seek(at)
            while length > 0 and (piece := file.read(min(READ_BYTES, length))):
                length -= len(piece)
                yield piece
    except OSError as error:
        kind = DigestMismatch if error.errno in _GONE else ServiceUnavailable
        raise kind(f"{path.name} can't be read: {error.strerror}") from error


def disk_bytes(folder: Path) -> tuple[int, int]:
    """Bytes of the disk under a folder that others than its administrator may use, and how many of them are taken."""
    disk = os.statvfs(folder)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    return used + disk.f_bavail * disk.f_frsize, used
