"""Never-masked zones from settings and by the command line: what isn't in order stops the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.recipients import read_approver, read_approver_seed
from infra.settings import load
from operators.sign import SigningKey
from schemas.errors import ConfigError, UsageError
from streams.cli import keys, zones
from streams.setup import stream_policy
from streams.zones import bare_zones, read_zones, zone_of

NAMES = ("ada", "ben", "eve")


def _run(module: object, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(module.app, words, catch_exceptions=False)  # type: ignore[attr-defined]
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A statement that holds for 30 days and that nobody has signed; three keys, two of them approvers'."""
    monkeypatch.chdir(tmp_path)
    public = {name: json.loads(_run(keys, "approver", f"{name}.key", "--json"))["approver"] for name in NAMES}
    (tmp_path / "sealframe.toml").write_text(
        f'bare_zones = ["wall.zones"]\n[approvers]\nada = "{public["ada"]}"\nben = "{public["ben"]}"\n'
    )
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    _run(zones, "propose", "wall.zones", "--camera", "studio-*", "--zone", "0.5,0,1,0.25", "--reason", "posters",
         "--until", until)  # fmt: skip
    return tmp_path / "wall.zones"


def _sign(*names: str) -> None:
    for name in names:
        _run(zones, "sign", "wall.zones", "--key", f"{name}.key", "--yes")


def test_stream_policy_has_the_zones_that_two_approvers_signed(wall: Path) -> None:
    _sign("ada", "ben")
    (found,) = stream_policy(load()).bare
    assert [(one.left, one.top, one.right, one.bottom) for one in found.zones] == [(0.5, 0, 1, 0.25)]
    assert found.cameras == ("studio-*",)


def _cut(wall: Path) -> None:
    _sign("ada", "ben")
    wall.write_bytes(wall.read_bytes()[:-1])


def _change(wall: Path) -> None:
    _sign("ada", "ben")
    wall.write_bytes(wall.read_bytes().replace(b"studio-*", b"studio?*"))


def _remove_approver(wall: Path) -> None:
    _sign("ada", "ben")
    settings = wall.with_name("sealframe.toml")
    settings.write_text("\n".join(line for line in settings.read_text().splitlines() if "ben" not in line))


def _misspell(wall: Path) -> None:
    _sign("ada", "ben")
    settings = wall.with_name("sealframe.toml")
    settings.write_text(settings.read_text().replace("sealframe-approver-1", "sealframe-recipient-1"))


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda wall: None, "0 of the two"),
    (lambda wall: _sign("ada"), "1 of the two"),
    (lambda wall: _sign("ada", "eve"), "isn't an approver"),
    (lambda wall: wall.unlink(), "wall.zones can't be read: make it with `sealframe zones propose`"),
    (lambda wall: wall.write_bytes(b""), "can't be read"),
    (_cut, "can't be read"),
    (_change, "changed after it was signed"),
    (_remove_approver, "at least two approvers"),
    (_misspell, "approver ada"),
])
def test_stream_policy_what_isnt_in_order_stops_the_start(
    wall: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(wall)
    with pytest.raises(ConfigError, match=words):
        stream_policy(load())


def test_bare_zones_that_have_ended_stop_the_start(wall: Path) -> None:
    _sign("ada", "ben")
    (found,) = bare_zones([wall], load().approvers)
    assert bare_zones([wall], load().approvers, found.until_ms - 1)
    with pytest.raises(ConfigError, match=r"wall\.zones: expired: take the statement out"):
        bare_zones([wall], load().approvers, found.until_ms)


def test_zones_sign_asks_first_and_takes_one_signature_of_each(wall: Path) -> None:
    done = CliRunner().invoke(zones.app, ["sign", "wall.zones", "--key", "ada.key"], input="n\n")
    assert done.exit_code == 1 and not read_zones(wall).approvals
    assert "50 % to 100 % of the width" in done.output and "posters" in done.output
    done = CliRunner().invoke(zones.app, ["sign", "wall.zones", "--key", "ada.key"], input="y\n")
    assert done.exit_code == 0 and len(read_zones(wall).approvals) == 1
    with pytest.raises(ConfigError, match="already"):
        _sign("ada")
    assert len(read_zones(wall).approvals) == 1


def test_zones_show_says_who_signed_and_what_is_missing(wall: Path) -> None:
    _sign("ada")
    told = json.loads(_run(zones, "show", "wall.zones", "--json", "--picture", "wall.svg"))
    assert told["signers"] == ["ada"] and not told["accepted"] and "1 of the two" in told["refused"]
    assert wall.with_name("wall.svg").read_text().startswith("<svg")
    _sign("ben")
    told = json.loads(_run(zones, "show", "wall.zones", "--json"))
    assert told["signers"] == ["ada", "ben"] and told["accepted"] and not told["refused"]
    assert (told["cameras"], told["zones"], told["reason"]) == (["studio-*"], [[0.5, 0, 1, 0.25]], "posters")


def test_zones_propose_a_day_is_meant_to_its_end_and_nothing_is_overwritten(wall: Path) -> None:
    words = ("--camera", "a", "--zone", "0,0,1,1", "--reason", "r", "--from", "2030-01-01", "--until")
    _run(zones, "propose", "day.zones", *words, "2030-01-01")
    told = json.loads(_run(zones, "show", "day.zones", "--json"))
    assert (told["from"], told["until"]) == ("2030-01-01T00:00:00+00:00", "2030-01-02T00:00:00+00:00")
    _run(zones, "propose", "hour.zones", *words, "2030-01-01T18:00")
    assert json.loads(_run(zones, "show", "hour.zones", "--json"))["until"] == "2030-01-01T18:00:00+00:00"
    for error, name, until in ((UsageError, "day.zones", "2030-01-01"), (UsageError, "x.zones", "soon"),
                               (ConfigError, "x.zones", "2031-06-01")):  # fmt: skip
        with pytest.raises(error):
            _run(zones, "propose", name, *words, until)


def test_approver_key_is_its_owners_alone(wall: Path) -> None:
    key = wall.with_name("ada.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert SigningKey(read_approver_seed(key)).public == read_approver(load().approvers["ada"], "ada")
    with pytest.raises(ConfigError, match="never overwritten"):
        _run(keys, "approver", "ada.key")
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        _sign("ada")


@pytest.mark.parametrize("text", ["", "0,0,1", "0,0,1,2", "a,b,c,d", "0.5,0,0.4,1", "nan,0,1,1"])
def test_zone_of_what_is_no_zone_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="zone"):
        zone_of(text)
