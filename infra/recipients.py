"""Identities and recipients of file mode, secrets and public keys of approvers: one line each (FORMATS.md 6)."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import ConfigError

IDENTITY = "SEALFRAME-IDENTITY-1:"
RECIPIENT = "sealframe-recipient-1:"
APPROVER_SECRET = "SEALFRAME-APPROVER-SECRET-1:"  # noqa: S105
APPROVER = "sealframe-approver-1:"
KEY_BYTES = 32


def write_identity(path: Path, private: bytes) -> None:
    """Write a private key to a new file of mode 0600.

    Raises:
        ConfigError: the file exists, or can't be written.

    """
    _write(path, f"{IDENTITY}{private.hex()}\n")


def read_identity(path: Path) -> bytes:
    """The private key in a file.

    Raises:
        ConfigError: no such file, open to others, or no identity in it.

    """
    return _parse(_read_private(path, "keys create"), IDENTITY, str(path))


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


def write_approver(path: Path, seed: bytes) -> None:
    """Write an approver's Ed25519 seed to a new file of mode 0600; errors as `write_identity`."""
    _write(path, f"{APPROVER_SECRET}{seed.hex()}\n")


def read_approver_seed(path: Path) -> bytes:
    """The Ed25519 seed in an approver's file.

    Raises:
        ConfigError: no such file, open to others, or no seed in it.

    """
    return _parse(_read_private(path, "keys approver"), APPROVER_SECRET, str(path))


def approver_text(public: bytes) -> str:
    """An approver's public key, as settings hold it."""
    return f"{APPROVER}{public.hex()}"


def read_approver(text: str, where: str) -> bytes:
    """An approver's public key from its text; raises ConfigError if it is none."""
    return _parse(text, APPROVER, where)


def _write(path: Path, line: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; a key is never overwritten") from error
    with os.fdopen(handle, "w") as file:
        file.write(line)


def _read_private(path: Path, verb: str) -> str:
    text = _read(path, verb)
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} is open to others: make it 0600")
    return text


def _read(path: Path, verb: str = "keys create") -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as a key; make one with `sealframe {verb}`") from error


def _parse(text: str, prefix: str, where: str) -> bytes:
    line = text.strip()
    try:
        key = bytes.fromhex(line.removeprefix(prefix)) if line.startswith(prefix) else b""
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{where}: expected one line '{prefix}' and {2 * KEY_BYTES} hex digits")
    return key
