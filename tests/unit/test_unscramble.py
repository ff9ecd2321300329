from __future__ import annotations

import numpy as np
import pytest

from operators import pixels
from operators.codec import decode, decode_units
from operators.cohere import lay_out
from operators.desensitise.paint import appearance_keys, appearances, masks, paint
from operators.desensitise.policy import Policy
from operators.fragment import parse_fragment
from operators.pipeline import Pipeline
from operators.sign import SigningKey
from operators.unscramble import coarse_frames
from schemas.codec import decode as decode_record
from schemas.errors import MalformedRecord
from schemas.frames import Planes
from schemas.records import MappedRegion, OperatorBody, OperatorChunk, TrackMapping
from schemas.state import CameraState
from tests.support.planes import changed_blocks, equal
from tests.support.scenes import FORMAT, chunk, crossing, regions

PLACES = crossing()[:1] * 4 + crossing()
CHUNK = chunk(PLACES)
POLICY = Policy({"faces": frozenset({"face"})}, methods={"face": "scramble"})


def _made() -> tuple[OperatorChunk, list[Planes], list[TrackMapping]]:
    """What leaves the pipeline: the signed chunk, its decoded pictures, and the opened mappings."""
    pipeline = Pipeline(POLICY, None, SigningKey(b"k" * 32))  # type: ignore[arg-type]  # protect() never detects
    _, out = pipeline.protect(CameraState(), CHUNK, regions(PLACES))
    record = next(r for r in out.operator if decode_record(OperatorBody, r.signed.body).chunk)
    body = decode_record(OperatorBody, record.signed.body).chunk
    units, _ = parse_fragment(record.media, FORMAT, CHUNK.pts[0])
    parts = [part for draft in out.evidence for part in draft.parts if part.type == "mapping"]
    return body, decode_units(units, "h264", FORMAT.width, FORMAT.height), [
        decode_record(TrackMapping, part.plaintext) for part in parts
    ]


def test_coarse_frames_with_the_key_show_the_region_roughly_and_nothing_else_changes() -> None:
    body, public, mappings = _made()
    assert body.method == "scramble"
    shown = coarse_frames(body, FORMAT, public, mappings)
    original = [frame.planes for frame in decode(CHUNK).frames]
    for view, scrambled, frame, mask in zip(shown, public, original, masks(_layout(), FORMAT), strict=True):
        assert not (changed_blocks(view, scrambled, FORMAT) & ~mask).any()
        inside = pixels.sample_masks(mask, FORMAT)
        assert pixels.psnr(view, frame, inside) > pixels.psnr(scrambled, frame, inside) + 3


def test_coarse_frames_are_what_was_encrypted_however_the_codec_smeared_it() -> None:
    body, public, mappings = _made()
    layout, decoded = _layout(), decode(CHUNK)
    keys = appearance_keys(layout, CHUNK, POLICY, SigningKey(b"k" * 32).secret("appearances"))
    assert {mapping.track: mapping.appearance_key for mapping in mappings} == keys
    used = appearances(decoded, layout, {}, POLICY, keys)
    exact = [f.planes for f in paint(decoded.frames, layout, FORMAT, used, POLICY)]
    assert [a.y.tobytes() for a in coarse_frames(body, FORMAT, exact, mappings)] == [
        b.y.tobytes() for b in _only_inside(coarse_frames(body, FORMAT, public, mappings), exact)
    ]


def _only_inside(shown: list[Planes], outside: list[Planes]) -> list[Planes]:
    """The masked blocks of one set of pictures, the rest of another."""
    merged = [pixels.copy(planes) for planes in outside]
    for target, source, mask in zip(merged, shown, masks(_layout(), FORMAT), strict=True):
        pixels.paste(target, source, mask)
    return merged


def _layout():  # noqa: ANN202
    return lay_out(regions(PLACES), FORMAT, POLICY)


def test_coarse_frames_without_a_key_or_with_another_show_nothing() -> None:
    body, public, mappings = _made()
    bare = [TrackMapping(m.track, m.kind, m.regions) for m in mappings]
    assert all(equal(a, b) for a, b in zip(coarse_frames(body, FORMAT, public, bare), public, strict=True))
    original = decode(CHUNK).frames[0].planes
    wrong = [TrackMapping(m.track, m.kind, m.regions, bytes(32)) for m in mappings]
    inside = pixels.sample_masks(masks(_layout(), FORMAT)[0], FORMAT)
    right = pixels.psnr(coarse_frames(body, FORMAT, public, mappings)[0], original, inside)
    assert pixels.psnr(coarse_frames(body, FORMAT, public, wrong)[0], original, inside) < right - 3


@pytest.mark.parametrize("blocks", [(0, 0, 99, 1), (3, 3, 3, 4), (1, 2, 3)])
def test_coarse_frames_of_blocks_outside_the_picture_are_refused(blocks: tuple[int, ...]) -> None:
    body, public, mappings = _made()
    region = MappedRegion(0, (0, 0, 1, 1), 1, "detected", (), blocks)
    with pytest.raises(MalformedRecord):
        coarse_frames(body, FORMAT, public, [TrackMapping(1, "face", (region,), np.zeros(32, np.uint8).tobytes())])
