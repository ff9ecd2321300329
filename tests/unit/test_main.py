"""The command line's last word: errors with what they name, whatever it looks like."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from schemas.errors import ConfigError, UsageError
from streams.cli import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("error", "code"), [(ConfigError("line [/x] and [red] of a log"), 1), (UsageError("[/y]"), 2)])
def test_error_that_looks_like_markup_is_printed_as_it_is(monkeypatch, capfd, error, code) -> None:
    def fails(asked: str) -> None:
        raise error

    monkeypatch.setattr(main, "_mount", fails)
    with pytest.raises(SystemExit) as ended:
        main.run()
    printed = capfd.readouterr()
    assert ended.value.code == code
    assert str(error) in printed.out + printed.err


def test_one_verb_is_mounted_alone_and_keeps_its_name(monkeypatch) -> None:
    mounted: list[str] = []
    monkeypatch.setattr(main, "_add", lambda verb, module: mounted.append(verb))
    main._mount("worker")
    assert mounted == ["worker"]
    mounted.clear()
    main._mount("--help")
    assert mounted == list(main.VERBS)


def test_a_verb_whose_libraries_are_missing_says_what_to_install(monkeypatch) -> None:
    def missing(verb: str, module: str) -> None:
        raise ModuleNotFoundError("No module named 'faust'", name="faust")

    monkeypatch.setattr(main, "_add", missing)
    with pytest.raises(UsageError, match=r"pip install 'sealframe\[server\]'"):
        main._mount("worker")


@pytest.mark.parametrize(("verb", "module"), [("eval", "evaluate"), ("bench", "bench")])
def test_every_suite_that_the_figures_name_is_a_command_with_these_options(monkeypatch, verb: str, module: str) -> None:
    monkeypatch.setattr(main, "app", typer.Typer(callback=main._group))
    main._add(verb, module)
    suites = typer.main.get_command(main.app).commands[verb].commands
    named = re.findall(rf"`sealframe {verb} ([a-z-]+)([^`]*)`", (ROOT / "FIGURES.md").read_text(encoding="utf-8"))
    assert len(named) >= 3
    for suite, arguments in named:
        known = {name for option in suites[suite].params for name in (*option.opts, *option.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", arguments)) <= known, suite
