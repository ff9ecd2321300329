"""What verbs print of values that a server or a file names: all of it visible, nothing of it acted upon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.table import Table

from schemas.errors import ConfigError
from streams.cli import case, main
from streams.cli.output import console, plain, progress, say, say_lines, tell

HOSTILE = [
    ("gate-1[conceal]", "gate-1[conceal]"), ("[/x]", "[/x]"), ("[link=https://x]a[/link]", "[link=https://x]a[/link]"),
    (":smile:", ":smile:"), ("\x1b[8mhidden", r"\x1b[8mhidden"), ("\x9b2J", r"\x9b2J"), ("a\rb\nc\td", r"a\rb\nc\td"),
    ("\u202eevil\u2066", r"\u202eevil\u2066"), ("x\u200by\u2028z", r"x\u200by\u2028z"), ("\udc80", r"\udc80"),
    ("Zoë 城 Ж -_/:.", "Zoë 城 Ж -_/:."),
]
CASE: dict[str, Any] = {
    "case_id": "case-7", "state": "waiting", "title": "lost\x1b[2Kchild", "basis": "[conceal]police act",
    "scope": {"cameras": [f"gate-{n}" for n in range(1, 8)] + ["yard[conceal]"], "kinds": ["face"], "from_ms": 0,
              "to_ms": 2**53},
    "shows": "subject", "erases": False, "opened_by": "anna\nbert", "team": ["anna", "[/x]"], "expires_ms": 2**53,
    "approvals": [{"approver": "[red]cora", "until_ms": 2**53, "counts": True}], "digest": "ab" * 32,
}


@pytest.mark.parametrize(("value", "shown"), HOSTILE)
def test_plain_text_shows_what_would_act(value: str, shown: str) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(("value", "shown"), HOSTILE)
def test_say_of_any_value_prints_one_line_of_it(capsys: pytest.CaptureFixture[str], value: str, shown: str) -> None:
    say(f"camera {value}, and the rest")
    say(value, value, "red")
    assert capsys.readouterr().err == f"camera {shown}, and the rest\n{shown} {shown}\n"


@pytest.mark.parametrize(("value", "shown"), HOSTILE)
def test_table_shows_any_cell_as_it_is(capsys: pytest.CaptureFixture[str], value: str, shown: str) -> None:
    table = Table("who", "purpose", title=value)
    table.add_row(value, "after")
    console.print(table)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].strip() == shown
    assert any(shown in line and "after" in line for line in lines) and len(lines) == 6


@pytest.mark.parametrize(("value", "shown"), HOSTILE)
def test_progress_names_what_it_does_as_it_is(value: str, shown: str) -> None:
    with progress(value, quiet=True) as bar:
        text = bar.columns[0].render(bar.tasks[0])
    assert str(text) == shown and not getattr(text, "spans", None)


def test_lines_after_the_first_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    say_lines("it ended:\nan \x1b[8mend\r\ncase approved", "error:", "red")
    say_lines("")
    assert capsys.readouterr().err.split("\n") == [
        "error: it ended:", "  | an \\x1b[8mend", "  | case approved", "", ""]


def test_error_of_several_lines_forges_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(asked: str) -> None:
        raise ConfigError("no\x1b[1A\ncase case-7 (open)")

    monkeypatch.setattr(main, "_mount", fails)
    with pytest.raises(SystemExit):
        main.run()
    assert capsys.readouterr().err == "ConfigError: no\\x1b[1A\n  | case case-7 (open)\n"


def test_case_is_shown_whole_before_its_approval(capsys: pytest.CaptureFixture[str]) -> None:
    case._told(CASE, as_json=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["case case-7 (waiting)", "  title: lost\\x1b[2Kchild", "  basis: [conceal]police act"]
    at = lines.index("  at these 8:")
    assert lines[at + 1 : at + 9] == [f"    gate-{n}" for n in range(1, 8)] + ["    yard[conceal]"]
    assert lines[at + 9 : at + 13] == ["  opened by anna\\nbert", "  worked on by these 2:", "    anna", "    [/x]"]
    assert lines[-2:] == ["  approved by [red]cora until no end", "  digest " + "ab" * 32]


def test_case_for_every_camera_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    case._told({**CASE, "scope": {**CASE["scope"], "cameras": ["*"]}}, as_json=False)
    assert "  at all cameras\n" in capsys.readouterr().err


def test_verbs_print_through_this_console_alone() -> None:
    folder = Path(main.__file__).parent
    words = ("Console(", "rich.print", "rich import print", "typer.echo", "typer.secho", "from_markup", "rich.markup")
    found = [(path.name, word) for path in folder.glob("*.py") if path.name != "output.py" for word in words
             if word in path.read_text(encoding="utf-8")]
    assert not found


def test_every_verb_prints_json_when_asked() -> None:
    main._mount()
    verbs = dict(_verbs(typer.main.get_command(main.app)))
    assert len(verbs) > 100
    assert not [verb for verb, options in verbs.items() if "--json" not in options]


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """All verbs under a command, with the options of each."""
    if not hasattr(command, "list_commands"):
        yield " ".join(path), [option for parameter in command.params for option in parameter.opts]
        return
    for name in command.list_commands(None):
        yield from _verbs(command.get_command(None, name), (*path, name))


def test_told_to_people_or_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    tell("gate-1: 3 rights taken", {"rights_taken": 3}, as_json=False)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "gate-1: 3 rights taken\n")
    tell("gate-1: 3 rights taken", {"rights_taken": 3}, as_json=True)
    told = capsys.readouterr()
    assert (told.out, told.err) == ('{"rights_taken": 3}\n', "")
