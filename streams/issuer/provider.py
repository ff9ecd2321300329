"""What the issuer decides, without HTTP: requests for a sign-in, codes, ID tokens (OpenID Connect Core 1.0, 3.1).

One way alone: authorization code with PKCE by S256 (RFC 7636), for one client with a secret and exact redirect
addresses. Codes hold a minute and once; the signing key is made at the start and lives in memory only.

Anybody can begin a sign-in, so an address has 50 under way at most and all together 1,000: the oldest one of the same
address, or of the one with the most, goes first.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.jwk import RSAKey

from schemas.errors import AccessDenied, UsageError

ALGORITHM = "RS256"
REQUEST_SECONDS, CODE_SECONDS, TOKEN_SECONDS = 600.0, 60.0, 300
KEY_BITS = 2048
MAX_PENDING, PENDING_EACH = 1000, 50
MAX_FIELD = 512


@dataclass(frozen=True, slots=True)
class Client:
    """Who lets people sign in here: one client, with the addresses of all its services."""

    name: str
    secret: str
    redirects: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a sign-in, and from when on it is over."""

    client: str
    redirect: str
    state: str
    nonce: str
    challenge: str
    ends: float
    address: str


class Provider:
    """One issuer; `clock` gives seconds since 1970."""

    def __init__(self, issuer: str, client: Client, clock: Callable[[], float]) -> None:
        self.issuer, self.client, self._clock = issuer, client, clock
        self._key = RSAKey.generate_key(KEY_BITS, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        self._one = threading.Lock()
        self._pending: dict[str, Asked] = {}
        self._codes: dict[str, tuple[Asked, str, float]] = {}

    def metadata(self) -> dict[str, Any]:
        """What discovery says (OpenID Connect Discovery 1.0)."""
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"], "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM], "scopes_supported": ["openid"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"], "claims_supported": ["sub"],
            "authorization_response_iss_parameter_supported": True,
        }

    def keys(self) -> dict[str, Any]:
        """The public key that ID tokens are checked by."""
        return {"keys": [self._key.as_dict(private=False)]}

    def ask(self, fields: Mapping[str, str], browser: str, address: str) -> tuple[str, str]:
        """Take a request for a sign-in, bound to a browser; its id for the form, and where it leads back to.

        `address`: under what requests that come from there are counted.

        Raises:
            UsageError: a strange client or address, or anything but a code by S256; nobody is sent anywhere then.

        """
        redirect = fields.get("redirect_uri", "")
        if fields.get("client_id") != self.client.name or redirect not in self.client.redirects:
            raise UsageError("no such client, or not its address")
        if any(len(value) > MAX_FIELD for value in fields.values()):
            raise UsageError("a field is too long")
        code = fields.get("response_type") == "code" and "openid" in fields.get("scope", "").split()
        challenge, state, nonce = (fields.get(name, "") for name in ("code_challenge", "state", "nonce"))
        if not code or fields.get("code_challenge_method") != "S256" or not (challenge and state and nonce):
            raise UsageError("only a code, with scope openid, state, nonce and a challenge by S256, is given here")
        asked = Asked(self.client.name, redirect, state, nonce, challenge, self._clock() + REQUEST_SECONDS, address)
        request = secrets.token_urlsafe(32)
        with self._one:
            self._forget(address)
            self._pending[_bound(request, browser)] = asked
        return request, redirect

    def redirect_of(self, request: str, browser: str) -> str:
        """Where a request leads back to.

        Raises:
            UsageError: it is over, or not of this browser.

        """
        return self._asked(request, browser).redirect

    def answer(self, request: str, browser: str, subject: str) -> str:
        """Where to send the browser with a code for this subject; errors as `redirect_of`."""
        with self._one:
            asked, code = self._asked(request, browser), secrets.token_urlsafe(32)
            del self._pending[_bound(request, browser)]
        now = self._clock()
        self._codes = {key: value for key, value in self._codes.items() if value[2] > now}
        self._codes[code] = (asked, subject, now + CODE_SECONDS)
        return f"{asked.redirect}?{urlencode({'code': code, 'state': asked.state, 'iss': self.issuer})}"

    def token(self, fields: Mapping[str, str], name: str, secret: str) -> dict[str, Any]:
        """Tokens for a code.

        Raises:
            AccessDenied: another client, a code that is over or was used, another address or verifier.

        """
        known = hmac.compare_digest(name.encode(), self.client.name.encode())
        if not hmac.compare_digest(secret.encode(), self.client.secret.encode()) or not known:
            raise AccessDenied("invalid_client")
        asked, subject, ends = self._codes.pop(fields.get("code", ""), (None, "", 0.0))
        if asked is None or self._clock() >= ends:
            raise AccessDenied("invalid_grant")
        challenge = create_s256_code_challenge(fields.get("code_verifier", ""))
        same = hmac.compare_digest(challenge.encode(), asked.challenge.encode())
        if fields.get("grant_type") != "authorization_code" or fields.get("redirect_uri") != asked.redirect or not same:
            raise AccessDenied("invalid_grant")
        now, access = int(self._clock()), secrets.token_urlsafe(32)
        claims = {
            "iss": self.issuer, "sub": subject, "aud": self.client.name, "azp": self.client.name, "iat": now,
            "exp": now + TOKEN_SECONDS, "auth_time": now, "nonce": asked.nonce,
            "at_hash": create_half_hash(access, ALGORITHM).decode(),
        }
        signed = jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, claims, self._key, algorithms=[ALGORITHM])
        return {"access_token": access, "token_type": "Bearer", "expires_in": TOKEN_SECONDS, "id_token": signed}

    def _asked(self, request: str, browser: str) -> Asked:
        asked = self._pending.get(_bound(request, browser))
        if asked is None or self._clock() > asked.ends:
            raise UsageError("this sign-in is over, or was begun elsewhere: begin it again")
        return asked

    def _forget(self, address: str) -> None:
        """Drop what is over, and make room for one more of this address."""
        now = self._clock()
        self._pending = {key: value for key, value in self._pending.items() if value.ends > now}
        held = Counter(value.address for value in self._pending.values())
        crowd = address if held[address] >= PENDING_EACH else max(held, key=held.__getitem__, default="")
        if held[address] >= PENDING_EACH or len(self._pending) >= MAX_PENDING:
            del self._pending[next(key for key, value in self._pending.items() if value.address == crowd)]


def _bound(request: str, browser: str) -> str:
    """A request by its id and the browser that it was begun in."""
    return hashlib.sha256(f"{request} {browser}".encode("utf-8", "replace")).hexdigest()
