"""`sealframe eval spare`: how often a face stays visible by somebody else's consent, and how often by its own.

Two measurements. Tracks drawn from labelled photographs, each against every picture (`spare_tracks.py`): the rate of
false matches. `SpareSettings` were chosen on the people of even numbers; the figure that counts is that of the others,
`held_out`. And the whole way of file mode on generated clips of three people, one of whom consents: regions of the
others that were left bare, of which none may be. They keep to lanes, since who meets another is never spared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from infra.camera import open_source
from operators.bare import left_bare
from operators.codec import encode
from operators.desensitise.policy import Policy
from operators.detect import Finder
from operators.pipeline import Pipeline
from operators.sign import SigningKey
from operators.spare import SpareSettings
from streams.authority.faces import Faces
from streams.demo.cast import Scene, identities_cast
from streams.demo.compose import Face, Truth, compose, write_video
from streams.demo.cutout import Rgb
from streams.evaluate import spare_tracks
from streams.evaluate.faces import folder_of, listed
from streams.evaluate.report import Figure
from streams.evaluate.spare_tracks import Drawn, Rate, Step, most
from streams.evaluate.tracks import owner
from streams.setup import detector
from streams.spare import Consent, first_pass

TARGET = 1e-5
LANES, LANE, WIDTHS, BETWEEN = 3, (480, 540), (80.0, 120.0), 160
"""People in a clip, each in a lane of so many pixels, with faces so wide, grey between lanes: the first consents."""
KIN = 0.05
_KEY = SigningKey(b"sealframe eval: signs no records")
Tell = Callable[[str], None]


@dataclass(slots=True)
class Filmed:
    """Face-frames of clips: of who consented and of strangers, how many were seen and how many left bare."""

    own: int = 0
    own_bare: int = 0
    strangers: int = 0
    strangers_bare: int = 0
    tracks: int = 0
    spared: int = 0


def photographs(data: Path, faces: Faces, settings: SpareSettings, step: Step = lambda done, of: None) -> list[Figure]:
    """The rates of tracks drawn from the pictures of labels.tsv in `data`; errors as `faces.listed`."""
    pictures = listed(folder_of(data))
    return rates(spare_tracks.draw(pictures.paths, pictures.people, faces, settings.looks, step), settings)


def rates(drawn: Drawn, settings: SpareSettings) -> list[Figure]:
    """Figures of drawn tracks: counts, bounds at 95 %, and what a fitted tail says."""
    everybody = np.unique(drawn.people)
    out: list[Figure] = []
    for name, persons in (("all", everybody), ("held_out", everybody[1::2])):
        rate = spare_tracks.false_matches(drawn, settings, persons)
        out += [
            Figure(f"false_matches_{name}", rate.hits, "track-pictures", n=rate.count),
            _bound(f"false_match_rate_{name}", rate, TARGET),
            Figure(f"false_matches_people_{name}", rate.people_hit, "pairs of people", "<=", None, rate.people,
                   f"at most {most(rate.people_hit, rate.people):.1e} of pairs of people at 95 %"),
        ]  # fmt: skip
    fitted, kin = (spare_tracks.tail(drawn, settings.pooled, share) for share in (1.0, KIN))
    again, same = (spare_tracks.found_again(drawn, settings, same=one) for one in (False, True))
    missing = int((~np.isfinite(drawn.tracks).all((1, 2))).sum())
    return [
        *out,
        Figure("false_match_rate_tail", fitted, "", "<=", TARGET, len(drawn.people), "extrapolated: a Pareto tail"),
        Figure("false_match_rate_tail_kin", kin, "", "<=", TARGET, len(drawn.people),
               f"the same among the {KIN:.0%} of people who look most like one another"),
        Figure("spared", again.hits / max(again.count, 1), "", n=again.count,
               note="tracks, by another picture of the person: other years, other cameras"),
        Figure("spared_same", same.hits / max(same.count, 1), "", n=same.count, note="by the picture that they show"),
        Figure("tracks_without_looks", missing, "tracks", "<=", None, len(drawn.people), "too few good looks: masked"),
    ]  # fmt: skip


def _bound(name: str, rate: Rate, target: float) -> Figure:
    """The upper end of the interval: pairs of a track and a picture, taken as independent, which they aren't quite."""
    note = f"upper end at 95 %; counted {rate.hits / max(rate.count, 1):.1e}"
    return Figure(name, most(rate.hits, max(rate.count, 1)), "", "<=", target, rate.count, note)


def clips(
    data: Path, folder: Path, finder: Finder, faces: Faces, seeds: int, tell: Tell = lambda _: None
) -> list[Figure]:
    """The whole way on generated clips; `data` holds `labels.tsv`, `folder` takes clips for a while."""
    total = Filmed()
    for seed in range(seeds):
        cast = identities_cast(data, seed=seed, people_a_video=1)
        others = {person.label: person.photographs for person in cast.probes}
        for number, scenes in enumerate(zip(*[iter(cast.scenes)] * LANES, strict=False)):
            path, (consenting, *_) = folder / f"{seed}-{number}.mp4", (scene.people[0] for scene in scenes)
            truth = side_by_side(scenes, folder, path)
            pictures = [consenting.photograph, *others[consenting.label]]
            consents = [Consent(b"", faces.probe(picture.path.read_bytes()).embedding) for picture in pictures]
            _count(total, path, truth, consenting.label, finder, faces, consents)
            path.unlink()
            tell(f"{path.stem}: {total.spared} of {total.tracks} tracks spared, {total.strangers_bare} strangers bare")
    note = f"{total.spared} of {total.tracks} tracks spared"
    return [
        Figure("strangers_bare", total.strangers_bare, "face-frames", "==", 0, total.strangers, note),
        Figure("consenting_bare", total.own_bare / max(total.own, 1), "", n=total.own,
               note="share of their face-frames, by the photograph they are shown by and all others"),
    ]  # fmt: skip


def side_by_side(scenes: Sequence[Scene], folder: Path, out: Path) -> Truth:
    """A clip of so many lanes, in each the people of one scene: nobody of one meets anybody of another."""
    find, paths = detector().detect, [folder / f"lane-{lane}.mp4" for lane in range(len(scenes))]
    truths = [
        compose(scene.people, path, detect=find, seed=scene.seed, seconds=scene.seconds, face_width=WIDTHS,
                width=LANE[0], height=LANE[1])
        for scene, path in zip(scenes, paths, strict=True)
    ]  # fmt: skip
    pitch, grey = LANE[0] + BETWEEN, ((0, 0), (0, BETWEEN), (0, 0))
    pictures = (
        np.hstack([np.pad(picture, grey, constant_values=128) for picture in row])
        for row in zip(*map(_pictures, paths), strict=True)
    )
    write_video(out, pictures, pitch * len(scenes), LANE[1], truths[0].fps, 20)
    for path in paths:
        path.unlink()
    frames = tuple(
        tuple(_moved(face, lane * pitch) for lane, faces in enumerate(row) for face in faces)
        for row in zip(*(truth.frames for truth in truths), strict=True)
    )
    labels = tuple(label for truth in truths for label in truth.labels)
    return Truth(pitch * len(scenes), LANE[1], truths[0].fps, labels, frames)


def _pictures(path: Path) -> Iterator[Rgb]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _moved(face: Face, by: int) -> Face:
    x1, y1, x2, y2 = face.box
    return replace(face, box=(x1 + by, y1, x2 + by, y2))


def _count(
    total: Filmed, path: Path, truth: Truth, consenting: str, finder: Finder, faces: Faces,
    consents: list[Consent],
) -> None:  # fmt: skip
    chunks = [*open_source(str(path), encode=encode, camera_id="spare")]
    first = first_pass(iter(chunks), Pipeline(Policy({}), finder, _KEY), faces, consents)
    policy = replace(Policy({}), spared=tuple(one.track for one in first.spared))
    pipeline = Pipeline(policy, finder, _KEY)
    state, seen = pipeline.initial("spare"), set[int]()
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        state, regions = pipeline.locate(state, chunk, following)
        state = replace(state, video_id=chunk.video_id)
        bare = left_bare(regions, chunk, policy).places
        for i, frame in enumerate(regions.frames):
            seen |= {region.track for region in frame}
            for region in frame:
                _tally(total, owner(region, truth.frames[chunk.first_frame + i]), (i, region.track) in bare, consenting)
    total.tracks += len(seen)
    total.spared += len(first.spared)


def _tally(total: Filmed, label: str | None, bare: bool, consenting: str) -> None:
    """A region that is known to show somebody."""
    if label == consenting:
        total.own, total.own_bare = total.own + 1, total.own_bare + bare
    elif label is not None:
        total.strangers, total.strangers_bare = total.strangers + 1, total.strangers_bare + bare
