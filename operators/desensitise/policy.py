"""What is hidden how, and who may have it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from operators.desensitise.averages import BLUR, MOSAIC
from operators.desensitise.base import Method
from operators.desensitise.fixed import SOLID, VEIL
from operators.desensitise.proven import weakness
from operators.desensitise.replace import REPLACE, Replacement
from operators.desensitise.scale import SCALES
from operators.desensitise.scramble import SCRAMBLE
from operators.desensitise.silhouette import SILHOUETTE
from operators.replacing.drawn import Donor
from operators.routes import Grading, Route, is_named
from operators.spare import Spared
from operators.zones import BareZones, Zone, is_zone
from schemas.errors import ConfigError
from schemas.records import Quality

METHODS: Mapping[str, Method] = MappingProxyType(
    {method.name: method for method in (VEIL, SOLID, MOSAIC, BLUR, SCRAMBLE, REPLACE, SILHOUETTE, *SCALES)}
)
DEFAULT = VEIL.name
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where some of a policy's settings differ: at cameras that one of these patterns names (`*`, `?`, `[a-z]`)."""

    cameras: tuple[str, ...]
    changes: Mapping[str, Any]

    def holds(self, camera_id: str) -> bool:
        """Whether this camera is one of them."""
        return is_named(camera_id, self.cameras)


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of the pipeline; they never change while it runs.

    `methods`: object kind to method; `authorities`: name to the kinds it is entitled to; `padding`: share of the
    box's width and height added on every side, and `extra` for a kind; `doubt`: so much more where a region is in
    doubt; `stride`: every so manieth frame is examined, at up to `detection_side` pixels; `crf`, `preset`: x264 for the
    public video; `hold`: the price of moving a mask, in frames of its area; `routes`, `gradings`: what of its kinds an
    authority gets, see `operators/routes.py`.

    `kinds`: of what is found, what is hidden (None: all); `smallest`: what is found less high, in pixels, stays as it
    is; `whole_heads`: hair and ears go with a face; `zones`: always masked, for the custodian alone; `sites`: what of
    all this differs at which cameras, the first that holds counts; `bare`: never-masked zones, see `operators/bare.py`;
    `spared`: tracks of who consented, in file mode, which knows them before it paints; `insist`: methods that attacks
    broke are taken all the same (`operators/desensitise/proven.py`); `donors`: whose faces `replace` shows, drawn ones
    where there are none; `fixed`: a camera that is moved is masked whole, see `operators/view.py`; `watch`: within a
    chunk only what has changed is searched again, see `operators/detect/watch.py`; `apart`: evidence is in pieces that
    show one set of people each, else in fewer, larger ones, for one reader who gets all of them.
    """

    authorities: Mapping[str, frozenset[str]]
    methods: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({"face": DEFAULT}))
    custodian: bool = True
    padding: float = 0.1
    extra: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({"plate": 0.1}))
    doubt: float = 0.15
    stride: int = 5
    crf: int = 23
    preset: Preset = "veryfast"
    quality: Quality = "high"
    hold: float = 1.0
    detection_side: int = 1920
    pass_through: bool = True
    routes: tuple[Route, ...] = ()
    gradings: tuple[Grading, ...] = ()
    kinds: frozenset[str] | None = None
    smallest: float = 0.0
    whole_heads: bool = False
    zones: tuple[Zone, ...] = ()
    sites: tuple[Site, ...] = ()
    bare: tuple[BareZones, ...] = ()
    spared: tuple[Spared, ...] = ()
    insist: bool = False
    donors: tuple[Donor, ...] = ()
    fixed: bool = False
    watch: bool = True
    apart: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.methods.values()) - set(METHODS)
        if unknown:
            raise ConfigError(f"unknown method {sorted(unknown)[0]!r}: choose from {', '.join(METHODS)}")
        if (weak := weakness(self.methods.values())) and not self.insist:
            raise ConfigError(f"{weak} (see `sealframe eval attack`); it is taken only where one insists")
        if self.stride < 1 or self.hold < 0 or not 1 <= self.crf <= 51:
            raise ConfigError("stride must be at least 1, hold at least 0, crf 1 to 51")
        if not 0 <= self.padding <= 4 or not 0 <= self.doubt <= 4:
            raise ConfigError("padding and doubt must be 0 to 4")
        if not all(map(is_zone, self.zones)):
            raise ConfigError("a zone is left, top, right, bottom as shares of the picture, 0 to 1")
        for site in self.sites:
            replace(self, sites=(), **site.changes)

    def at(self, camera_id: str) -> Policy:
        """The policy as it holds at this camera."""
        site = next((one for one in self.sites if one.holds(camera_id)), None)
        return replace(self, sites=(), **site.changes) if site else self

    def padding_of(self, kind: str) -> float:
        """Share of a box's sides that is masked beyond each, for this kind."""
        return self.padding + self.extra.get(kind, 0.0)

    @property
    def methods_text(self) -> str:
        """The method of each kind: who has another one can't use what this one made."""
        return ",".join(f"{kind}={method}" for kind, method in sorted(self.methods.items()))

    def method(self, kind: str) -> Method:
        """The method for a kind; one without a method of its own is hidden by `solid` (unsure means masked)."""
        name = self.methods.get(kind, "solid")
        return Replacement(donors=self.donors) if name == REPLACE.name and self.donors else METHODS[name]

    def hides_heads(self, kind: str) -> bool:
        """Whether hair and ears go with what is found of this kind; an outline always follows the whole head."""
        return kind == "face" and (self.whole_heads or self.method(kind) is SILHOUETTE)

    @property
    def keeps_evidence(self) -> bool:
        """Somebody may have the hidden samples back."""
        return self.custodian or bool(self.authorities)
