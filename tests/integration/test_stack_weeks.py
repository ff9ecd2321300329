"""A stack that runs for weeks: gateways push, `up` again renews certificates, and what runs takes the new ones."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from infra import tls
from infra.settings import load
from schemas.codec import unpack_as
from schemas.errors import ConfigError, UsageError
from schemas.topics import OPERATOR_VIDEO, QUARANTINE
from streams.cli import camera, push
from streams.health import run_out
from streams.push import while_valid
from streams.stack import Stack
from tests.support.city import faces
from tests.support.scenes import chunk, crossing
from tests.support.worker import wait_for

SHORT = timedelta(days=9)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    faces()
    folder = tmp_path_factory.mktemp("weeks")
    (folder / "home").mkdir()
    (folder / "home" / "models").symlink_to(ROOT / ".sealframe" / "models")
    (folder / "sealframe.toml").write_text(
        'authorities = { faces = ["face"] }\ngateways = { yard = ["gate-1"] }\npreset = "ultrafast"\n'
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("PYTHONPATH", str(ROOT))
        stack = Stack(load(home=folder / "home"))
        try:
            stack.up()
            yield stack
        finally:
            stack.down()


def _served(port: int) -> bytes:
    """The certificate that a server shows, DER."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


def _at(stack: Stack, principal: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((stack.tls / principal / "cert.pem").read_bytes())


def _verb(app: typer.Typer, *words: str) -> str:
    done = CliRunner().invoke(app, words)
    if done.exception:
        raise done.exception
    return str(done.stdout)


def test_gateway_pushes_for_its_cameras_and_for_no_other(stack: Stack, tmp_path: Path) -> None:
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((64, 96, 3), 15 * number, np.uint8))
    with pytest.raises(UsageError, match=r'gateways = \{ field = '):
        _verb(camera.app, "add", "field", "--gateway", "--home", str(stack.home))
    _verb(camera.app, "add", "yard", "--gateway", "--home", str(stack.home))
    assert json.loads(_verb(camera.app, "list", "--json", "--home", str(stack.home))) == ["gateway-yard"]
    verb = typer.Typer()
    verb.command()(push.push)
    for name in ("gate-1", "gate-2"):
        words = (str(tmp_path), "--camera", name, "--gateway", "yard", "--json", "--home", str(stack.home))
        assert json.loads(_verb(verb, *words))["frames"] == 12
    with stack.access("operator").consumer("operator.test") as consumer:
        wait_for(lambda: consumer.read_all(OPERATOR_VIDEO), "the gateway's video")
        assert {message.key for message in consumer.read_all(OPERATOR_VIDEO)} == {b"gate-1"}
    with stack.access("admin").consumer("admin.test") as consumer:
        wait_for(lambda: consumer.read_all(QUARANTINE), "what it wasn't to send")
        (held,) = consumer.read_all(QUARANTINE)
    assert held.key == b"gate-2"
    assert unpack_as("quarantined", held.value).reason.startswith("SignerNotEnrolled")


def test_up_again_renews_and_what_runs_takes_it(stack: Stack) -> None:
    stack.enrol("camera-gate-1")
    before = stack.status()
    stack.up()
    assert stack.status() == before
    for principal in ("admin", "pipeline", "operator", "authority-faces", "camera-gate-1"):
        tls.issue(stack.tls, principal, life=SHORT)
    tls.issue_signer(stack.tls, "camera-gate-1", life=SHORT)
    tls.issue(stack.tls, "broker", unit="broker", life=SHORT)
    said: list[str] = []
    stack.up(said.append)
    after = stack.status()
    ends = {path: tls.expires(path) for name in ("cert", "signer") for path in stack.tls.glob(f"*/{name}.pem")}
    assert min(ends.values()) > datetime.now(UTC) + timedelta(days=20), ends
    broker, port = int(stack.bootstrap.rpartition(":")[2]), stack.ports()["authority-faces"]
    assert _served(broker) == _at(stack, "broker").public_bytes(Encoding.DER)
    assert _served(port) == _at(stack, "authority-faces").public_bytes(Encoding.DER)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"worker", "operator", "authority-faces", "forensic-faces"}
    assert any("camera-gate-1" in line for line in said)


def test_up_by_other_settings_starts_anew_what_they_change_and_ends_what_they_name_no_more(stack: Stack) -> None:
    before = stack.status()
    Path("sealframe.toml").write_text(
        'authorities = { plates = ["plate"] }\ndetect = ["face", "plate"]\npreset = "ultrafast"\n'
    )
    other, said = Stack(load(home=stack.home)), list[str]()
    try:
        other.up(said.append)
        after = other.status()
        assert after["worker"] not in (None, before["worker"]), "it would go on hiding less than the settings say"
        assert after["operator"] == before["operator"] and after["broker"] == before["broker"]
        assert {"authority-plates", "forensic-plates", "keeper-plates"} <= after.keys()
        for name in ("authority-faces", "forensic-faces", "keeper-faces"):
            assert after.get(name) is None and any(line.startswith(name) for line in said)
        assert stack.databases["authority-faces"].pid is None
        assert other.databases["authority-plates"].pid
        other.up(said.append)
        assert other.status() == after
    finally:
        other.down()


def test_who_reads_a_certificate_says_when_it_runs_out(tmp_path: Path) -> None:
    tls.create_ca(tmp_path)
    registry = CollectorRegistry()
    long = run_out(tls.issue(tmp_path, "camera-1"), registry)
    assert list(while_valid([], long)) == [] and long() == ""
    left = registry.get_sample_value("sealframe_certificates_end_seconds") or 0
    assert abs(left - datetime.now(UTC).timestamp() - timedelta(days=30).total_seconds()) < 3600
    tls.issue_signer(tmp_path, "camera-1", life=timedelta(seconds=-1))
    over = run_out(tls.load(tmp_path, "camera-1"))
    assert "camera-1 ran out at" in over()
    with pytest.raises(ConfigError, match="renew them, start it again"):
        next(while_valid([chunk(crossing())], over))
