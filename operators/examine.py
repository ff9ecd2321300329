"""Decode a chunk and look for what is to be hidden in it: once, however often it is asked for.

The look depends on the chunk, the policy and how much is to be spent on it alone, so it may begin before the chunk's
turn has come, on another core.
Pictures stay in memory from the first look at a chunk until it is taken, or its camera is forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from operators import effort
from operators.codec import decode
from operators.desensitise.policy import Policy
from operators.detect import Finder, Watch, around, choose, is_blind, is_cut, whole
from operators.sign import digest
from operators.track import Difference, between, longest_s, plan
from operators.view import Edges, edges
from schemas.errors import ConfigError
from schemas.frames import DecodedChunk, FrameChunk, Planes, VideoFormat
from schemas.regions import PartlySeen, Seen

MOST_KEPT = 4
"""Chunks of one camera that are kept at most."""
Looked = Mapping[int, Seen | None]
Search = Callable[[Planes, VideoFormat], Seen]
Key = tuple[bytes, int]
"""Of a look: the chunk (`key_of`), the level of effort."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A chunk with what was found in the frames looked at (None: nobody can say), and where scenes begin.

    `edges`: of a fixed camera, those of the first frame and of the one in the middle, see `operators/view.py`.
    """

    decoded: DecodedChunk
    found: Looked
    cuts: frozenset[int]
    edges: tuple[Edges, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """The frames of a chunk that are looked at, with the size of each search in pixels, and where scenes begin."""

    sizes: Mapping[int, int]
    cuts: frozenset[int]


class Examiner:
    """Looks at chunks, several at a time (None: as many as there are cores); safe to call from several threads."""

    def __init__(self, policy: Policy, detector: Finder, at_once: int | None = None) -> None:
        self._policy, self._detector = policy, detector
        self._pool = ThreadPoolExecutor(at_once or os.cpu_count() or 1, "look")
        self._kept: dict[str, dict[Key, tuple[FrameChunk, Future[Examined]]]] = {}
        self._later: dict[str, tuple[FrameChunk, int]] = {}
        self._early: tuple[str, Key] | None = None

    def expect(self, chunk: FrameChunk, level: int = effort.FULL) -> None:
        """`chunk` will come after the next one of its camera: once that is asked for, this is looked at, too.

        Unless another is kept that nobody has asked for yet: so of all cameras together about one more is decoded.
        """
        if level < effort.WHOLE:
            self._later[chunk.camera_id] = chunk, level

    def forget(self, camera_id: str) -> None:
        """Let go what is kept of a camera."""
        self._kept.pop(camera_id, None)
        self._later.pop(camera_id, None)

    def begin(self, chunk: FrameChunk, level: int = effort.FULL) -> Future[Examined]:
        """Look at a chunk that comes soon; what it raises, `of` raises."""
        key = key_of(chunk), level
        early = self._early
        if early is not None and early[1][0] == key[0]:
            self._early = None
        return self._begin(chunk, key)

    def _begin(self, chunk: FrameChunk, key: Key) -> Future[Examined]:
        mine, level = self._kept.setdefault(chunk.camera_id, {}), key[1]
        if key not in mine:
            mine[key] = chunk, self._pool.submit(self._examine, chunk, level)
            for old in list(mine)[:-MOST_KEPT]:
                mine.pop(old, None)
        return mine[key][1]

    def of(
        self, chunk: FrameChunk, following: FrameChunk | None, level: int = effort.FULL, ahead_level: int = effort.FULL
    ) -> tuple[Examined, Examined | None]:
        """What a chunk shows, and the one that follows it; the levels say how much is spent on each.

        A chunk's last frame counts on the next chunk's first one; where there is none, or one of another scene or too
        much later, it is looked at itself.
        Where two looks don't agree, that part of the frame in the middle is looked at, unless the camera is late.

        Raises:
            PoisonError: one of them can't be decoded.

        """
        self._drop_before(chunk)
        here, ahead = self.begin(chunk, level), self.begin(following, ahead_level) if following is not None else None
        self._begin_early(chunk)
        if ahead is None or following is None:
            return self._with_last(here.result()), None
        shown, after = here.result(), ahead.result()
        if level < effort.WHOLE and not self._goes_on(shown, after):
            return self._with_last(shown), after
        return (self._with_border(shown, after) if level == ahead_level == effort.FULL else shown), after

    def take(self, chunk: FrameChunk) -> DecodedChunk:
        """The pictures of a chunk, for the last time; decoded anew where nobody has looked at it."""
        mine, wanted = self._kept.get(chunk.camera_id, {}), key_of(chunk)
        found = [mine.pop(key) for key in list(mine) if key[0] == wanted]
        if not mine:
            self._kept.pop(chunk.camera_id, None)
        return found[-1][1].result().decoded if found else decode(chunk)

    def _begin_early(self, current: FrameChunk) -> None:
        """Look at what is expected after this chunk, if nothing else is kept that nobody has asked for."""
        later, early = self._later.pop(current.camera_id, None), self._early
        if later is None or (early is not None and early[1] in self._kept.get(early[0], {})):
            return
        chunk, level = later
        if chunk.video_id == current.video_id and chunk.chunk_seq > current.chunk_seq:
            self._early = chunk.camera_id, (key_of(chunk), level)
            self._begin(chunk, self._early[1])

    def _drop_before(self, chunk: FrameChunk) -> None:
        mine = self._kept.get(chunk.camera_id, {})
        for key, (other, _) in list(mine.items()):
            if other.video_id != chunk.video_id or other.chunk_seq < chunk.chunk_seq:
                mine.pop(key, None)

    def _examine(self, chunk: FrameChunk, level: int) -> Examined:
        decoded, policy = decode(chunk), self._policy.at(chunk.camera_id)
        planned = planned_looks(decoded, policy, level)
        found = looks(self._detector, decoded, planned, policy, level)
        count = len(decoded.frames)
        chosen = sorted({0, count // 2}) if policy.fixed and count else []
        return Examined(decoded, found, planned.cuts, tuple(edges(decoded.frames[i].planes) for i in chosen))

    def _with_last(self, here: Examined) -> Examined:
        policy = self._policy.at(here.decoded.chunk.camera_id)
        return replace(here, found=with_last(self._detector, here.decoded, here.found, policy))

    def _goes_on(self, here: Examined, ahead: Examined) -> bool:
        """The next chunk's first frame shows the same scene as the last look here, soon enough after it."""
        chunk, following = here.decoded.chunk, ahead.decoded.chunk
        if not here.decoded.frames or not ahead.decoded.frames or following.gaps or not here.found:
            return False
        last, first = here.decoded.frames[max(here.found)], ahead.decoded.frames[0]
        apart = float(first.pts * following.format.time_base - last.pts * chunk.format.time_base)
        longest = longest_s(_stride(chunk, self._policy.at(chunk.camera_id)))
        return apart <= longest and not is_cut(here.decoded.frames[-1].planes, first.planes)

    def _with_border(self, here: Examined, ahead: Examined) -> Examined:
        """With a look between the last one here and the first one of the next chunk, where these don't agree."""
        count = len(here.decoded.frames)
        if not here.found or not ahead.found:
            return here
        last, first = max(here.found), min(ahead.found)
        wanted = between({last: here.found[last], count + first: ahead.found[first]})
        mine = {i: difference for i, difference in wanted.items() if i < count}
        return replace(here, found={**here.found, **self._between(here.decoded, mine)}) if mine else here

    def _between(self, decoded: DecodedChunk, wanted: Mapping[int, Difference]) -> dict[int, Seen | None]:
        return looks_between(self._detector, decoded, wanted, self._policy.at(decoded.chunk.camera_id))


def planned_looks(decoded: DecodedChunk, policy: Policy, level: int) -> Planned:
    """Which frames of a chunk are looked at with so much effort, and how finely."""
    looked, video = plan(decoded, _stride(decoded.chunk, policy), is_cut), decoded.chunk.format
    times = [float(decoded.frames[index].pts * video.time_base) for index in looked.examine]
    sides = effort.sides(policy.detection_side, level, max(video.width, video.height), times)
    return Planned(dict(zip(looked.examine, sides, strict=True)), looked.cuts)


def _stride(chunk: FrameChunk, policy: Policy) -> int:
    """Of single pictures each is looked at: whoever is in one may be in no other."""
    return 1 if chunk.stills else policy.stride


def looks(
    finder: Finder, decoded: DecodedChunk, planned: Planned, policy: Policy, level: int
) -> dict[int, Seen | None]:
    """What the planned frames show and, unless the camera is late, those between two of them that don't agree."""
    watch = Watch(finder, everywhere=not policy.watch)
    found = {i: _seen(partial(watch.look, size=size), decoded, i, policy) for i, size in planned.sizes.items()}
    if level == effort.FULL:
        found |= looks_between(finder, decoded, between(found), policy)
    return found


def with_last(finder: Finder, decoded: DecodedChunk, found: Looked, policy: Policy) -> Looked:
    """With a look at a chunk's last frame, for where no other chunk follows."""
    last = len(decoded.frames) - 1
    if last in found:
        return found
    search = partial(whole, finder, size=policy.detection_side)
    return {**found, last: _seen(search, decoded, last, policy)}


def looks_between(
    finder: Finder, decoded: DecodedChunk, wanted: Mapping[int, Difference], policy: Policy
) -> dict[int, Seen | None]:
    """What these frames show, at full size, where the looks before and after them differ."""
    def searched(difference: Difference) -> Search:
        if not policy.watch:
            return partial(whole, finder, size=policy.detection_side)
        return partial(around, finder, size=policy.detection_side, where=difference.places, known=difference.known)

    return {i: _seen(searched(difference), decoded, i, policy) for i, difference in wanted.items()}


def _seen(search: Search, decoded: DecodedChunk, i: int, policy: Policy) -> Seen | None:
    """What a frame shows of what is to be hidden; None where nobody can say."""
    planes = decoded.frames[i].planes
    if is_blind(planes):
        return None
    try:
        seen = search(planes, decoded.chunk.format)
    except ConfigError:
        return None
    if isinstance(seen, PartlySeen):
        return replace(seen, found=choose(seen.found, policy.kinds, policy.smallest))
    return choose(seen, policy.kinds, policy.smallest)


def key_of(chunk: FrameChunk) -> bytes:
    """Digest of what a chunk is: video, number, codec, times, coded pictures."""
    head = f"{chunk.video_id}/{chunk.chunk_seq}/{chunk.codec}/{chunk.pts}".encode()
    return digest(head + b"".join(unit.data for unit in chunk.units))
