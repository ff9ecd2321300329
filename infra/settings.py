"""Settings: one `sealframe.toml` in the working folder, environment variables over it, read once at the start.

Unknown names, wrong types and missing values stop the start. Secrets are paths of files; the environment is never
logged. Without `bootstrap` the broker is the embedded one under `home`. Databases are no setting: services are told.
"""

from __future__ import annotations

import codecs
import os
import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError

from schemas.errors import ConfigError

FILE = "sealframe.toml"
PREFIX = "SEALFRAME_"
_MARKED = "; it begins with a byte order mark: save it as UTF-8 without one"
Kind = Literal["face", "plate"]
"""What is hidden, and sealed for authorities."""


class Condition(BaseModel):
    """Of these kinds, by cameras of these patterns, where a frame shows so many of a kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[Kind, ...] = Field(min_length=1)
    cameras: tuple[str, ...] = Field(("*",), min_length=1)
    at_least: int = Field(0, ge=0)
    at_most: int | None = Field(None, ge=0)


class RouteSetting(Condition):
    """What of its kinds an authority gets; one without routes gets all."""

    authority: str
    level: Literal["high", "low"] | None = None


class GradingSetting(Condition):
    """How sensitive a kind is there; the first that holds counts, else low."""

    level: Literal["high", "low"]


class SiteSetting(BaseModel):
    """What differs at cameras that one of these patterns names (`*`, `?`, `[a-z]`); what isn't said stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cameras: tuple[str, ...] = Field(min_length=1)
    kinds: frozenset[Kind] | None = Field(None, min_length=1, description="of `detect`, what is hidden here")
    methods: dict[str, str] | None = None
    padding: float | None = Field(None, ge=0, le=4)
    stride: int | None = Field(None, ge=1, le=60)
    smallest: float | None = Field(None, ge=0, le=8192, description="what is less high, in pixels, stays as it is")
    whole_heads: bool | None = Field(None, description="hair and ears go with a face")
    zones: tuple[tuple[float, float, float, float], ...] | None = Field(
        None, description="always masked: left, top, right, bottom as shares of the picture"
    )
    fixed: bool | None = Field(None, description="doesn't move: masked whole, with an alarm, once it has been moved")

    def changes(self) -> dict[str, object]:
        """What is said."""
        said = {name: getattr(self, name) for name in type(self).model_fields if name != "cameras"}
        return {name: value for name, value in said.items() if value is not None}


class RetentionSetting(BaseModel):
    """How long and how much is kept at cameras of these patterns; the first that holds counts, without one all is.

    `public` is the operating platform's video, the other kinds are an authority's evidence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cameras: tuple[str, ...] = Field(("*",), min_length=1)
    kinds: tuple[Literal["public"] | Kind, ...] = Field(("public", "face", "plate"), min_length=1)
    days: float | None = Field(None, gt=0)
    gigabytes: float | None = Field(None, gt=0, description="of files, 10^9 bytes each; the oldest videos go whole")


class CaseSetting(BaseModel):
    """The policy of cases: who has to approve them, how long they hold, how often a person may ask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    second_person: bool = Field(True, description="a case holds once another person has approved it")
    approval_days: int = Field(30, ge=1, le=366, description="how long an approval holds")
    longest_days: int = Field(180, ge=1, le=3660, description="how long a case may hold at most")
    searches_per_hour: int = Field(300, ge=1)
    restorations_per_hour: int = Field(60, ge=1)
    pictures_per_hour: int = Field(3000, ge=1)
    refusals_per_minute: int = Field(60, ge=1, description="who is refused more often waits a minute")


class SignInSetting(BaseModel):
    """How people sign in by a browser: an OpenID Connect issuer. Without one the stack runs one of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field("", description="the issuer's address, https://...")
    client_id: str = Field("sealframe", min_length=1)
    client_secret: Path | None = Field(None, description="file with the client's secret")
    ca: Path | None = Field(None, description="CA of the issuer's certificate; default: the system's")
    url: str = Field("", description="how browsers reach the forensic service, where that isn't its host and port")
    idle_minutes: int = Field(15, ge=1, le=24 * 60, description="a session that isn't used ends")
    hours: int = Field(8, ge=1, le=24, description="a session ends in any case")


class Settings(BaseSettings):
    """All settings. In the environment they are `SEALFRAME_<NAME>`; tables are JSON there."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", toml_file=FILE)

    home: Path = Path(".sealframe")
    bootstrap: str = Field("", description="Kafka, host:port,...; empty: the embedded broker")
    partitions: int = Field(2, ge=1, description="of each frame topic; can't change later: cameras would move")
    replicas: int = Field(1, ge=1, description="of each topic that is made; a cluster should have three")
    tls: Path | None = Field(None, description="folder with ca.pem and certificates; default: home/tls")
    detect: tuple[Kind, ...] = Field(("face",), min_length=1, description="what is hidden")
    authorities: dict[str, tuple[Kind, ...]] = Field({"city-faces": ("face",)}, description="name to the kinds it gets")
    routes: tuple[RouteSetting, ...] = Field((), description="narrow what authorities get, chunk by chunk")
    gradings: tuple[GradingSetting, ...] = Field((), description="sensitivity levels that routes may ask for")
    sites: tuple[SiteSetting, ...] = Field((), description="what differs at some cameras; the first that holds counts")
    gateways: dict[str, frozenset[str]] = Field({}, description="name to the cameras that it pushes for")
    approvers: dict[str, str] = Field({}, description="name to public key: two sign for never-masked zones")
    bare_zones: tuple[Path, ...] = Field((), description="never-masked zones: files that `sealframe zones` made")
    methods: dict[str, str] = {"face": "veil"}
    insist: bool = Field(False, description="methods that attacks broke are taken all the same; without it, refused")
    face_detector: str = Field("pyramid-face", description="finds faces: a name of `sealframe models list`")
    detection_side: int = Field(1920, ge=320, le=4096, description="pixels of the longer side that are searched")
    watch: bool = Field(True, description="within a chunk only what has changed is searched again")
    quality: Literal["high", "lossless"] = "high"
    stride: int = Field(5, ge=1, le=60)
    padding: float = Field(0.1, ge=0, le=4, description="share of a box's sides masked beyond each")
    doubt: float = Field(0.15, ge=0, le=4, description="so much more where a region is in doubt")
    crf: int = Field(23, ge=1, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = "veryfast"
    chunk_ms: int = Field(1000, ge=100, le=10_000)
    index_faces: Literal["always", "on_case", "off"] = "always"
    face_embedder: Literal["face-embedder", "face-embedder-int8"] = Field(
        "face-embedder", description="turns faces into vectors; those of one never compare with those of the other"
    )
    retention: tuple[RetentionSetting, ...] = Field((), description="what is kept how long; nothing said: all of it")
    cases: CaseSetting = Field(default_factory=lambda: CaseSetting.model_validate({}), description="policy of cases")
    sign_in: SignInSetting = Field(
        default_factory=lambda: SignInSetting.model_validate({}), description="how people sign in by a browser"
    )

    @model_validator(mode="after")
    def _hides_at_every_camera(self) -> Self:
        for site in self.sites:
            if unsearched := sorted((site.kinds or frozenset()) - {*self.detect}):
                raise ValueError(
                    f"the site of {', '.join(site.cameras)} hides {unsearched[0]!r}, which `detect` doesn't look for"
                )
        return self

    @property
    def tls_folder(self) -> Path:
        """Folder of the certificates."""
        return self.tls or self.home / "tls"

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(**overrides: object) -> Settings:
    """Read the settings. An override of None is none: an option that wasn't named leaves what the settings say.

    Raises:
        ConfigError: an unknown name, a wrong type or value; says which.

    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise ConfigError(f"unknown environment variables: {', '.join(unknown)}")
    if Path(FILE).exists() and not Path(FILE).is_file():
        raise ConfigError(f"{FILE} isn't a file")
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{FILE} or {PREFIX}* variables: {wrong}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{FILE} isn't TOML: {error}{_MARKED if _is_marked() else ''}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{FILE} isn't TOML: its text isn't UTF-8; save it so") from None
    except OSError as error:
        raise ConfigError(f"{FILE} can't be read ({error.strerror})") from None
    except SettingsError as error:
        raise ConfigError(f"{PREFIX}* variables: {error}; tables are written as JSON") from None


def _is_marked() -> bool:
    return Path(FILE).read_bytes().startswith(codecs.BOM_UTF8)


def read_retention(text: str) -> tuple[RetentionSetting, ...]:
    """The rules of retention as JSON, as the stack hands them to its services.

    Raises:
        ConfigError: an unknown name, a wrong type or value; says which.

    """
    try:
        return TypeAdapter(tuple[RetentionSetting, ...]).validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"--retention: {wrong}") from None
