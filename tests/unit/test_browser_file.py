"""A certificate as a browser takes it in: whole, behind its password, made anew when the certificate is."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate

from infra import tls
from infra.browser import browser_file, password_file


def test_browser_file_holds_key_certificate_and_ca_behind_its_password(tmp_path: Path) -> None:
    tls.create_ca(tmp_path)
    identity = tls.issue(tmp_path, "viewer-ben")
    made = browser_file(identity)
    assert [oct(path.stat().st_mode & 0o777) for path in (made, password_file(made))] == ["0o600", "0o600"]
    password = password_file(made).read_text().strip().encode()
    held = pkcs12.load_pkcs12(made.read_bytes(), password)
    own = load_pem_x509_certificate(identity.cert.read_bytes())
    assert held.cert and held.cert.certificate == own and held.key
    assert [one.certificate for one in held.additional_certs] == [load_pem_x509_certificate(identity.ca.read_bytes())]
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(made.read_bytes(), b"another")
    before = made.read_bytes()
    assert browser_file(identity).read_bytes() == before
    tls.renew(tmp_path, "viewer-ben", force=True)
    assert browser_file(identity).read_bytes() != before
