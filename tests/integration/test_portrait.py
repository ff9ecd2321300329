"""Pictures of subjects out of sealed evidence, sharp and blurred."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from schemas.errors import MissingEvidence, UsageError
from streams.authority.erase import erase_subject
from streams.authority.portrait import portrait
from tests.support.authority import Desk, add_subject, clock, open_desk, recorded
from tests.support.services import Postgres


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, postgres_authority: Postgres) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path_factory.mktemp("desk"), database)
        desk.take(recorded(desk.epoch, 1))
        yield desk
        desk.close()


def detail(jpeg: bytes) -> float:
    """Variance of the Laplacian: how much there is to be seen."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert max(picture.shape) == 192
    return float(cv2.Laplacian(picture, cv2.CV_64F).var())


def test_portrait_is_blurred_unless_asked_otherwise(desk: Desk) -> None:
    subject = add_subject(desk, 2)
    sharp, blurred = (portrait(desk.database, desk.reader, subject, blurred=b) for b in (False, True))
    assert portrait(desk.database, desk.reader, subject) == blurred
    assert detail(sharp) > 30 * detail(blurred)


def test_portrait_of_nobody_and_of_an_erased_subject(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no subject"):
        portrait(desk.database, desk.reader, "cam-1-00000000/s9")
    subject = add_subject(desk, 1)
    erase_subject(desk.database, desk.keys, desk.log, clock, subject, actor="a", case="c", purpose="p")
    with pytest.raises(UsageError):
        portrait(desk.database, desk.reader, subject)
    subject = add_subject(desk, 1)
    with pytest.raises(MissingEvidence):
        portrait(desk.database, desk.reader, subject)
