from __future__ import annotations

from dataclasses import replace

import pytest

from operators.sign import SigningKey, sign
from schemas.codec import encode, pack
from schemas.errors import BadSignature, IntegrityError, MalformedRecord, PlatformNotReady, PoisonError
from schemas.records import UploadAddress
from schemas.topics import evidence_topic
from streams.addresses import FRESH_MS, AddressBook, answer, authority_principal, question

KEYS = {name: SigningKey(bytes([n]) * 32) for n, name in enumerate(
    ("pipeline", "operator", "authority-faces", "authority-plates", "stranger"), 1)}
ENTITLED = {"faces": frozenset({"face", "head"}), "plates": frozenset({"plate"})}
NOW = 1_000_000


def identify(signer: bytes) -> tuple[str, bytes]:
    for name, key in KEYS.items():
        if key.public == signer:
            return name, signer
    raise BadSignature("a signer that nobody knows")


class Clock:
    now_ms = NOW

    def __call__(self) -> int:
        return self.now_ms


def book(clock: Clock | None = None) -> AddressBook:
    return AddressBook(ENTITLED, identify, clock or Clock())


def address(authority: str = "faces", epoch: str = "one", **changes: object) -> UploadAddress:
    made = UploadAddress(authority, 1, evidence_topic(authority), ("face",), epoch, bytes(32), NOW - 10, NOW + 1000)
    return replace(made, **changes)  # type: ignore[arg-type]


def published(body: UploadAddress, signer: str = "") -> bytes:
    key = KEYS[signer or authority_principal(body.authority)]
    return pack("upload_address", sign(encode(body), "upload_address", key))


def exchange(made: AddressBook, *silent: str) -> None:
    for platform, record in made.questions(KEYS["pipeline"]):
        if platform not in silent:
            reply = answer(record, platform, identify, made.clock_ms(), KEYS[platform])
            assert reply is not None
            assert made.take_answer(reply) == platform


def ready_book(clock: Clock | None = None) -> AddressBook:
    made = book(clock)
    made.take_address(published(address()))
    made.take_address(published(address("plates", kinds=("plate",))))
    exchange(made)
    return made


def test_book_is_ready_once_all_platforms_answered() -> None:
    made = book()
    assert made.missing() == ("operator", "authority-faces", "authority-plates")
    made.take_address(published(address()))
    exchange(made)
    assert made.missing() == ("authority-plates",)
    with pytest.raises(PlatformNotReady):
        made.routes()
    made.take_address(published(address("plates", kinds=("plate",))))
    exchange(made)
    assert made.ready()
    assert made.routes() == {"faces": frozenset({"face"}), "plates": frozenset({"plate"})}


def test_authority_gets_no_more_than_it_is_entitled_to() -> None:
    made = ready_book()
    made.take_address(published(address(version=2, kinds=("face", "plate"))))
    exchange(made)
    assert made.routes()["faces"] == frozenset({"face"})


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (published(address(), "stranger"), BadSignature),
        (published(address(), "authority-plates"), BadSignature),
        (published(address(expires_ms=NOW)), MalformedRecord),
        (published(address(topic="authority.plates.evidence.v1")), MalformedRecord),
        (published(address(public_key=b"short")), MalformedRecord),
        (published(address(epoch="")), MalformedRecord),
        (b"", PoisonError),
        (published(address())[:-5], PoisonError),
    ],
    ids=["stranger", "other authority", "expired", "elsewhere", "short key", "no epoch", "empty", "cut"],
)
def test_address_that_does_not_hold_is_refused(record: bytes, error: type[Exception]) -> None:
    made = book()
    with pytest.raises(error):
        made.take_address(record)
    assert not made.questions(KEYS["pipeline"])[1:]


def test_unsigned_address_is_refused() -> None:
    signed = sign(encode(address()), "upload_address", KEYS["authority-faces"])
    for changed in (replace(signed, signature=b""), replace(signed, signature=bytes(64))):
        with pytest.raises(IntegrityError):
            book().take_address(pack("upload_address", changed))


def test_older_version_of_an_address_changes_nothing() -> None:
    made = ready_book()
    made.take_address(published(address(version=3, public_key=b"n" * 32)))
    exchange(made)
    assert made.take_address(published(address(version=2))) is None
    assert made.address("faces").public_key == b"n" * 32


def test_expired_address_stops_the_authority() -> None:
    clock = Clock()
    made = ready_book(clock)
    clock.now_ms = NOW + 1000
    assert made.missing() == ("authority-faces", "authority-plates")


def test_old_epoch_serves_until_the_new_one_is_answered_for() -> None:
    clock = Clock()
    made = ready_book(clock)
    made.take_address(published(address(epoch="two", version=2, not_before_ms=NOW + 100, expires_ms=NOW + 5000)))
    assert [platform for platform, _ in made.questions(KEYS["pipeline"])] == []
    clock.now_ms = NOW + 100
    exchange(made, "authority-faces")
    assert made.address("faces").epoch == "one"
    exchange(made)
    assert made.address("faces").epoch == "two"
    assert made.ready()


def test_changed_key_of_an_epoch_is_to_be_answered_for_anew() -> None:
    made = ready_book()
    made.take_address(published(address(version=2, public_key=b"n" * 32)))
    assert made.missing() == ("authority-faces",)


@pytest.mark.parametrize("signer", ["stranger", "authority-plates"])
def test_answer_in_anothers_name_is_refused(signer: str) -> None:
    made = book()
    made.take_address(published(address()))
    asked = dict(made.questions(KEYS["pipeline"]))["authority-faces"]
    forged = answer(asked, "authority-faces", identify, NOW, KEYS[signer])
    assert forged is not None
    with pytest.raises(BadSignature):
        made.take_answer(forged)
    assert "authority-faces" in made.missing()


def test_answer_to_another_question_or_a_second_time_counts_nothing() -> None:
    made, other = book(), book()
    for one in (made, other):
        one.take_address(published(address()))
    asked = dict(other.questions(KEYS["pipeline"]))["operator"]
    made.questions(KEYS["pipeline"])
    reply = answer(asked, "operator", identify, NOW, KEYS["operator"])
    assert reply is not None
    assert made.take_answer(reply) is None
    assert other.take_answer(reply) == "operator"
    assert other.take_answer(reply) is None


def test_question_is_answered_by_the_one_it_is_for_while_fresh() -> None:
    asked = question("operator", b"n" * 16, "one", NOW, KEYS["pipeline"])
    assert answer(asked, "authority-faces", identify, NOW, KEYS["authority-faces"]) is None
    assert answer(asked, "operator", identify, NOW + FRESH_MS + 1, KEYS["operator"]) is None
    with pytest.raises(BadSignature):
        answer(question("operator", b"n" * 16, "one", NOW, KEYS["stranger"]), "operator", identify, NOW,
               KEYS["operator"])
