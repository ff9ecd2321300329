"""The key store: what is destroyed stays destroyed, and nothing opens without the secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import tls
from infra.keys import KeyStore, create_secret, load_signing_seed, restore
from infra.vault import locked
from operators.seal import Identity
from operators.sign import SigningKey, check, sign
from schemas.errors import ConfigError, NotForMe, ServiceUnavailable, UsageError


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return create_secret(tmp_path / "secret")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_track_keys_made_once_come_back_equal(folder: Path, secret: Path) -> None:
    with KeyStore(folder, secret, create=True) as store:
        made = store.ensure_tracks("v", [1, 2])
        assert len({*made.values()}) == 2 and {len(key) for key in made.values()} == {32}
        assert store.ensure_tracks("v", [2]) == {2: made[2]}
    with KeyStore(folder, secret) as store:
        assert store.track_keys("v", [2, 1]) == (made[2], made[1])
        assert store.count_tracks() == 2


def test_known_tracks_are_read_without_a_change(folder: Path, secret: Path) -> None:
    with KeyStore(folder, secret, create=True) as store:
        kept = store.ensure_tracks("v", [1, 2])
        store.destroy_tracks("v", [1])
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        with locked(folder):
            assert store.ensure_tracks("v", [1, 2]) == {2: kept[2]}
        del before[folder / "lock"]
        assert {path: path.stat().st_mtime_ns for path in before} == before


def test_track_keys_destroyed_never_come_back(folder: Path, secret: Path) -> None:
    with KeyStore(folder, secret, create=True) as store:
        kept = store.ensure_tracks("v", [1, 2])[2]
        assert store.destroy_tracks("v", [1, 7]) == 1
        assert store.ensure_tracks("v", [1, 2, 7]) == {2: kept}
        with pytest.raises(NotForMe, match=r"tracks \[1\]"):
            store.track_keys("v", [1, 2])
        assert store.destroyed_tracks() == {"v": (1, 7)}


def test_track_key_destroyed_leaves_no_bytes_in_the_folder(folder: Path, secret: Path) -> None:
    with KeyStore(folder, secret, create=True) as store:
        store.ensure_tracks("v", range(50))
        wrapped = [row[0] for row in store._db.execute("SELECT wrapped FROM tracks ORDER BY track")]
        store.destroy_tracks("v", range(25))
        held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert [one in held for one in wrapped] == [False] * 25 + [True] * 25


def test_store_with_wrong_secret_refuses(folder: Path, secret: Path, tmp_path: Path) -> None:
    KeyStore(folder, secret, create=True).close()
    with pytest.raises(ConfigError, match="isn't that of this key store"):
        KeyStore(folder, create_secret(tmp_path / "other"))


@pytest.mark.parametrize(("mode", "content"), [(0o644, "x" * 64), (0o600, "short")])
def test_secret_open_or_short_refuses(folder: Path, tmp_path: Path, mode: int, content: str) -> None:
    bad = tmp_path / "bad"
    bad.write_text(content)
    bad.chmod(mode)
    with pytest.raises(ConfigError):
        KeyStore(folder, bad, create=True)


def test_folder_open_to_others_refuses(folder: Path, secret: Path) -> None:
    KeyStore(folder, secret, create=True).close()
    folder.chmod(0o755)
    with pytest.raises(ConfigError, match="open to others"):
        KeyStore(folder, secret)


def test_store_missing_refuses(folder: Path, secret: Path) -> None:
    folder.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="has not been created"):
        KeyStore(folder, secret)


def test_identity_destroyed_is_gone_and_named(folder: Path, secret: Path) -> None:
    with KeyStore(folder, secret, create=True) as store:
        made = store.create_identity("2026-01-01.1")
        assert store.create_identity("2026-01-01.1") == made
        assert Identity(store.private_key(made.name)).public == made.public
        assert store.destroy_identity(made.name) and not store.destroy_identity(made.name)
        assert store.private_keys() == ()
        with pytest.raises(NotForMe, match="destroyed"):
            store.private_key(made.name)
        assert [(i.name, i.destroyed_ms is not None) for i in store.identities()] == [(made.name, True)]


def test_restore_of_backup_keeps_erasures(folder: Path, secret: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    with KeyStore(folder, secret, create=True) as store:
        keys = store.ensure_tracks("v", [1, 2, 3])
        store.create_identity("day")
        store.backup(backup)
        with pytest.raises(UsageError):
            store.backup(backup)
        store.destroy_tracks("v", [1])
        store.destroy_identity("day")
    with restore(backup, folder, secret, {"v": [2]}) as store:
        assert store.ensure_tracks("v", [1, 2, 3]) == {3: keys[3]}
        assert store.private_keys() == ()
    with restore(backup, tmp_path / "elsewhere", secret, {"v": [2]}) as store:
        assert store.ensure_tracks("v", [1, 2, 3]) == {1: keys[1], 3: keys[3]}
    assert {path.name for path in folder.iterdir()} <= {"keys.sqlite", "keys.sqlite-journal", "lock"}


def test_restore_of_another_file_refuses(folder: Path, secret: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"SQLite format 3\0 but not really" * 100)
    with pytest.raises(ConfigError, match="no backup"):
        restore(bad, folder, secret, {})


def test_rotate_makes_old_copies_worthless(folder: Path, secret: Path, tmp_path: Path) -> None:
    new, copy = create_secret(tmp_path / "new"), tmp_path / "copy"
    with KeyStore(folder, secret, create=True) as store:
        keys = store.ensure_tracks("v", [1, 2])
        identity = store.create_identity("day")
        store.backup(copy)
        store.rotate(new)
        assert store.ensure_tracks("v", [1, 2]) == keys
    with KeyStore(folder, new) as store:
        assert store.ensure_tracks("v", [1, 2]) == keys
        assert Identity(store.private_key("day")).public == identity.public
    with pytest.raises(ConfigError):
        KeyStore(folder, secret)
    with pytest.raises(ConfigError):
        restore(copy, tmp_path / "elsewhere", new, {})


def test_who_has_a_store_open_while_it_is_rotated_wraps_nothing_under_the_old_secret(
    folder: Path, secret: Path, tmp_path: Path
) -> None:
    new = create_secret(tmp_path / "new")
    with KeyStore(folder, secret, create=True) as running:
        first = running.create_identity("day")
        with KeyStore(folder, secret) as other:
            other.rotate(new)
        for make in (
            lambda: running.create_identity("day.2"), lambda: running.ensure_tracks("v", [1]),
            lambda: running.create_secret("templates-1"), lambda: running.rotate(secret),
        ):
            with pytest.raises(ConfigError, match="rotated meanwhile: start again"):
                make()
        running.destroy_tracks("v", [7])  # what must not come back needs no secret
    with KeyStore(folder, new) as store:
        assert [identity.name for identity in store.identities()] == ["day"]
        assert Identity(store.private_keys()[0]).public == first.public
        assert store.ensure_tracks("v", [7, 8]).keys() == {8}


def test_restore_brings_no_destroyed_secret_back(folder: Path, secret: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    with KeyStore(folder, secret, create=True) as store:
        store.create_secret("templates-1")
        store.create_secret("templates-2")
        kept = store.secret("templates-2")
        store.backup(backup)
        store.create_secret("templates-3")
        for name in ("templates-1", "templates-3"):
            store.destroy_secret(name)
    with restore(backup, folder, secret, {}) as store:
        assert store.secret("templates-2") == kept
        for name in ("templates-1", "templates-3"):
            store.create_secret(name)
            with pytest.raises(NotForMe, match="destroyed"):
                store.secret(name)


def test_signing_seed_of_a_signer_signs(tmp_path: Path) -> None:
    tls.create_ca(tmp_path)
    signer = tls.issue_signer(tmp_path, "pipeline")
    loaded = load_signing_seed(signer.key)
    signed = sign(b"body", "evidence", SigningKey(loaded.seed, signer.certificate_der()))
    _, public = tls.signer_identity(signed.signer, tmp_path / "ca.pem")
    assert public == loaded.public and check(signed, "evidence", public) == b"body"
    signer.key.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        load_signing_seed(signer.key)


def test_full_disk_is_waited_for_and_changes_nothing(folder: Path, secret: Path) -> None:
    with KeyStore(folder, secret, create=True) as store:
        kept = store.ensure_tracks("v", [1])
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ServiceUnavailable, match="full"):
            store.ensure_tracks("v", range(2000))
        assert store.count_tracks() == 1
        store._db.execute("PRAGMA max_page_count = 1000000")
        assert store.ensure_tracks("v", range(2000))[1] == kept[1]
