"""`sealframe eval plate-tracks`: plates read along generated tracks, joined, beside what single frames say.

Drawn plates of every layout pass a camera (`operators/training/plates/moving.py`) with corners as a detector would give
them, a little off. Glyphs are of fonts and cuts that the reader's training never drew with. A track counts where the
reader by itself reads 30 to 70 % of its frames; others are drawn until every layout has its share, and counted.
Tracks of which no frame shows the whole plate come beside, without a target.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from operators.plate_track import Glimpse, alone, glimpse, join, rectify
from operators.plates import WEIGHTS, PlateReader, Reading
from operators.training.plates.glyphs import Glyphs, load
from operators.training.plates.layouts import LAYOUTS, Layout, draw
from operators.training.plates.moving import Cover, film, misplaced
from schemas.errors import SourceError
from streams.evaluate.report import Figure

UNSEEN_LATIN = (
    "DejaVuSans-Bold.ttf", "Lato-Semibold.ttf", "Lato-Black.ttf", "Inter-Bold.otf", "JetBrainsMono-SemiBold.ttf",
    "LeagueSpartan-Bold.otf", "Dosis-ExtraBold.otf", "Roboto-Black.ttf", "NanumSquareRoundB.ttf",
    "NanumGothicCodingBold.ttf",
)  # fmt: skip
UNSEEN_CHINESE = ("NotoSerifCJK-Bold.ttc",)
UNSEEN_KOREAN = ("NanumSquareRoundB.ttf", "NanumGothicCodingBold.ttf", "NanumSquareRoundR.ttf")
READABLE = (0.3, 0.7)
EASIEST, HARDEST = 0.5, 1.4
MOST_DRAWN = 60
"""Tracks drawn of a layout, at most, for one that counts."""
TARGET = 0.95


@dataclass(frozen=True, slots=True)
class Track:
    """A plate's text and layout, its glimpses, what each says by itself, and what they say together."""

    text: str
    layout: str
    alone: tuple[Reading, ...]
    joined: Reading
    join_ms: float

    @property
    def readable(self) -> float:
        """The share of frames that the reader reads by itself."""
        return sum(one.text == self.text for one in self.alone) / len(self.alone)

    @property
    def best_frame(self) -> str:
        """What the frame says of which the reader is surest."""
        return max(self.alone, key=lambda one: one.confidence).text

    @property
    def voted(self) -> str:
        """What most frames say; of several, the one of which the reader is surest."""
        votes = Counter(one.text for one in self.alone)
        return max(self.alone, key=lambda one: (votes[one.text], one.confidence)).text


def evaluate(count: int, seed: int, tell: Callable[[str], None], reader: PlateReader | None = None) -> list[Figure]:
    """At least `count` tracks, as many of every layout, and half as many of which no frame shows the whole plate.

    Raises:
        ConfigError: the fonts aren't installed.

    """
    cv2.setNumThreads(1)
    reader = reader or PlateReader(WEIGHTS)
    glyphs = load(latin_fonts=UNSEEN_LATIN, chinese_fonts=UNSEEN_CHINESE, korean_fonts=UNSEEN_KOREAN)
    each = -(-count // len(LAYOUTS))
    kept: list[Track] = []
    faint: list[Track] = []
    drawn = 0
    for number, layout in enumerate(LAYOUTS):
        found: list[Track] = []
        for attempt in range(MOST_DRAWN * each):
            track = drive(reader, glyphs, layout, np.random.default_rng([seed, number, attempt]))
            drawn += 1
            if READABLE[0] <= track.readable <= READABLE[1]:
                found.append(track)
            elif 0 < track.readable < READABLE[0]:
                faint.append(track)
            if len(found) == each:
                break
        kept += found
        tell(f"{layout.name}: {_line(found)}")
    half = [
        drive(reader, glyphs, layout, np.random.default_rng([seed, 1000 + number, attempt]), "halves")
        for number, layout in enumerate(LAYOUTS) for attempt in range(max(1, each // 2))
    ]
    tell(f"no frame shows the whole plate: {_line(half)}")
    return figures(kept, drawn, [track for track in half if not track.readable], seed, faint)


def drive(
    reader: PlateReader, glyphs: Glyphs, layout: Layout, rng: np.random.Generator, cover: Cover | None = None
) -> Track:
    """One plate of the layout on its way, glimpsed by corners a little off."""
    flat, text = draw(glyphs, rng, layout)
    frames = film(flat, rng, cover, float(rng.uniform(EASIEST, HARDEST)))
    glimpses = glimpse(reader, [rectify(frame.picture, misplaced(frame.corners, rng)) for frame in frames])
    return tracked(text, layout.name, glimpses)


def tracked(text: str, layout: str, glimpses: Sequence[Glimpse]) -> Track:
    """A track with its reading, timed."""
    began = time.perf_counter()
    joined = join(glimpses)
    spent = 1000 * (time.perf_counter() - began)
    return Track(text, layout, tuple(alone(one) for one in glimpses), joined, spent)


def figures(
    kept: Sequence[Track], drawn: int, hidden: Sequence[Track], seed: int, faint: Sequence[Track] = ()
) -> list[Figure]:
    """Of tracks that count, and of those whose plate no frame shows whole; raises SourceError without any."""
    if not kept:
        raise SourceError("no generated track is readable in 30 to 70 % of its frames")
    n = len(kept)
    right = [track.joined.text == track.text for track in kept]
    best = [track.best_frame == track.text for track in kept]
    frames = sum(len(track.alone) for track in kept)
    shares = [track.readable for track in kept]
    note = f"seed {seed}; {drawn} drawn for them; {frames} frames, {np.mean(shares):.2f} of a track's readable"
    times = sorted(track.join_ms for track in kept)
    made = [
        Figure("track_exact", sum(right) / n, "", ">=", TARGET, n, note),
        Figure("best_frame_exact", sum(best) / n, "", ">=", None, n, "the frame of which the reader is surest"),
        Figure("voting_exact", sum(track.voted == track.text for track in kept) / n, "", ">=", None, n, "majority"),
        Figure("worse_than_best_frame", sum(b and not r for b, r in zip(best, right, strict=True)), "", "==", 0, n),
        Figure("track_confidence", float(np.mean([track.joined.confidence for track in kept])), "", ">=", None, n,
               "mean, beside track_exact"),
        Figure("join_ms", times[n // 2], "ms", "<=", None, n, f"median; longest {times[-1]:.0f}"),
    ]
    if hidden:
        exact = sum(track.joined.text == track.text for track in hidden) / len(hidden)
        made.append(Figure("halves_exact", exact, "", ">=", None, len(hidden), "no frame shows or reads all of it"))
    if faint:
        right = [track.joined.text == track.text for track in faint]
        beside = sum(track.best_frame == track.text for track in faint) / len(faint)
        voted = sum(track.voted == track.text for track in faint) / len(faint)
        note = f"readable in fewer than 30 % of frames, but in one; surest frame {beside:.3f}, majority {voted:.3f}"
        made.append(Figure("faint_exact", sum(right) / len(faint), "", ">=", None, len(faint), note))
    return made


def _line(tracks: Sequence[Track]) -> str:
    right = sum(track.joined.text == track.text for track in tracks)
    wrong = [f"{track.text} read {track.joined.text}" for track in tracks if track.joined.text != track.text]
    return f"{right} of {len(tracks)} right" + "".join(f"; {one}" for one in wrong[:8])
