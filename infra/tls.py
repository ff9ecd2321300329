"""The certificate authority of a deployment, TLS certificates of its principals, and certificates of its signers.

One CA signs two kinds of leaf. A *TLS* leaf (P-256, `OU=client` or `OU=broker`) proves a principal to Kafka and HTTPS.
A *signer* leaf (Ed25519, `OU=signer`) binds the key that signs records; it has no TLS usage. A leaf lives 30 days;
`renew` replaces it under the same paths. Files: `<folder>/ca.pem`, `<folder>/ca/key.pem`, `<folder>/<principal>/...`;
folders are 0700 and private keys 0600. All times are UTC.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from schemas.errors import BadSignature, ConfigError, UsageError

ORGANISATION = "sealframe"
LEAF_LIFE = timedelta(days=30)
CA_LIFE = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=10)
CLOCK_SKEW = timedelta(minutes=5)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
UNREADABLE = (
    ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion, x509.ExtensionNotFound,
    x509.DuplicateExtension, x509.UnsupportedGeneralNameType,
)

Unit = Literal["client", "broker", "signer"]
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Identity:
    """Files of one TLS principal, all PEM. `keystore`: key, leaf and CA in one file, as Kafka's PEM store wants it."""

    principal: str
    ca: Path
    cert: Path
    key: Path
    keystore: Path

    def client_context(self) -> ssl.SSLContext:
        """TLS context for calling a server of this CA, which must name the host it is called by."""
        return self._loaded(ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.ca)))

    def server_context(self, *, browsers: bool = False) -> ssl.SSLContext:
        """TLS context for a server that demands a certificate of this CA from every caller; of `browsers` none."""
        context = self._loaded(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca)))
        context.verify_mode = ssl.CERT_NONE if browsers else ssl.CERT_REQUIRED
        return context

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Signer:
    """Files of one signing principal: Ed25519 key (PKCS#8 PEM) and its certificate (PEM)."""

    principal: str
    cert: Path
    key: Path

    def certificate_der(self) -> bytes:
        """The certificate as it travels in records."""
        return _read_certificate(self.cert).public_bytes(serialization.Encoding.DER)


def create_ca(folder: Path, *, now: datetime | None = None) -> Path:
    """Make the CA of a deployment once; return the path of its certificate.

    An existing CA is kept, for every certificate in use hangs on it; its key may have been taken elsewhere.
    """
    cert_path, key_path = folder / "ca.pem", folder / "ca" / "key.pem"
    if cert_path.exists():
        return cert_path
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
        x509.NameAttribute(NameOID.COMMON_NAME, f"{ORGANISATION} CA {x509.random_serial_number():x}"[:64]),
    ])
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(name, name, key.public_key(), now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _folder(folder)
    _folder(key_path.parent)
    _write(key_path, _key_pem(key), secret=True)
    _write(cert_path, certificate.public_bytes(serialization.Encoding.PEM))
    return cert_path


def issue(
    folder: Path,
    principal: str,
    *,
    unit: Literal["client", "broker"] = "client",
    names: Sequence[str] = (),
    life: timedelta = LEAF_LIFE,
    now: datetime | None = None,
    store: str = "",
) -> Identity:
    """Make key and TLS certificate of `principal`, in place of earlier ones.

    `names`: host names and addresses besides the local ones; `store`: another folder name than the principal's.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([_general_name(n) for n in dict.fromkeys((*LOCAL_NAMES, *names))])
    extensions: list[x509.ExtensionType] = [
        alternative,
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
    ]
    certificate = _leaf(folder, principal, unit, key, extensions, life, now)
    identity = _identity(folder, principal, store)
    _folder(identity.key.parent)
    key_pem, leaf_pem = _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)
    _write(identity.keystore, key_pem + leaf_pem + identity.ca.read_bytes(), secret=True)
    _write(identity.key, key_pem, secret=True)
    _write(identity.cert, leaf_pem)
    return identity


def issue_signer(
    folder: Path, principal: str, *, life: timedelta = LEAF_LIFE, now: datetime | None = None
) -> Signer:
    """Make the signing key and certificate of `principal`, in place of earlier ones."""
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = _leaf(folder, principal, "signer", key, [x509.ExtendedKeyUsage([DOCUMENT_SIGNING])], life, now)
    signer = _signer(folder, principal)
    _folder(signer.key.parent)
    _write(signer.key, _key_pem(key), secret=True)
    _write(signer.cert, certificate.public_bytes(serialization.Encoding.PEM))
    return signer


def load(folder: Path, principal: str, *, store: str = "") -> Identity:
    """The TLS files of a principal.

    Raises:
        ConfigError: they are missing.

    """
    identity = _identity(folder, principal, store)
    _require(identity.ca, identity.cert, identity.key, identity.keystore)
    return identity


def load_signer(folder: Path, principal: str) -> Signer:
    """The signing files of a principal.

    Raises:
        ConfigError: they are missing.

    """
    signer = _signer(folder, principal)
    _require(signer.cert, signer.key)
    return signer


def expires(certificate: Path) -> datetime:
    """End of a certificate's life."""
    return _read_certificate(certificate).not_valid_after_utc


def ends(identity: Identity) -> datetime:
    """End of the life of a principal's certificates: TLS, and signing where it has one."""
    signer = _signer(identity.cert.parents[1], identity.cert.parent.name)
    return min(expires(certificate) for certificate in (identity.cert, signer.cert) if certificate.exists())


def due(certificate: Path, *, now: datetime | None = None) -> bool:
    """Less than 10 days of the certificate's life remain."""
    return expires(certificate) - (now or datetime.now(UTC)) < RENEW_BEFORE


def renew(folder: Path, principal: str, *, now: datetime | None = None, force: bool = False) -> bool:
    """Issue a new TLS (and signing, where there is one) certificate under the same paths and names when 10 days remain.

    A running broker takes the new files by `KafkaAdmin.reload_certificate`; services read theirs at their start.
    Returns whether anything was issued.
    """
    now = now or datetime.now(UTC)
    identity, signer, renewed = _identity(folder, principal), _signer(folder, principal), False
    if identity.cert.exists() and (force or due(identity.cert, now=now)):
        old = _read_certificate(identity.cert)
        alternative = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(name.value) for name in alternative]
        of_broker = _attribute(old, NameOID.ORGANIZATIONAL_UNIT_NAME) == "broker"
        issue(folder, principal, unit="broker" if of_broker else "client", names=names, now=now)
        renewed = True
    if signer.cert.exists() and (force or due(signer.cert, now=now)):
        issue_signer(folder, principal, now=now)
        renewed = True
    return renewed


def signer_identity(der: bytes, ca: Path, *, at: datetime | None = None) -> tuple[str, bytes]:
    """Principal and Ed25519 public key (32 bytes) that a signer certificate vouches for.

    `at`: the time of signing, which must lie in the certificate's life; now when not given.

    Raises:
        BadSignature: unreadable, not signed by `ca`, outside its life, or not a signer's certificate.

    """
    at = at or datetime.now(UTC)
    authority = _read_certificate(ca)
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(authority)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        unit = _attribute(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)
        principal = _attribute(certificate, NameOID.COMMON_NAME)
        public = certificate.public_key()
    except UNREADABLE as error:
        raise BadSignature("signer certificate is damaged or of another CA") from error
    if unit != "signer" or DOCUMENT_SIGNING not in usage or not isinstance(public, ed25519.Ed25519PublicKey):
        raise BadSignature(f"certificate of {principal!r} is not a signer's")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise BadSignature(f"signer certificate of {principal!r} is outside its life at {at:%Y-%m-%dT%H:%M:%SZ}")
    return principal, public.public_bytes_raw()


def signer_at(ca: Path) -> Callable[[bytes, int], tuple[str, bytes]]:
    """`signer_identity` by this CA, as a function of certificate and time of signing (milliseconds since 1970)."""
    return lambda der, time_ms: signer_identity(der, ca, at=datetime.fromtimestamp(time_ms / 1000, UTC))


def _identity(folder: Path, principal: str, store: str = "") -> Identity:
    place = folder / _checked(store or principal)
    return Identity(principal, folder / "ca.pem", place / "cert.pem", place / "key.pem", place / "keystore.pem")


def _signer(folder: Path, principal: str) -> Signer:
    place = folder / _checked(principal)
    return Signer(principal, place / "signer.pem", place / "signer-key.pem")


def _checked(principal: str) -> str:
    if principal == "ca" or not PRINCIPAL.fullmatch(principal):
        raise UsageError(f"principal {principal!r}: up to 64 of letters, digits, '-', '_', '.'; letter or digit first")
    return principal


def _leaf(
    folder: Path,
    principal: str,
    unit: Unit,
    key: PrivateKey,
    extensions: Sequence[x509.ExtensionType],
    life: timedelta,
    now: datetime | None,
) -> x509.Certificate:
    ca_key_path = folder / "ca" / "key.pem"
    _require(folder / "ca.pem", ca_key_path)
    authority = _read_certificate(folder / "ca.pem")
    ca_key = serialization.load_pem_private_key(ca_key_path.read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise ConfigError("the CA's key is not an elliptic-curve key")
    # Kafka's mapping rule reads the name backwards: CN first
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        x509.NameAttribute(NameOID.COMMON_NAME, _checked(principal)),
    ])
    builder = _builder(subject, authority.subject, key.public_key(), now or datetime.now(UTC), life)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    for extension in (issuer_key, *extensions):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(**granted: bool) -> x509.KeyUsage:
    flags = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )
    return x509.KeyUsage(*(granted.get(flag, False) for flag in flags))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _attribute(certificate: x509.Certificate, oid: ObjectIdentifier) -> str:
    values = certificate.subject.get_attributes_for_oid(oid)
    if len(values) != 1:
        raise ValueError(f"subject holds {len(values)} values of {oid.dotted_string}")
    return str(values[0].value)


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificate {path} can't be read") from error


def _require(*paths: Path) -> None:
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise ConfigError(f"missing: {', '.join(missing)}")


def _folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def _write(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Replace a file in one step; a secret one is never readable by others, not even for a moment."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
