"""Files that appear under their name once whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO

from schemas.errors import SealframeError, SourceError


class AtomicFile:
    """A file that gets its name when all of it is written; None: nothing is written. `secret`: for its owner alone."""

    def __init__(self, path: Path | None, *, secret: bool = False) -> None:
        self.path, self._mode = path, 0o600 if secret else 0o666
        self.file: BinaryIO | None = None
        self._part: Path | None = None

    def __enter__(self) -> AtomicFile:
        if self.path is not None:
            self._part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
            try:
                self.file = open(self._part, "xb", opener=lambda name, flags: os.open(name, flags, self._mode))
            except OSError as error:
                raise SourceError(f"{self.path}: can't be written ({error.strerror})") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.file is None or self._part is None or self.path is None:
            return
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            if kind is None:
                self._part.replace(self.path)
        except OSError as error:
            raise SealframeError(f"{self.path}: {error.strerror}; free some space and run again") from error
        finally:
            self._part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Put these bytes into a file, whole or not at all; errors and `secret` as `AtomicFile`."""
    with AtomicFile(path, secret=secret) as whole:
        if whole.file is not None:
            whole.file.write(data)
