"""Certificates of a stack that runs for weeks: `up` again renews them, and what runs takes the new ones."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry

from infra import tls
from infra.settings import load
from schemas.errors import ConfigError
from streams.health import run_out
from streams.push import while_valid
from streams.stack import Stack
from tests.support.city import faces

SHORT = timedelta(days=9)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    faces()
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(ROOT / ".sealframe" / "models")
    (tmp_path / "sealframe.toml").write_text('authorities = { faces = ["face"] }\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return Stack(load(home=home))


def _served(port: int) -> bytes:
    """The certificate that a server shows, DER."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


def _at(stack: Stack, principal: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((stack.tls / principal / "cert.pem").read_bytes())


def test_up_again_renews_and_what_runs_takes_it(stack: Stack) -> None:
    try:
        stack.up()
        stack.enrol_camera("gate-1")
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
        ends = {one.parent.name: tls.expires(one) for one in stack.tls.glob("*/*.pem")
                if one.name in ("cert.pem", "signer.pem")}
        assert min(ends.values()) > datetime.now(UTC) + timedelta(days=20), ends
        broker, port = int(stack.bootstrap.rpartition(":")[2]), stack.ports()["authority-faces"]
        assert _served(broker) == _at(stack, "broker").public_bytes(Encoding.DER)
        assert _served(port) == _at(stack, "authority-faces").public_bytes(Encoding.DER)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"worker", "operator", "authority-faces", "forensic-faces"}
        assert any("camera-gate-1" in line for line in said)
    finally:
        stack.down()


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
        next(while_valid(iter([object()]), over))  # type: ignore[list-item]
