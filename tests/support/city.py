"""A city for the desk's pages: an operating platform and an authority with real evidence, served over mutual TLS.

Two people walk by a camera; the pipeline hides them, the authority indexes them. Records go into the stores directly:
the broker between has tests of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from infra import tls
from infra.camera import open_source
from infra.https import HttpsServer
from infra.keys import KeyStore, create_secret
from infra.models import FACE_EMBEDDER, FOLDER, resolve
from infra.postgres import Database
from operators.codec import encode
from operators.embed import FaceEmbedder
from operators.pipeline import Pipeline
from schemas.errors import ConfigError, SealframeError
from schemas.frames import FrameChunk
from streams.authority.faces import Faces
from streams.authority.index import FaceIndex
from streams.authority.sink import EvidenceSink
from streams.clock import now_ms
from streams.demo.compose import PersonPicture, compose
from streams.demo.pictures import Person
from streams.demo.pictures import people as demo_people
from streams.forensic.gate import Ground
from streams.forensic.server import ForensicServer, ForensicSetup
from streams.operating.api import VIEWERS, create_app
from streams.operating.index import Index
from streams.operating.overview import Overview
from streams.operating.store import Store
from streams.retention import Rule
from streams.setup import detector
from streams.verify import check_record
from tests.support.authority import NAME, POLICY, record
from tests.support.cases import gate, open_case
from tests.support.operating import by_ca, certified_key
from tests.support.services import Postgres

ROOT = Path(__file__).resolve().parents[2]
CAMERA, SECONDS = "gate-1", 4.0
GROUND = Ground("investigator-anna", "found-bag", "who left the bag")
"""Of the case that may show the subject alone."""


@dataclass(frozen=True)
class City:
    """What runs. `probe`: another photograph of somebody who was filmed; `stranger`: of nobody; `pair`: of both."""

    server: ForensicServer
    database: Database
    ca: Path
    video_id: str
    probe: Path
    stranger: Path
    pair: Path

    @property
    def desk(self) -> str:
        """Address of the pages."""
        return self.server.server.url


@cache
def faces() -> Faces:
    """The models that `make setup` made."""
    try:
        return Faces(detector(), FaceEmbedder(resolve(FACE_EMBEDDER, ROOT / FOLDER)))
    except ConfigError as error:
        pytest.skip(f"no face models, run make setup: {error}")


def _people() -> dict[str, Person]:
    try:
        return {person.label: person for person in demo_people(ROOT / ".sealframe/pictures")}
    except SealframeError as error:
        pytest.skip(f"the demo's pictures aren't there, run make setup: {error}")


def _beside(left: Path, right: Path, to: Path) -> Path:
    """Two photographs as one, side by side, faces of about one size."""
    pictures = []
    for path in (left, right):
        rgb = cv2.imread(str(path))
        assert rgb is not None
        x1, y1, x2, y2 = (round(side) for side in faces().found(path.read_bytes())[1][0].box)
        width, middle = x2 - x1, (y1 + y2) // 2
        cut = rgb[max(0, middle - width) : middle + width, max(0, x1 - width // 2) : x2 + width // 2]
        pictures.append(cv2.resize(cut, (320, 320)))
    cv2.imwrite(str(to), np.concatenate(pictures, 1))
    return to


def _filmed(folder: Path) -> tuple[list[FrameChunk], Path, Path]:
    """The chunks of a video in which two people walk, a photograph of the first, one of a stranger."""
    known = _people()
    first, second, stranger = known["person-a"], known["person-d"], known["person-f"]
    cast = [PersonPicture(first.label, first.photographs[0]), PersonPicture(second.label, second.photographs[0])]
    path = folder / "walk.mp4"
    compose(cast, path, detect=detector().detect, seed=4, seconds=SECONDS, face_width=(80.0, 100.0))
    chunks = list(open_source(str(path), encode=encode, camera_id=CAMERA, chunk_ms=1000))
    probe = first.photographs[1].save(folder / "probe.png")
    return chunks, probe, stranger.photographs[0].save(folder / "stranger.png")


@contextmanager
def city(folder: Path, ca: Path, authority: Postgres, operator: Postgres) -> Iterator[City]:
    """Everything, started; stopped at the end."""
    known, key = faces(), certified_key(ca)
    chunks, probe, stranger = _filmed(folder)
    access, principal = authority.fresh()[0], f"authority-{NAME}"
    identity = tls.issue(ca, principal)
    tls.issue_signer(ca, principal)
    secret = create_secret(folder / "secret")
    with ExitStack() as running:
        platform = running.enter_context(operator.database())
        database = running.enter_context(Database(access, vectors=True))
        keys = running.enter_context(closing(KeyStore(folder / "keys", secret, create=True)))
        epoch = keys.create_identity("day").public
        pipeline = Pipeline(replace(POLICY, stride=2), detector(), key)
        made = record(chunks, None, epoch, pipeline=pipeline, signer=key)
        store = running.enter_context(closing(Store(platform, folder / "video")))
        with store.batch() as batch:
            for one in made.operator:
                batch.put(check_record(one, by_ca(ca)), now_ms())
        sink = running.enter_context(closing(EvidenceSink(
            NAME, database, keys, folder / "evidence", by_ca(ca), FaceIndex(known)
        )))
        for value in made.evidence:
            sink.take(value, now_ms())
        index = Index(platform, store.folder)
        app = create_app(index, CollectorRegistry(), Overview(index, platform, store.folder))
        public = running.enter_context(HttpsServer(app, tls.issue(ca, "operator", store="city"), VIEWERS))
        gate(database)
        open_case(database, GROUND, shows="subject")
        setup = ForensicSetup(
            NAME, identity, access, folder / "evidence", folder / "keys", secret, public.url,
            retention=[Rule(("*",), ("face",), days=30)],
        )
        server = running.enter_context(ForensicServer(setup, lambda: known))
        pair = _beside(stranger, probe, folder / "pair.png")
        yield City(server, database, ca, chunks[0].video_id, probe, stranger, pair)
