from __future__ import annotations

from dataclasses import replace

import pytest

from operators.seal import Identity, TrackKeys, key_id, opened, seal, unseal
from operators.sign import SigningKey, check, check_media, digest, sign
from schemas.errors import BadSignature, DamagedEnvelope, DigestMismatch, NotForMe, UsageError
from schemas.records import AssociatedData, Envelope, Wrap

ALICE, BOB, EVE = (Identity(bytes([i]) * 32) for i in (1, 2, 3))
AAD = AssociatedData("topic", "piece", "cam", "video", 5, b"d" * 32, 1, ("face",), (), "epoch")
PLAIN = bytes(range(200))
SEALED = seal(PLAIN, [ALICE.public, BOB.public], AAD)


def _flipped(data: bytes, i: int) -> bytes:
    return data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]


@pytest.mark.parametrize("who", [ALICE, BOB])
def test_unseal_each_recipient_gets_the_plaintext(who: Identity) -> None:
    assert unseal(SEALED, [EVE, who], AAD) == PLAIN


def test_unseal_another_identity_is_not_for_me() -> None:
    with pytest.raises(NotForMe):
        unseal(SEALED, [EVE], AAD)


def test_seal_without_recipients_is_wrong_use() -> None:
    with pytest.raises(UsageError):
        seal(PLAIN, [], AAD)


def test_seal_the_same_twice_shares_nothing() -> None:
    again = seal(PLAIN, [ALICE.public], AAD)
    assert again.nonce != SEALED.nonce and again.ciphertext != SEALED.ciphertext


def test_unseal_every_flipped_byte_of_ciphertext_and_nonce_is_damaged() -> None:
    for i in range(len(SEALED.ciphertext)):
        with pytest.raises(DamagedEnvelope):
            unseal(replace(SEALED, ciphertext=_flipped(SEALED.ciphertext, i)), [ALICE], AAD)
    for i in range(len(SEALED.nonce)):
        with pytest.raises(DamagedEnvelope):
            unseal(replace(SEALED, nonce=_flipped(SEALED.nonce, i)), [ALICE], AAD)


def test_unseal_every_flipped_byte_of_the_wrap_is_refused() -> None:
    wrap = next(w for w in SEALED.wraps if w.recipient == key_id(ALICE.public))
    other = next(w for w in SEALED.wraps if w is not wrap)
    for name in ("recipient", "encapsulated", "wrapped_key"):
        value = getattr(wrap, name)
        for i in range(len(value)):
            bad = replace(wrap, **{name: _flipped(value, i)})
            with pytest.raises((DamagedEnvelope, NotForMe)):
                unseal(replace(SEALED, wraps=(bad, other)), [ALICE], AAD)


@pytest.mark.parametrize("size", range(0, len(SEALED.ciphertext), 7))
def test_unseal_truncated_is_damaged(size: int) -> None:
    with pytest.raises(DamagedEnvelope):
        unseal(replace(SEALED, ciphertext=SEALED.ciphertext[:size]), [ALICE], AAD)


def test_unseal_with_a_wrap_taken_away_is_damaged() -> None:
    mine = tuple(w for w in SEALED.wraps if w.recipient == key_id(ALICE.public))
    with pytest.raises(DamagedEnvelope):
        unseal(replace(SEALED, wraps=mine), [ALICE], AAD)


@pytest.mark.parametrize("change", [
    {"topic": "other"}, {"type": "mapping"}, {"camera_id": "x"}, {"video_id": "x"}, {"chunk_seq": 6},
    {"operator_digest": b"e" * 32}, {"part": 2}, {"kinds": ("plate",)}, {"epoch": "x"}, {"version": 2},
])
def test_unseal_with_other_associated_data_is_damaged(change: dict[str, object]) -> None:
    with pytest.raises(DamagedEnvelope):
        unseal(SEALED, [ALICE], replace(AAD, **change))  # type: ignore[arg-type]


def test_a_wrap_for_tracks_opens_with_all_their_keys_only() -> None:
    keys = (b"1" * 32, b"2" * 32)
    wrap = opened(SEALED, [ALICE], AAD).wrap(keys)
    assert unseal(SEALED, [TrackKeys(wrap, keys[::-1])], AAD) == PLAIN
    for few in (keys[:1], keys[1:], (*keys, b"3" * 32)):
        with pytest.raises(DamagedEnvelope):
            unseal(SEALED, [TrackKeys(wrap, few)], AAD)


def test_a_damaged_envelope_is_not_wrapped_again() -> None:
    bad = Envelope(SEALED.nonce, _flipped(SEALED.ciphertext, 0), SEALED.wraps)
    with pytest.raises(DamagedEnvelope):
        opened(bad, [ALICE], AAD).wrap([b"1" * 32])


def test_a_wrap_for_no_tracks_is_refused() -> None:
    with pytest.raises(UsageError):
        opened(SEALED, [ALICE], AAD).wrap([])


def test_identity_and_track_keys_never_print_secrets() -> None:
    text = repr(ALICE) + repr(TrackKeys(Wrap(b"", b"", b""), (b"secret" * 5,))) + repr(SigningKey(b"secret" * 5))
    assert "secret" not in text and repr(ALICE.private) not in text


KEY = SigningKey(b"k" * 32)


def test_check_signed_body_returns_it() -> None:
    assert check(sign(b"body", "operator", KEY), "operator", KEY.public) == b"body"


@pytest.mark.parametrize(("record_type", "public", "change"), [
    ("evidence", KEY.public, {}),
    ("operator", SigningKey(b"x" * 32).public, {}),
    ("operator", b"short", {}),
    ("operator", KEY.public, {"body": b"bodz"}),
    ("operator", KEY.public, {"signature": b"\0" * 64}),
    ("operator", KEY.public, {"signature": b""}),
])
def test_check_anything_else_is_a_bad_signature(record_type: str, public: bytes, change: dict[str, bytes]) -> None:
    with pytest.raises(BadSignature):
        check(replace(sign(b"body", "operator", KEY), **change), record_type, public)


def test_check_media_of_other_bytes_is_a_mismatch() -> None:
    assert check_media(b"m", digest(b"m"), "here") == b"m"
    with pytest.raises(DigestMismatch):
        check_media(b"n", digest(b"m"), "here")
