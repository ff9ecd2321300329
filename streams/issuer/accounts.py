"""The issuer's accounts: a JSON file of mode 0600, passwords as scrypt hashes (RFC 7914).

An account's `subject` is random and never used again, so that a new account of an old name is somebody else. After five
wrong passwords an account waits a minute, and all of them together are tried thirty times a minute at most.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.atomic import write_whole
from schemas.errors import ConfigError, RateLimited, UsageError

COST, BLOCK, PARALLEL, MEMORY = 2**15, 8, 1, 2**26
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LEAST_LENGTH, MAX_LENGTH = 12, 200
WRONG_EACH, WRONG_ALL, WAIT_SECONDS = 5, 30, 60.0


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in: who they are to others (`subject`), and what their password is checked against."""

    subject: str
    salt: str
    hash: str


class Accounts:
    """The accounts of one file, read anew whenever it has changed. `clock` gives seconds."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._read: tuple[int, dict[str, Account]] = (-1, {})
        self._wrong: dict[str, list[float]] = {}
        self._one = threading.Lock()

    def names(self) -> dict[str, str]:
        """Names and subjects."""
        return {name: account.subject for name, account in sorted(self._all().items())}

    def put(self, name: str, password: str) -> str:
        """Make an account, or give one another password; returns its subject.

        Raises:
            UsageError: a name that can't be, or a password under 12 characters.

        """
        if not NAME.fullmatch(name):
            raise UsageError("an account's name is up to 64 of letters, digits, '.', '_', '@', '-'")
        if not LEAST_LENGTH <= len(password) <= MAX_LENGTH:
            raise UsageError(f"a password has {LEAST_LENGTH} to {MAX_LENGTH} characters")
        known, salt = self._all(), secrets.token_hex(16)
        subject = known[name].subject if name in known else secrets.token_hex(16)
        self._write(known | {name: Account(subject, salt, _hash(password, salt))})
        return subject

    def remove(self, name: str) -> None:
        """Take an account away.

        Raises:
            UsageError: there is none of this name.

        """
        known = dict(self._all())
        if known.pop(name, None) is None:
            raise UsageError("there is no such account")
        self._write(known)

    def subject(self, name: str, password: str) -> str:
        """Whose password this is, empty for nobody's.

        Raises:
            RateLimited: too many wrong ones before.

        """
        with self._one:  # one after the other: guesses side by side would all pass before the first counts
            self._wait(name)
            account = self._all().get(name, _NOBODY)
            if hmac.compare_digest(_hash(password[:MAX_LENGTH], account.salt), account.hash):
                return account.subject
            self._wrong.setdefault(name, []).append(self._clock())
            return ""

    def _wait(self, name: str) -> None:
        since = self._clock() - WAIT_SECONDS
        recent = {who: [at for at in times if at > since] for who, times in self._wrong.items()}
        self._wrong = {who: times for who, times in recent.items() if times}
        if len(self._wrong.get(name, ())) >= WRONG_EACH or sum(map(len, self._wrong.values())) >= WRONG_ALL:
            raise RateLimited("too many wrong passwords: wait a minute")

    def _all(self) -> dict[str, Account]:
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if self._read[0] != stamp:
            try:
                found = json.loads(self._path.read_text())
                self._read = (stamp, {name: Account(**account) for name, account in found.items()})
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise ConfigError(f"the file of accounts {self._path.name} can't be read") from error
        return self._read[1]

    def _write(self, accounts: dict[str, Account]) -> None:
        text = json.dumps({name: asdict(account) for name, account in sorted(accounts.items())}, indent=1)
        write_whole(self._path, text.encode(), secret=True)
        self._read = (-1, {})


def _hash(password: str, salt: str) -> str:
    return hashlib.scrypt(
        password.encode("utf-8", "replace"), salt=bytes.fromhex(salt), n=COST, r=BLOCK, p=PARALLEL, maxmem=MEMORY
    ).hex()


_NOBODY = Account("", "00" * 16, "")
