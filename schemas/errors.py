"""Every error that Sealframe raises on purpose.

SealframeError
├── UsageError                the call is wrong: exit code 2
│   └── SeveralFaces          a picture shows several faces that may be meant: choose one
├── ConfigError               settings, keys or models are missing or wrong
├── PoisonError               this record can't be processed: quarantine it, go on
│   ├── MalformedRecord       bytes that don't parse, or parse to something inconsistent
│   ├── UnknownRecord         a record type or version that this release doesn't know
│   ├── ChunkTooLarge         over 2 MiB coded or 96 MiB decoded
│   ├── UndecodableChunk      the coded pictures don't decode to the frames promised
│   ├── SignerNotEnrolled     the signer has no right to write for this camera
│   └── ClockJump             capture times or sequence numbers run backwards
├── TransientError            try again, within a bound
│   ├── ServiceUnavailable    broker, database or platform out of reach
│   ├── PlatformNotReady      mutual authentication has not passed: evidence waits
│   └── RateLimited           somebody asked too often: later
├── SourceError               a camera or file that can't be read
├── NotForMe                  sealed, intact as far as can be told, for other recipients
├── AccessDenied              the caller has no right to what was asked for
└── IntegrityError            not what was signed or sealed: nothing is restored from it
    ├── DamagedEnvelope       ciphertext, nonce, wrap or associated data changed
    ├── BadSignature          signature, certificate or role doesn't hold
    ├── DigestMismatch        bytes differ from the digest that was signed
    ├── ChainBroken           a chunk doesn't continue the one before it
    ├── MissingChunk          a chunk that the signed chain promises is not there
    ├── MissingEvidence       evidence that a signed counter promises is not there
    ├── MissingEnd            the video has no signed end and no head that covers its tail
    └── NotDesensitised       the range to replace isn't masked in the fetched picture

Messages name topic, partition, offset, video and frame; never pixels, plates or keys.
"""

from __future__ import annotations


class SealframeError(Exception):
    """Root of the tree."""


class UsageError(SealframeError):
    """The call is wrong."""


class SeveralFaces(UsageError):
    """A picture shows several faces that may be meant; `boxes` are theirs, xyxy in pixels, left to right."""

    def __init__(self, text: str, boxes: tuple[tuple[int, ...], ...] = ()) -> None:
        super().__init__(text)
        self.boxes = boxes


class ConfigError(SealframeError):
    """Settings, keys or models are missing or wrong."""


class PoisonError(SealframeError):
    """A record that can't be processed: quarantine it and go on."""


class MalformedRecord(PoisonError):
    """Bytes that don't parse, or parse to something inconsistent."""


class UnknownRecord(PoisonError):
    """A record type or version that this release doesn't know."""


class ChunkTooLarge(PoisonError):
    """Over the limits of a chunk, coded or decoded."""


class UndecodableChunk(PoisonError):
    """The coded pictures don't decode to the frames promised."""


class SignerNotEnrolled(PoisonError):
    """The signer has no right to write for this camera."""


class ClockJump(PoisonError):
    """Capture times or sequence numbers run backwards."""


class TransientError(SealframeError):
    """Try again, within a bound."""


class ServiceUnavailable(TransientError):
    """Broker, database or platform out of reach."""


class PlatformNotReady(TransientError):
    """Mutual authentication with a platform has not passed."""


class RateLimited(TransientError):
    """Somebody asked too often."""


class SourceError(SealframeError):
    """A camera or file that can't be read."""


class NotForMe(SealframeError):
    """Sealed for other recipients."""


class AccessDenied(SealframeError):
    """The caller has no right to what was asked for."""


class IntegrityError(SealframeError):
    """Not what was signed or sealed."""


class DamagedEnvelope(IntegrityError):
    """Ciphertext, nonce, wrapped key or associated data changed."""


class BadSignature(IntegrityError):
    """Signature, certificate or role doesn't hold."""


class DigestMismatch(IntegrityError):
    """Bytes differ from the digest that was signed."""


class ChainBroken(IntegrityError):
    """A chunk doesn't continue the one before it."""


class MissingChunk(IntegrityError):
    """A chunk that the signed chain promises is not there."""


class MissingEvidence(IntegrityError):
    """Evidence that a signed counter promises is not there."""


class MissingEnd(IntegrityError):
    """No signed end, and no signed head that covers the tail."""


class NotDesensitised(IntegrityError):
    """The range to replace isn't masked in the fetched picture."""
