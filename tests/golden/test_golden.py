from __future__ import annotations

import base64
import json

import pytest

from operators.note import Checkpoint, check_checkpoint, key_id, sign_checkpoint
from operators.seal import Identity, TrackKeys, unseal
from operators.sign import SigningKey, check, check_text, sign
from schemas.codec import decode, unpack
from schemas.errors import BadSignature, DamagedEnvelope, MalformedRecord, SealframeError, UnknownRecord
from schemas.records import AssociatedData, Envelope, Signed, Wrap
from streams.forensic.manifest import SUFFIX, verify_restoration
from streams.forensic.proofs import Consistency, check_consistency, read_proof
from tests.golden.records import BODIES, FOLDER, TOPIC_RECORDS, written
from tests.support.authority import identify_at


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


# The example of golang.org/x/mod/sumdb/note, which C2SP's signed-note describes.
NOTE = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE_KEY = bytes.fromhex("1a5cd907143c384c41e830c5bce12aa8817ec5649aaabf2c31388b35b2d744d6")
NOTE_LINE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_signed_note_of_another_implementation_holds() -> None:
    line = base64.b64decode(NOTE_LINE)
    assert key_id("PeterNeumann", NOTE_KEY) == line[:4] == bytes.fromhex("c74f20a3")
    check_text(NOTE, line[4:], NOTE_KEY)
    with pytest.raises(BadSignature):
        check_text(NOTE[:-1], line[4:], NOTE_KEY)


CHECKPOINT = Checkpoint("sealframe-log/authority-city-faces", 6, bytes(range(32)), 1_700_000_000_000)


def test_checkpoint_vector_is_stable() -> None:
    key, note = SigningKey(bytes(range(32))), (FOLDER / "checkpoint.txt").read_text()
    assert sign_checkpoint(CHECKPOINT, key) == note
    cosigned = note + "\u2014 witness.example/one AAAAAAAA\n"
    assert check_checkpoint(note, key.public) == check_checkpoint(cosigned, key.public) == CHECKPOINT
    with pytest.raises(BadSignature):
        check_checkpoint(note, SigningKey(b"k" * 32).public)


def test_restoration_and_proofs_of_version_1_hold_for_ever() -> None:
    """Made once by test keys: a restored video of one chunk, a proof in its manifest, and one that a log only grew."""
    file = FOLDER / "restored.mp4"
    found = verify_restoration(file, FOLDER / f"restored.mp4{SUFFIX}", identify_at)
    assert (found.body["frames"], found.body["watermark"], found.body["person"]) == (10, "burnt", "inspector")
    proof = read_proof(json.loads((FOLDER / "log_consistency.json").read_text()))
    assert isinstance(proof, Consistency)
    old, new = check_consistency(proof, identify_at)
    assert 0 < old.size < new.size


def test_checkpoint_with_any_byte_changed_or_cut_is_refused() -> None:
    key, note = SigningKey(bytes(range(32))), (FOLDER / "checkpoint.txt").read_bytes()
    changed = [note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :] for at in range(len(note))]
    for damaged in (*changed, *(note[:size] for size in range(len(note)))):
        with pytest.raises((BadSignature, MalformedRecord)):
            check_checkpoint(damaged.decode("utf-8", "replace"), key.public)


def test_masks_vector_unpacks() -> None:
    from fractions import Fraction

    from operators.masks import unpack_masks
    from schemas.frames import VideoFormat

    (packed,) = _vector("masks.txt")
    masks = unpack_masks(packed, 3, VideoFormat(50, 34, Fraction(1, 25)))
    assert [mask.tolist() for mask in masks] == [
        [[False] * 4] * 3, [[True] * 4] * 3, [[False, True, False, False], [False] * 4, [False] * 4]
    ]
