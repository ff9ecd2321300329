"""The issuer's accounts: a JSON file of mode 0600, passwords as scrypt hashes (RFC 7914).

An account's `subject` is random and never used again, so that a new account of an old name is somebody else. After five
wrong passwords within a minute a name waits, after thirty an address does. A name that nobody has waits as well, so
that waiting doesn't tell which there are, but is counted apart. Guesses keep no other name at another address waiting.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.atomic import write_whole
from schemas.errors import ConfigError, RateLimited, UsageError

COST, BLOCK, PARALLEL, MEMORY = 2**15, 8, 1, 2**26
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LEAST_LENGTH, MAX_LENGTH = 12, 200
WRONG_EACH, WRONG_ADDRESS, WAIT_SECONDS = 5, 30, 60.0
MAX_COUNTED = 5000
"""Names and addresses that are remembered. Hashing one password after the other, nobody gets there within a minute."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in: who they are to others (`subject`), and what their password is checked against."""

    subject: str
    salt: str
    hash: str


class Guesses:
    """When the last `each` wrong guesses were made, by key; with too many keys the one that rested longest goes."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._made: dict[str, deque[float]] = {}

    def add(self, key: str, now: float) -> None:
        """Count one."""
        made = self._made.pop(key, None) or deque(maxlen=self._each)
        made.append(now)
        self._made[key] = made
        oldest = next(iter(self._made))
        while len(self._made) > MAX_COUNTED or self._made[oldest][-1] <= now - WAIT_SECONDS:
            del self._made[oldest]
            oldest = next(iter(self._made))

    def waits(self, key: str, now: float) -> bool:
        """There were as many within a minute."""
        made = self._made.get(key)
        return made is not None and len(made) == self._each and made[0] > now - WAIT_SECONDS


class Accounts:
    """The accounts of one file, read anew whenever it has changed. `clock` gives seconds."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._read: tuple[int, dict[str, Account]] = (-1, {})
        self._names, self._strangers, self._addresses = Guesses(WRONG_EACH), Guesses(WRONG_EACH), Guesses(WRONG_ADDRESS)
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

    def subject(self, name: str, password: str, address: str = "") -> str:
        """Whose password this is, empty for nobody's; `address`: where it comes from, empty where nothing is known.

        Raises:
            RateLimited: too many wrong ones for this name, or from this address, before.

        """
        with self._one:  # one after the other: guesses side by side would all pass before the first counts
            name, now, known = name[:MAX_LENGTH], self._clock(), self._all()
            names = self._names if name in known else self._strangers
            if names.waits(name, now) or (address and self._addresses.waits(address, now)):
                raise RateLimited("too many wrong passwords: wait a minute")
            account = known.get(name, _NOBODY)
            if hmac.compare_digest(_hash(password[:MAX_LENGTH], account.salt), account.hash):
                return account.subject
            names.add(name, now)
            if address:
                self._addresses.add(address, now)
            return ""

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
