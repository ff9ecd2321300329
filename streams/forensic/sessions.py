"""Sessions of browsers, kept on the server: signing out, disabling a person or time ends them at once.

A browser holds a random token and nothing else; here stands its SHA-256. Every sign-in makes a new token, so a token
that somebody planted beforehand is worth nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from infra.postgres import Database
from schemas.topics import MINUTE_MS

SIGN_IN = "/sign-in"
CALLBACK = f"{SIGN_IN}/callback"
"""Where the issuer sends a browser back to."""
SIGN_IN_MS = 10 * MINUTE_MS
SEEN_EVERY_MS = MINUTE_MS // 2
TOKEN_BYTES = 32
MAX_TOKEN, MAX_SIGN_INS = 64, 5000
SESSION = "session"
"""Where a request's state has its session."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in; `csrf`: what a form of this session has to bring along."""

    principal: str
    person: str
    csrf: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in under way (RFC 6749, 7636, OpenID Connect Core 1.0): what the issuer has to give back, and where to go
    on afterwards.
    """

    state: str
    nonce: str
    verifier: str
    target: str


class Sessions:
    """The tables of one authority. A session ends when it wasn't used for `idle_ms`, or is `longest_ms` old."""

    def __init__(self, database: Database, clock: Callable[[], int], idle_ms: int, longest_ms: int) -> None:
        self._database, self._clock, self._idle_ms, self._longest_ms = database, clock, idle_ms, longest_ms

    def begin(self, target: str, address: str) -> tuple[str, SignIn]:
        """Begin a sign-in: the browser's cookie for it, and what goes to the issuer.

        `MAX_SIGN_INS` are under way at most; beyond it the oldest of those `address`es go that began most.
        """
        browser, made = _token(), SignIn(_token(), _token(), _token(), target)
        with self._database.connection() as db:
            db.execute(
                "INSERT INTO sign_ins (browser, state, nonce, verifier, target, ends_ms, address)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (_hash(browser), _hash(made.state), made.nonce, made.verifier, target, self._clock() + SIGN_IN_MS,
                 address),
            )
            db.execute(
                "DELETE FROM sign_ins WHERE ends_ms <= %s OR browser IN (SELECT browser FROM (SELECT browser, ends_ms,"
                " row_number() OVER (PARTITION BY address ORDER BY ends_ms DESC) AS place FROM sign_ins) AS of_address"
                " ORDER BY place, ends_ms DESC OFFSET %s)", (self._clock(), MAX_SIGN_INS),
            )
        return browser, made

    def take(self, browser: str, state: str) -> SignIn | None:
        """The sign-in that this browser began with this state; it can be taken once."""
        with self._database.connection() as db:
            row = db.execute(
                "DELETE FROM sign_ins WHERE browser = %s AND ends_ms > %s RETURNING state, nonce, verifier, target",
                (_hash(browser), self._clock()),
            ).fetchone()
        if row is None or not hmac.compare_digest(bytes(row[0]), _hash(state)):
            return None
        return SignIn(state, *row[1:])

    def create(self, principal: str, instead_of: str = "") -> str:
        """Sign a principal in: a new token; the session of the one before ends."""
        token, now = _token(), self._clock()
        with self._database.connection() as db:
            db.execute("DELETE FROM sessions WHERE token = %s OR made_ms <= %s OR seen_ms <= %s",
                       (_hash(instead_of), now - self._longest_ms, now - self._idle_ms))
            db.execute("INSERT INTO sessions VALUES (%s, %s, %s, %s)", (_hash(token), principal, now, now))
        return token

    def look(self, token: str, *, used: bool = True) -> Session | None:
        """Whose session it is, if it lasts and its person isn't disabled; `used` by somebody, so it lasts on."""
        if not token or len(token) > MAX_TOKEN:
            return None
        now = self._clock()
        with self._database.connection() as db:
            row = db.execute(
                "SELECT s.principal, p.person, s.seen_ms FROM sessions s JOIN principals USING (principal)"
                " JOIN people p USING (person) WHERE s.token = %s AND s.made_ms > %s AND s.seen_ms > %s"
                " AND NOT p.disabled", (_hash(token), now - self._longest_ms, now - self._idle_ms),
            ).fetchone()
            if row is None:
                return None
            if used and now - row[2] > SEEN_EVERY_MS:
                db.execute("UPDATE sessions SET seen_ms = %s WHERE token = %s", (now, _hash(token)))
        return Session(row[0], row[1], csrf_of(token.encode(), "session"))

    def end(self, token: str) -> None:
        """Sign out."""
        with self._database.connection() as db:
            db.execute("DELETE FROM sessions WHERE token = %s", (_hash(token),))


def csrf_of(key: bytes, who: str) -> str:
    """What forms carry: nobody without the key can make it, and it tells nothing about the key."""
    return hmac.new(key, b"csrf " + who.encode(), hashlib.sha256).hexdigest()


def _token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
