from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from infra import tls
from schemas.errors import BadSignature, ConfigError, UsageError

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tls.create_ca(tmp_path / "tls", now=NOW)
    return tmp_path / "tls"


def test_create_ca_keeps_one_whose_key_was_taken_to_a_safe(folder: Path) -> None:
    before = (folder / "ca.pem").read_bytes()
    (folder / "ca" / "key.pem").unlink()
    assert tls.create_ca(folder).read_bytes() == before
    with pytest.raises(ConfigError, match="key.pem"):
        tls.issue(folder, "late")


def test_create_ca_twice_keeps_the_first(folder: Path) -> None:
    before = (folder / "ca.pem").read_bytes()
    tls.create_ca(folder)
    assert (folder / "ca.pem").read_bytes() == before


def test_issue_private_files_are_closed_to_others(folder: Path) -> None:
    tls.issue(folder, "operator")
    tls.issue_signer(folder, "operator")
    for path in (p for p in folder.rglob("*") if p.is_file()):
        secret = "key" in path.name
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if secret else 0o644), path.name
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o700 for p in (folder, *folder.glob("*/")) if p.is_dir())


def test_issue_leaf_names_principal_and_hosts(folder: Path) -> None:
    identity = tls.issue(folder, "operator", names=["box.example", "10.0.0.7"], now=NOW)
    leaf = x509.load_pem_x509_certificate(identity.cert.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1", "box.example", "10.0.0.7"]
    assert leaf.subject.rfc4514_string() == "CN=operator,OU=client,O=sealframe"
    assert leaf.not_valid_after_utc - NOW == timedelta(days=30)


@pytest.mark.parametrize("principal", ["", "ca", "..", "a/b", "a,OU=broker", "a" * 65, "-a", "ä"])
def test_issue_bad_principal_is_refused(folder: Path, principal: str) -> None:
    with pytest.raises(UsageError):
        tls.issue(folder, principal)


def test_issue_without_ca_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        tls.issue(tmp_path, "operator")


@pytest.mark.parametrize(("days", "renewed"), [(0, False), (19, False), (21, True), (40, True)])
def test_renew_when_ten_days_remain(folder: Path, days: int, renewed: bool) -> None:
    identity = tls.issue(folder, "broker", unit="broker", names=["box.example"], now=NOW)
    signer = tls.issue_signer(folder, "broker", now=NOW)
    before = identity.cert.read_bytes(), signer.cert.read_bytes()
    assert tls.renew(folder, "broker", now=NOW + timedelta(days=days)) is renewed
    assert ((identity.cert.read_bytes(), signer.cert.read_bytes()) != before) is renewed
    leaf = x509.load_pem_x509_certificate(identity.cert.read_bytes())
    assert leaf.subject.rfc4514_string() == "CN=broker,OU=broker,O=sealframe"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "box.example" in names.get_values_for_type(x509.DNSName)


def test_signer_identity_returns_principal_and_key(folder: Path) -> None:
    signer = tls.issue_signer(folder, "pipeline", now=NOW)
    principal, public = tls.signer_identity(signer.certificate_der(), folder / "ca.pem", at=NOW)
    leaf = x509.load_pem_x509_certificate(signer.cert.read_bytes())
    assert principal == "pipeline"
    assert public == leaf.public_key().public_bytes_raw()  # type: ignore[union-attr]


@pytest.mark.parametrize("days", [-1, 31])
def test_signer_identity_outside_its_life_is_refused(folder: Path, days: int) -> None:
    signer = tls.issue_signer(folder, "pipeline", now=NOW)
    with pytest.raises(BadSignature, match="life"):
        tls.signer_identity(signer.certificate_der(), folder / "ca.pem", at=NOW + timedelta(days=days))


def test_signer_identity_of_a_tls_certificate_is_refused(folder: Path) -> None:
    leaf = x509.load_pem_x509_certificate(tls.issue(folder, "pipeline", now=NOW).cert.read_bytes())
    with pytest.raises(BadSignature, match="not a signer"):
        tls.signer_identity(leaf.public_bytes(Encoding.DER), folder / "ca.pem", at=NOW)


def test_signer_identity_of_another_ca_is_refused(folder: Path, tmp_path: Path) -> None:
    tls.create_ca(tmp_path / "other", now=NOW)
    foreign = tls.issue_signer(tmp_path / "other", "pipeline", now=NOW)
    with pytest.raises(BadSignature, match="another CA"):
        tls.signer_identity(foreign.certificate_der(), folder / "ca.pem", at=NOW)


def test_signer_identity_every_byte_changed_never_vouches_for_another(folder: Path) -> None:
    der = tls.issue_signer(folder, "pipeline", now=NOW).certificate_der()
    true = tls.signer_identity(der, folder / "ca.pem", at=NOW)
    accepted = []
    for place in range(len(der)):
        damaged = der[:place] + bytes([der[place] ^ 1]) + der[place + 1 :]
        try:
            assert tls.signer_identity(damaged, folder / "ca.pem", at=NOW) == true
            accepted.append(place)
        except BadSignature:
            continue
    # the count of unused bits before the CA's signature is the one byte outside signed content that may differ
    assert len(accepted) <= 1
