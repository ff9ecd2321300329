"""Restorations as jobs: with progress, cancelled at will, taken up again after the service was killed.

Each fragment lies sealed in a file of its own under a key of this one restoration, so that no picture lies bare on the
disk and destroying the key ends it; what is there and right is not made again. When all are made, the manifest is
signed, the log says so, and only then the file is given out. A day later, or when the subject is erased, the key goes.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.atomic import write_whole
from infra.keys import KeyStore
from infra.postgres import Database
from operators.fragment import init_segment
from operators.seal import Identity, seal, unseal
from operators.sign import SigningKey, digest
from schemas.codec import decode, encode
from schemas.errors import (
    ConfigError,
    IntegrityError,
    NotForMe,
    PoisonError,
    SealframeError,
    TransientError,
    UsageError,
)
from schemas.records import AssociatedData, Envelope
from schemas.topics import DAY_MS
from streams.forensic import restorations as store
from streams.forensic.log import AccessLog
from streams.forensic.manifest import canonical, custody, signed_manifest, start_of
from streams.forensic.restorations import KeptChunk, Restoration
from streams.forensic.restore import FrameGap, Plan, Restorer, Style

KEPT_MS = DAY_MS
IDLE_SECONDS, AGAIN_SECONDS = 1.0, 5.0
TOPIC, TYPE = "restoration", "fragment"
Check = Callable[[Restoration], None]


class Restorations:
    """Makes the restorations of one authority, one after the other, each on all cores.

    `may` raises AccessDenied where what was asked for isn't allowed any more.
    """

    def __init__(
        self, authority: str, database: Database, log: AccessLog, restorer: Restorer, keys: KeyStore, folder: Path,
        key: Callable[[], SigningKey], clock: Callable[[], int], may: Check = lambda _: None,
    ) -> None:
        self._authority, self._database, self._log, self._restorer = authority, database, log, restorer
        self._keys, self._folder, self._key, self._clock, self._may = keys, folder, key, clock, may
        self._wake = threading.Event()

    def begin(self, job: Restoration) -> Restoration:
        """Take in a restoration whose asking is in the log."""
        with self._database.connection() as db:
            store.add(db, job)
        self._wake.set()
        return job

    def find(self, restoration_id: str) -> Restoration:
        """One of them.

        Raises:
            UsageError: there is none of this id.

        """
        with self._database.connection() as db:
            found = store.find(db, restoration_id)
        if found is None:
            raise UsageError("there is no such restoration of yours")
        return found

    def of_person(self, person: str, count: int = 50) -> list[Restoration]:
        """Those that somebody asked for, newest first."""
        with self._database.connection() as db:
            return store.of_person(db, person, count)

    def cancel(self, restoration_id: str) -> Restoration:
        """Stop it and destroy what was made; one that is done is destroyed as well."""
        with self._database.connection() as db:
            if not store.cancel(db, restoration_id):
                store.put_state(db, restoration_id, "gone")
        self._destroy(restoration_id)
        return self.find(restoration_id)

    def file(self, job: Restoration) -> Iterator[bytes]:
        """The restored video, piece by piece, as its manifest says.

        Raises:
            UsageError: it isn't done, its time is over, or somebody whom it may show was erased.
            NotForMe: its key is gone.

        """
        if job.state != "done" or job.manifest is None:
            raise UsageError(f"the restoration is {job.state}: there is no file to fetch")
        with self._database.connection() as db:
            if store.over(db, self._clock(), job.restoration_id):  # the one worker may be at another one for long
                raise UsageError("the restoration's time is over, or somebody in it was erased")
            kept = store.chunks(db, job.restoration_id)
        opener = self._opener(job.restoration_id)
        init = init_segment(start_of(job.manifest["body"]).format)
        return itertools.chain([init], (self._read(job, chunk, opener) for chunk in kept))

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; what isn't finished then is taken up at the next start."""
        while not stop.is_set():
            self._wake.clear()
            waited = self._step(stop)
            if waited:
                self._wake.wait(waited)

    def wake(self) -> None:
        """Look at once whether there is something to do, or whether to stop."""
        self._wake.set()

    def _step(self, stop: threading.Event) -> float:
        """One restoration, or one look; how long to wait before the next."""
        try:
            with self._database.connection() as db:
                finished = store.over(db, self._clock())
            for job in finished:
                self._put(job, "gone")
                self._destroy(job.restoration_id)
            with self._database.connection() as db:
                jobs = store.unfinished(db)
            return self._first(jobs, stop) if jobs else IDLE_SECONDS
        except TransientError:
            return AGAIN_SECONDS

    def _first(self, jobs: Sequence[Restoration], stop: threading.Event) -> float:
        """The first one that can be worked on: one whose video nobody gives out holds up no other."""
        for job in jobs:
            try:
                self._try(job, stop)
                return 0.0
            except TransientError:
                if stop.is_set():
                    break
        return AGAIN_SECONDS

    def _try(self, job: Restoration, stop: threading.Event) -> None:
        """Work on one. What may pass is tried again while its time lasts; anything else ends it, in the log too."""
        try:
            self._work(job, stop)
        except TransientError as error:
            self._put(job, "waiting", error=f"{type(error).__name__}: {error}; trying again")
            raise
        except SealframeError as error:
            self._failed(job, error)
        except OSError as error:
            self._failed(job, IntegrityError(f"its fragments can't be kept: {error.strerror}"))

    def _failed(self, job: Restoration, error: SealframeError) -> None:
        """End it, in the log too; what was cancelled meanwhile has ended already, and its fragments are gone."""
        if self.find(job.restoration_id).state in ("cancelled", "gone"):
            self._destroy(job.restoration_id)
            return
        said = {"restoration": job.restoration_id, "subject": job.subject_id, "error": type(error).__name__}
        self._log.append(f"{job.action}-failed", job.person, job.case_id, job.purpose, said)
        self._put(job, "failed", error=f"{type(error).__name__}: {error}")
        self._destroy(job.restoration_id)

    def _work(self, job: Restoration, stop: threading.Event) -> None:
        self._may(job)
        plan = self._restorer.plan(
            job.video_id, job.tracks, all_subjects=job.wish.everyone, with_gaps=job.wish.with_gaps
        )
        identity = self._keys.create_identity(job.restoration_id)
        kept = self._kept(job, plan)
        if not self._put(job, "running", frames=plan.frames):
            self._destroy(job.restoration_id)
            return
        style = Style(job.wish.lossless, watermark(job) if job.wish.burnt else ())
        missing = [seq for seq in plan.chunks if seq not in kept]
        for made in self._restorer.made(plan, missing, style):
            known = plan.chunks[made.seq]
            sealed = seal(made.media, [identity.public], self._bound(job, made.seq, known.digest))
            write_whole(self._path(job.restoration_id, made.seq), encode(sealed))
            with self._database.connection() as db:
                current = store.find(db, job.restoration_id)
                if stop.is_set() or current is None or current.state != "running":
                    break
                store.add_chunk(db, job.restoration_id, known.digest, digest(made.media), made)
        else:
            self._finish(job, plan)
            return
        if not stop.is_set():
            self._destroy(job.restoration_id)

    def _kept(self, job: Restoration, plan: Plan) -> set[int]:
        """Chunks that lie there whole and were made from the platform's very chunks; others are forgotten."""
        self._path(job.restoration_id, 0).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._database.connection() as db:
            found = store.chunks(db, job.restoration_id)
        opener, good = self._opener(job.restoration_id), set()
        for chunk in found:
            known = plan.chunks.get(chunk.seq)
            try:
                if known and known.digest == chunk.operator_digest and self._read(job, chunk, opener):
                    good.add(chunk.seq)
            except (IntegrityError, PoisonError, NotForMe, OSError):
                continue
        with self._database.connection() as db:
            store.drop_chunks(db, job.restoration_id, [chunk.seq for chunk in found if chunk.seq not in good])
        return good

    def _finish(self, job: Restoration, plan: Plan) -> None:
        with self._database.connection() as db:
            kept = store.chunks(db, job.restoration_id)
        gaps = [*plan.gaps, *(FrameGap(**gap) for chunk in kept for gap in chunk.made["gaps"])]
        said: dict[str, Any] = {
            "restoration": job.restoration_id, "entry": job.entry, "subject": job.subject_id, "video": job.video_id,
            "tracks": list(job.tracks), "frames": plan.frames, "lost": plan.lost, "gaps": [asdict(gap) for gap in gaps],
            "replaced": sum(chunk.made["replaced"] for chunk in kept), "written": not gaps or job.wish.with_gaps,
        }
        if not said["written"]:
            self._log.append("restored", job.person, job.case_id, job.purpose, said)
            self._put(job, "gaps", gaps=gaps)
            self._destroy(job.restoration_id)
            return
        body = self._body(job, plan, kept, gaps)
        said |= {"manifest": digest(canonical(body)).hex(), "file": body["file"]["digest"]}
        entry = self._log.append("restored", job.person, job.case_id, job.purpose, said)
        manifest = signed_manifest(body, self._key(), self._log.prove(entry.seq))
        self._put(job, "done", gaps=gaps, manifest=manifest, until_ms=self._clock() + KEPT_MS)

    def _body(self, job: Restoration, plan: Plan, kept: list[KeptChunk], gaps: list[FrameGap]) -> dict[str, Any]:
        init, opener = init_segment(plan.opened.format), self._opener(job.restoration_id)
        whole = hashlib.sha256(init)
        for chunk in kept:
            whole.update(self._read(job, chunk, opener))
        used = [
            (plan.chunks[chunk.seq], plan.places[chunk.seq].digest.hex() if chunk.seq in plan.places else None,
             {"seq": chunk.seq, "bytes": chunk.bytes, "digest": chunk.digest.hex(),
              **{name: chunk.made[name] for name in ("how", "replaced", "pieces")}})
            for chunk in kept
        ]
        return {
            "authority": self._authority, "case": job.case_id, "purpose": job.purpose, "person": job.person,
            "entry": job.entry, "time_ms": job.created_ms, "subject": job.subject_id, "tracks": list(job.tracks),
            "shows": "everyone" if job.wish.everyone else "subject",
            "coding": "lossless" if job.wish.lossless else "playable",
            "watermark": "burnt" if job.wish.burnt else "side-car", "lines": list(watermark(job)),
            "file": {"bytes": len(init) + sum(chunk.bytes for chunk in kept), "digest": whole.hexdigest(),
                     "init": len(init)},
            "frames": plan.frames, "lost": plan.lost, "replaced": sum(chunk.made["replaced"] for chunk in kept),
            "withheld": sum(chunk.made["withheld"] for chunk in kept), "gaps": [asdict(gap) for gap in gaps],
            **custody(plan.start, plan.taken_in, used),
        }

    def _read(self, job: Restoration, chunk: KeptChunk, opener: Identity) -> bytes:
        """A fragment from its file.

        Raises:
            IntegrityError, PoisonError, OSError: it isn't the one that was written.

        """
        envelope = decode(Envelope, self._path(job.restoration_id, chunk.seq).read_bytes())
        media = unseal(envelope, [opener], self._bound(job, chunk.seq, chunk.operator_digest))
        if digest(media) != chunk.digest:
            raise IntegrityError(f"restoration {job.restoration_id}: fragment {chunk.seq} isn't the one that was made")
        return media

    def _opener(self, restoration_id: str) -> Identity:
        return Identity(self._keys.private_key(restoration_id))

    def _bound(self, job: Restoration, seq: int, operator_digest: bytes) -> AssociatedData:
        return AssociatedData(TOPIC, TYPE, "", job.video_id, seq, operator_digest, epoch=job.restoration_id)

    def _put(self, job: Restoration, state: store.State, **said: Any) -> bool:
        with self._database.connection() as db:
            return store.put_state(db, job.restoration_id, state, **said)

    def _path(self, restoration_id: str, seq: int) -> Path:
        return self._folder / restoration_id / f"{seq:08d}.sealed"

    def _destroy(self, restoration_id: str) -> None:
        """The key first, for ever; then files and rows."""
        self._keys.destroy_identity(restoration_id)
        shutil.rmtree(self._folder / restoration_id, ignore_errors=True)
        with self._database.connection() as db:
            store.drop_chunks(db, restoration_id)


def new_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_hex(16)


def watermark(job: Restoration) -> tuple[str, ...]:
    """The lines that say for whom, when and under which case this was made."""
    when = datetime.fromtimestamp(job.created_ms / 1000, UTC)
    return (f"case {job.case_id}  |  {job.person}", f"{when:%Y-%m-%d %H:%M:%S} UTC  |  log entry {job.entry}")


def open_keys(folder: Path, secret: Path) -> KeyStore:
    """The keys of restorations, in a folder of their own in the key store; begun anew where the secret was changed.

    What was sealed under an earlier one can't be read any more, and is made again.
    """
    place = folder / "restorations"
    try:
        return KeyStore(place, secret, create=True)
    except ConfigError:
        shutil.rmtree(place, ignore_errors=True)
        return KeyStore(place, secret, create=True)
