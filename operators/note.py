"""Checkpoints of a log as signed notes: C2SP `signed-note` and `tlog-checkpoint`; see `schemas/FORMATS.md`, 9.

Text to values and back, and the signature over the text. Whose key it is says a certificate, which others check.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from operators.sign import SigningKey, check_text, digest, sign_text
from schemas.errors import BadSignature, MalformedRecord
from schemas.frames import MAX_TIME_MS

ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,119}")
MAX_BYTES = 8192
_ED25519 = b"\x01"
_DASH = "\u2014 "
_HASH_BYTES, _ID_BYTES, _MOST = 32, 4, 2**63


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log as it was: entries, Merkle root, and when that was signed (milliseconds since 1970)."""

    origin: str
    size: int
    root: bytes
    time_ms: int


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The checkpoint as a signed note."""
    body = _body(checkpoint)
    signature = sign_text(body.encode(), key)
    coded = base64.b64encode(key_id(checkpoint.origin, key.public) + signature).decode()
    return f"{body}\n{_DASH}{checkpoint.origin} {coded}\n"


def read_checkpoint(note: str) -> Checkpoint:
    """What a note says, unchecked.

    Raises:
        MalformedRecord: not a checkpoint as `sign_checkpoint` writes it.

    """
    lines = note.split("\n\n", 1)[0].split("\n")
    try:
        origin, size, root, time = lines
        checkpoint = Checkpoint(origin, int(size), from_base64(root), int(time[5:]))
    except ValueError as error:
        raise MalformedRecord("this is not a checkpoint of an access log") from error
    fits = ORIGIN.fullmatch(origin) and len(checkpoint.root) == _HASH_BYTES
    fits = fits and 0 <= checkpoint.size < _MOST and 0 <= checkpoint.time_ms <= MAX_TIME_MS
    if len(note) > MAX_BYTES or not fits or not note.startswith(_body(checkpoint) + "\n"):
        raise MalformedRecord("this is not a checkpoint of an access log")
    return checkpoint


def check_checkpoint(note: str, public: bytes) -> Checkpoint:
    """What a note says, if the log's own signature in it holds under this key (Ed25519, 32 bytes).

    Raises:
        MalformedRecord: not a checkpoint.
        BadSignature: none of the signatures is of this key, or it doesn't hold.

    """
    checkpoint = read_checkpoint(note)
    own = key_id(checkpoint.origin, public)
    signatures = [found[_ID_BYTES:] for name, found in _signatures(note) if name == checkpoint.origin
                  and found.startswith(own)]
    if not signatures:
        raise BadSignature(f"the checkpoint of {checkpoint.size} entries isn't signed by this key of the log")
    for signature in signatures:
        check_text(_body(checkpoint).encode(), signature, public)
    return checkpoint


def from_base64(text: str) -> bytes:
    """The bytes of a text in base64 that is written the one way.

    Raises:
        ValueError: it isn't.

    """
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 that isn't written the one way")
    return data


def _body(checkpoint: Checkpoint) -> str:
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\ntime {checkpoint.time_ms}\n"


def _signatures(note: str) -> list[tuple[str, bytes]]:
    """Name, and key id with signature, of every signature line; of other kinds too."""
    body, found = note.partition("\n\n")[2], []
    if not body.endswith("\n"):
        raise MalformedRecord("a checkpoint whose last line is cut")
    for line in body[:-1].split("\n"):
        name, _, coded = line.removeprefix(_DASH).partition(" ")
        try:
            value = from_base64(coded)
        except ValueError as error:
            raise MalformedRecord("a checkpoint with a line that isn't a signature") from error
        if not line.startswith(_DASH) or not name or len(value) <= _ID_BYTES:
            raise MalformedRecord("a checkpoint with a line that isn't a signature")
        found.append((name, value))
    return found


def key_id(origin: str, public: bytes) -> bytes:
    """The four bytes that say which key of this name (Ed25519) made a signature."""
    return digest(origin.encode() + b"\n" + _ED25519 + public)[:_ID_BYTES]
