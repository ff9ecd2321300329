"""Keys wrapped under a secret: AES-256-GCM by a key that scrypt (RFC 7914) derives from the secret's file."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from Crypto.Cipher import AES

from schemas.errors import ConfigError

KEY_BYTES, SALT_BYTES, NONCE_BYTES = 32, 16, 12
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


def wrap(kek: bytes, key: bytes, name: str) -> bytes:
    """Nonce, key and tag; it opens under this name only."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    cipher = AES.new(kek, AES.MODE_GCM, nonce=nonce)
    cipher.update(name.encode())
    wrapped, tag = cipher.encrypt_and_digest(key)
    return nonce + wrapped + tag


def unwrap(kek: bytes, sealed: bytes, name: str) -> bytes:
    """The key again; raises ConfigError where it was wrapped under another secret or name, or is damaged."""
    nonce, wrapped, tag = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-16], sealed[-16:]
    cipher = AES.new(kek, AES.MODE_GCM, nonce=nonce)
    cipher.update(name.encode())
    try:
        return cipher.decrypt_and_verify(wrapped, tag)
    except ValueError as error:
        raise ConfigError("the secret isn't that of this key store (any more), or the store is damaged") from error
