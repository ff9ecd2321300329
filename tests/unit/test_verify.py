"""The records of a video: each fault has its own error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from operators.sign import SigningKey
from schemas.errors import (
    BadSignature,
    ChainBroken,
    DigestMismatch,
    MissingChunk,
    MissingEnd,
    MissingEvidence,
    SealframeError,
)
from schemas.records import EvidenceCount, OperatorRecord
from streams.verify import check_chain, check_evidence, check_record, expected_evidence, verify_video
from tests.support.operator_video import FRAMES, identify, rewritten, video

POLICE = {0: [("police", 2)], 2: [("police", 3), ("traffic", 1)], 3: [("police", 1)]}
# 0 start, 1..5 chunks 0..4, 6 end
WHOLE = video(5, evidence=POLICE).records
HEADED = video(5, heads=[1, 4], end=False).records
STRANGER = SigningKey(bytes(32))


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _changed_media(records: Sequence[OperatorRecord], index: int) -> tuple[OperatorRecord, ...]:
    record = records[index]
    return (*records[:index], replace(record, media=_flip(record.media, 100)), *records[index + 1 :])


def _changed_body(records: Sequence[OperatorRecord], index: int) -> tuple[OperatorRecord, ...]:
    record = records[index]
    changed = replace(record, signed=replace(record.signed, body=_flip(record.signed.body, 20)))
    return (*records[:index], changed, *records[index + 1 :])


def _put(index: int, **fields: object) -> Callable[[], Sequence[OperatorRecord]]:
    return lambda: (*WHOLE[:index], rewritten(WHOLE[index], **fields), *WHOLE[index + 1 :])


def test_whole_video_is_accepted():
    chain = verify_video(WHOLE, identify)
    assert (chain.next_seq, chain.frames, chain.covered) == (5, 25, 5)
    assert chain.evidence == (EvidenceCount("police", 6, 4), EvidenceCount("traffic", 1, 3))


def test_video_without_chunks_is_accepted():
    assert verify_video(video(0).records, identify).frames == 0


def test_video_with_head_over_its_tail_is_accepted():
    chain = verify_video(HEADED, identify)
    assert chain.end is None and chain.covered == 5


FAULTS: dict[str, tuple[Callable[[], Sequence[OperatorRecord]], type[SealframeError]]] = {
    "chunk body changed": (lambda: _changed_body(WHOLE, 3), BadSignature),
    "chunk signed by a stranger": (_put(3, key=STRANGER), BadSignature),
    "start signed by a stranger": (_put(0, key=STRANGER), BadSignature),
    "chunk media changed": (lambda: _changed_media(WHOLE, 3), DigestMismatch),
    "start media changed": (lambda: _changed_media(WHOLE, 0), DigestMismatch),
    "end with media": (lambda: (*WHOLE[:-1], replace(WHOLE[-1], media=b"x")), DigestMismatch),
    "media of two chunks swapped": (
        lambda: (
            *WHOLE[:2], replace(WHOLE[2], media=WHOLE[3].media), replace(WHOLE[3], media=WHOLE[2].media), *WHOLE[4:],
        ),
        DigestMismatch,
    ),
    "media bytes wrong": (_put(2, media_bytes=7), DigestMismatch),
    "chunks swapped": (lambda: (*WHOLE[:2], WHOLE[3], WHOLE[2], *WHOLE[4:]), ChainBroken),
    "chunk twice": (lambda: (*WHOLE[:3], *WHOLE[2:]), ChainBroken),
    "first chunk dropped": (lambda: (*WHOLE[:1], *WHOLE[2:]), MissingChunk),
    "middle chunk dropped": (lambda: (*WHOLE[:3], *WHOLE[4:]), MissingChunk),
    "last chunk dropped": (lambda: (*WHOLE[:5], WHOLE[6]), MissingChunk),
    "last chunk dropped under a head": (lambda: (*HEADED[:-2], HEADED[-1]), MissingChunk),
    "everything dropped": (lambda: (), MissingChunk),
    "start dropped": (lambda: WHOLE[1:], ChainBroken),
    "end dropped": (lambda: WHOLE[:-1], MissingEnd),
    "end and last chunk dropped": (lambda: WHOLE[:-2], MissingEnd),
    "tail behind the last head": (lambda: HEADED[:-1], MissingEnd),
    "start alone": (lambda: WHOLE[:1], MissingEnd),
    "chunk of another video": (lambda: (*WHOLE[:3], video(5, seed=3).records[3], *WHOLE[4:]), ChainBroken),
    "chunk of another camera": (_put(3, camera_id="cam-9"), ChainBroken),
    "chunk after another version of the one before": (_put(2, method="blur"), ChainBroken),
    "record after the end": (lambda: (*WHOLE, video(5, heads=[4]).records[6]), ChainBroken),
    "frames skipped": (_put(5, first_frame=21), ChainBroken),
    "no frames": (_put(5, pts=()), ChainBroken),
    "counter of one authority twice": (_put(1, evidence=(EvidenceCount("a", 1, 0),) * 2), ChainBroken),
    "counter jumps back": (_put(4, evidence=(EvidenceCount("police", 1, 1),)), ChainBroken),
    "counter of a chunk that isn't": (_put(1, evidence=(EvidenceCount("police", 1, 1),)), ChainBroken),
    "end with fewer chunks": (_put(6, chunks=4), ChainBroken),
    "end with other frames": (_put(6, frames=24), ChainBroken),
    "end with another digest": (_put(6, digest=bytes(32)), ChainBroken),
    "end with fewer parts": (
        _put(6, evidence=(EvidenceCount("police", 5, 4), EvidenceCount("traffic", 1, 3))), ChainBroken,
    ),
    "head with another digest": (
        lambda: (*HEADED[:3], rewritten(HEADED[3], digest=bytes(32)), *HEADED[4:]), ChainBroken,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_video_with_a_fault_raises_its_own_error(fault):
    records, error = FAULTS[fault]
    with pytest.raises(error) as raised:
        verify_video(records(), identify)
    assert type(raised.value) is error


def test_live_video_needs_no_end_yet():
    assert verify_video(WHOLE[:4], identify, live=True).next_seq == 3
    assert verify_video(WHOLE[:1], identify, live=True).next_seq == 0


def test_kept_chunks_are_checked_from_the_first_kept():
    kept = (WHOLE[0], *WHOLE[3:])
    assert verify_video(kept, identify, first=2).frames == 3 * FRAMES
    with pytest.raises(MissingChunk):
        verify_video((WHOLE[0], WHOLE[3], *WHOLE[5:]), identify, first=2)
    with pytest.raises(ChainBroken):
        verify_video(kept, identify, first=3)


def test_records_without_media_are_checked_by_signature_alone():
    bare = [replace(record, media=b"") for record in WHOLE]
    assert verify_video(bare, identify, media=False).frames == 25
    with pytest.raises(DigestMismatch):
        verify_video(bare, identify)


def test_gap_in_frame_numbers_is_accepted_where_it_is_signed():
    base = video(2, end=False).records
    gap = rewritten(base[2], first_frame=FRAMES + 3, gaps=3)
    assert verify_video([*base[:2], gap], identify, live=True).next_frame == 2 * FRAMES + 3


def test_gap_of_a_camera_behind_a_chunk_that_is_gone_is_accepted_and_none_beyond_what_is_signed():
    base = video(2, end=False).records
    gap = rewritten(base[2], chunk_seq=2, first_frame=FRAMES + 10, gaps=13)
    assert verify_video([*base[:2], gap], identify, live=True).next_frame == 2 * FRAMES + 10
    with pytest.raises(ChainBroken):
        verify_video([*base[:2], rewritten(gap, gaps=9)], identify, live=True)


def test_expected_evidence_names_parts_by_chunk():
    checked = [check_record(record, identify) for record in WHOLE]
    assert check_chain(checked).end
    assert expected_evidence(checked, "police") == {0: 2, 2: 3, 3: 1}
    assert expected_evidence(checked, "traffic") == {2: 1}
    assert expected_evidence(checked, "nobody") == {}


@pytest.mark.parametrize(
    ("got", "error"),
    [({0: 2, 2: 3}, None), ({0: 2}, MissingEvidence), ({0: 2, 2: 2}, MissingEvidence), ({}, MissingEvidence),
     ({0: 2, 2: 3, 4: 1}, ChainBroken), ({0: 3, 2: 3}, ChainBroken)],
)
def test_evidence_is_compared_with_its_counters(got, error):
    if error is None:
        check_evidence({0: 2, 2: 3}, got)
        return
    with pytest.raises(error):
        check_evidence({0: 2, 2: 3}, got)
