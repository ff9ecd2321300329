"""Parts put together from settings: policies, detectors, pipelines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast, get_args

from infra.added import added, load
from infra.models import CENTERFACE, FOLDER, MTCNN, MTCNN_PARTS, PLATE_DETECTOR, PYRAMID_FACE, resolve
from infra.settings import Condition, Settings
from operators.desensitise.policy import METHODS, Policy, Preset, Site
from operators.desensitise.proven import weakness
from operators.detect import (
    CONTINUES,
    MTCNN_SCORE,
    PLATE_KEPT,
    PLATE_SCORE,
    CenterFace,
    Detector,
    DetectorSpec,
    FaceDetector,
    Finder,
    Mtcnn,
    PlateDetector,
    PyramidFace,
    Several,
    Stretched,
    opened,
)
from operators.routes import Grading, Route, When
from operators.track import TrackSettings
from operators.zones import BareZones, Zone
from schemas.errors import ConfigError, UsageError
from schemas.records import Quality
from streams.zones import bare_zones

KINDS = ("face", "plate")
"""What can be found, and so be hidden."""


@dataclass(frozen=True, slots=True)
class FaceModel:
    """How a face detector of the catalogue is read, and from which score on its boxes are masked."""

    spec: DetectorSpec
    score: float


FACE_MODELS: Mapping[str, FaceModel] = MappingProxyType({
    CENTERFACE: FaceModel(CenterFace(), 0.2),
    PYRAMID_FACE: FaceModel(PyramidFace(), 0.25),
})  # fmt: skip


FINDS_FACES = PYRAMID_FACE
"""The detector that looks through videos; the authority reads faces with CenterFace, in pictures and evidence alike."""


def detector(name: str = CENTERFACE, score: float | None = None) -> FaceDetector:
    """The face detector of this name, keeping boxes from its own score on or from the one given.

    Raises:
        UsageError: no such detector.

    """
    if name not in FACE_MODELS:
        raise UsageError(f"no face detector {name!r}; there are {', '.join(FACE_MODELS)}")
    model = FACE_MODELS[name]
    return FaceDetector(resolve(name, Path()), model.spec, model.score if score is None else score)


def named_detector(name: str, score: float | None = None, folder: Path = FOLDER) -> Detector:
    """The face detector of this name: of the catalogue, or added to the folder by the user.

    With a score it says its own scores, from there on; without one, scores as tracking takes them.

    Raises:
        UsageError: no such detector.
        ConfigError: its file is missing or changed.

    """
    if name in FACE_MODELS:
        return detector(name, TrackSettings().faint_score if score is None else score)
    face, make = _optional(name, folder)
    return Stretched(make(CONTINUES * face), face) if score is None else make(score)


def _optional(name: str, folder: Path) -> tuple[float, Callable[[float], Detector]]:
    """The score from which a box is a face, and what makes the detector with a lowest score."""
    users = added(folder)
    if name == MTCNN:
        first, second, third = (resolve(part, folder).read_bytes() for part in MTCNN_PARTS)
        return MTCNN_SCORE, lambda lowest: Mtcnn((first, second, third), lowest)
    if name in users:
        entry, data = users[name], load(folder, users[name])
        return entry.score, lambda lowest: opened(data, entry.reads, lowest, entry.size)
    file = "; a file is put in by `sealframe models add` first" if name.lower().endswith(".onnx") else ""
    raise UsageError(f"no face detector {name!r}; there are {', '.join((*FACE_MODELS, MTCNN, *users))}{file}")


def plate_detector(score: float | None = None) -> PlateDetector:
    """The plate detector, keeping boxes from its own score on or from the one given; errors as `resolve`."""
    return PlateDetector(resolve(PLATE_DETECTOR, Path()), PLATE_SCORE if score is None else score)


def finder(kinds: Collection[str], faces: str = FINDS_FACES, folder: Path = FOLDER) -> Finder:
    """What looks for these kinds in a frame, faces by the detector of this name; the folder holds added models.

    Raises:
        UsageError: a kind that nothing finds, or no kind.

    """
    make: tuple[Callable[[], Detector], ...] = (
        lambda: named_detector(faces, folder=folder), lambda: plate_detector(PLATE_KEPT),
    )
    makers = dict(zip(KINDS, make, strict=True))
    unknown = sorted(set(kinds) - set(makers))
    if unknown or not kinds:
        raise UsageError(f"nothing finds {unknown[0]!r}; there are {', '.join(makers)}" if unknown else "no kind")
    return Several(*(make() for kind, make in makers.items() if kind in kinds))


def check_coding(crf: float, preset: str) -> None:
    """Raise UsageError unless x264 makes a public video of these; players don't take a lossless one (crf 0)."""
    if not 1 <= crf <= 51 or preset not in get_args(Preset):
        raise UsageError(f"crf is 1 to 51, preset one of {', '.join(get_args(Preset))}")


def file_policy(
    *, method: str, quality: str, stride: int, crf: int, preset: str, keep_evidence: bool,
    zones: tuple[Zone, ...] = (), whole_heads: bool = False, bare: tuple[BareZones, ...] = (), insist: bool = False,
) -> Policy:
    """The policy of file mode: one reader, entitled to every kind.

    Raises:
        UsageError: a value that isn't one of those offered, or a method that doesn't protect without `insist`.

    """
    if (weak := weakness([method])) and not insist and method in METHODS:
        raise UsageError(f"{weak} (see `sealframe eval attack`); --insist takes it all the same")
    check_coding(crf, preset)
    if quality not in get_args(Quality) or method not in METHODS or stride < 1:
        raise UsageError(f"quality is one of {', '.join(get_args(Quality))}, method one of {', '.join(METHODS)}, "
                         "stride at least 1")
    return Policy(
        authorities={"file": frozenset({"face", "plate", "head", "person"})} if keep_evidence else {},
        methods=MappingProxyType({"face": method}), custodian=keep_evidence, stride=stride, crf=crf,
        preset=cast(Preset, preset), quality=cast(Quality, quality), zones=zones, whole_heads=whole_heads,
        bare=bare, insist=insist, apart=False,
    )


def stream_policy(settings: Settings) -> Policy:
    """The policy of worker and edge.

    Raises:
        ConfigError: a route to an unknown authority, a number of regions that can't be, or never-masked zones that
            two approvers don't vouch for now.

    """
    return Policy(
        authorities={name: frozenset(kinds) for name, kinds in settings.authorities.items()},
        methods=MappingProxyType(dict(settings.methods)), padding=settings.padding, doubt=settings.doubt,
        stride=settings.stride, detection_side=settings.detection_side, crf=settings.crf, preset=settings.preset,
        quality=settings.quality, watch=settings.watch,
        routes=_routes(settings),
        gradings=tuple(Grading(grading.level, _when(grading)) for grading in settings.gradings),
        sites=tuple(Site(site.cameras, site.changes()) for site in settings.sites),
        bare=bare_zones(settings.bare_zones, settings.approvers), insist=settings.insist,
    )


def _routes(settings: Settings) -> tuple[Route, ...]:
    unknown = {route.authority for route in settings.routes} - set(settings.authorities)
    if unknown:
        raise ConfigError(f"a route to {sorted(unknown)[0]!r}, which isn't among the authorities")
    return tuple(Route(route.authority, _when(route), route.level) for route in settings.routes)


def _when(condition: Condition) -> When:
    return When(condition.kinds, condition.cameras, condition.at_least, condition.at_most)
