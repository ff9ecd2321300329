"""Seal and unseal: AES-256-GCM under a single-use content key, which HPKE (RFC 9180) wraps for each recipient.

HPKE runs in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. Both the ciphertext and each wrap
are bound to the associated data, which holds the key ids of all recipients: a wrap can't be taken away unseen.
An authority that has taken evidence in wraps the content key once more, under the random keys of the tracks in it;
who destroys a track's key destroys what only it opens. Bytes: `schemas/FORMATS.md`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol import HPKE
from Crypto.Protocol.DH import import_x25519_private_key, import_x25519_public_key
from Crypto.Protocol.KDF import HKDF

from schemas.codec import encode
from schemas.errors import DamagedEnvelope, NotForMe, UsageError
from schemas.frames import FrameChunk
from schemas.records import AssociatedData, Envelope, Quality, SealedEvidence, SealedPart, Wrap

INFO = b"sealframe/v1 content key"
TRACK_INFO = b"sealframe/v1 track key"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def key_id(public_key: bytes) -> bytes:
    """Name of a public key: the first 16 bytes of its SHA-256."""
    return hashlib.sha256(public_key).digest()[:16]


class Opener(Protocol):
    """Whoever can open envelopes: an identity, or the keys of tracks."""

    def content_key(self, envelope: Envelope, aad: bytes) -> bytes | None:
        """The envelope's content key, None if it isn't for this one; DamagedEnvelope if it doesn't open."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """An X25519 private key, 32 bytes."""

    private: bytes = field(repr=False)
    public: bytes = field(init=False)
    """The public key, 32 bytes: made once, since it takes as long as opening does."""

    def __post_init__(self) -> None:
        key = import_x25519_private_key(self.private).public_key()
        object.__setattr__(self, "public", bytes(key.export_key(format="raw")))

    @staticmethod
    def create() -> Identity:
        """A fresh random identity."""
        return Identity(secrets.token_bytes(KEY_BYTES))

    def content_key(self, envelope: Envelope, aad: bytes) -> bytes | None:
        """The content key that was wrapped for this identity."""
        mine = key_id(self.public)
        wrap = next((w for w in envelope.wraps if w.recipient == mine), None)
        if wrap is None:
            return None
        try:
            receiver = import_x25519_private_key(self.private)
            hpke = HPKE.new(receiver_key=receiver, aead_id=HPKE.AEAD.AES256_GCM, enc=wrap.encapsulated, info=INFO)
            return hpke.unseal(wrap.wrapped_key, aad)
        except ValueError as error:
            raise DamagedEnvelope("the content key doesn't open: wrap or associated data changed") from error


@dataclass(frozen=True, slots=True)
class TrackKeys:
    """The keys of all tracks that claim a part, and the wrap that `Unsealed.wrap` made with them."""

    wrap: Wrap
    keys: tuple[bytes, ...] = field(repr=False)

    def content_key(self, envelope: Envelope, aad: bytes) -> bytes | None:
        """The content key that was wrapped under these tracks' keys."""
        nonce, sealed = self.wrap.encapsulated, self.wrap.wrapped_key
        return _open(_combined(self.keys), nonce, sealed, aad)


def seal(plaintext: bytes, recipients: Sequence[bytes], aad: AssociatedData) -> Envelope:
    """Seal for these public keys (X25519, 32 bytes each).

    Raises:
        UsageError: no recipients.

    """
    if not recipients:
        raise UsageError("nothing is sealed without a recipient")
    ordered = sorted(set(recipients), key=key_id)
    bound = encode(replace(aad, recipients=tuple(key_id(public) for public in ordered)))
    key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
    wraps = tuple(_wrap(key, public, bound) for public in ordered)
    return Envelope(nonce, _close(key, nonce, plaintext, bound), wraps)


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What an envelope held."""

    plaintext: bytes = field(repr=False)
    key: bytes = field(repr=False)
    bound: bytes = field(repr=False)

    def wrap(self, track_keys: Sequence[bytes]) -> Wrap:
        """The content key once more, under the keys of all tracks that claim the part.

        Raises:
            UsageError: no track keys.

        """
        if not track_keys:
            raise UsageError("a part is wrapped under the keys of its tracks: none given")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Wrap(b"tracks", nonce, _close(_combined(track_keys), nonce, self.key, self.bound))


def opened(envelope: Envelope, openers: Sequence[Opener], aad: AssociatedData) -> Unsealed:
    """Open with the first opener that it is for.

    Raises:
        NotForMe: none of the openers is among the recipients.
        DamagedEnvelope: ciphertext, nonce, wraps or associated data changed.

    """
    bound = encode(replace(aad, recipients=tuple(wrap.recipient for wrap in envelope.wraps)))
    key = _content_key(envelope, openers, bound)
    return Unsealed(_open(key, envelope.nonce, envelope.ciphertext, bound), key, bound)


def unseal(envelope: Envelope, openers: Sequence[Opener], aad: AssociatedData) -> bytes:
    """What the envelope holds; errors as `opened`."""
    return opened(envelope, openers, aad).plaintext


def evidence_aad(evidence: SealedEvidence, part: SealedPart, topic: str) -> AssociatedData:
    """What a part of a chunk's evidence is bound to."""
    return AssociatedData(
        topic, part.type, evidence.camera_id, evidence.video_id, evidence.chunk_seq,
        evidence.operator_digest, part.part, tuple(sorted(part.kinds)), (), evidence.epoch,
    )


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part before it is sealed: its plaintext stays in memory."""

    type: str
    kinds: tuple[str, ...]
    plaintext: bytes = field(repr=False)


def seal_evidence(
    draft: SealedEvidence, parts: Sequence[OpenPart], recipients: Sequence[bytes], topic: str,
) -> SealedEvidence:
    """Seal the parts of one chunk for one authority; `draft` is the evidence without them."""
    sealed = []
    for number, part in enumerate(parts):
        empty = SealedPart(number, part.type, tuple(sorted(part.kinds)), Envelope(b"", b"", ()))  # type: ignore[arg-type]
        aad = evidence_aad(draft, empty, topic)
        sealed.append(replace(empty, sealed=seal(part.plaintext, recipients, aad)))
    return replace(draft, parts=tuple(sealed))


def new_evidence(
    authority: str, chunk: FrameChunk, operator_digest: bytes, previous: int, epoch: str, quality: Quality
) -> SealedEvidence:
    """Evidence of a chunk without parts, for `seal_evidence`."""
    return SealedEvidence(
        authority, chunk.camera_id, chunk.video_id, chunk.chunk_seq, operator_digest, previous, epoch, quality, (),
        chunk.capture_ms, chunk.capture_ms + chunk.length_ms, chunk.format,
    )


def _wrap(key: bytes, public: bytes, bound: bytes) -> Wrap:
    hpke = HPKE.new(receiver_key=import_x25519_public_key(public), aead_id=HPKE.AEAD.AES256_GCM, info=INFO)
    wrapped = hpke.seal(key, bound)
    return Wrap(key_id(public), hpke.enc, wrapped)


def _content_key(envelope: Envelope, openers: Sequence[Opener], bound: bytes) -> bytes:
    for opener in openers:
        key = opener.content_key(envelope, bound)
        if key is not None:
            return key
    raise NotForMe(f"sealed for {len(envelope.wraps)} recipients, none of them this one")


def _combined(keys: Sequence[bytes]) -> bytes:
    return bytes(HKDF(b"".join(sorted(keys)), KEY_BYTES, b"", SHA256, 1, context=TRACK_INFO))  # type: ignore[arg-type]


def _close(key: bytes, nonce: bytes, plaintext: bytes, bound: bytes) -> bytes:
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=TAG_BYTES)
    cipher.update(bound)
    ciphertext, tag = cipher.encrypt_and_digest(plaintext)
    return ciphertext + tag


def _open(key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    if len(nonce) != NONCE_BYTES or len(sealed) < TAG_BYTES or len(key) != KEY_BYTES:
        raise DamagedEnvelope("the envelope is truncated")
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=TAG_BYTES)
    cipher.update(bound)
    try:
        return cipher.decrypt_and_verify(sealed[:-TAG_BYTES], sealed[-TAG_BYTES:])
    except ValueError as error:
        raise DamagedEnvelope("the ciphertext doesn't open: it or its associated data changed") from error
