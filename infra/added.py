"""Models that the user put in: `<folder>/added/NAME.onnx`, and beside each a small JSON file with its SHA-256.

A file that changed since it was added isn't used. That guards against damage and mix-ups, not against somebody who may
write the folder: whoever can change the record too decides what the detector sees.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.atomic import write_whole
from infra.models import MTCNN, catalogue
from schemas.errors import ConfigError, UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MOST_BYTES = 1 << 30
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Added:
    """One record. `reads`: its pre- and post-processing; `score`: from there on a box is a face; `size`: height and
    width, where the network takes one only.
    """

    name: str
    kind: str
    reads: str
    sha256: str
    score: float
    size: Size | None = None


def add(
    folder: Path, source: Path, *, name: str, kind: str, reads: str, score: float, check: Callable[[bytes], Size | None]
) -> Added:
    """Copy a model file into the folder; `check` says in which size it is fed, and raises for a file that doesn't fit.

    Raises:
        UsageError: no such file, or a name or score that can't be.
        ConfigError: the file doesn't fit, or the folder can't be written.

    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't be a model's name: small letters, digits, '.', '_' and '-'; give --name")
    if name in catalogue() or name == MTCNN or name in added(folder):
        raise UsageError(f"there is a model {name!r} already; give another --name, or `sealframe models remove` it")
    if not 0 < score < 1:
        raise UsageError(f"--score {score} isn't between 0 and 1")
    data = _read(source)
    entry = Added(name, kind, reads, hashlib.sha256(data).hexdigest(), score, check(data))
    place = _place(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"folder {place} can't be made ({error.strerror})") from error
    write_whole(place / f"{name}.onnx", data)
    write_whole(place / f"{name}.json", json.dumps(asdict(entry), indent=1).encode())
    return entry


def added(folder: Path) -> dict[str, Added]:
    """All records of the folder by name; raises ConfigError for one that can't be read."""
    return {path.stem: _record(path) for path in sorted(_place(folder).glob("*.json"))}


def load(folder: Path, entry: Added) -> bytes:
    """The model's bytes, checked.

    Raises:
        ConfigError: missing, or changed since it was added.

    """
    path = _place(folder) / f"{entry.name}.onnx"
    again = f"`sealframe models remove {entry.name}`, then add it again"
    if not path.is_file():
        raise ConfigError(f"model {entry.name}: {path} is missing; {again}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ConfigError(f"model {entry.name}: {path} changed since it was added (SHA-256 differs); {again}")
    return data


def remove(folder: Path, name: str) -> None:
    """Delete a model that was added, record first; raises UsageError for a name that wasn't."""
    place = _place(folder)
    if not NAME.fullmatch(name) or not (place / f"{name}.json").is_file():
        raise UsageError(f"no model {name!r} was added; there are {', '.join(added(folder)) or 'none'}")
    (place / f"{name}.json").unlink()
    (place / f"{name}.onnx").unlink(missing_ok=True)


def _place(folder: Path) -> Path:
    return folder / "added"


def _read(source: Path) -> bytes:
    try:
        if source.stat().st_size > MOST_BYTES:
            raise UsageError(f"{source} is larger than {MOST_BYTES >> 20} MiB")
        return source.read_bytes()
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}") from error


def _record(path: Path) -> Added:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        size = values.pop("size")
        entry = Added(**values, size=None if size is None else (int(size[0]), int(size[1])))
        if entry.name != path.stem or not 0 < entry.score < 1:
            raise ValueError("name or score doesn't fit")
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ConfigError(f"{path} isn't a model's record ({error}); delete it and add the model again") from error
    return entry
