"""Identities and recipients of file mode: one line of text each (FORMATS.md 6)."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import ConfigError

IDENTITY = "SEALFRAME-IDENTITY-1:"
RECIPIENT = "sealframe-recipient-1:"
KEY_BYTES = 32


def write_identity(path: Path, private: bytes) -> None:
    """Write a private key to a new file of mode 0600.

    Raises:
        ConfigError: the file exists, or can't be written.

    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; an identity is never overwritten") from error
    with os.fdopen(handle, "w") as file:
        file.write(f"{IDENTITY}{private.hex()}\n")


def read_identity(path: Path) -> bytes:
    """The private key in a file.

    Raises:
        ConfigError: no such file, or no identity in it.

    """
    return _parse(_read(path), IDENTITY, str(path))


def recipient_text(public: bytes) -> str:
    """A public key as people pass it on."""
    return f"{RECIPIENT}{public.hex()}"


def read_recipient(text: str) -> bytes:
    """A public key from its text, or from a file that holds it.

    Raises:
        ConfigError: neither.

    """
    if text.strip().startswith(RECIPIENT):
        return _parse(text, RECIPIENT, "the recipient")
    return _parse(_read(Path(text)), RECIPIENT, text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as a key; make one with `sealframe keys create`") from error


def _parse(text: str, prefix: str, where: str) -> bytes:
    line = text.strip()
    try:
        key = bytes.fromhex(line.removeprefix(prefix)) if line.startswith(prefix) else b""
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{where}: expected one line '{prefix}' and {2 * KEY_BYTES} hex digits")
    return key
