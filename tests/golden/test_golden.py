from __future__ import annotations

import pytest

from operators.seal import Identity, TrackKeys, unseal
from operators.sign import SigningKey, check, sign
from schemas.codec import decode, unpack
from schemas.errors import DamagedEnvelope, MalformedRecord, SealframeError, UnknownRecord
from schemas.records import AssociatedData, Envelope, Signed, Wrap
from tests.golden.records import BODIES, FOLDER, TOPIC_RECORDS, written


def test_golden_files_are_complete_and_nothing_else() -> None:
    assert {path.name for path in FOLDER.glob("*.bin")} == set(written())


@pytest.mark.parametrize("kind", sorted(TOPIC_RECORDS))
def test_golden_record_decodes_to_the_same_value(kind: str) -> None:
    record = unpack((FOLDER / f"record_{kind}.bin").read_bytes())
    assert (record.kind, record.value) == (kind, TOPIC_RECORDS[kind])


@pytest.mark.parametrize("name", sorted(BODIES))
def test_golden_body_decodes_to_the_same_value(name: str) -> None:
    assert decode(type(BODIES[name]), (FOLDER / f"body_{name}.bin").read_bytes()) == BODIES[name]


@pytest.mark.parametrize("name", sorted(written()))
def test_encoding_is_stable(name: str) -> None:
    assert written()[name] == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("kind", sorted(TOPIC_RECORDS))
def test_truncated_record_raises_or_differs(kind: str) -> None:
    data = (FOLDER / f"record_{kind}.bin").read_bytes()
    for size in range(len(data)):
        try:
            assert unpack(data[:size]).value != TOPIC_RECORDS[kind]
        except SealframeError as error:
            assert isinstance(error, MalformedRecord | UnknownRecord)


def test_unknown_version_and_type_raise() -> None:
    with pytest.raises(UnknownRecord):
        unpack(b"\x08\x02" + (FOLDER / "record_alarm.bin").read_bytes()[2:])
    with pytest.raises(UnknownRecord):
        unpack(b"\x08\x01\xfa\x07\x00")


# A sealed message, made once: it must open for ever.
IDENTITY = Identity(bytes(range(32)))
AAD = AssociatedData("frames.raw.v1", "raw", "gate-1", "gate-1-video", 3)
PLAINTEXT = b"the quick brown fox"
TRACK_KEYS = (b"a" * 32, b"b" * 32)


def _vector(name: str) -> list[bytes]:
    return [bytes.fromhex(line) for line in (FOLDER / name).read_text().split()]


def _envelope() -> Envelope:
    nonce, ciphertext, recipient, encapsulated, wrapped = _vector("sealed.txt")
    return Envelope(nonce, ciphertext, (Wrap(recipient, encapsulated, wrapped),))


def test_sealed_vector_opens() -> None:
    assert unseal(_envelope(), [IDENTITY], AAD) == PLAINTEXT


def test_track_key_vector_opens() -> None:
    nonce, wrapped = _vector("track_wrap.txt")
    assert unseal(_envelope(), [TrackKeys(Wrap(b"tracks", nonce, wrapped), TRACK_KEYS)], AAD) == PLAINTEXT
    with pytest.raises(DamagedEnvelope):
        unseal(_envelope(), [TrackKeys(Wrap(b"tracks", nonce, wrapped), TRACK_KEYS[:1])], AAD)


def test_signature_vector_is_stable() -> None:
    key = SigningKey(bytes(range(32)))
    (signature,) = _vector("signature.txt")
    assert sign(b"body", "operator", key) == Signed(b"body", key.public, signature)
    assert check(Signed(b"body", b"", signature), "operator", key.public) == b"body"


def test_masks_vector_unpacks() -> None:
    from fractions import Fraction

    from operators.masks import unpack_masks
    from schemas.frames import VideoFormat

    (packed,) = _vector("masks.txt")
    masks = unpack_masks(packed, 3, VideoFormat(50, 34, Fraction(1, 25)))
    assert [mask.tolist() for mask in masks] == [
        [[False] * 4] * 3, [[True] * 4] * 3, [[False, True, False, False], [False] * 4, [False] * 4]
    ]
