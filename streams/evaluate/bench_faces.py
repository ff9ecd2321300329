"""`sealframe bench faces`: what a frame costs with one face in it, and with thirty.

Two 720p clips go through `bench_operators`: twelve panels with a generated scene each, in the one a person in one panel
alone, in the other three in each; faces are 24 px wide and more. People enter and leave, so it is regions that count:
by a straight line through both clips follows what a frame with one region costs, and with thirty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from infra.camera import open_source
from operators.codec import encode
from operators.desensitise.policy import Policy
from operators.detect import Finder
from streams.demo.backdrop import backdrop, noise
from streams.demo.compose import PersonPicture, compose, write_video
from streams.demo.cutout import Rgb
from streams.demo.pictures import Person
from streams.evaluate import bench_operators
from streams.evaluate.report import Figure
from streams.setup import detector

COLUMNS, ROWS, PANEL = 4, 3, (320, 240)
FACE_WIDTH = 24.0, 32.0
EACH = 3
"""People in a panel of the full clip."""
FEW, MANY, TARGET = 1, 30, 2.0
SECONDS, FPS, CRF = 6.0, 25, 18
Tell = Callable[[str], None]


def evaluate(
    people: Sequence[Person], folder: Path, policy: Policy, finder: Finder, tell: Tell = lambda _: None
) -> list[Figure]:
    """The ratio, and what a region more costs; `folder` takes the clips."""
    measured = []
    for panels, each in ((1, 1), (COLUMNS * ROWS, EACH)):
        tell(f"filming {panels * each}")
        clip = film(people, folder, panels, each)
        chunks = [*open_source(str(clip), encode=encode, camera_id="bench")]
        tell("measuring")
        found = {one.id: one for one in bench_operators.evaluate(chunks, policy, finder)}
        measured.append((found["regions"].value, found["all_ms"].value, found["all_ms"].n or 0))
    return figures(measured)


def film(people: Sequence[Person], folder: Path, panels: int, each: int) -> Path:
    """A clip with so many people in so many of its panels, in the others nobody."""
    pictures = [photograph for person in people for photograph in person.photographs]
    paths = [folder / f"panel-{number}.mp4" for number in range(panels)]
    for number, path in enumerate(paths):
        cast = [
            PersonPicture(f"{place}", pictures[(number * each + place) % len(pictures)]) for place in range(each)
        ]
        compose(
            cast, path, detect=detector().detect, seed=number, seconds=SECONDS, fps=FPS, width=PANEL[0],
            height=PANEL[1], face_width=FACE_WIDTH,
        )
    out = folder / f"panels-{panels}-{each}.mp4"
    write_video(out, _joined(paths), PANEL[0] * COLUMNS, PANEL[1] * ROWS, FPS, CRF)
    return out


def _joined(paths: Sequence[Path]) -> Iterator[Rgb]:
    """Pictures of all panels side by side, RGB; where there is no clip a scene with nobody in it."""
    with ExitStack() as files:
        clips = [_decoded(files.enter_context(av.open(str(path)))) for path in paths]
        clips += [_nobody(seed) for seed in range(len(paths), COLUMNS * ROWS)]
        for shown in islice(zip(*clips, strict=False), round(SECONDS * FPS)):
            yield np.vstack([np.hstack(shown[start : start + COLUMNS]) for start in range(0, len(shown), COLUMNS)])


def _decoded(clip: InputContainer) -> Iterator[Rgb]:
    return (np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in clip.decode(video=0))


def _nobody(seed: int) -> Iterator[Rgb]:
    """A generated scene without people, as noisy as one with them."""
    rng = np.random.default_rng(seed)
    scene, grain = backdrop(rng, *PANEL), noise(rng, *PANEL)
    for number in count():
        y, x = rng.integers(0, PANEL[1] // 2), rng.integers(0, PANEL[0] // 2)
        noisy = scene.frame(number / FPS) + grain[y : y + PANEL[1], x : x + PANEL[0]]
        yield np.asarray(noisy.clip(0, 255), np.uint8)


def figures(measured: Sequence[tuple[float, float, int]]) -> list[Figure]:
    """From (regions a frame, milliseconds a frame, frames) of the clip of few and that of many."""
    (few, cheap, _), (many, dear, frames) = measured
    slope = (dear - cheap) / (many - few)
    one, thirty = (cheap + slope * (regions - few) for regions in (FEW, MANY))
    return [
        Figure("faces_ratio", thirty / one, "", "<=", TARGET, frames,
               f"{one:.1f} ms a frame with {FEW} region, {thirty:.1f} with {MANY}; measured with {few:.1f} and "
               f"{many:.1f}"),
        Figure("a_face_ms", slope, "ms", "<=", None, frames, "a frame, for each region more"),
    ]
