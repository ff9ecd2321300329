"""What proves something about the access log without its database: proofs, kept checkpoints, entries read again.

Formats: `schemas/FORMATS.md`, "The access log". Pure but for `read_kept`. Who signed says `IdentifyAt`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from operators.merkle import Peaks, leaf_hash, verify_consistency, verify_inclusion
from operators.note import Checkpoint, check_checkpoint, from_base64, read_checkpoint
from schemas.errors import BadSignature, IntegrityError, UsageError
from streams.verify import Identify

FIRST = bytes(32)
INCLUSION, CONSISTENCY = "sealframe/log-inclusion/1", "sealframe/log-consistency/1"
ORIGIN = "sealframe-log/"
KEPT_BEGINS = '{"checkpoint"'
"""How each line of kept checkpoints begins."""
IdentifyAt = Callable[[bytes, int], tuple[str, bytes]]
"""Principal and public key of a signer's certificate that was valid at a time (ms); raises BadSignature."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it was signed: the note, and the signer's certificate (DER)."""

    note: str
    signer: bytes

    @property
    def said(self) -> Checkpoint:
        """What the note says, unchecked."""
        return read_checkpoint(self.note)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That an entry is in the log of a checkpoint."""

    seq: int
    entry: bytes
    path: tuple[bytes, ...]
    checkpoint: Signed


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the log of a checkpoint begins as an older one's."""

    old: Signed
    new: Signed
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogInfo:
    """Size, Merkle root and head of the chain."""

    size: int
    root: bytes
    chain: bytes


def origin_of(authority: str) -> str:
    """The name of an authority's log."""
    return f"{ORIGIN}authority-{authority}"


def check_signed(signed: Signed, identify: IdentifyAt) -> Checkpoint:
    """A checkpoint whose signature holds, by the authority that its log is named after.

    Raises:
        MalformedRecord: not a checkpoint.
        BadSignature: the signature or its certificate doesn't hold, or another principal's.

    """
    said = read_checkpoint(signed.note)
    principal, public = identify(signed.signer, said.time_ms)
    if said.origin != f"{ORIGIN}{principal}" or not principal.startswith("authority-"):
        raise BadSignature(f"a checkpoint of {said.origin!r} is signed by {principal!r}")
    return check_checkpoint(signed.note, public)


def check_inclusion(proof: Inclusion, identify: IdentifyAt) -> Checkpoint:
    """The checkpoint in whose log the entry is; errors as `check_signed`, and IntegrityError where it isn't."""
    checkpoint = check_signed(proof.checkpoint, identify)
    verify_inclusion(leaf_hash(proof.entry), proof.seq, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint


def check_consistency(proof: Consistency, identify: IdentifyAt) -> tuple[Checkpoint, Checkpoint]:
    """Old and new checkpoint, of one log that only grew; errors as `check_signed`, IntegrityError else."""
    old, new = check_signed(proof.old, identify), check_signed(proof.new, identify)
    if old.origin != new.origin:
        raise IntegrityError(f"{old.origin} and {new.origin} are different logs")
    if old.size:
        verify_consistency(old.size, new.size, proof.path, old.root, new.root)
    return old, new


def check_entries(rows: Iterable[tuple[bytes, bytes]], kept: Sequence[Checkpoint] = ()) -> LogInfo:
    """Read entries (entry, chain) from the first on, and check that the log is the one of all kept checkpoints.

    Raises:
        IntegrityError: an entry was changed, taken out, put in or moved, or the log was cut, replaced or forked.

    """
    known: dict[int, Checkpoint] = {}
    for checkpoint in sorted(kept, key=lambda one: (one.size, one.time_ms)):
        if known.setdefault(checkpoint.size, checkpoint).root != checkpoint.root:
            raise IntegrityError(f"two histories: the kept checkpoints of {checkpoint.size} entries have two roots")
    peaks, chain, same = Peaks(), FIRST, 0
    for number, (entry, linked) in enumerate(rows):
        chain = hashlib.sha256(chain + entry).digest()
        if chain != linked or _seq(entry) != number:
            raise IntegrityError(f"entry {number} of the access log was changed, taken out, put in or moved")
        peaks.append(leaf_hash(entry))
        there = known.get(peaks.size)
        if there and there.root != peaks.root():
            raise IntegrityError(
                f"the access log was rewritten: entries {same} to {peaks.size - 1} aren't those of the checkpoint "
                f"that was kept{when(there)}"
            )
        same = peaks.size if there else same
    longest = max(known, default=0)
    if longest > peaks.size:
        raise IntegrityError(f"the access log was cut: {peaks.size} entries, {longest} in a kept checkpoint")
    return LogInfo(peaks.size, peaks.root(), chain)


def _seq(entry: bytes) -> object:
    try:
        content = json.loads(entry)
    except ValueError:
        return None
    return content.get("seq") if isinstance(content, dict) else None


def when(checkpoint: Checkpoint) -> str:
    """When a checkpoint was signed, for messages."""
    return f" (signed {datetime.fromtimestamp(checkpoint.time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC)"


def during(identify: IdentifyAt, taken_in: tuple[int, int]) -> Identify:
    """Who signed a video's records: by certificates that were valid when its first or last evidence was taken in.

    Not when it was filmed: a file may be pushed years later.
    """
    first, last = taken_in

    def of_then(signer: bytes) -> tuple[str, bytes]:
        try:
            return identify(signer, first)
        except BadSignature:
            return identify(signer, last)

    return of_then


def signed_json(signed: Signed) -> dict[str, Any]:
    """A signed checkpoint as it stands in files and answers."""
    return {"checkpoint": signed.note, "signer": base64.b64encode(signed.signer).decode()}


def inclusion_json(proof: Inclusion) -> dict[str, Any]:
    """A proof as it is kept in a file."""
    return {"format": INCLUSION, "seq": proof.seq, "entry": proof.entry.decode(),
            "path": [node.hex() for node in proof.path], **signed_json(proof.checkpoint)}


def consistency_json(proof: Consistency) -> dict[str, Any]:
    """A proof as it is kept in a file."""
    return {"format": CONSISTENCY, "old": signed_json(proof.old), "new": signed_json(proof.new),
            "path": [node.hex() for node in proof.path]}


def read_signed(value: Any) -> Signed:
    """A signed checkpoint from such JSON.

    Raises:
        UsageError: it isn't one.

    """
    try:
        return Signed(str(value["checkpoint"]), from_base64(value["signer"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError("a checkpoint with its signer is needed, as `sealframe log info` gives it") from error


def read_proof(value: Mapping[str, Any]) -> Inclusion | Consistency:
    """A proof from such JSON.

    Raises:
        UsageError: it isn't one.

    """
    try:
        path = tuple(_hash(node) for node in value["path"])
        if value["format"] == CONSISTENCY:
            return Consistency(read_signed(value["old"]), read_signed(value["new"]), path)
        if value["format"] == INCLUSION:
            return Inclusion(int(value["seq"]), value["entry"].encode(), path, read_signed(value))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError("this is not a proof as `sealframe log prove` writes it") from error
    raise UsageError(f"proofs of format {value['format']!r} are unknown here")


def _hash(text: str) -> bytes:
    """A hash in lower-case hex; raises ValueError for anything else."""
    value = bytes.fromhex(text)
    if len(value) != 32 or value.hex() != text:
        raise ValueError("not a hash")
    return value


def _finished(text: str) -> str:
    """Lines without the last where that was cut short, as by a power cut while it was written."""
    head, _, last = text.rpartition("\n")
    return head if head and last.startswith(KEPT_BEGINS) else text


def read_kept(path: Path) -> list[Signed]:
    """The checkpoints of a file, oldest first: what `log watch` keeps, or one that `log info` or `log prove` printed.

    Raises:
        UsageError: there is none in it.

    """
    text = path.read_text()
    try:
        lines = [json.loads(text)]
    except ValueError:
        try:
            lines = [json.loads(line) for line in _finished(text).splitlines() if line.strip()]
        except ValueError as error:
            raise UsageError(f"{path.name} is not a file of checkpoints") from error
    kept = [read_signed(line.get("new", line) if isinstance(line, dict) else line) for line in lines]
    if not kept:
        raise UsageError(f"{path.name} holds no checkpoint")
    return kept


def check_kept(kept: Sequence[Signed], identify: IdentifyAt) -> list[Checkpoint]:
    """Kept checkpoints, each checked by itself, all of one log.

    Raises:
        BadSignature, MalformedRecord: see `check_signed`.
        UsageError: of several logs.

    """
    checked = [check_signed(one, identify) for one in kept]
    if any(a.origin != b.origin for a, b in pairwise(checked)):
        raise UsageError("the file holds checkpoints of several logs: keep one file for each")
    return checked


def said_of(found: Mapping[str, Any], trust: IdentifyAt) -> str:
    """What a file of proof proves, in words.

    Raises:
        IntegrityError: it doesn't hold.

    """
    proof = read_proof(found)
    if isinstance(proof, Consistency):
        old, new = check_consistency(proof, trust)
        return f"{new.origin}: the log of {new.size} entries{when(new)} begins as the one of {old.size}{when(old)}"
    checkpoint = check_inclusion(proof, trust)
    try:
        entry = json.loads(proof.entry)
        what = f"{entry['action']} by {entry['actor']}, case {entry['case']}"
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"entry {proof.seq} doesn't parse") from error
    place = f"is in the log of {checkpoint.size} entries{when(checkpoint)}"
    return f"{checkpoint.origin}: entry {proof.seq} ({what}) {place}"
