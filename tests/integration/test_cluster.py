"""A broker and databases that run elsewhere: the verbs reach them from a home that has never started any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from infra import tls
from infra.postgres import connect
from infra.recipients import recipient_text
from schemas.errors import ConfigError, UsageError
from schemas.topics import RAW
from streams.cli import camera, database, push, replay
from tests.support.services import AUTHORITIES, Broker, Postgres, unique
from tests.support.worker import PIPELINE


@pytest.fixture
def home(broker: Broker, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another home, whose settings name the session's broker and certificates."""
    broker.identity("admin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALFRAME_BOOTSTRAP", broker.bootstrap)
    monkeypatch.setenv("SEALFRAME_TLS", str(ca))
    monkeypatch.setenv("SEALFRAME_AUTHORITIES", json.dumps({name: ["face"] for name in AUTHORITIES}))
    return tmp_path / ".sealframe"


def ran(app: typer.Typer, *arguments: str) -> Any:
    """What a verb gives as JSON."""
    done = CliRunner().invoke(app, arguments)
    if done.exception:
        raise done.exception
    return json.loads(done.stdout) if done.stdout else None


def test_topics_plan_asks_the_broker_that_the_settings_name(home: Path, broker: Broker) -> None:
    found = ran(replay.topics_app, "plan", "--json")
    assert [change["topic"] for change in found] == [spec.name for spec in broker.specs]
    assert {change["action"] for change in found} == {"keep"}
    assert ran(replay.topics_app, "apply", "--json") == []
    assert not home.exists()


def test_topics_of_other_counts_than_the_settings_are_refused(
    home: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALFRAME_PARTITIONS", "5")
    conflicts = {change["topic"] for change in ran(replay.topics_app, "plan", "--json")
                 if change["action"] == "conflict"}
    assert conflicts == {spec.name for spec in broker.specs if spec.group == "frames"}
    with pytest.raises(ConfigError, match="partitions: 5"):
        ran(replay.topics_app, "apply")
    monkeypatch.setenv("SEALFRAME_PARTITIONS", "2")
    monkeypatch.setenv("SEALFRAME_REPLICAS", "3")
    assert {change["action"] for change in ran(replay.topics_app, "plan", "--json")} == {"conflict"}


def test_camera_pushes_without_the_pipelines_private_key(home: Path, broker: Broker) -> None:
    name = unique("cam")
    (home / "pipeline").mkdir(parents=True)
    (home / "pipeline" / "recipient").write_text(recipient_text(PIPELINE.public) + "\n")
    pictures = home.parent / "pictures"
    pictures.mkdir()
    for number in range(5):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((64, 96, 3), 40 * number, np.uint8))
    ran(camera.app, "add", name)
    verb = typer.Typer()
    verb.command()(push.push)
    assert ran(verb, str(pictures), "--camera", name, "--json")["frames"] == 5
    with broker.access("pipeline").consumer(f"pipeline.{unique('test')}") as consumer:
        ends = {number: consumer.bounds(RAW, number) for number in consumer.partitions(RAW)}
        consumer.assign([(RAW, number, low) for number, (low, _) in ends.items()])
        keys = [consumer.poll(10.0).key for low, high in ends.values() for _ in range(low, high)]
    assert keys.count(name.encode()) == 1


def test_camera_of_another_ca_is_given_its_rights_alone(home: Path, broker: Broker, tmp_path: Path, ca: Path) -> None:
    """Its certificates are there, the CA's key isn't."""
    name = unique("cam")
    principal, folder = f"camera-{name}", tmp_path / "tls"
    tls.issue(ca, principal, life=tls.RENEW_BEFORE / 2)
    tls.issue_signer(ca, principal)
    for store in ("admin", principal):
        (folder / store).mkdir(parents=True)
        for path in (ca / store).iterdir():
            (folder / store / path.name).write_bytes(path.read_bytes())
    (folder / "ca.pem").write_bytes((ca / "ca.pem").read_bytes())
    before = (folder / principal / "cert.pem").read_bytes()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEALFRAME_TLS", str(folder))
        ran(camera.app, "add", name)
    assert (folder / principal / "cert.pem").read_bytes() == before
    assert broker.admin().revoke(principal) == 1


def test_database_is_made_ready_once_by_its_owner(postgres_operator: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    name = unique("cluster").replace("-", "_")
    postgres_operator.server.create_database(name)
    owner, app = postgres_operator.server.owner(name), postgres_operator.server.app(name)
    arguments = ("--database", owner.conninfo, "--password-file", str(owner.password_file), "--json")
    with monkeypatch.context() as patched, pytest.raises(ConfigError, match="nobody_made"):
        patched.setattr(database, "APP_ROLE", "nobody_made")
        ran(database.app, "migrate", "operator", *arguments)
    assert ran(database.app, "migrate", "operator", *arguments)["applied"][0].startswith("0001_")
    assert ran(database.app, "migrate", "operator", *arguments) == {"applied": []}
    with connect(app) as db:
        assert db.execute("SELECT count(*) FROM videos").fetchone() == (0,)
    with pytest.raises(UsageError, match="operator, authority"):
        ran(database.app, "migrate", "nobody", *arguments)
    with pytest.raises(ConfigError, match="changed after"):
        ran(database.app, "migrate", "authority", *arguments)
