"""Signing in by OpenID Connect: authorization code with PKCE, by Authlib's parts over our own HTTPS client.

The issuer's metadata and keys are fetched when first needed and kept for an hour; a key that isn't known is looked for
once more, a minute after the last time at the earliest. Checked of an ID token: signature, issuer, audience, expiry,
time of issue, nonce, authorised party, hash of the access token (OpenID Connect Core 1.0, 3.1.3.7).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import encode_client_secret_basic
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from infra.https import HttpsClient
from schemas.errors import AccessDenied, ConfigError, ServiceUnavailable
from streams.forensic.sessions import SignIn

ALGORITHMS = ("ES256", "ES384", "RS256", "PS256", "Ed25519")
KEPT_SECONDS, KEYS_SECONDS = 3600.0, 60.0
LEEWAY_SECONDS, MAX_AGE_SECONDS = 30, 600
MAX_SUBJECT = 120


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """As whom we sign people in: the issuer's address, our id there, the file with our secret, and the CA that the
    issuer's certificate is of (None: the system's).
    """

    issuer: str
    client_id: str
    secret: Path | None = None
    ca: Path | None = None


class OpenIdClient:
    """One issuer, as one client of it; `redirect` is where it sends browsers back to. Safe for several threads."""

    def __init__(self, setup: ClientSetup, clock: Callable[[], float] = time.time) -> None:
        """Read the secret; the issuer needn't be up yet.

        Raises:
            ConfigError: the secret can't be read, or the issuer's address isn't https.

        """
        if not setup.issuer.startswith("https://"):
            raise ConfigError("the issuer's address begins with https://")
        self._setup, self._clock, self.redirect = setup, clock, ""
        try:
            self._secret = setup.secret.read_text().strip() if setup.secret else ""
        except OSError as error:
            raise ConfigError(f"the client's secret {setup.secret} can't be read") from error
        self._metadata: tuple[float, dict[str, Any]] = (0.0, {})
        self._keys: tuple[float, KeySet] = (0.0, KeySet([]))

    @property
    def issuer(self) -> str:
        """The issuer's address, as it names itself."""
        return self._setup.issuer

    def address(self, sign_in: SignIn) -> str:
        """Where to send the browser.

        Raises:
            ServiceUnavailable: the issuer is out of reach.
            AccessDenied: it isn't the one it should be.

        """
        return cast(str, add_params_to_uri(self._about()["authorization_endpoint"], {
            "response_type": "code", "client_id": self._setup.client_id, "redirect_uri": self.redirect,
            "scope": "openid", "state": sign_in.state, "nonce": sign_in.nonce,
            "code_challenge": create_s256_code_challenge(sign_in.verifier), "code_challenge_method": "S256",
        }))

    def subject(self, code: str, sign_in: SignIn, issuer: str = "") -> str:
        """Whom the issuer vouches for, by the code it gave the browser; `issuer`: as the answer named it (RFC 9207).

        Raises:
            ServiceUnavailable: the issuer is out of reach.
            AccessDenied: the code or the token doesn't hold.

        """
        if issuer and issuer != self._setup.issuer:
            raise AccessDenied("the answer is of another issuer")
        body = urlencode({
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect,
            "code_verifier": sign_in.verifier, "client_id": self._setup.client_id,
        })
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._secret:
            encode_client_secret_basic(_Basic(self._setup.client_id, self._secret), "POST", "", headers, body)
        said = self._fetch("POST", self._about()["token_endpoint"], content=body.encode(), headers=headers)
        token, access = said.get("id_token"), said.get("access_token")
        if not isinstance(token, str):
            raise AccessDenied("the issuer gave no ID token for this code")
        return self.checked(token, sign_in.nonce, access if isinstance(access, str) else "")

    def checked(self, token: str, nonce: str, access_token: str = "") -> str:
        """The subject of an ID token that was issued to us, now, for this nonce.

        Raises:
            AccessDenied: it doesn't hold.
            ServiceUnavailable: the issuer's keys are out of reach.

        """
        now = int(self._clock())
        try:
            found = jwt.decode(token, self._key_set(token), algorithms=list(ALGORITHMS))
            claims = CodeIDToken(
                found.claims, found.header,
                {"iss": {"essential": True, "value": self._setup.issuer},
                 "aud": {"essential": True, "value": self._setup.client_id},
                 "sub": {"essential": True}, "nonce": {"essential": True, "value": nonce}},
                {"nonce": nonce, "client_id": self._setup.client_id, "access_token": access_token},
            )
            claims.validate(now, LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise AccessDenied("the ID token doesn't hold") from error
        subject, issued = claims["sub"], claims["iat"]
        if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= MAX_SUBJECT:
            raise AccessDenied("the ID token names nobody")
        if not nonce or not now - MAX_AGE_SECONDS <= issued <= now + LEEWAY_SECONDS:
            raise AccessDenied("the ID token wasn't issued just now")
        return subject

    def _key_set(self, token: str) -> KeySet:
        kid = jws.extract_compact(token.encode("ascii", "replace")).headers().get("kid")
        at, keys = self._keys
        known = any(key.kid == kid for key in keys.keys)
        age = self._clock() - at
        if age > KEPT_SECONDS or (not known and age > KEYS_SECONDS):
            keys = KeySet.import_key_set(cast(Any, self._fetch("GET", self._about()["jwks_uri"])))
            self._keys = (self._clock(), keys)
        return keys

    def _about(self) -> dict[str, Any]:
        at, found = self._metadata
        if not found or self._clock() - at > KEPT_SECONDS:
            found = OpenIDProviderMetadata(self._fetch("GET", get_well_known_url(self._setup.issuer, external=True)))
            if found.get("issuer") != self._setup.issuer:
                raise AccessDenied("the issuer names itself otherwise than the settings")
            try:
                found.validate()
            except ValueError as error:
                raise AccessDenied("the issuer's metadata don't hold") from error
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if urlsplit(str(found.get(name))).scheme != "https":
                    raise AccessDenied(f"the issuer's {name} isn't https")
            self._metadata = (self._clock(), found)
        return found

    def _fetch(
        self, method: str, url: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        place = urlsplit(url)
        with HttpsClient(f"https://{place.netloc}", None, ca=self._setup.ca, seconds=10.0) as client:
            answer = client.request(
                method, place.path + (f"?{place.query}" if place.query else ""), content=content, headers=headers
            )
        if answer.status_code != 200:
            raise AccessDenied("the issuer refused")
        try:
            found = answer.json()
        except ValueError as error:
            raise ServiceUnavailable("the issuer doesn't answer in JSON") from error
        if not isinstance(found, dict):
            raise ServiceUnavailable("the issuer doesn't answer in JSON")
        return found


@dataclass(frozen=True, slots=True)
class _Basic:
    """A client as Authlib's encoder reads it."""

    client_id: str
    client_secret: str
