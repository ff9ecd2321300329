"""The small video of a piece: coded as finely as evidence must be, and decoded again.

At quality `high` the coarsest H.264 is looked for that keeps 45 dB over what the piece claims, with as few codings as
can be: it is what takes most time in a crowd.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from operators import annexb, pixels
from operators.claims import Sharing
from operators.codec import decode_units, encode
from operators.pixels import Mask
from schemas.frames import MAX_DECODED_BYTES, MAX_PIECE_BYTES, CodedUnit, Planes, VideoFormat
from schemas.records import PieceUnit, Quality

MIN_PSNR_DB = 45.0
ENOUGH_DB, AIM_DB, NEAR_DB, DB_PER_CRF = 2.5, 0.8, 0.3, 0.7
"""Above `MIN_PSNR_DB`: what is no longer tried to be coded coarser, what a next piece and what a next try aim at."""
FIRST_CRF, MIN_CRF, MAX_CRF, MAX_TRIES = 18, 2, 24, 5
SAMPLE_BLOCKS, SAMPLE_STEP, SAMPLE_DB = 256, 5, 1.2
"""Of a piece of so many blocks every so manieth picture is coded first: the others, closer to their neighbours, make it
so much better, give or take 0.4 dB (63 pieces of four clips).
"""
COARSE_CRFS = (18, 20, 24, 28, 34, 40, 51)


@dataclass(frozen=True, slots=True)
class Settings:
    """How x264 codes evidence: its preset, and more of its parameters."""

    preset: str
    extra: str = ""


FINE = Settings("veryfast", "subme=4:trellis=1")
"""Beside an unhurried video: 8 to 27 % fewer bytes than without these parameters, a fifth more time (four clips)."""
SHARED = Settings("veryfast", "trellis=1:weightp=0:me=dia:bframes=1")
"""The same where neighbours share pieces, which takes a third of the bytes off: a tenth more, a fifth less time."""
FAST, LATE = Settings("superfast", "weightp=0:bframes=1"), Settings("ultrafast")
"""Who wants the public video in less time wants so of evidence, for a third more bytes; where a camera is late beyond
that, for half as many again.
"""


def beside(public: str, sharing: Sharing = "people") -> Settings:
    """How evidence beside a public video of this preset is coded."""
    if sharing == "crowds":
        return LATE
    if public in ("ultrafast", "superfast"):
        return FAST
    return SHARED if sharing == "neighbours" else FINE


def decode_piece(
    units: Sequence[CodedUnit], width: int, height: int, wanted: Collection[int] | None = None
) -> list[Planes]:
    """Pictures of a piece, made whole blocks where they are the camera's own; errors as `decode_units`.

    `wanted`: times of the pictures that are given back; what none of them is predicted from isn't decoded.
    """
    canvas = VideoFormat(width, height, Fraction(1, 25))
    own = annexb.size_of(units[0].data) if units else None
    if own is None or VideoFormat(*own, canvas.time_base).blocks != canvas.blocks:
        own = width, height
    some = units if wanted is None else _needed(units, wanted)
    # A canvas of whole blocks may be larger than the picture.
    pictures = decode_units(some, "h264", *own, MAX_PIECE_BYTES, MAX_DECODED_BYTES * 2, wanted)
    return [pixels.whole_blocks(picture, canvas) for picture in pictures]


def _needed(units: Sequence[CodedUnit], wanted: Collection[int]) -> list[CodedUnit]:
    """In the order of decoding: what is wanted, and all before the last of it that pictures are predicted from."""
    last = max((at for at, unit in enumerate(units) if unit.pts in wanted), default=-1)
    return [unit for unit in units[: last + 1] if unit.pts in wanted or annexb.is_reference(unit.data)]


class Coder:
    """Codes the pieces of a chunk, one after the other; each begins with the quality that suited one of its size."""

    def __init__(self, quality: Quality, settings: Settings) -> None:
        self._quality, self._settings = quality, settings
        self._suited = {0: FIRST_CRF}

    def code(
        self, pictures: Sequence[Planes], masks: Sequence[Mask], format: VideoFormat
    ) -> tuple[tuple[PieceUnit, ...], list[Planes]]:
        """Coded pictures, and what they decode to.

        Equal ones, or at least 45 dB over the claimed blocks; where that is over the limit of a piece, the best that
        fits: evidence that can't be sent is worth nothing. `true_digest` tells whether a piece is lossless.
        """
        good = self._search(pictures, masks, format) if self._quality == "high" else None
        if good is not None:
            return _piece_units(good[0]), good[1]
        units = self._encode(pictures, format, None)
        if _fits(units):
            return _piece_units(units), list(pictures)
        for crf in COARSE_CRFS:
            units = self._encode(pictures, format, crf)
            if _fits(units):
                break
        return _piece_units(units), decode_piece(units, format.width, format.height)

    def _search(
        self, pictures: Sequence[Planes], masks: Sequence[Mask], format: VideoFormat
    ) -> tuple[tuple[CodedUnit, ...], list[Planes]] | None:
        """The coarsest coding found that keeps 45 dB and fits; None where none did.

        A secant: quality falls by about `DB_PER_CRF`, so most pieces are coded once and some twice. To stop at 2 dB
        above costs 1 % more bytes than at 1 dB, for 1.6 instead of 2 encodings (15 clips).
        """
        best: tuple[tuple[CodedUnit, ...], list[Planes]] | None = None
        claimed = [pixels.sample_masks(mask, format) for mask in masks]
        blocks = sum(int(mask.sum()) for mask in masks)
        tried: dict[int, float] = {}
        crf = self._guess(pictures, claimed, format, blocks)
        for _ in range(MAX_TRIES):
            if (coded := self._try(pictures, claimed, format, crf)) is None:
                break
            units, decoded, surplus = coded
            tried[crf] = surplus
            if surplus >= 0:
                best = units, decoded
            self._suited[blocks.bit_length()] = _stepped(crf, surplus - AIM_DB)
            following = _next(tried)
            if following is None or 0 <= surplus < ENOUGH_DB:
                break
            crf = following
        return best

    def _guess(
        self, pictures: Sequence[Planes], claimed: Sequence[tuple[Mask, Mask]], format: VideoFormat, blocks: int
    ) -> int:
        """The quality to begin with: what suited the last piece of about this size, or some pictures of a large one."""
        size = blocks.bit_length()
        crf = self._suited[min(self._suited, key=lambda known: (abs(known - size), known))]
        some = slice(0, None, SAMPLE_STEP)
        if blocks < SAMPLE_BLOCKS or len(pictures[some]) < 2:
            return crf
        coded = self._try(pictures[some], claimed[some], format, crf)
        return crf if coded is None else _stepped(crf, coded[2] + SAMPLE_DB - AIM_DB)

    def _try(
        self, pictures: Sequence[Planes], claimed: Sequence[tuple[Mask, Mask]], format: VideoFormat, crf: int
    ) -> tuple[tuple[CodedUnit, ...], list[Planes], float] | None:
        """Coded at this quality, decoded, and how far that is above 45 dB; None where it doesn't fit."""
        units = self._encode(pictures, format, crf)
        if not _fits(units):
            return None
        decoded = decode_piece(units, format.width, format.height)
        return units, decoded, _psnr(pictures, decoded, claimed) - MIN_PSNR_DB

    def _encode(self, pictures: Sequence[Planes], format: VideoFormat, crf: int | None) -> tuple[CodedUnit, ...]:
        """Coded at this quality; lossless for None."""
        return encode(
            pictures, range(len(pictures)), format, crf=crf or 0, preset=self._settings.preset, lossless=crf is None,
            tune="psnr", extra=self._settings.extra,
        )


def _stepped(crf: int, surplus: float, slope: float = DB_PER_CRF) -> int:
    """The quality that spends this surplus, in dB; infinite where all samples came out equal."""
    return min(MAX_CRF, max(MIN_CRF, crf + math.floor(min(surplus / slope, MAX_CRF))))


def _next(tried: Mapping[int, float]) -> int | None:
    """The quality to try after these, in order; None once the coarsest that is good enough is known.

    `tried`: by quality its surplus in dB. Two of them tell how fast quality falls here.
    """
    *before, crf = tried
    good = max((one for one, surplus in tried.items() if surplus >= 0), default=MIN_CRF - 1)
    bad = min((one for one, surplus in tried.items() if surplus < 0), default=MAX_CRF + 1)
    if good + 1 == bad:
        return None
    slope = (tried[before[-1]] - tried[crf]) / (crf - before[-1]) if before else DB_PER_CRF
    step = _stepped(crf, tried[crf] - NEAR_DB, min(max(slope, DB_PER_CRF / 2), 2 * DB_PER_CRF))
    return min(bad - 1, max(good + 1, step))


def _fits(units: Sequence[CodedUnit]) -> bool:
    return sum(len(unit.data) for unit in units) <= MAX_PIECE_BYTES


def _piece_units(units: Sequence[CodedUnit]) -> tuple[PieceUnit, ...]:
    return tuple(PieceUnit(unit.pts, unit.data) for unit in units)


def _psnr(a: Sequence[Planes], b: Sequence[Planes], masks: Sequence[tuple[Mask, Mask]]) -> float:
    errors = [pixels.squared_error(one, two, mask) for one, two, mask in zip(a, b, masks, strict=True)]
    return pixels.psnr_of(sum(error for error, _ in errors), sum(count for _, count in errors))
