"""A certificate as browsers take it in: PKCS #12 (RFC 7292) with key, certificate and CA, behind a password of its own.

Files beside the principal's: `browser.p12` and `browser.password`, both 0600. Whoever has both is the principal.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from infra.atomic import write_whole
from infra.tls import Identity
from schemas.errors import ConfigError

PASSWORD_BYTES = 12


def browser_file(identity: Identity) -> Path:
    """Write the principal's file for browsers, anew where its certificate was renewed since; returns its path.

    Raises:
        ConfigError: certificate files can't be read.

    """
    path = identity.cert.with_name("browser.p12")
    if path.exists() and path.stat().st_mtime_ns >= identity.cert.stat().st_mtime_ns:
        return path
    try:
        key = load_pem_private_key(identity.key.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(identity.cert.read_bytes())
        authority = x509.load_pem_x509_certificate(identity.ca.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificate files of {identity.principal} can't be read") from error
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    data = pkcs12.serialize_key_and_certificates(
        identity.principal.encode(), key, certificate, [authority],  # type: ignore[arg-type]
        BestAvailableEncryption(password.encode()),
    )
    write_whole(password_file(path), f"{password}\n".encode(), secret=True)
    write_whole(path, data, secret=True)
    return path


def password_file(path: Path) -> Path:
    """Where the password of a browser's file lies."""
    return path.with_name("browser.password")
