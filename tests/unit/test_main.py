"""The command line's last word: errors with what they name, whatever it looks like."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer
from click.testing import CliRunner

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


@pytest.fixture(scope="module")
def verbs() -> click.Command:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(main, "app", typer.Typer(callback=main._group))
        main._mount()
        return typer.main.get_command(main.app)


@pytest.mark.parametrize(("document", "least"), [
    ("README.md", 40), ("FIGURES.md", 30), ("DECISIONS.md", 2), ("SECURITY.md", 2),
])
def test_every_command_that_a_document_names_exists_with_its_options(verbs, document: str, least: int) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`sealframe ([a-z-][^`]*)`", text) + re.findall(r"^    sealframe ([^#\n]*)", text, re.MULTILINE)
    assert len(named) >= least
    for line in named:
        found, words = verbs, line.split()
        while words and hasattr(found, "commands") and "|" not in words[0]:
            assert words[0] in found.commands, line
            found = found.commands[words.pop(0)]
        known = {name for option in found.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if re.match(r"-[a-z-]", word)} <= known, line


@pytest.mark.parametrize("verb", ["authority", "forensic"])
def test_help_shows_names_in_brackets(verbs, verb: str) -> None:
    shown = " ".join(CliRunner().invoke(verbs, [verb, "--help"], env={"COLUMNS": "200"}).stdout.split())
    assert "names of [cases] in sealframe.toml" in shown
