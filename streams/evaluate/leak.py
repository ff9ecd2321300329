"""`sealframe eval leak`: which faces stay bare, on generated clips whose truth is known for every pixel.

People are photographs that walk through a drawn scene, cross, hide behind each other, leave and come back
(`streams/demo/compose.py`). Each clip goes through detection, tracking and mask layout as in the worker; nothing is
encoded. A face-frame is a face of at least 20 px height of which a quarter is in view. It leaks where more than a tenth
of what is in view lies outside the masked blocks, and is bare from nine tenths on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from infra.camera import open_source
from operators import effort
from operators.codec import decode, encode
from operators.cohere import Claim, lay_out
from operators.desensitise.paint import masks
from operators.desensitise.policy import Policy
from operators.detect import DETECTION_SIDE, Finder
from operators.pipeline import Pipeline
from operators.sign import SigningKey, digest
from operators.track import TrackSettings
from operators.track.geometry import area, shared
from schemas.frames import BLOCK, FrameChunk, Planes, VideoFormat
from schemas.regions import Detections, RegionSet
from schemas.state import LoadState
from streams.demo.cast import Scene, identities_cast
from streams.demo.compose import Face, Truth, compose
from streams.evaluate.report import Figure
from streams.evaluate.weather import VARIANTS, Treat, clear
from streams.evaluate.worst import Worst
from streams.setup import FINDS_FACES, detector, finder

MIN_HEIGHT, MIN_VISIBLE = 20, 0.25
LEAK, BARE = 0.1, 0.9
CLASSES = ((20, 40), (40, 80), (80, 160), (160, 10_000))
SLIM = 1.25
WIDTHS = ((56.0, 100.0), (20.0, 56.0), (90.0, 160.0))
MAX_LEAK, MAX_BARE, MAX_TRACKS = 0.001, 0.0002, 0.01
_KEY = SigningKey(bytes(32))


@dataclass(frozen=True, slots=True)
class Way:
    """How faces are followed: the tracker's settings, whether the next chunk is looked at, and how little is spent."""

    tracking: TrackSettings | None = None
    ahead: bool = True
    level: int = effort.FULL


AS_SHIPPED = Way()
WITHOUT = MappingProxyType({
    "camshift": Way(TrackSettings(follow_similarity=2.0)),
    "kalman": Way(TrackSettings(motion=False)),
    "look_ahead": Way(ahead=False),
})  # fmt: skip
"""What following is worth: each part left out; no likeness is above 1, so CamShift is never believed."""
LATE = MappingProxyType({f"late_{effort.LEVELS[level]}": Way(level=level) for level in (effort.SPARSE, effort.COARSE)})
"""What a live camera gets that is late: fewer looks, larger masks."""
Tell = Callable[[str], None]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Leaks:
    """Counts over clips. `runs`: appearances of a person (one outing), those with a leak, and the longest leak in ms.

    By class of face height: `masked` pixels of the blocks that cover such faces, `true` pixels of the faces, `sizes`
    how many there are; `idle_pixels` lie in blocks that cover nobody. `open`: of one clip, what isn't all covered, as
    share that is bare, frame and face.
    """

    faces: int = 0
    leaking: int = 0
    bare: int = 0
    runs: int = 0
    leaking_runs: int = 0
    longest_ms: float = 0.0
    masked: Counter[int] = field(default_factory=Counter)
    true: Counter[int] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    idle_pixels: int = 0
    open: list[tuple[float, int, Face]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Leaking face-frames among all."""
        return self.leaking / max(self.faces, 1)

    def add(self, other: Leaks) -> None:
        """Take in another clip's counts."""
        for name in ("faces", "leaking", "bare", "runs", "leaking_runs", "idle_pixels"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_ms = max(self.longest_ms, other.longest_ms)
        self.masked += other.masked
        self.true += other.true
        self.sizes += other.sizes


def evaluate(
    data: Path, folder: Path, seeds: Sequence[int], variants: int, parts: int, policy: Policy,
    tell: Tell = lambda _: None, name: str = FINDS_FACES, worst: Worst | None = None,
) -> list[Figure]:
    """Clean clips of these casts, of the first `variants` in every kind of weather, of `parts` without parts.

    `data` holds `labels.tsv`; `name` is the detector of the worker, whatever locates the faces in the photographs;
    `worst` is shown the clean clips.
    """
    found = finder(["face"], name)
    clean = measure(scenes(data, seeds), folder, found, policy, tell=tell, worst=worst)
    others: dict[str, Leaks] = {}
    for name, treat in (VARIANTS if variants else {}).items():
        tell(name)
        others[name] = measure(scenes(data, seeds[:variants]), folder, found, policy, treat)
    if variants:
        tell("crf35")
        others["crf35"] = measure(scenes(data, seeds[:variants]), folder, found, policy, crf=35)
    left_out = ablations(data, folder, seeds[:parts], found, policy, tell) if parts else {}
    return figures(clean, others) + [
        Figure(f"leak_rate_{_way(name)}", one.rate, "", "<=", None, one.faces, f"{one.leaking} face-frames")
        for name, one in left_out.items()
    ]


def scenes(data: Path, seeds: Iterable[int]) -> Iterator[Scene]:
    """Casts one after another, faces of all sizes in turn."""
    for seed in seeds:
        for scene in identities_cast(data, seed=seed).scenes:
            low, high = WIDTHS[seed % len(WIDTHS)]
            yield replace(scene, camera_id=f"seed-{seed}-{scene.camera_id}", face_width=(low, high))


def measure(
    filmed: Iterable[Scene], folder: Path, finder: Finder, policy: Policy, treat: Treat = clear, crf: int = 18,
    tell: Tell = lambda _: None, worst: Worst | None = None,
) -> Leaks:
    """Film each scene, locate its faces, and count what the masks leave open. Files go to `folder` and are removed."""
    total, find = Leaks(), detector().detect
    for scene in filmed:
        path = folder / f"{scene.camera_id}.mp4"
        truth = compose(
            scene.people, path, detect=find, seed=scene.seed, seconds=scene.seconds,
            face_width=scene.face_width, treat=treat, crf=crf,
        )
        shown = masked(path, finder, policy)
        one = count(truth, shown)
        total.add(one)
        if worst:
            _draw(worst, path, one, [mask for _, mask in shown])
        path.unlink()
        tell(f"{scene.camera_id}: {total.leaking} of {total.faces} faces leak")
    return total


def _draw(worst: Worst, path: Path, found: Leaks, masks: Sequence[Flags]) -> None:
    """Show a clip's open faces, if they are among the worst."""
    wanted = defaultdict[int, list[tuple[float, Face]]](list)
    for share, number, face in found.open:
        if worst.wants(share):
            wanted[number].append((share, face))
    for chunk in open_source(str(path), encode=encode, camera_id="leak") if wanted else ():
        for frame in decode(chunk).frames:
            for share, face in wanted.get(frame.frame_no, ()):
                where = f"{path.stem}, frame {frame.frame_no}"
                worst.add(share, where, frame.planes, chunk.format, face.box, masks[frame.frame_no])


def located(path: Path, finder: Finder, policy: Policy) -> Iterator[tuple[FrameChunk, RegionSet]]:
    """Chunks of a clip with what is found in them, as the worker would find it."""
    return found_in([*open_source(str(path), encode=encode, camera_id="leak")], finder, policy)


def found_in(
    chunks: Sequence[FrameChunk], finder: Finder, policy: Policy, way: Way = AS_SHIPPED
) -> Iterator[tuple[FrameChunk, RegionSet]]:
    """These chunks of one camera with what is found in them, as the worker would find it."""
    pipeline = Pipeline(policy, finder, _KEY, way.tracking)
    state = replace(pipeline.initial("leak"), load=LoadState(way.level, way.level))
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        state, regions = pipeline.locate(state, chunk, following if way.ahead else None)
        state = replace(state, video_id=chunk.video_id)
        yield chunk, regions


class Remembering:
    """A finder that is asked only once about each picture at each size."""

    def __init__(self, finder: Finder) -> None:
        self._finder, self._known = finder, dict[tuple[bytes, int], Detections | tuple[Detections, ...]]()

    def detect_planes(
        self, planes: Planes, video: VideoFormat, size: int = DETECTION_SIDE
    ) -> Detections | tuple[Detections, ...]:
        """As the finder said."""
        key = digest(planes.y.tobytes()), size
        if key not in self._known:
            self._known[key] = self._finder.detect_planes(planes, video, size)
        return self._known[key]


def ablations(
    data: Path, folder: Path, seeds: Sequence[int], found: Finder, policy: Policy, tell: Tell = lambda _: None
) -> dict[str, Leaks]:
    """The same clips with one part of following left out after the other, as shipped, and as of late cameras."""
    ways = {"nothing": AS_SHIPPED, **WITHOUT, **LATE}
    find, totals = detector().detect, {name: Leaks() for name in ways}
    for scene in scenes(data, seeds):
        path = folder / f"{scene.camera_id}.mp4"
        truth = compose(scene.people, path, detect=find, seed=scene.seed, seconds=scene.seconds,
                        face_width=scene.face_width)
        chunks, finder = [*open_source(str(path), encode=encode, camera_id="leak")], Remembering(found)
        for name, total in totals.items():
            shown = [frame for chunk, regions in found_in(chunks, finder, policy, ways[name])
                     for frame in laid_out(regions, chunk, policy)]
            total.add(count(truth, shown))
        path.unlink()
        tell(f"{scene.camera_id}: " + ", ".join(f"{_way(name)} {one.leaking}" for name, one in totals.items()))
    return totals


def _way(name: str) -> str:
    return name if name in LATE else f"without_{name}"


def masked(path: Path, finder: Finder, policy: Policy) -> list[tuple[tuple[Claim, ...], Flags]]:
    """Claims and masked blocks of every frame of a clip, as the worker would lay them out."""
    return [frame for chunk, regions in located(path, finder, policy) for frame in laid_out(regions, chunk, policy)]


def laid_out(regions: RegionSet, chunk: FrameChunk, policy: Policy) -> list[tuple[tuple[Claim, ...], Flags]]:
    """Claims and masked blocks of each frame of a chunk."""
    layout = lay_out(regions, chunk.format, effort.eased(policy, regions.effort))
    return list(zip(layout, masks(layout, chunk.format), strict=True))


def count(truth: Truth, shown: Sequence[tuple[tuple[Claim, ...], Flags]], least: float = MIN_HEIGHT) -> Leaks:
    """Counts of one clip, over faces (or what else the truth names) at least so many pixels high."""
    out, open_shares = Leaks(), defaultdict[str, dict[int, float]](dict)
    for number, (faces, (claims, mask)) in enumerate(zip(truth.frames, shown, strict=True)):
        mine = _assigned(claims, faces, mask.shape, out)
        for i, face in enumerate(faces):
            height = face.box[3] - face.box[1]
            if height < least or face.visible < MIN_VISIBLE:
                continue
            share = open_shares[face.label][number] = bare_share(face, mask)
            if share > 0:
                out.open.append((share, number, face))
            size = next((k for k, (low, high) in enumerate(CLASSES) if low <= height < high), -1)
            out.masked[size] += int(mine[i].sum()) * BLOCK * BLOCK if i in mine else 0
            out.true[size] += round((face.box[2] - face.box[0]) * height)
            out.sizes[size] += 1
    for shares in open_shares.values():
        _count_runs(out, shares, truth.fps)
    return out


def bare_share(face: Face, mask: Flags) -> float:
    """Share of what is in view of a face that lies outside the masked blocks."""
    top, left, seen = face.pixels
    rows = np.minimum(np.arange(top, top + seen.shape[0]) // BLOCK, mask.shape[0] - 1)
    columns = np.minimum(np.arange(left, left + seen.shape[1]) // BLOCK, mask.shape[1] - 1)
    return float((seen & ~mask[np.ix_(rows, columns)]).sum() / max(int(seen.sum()), 1))


def _count_runs(out: Leaks, shares: dict[int, float], fps: int) -> None:
    """Leaks of one person, outing by outing."""
    numbers = sorted(shares)
    starts = [0, *(i for i in range(1, len(numbers)) if numbers[i] - numbers[i - 1] > fps), len(numbers)]
    for first, last in zip(starts, starts[1:], strict=False):
        run = [shares[number] for number in numbers[first:last]]
        longest = current = 0
        for share in run:
            current = current + 1 if share > LEAK else 0
            longest = max(longest, current)
        out.faces += len(run)
        out.leaking += sum(share > LEAK for share in run)
        out.bare += sum(share >= BARE for share in run)
        out.runs += 1
        out.leaking_runs += longest > 0
        out.longest_ms = max(out.longest_ms, 1000.0 * longest / fps)


def _assigned(
    claims: Sequence[Claim], faces: Sequence[Face], shape: tuple[int, ...], out: Leaks
) -> dict[int, Flags]:
    """Blocks by the face that they cover most of; blocks that cover nobody are counted as idle."""
    mine: dict[int, Flags] = {}
    for claim in claims:
        rect = claim.rect
        box = BLOCK * rect.left, BLOCK * rect.top, BLOCK * rect.right, BLOCK * rect.bottom
        inside = [shared(box, face.box) for face in faces]
        if not inside or max(inside) <= 0:
            out.idle_pixels += round(area(box))
            continue
        blocks = mine.setdefault(inside.index(max(inside)), np.zeros(shape, bool))
        blocks[rect.top : rect.bottom, rect.left : rect.right] = True
    return mine


def figures(clean: Leaks, others: dict[str, Leaks]) -> list[Figure]:
    """The clean clips' figures with their targets, then each variant's leak rate against the clean one's."""
    faces, runs = clean.faces, clean.runs
    found = [
        Figure("leak_rate", clean.rate, "", "<=", MAX_LEAK, faces, f"{clean.leaking} face-frames over a tenth bare"),
        Figure("bare_rate", clean.bare / max(faces, 1), "", "<=", MAX_BARE, faces, f"{clean.bare} face-frames"),
        Figure("leaking_tracks", clean.leaking_runs / max(runs, 1), "", "<=", MAX_TRACKS, runs,
               f"{clean.leaking_runs} outings with any leak"),
        Figure("longest_leak_ms", clean.longest_ms, "ms", "<=", None, runs),
    ]
    for k, (low, high) in enumerate(CLASSES):
        if clean.true[k]:
            name = f"{low}_{high}" if high < 1000 else f"over_{low}"
            width = (clean.true[k] / clean.sizes[k] / SLIM) ** 0.5
            limit = 1.15 * (1.2 + 15 / width) ** 2
            found.append(Figure(f"masked_ratio_{name}", clean.masked[k] / clean.true[k], "", "<=", limit,
                                clean.true[k], "area of blocks against area of faces, by face height in pixels"))
    for name, one in others.items():
        found.append(Figure(f"leak_rate_{name}", one.rate, "", "<=", max(2 * clean.rate, MAX_LEAK), one.faces,
                            f"{one.leaking} face-frames; at most twice the clean rate, or {MAX_LEAK:g}"))
    return found
