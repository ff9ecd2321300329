"""What following costs is counted against one search a frame, decoding left out."""

from __future__ import annotations

import time

from operators.desensitise.policy import Policy
from schemas.frames import Planes, VideoFormat
from schemas.regions import Detections
from streams.evaluate.cost import Spent, figures, spent
from tests.support.scenes import chunk, crossing

PLACES = crossing()
SEARCH = 0.02


class Slow:
    """A network that takes its time and finds nothing."""

    def detect_planes(self, planes: Planes, video: VideoFormat, size: int = 640) -> tuple[Detections, ...]:
        began = time.thread_time()
        while time.thread_time() - began < SEARCH:
            pass
        return (Detections.none("face"),)


def test_spent_examines_every_fifth_frame_and_the_last_of_a_video() -> None:
    out = spent([chunk(PLACES, 0), chunk(PLACES, 1, end=True)], Slow(), Policy({}))
    assert out.frames == 20
    assert 20 * SEARCH <= out.plain < 30 * SEARCH
    assert 5 * SEARCH <= out.ours + 0.01 and out.ours < 12 * SEARCH


def test_figures_the_share_is_of_all_clips_together() -> None:
    total = Spent()
    for one in (Spent(10, 1.0, 2.0), Spent(90, 1.0, 8.0)):
        total.add(one)
    found = {figure.id: figure for figure in figures(total, 0.5)}
    assert found["cost_share"].value == 0.2 and found["cost_share"].holds
    assert found["cost_share_worst_clip"].value == 0.5
    assert found["cost_ms_a_frame"].value == 20 and found["search_ms"].value == 100
