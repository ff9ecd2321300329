"""`sealframe eval attack`: how often is a masked face told from 200 others?

Each photograph is filmed at four face heights, as a picture and as a track (`film.py`), masked by each method as
shipped, coded, decoded. The attackers of `attackers.py` learned from masked faces of other people; `naive` is the
default embedder on some masked pictures, against bare ones. A search is right where the searched person comes first,
of equals one by chance. Kinds: `picture`, one masked picture; `frame`, one frame of a track; `track`, the mean of all
its frames. The strongest attacker counts, chosen by the searches themselves: in favour of the attack.

Beside it, which is no method's doing: `outline`, the mask's height and width alone, and `around`, the track with hair,
collar and ground a third of the mask's size around it. `inner` leaves out the masks' rims, over which the codec smears
what lies around: what is found then, the method itself says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from operators.desensitise.base import Method
from operators.detect.picture import rgb_of
from operators.embed import align
from schemas.frames import BLOCK
from schemas.regions import Array, Detections
from streams.demo.cutout import Rgb, cut_out
from streams.evaluate.attack.attackers import Asked, Known, as_it_is, together, two_covariances
from streams.evaluate.attack.counts import Rate, rate
from streams.evaluate.attack.film import Camera, Seen, Trying, sampled, shipped
from streams.evaluate.attack.people import Album, Fold, Search, Step
from streams.evaluate.faces import Embed
from streams.evaluate.recognition import Flags
from streams.evaluate.report import Figure

PICTURE, FRAME, TRACK = KINDS = "picture", "frame", "track"
OUTLINE, AROUND = BESIDE = "outline", "around"
STILLS, SPARSE = 4, 5
MOST = 0.015
NAIVE = "naive"
Tell = Callable[[str], None]
Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Views:
    """What one method showed at one height: by kind the samples (j, d) of each photograph in turn.

    `naive`: by photograph the default embedder's vector (128,) of the masked picture, of every fifth one.
    `points` (5, 2): the landmarks in the first still's region, pixels, and `sizes` its width and height.
    """

    samples: dict[str, list[Array | Bytes]] = field(default_factory=lambda: defaultdict(list))
    naive: dict[int, Array] = field(default_factory=dict)
    points: list[Array] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def of(self, kind: str) -> Array:
        """All photographs' views (n, j, d)."""
        return np.stack(self.samples[kind]).astype(np.float32)


def film(
    album: Album, methods: Sequence[Method], heights: Sequence[int], embed: Embed, seed: int,
    step: Step = lambda done, of: None, kinds: Collection[str] = KINDS, inner: bool = False,
) -> dict[tuple[str, int], Views]:
    """Every photograph of the album at these face heights, under each method, by its name and the height.

    Tracks are filmed where one of the `kinds` needs them; `inner`: without the masks' rims.
    """
    camera, policies = Camera(seed), [Trying({}, custodian=False, tried=method) for method in methods]
    out = {(method.name, height): Views() for method in methods for height in heights}
    walking = not {FRAME, TRACK, AROUND}.isdisjoint(kinds)
    for row in range(len(album.paths)):
        photograph, box = album.picture(row), album.boxes[row]
        cutout = cut_out(photograph, partial(_drawn, box, photograph.shape[1])) if walking else None
        relative = (album.landmarks[row] - box[:2]) / (box[2:] - box[:2])
        for height in heights:
            stills = [shipped(camera.still(photograph, box, height), policies) for _ in range(STILLS)]
            walks = shipped(camera.walk(cutout, height), policies) if cutout else []
            for number, method in enumerate(methods):
                views, still = out[method.name, height], stills[0][number][0]
                _take_stills(views, [one[number][0] for one in stills], inner)
                if cutout:
                    _take_walk(views, walks[number], inner)
                views.points.append(marks(still, relative))
                views.sizes.append((still.region.y.shape[1], still.region.y.shape[0]))
                if row % SPARSE == 0:
                    views.naive[row] = embed(chip(still, relative)[None])[0]
        step(row + 1, len(album.paths))
    return out


def _drawn(box: Array, wide: int, rgb: Rgb) -> Detections:
    """The box as a detector's answer about the photograph, `wide` pixels wide, at another size."""
    at = box[None] * np.float32(rgb.shape[1] / wide)
    return Detections("face", at, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))


def _take_stills(views: Views, stills: Sequence[Seen], core: bool) -> None:
    views.samples[PICTURE].append(np.stack([sampled(seen.core if core else seen.region) for seen in stills]))
    views.samples[OUTLINE].append(np.array([seen.region.y.shape for seen in stills], np.float32))


def _take_walk(views: Views, walk: Sequence[Seen], core: bool) -> None:
    frames = np.stack([sampled(seen.core if core else seen.region) for seen in walk])
    views.samples[FRAME].append(frames[[0, len(frames) // 2, -1]])
    views.samples[TRACK].append(frames.mean(0, keepdims=True, dtype=np.float32))
    around = np.stack([sampled(seen.around) for seen in walk])
    views.samples[AROUND].append(around.mean(0, keepdims=True, dtype=np.float32))


def chip(seen: Seen, relative: Array) -> Rgb:
    """The masked region as the embedder takes faces; `relative` (5, 2): landmarks as shares of the box."""
    region = seen.region
    return align(rgb_of(region, seen.video, region.y.shape[1], region.y.shape[0]), marks(seen, relative))


def marks(seen: Seen, relative: Array) -> Array:
    """Landmarks (5, 2) in pixels of the region."""
    box, corner = np.array(seen.box, np.float32), BLOCK * np.array([seen.rect.left, seen.rect.top], np.float32)
    return np.asarray(box[:2] + relative * (box[2:] - box[:2]) - corner, np.float32)


@dataclass(frozen=True, slots=True)
class Attacked:
    """Rates by attacker, of one method, kind and height."""

    method: str
    kind: str
    height: int
    rates: Mapping[str, Rate]

    @property
    def strongest(self) -> tuple[str, Rate]:
        """The attacker that was right most often."""
        return max(self.rates.items(), key=lambda item: item[1].share)


def evaluate(
    album: Album, methods: Sequence[Method], heights: Sequence[int], folds: Sequence[Fold], embed: Embed,
    seed: int, tell: Tell = lambda _: None, step: Step = lambda done, of: None, kinds: Collection[str] = KINDS,
    inner: bool = False,
) -> list[Attacked]:
    """Every method at every height, filmed and then attacked: about 40 MiB for each of both."""
    out = []
    tell(f"filming {len(album.paths)} photographs, faces {', '.join(map(str, heights))} pixels high")
    for (method, height), views in film(album, methods, heights, embed, seed, step, kinds, inner).items():
        rng = np.random.default_rng(seed)
        plain = naive(album, views, folds, rng)
        tell(f"{method}, {height} px: the embedder alone names {plain.hits} of {plain.n}")
        out.append(Attacked(method, NAIVE, height, {NAIVE: plain}))
        for kind in kinds:
            one = Attacked(method, kind, height, _rates(album, views, kind, folds, rng))
            out.append(one)
            name, found = one.strongest
            tell(f"{method}, {kind}, {height} px: {found.hits} of {found.n} by {name}, at most {found.most:.2%}")
    return out


def _rates(
    album: Album, views: Views, kind: str, folds: Sequence[Fold], rng: np.random.Generator
) -> dict[str, Rate]:
    hits, people = defaultdict[str, list[Flags]](list), []
    shown = views.of(kind)
    for fold in folds:
        rows = fold.training
        known = Known(shown[rows], album.people[rows], album.vectors[rows])
        attackers = {OUTLINE: two_covariances(known, as_it_is)} if kind == OUTLINE else together(known)
        for search in fold.searches:
            people.append(album.people[search.probes])
            asked = Asked(shown[search.probes, 0], shown[search.gallery], album.vectors[search.gallery])
            for name, guess in attackers.items():
                hits[name].append(first(guess(asked), search, rng))
    return {name: rate(np.concatenate(found), np.concatenate(people)) for name, found in hits.items()}


def naive(album: Album, views: Views, folds: Sequence[Fold], rng: np.random.Generator) -> Rate:
    """The default embedder on masked pictures, against bare ones of the gallery."""
    hits, people = [], []
    for search in (search for fold in folds for search in fold.searches):
        asked = np.isin(search.probes, list(views.naive))
        if asked.any():
            mine = np.stack([views.naive[row] for row in search.probes[asked].tolist()])
            some = Search(search.gallery, search.probes[asked], search.own[asked])
            hits.append(first(mine @ album.vectors[search.gallery].T, some, rng))
            people.append(album.people[some.probes])
    return rate(np.concatenate(hits), np.concatenate(people))


def first(scores: npt.NDArray[np.floating], search: Search, rng: np.random.Generator) -> Flags:
    """Whether each probe's own person has the largest of the scores (k, g); among equals chance decides."""
    best = scores.max(1, keepdims=True)
    drawn = np.where(scores == best, rng.random(scores.shape), -1).argmax(1)
    return np.asarray(drawn == search.own, bool)


def figures(results: Sequence[Attacked], default: str) -> list[Figure]:
    """The strongest attacker's rate and bound of every method, kind and height; targets for the default method."""
    out = []
    for one in results:
        name, found = one.strongest
        others = "".join(f", {who} {each.share:.2%}" for who, each in one.rates.items() if who != name)
        out.append(Figure(
            f"rank1_most_{one.method}_{one.kind}_{one.height}", found.most, "", "<=",
            MOST if one.method == default and one.kind in KINDS else None, found.n,
            f"{found.hits} right, {found.share:.2%}, by {name}{others}",
        ))
    return out
