"""The stages between source and sinks, as data: whole, or cut after tracking.

A stage opens records, steps over chunks with the operators' pipeline, seals what comes out, and says where it goes.
Sinks: `operator.video.v1`, `operator.events.v1`, `authority.<name>.evidence.v1`, `alarms.v1`, `frames.quarantine.v1`.
Evidence is sent before the operator's record that counts it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol

from operators.alarms import overload
from operators.desensitise.policy import Policy
from operators.detect import Finder
from operators.effort import DROPPED
from operators.examine import Examiner
from operators.pipeline import EvidenceDraft, Outgoing, Pipeline, seal_draft
from operators.seal import seal
from operators.sign import SigningKey, digest
from schemas.codec import pack, unpack_as
from schemas.errors import ChunkTooLarge, DigestMismatch, MalformedRecord
from schemas.frames import FrameChunk
from schemas.records import CUSTODIAN, AssociatedData, PlacedRegions, Quarantined, RawPlace, UploadAddress
from schemas.regions import RegionSet
from schemas.state import CameraState
from schemas.topics import (
    ALARMS,
    MAX_RECORD_BYTES,
    OPERATOR_EVENTS,
    OPERATOR_VIDEO,
    QUARANTINE,
    RAW,
    REGIONS,
    evidence_topic,
)
from streams.intake import Intake
from streams.stage import Arrival, Body, Item, Output, due

RECORD_ROOM = 4096


class Addresses(Protocol):
    """Where evidence goes now."""

    def address(self, authority: str) -> UploadAddress:
        """The address in force; raises PlatformNotReady while there is none."""
        ...

    def routes(self) -> Mapping[str, frozenset[str]]:
        """Authority to the kinds it gets: what it wants, as far as it is entitled to it."""
        ...


class Protection:
    """The pipeline under the routes in force, and the sealing of what it makes. Safe to call from several threads."""

    def __init__(
        self, policy: Policy, detector: Finder, signer: SigningKey, addresses: Addresses, custodian: bytes
    ) -> None:
        """`custodian`: public key (X25519) for whole frames, shared pieces and quarantine."""
        self._detector, self._signer, self._addresses, self._custodian = detector, signer, addresses, custodian
        self._pipeline = Pipeline(policy, detector, signer, at_once=_at_once())

    def pipeline(self) -> Pipeline:
        """The pipeline for the routes in force."""
        routes = self._addresses.routes()
        current = self._pipeline
        if routes != current.policy.authorities:
            policy = replace(current.policy, authorities=routes)
            current = self._pipeline = Pipeline(policy, self._detector, self._signer, at_once=_at_once())
        return current

    @property
    def examiner(self) -> Examiner:
        """What looks ahead under the routes that were in force last; asks nobody for them."""
        return self._pipeline.examiner

    def outputs(self, camera_id: str, outgoing: Outgoing) -> tuple[Output, ...]:
        """What to send for one chunk, in order.

        Raises:
            ChunkTooLarge: a record is over what its topic takes.
            PlatformNotReady: an authority's address isn't in force any more.

        """
        key = camera_id.encode()
        outputs = (
            *(self._evidence(draft) for draft in outgoing.evidence),
            *(Output(OPERATOR_VIDEO, key, pack("operator", record)) for record in outgoing.operator),
            *(Output(OPERATOR_EVENTS, key, event) for event in outgoing.events),
            *(Output(ALARMS, key, pack("alarm", alarm)) for alarm in outgoing.alarms),
        )
        for output in outputs:
            if len(output.value) > MAX_RECORD_BYTES - RECORD_ROOM:
                raise ChunkTooLarge(f"record of {len(output.value)} bytes for {output.topic}")
        return outputs

    def lose(self, state: CameraState, chunk: FrameChunk) -> tuple[CameraState, tuple[Output, ...]]:
        """As `Pipeline.lose`; needs no address, as there is no evidence."""
        after, outgoing = self._pipeline.lose(state, chunk)
        return after, self.outputs(chunk.camera_id, outgoing)

    def close(self, state: CameraState, camera_id: str) -> tuple[CameraState, tuple[Output, ...]]:
        """As `Pipeline.close`; needs no address either."""
        after, outgoing = self._pipeline.close(state, camera_id)
        return after, self.outputs(camera_id, outgoing)

    def quarantine(self, arrival: Arrival, reason: str) -> Output:
        """The record sealed to the custodian; one too long to fit in an envelope is cut."""
        plain = arrival.value[: MAX_RECORD_BYTES - 2 * RECORD_ROOM]
        if len(plain) < len(arrival.value):
            reason += f" (cut to {len(plain)} bytes)"
        place = (arrival.topic, arrival.partition, arrival.offset)
        record = Quarantined(reason, *place, seal(plain, [self._custodian], quarantine_aad(*place)))
        return Output(QUARANTINE, arrival.key, pack("quarantined", record))

    def overload(self, chunk: FrameChunk) -> Output:
        """The alarm that a late camera's chunk is dropped."""
        return Output(ALARMS, chunk.camera_id.encode(), pack("alarm", overload(chunk, DROPPED)))

    def _evidence(self, draft: EvidenceDraft) -> Output:
        quality = self._pipeline.policy.quality
        if draft.authority == CUSTODIAN:
            topic, recipients, epoch = QUARANTINE, [self._custodian], ""
        else:
            address = self._addresses.address(draft.authority)
            topic, recipients, epoch = evidence_topic(draft.authority), [address.public_key], address.epoch
        signed = seal_draft(draft, epoch, recipients, topic, quality, self._signer)
        return Output(topic, draft.chunk.camera_id.encode(), pack("evidence", signed))


def _at_once() -> int:
    """One for every second core: while one camera's chunk is looked at, another's is painted and coded."""
    return max(1, (os.cpu_count() or 1) // 2)


def quarantine_aad(topic: str, partition: int, offset: int) -> AssociatedData:
    """What a quarantined record's envelope is bound to: where the record lay."""
    return AssociatedData(QUARANTINE, "quarantined", "", f"{topic}/{partition}", offset)


class PipelineStage(ABC, Generic[Body]):
    """What all stages have in common: the camera's first state, work ahead of a chunk's turn, what leaves otherwise."""

    def __init__(self, protection: Protection) -> None:
        self._protection = protection

    @abstractmethod
    def chunk_of(self, body: Body) -> FrameChunk:
        """The chunk that an item is about."""

    def initial(self, camera_id: str) -> CameraState:
        """A camera that was never seen."""
        return CameraState()

    def expect(self, item: Item[Body], level: int) -> None:
        """As `Examiner.expect`."""
        self._protection.examiner.expect(self.chunk_of(item.body), level)

    def forget(self, camera_id: str) -> None:
        """As `Examiner.forget`."""
        self._protection.examiner.forget(camera_id)

    def lose(self, state: CameraState, item: Item[Body]) -> tuple[CameraState, Sequence[Output]]:
        """As `Protection.lose`."""
        return self._protection.lose(state, self.chunk_of(item.body))

    def quarantine(self, arrival: Arrival, reason: str) -> Output:
        """As `Protection.quarantine`."""
        return self._protection.quarantine(arrival, reason)

    def overload(self, item: Item[Body]) -> Output:
        """As `Protection.overload`."""
        return self._protection.overload(self.chunk_of(item.body))


class ChunkStage(PipelineStage[FrameChunk]):
    """All operators at once: chunks in, everything out."""

    def chunk_of(self, body: FrameChunk) -> FrameChunk:
        """The item itself."""
        return body

    def step(
        self, state: CameraState, item: Item[FrameChunk], following: Item[FrameChunk] | None
    ) -> tuple[CameraState, Sequence[Output]]:
        """Process a chunk; raises PoisonError, or PlatformNotReady while an address is missing."""
        after, outgoing = self._protection.pipeline().step(state, item.body, following.body if following else None)
        return after, self._protection.outputs(item.body.camera_id, outgoing)


class WholeStage(ChunkStage):
    """All operators in one worker: raw chunks in, everything out."""

    source = RAW

    def __init__(self, intake: Intake, protection: Protection) -> None:
        super().__init__(protection)
        self._intake = intake

    def open(self, arrival: Arrival) -> Item[FrameChunk]:
        """As `Intake.open`."""
        return item_of(self._intake.open(arrival), arrival)


@dataclass(frozen=True, slots=True)
class _Placed:
    chunk: FrameChunk
    place: RawPlace


class LocateStage(PipelineStage[_Placed]):
    """First half of the cut topology: raw chunks in, regions with the place of their chunk out."""

    source = RAW

    def __init__(self, intake: Intake, protection: Protection) -> None:
        super().__init__(protection)
        self._intake = intake

    def chunk_of(self, body: _Placed) -> FrameChunk:
        """The chunk whose place it is."""
        return body.chunk

    def open(self, arrival: Arrival) -> Item[_Placed]:
        """As `Intake.open`."""
        chunk = self._intake.open(arrival)
        place = RawPlace(arrival.topic, arrival.partition, arrival.offset, digest(arrival.value))
        return Item(chunk.video_id, chunk.chunk_seq, chunk.end, _Placed(chunk, place), due(chunk, arrival.sent_ms))

    def step(
        self, state: CameraState, item: Item[_Placed], following: Item[_Placed] | None
    ) -> tuple[CameraState, Sequence[Output]]:
        """Detect and track; the state remembers the chunk, as nothing is protected here."""
        chunk = item.body.chunk
        ahead = following.body.chunk if following else None
        located, regions = self._protection.pipeline().locate(state, chunk, ahead)
        after = replace(located, video_id=chunk.video_id, last_seq=chunk.chunk_seq, ended=chunk.end)
        return after, (_placed(regions, item.body.place),)

    def lose(self, state: CameraState, item: Item[_Placed]) -> tuple[CameraState, Sequence[Output]]:
        """Tell the second half, by regions of no frame; it signs what there is to sign."""
        chunk = item.body.chunk
        state = replace(state, tracks=(), cut=True)
        return state, (_placed(RegionSet(chunk.camera_id, chunk.video_id, chunk.chunk_seq, ()), item.body.place),)


def _placed(regions: RegionSet, place: RawPlace) -> Output:
    return Output(REGIONS, regions.camera_id.encode(), pack("regions", PlacedRegions(regions, place)))


class ProtectStage(PipelineStage[tuple[FrameChunk, PlacedRegions]]):
    """Second half: regions in, everything out. `fetch` gets the raw record that lies at (topic, partition, offset)."""

    source = REGIONS

    def __init__(
        self, intake: Intake, protection: Protection, fetch: Callable[[RawPlace], Arrival]
    ) -> None:
        super().__init__(protection)
        self._intake, self._fetch = intake, fetch

    def chunk_of(self, body: tuple[FrameChunk, PlacedRegions]) -> FrameChunk:
        """The chunk that the regions belong to."""
        return body[0]

    def open(self, arrival: Arrival) -> Item[tuple[FrameChunk, PlacedRegions]]:
        """Fetch the chunk that the regions belong to.

        Raises:
            MalformedRecord: what lies there is another record.

        """
        placed: PlacedRegions = unpack_as("regions", arrival.value)
        raw = self._fetch(placed.raw)
        if digest(raw.value) != placed.raw.digest:
            where = f"{placed.raw.topic}/{placed.raw.partition} at {placed.raw.offset}"
            raise MalformedRecord(str(DigestMismatch(f"{where}: another record than the regions were made from")))
        chunk = self._intake.open(raw)
        return Item(chunk.video_id, chunk.chunk_seq, True, (chunk, placed))

    def expect(self, item: Item[tuple[FrameChunk, PlacedRegions]], level: int) -> None:
        """Nothing: the first half has looked."""

    def step(
        self, state: CameraState, item: Item[tuple[FrameChunk, PlacedRegions]], following: object
    ) -> tuple[CameraState, Sequence[Output]]:
        """Protect; there is nothing to look ahead for, so every item counts as its video's end and none is held.

        What the first half put aside comes with regions of no frame: it is lost here, too.
        """
        chunk, placed = item.body
        if not placed.regions.frames:
            return self.lose(state, item)
        after, outgoing = self._protection.pipeline().protect(state, chunk, placed.regions)
        return after, self._protection.outputs(chunk.camera_id, outgoing)


def item_of(chunk: FrameChunk, arrival: Arrival) -> Item[FrameChunk]:
    """A chunk as the runner takes it."""
    return Item(chunk.video_id, chunk.chunk_seq, chunk.end, chunk, due(chunk, arrival.sent_ms))
