"""Where a model's file is, and whether it's the right one.

`models.toml` names every model. Files come from installed packages, which are looked up but never imported. A model
that has to be converted is converted once, into a cache folder; every file is checked against its SHA-256 before use.
"""

from __future__ import annotations

import hashlib
import importlib.util
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.atomic import write_whole
from schemas.errors import ConfigError, UsageError

FOLDER = Path(".sealframe/models")
"""Where converted and added models are kept, unless told otherwise."""
CATALOGUE = Path(__file__).with_name("models.toml")
CENTERFACE = "centerface"
PYRAMID_FACE = "pyramid-face"
FACE_EMBEDDER, FACE_EMBEDDER_INT8 = "face-embedder", "face-embedder-int8"
PLATE_DETECTOR = "plate-detector"
MTCNN, MTCNN_PARTS = "mtcnn", ("mtcnn-p", "mtcnn-r", "mtcnn-o")
"""A detector made of three models."""

Converter = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of models.toml. `extra`: the optional part of Sealframe that installs its package; `optional`: nothing
    that Sealframe does by default needs it.
    """

    name: str
    purpose: str
    package: str
    path: str
    sha256: str
    licence: str
    training_data: str
    extra: str = ""
    conversion: str = ""
    converted: str = ""
    optional: bool = False


def catalogue(path: Path = CATALOGUE) -> dict[str, Model]:
    """All models by name.

    Raises:
        ConfigError: the table doesn't parse, or an entry lacks a value or has an unknown one.

    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        models = {name: Model(name=name, **entry) for name, entry in table.items()}
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ConfigError(f"{path.name}: {error}") from error
    for model in models.values():
        if bool(model.conversion) != bool(model.converted):
            raise ConfigError(f"{path.name}: {model.name} needs both conversion and converted, or neither")
    return models


def model(name: str) -> Model:
    """The entry of this name; raises UsageError for a name that isn't in the catalogue."""
    models = catalogue()
    if name not in models:
        raise UsageError(f"no model {name!r}; there are {', '.join(models)}")
    return models[name]


def source(entry: Model) -> Path:
    """The file inside its package, checked.

    Raises:
        ConfigError: the package isn't installed, or the file is missing or another one.

    """
    spec = importlib.util.find_spec(entry.package)
    if spec is None or not spec.submodule_search_locations:
        wanted = f"sealframe[{entry.extra}]" if entry.extra else "sealframe"
        raise ConfigError(f"model {entry.name}: package {entry.package} is missing; pip install '{wanted}'")
    return _checked(entry.name, Path(spec.submodule_search_locations[0]) / entry.path, entry.sha256)


def is_left_out(entry: Model) -> bool:
    """Whether the model is optional and its package isn't installed."""
    return entry.optional and importlib.util.find_spec(entry.package) is None


def resolve(name: str, cache: Path) -> Path:
    """The ONNX file to load, checked: inside its package, or converted in the folder `cache`.

    Raises:
        UsageError: no such model.
        ConfigError: missing, not yet converted, or another file than models.toml names.

    """
    entry = model(name)
    if not entry.conversion:
        return source(entry)
    target = _target(entry, cache)
    if not target.is_file():
        if is_left_out(entry):
            source(entry)
        raise ConfigError(f"model {name} isn't set up; run `sealframe models setup`")
    return _checked(name, target, entry.converted)


def install(name: str, cache: Path, converters: Mapping[str, Converter]) -> Path:
    """Convert the model into `cache` unless it's there; a damaged one is made again. Returns the file to load.

    Two set-ups at once are safe: the file appears whole or not at all.

    Raises:
        UsageError: no such model.
        ConfigError: the source is missing or another file, or the conversion gives another file than it should.

    """
    entry = model(name)
    if not entry.conversion:
        return source(entry)
    target = _target(entry, cache)
    if target.is_file() and _digest(target) == entry.converted:
        return target
    if entry.conversion not in converters:
        raise ConfigError(f"model {name}: no converter {entry.conversion!r}")
    converted = converters[entry.conversion](source(entry).read_bytes())
    if hashlib.sha256(converted).hexdigest() != entry.converted:
        raise ConfigError(f"model {name}: conversion gave another file than models.toml names (SHA-256 differs)")
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"model {name}: folder {cache} can't be made ({error.strerror})") from error
    write_whole(target, converted)
    return target


def centerface() -> Path:
    """The face detector's file, checked; errors as `source`."""
    return resolve(CENTERFACE, Path())


def face_embedder(cache: Path, name: str = FACE_EMBEDDER) -> Path:
    """The face embedder's file in the folder `cache`, checked; errors as `resolve`."""
    return resolve(name, cache)


def _target(entry: Model, cache: Path) -> Path:
    return cache / f"{entry.name}.onnx"


def _checked(name: str, path: Path, wanted: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"model {name}: {path.name} is missing from its package; reinstall it")
    if _digest(path) != wanted:
        raise ConfigError(f"model {name}: {path.name} isn't the file that models.toml names (SHA-256 differs)")
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
