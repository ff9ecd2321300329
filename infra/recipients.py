"""Identities and recipients of file mode, secrets and public keys of approvers: one line each (FORMATS.md 6)."""

from __future__ import annotations

import os
from pathlib import Path

from infra.atomic import refused
from schemas.errors import ConfigError, UsageError

IDENTITY = "SEALFRAME-IDENTITY-1:"
RECIPIENT = "sealframe-recipient-1:"
APPROVER_SECRET = "SEALFRAME-APPROVER-SECRET-1:"  # noqa: S105
APPROVER = "sealframe-approver-1:"
KEY_BYTES = 32
_PRIME = 2**255 - 19
_EIGHT = (
    0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
)
_LOW_ORDER = frozenset({0, 1, *_EIGHT, _PRIME - 1, _PRIME, _PRIME + 1})
"""X25519 keys that give the same shared secret to everybody, as numbers (RFC 7748, 6.1)."""


def write_identity(path: Path, private: bytes) -> None:
    """Write a private key to a new file of mode 0600.

    Raises:
        ConfigError: the file exists, or can't be made.
        SealframeError: the disk is full; then there is no file.

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
        ConfigError: neither, or a key of low order, for which nothing can be sealed.

    """
    if text.strip().startswith(RECIPIENT):
        return _sealable(_parse(text, RECIPIENT, "the recipient"), "the recipient")
    return _sealable(_parse(_read(Path(text)), RECIPIENT, text), text)


def asked_recipient(text: str) -> bytes:
    """The same where an option of a verb says it: then a malformed one is wrong use (UsageError)."""
    try:
        return read_recipient(text)
    except ConfigError as error:
        raise UsageError(f"--recipient: {error}") from error


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
    try:
        with os.fdopen(handle, "w") as file:
            file.write(line)
            file.flush()
            os.fsync(handle)
    except OSError as error:
        path.unlink(missing_ok=True)  # no key: it would only stand in the way of the next try
        raise refused(path, error) from error


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


def _sealable(public: bytes, where: str) -> bytes:
    if int.from_bytes(public, "little") % 2**255 in _LOW_ORDER:
        raise ConfigError(f"{where}: nobody holds the key to this one (its order is low); ask for another")
    return public


def _parse(text: str, prefix: str, where: str) -> bytes:
    line = text.strip()
    try:
        key = bytes.fromhex(line.removeprefix(prefix)) if line.startswith(prefix) else b""
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{where}: expected one line '{prefix}' and {2 * KEY_BYTES} hex digits")
    return key
