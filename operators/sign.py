"""Sign and check: Ed25519 (RFC 8032) over `sealframe/v1/<type>`, a zero byte, and the body.

Whose key it is says an X.509 certificate in `Signed.signer`, which `infra/tls.py` checks against the CA; in file mode
`signer` is the raw public key.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from schemas.errors import BadSignature, DigestMismatch, UsageError
from schemas.records import Signed


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 seed (32 bytes), and the signer as records carry it: certificate (DER) or raw public key."""

    seed: bytes = field(repr=False)
    signer: bytes = b""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return bytes(eddsa.import_private_key(self.seed).public_key().export_key(format="raw"))

    def secret(self, purpose: str) -> bytes:
        """A secret (32 bytes) of whoever holds this key, for one other purpose: HMAC-SHA256 under the seed."""
        return hmac.new(self.seed, f"sealframe secret 1/{purpose}".encode(), hashlib.sha256).digest()


def sign(body: bytes, record_type: str, key: SigningKey) -> Signed:
    """Sign a body as a record of this type."""
    signature = eddsa.new(eddsa.import_private_key(key.seed), "rfc8032").sign(_message(body, record_type))
    return Signed(body, key.signer or key.public, signature)


def check(signed: Signed, record_type: str, public_key: bytes) -> bytes:
    """The body, if its signature holds.

    Raises:
        BadSignature: the signature doesn't hold for this type, body and key.

    """
    try:
        key: ECC.EccKey = eddsa.import_public_key(public_key)
        eddsa.new(key, "rfc8032").verify(_message(signed.body, record_type), signed.signature)
    except ValueError as error:
        raise BadSignature(f"a {record_type} record's signature doesn't hold") from error
    return signed.body


def sign_text(text: bytes, key: SigningKey) -> bytes:
    """Signature (64 bytes) over the text of a signed note (C2SP), which holds no zero byte, so it is never a record.

    Raises:
        UsageError: it does hold one.

    """
    if b"\0" in text:
        raise UsageError("a note without zero bytes is needed")
    return bytes(eddsa.new(eddsa.import_private_key(key.seed), "rfc8032").sign(text))


def check_text(text: bytes, signature: bytes, public_key: bytes) -> None:
    """Check the signature over a note's text.

    Raises:
        BadSignature: it doesn't hold for this text and key.

    """
    try:
        eddsa.new(eddsa.import_public_key(public_key), "rfc8032").verify(text, signature)
    except ValueError as error:
        raise BadSignature("the signature of a note doesn't hold") from error


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def check_media(media: bytes, expected: bytes, what: str) -> bytes:
    """The media, if it is what was signed.

    Raises:
        DigestMismatch: other bytes.

    """
    if digest(media) != expected:
        raise DigestMismatch(f"{what}: the bytes aren't those that were signed")
    return media


def _message(body: bytes, record_type: str) -> bytes:
    return b"sealframe/v1/" + record_type.encode() + b"\0" + body
