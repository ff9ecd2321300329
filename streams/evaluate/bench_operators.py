"""`sealframe bench operators`: where each millisecond goes, operator by operator.

The chunks of a clip go through the operators one after the other on one thread, each by the function that the pipeline
calls, so its CPU time is its own; in file mode and in the worker they overlap. A second pass over the first chunk says
what each of them holds at most beyond what was there before (`tracemalloc`: NumPy and Python, not codecs or networks).
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from operators import effort
from operators.claims import Sharing
from operators.codec import decode
from operators.cohere import Layout, lay_out
from operators.desensitise.paint import appearances, paint
from operators.desensitise.policy import Policy
from operators.detect import Finder
from operators.examine import Looked, looks, planned_looks, with_last
from operators.piece_video import beside
from operators.pieces import cut
from operators.pipeline import EvidenceDraft, encode_public, seal_draft
from operators.seal import Identity
from operators.sign import digest
from operators.split import route
from operators.track import Tracker, TrackerState
from schemas.frames import DecodedChunk, FrameChunk
from schemas.regions import RegionSet
from streams.anonymize import EPOCH, TOPIC, fresh_signer
from streams.evaluate.report import Figure

OPERATORS = ("decode", "plan", "detect", "track", "lay_out", "paint", "encode", "cut", "seal")
A_REGION = ("track", "lay_out", "paint", "cut", "seal")
SEALING = 0.05
"""The largest share of the CPU time that sealing and signing may take."""


@dataclass(slots=True)
class Spent:
    """By operator CPU seconds, or bytes held at most; frames, the regions in them, frames looked at."""

    amounts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(OPERATORS, 0.0))
    frames: int = 0
    regions: int = 0
    looks: int = 0

    @contextmanager
    def seconds(self, operator: str) -> Iterator[None]:
        """Count the CPU time of what is done inside."""
        began = time.thread_time()
        yield
        self.amounts[operator] += time.thread_time() - began

    @contextmanager
    def held(self, operator: str) -> Iterator[None]:
        """Note what is allocated inside, at most."""
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
        self.amounts[operator] = max(self.amounts[operator], float(peak))


Measure = Callable[[str], AbstractContextManager[None]]


def evaluate(
    chunks: Sequence[FrameChunk], policy: Policy, finder: Finder, level: int = effort.FULL
) -> list[Figure]:
    """Figures of one clip; the policy keeps evidence for `file`; `level` of effort, of those that search."""
    spent, sized = Spent(), Spent()
    policy = effort.eased(policy, level)
    _run(chunks, policy, finder, level, spent, spent.seconds)
    tracemalloc.start()
    try:
        _run(chunks[:1], policy, finder, level, sized, sized.held)
    finally:
        tracemalloc.stop()
    return figures(spent, sized)


def figures(spent: Spent, sized: Spent) -> list[Figure]:
    """Milliseconds by operator, a frame, look and region; the share of sealing."""
    frames, total = max(1, spent.frames), max(sum(spent.amounts.values()), 1e-9)
    found = [
        Figure(f"{name}_ms", 1000 * seconds / frames, "ms a frame", "<=", None, frames,
               f"{seconds / total:.0%} of the CPU time; holds up to {sized.amounts[name] / 2**20:.1f} MiB a chunk")
        for name, seconds in spent.amounts.items()
    ]
    of_regions = sum(spent.amounts[name] for name in A_REGION)
    return [
        *found,
        Figure("all_ms", 1000 * total / frames, "ms a frame", "<=", None, frames,
               f"{spent.regions / frames:.1f} regions a frame"),
        Figure("regions", spent.regions / frames, "a frame", "<=", None, frames),
        Figure("look_ms", 1000 * spent.amounts["detect"] / max(1, spent.looks), "ms a look", "<=", None, spent.looks),
        Figure("region_ms", 1000 * of_regions / max(1, spent.regions), "ms a region", "<=", None, spent.regions,
               "tracked, laid out, painted, coded as evidence, sealed"),
        Figure("sealing_share", spent.amounts["seal"] / total, "", "<=", SEALING, frames),
    ]


def _run(
    chunks: Sequence[FrameChunk], policy: Policy, finder: Finder, level: int, spent: Spent, measure: Measure
) -> None:
    tracker, state = Tracker(), TrackerState()
    for chunk in chunks:
        with measure("decode"):
            decoded = decode(chunk)
        with measure("plan"):
            planned = planned_looks(decoded, policy, level)
        with measure("detect"):
            found: Looked = looks(finder, decoded, planned, policy, level)
            if chunk is chunks[-1]:
                found = with_last(finder, decoded, found, policy)
        with measure("track"):
            state, regions = tracker.step(state, decoded, found, cuts=planned.cuts)
        with measure("lay_out"):
            layout = lay_out(regions, chunk.format, policy)
        _protect(chunk, decoded, regions, layout, policy, effort.sharing(policy, level), measure)
        spent.frames += len(decoded.frames)
        spent.regions += sum(map(len, regions.frames))
        spent.looks += sum(seen is not None for seen in found.values())


def _protect(
    chunk: FrameChunk, decoded: DecodedChunk, regions: RegionSet, layout: Layout, policy: Policy,
    sharing: Sharing, measure: Measure,
) -> None:
    with measure("paint"):
        used = appearances(decoded, layout, {}, policy)
        painted = list(paint(decoded.frames, layout, chunk.format, used, policy))
    with measure("encode"):
        units = encode_public(painted, chunk, policy, layout)
    with measure("cut"):
        pieces = cut(decoded, layout, policy.quality, beside(policy.preset, sharing), sharing)
        parts = route(chunk, regions, pieces, policy)["file"]
    with measure("seal"):
        draft = EvidenceDraft("file", chunk, digest(b"".join(unit.data for unit in units)), 0, parts)
        seal_draft(draft, EPOCH, [Identity.create().public], TOPIC, policy.quality, fresh_signer())
