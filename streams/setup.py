"""Parts put together from settings: policies, detectors, pipelines."""

from __future__ import annotations

from types import MappingProxyType
from typing import cast, get_args

from infra.models import centerface
from infra.settings import Settings
from operators.desensitise.policy import Policy, Preset
from operators.detect import FaceDetector
from schemas.errors import UsageError
from schemas.records import Quality


def detector() -> FaceDetector:
    """The face detector of the default profile."""
    return FaceDetector(centerface(), score=0.2)


def file_policy(
    *, method: str, quality: str, stride: int, crf: int, preset: str, keep_evidence: bool
) -> Policy:
    """The policy of file mode: one reader, entitled to every kind.

    Raises:
        UsageError: a value that isn't one of those offered.

    """
    if quality not in get_args(Quality) or preset not in get_args(Preset):
        raise UsageError(f"quality is one of {get_args(Quality)}, preset one of {get_args(Preset)}")
    return Policy(
        authorities={"file": frozenset({"face", "plate", "head", "person"})} if keep_evidence else {},
        methods=MappingProxyType({"face": method}), custodian=keep_evidence, stride=stride, crf=crf,
        preset=cast(Preset, preset), quality=cast(Quality, quality),
    )


def stream_policy(settings: Settings) -> Policy:
    """The policy of worker and edge."""
    return Policy(
        authorities={name: frozenset(kinds) for name, kinds in settings.authorities.items()},
        methods=MappingProxyType(dict(settings.methods)), padding=settings.padding, stride=settings.stride,
        crf=settings.crf, preset=settings.preset, quality=settings.quality,
    )
