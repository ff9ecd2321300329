"""Pages of the operating platform: the wall of cameras, recordings on a time line, health. They only show.

Who may see them is who may call the API: holders of a client certificate. No page changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import FastAPI, Request, Response

from infra.https import caller
from streams.operating.index import Video
from streams.operating.movement import InView
from streams.operating.overview import Day, Overview
from streams.pages.render import Pages, clock, install
from streams.words import plural

NAV = (("/", "Wall"), ("/recordings", "Recordings"), ("/state", "Health"))
WIDTH, HEIGHT, NARROWEST, TICKS = 1000, 40, 4, 4


@dataclass(frozen=True, slots=True)
class Run:
    """A recording on the time line: `x` and `width` of `WIDTH`."""

    video: Video
    x: float
    width: float
    state: str
    bad: bool

    @property
    def from_ms(self) -> int:
        """Begin."""
        return self.video.capture_ms

    @property
    def to_ms(self) -> int:
        """End of what is stored."""
        return self.video.capture_ms + round(self.video.seconds * 1000)


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of a chart: `x` and `width` of `WIDTH`; `mean` and `most` reach up from the bottom, of `HEIGHT`."""

    x: float
    width: float
    mean: float
    most: float


@dataclass(frozen=True, slots=True)
class Chart:
    """How many of a kind were hidden at once, and the same in a sentence."""

    kind: str
    bars: tuple[Bar, ...]
    said: str


def pages() -> Pages:
    """The platform's pages."""
    return Pages("operating platform", lambda request: {"nav": NAV, "person": caller(request.scope)},
                 "operator.html")


def add_pages(
    app: FastAPI, shown: Pages, overview: Overview, failing: Callable[[], str], clock: Callable[[], int]
) -> None:
    """Put the pages into an app; `failing` says what the platform waits for, `clock` gives milliseconds since 1970."""
    install(app, shown)

    @app.get("/", include_in_schema=False)
    def wall(request: Request) -> Response:
        return shown.show(
            request, "wall.html", title="Wall", cameras=overview.cameras(), now_ms=clock(), failing=failing()
        )

    @app.get("/recordings", include_in_schema=False)
    def recordings(request: Request, camera: str = "", day: str = "", video: str = "", at: str = "") -> Response:
        names = [one.camera_id for one in overview.cameras()]
        chosen = camera if camera in names else names[0] if names else ""
        wanted, said = _read_day(day)
        if camera and camera not in names:
            said = f"There is no camera {camera[:100]}; this is {chosen}." if chosen else ""
        found = overview.day(chosen, wanted) if chosen else None
        runs = _runs(found) if found else []
        playing = next((run for run in runs if run.video.video_id == video), runs[-1] if runs else None)
        values: dict[str, Any] = {
            "names": names, "chosen": chosen, "found": found, "runs": runs, "said": said, "playing": playing,
            "charts": _charts(found, overview) if found else (), "at": _seconds(at),
            "ticks": _ticks(found) if found else (),
        }
        return shown.show(request, "recordings.html", title="Recordings", **values)

    @app.get("/state", include_in_schema=False)
    def state(request: Request) -> Response:
        return shown.show(
            request, "state.html", title="Health", cameras=overview.cameras(), alarms=overview.alarms(),
            refusals=overview.refusals(), retired=overview.retired(), disk=overview.disk(), failing=failing(),
            now_ms=clock(),
        )


def state_of(video: Video) -> tuple[str, bool]:
    """What is to be known of a video in words, and whether something is wrong with it."""
    notes = ["complete" if video.ended else "growing"]
    if video.missing:
        notes.append(f"{plural(video.missing, 'chunk')} missing")
    if video.lost:
        notes.append(f"{plural(video.lost, 'frame')} lost")
    if video.conflicts:
        notes.append(f"{plural(video.conflicts, 'other version')} kept")
    if video.fault and not (video.missing and video.fault == "MissingChunk"):
        notes.append(f"fault: {video.fault}")
    return ", ".join(notes), bool(video.fault or video.missing)


def _runs(day: Day) -> list[Run]:
    """Where each recording lies in the drawn hours; short ones are drawn wide enough to be met."""
    runs, scale = [], WIDTH / max(1, day.to_ms - day.from_ms)
    for video in day.videos:
        x = max(0.0, (video.capture_ms - day.from_ms) * scale)
        width = max(NARROWEST, video.seconds * 1000 * scale)
        state, bad = state_of(video)
        runs.append(Run(video, round(min(x, WIDTH - NARROWEST), 2), round(min(width, WIDTH - x), 2), state, bad))
    return runs


def _charts(day: Day, overview: Overview) -> list[Chart]:
    """People and plates over the drawn hours, where any were seen."""
    steps = overview.in_view(day.camera_id, day.from_ms, day.to_ms)
    people = [(step, step.people, step.most_people) for step in steps]
    plates = [(step, step.plates, step.most_plates) for step in steps]
    kinds = ("People", people), ("Plates", plates)
    return [_chart(day, name, counted) for name, counted in kinds if any(most for *_, most in counted)]


def _chart(day: Day, name: str, counted: Sequence[tuple[InView, float, int]]) -> Chart:
    scale, top = WIDTH / max(1, day.to_ms - day.from_ms), max(most for *_, most in counted)
    bars = tuple(
        Bar(round((step.from_ms - day.from_ms) * scale, 2), round(step.step_ms * scale, 2),
            round(mean / top * HEIGHT, 2), round(most / top * HEIGHT, 2))
        for step, mean, most in counted
    )
    frames = max(1, sum(step.frames for step, *_ in counted))
    average = sum(mean * step.frames for step, mean, _ in counted) / frames
    when = next(step for step, _, most in counted if most == top)
    said = f"{name} hidden at once: {average:.1f} on average, {top:,} at most, about {clock(when.from_ms)}."
    return Chart(name.lower(), bars, said)


def _ticks(day: Day) -> list[str]:
    """Times of day under the time line, evenly spaced."""
    step = (day.to_ms - day.from_ms) / TICKS
    return [clock(round(day.from_ms + step * index))[:5] for index in range(TICKS + 1)]


def _read_day(text: str) -> tuple[date | None, str]:
    try:
        return (date.fromisoformat(text) if text else None), ""
    except ValueError:
        return None, "That isn't a day; write it as 2026-11-21. Shown is the newest one with recordings."


def _seconds(text: str) -> float:
    try:
        return max(0.0, min(float(text), 1e6)) if text else 0.0
    except ValueError:
        return 0.0
