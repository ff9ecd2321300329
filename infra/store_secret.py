"""The secret of a key store: its file, and the wrapping key that scrypt (RFC 7914) derives from it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from schemas.errors import ConfigError

KEY_BYTES, SALT_BYTES = 32, 16
MIN_SECRET_BYTES = 16


def read_secret(path: Path) -> bytes:
    """A secret out of its file; raises ConfigError where it is missing, short or open to others."""
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"secret {path.name} is open to others: make it 0600")
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"secret {path.name} can't be read") from error
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigError(f"secret {path.name} is shorter than {MIN_SECRET_BYTES} bytes")
    return secret


def derive(password: bytes, salt: bytes) -> bytes:
    """The wrapping key of a secret, 32 bytes."""
    return hashlib.scrypt(password, salt=salt, n=2**14, r=8, p=1, dklen=KEY_BYTES)
