"""Raw chunks on their way into the pipeline: who may write for which camera, what is sealed how, both directions.

A camera signs the sealed chunk; the pipeline checks the signature, the signer's right to write for that camera, the
place it was written to, that envelope and contents speak of the same chunk, and that its video bears the camera's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from operators.seal import Opener, seal, unseal
from operators.sign import SigningKey, check, sign
from schemas.codec import decode, encode, pack, unpack_as
from schemas.errors import IntegrityError, MalformedRecord, NotForMe, SignerNotEnrolled
from schemas.frames import FrameChunk
from schemas.records import AssociatedData, RawChunk, Signed
from schemas.topics import CAMERAS, GATEWAYS, RAW
from schemas.video_id import is_of
from streams.stage import Arrival

RECORD = "raw_chunk"
Identify = Callable[[bytes], tuple[str, bytes]]


def raw_aad(camera_id: str, video_id: str, chunk_seq: int) -> AssociatedData:
    """What a raw chunk's envelope is bound to."""
    return AssociatedData(RAW, "raw", camera_id, video_id, chunk_seq)


def seal_raw(chunk: FrameChunk, pipeline: bytes, signer: SigningKey) -> bytes:
    """A record of `frames.raw.v1`: the chunk sealed to the pipeline's public key, signed by its camera."""
    aad = raw_aad(chunk.camera_id, chunk.video_id, chunk.chunk_seq)
    sealed = seal(encode(chunk), [pipeline], aad)
    raw = RawChunk(chunk.camera_id, chunk.video_id, chunk.chunk_seq, sealed)
    return pack(RECORD, sign(encode(raw), RECORD, signer))


def writer(name: str, *, gateway: bool = False) -> str:
    """The principal of a camera, or of a gateway."""
    return f"{GATEWAYS if gateway else CAMERAS}{name}"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Who writes for whom: `camera-<id>` for camera `<id>`, gateways (by principal) for the cameras named here."""

    gateways: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, gateways: Mapping[str, frozenset[str]]) -> Enrolment:
        """By the names of gateways, as settings have them."""
        return cls({writer(name, gateway=True): cameras for name, cameras in gateways.items()})

    def allows(self, principal: str, camera_id: str) -> bool:
        """The principal may write chunks of this camera."""
        return principal == writer(camera_id) or camera_id in self.gateways.get(principal, frozenset())


@dataclass(frozen=True, slots=True)
class Intake:
    """Opens raw chunks. `identify`: principal and public key of a signer certificate; `place`: partition of a key."""

    opener: Opener
    identify: Identify
    enrolment: Enrolment
    place: Callable[[bytes], int] | None = None

    def open(self, arrival: Arrival) -> FrameChunk:
        """The chunk in a record of `frames.raw.v1`.

        Raises:
            SignerNotEnrolled: no signature of somebody who may write for this camera.
            MalformedRecord, UnknownRecord, ChunkTooLarge: not a chunk, damaged, sealed for somebody else, or written
                to a place where it doesn't belong.

        """
        where = f"{arrival.topic}/{arrival.partition} at {arrival.offset}"
        signed: Signed = unpack_as(RECORD, arrival.value)
        raw = decode(RawChunk, signed.body)
        self._check_writer(signed, raw.camera_id, where)
        if arrival.key != raw.camera_id.encode():
            raise MalformedRecord(f"{where}: the key isn't the camera's id")
        if self.place is not None and self.place(arrival.key) != arrival.partition:
            raise MalformedRecord(f"{where}: written to a partition that isn't its camera's")
        try:
            plain = unseal(raw.sealed, [self.opener], raw_aad(raw.camera_id, raw.video_id, raw.chunk_seq))
        except (NotForMe, IntegrityError) as error:
            raise MalformedRecord(f"{where}: {error}") from error
        chunk = decode(FrameChunk, plain)
        if not is_of(chunk.video_id, chunk.camera_id):
            raise MalformedRecord(f"{where}: its video isn't named as one of its camera's")
        if (chunk.camera_id, chunk.video_id, chunk.chunk_seq) != (raw.camera_id, raw.video_id, raw.chunk_seq):
            raise MalformedRecord(f"{where}: envelope and contents name different chunks")
        return chunk

    def _check_writer(self, signed: Signed, camera_id: str, where: str) -> None:
        try:
            principal, public = self.identify(signed.signer)
            check(signed, RECORD, public)
        except IntegrityError as error:
            raise SignerNotEnrolled(f"{where}: {error}") from error
        if not self.enrolment.allows(principal, camera_id):
            raise SignerNotEnrolled(f"{where}: {principal} may not write for camera {camera_id}")
