"""A second keeper of the log's checkpoints: who holds them elsewhere sees when history was rewritten or forked.

The keeper asks the forensic service for its newest checkpoint and for the proof that the log only grew since the last
one that was kept, checks both, and appends the checkpoint to a file of its own. It trusts the CA and its own file, not
the service. It learns how long the log is, not what is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operators.note import Checkpoint
from schemas.errors import IntegrityError, MalformedRecord, UsageError
from streams.forensic.proofs import (
    KEPT_BEGINS,
    Consistency,
    IdentifyAt,
    Signed,
    check_consistency,
    check_kept,
    check_signed,
    read_kept,
    read_signed,
    signed_json,
    when,
)

MAX_AHEAD_MS = 5 * 60 * 1000
Ask = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found: the newest checkpoint, and whether it was new."""

    checkpoint: Checkpoint
    added: bool


class Keeper:
    """Keeps checkpoints of one log in one file; `ask` fetches JSON from the service, `clock` gives ms since 1970."""

    def __init__(self, path: Path, ask: Ask, identify: IdentifyAt, clock: Callable[[], int]) -> None:
        """Read and check what was kept so far; a file that isn't there is begun, an unfinished last line is cut off.

        Such a line was never kept: a power cut or a full disk ended its writing, and the service says it again.

        Raises:
            UsageError: not a file of checkpoints.
            BadSignature, MalformedRecord: it holds something that the log's authority never signed.

        """
        self._path, self._ask, self._identify, self._clock = path, ask, identify, clock
        self.cut = path.exists() and _finish(path)
        kept = read_kept(path) if path.exists() and path.stat().st_size else []
        self._known = check_kept(kept, identify)
        self._last = kept[-1] if kept else None

    def look(self) -> Looked:
        """Ask once.

        Raises:
            IntegrityError: the history was rewritten, cut or forked, or the checkpoint isn't the authority's.
            ServiceUnavailable, AccessDenied: the service doesn't answer, or not to us.

        """
        old = self._known[-1] if self._known else None
        try:
            answer = self._ask(f"/log/growth?old={old.size if old else 0}")
        except UsageError as error:
            raise IntegrityError(f"ALARM: the log no longer has the {old.size if old else 0} entries that it had"
                                 f"{when(old) if old else ''}: it was cut or replaced") from error
        try:
            new, path = read_signed(answer["new"]), tuple(bytes.fromhex(node) for node in answer["path"])
            checkpoint = check_signed(new, self._identify)
        except (MalformedRecord, UsageError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError("ALARM: what the service answers is no checkpoint of its log") from error
        if checkpoint.time_ms > self._clock() + MAX_AHEAD_MS:
            raise IntegrityError("ALARM: the checkpoint is of the future: a clock is wrong, or somebody forged it")
        if self._last is not None and old is not None:
            self._compare(Consistency(self._last, new, path), old)
        if old is not None and old.size == checkpoint.size:
            return Looked(checkpoint, False)
        self._keep(new, checkpoint)
        return Looked(checkpoint, True)

    def _compare(self, proof: Consistency, old: Checkpoint) -> None:
        try:
            check_consistency(proof, self._identify)
        except (IntegrityError, MalformedRecord) as error:
            raise IntegrityError(
                f"ALARM: history was rewritten or forked since the kept checkpoint of {old.size} entries{when(old)}. "
                f"Keep {self._path.name} and call the auditor ({error})"
            ) from error

    def _keep(self, new: Signed, checkpoint: Checkpoint) -> None:
        line = json.dumps({**signed_json(new), "seen_ms": self._clock()}, sort_keys=True)
        with self._path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._known.append(checkpoint)
        self._last = new


def _finish(path: Path) -> bool:
    """End the file's last line, or cut it off where it was cut short; whether it was."""
    data = path.read_bytes()
    begin = data.rfind(b"\n") + 1
    last = data[begin:]
    if not last.startswith(KEPT_BEGINS.encode()):
        return False
    try:
        json.loads(last)
    except ValueError:
        os.truncate(path, begin)
        return True
    with path.open("ab") as file:
        file.write(b"\n")
    return False
