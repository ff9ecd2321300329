"""A policy refuses methods that attacks broke, and those that nobody attacked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.settings import Settings
from operators.desensitise.policy import DEFAULT, METHODS, Policy, Site
from operators.desensitise.proven import BROKEN, HOLDS, UNTRIED, weakness
from schemas.errors import ConfigError, UsageError
from streams.cli.main import _mount, app
from streams.setup import file_policy, stream_policy


def test_every_method_of_the_registry_is_judged_once() -> None:
    assert set(METHODS) == HOLDS | set(BROKEN)
    assert not HOLDS & set(BROKEN)
    assert DEFAULT in HOLDS


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_policy_with_a_broken_method_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' doesn't protect: {BROKEN[name]}"):
        Policy({}, methods={"face": name})
    assert Policy({}, methods={"face": name}, insist=True).method("face").name == name


def test_site_with_a_broken_method_is_refused_too() -> None:
    site = Site(("gate-*",), {"methods": {"face": "mosaic"}})
    with pytest.raises(ConfigError, match="doesn't protect"):
        Policy({}, sites=(site,))
    assert Policy({}, sites=(site,), insist=True).at("gate-1").method("face").name == "mosaic"


def test_method_that_nobody_attacked_is_refused() -> None:
    assert UNTRIED in weakness(["veil", "brand-new"])
    assert weakness(sorted(HOLDS)) == ""


def test_settings_and_file_mode_refuse_until_one_insists() -> None:
    weak = Settings.model_construct(**{**Settings().model_dump(), "methods": {"face": "blur"}})
    with pytest.raises(ConfigError, match="'blur' doesn't protect"):
        stream_policy(weak)
    assert stream_policy(weak.model_copy(update={"insist": True})).insist
    options = {"quality": "high", "stride": 5, "crf": 23, "preset": "veryfast", "keep_evidence": False}
    with pytest.raises(UsageError, match="--insist takes it all the same"):
        file_policy(method="mosaic", **options)  # type: ignore[arg-type]
    assert replace(file_policy(method="mosaic", insist=True, **options), stride=4).insist  # type: ignore[arg-type]


def test_anonymize_with_a_broken_method_says_why_and_writes_nothing(tmp_path: Path) -> None:
    _mount("anonymize")
    result = CliRunner().invoke(app, ["anonymize", "in.mp4", str(tmp_path / "out.mp4"), "--method", "mosaic"])
    assert isinstance(result.exception, UsageError)
    assert "mosaic" in str(result.exception) and BROKEN["mosaic"] in str(result.exception)
    assert not list(tmp_path.iterdir())
