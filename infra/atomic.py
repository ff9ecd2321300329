"""Files that appear under their name once whole."""

from __future__ import annotations

import errno
import io
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import SealframeError, SourceError

if TYPE_CHECKING:
    from typing_extensions import Buffer

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _Part(io.BufferedWriter):
    """What is written so far; where the disk refuses, errors name the file that it was to become."""

    def __init__(self, part: Path, path: Path, mode: int) -> None:
        super().__init__(io.FileIO(part, "x", opener=lambda name, flags: os.open(name, flags, mode)))
        self._path = path

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise refused(self._path, error) from error


class AtomicFile:
    """A file that gets its name when all of it is written; None: nothing is written. `secret`: for its owner alone.

    Raises:
        SourceError: it can't be begun.
        SealframeError: the disk refuses what is written.

    """

    def __init__(self, path: Path | None, *, secret: bool = False) -> None:
        self.path, self._mode = path, 0o600 if secret else 0o666
        self.file: io.BufferedWriter | None = None
        self._part: Path | None = None

    def __enter__(self) -> AtomicFile:
        if self.path is not None:
            self._part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
            try:
                self.file = _Part(self._part, self.path, self._mode)
            except OSError as error:
                raise SourceError(f"{self.path}: can't be written ({error.strerror})") from error
            finally:
                if self.file is None:  # told to end just now: nobody calls `__exit__` yet
                    self._part.unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.file is None or self._part is None or self.path is None:
            return
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
                self.file.close()
                self._part.replace(self.path)
        except OSError as error:
            raise refused(self.path, error) from error
        finally:
            self.file.raw.close()  # what a failed run still holds isn't written
            self._part.unlink(missing_ok=True)


def refused(path: Path, error: OSError) -> SealframeError:
    """What to say of a disk that doesn't take a file."""
    hint = "; free some space and run again" if error.errno in FULL else ""
    return SealframeError(f"{path}: {error.strerror or type(error).__name__}{hint}")


def write_whole(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Put these bytes into a file, whole or not at all; errors and `secret` as `AtomicFile`."""
    with AtomicFile(path, secret=secret) as whole:
        if whole.file is not None:
            whole.file.write(data)
