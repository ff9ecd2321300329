"""The upload addresses and the readiness of the platforms, as the pipeline knows them. No I/O; times are passed in.

Evidence goes out only after each platform has answered a fresh question with its own signature: the operating platform
and every authority that the deployment names, at the start and again for each new epoch. The old epoch's address
serves, while it holds, until the new one has been answered for.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from operators.sign import SigningKey, check, sign
from schemas.codec import decode, encode, pack, unpack_as
from schemas.errors import BadSignature, MalformedRecord, PlatformNotReady
from schemas.records import Readiness, Signed, UploadAddress
from schemas.topics import evidence_topic
from streams.intake import Identify

ADDRESS = "upload_address"
READINESS = "readiness"
PIPELINE = "pipeline"
OPERATOR = "operator"
FRESH_MS = 60_000
KEY_BYTES = 32


def authority_principal(authority: str) -> str:
    """Who signs for an authority."""
    return f"authority-{authority}"


def open_address(value: bytes, identify: Identify, now_ms: int) -> UploadAddress:
    """A record of `authority.keys.v1`.

    Raises:
        BadSignature: unsigned, or signed by another than the authority it names.
        MalformedRecord, UnknownRecord: not an address, expired, or one that leads elsewhere.

    """
    signed: Signed = unpack_as(ADDRESS, value)
    address = decode(UploadAddress, signed.body)
    principal, public = identify(signed.signer)
    check(signed, ADDRESS, public)
    if principal != authority_principal(address.authority):
        raise BadSignature(f"{principal} signed the upload address of {address.authority}")
    if address.topic != evidence_topic(address.authority) or len(address.public_key) != KEY_BYTES or not address.epoch:
        raise MalformedRecord(f"upload address {address.version} of {address.authority} leads elsewhere")
    if address.expires_ms <= now_ms:
        raise MalformedRecord(f"upload address {address.version} of {address.authority} has expired")
    return address


def question(platform: str, nonce: bytes, epoch: str, now_ms: int, signer: SigningKey) -> bytes:
    """The pipeline's half of the exchange."""
    return _readiness(Readiness(platform, nonce, False, epoch, now_ms), signer)


def answer(value: bytes, principal: str, identify: Identify, now_ms: int, signer: SigningKey) -> bytes | None:
    """The platform's half: None if the record isn't a fresh question of the pipeline to this principal.

    Raises:
        BadSignature, MalformedRecord, UnknownRecord: not what it seems.

    """
    asked, asker = open_readiness(value, identify)
    if asked.answer or asked.platform != principal or abs(now_ms - asked.time_ms) > FRESH_MS:
        return None
    if asker != PIPELINE:
        raise BadSignature(f"{asker} asked in the pipeline's name")
    return _readiness(Readiness(principal, asked.nonce, True, asked.epoch, now_ms), signer)


def open_readiness(value: bytes, identify: Identify) -> tuple[Readiness, str]:
    """A record of `platform.ready.v1` and who signed it; errors as `answer`."""
    signed: Signed = unpack_as(READINESS, value)
    principal, public = identify(signed.signer)
    check(signed, READINESS, public)
    return decode(Readiness, signed.body), principal


def _readiness(body: Readiness, signer: SigningKey) -> bytes:
    return pack(READINESS, sign(encode(body), READINESS, signer))


@dataclass
class AddressBook:
    """Addresses by authority, and which platform has answered for which epoch.

    `entitled`: authority to kinds, as the deployment allows; all of them must be ready. Written by one thread, read by
    several: what is read is replaced whole.
    """

    entitled: Mapping[str, frozenset[str]]
    identify: Identify
    clock_ms: Callable[[], int]
    _known: dict[tuple[str, str], UploadAddress] = field(default_factory=dict)
    _asked: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _answered: frozenset[tuple[str, str]] = frozenset()

    def take_address(self, value: bytes) -> UploadAddress | None:
        """Take in an address; None if it isn't news or of no authority of this deployment. Errors as `open_address`."""
        address = open_address(value, self.identify, self.clock_ms())
        if address.authority not in self.entitled:
            return None
        key = (address.authority, address.epoch)
        if key in self._known and self._known[key].version >= address.version:
            return None
        self._known = {**self._known, key: address}
        # another key or other wishes under the same epoch: to be answered for anew
        self._answered -= {(authority_principal(address.authority), address.epoch)}
        return address

    def take_answer(self, value: bytes) -> str | None:
        """Take in an answer; the platform that is ready by it, None if it answers nothing that was asked.

        Raises:
            BadSignature, MalformedRecord, UnknownRecord: not what it seems.

        """
        body, principal = open_readiness(value, self.identify)
        if not body.answer:
            return None
        if principal != body.platform:
            raise BadSignature(f"{principal} answered for {body.platform}")
        key = (body.platform, body.epoch)
        nonce = self._asked.get(key)
        if nonce is None or not secrets.compare_digest(nonce, body.nonce):
            return None
        del self._asked[key]
        self._answered |= {key}
        return body.platform

    def questions(self, signer: SigningKey) -> tuple[tuple[str, bytes], ...]:
        """(platform, record) of all that has to be asked now; the same nonce until it is answered."""
        now_ms = self.clock_ms()
        due = [key for key in self._wanted() if key not in self._answered]
        self._asked = {key: self._asked.get(key) or secrets.token_bytes(16) for key in due}
        return tuple((p, question(p, nonce, epoch, now_ms, signer)) for (p, epoch), nonce in self._asked.items())

    def missing(self) -> tuple[str, ...]:
        """Platforms without which nothing is processed."""
        operator = [] if any(platform == OPERATOR for platform, _ in self._answered) else [OPERATOR]
        return (*operator, *(authority_principal(name) for name in self.entitled if self._address(name) is None))

    def ready(self) -> bool:
        """Everybody has answered."""
        return not self.missing()

    def address(self, authority: str) -> UploadAddress:
        """The newest address in force whose authority is ready; raises PlatformNotReady if there is none."""
        found = self._address(authority)
        if found is None:
            raise PlatformNotReady(f"authority {authority} has no address in force that it answered for")
        return found

    def routes(self) -> Mapping[str, frozenset[str]]:
        """Authority to kinds: what it wants and is entitled to; raises PlatformNotReady while one isn't ready."""
        return {name: kinds.intersection(self.address(name).kinds) for name, kinds in self.entitled.items()}

    def _in_force(self, authority: str) -> list[UploadAddress]:
        now_ms = self.clock_ms()
        known = (a for a in self._known.values() if a.authority == authority)
        mine = [a for a in known if a.not_before_ms <= now_ms < a.expires_ms]
        return sorted(mine, key=lambda address: address.version, reverse=True)

    def _address(self, authority: str) -> UploadAddress | None:
        principal = authority_principal(authority)
        answered = (a for a in self._in_force(authority) if (principal, a.epoch) in self._answered)
        return next(answered, None)

    def _wanted(self) -> list[tuple[str, str]]:
        newest = {name: self._in_force(name)[:1] for name in self.entitled}
        epochs = sorted({address.epoch for found in newest.values() for address in found})
        asked = [(authority_principal(name), address.epoch) for name, found in newest.items() for address in found]
        return [(OPERATOR, ",".join(epochs)), *asked]
