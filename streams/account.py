"""What a video's masks rest on: the account that goes with every desensitised file, and its weakest moments.

A frame counts as what its least certain region is: `whole` (the detector failed; all is masked), `coasting` (a track
that the detector has lost), `filled` (before a track's first detection, or between two), `tracked` (followed between
detections), `detected`, `zone` (always masked), or `clear` (nothing to hide was found). Weak moments are runs of frames
in which one track coasts or is filled in, and whole frames: there somebody should look. The longest are the weakest.
What zones and consent left bare is no region here: it is counted for itself, and shown on a page beside the account.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from infra.atomic import write_whole
from schemas.frames import VideoFormat
from schemas.records import OperatorChunk, Rectangle
from schemas.regions import ObjectKind, RegionSet
from streams.account_page import BareTotal, page
from streams.spare import SparedTrack

Ground = Literal["clear", "zone", "detected", "tracked", "filled", "coasting", "whole"]
GROUNDS: tuple[Ground, ...] = ("clear", "zone", "detected", "tracked", "filled", "coasting", "whole")
WEAK: frozenset[Ground] = frozenset({"filled", "coasting", "whole"})
LISTED = 20


@dataclass(frozen=True, slots=True)
class Moment:
    """A run of frames, from `start_s` to `end_s` in the video, in which a track (0: the whole frame) is uncertain."""

    track: int
    kind: ObjectKind
    ground: Ground
    start_s: float
    end_s: float
    frames: int


@dataclass(slots=True)
class Account:
    """Grows chunk by chunk; bounded, since only the longest moments are kept.

    `zones`: there are some; `lost`: frames of the source that no picture came of.
    """

    zones: bool = False
    frames: Counter[Ground] = field(default_factory=Counter)
    tracks: set[int] = field(default_factory=set)
    spared_regions: int = 0
    spared: tuple[SparedTrack, ...] = ()
    lost: int = 0
    _open: dict[int, Moment] = field(default_factory=dict)
    _ended: list[Moment] = field(default_factory=list)
    _origin: float | None = None
    _bare: dict[tuple[Rectangle, bytes], BareTotal] = field(default_factory=dict)
    _size: tuple[int, int] = (16, 9)

    def add(self, ticks: Sequence[int], time_base: Fraction, regions: RegionSet) -> None:
        """Take in the next chunk of the video: when its frames begin and the last one ends, and what is in them."""
        times = [float(tick * time_base) for tick in ticks]
        self._origin = times[0] if self._origin is None else self._origin
        for i, frame in enumerate(regions.frames):
            grounds: dict[int, tuple[ObjectKind, Ground]] = {r.track: (r.kind, r.source) for r in frame}
            if i in regions.failed:
                grounds[0] = ("frame", "whole")
            worst = max((GROUNDS.index(ground) for _, ground in grounds.values()), default=int(self.zones))
            self.frames[GROUNDS[worst]] += 1
            self.tracks.update(grounds)
            start, end = times[i] - self._origin, times[i + 1] - self._origin
            self._follow({t: one for t, one in grounds.items() if one[1] in WEAK}, start, end)

    def leave_bare(self, chunk: OperatorChunk, video: VideoFormat) -> None:
        """Take in what a signed chunk says that zones and consent left bare, and that the source has lost."""
        self.lost += chunk.gaps
        self._size = video.width, video.height
        self.spared_regions += chunk.spared
        for one in chunk.bare:
            before = self._bare.get((one.zone, one.statement), BareTotal(one.zone, one.statement, 0, 0))
            total = BareTotal(one.zone, one.statement, before.frames + len(chunk.pts), before.regions + one.regions)
            self._bare[one.zone, one.statement] = total

    def spare(self, tracks: Sequence[SparedTrack]) -> None:
        """Take in the tracks that stay visible by consent."""
        self.spared = tuple(tracks)

    def bare(self) -> list[BareTotal]:
        """The never-masked zones that were in force."""
        return list(self._bare.values())

    def weakest(self) -> list[Moment]:
        """The longest moments, at most `LISTED`, in the order of time."""
        return sorted(_longest([*self._ended, *self._open.values()]), key=lambda one: (one.start_s, one.track))

    def as_json(self) -> dict[str, object]:
        """Plain values: frames by ground, tracks, weak moments, what was left bare; no pixel and no text of a plate."""
        return {
            "frames": {ground: self.frames[ground] for ground in GROUNDS},
            "tracks": len(self.tracks - {0}),
            "lost": self.lost,
            "weakest": [
                {"track": one.track, "kind": one.kind, "ground": one.ground, "start_s": round(one.start_s, 3),
                 "end_s": round(one.end_s, 3), "frames": one.frames}
                for one in self.weakest()
            ],
            "bare_zones": [
                {"zone": [one.zone.left, one.zone.top, one.zone.right, one.zone.bottom], "frames": one.frames,
                 "regions": one.regions, "statement": one.statement.hex()}
                for one in self.bare()
            ],
            "spared_regions": self.spared_regions,
            "spared": [
                {"track": one.track.track, "start_s": round(one.start_s, 3), "end_s": round(one.end_s, 3),
                 "picture": one.picture.hex(), "score": round(one.track.score, 4), "worst": round(one.track.worst, 4),
                 "looks": one.track.looks}
                for one in self.spared
            ],
        }  # fmt: skip

    def write(self, path: Path) -> None:
        """As a JSON file; a page beside it (`.html` more) shows what was left bare."""
        write_whole(path, (json.dumps(self.as_json(), indent=1) + "\n").encode())
        if self._bare or self.spared:
            drawn = page(self.bare(), self._size, self.spared)
            write_whole(path.with_name(path.name + ".html"), drawn.encode())

    def _follow(self, weak: dict[int, tuple[ObjectKind, Ground]], start: float, end: float) -> None:
        for track in list(self._open):
            if track not in weak or weak[track][1] != self._open[track].ground:
                self._ended.append(self._open.pop(track))
        for track, (kind, ground) in weak.items():
            before = self._open.get(track)
            first, count = (before.start_s, before.frames) if before else (start, 0)
            self._open[track] = Moment(track, kind, ground, first, end, count + 1)
        if len(self._ended) > 4 * LISTED:
            self._ended = _longest(self._ended)


def _longest(moments: list[Moment]) -> list[Moment]:
    return sorted(moments, key=lambda one: (one.start_s - one.end_s, one.start_s, one.track))[:LISTED]
