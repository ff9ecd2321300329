"""The key store of an authority: a folder (0700) apart from topic, evidence files and databases.

It holds X25519 identities (epoch keys), one random 32-byte key per (video, track), and named random secrets. In one
SQLite file every key is wrapped by AES-256-GCM under a key that scrypt derives from a secret file kept elsewhere. A
custodian's identity never lies here: it is a file of its own (`sealframe keys create`), kept in a safe. What destroying
a key guarantees: its row (`secure_delete`) and the rollback journal are overwritten with zeros, and a tombstone stays,
so that neither late evidence nor a restored backup brings the key back. What no file system can promise: snapshots and
the spare blocks of a flash disk may keep old pages. They hold wrapped keys only: `rotate` to a new secret and destroy
the old one to make them worthless.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, cast

from Crypto.Cipher import AES
from Crypto.Protocol.DH import import_x25519_private_key
from Crypto.PublicKey import ECC

from infra.store_secret import KEY_BYTES, SALT_BYTES, derive, read_secret
from infra.vault import change, connect, locked, replace_file
from schemas.errors import ConfigError, NotForMe, UsageError

NONCE_BYTES = 12
STORE = "keys.sqlite"
_SCHEMA = """
CREATE TABLE store (salt BLOB NOT NULL, proof BLOB NOT NULL);
CREATE TABLE identities (
  name TEXT PRIMARY KEY, public BLOB NOT NULL, wrapped BLOB, created_ms INTEGER NOT NULL, destroyed_ms INTEGER);
CREATE TABLE tracks (
  video_id TEXT NOT NULL, track INTEGER NOT NULL, wrapped BLOB, destroyed_ms INTEGER,
  PRIMARY KEY (video_id, track)) WITHOUT ROWID;
"""
_SECRETS = "CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, wrapped BLOB, destroyed_ms INTEGER)"


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    """An X25519 identity as the store lists it; its private key is gone once `destroyed_ms` is set."""

    name: str
    public: bytes
    created_ms: int
    destroyed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SigningSeed:
    """An Ed25519 seed, 32 bytes, and its public key."""

    seed: bytes = field(repr=False)
    public: bytes = b""


def create_secret(path: Path) -> Path:
    """Write a new random secret (0600) for a key store; one that exists is kept."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    return path


def load_signing_seed(path: Path) -> SigningSeed:
    """The Ed25519 key of a PEM file (PKCS#8).

    Raises:
        ConfigError: missing, open to others, or another kind of key.

    """
    key: ECC.EccKey
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"signing key {path.name} is open to others: make it 0600")
        key = ECC.import_key(path.read_text())
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise ConfigError(f"signing key {path.name} can't be read") from error
    if key.curve != "Ed25519" or not key.has_private():
        raise ConfigError(f"signing key {path.name} is not an Ed25519 private key")
    return SigningSeed(bytes(key.seed), bytes(key.public_key().export_key(format="raw")))


class KeyStore:
    """An open key store; use it as a context manager. Several threads may read, one writes."""

    def __init__(self, folder: Path, secret: Path, *, create: bool = False) -> None:
        """Open the store, or make it with `create`.

        Raises:
            ConfigError: store or secret missing, open to others, or not made for one another.

        """
        self.folder = folder
        self._path = folder / STORE
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        if not folder.is_dir() or folder.stat().st_mode & 0o077:
            raise ConfigError(f"key store {folder.name}: no folder, or one that is open to others (0700 is needed)")
        if not create and not self._path.exists():
            raise ConfigError(f"key store {folder.name} has not been created")
        password = read_secret(secret)
        fresh = not self._path.exists()
        if fresh:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._db = connect(self._path)
        try:
            self._kek, self._salt = _prepare(self._db, password) if fresh else _unlock(self._db, password)
            with change(self._db):
                self._db.execute(_SECRETS)
        except (sqlite3.DatabaseError, ConfigError):
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and forget the wrapping key."""
        self._db.close()
        self._kek = b""

    @contextmanager
    def _wrapping(self) -> Iterator[None]:
        """A change that wraps keys: under the store's secret, not under one that it had before."""
        with change(self._db):
            if self._db.execute("SELECT salt FROM store").fetchone()[0] != self._salt:
                raise ConfigError("the key store was rotated meanwhile: start again with its new secret")
            yield

    def create_identity(self, name: str) -> StoredIdentity:
        """A fresh X25519 identity; one of this name that exists is returned as it is."""
        found = self._db.execute("SELECT 1 FROM identities WHERE name = ?", (name,)).fetchone()
        if not found:
            private = secrets.token_bytes(KEY_BYTES)
            public = bytes(import_x25519_private_key(private).public_key().export_key(format="raw"))
            with self._wrapping():
                self._db.execute(
                    "INSERT INTO identities VALUES (?, ?, ?, ?, NULL)",
                    (name, public, _wrap(self._kek, private, f"identity/{name}"), _now_ms()),
                )
        return next(identity for identity in self.identities() if identity.name == name)

    def identities(self) -> tuple[StoredIdentity, ...]:
        """All identities, destroyed ones too, in the order of their making."""
        query = "SELECT name, public, created_ms, destroyed_ms FROM identities ORDER BY created_ms, name"
        return tuple(StoredIdentity(*row) for row in self._db.execute(query))

    def private_key(self, name: str) -> bytes:
        """The private key of an identity, 32 bytes.

        Raises:
            NotForMe: unknown or destroyed.

        """
        row = self._db.execute("SELECT wrapped FROM identities WHERE name = ?", (name,)).fetchone()
        if row is None or row[0] is None:
            raise NotForMe(f"identity {name!r} is {'unknown' if row is None else 'destroyed'}")
        return _unwrap(self._kek, row[0], f"identity/{name}")

    def private_keys(self) -> tuple[bytes, ...]:
        """The private keys of all living identities, newest first."""
        living = [identity.name for identity in self.identities() if identity.destroyed_ms is None]
        return tuple(self.private_key(name) for name in reversed(living))

    def destroy_identity(self, name: str) -> bool:
        """Destroy a private key for ever; False when there was none."""
        with change(self._db):
            return _bury_identity(self._db, name)

    def ensure_tracks(self, video_id: str, tracks: Sequence[int]) -> dict[int, bytes]:
        """The keys of these tracks, made where there are none; destroyed ones are left out and never made again."""
        # a change waits for the disk several times: none where all are known
        if missing := sorted(track for track in set(tracks) if self._row(video_id, track) is None):
            with self._wrapping():
                statement = "INSERT INTO tracks VALUES (?, ?, ?, NULL) ON CONFLICT DO NOTHING"
                for track in missing:
                    wrapped = _wrap(self._kek, secrets.token_bytes(KEY_BYTES), _track_name(video_id, track))
                    self._db.execute(statement, (video_id, track, wrapped))
        return self._tracks(video_id, tracks)

    def track_keys(self, video_id: str, tracks: Sequence[int]) -> tuple[bytes, ...]:
        """The keys of all these tracks.

        Raises:
            NotForMe: one of them is unknown or destroyed.

        """
        found = self._tracks(video_id, tracks)
        gone = sorted(set(tracks) - set(found))
        if gone:
            raise NotForMe(f"{video_id}: the keys of tracks {gone} are destroyed or were never here")
        return tuple(found[track] for track in tracks)

    def destroy_tracks(self, video_id: str, tracks: Sequence[int]) -> int:
        """Destroy keys for ever, also of tracks that have none yet; returns how many there were."""
        with change(self._db):
            return _bury_tracks(self._db, video_id, tracks)

    def destroyed_tracks(self) -> dict[str, tuple[int, ...]]:
        """The tombstones: destroyed tracks by video."""
        found: dict[str, list[int]] = {}
        rows = self._db.execute("SELECT video_id, track FROM tracks WHERE wrapped IS NULL ORDER BY 1, 2")
        for video_id, track in rows:
            found.setdefault(video_id, []).append(track)
        return {video_id: tuple(tracks) for video_id, tracks in found.items()}

    def count_tracks(self) -> int:
        """How many living track keys there are."""
        return int(self._db.execute("SELECT count(*) FROM tracks WHERE wrapped IS NOT NULL").fetchone()[0])

    def create_secret(self, name: str) -> None:
        """A fresh random 32 bytes under this name; what exists or was destroyed stays as it is."""
        with self._wrapping():
            wrapped = _wrap(self._kek, secrets.token_bytes(KEY_BYTES), f"secret/{name}")
            self._db.execute("INSERT INTO secrets VALUES (?, ?, NULL) ON CONFLICT DO NOTHING", (name, wrapped))

    def secret(self, name: str) -> bytes:
        """A secret's bytes; raises NotForMe where it is unknown or destroyed."""
        row = self._db.execute("SELECT wrapped FROM secrets WHERE name = ?", (name,)).fetchone()
        if row is None or row[0] is None:
            raise NotForMe(f"secret {name!r} is {'unknown' if row is None else 'destroyed'}")
        return _unwrap(self._kek, row[0], f"secret/{name}")

    def destroy_secret(self, name: str) -> None:
        """Destroy a secret for ever, also one that isn't there yet."""
        with change(self._db):
            _bury_secret(self._db, name)

    def destroyed_secrets(self) -> tuple[str, ...]:
        """The names of destroyed secrets."""
        return tuple(name for name, in self._db.execute("SELECT name FROM secrets WHERE wrapped IS NULL ORDER BY 1"))

    def backup(self, target: Path) -> None:
        """Copy the store, keys wrapped as they are; the secret isn't in it. A file that exists isn't replaced."""
        if target.exists():
            raise UsageError(f"{target.name} exists already")
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        copy = sqlite3.connect(target)
        try:
            self._db.backup(copy)
        finally:
            copy.close()

    def rotate(self, secret: Path) -> None:
        """Wrap every key under a new secret; copies under the old one die with that secret.

        Who has the store open meanwhile makes no keys any more, and reads none.

        Raises:
            ConfigError: the new secret is missing, too short or open to others; or the store was rotated meanwhile.

        """
        password = read_secret(secret)
        salt = secrets.token_bytes(SALT_BYTES)
        kek = derive(password, salt)
        with self._wrapping():
            for table, kind in (("identities", "identity"), ("secrets", "secret")):
                rows = self._db.execute(f"SELECT name, wrapped FROM {table} WHERE wrapped NOTNULL").fetchall()  # noqa: S608
                for name, wrapped in rows:
                    again = _wrap(kek, _unwrap(self._kek, wrapped, f"{kind}/{name}"), f"{kind}/{name}")
                    self._db.execute(f"UPDATE {table} SET wrapped = ? WHERE name = ?", (again, name))  # noqa: S608
            rows = self._db.execute("SELECT video_id, track, wrapped FROM tracks WHERE wrapped NOTNULL").fetchall()
            for video_id, track, wrapped in rows:
                label = _track_name(video_id, track)
                again = _wrap(kek, _unwrap(self._kek, wrapped, label), label)
                statement = "UPDATE tracks SET wrapped = ? WHERE video_id = ? AND track = ?"
                self._db.execute(statement, (again, video_id, track))
            self._db.execute("UPDATE store SET salt = ?, proof = ?", (salt, _wrap(kek, salt, "proof")))
        self._kek, self._salt = kek, salt

    def _tracks(self, video_id: str, tracks: Sequence[int]) -> dict[int, bytes]:
        rows = ((track, self._row(video_id, track)) for track in set(tracks))
        kept = {track: row[0] for track, row in rows if row and row[0]}
        return {track: _unwrap(self._kek, wrapped, _track_name(video_id, track)) for track, wrapped in kept.items()}

    def _row(self, video_id: str, track: int) -> tuple[bytes | None] | None:
        """The wrapped key of a track, None in it where it was destroyed; None where there never was one."""
        statement = "SELECT wrapped FROM tracks WHERE video_id = ? AND track = ?"
        return cast("tuple[bytes | None] | None", self._db.execute(statement, (video_id, track)).fetchone())


def restore(backup: Path, folder: Path, secret: Path, destroyed: Mapping[str, Sequence[int]]) -> KeyStore:
    """A store from a backup, without keys destroyed since (`destroyed`: the log's erasures, tracks by video).

    Tombstones of a store that is still there count too; that store is then replaced.

    Raises:
        ConfigError: not a backup, or made with another secret.

    """
    gone = {video_id: set(tracks) for video_id, tracks in destroyed.items()}
    dead, spent = set[str](), tuple[str, ...]()
    if (folder / STORE).exists():
        with KeyStore(folder, secret) as old:
            for video_id, tracks in old.destroyed_tracks().items():
                gone.setdefault(video_id, set()).update(tracks)
            dead = {identity.name for identity in old.identities() if identity.destroyed_ms is not None}
            spent = old.destroyed_secrets()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    fresh = folder / f".{STORE}.restoring"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(backup.read_bytes())
    try:
        with closing(connect(fresh)) as db:
            _unlock(db, read_secret(secret))
            with change(db):
                for video_id, tracks_gone in gone.items():
                    _bury_tracks(db, video_id, sorted(tracks_gone))
                for name in dead:
                    _bury_identity(db, name)
                db.execute(_SECRETS)
                for name in spent:
                    _bury_secret(db, name)
        with locked(folder):
            replace_file(folder / STORE, fresh)
    except (ConfigError, sqlite3.DatabaseError) as error:
        raise ConfigError(f"{backup.name} is no backup of a key store with this secret") from error
    finally:
        for rest in (fresh, Path(f"{fresh}-journal")):
            rest.unlink(missing_ok=True)
    return KeyStore(folder, secret)


def _bury_tracks(db: sqlite3.Connection, video_id: str, tracks: Sequence[int]) -> int:
    now, destroyed = _now_ms(), 0
    for track in set(tracks):
        destroyed += db.execute(
            "UPDATE tracks SET wrapped = NULL, destroyed_ms = ? WHERE video_id = ? AND track = ? AND wrapped NOTNULL",
            (now, video_id, track),
        ).rowcount
        db.execute("INSERT INTO tracks VALUES (?, ?, NULL, ?) ON CONFLICT DO NOTHING", (video_id, track, now))
    return destroyed


def _bury_identity(db: sqlite3.Connection, name: str) -> bool:
    statement = "UPDATE identities SET wrapped = NULL, destroyed_ms = ? WHERE name = ? AND wrapped IS NOT NULL"
    return bool(db.execute(statement, (_now_ms(), name)).rowcount)


def _bury_secret(db: sqlite3.Connection, name: str) -> None:
    now = _now_ms()
    db.execute("UPDATE secrets SET wrapped = NULL, destroyed_ms = ? WHERE name = ? AND wrapped NOTNULL", (now, name))
    db.execute("INSERT INTO secrets VALUES (?, NULL, ?) ON CONFLICT DO NOTHING", (name, now))


def _prepare(db: sqlite3.Connection, password: bytes) -> tuple[bytes, bytes]:
    salt = secrets.token_bytes(SALT_BYTES)
    kek = derive(password, salt)
    db.executescript(_SCHEMA)
    db.execute("INSERT INTO store VALUES (?, ?)", (salt, _wrap(kek, salt, "proof")))
    return kek, salt


def _unlock(db: sqlite3.Connection, password: bytes) -> tuple[bytes, bytes]:
    row = db.execute("SELECT salt, proof FROM store").fetchone()
    if row is None:
        raise ConfigError("the key store is empty: its making was cut short")
    kek = derive(password, row[0])
    _unwrap(kek, row[1], "proof")
    return kek, row[0]


def _track_name(video_id: str, track: int) -> str:
    return f"track/{video_id}/{track}"


def _wrap(kek: bytes, key: bytes, name: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    cipher = AES.new(kek, AES.MODE_GCM, nonce=nonce)
    cipher.update(name.encode())
    wrapped, tag = cipher.encrypt_and_digest(key)
    return nonce + wrapped + tag


def _unwrap(kek: bytes, sealed: bytes, name: str) -> bytes:
    nonce, wrapped, tag = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-16], sealed[-16:]
    cipher = AES.new(kek, AES.MODE_GCM, nonce=nonce)
    cipher.update(name.encode())
    try:
        return cipher.decrypt_and_verify(wrapped, tag)
    except ValueError as error:
        raise ConfigError("the secret isn't that of this key store (any more), or the store is damaged") from error


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
