"""`sealframe demo`: the main job from end to end on the embedded stack, with all security on.

Two cameras push generated video whose truth is known; the platforms take it in; every person is searched by another
photograph, strangers too; one subject is restored. Then faces are indexed on a case only. What comes out is measured
against truth and originals.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from infra import tls
from infra.camera import open_source
from infra.postgres import Database
from infra.settings import Settings
from operators.codec import decode, encode
from operators.masks import unpack_masks
from operators.pixels import psnr, sample_masks
from operators.track.geometry import iou
from schemas.errors import SealframeError, ServiceUnavailable, SeveralFaces
from schemas.frames import FrameChunk, Planes
from schemas.records import OperatorRecord
from schemas.topics import DAY_MS
from streams.clock import now_ms
from streams.demo import measure
from streams.demo.case_only import CaseOnly
from streams.demo.cast import Cast, demo_cast
from streams.demo.compose import Truth, compose
from streams.demo.picture import triptych
from streams.demo.pictures import people
from streams.evaluate.report import Figure
from streams.forensic.client import ForensicClient
from streams.forensic.restorations import Wish
from streams.forensic.terms import KINDS
from streams.operating.client import OperatorClient
from streams.push import push
from streams.setup import detector
from streams.stack import Stack, signing_key
from streams.verify import Checked, check_record, expected_evidence

CASE, SECOND_CASE, PURPOSE = "demo-1", "demo-2", "demonstration"
SAME_MOMENT_DB = 30.0
ARRIVAL_SECONDS = 120.0
MIN_OVERLAP = 0.3
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shot:
    """What one camera filmed, and its truth (none for a user's own video)."""

    camera_id: str
    path: Path
    truth: Truth | None


@dataclass(slots=True)
class Filmed:
    """A shot as it was pushed."""

    shot: Shot
    originals: list[FrameChunk]

    @property
    def video_id(self) -> str:
        """Its video (a file is one)."""
        return self.originals[0].video_id


def generate(pictures: Path, folder: Path, seed: int) -> tuple[Cast, list[Shot]]:
    """Make the two cameras' videos; another seed draws other paths, gaps and people."""
    cast, find = demo_cast(people(pictures), seed), detector().detect
    shots = []
    for scene in cast.scenes:
        path = folder / f"{scene.camera_id}.mp4"
        truth = compose(
            scene.people, path, detect=find, seed=scene.seed, seconds=scene.seconds, face_width=scene.face_width
        )
        shots.append(Shot(scene.camera_id, path, truth))
    return cast, shots


class Demo:
    """One run on a running stack; files go to `out`."""

    def __init__(self, settings: Settings, stack: Stack, out: Path, tell: Tell) -> None:
        self.settings, self.stack, self.out, self.tell = settings, stack, out, tell
        self.authority = next(iter(settings.authorities))
        self.forensic = ForensicClient(
            stack.url(f"forensic-{self.authority}"), tls.load(stack.tls, "investigator-demo")
        )
        self.operator = OperatorClient(stack.url("operator"), tls.load(stack.tls, f"authority-{self.authority}"))
        self.database = Database(stack.databases[f"authority-{self.authority}"].app())
        self.case = CASE

    def run(self, shots: Sequence[Shot], cast: Cast | None, began: float) -> list[Figure]:
        """Open a case, push, wait, search, restore, index on a case only, measure."""
        cameras = [shot.camera_id for shot in shots]
        self.open_case(cameras)
        self.tell("pushing")
        with ThreadPoolExecutor(len(shots)) as pool:
            filmed = list(pool.map(self.push, shots))
        self.tell("waiting for both platforms")
        records = {one.video_id: self.arrived(one) for one in filmed}
        found: dict[str, Any] = {}
        if cast is not None:
            self.tell("searching")
            found = self._search(cast, filmed)
        self._outputs(filmed, found)
        shown = None
        if cast is not None and self.settings.index_faces == "always":
            self.tell("indexing on a case only")
            shown = CaseOnly(self.stack, self.forensic, self.database)
            found["vectors"], found["vectors_left"] = shown.begin(CASE)
            self.case = SECOND_CASE
            self.open_case(cameras)
        self.tell("measuring")
        totals = self._measure(filmed, records, found)
        if cast is not None and shown is not None:
            self.tell("searching under another case")
            shown.indexed()
            found["rank1_on_case"] = len(self._found(cast, filmed))
        return measure.figures(totals, found, time.monotonic() - began)

    def open_case(self, cameras: Sequence[str]) -> None:
        """Open a case for these cameras as the investigator, and approve what it says as the approver."""
        now, kinds = now_ms(), set(self.settings.authorities[self.authority]) & set(KINDS)
        opened = self.forensic.send("/cases", {
            "case_id": self.case, "title": PURPOSE, "basis": "consent of all who are shown", "cameras": list(cameras),
            "from_ms": 0, "to_ms": now + DAY_MS, "kinds": sorted(kinds), "expires_ms": now + DAY_MS,
        })
        approver = tls.load(self.stack.tls, "approver-demo")
        with ForensicClient(self.stack.url(f"forensic-{self.authority}"), approver) as client:
            client.approve(self.case, opened["digest"])

    def close(self) -> None:
        """Close all connections."""
        self.forensic.close()
        self.operator.close()
        self.database.close()

    def push(self, shot: Shot) -> Filmed:
        """Enrol the camera and push its video; raises SealframeError if that changes its format."""
        self.stack.enrol(f"camera-{shot.camera_id}")
        principal, kept = f"camera-{shot.camera_id}", Filmed(shot, [])

        def keep(chunks: Iterator[FrameChunk]) -> Iterator[FrameChunk]:
            for chunk in chunks:
                kept.originals.append(chunk)
                yield chunk

        source = open_source(
            str(shot.path), encode=encode, camera_id=shot.camera_id, chunk_ms=self.settings.chunk_ms
        )
        with self.stack.access(principal).producer() as producer:
            push(keep(source), shot.camera_id, producer, self.stack.pipeline_recipient(),
                 signing_key(self.stack.tls, principal))
        if len({chunk.video_id for chunk in kept.originals}) != 1:
            raise SealframeError(f"{shot.path.name} changes its format on the way: the demo takes one format")
        return kept

    def arrived(self, filmed: Filmed, seconds: float = ARRIVAL_SECONDS) -> list[Checked]:
        """The video's checked records, once its end and all its evidence are there, and that is read."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            records = [self._checked(record) for record in self._records(filmed.video_id)]
            if records and records[-1].body.end is not None:
                expected = expected_evidence(records, self.authority)
                if self._read(filmed.video_id) >= sum(expected.values()):
                    return records
            time.sleep(0.2)
        raise ServiceUnavailable(f"{filmed.video_id} didn't arrive within {seconds:.0f} s; see the logs in "
                                 f"{self.stack.home / 'run'}")

    def _records(self, video_id: str) -> list[OperatorRecord]:
        try:
            return self.operator.records(video_id)
        except SealframeError:
            return []

    def _checked(self, record: OperatorRecord) -> Checked:
        ca, now = self.stack.tls / "ca.pem", datetime.now(UTC)
        return check_record(record, lambda der: tls.signer_identity(der, ca, at=now), media=False)

    def _read(self, video_id: str) -> int:
        """How many parts of its evidence are stored and indexed."""
        with self.database.connection() as db:
            row = db.execute(
                "SELECT coalesce(sum(parts), 0) FROM evidence e LEFT JOIN unread u USING (video_id, chunk_seq)"
                " WHERE e.video_id = %s AND u.video_id IS NULL", (video_id,),
            ).fetchone()
        return int(row[0]) if row else 0

    def best(self, pictures: Sequence[bytes], threshold: float | None = None) -> tuple[dict[str, Any] | None, int]:
        """The best match over a person's encoded photographs, and how many of them have one."""
        answers = [self._asked(picture, threshold) for picture in pictures]
        firsts = [answer["matches"][0] for answer in answers if answer["matches"]]
        return max(firsts, key=lambda match: float(match["similarity"]), default=None), len(firsts)

    def _asked(self, picture: bytes, threshold: float | None) -> dict[str, Any]:
        """Search with the face of a photograph; of several the one nearest to the middle."""
        try:
            return self.forensic.search_face(picture, self.case, PURPOSE, threshold=threshold)
        except SeveralFaces as several:
            read = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
            middle = (0.0, 0.0) if read is None else (read.shape[1] / 2, read.shape[0] / 2)
            off = [abs((x1 + x2) / 2 - middle[0]) + abs((y1 + y2) / 2 - middle[1]) for x1, y1, x2, y2 in several.boxes]
            face = off.index(min(off)) + 1
            return self.forensic.search_face(picture, self.case, PURPOSE, threshold=threshold, face=face)

    def shows(self, match: dict[str, Any], label: str, filmed: Sequence[Filmed]) -> bool:
        """In the frame of the match's best region a track of the subject lies over the true face of this person."""
        video_id, _, number = str(match["image_id"]).rpartition("/")
        frame = int(number)
        one = next((film for film in filmed if film.video_id == video_id), None)
        truth = one.shot.truth.track(label).get(frame) if one and one.shot.truth else None
        if one is None or truth is None:
            return False
        seq = next(c.chunk_seq for c in one.originals if c.first_frame <= frame < c.first_frame + len(c.units))
        reader, keys = self.reader()
        with keys, self.database.connection() as db:
            row = db.execute("SELECT tracks FROM subjects WHERE subject_id = %s", (match["subject_id"],)).fetchone()
            mappings = reader.chunk(db, video_id, seq).mappings
        tracks = set(row[0]) if row else set()
        boxes = [r.box for m in mappings if m.track in tracks for r in m.regions if r.frame_no == frame]
        return any(iou(box, truth) > MIN_OVERLAP for box in boxes)

    def _search(self, cast: Cast, filmed: Sequence[Filmed]) -> dict[str, Any]:
        subjects = self._found(cast, filmed)
        strangers = [self.best([_png(photograph.read()) for photograph in person.photographs])[0]
                     for person in cast.strangers]
        persons = {who.label for scene in cast.scenes for who in scene.people}
        return {"persons": len(persons), "persons_searched": len(cast.probes), "rank1": len(subjects),
                "strangers": len(strangers), "strangers_matched": sum(match is not None for match in strangers),
                "subjects": subjects}

    def _found(self, cast: Cast, filmed: Sequence[Filmed]) -> list[str]:
        """The subjects of those who are found by another photograph, right subject first."""
        subjects: list[str] = []
        for person in cast.probes:
            match, _ = self.best([_png(photograph.read()) for photograph in person.photographs])
            if match and self.shows(match, person.label, filmed):
                subjects.append(str(match["subject_id"]))
        return subjects

    def reader(self) -> tuple[Any, Any]:
        """The authority's way to its evidence, and the key store to close afterwards."""
        home = self.stack.home
        return measure.open_reader(self.authority, home / "keystore" / self.authority,
                                   home / "secrets" / self.authority, home / "authority" / self.authority)

    def _outputs(self, filmed: Sequence[Filmed], found: dict[str, Any]) -> None:
        for one in filmed:
            data = self.stack.home / "operator" / f"{one.video_id}.mp4"
            shutil.copyfile(data, self.out / f"desensitised-{one.shot.camera_id}.mp4")
        wish = Wish(with_gaps=True, lossless=False)  # who passes behind somebody can't be shown there
        begun = [self.forensic.begin(subject, CASE, PURPOSE, wish) for subject in found.get("subjects", ())]
        if begun:
            best = min(map(self.forensic.wait, begun), key=_missing)
            self.forensic.fetch(best["id"], self.out / "restored.mp4", self.stack.tls / "ca.pem")
            found["restored"] = best["subject"]

    def _measure(
        self, filmed: Sequence[Filmed], records: dict[str, list[Checked]], found: dict[str, Any]
    ) -> measure.Totals:
        totals, drawn = measure.Totals(), False
        reader, store = self.reader()
        subject_video = str(found.get("restored", "")).rpartition("/")[0]
        with store:
            for one in filmed:
                path = self.stack.home / "authority" / self.authority / f"{one.video_id}.evidence"
                totals.evidence_bytes += path.stat().st_size if path.exists() else 0
                totals.public_bytes += self._head_bytes(one)
                for seen in measure.chunks(one.originals, records[one.video_id], self.operator, reader, self.database):
                    measure.add(totals, seen, one.shot.truth, self.settings.crf, self.settings.preset)
                    if not drawn and seen.body.masks and subject_video in ("", one.video_id):
                        drawn = self._draw(seen, one.shot.truth)
        return totals

    def _head_bytes(self, one: Filmed) -> int:
        return len(self.operator.start(one.video_id).media)

    def _draw(self, seen: measure.Seen, truth: Truth | None) -> bool:
        """The picture of the frame with most faces in a chunk that shows at least two."""
        counts = [
            len([f for f in truth.frames[seen.chunk.first_frame + i] if f.visible > 0.9]) if truth else 1
            for i in range(len(seen.public))
        ]
        index = max(range(len(counts)), key=counts.__getitem__)
        if truth and counts[index] < 2:
            return False
        restored = self._restored_frame(seen, index)
        if restored is None and (self.out / "restored.mp4").exists():
            return False
        restored = restored or seen.restored[index]
        triptych(self.out / "original-desensitised-restored.png",
                 [seen.original[index], seen.public[index], restored], seen.chunk.format)
        return True

    def _restored_frame(self, seen: measure.Seen, index: int) -> Planes | None:
        """The same moment as the forensic service wrote it; None where it didn't.

        The restored video holds only the subject's chunks, so its frames are counted otherwise: it is the one that is
        most alike outside the masks.
        """
        path = self.out / "restored.mp4"
        if not path.exists():
            return None
        chunks = open_source(str(path), encode=encode, camera_id="restored")
        pictures = (frame.planes for chunk in chunks for frame in decode(chunk).frames)
        masked = unpack_masks(seen.body.masks, len(seen.public), seen.chunk.format)[index]
        beside = sample_masks(~masked, seen.chunk.format)
        quality, best = max(
            ((psnr(planes, seen.public[index], beside), planes) for planes in pictures), key=lambda found: found[0]
        )
        return best if quality > SAME_MOMENT_DB else None


def _missing(job: dict[str, Any]) -> int:
    """In how many frames a restoration doesn't show its subject."""
    return sum(gap["last_frame"] - gap["first_frame"] + 1 for gap in job["gaps"])


def _png(picture: Any) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1])
