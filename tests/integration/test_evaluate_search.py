"""`eval search` on a small library: every sort of filter finds the truly nearest, by comparing and by the index."""

from __future__ import annotations

import numpy as np
import pytest

from infra.models import FOLDER, face_embedder
from operators.embed import FaceEmbedder
from schemas.errors import ConfigError
from streams.authority.faces import Faces
from streams.evaluate import search
from streams.forensic import nearest
from streams.setup import detector
from tests.support.shared import shared_data


@pytest.mark.parametrize("below", [50_000, 500])
def test_evaluate_finds_the_nearest_with_every_filter(monkeypatch: pytest.MonkeyPatch, below: int) -> None:
    """With 500 the index over half-precision vectors answers wherever the filters leave more."""
    try:
        faces = Faces(detector(), FaceEmbedder(face_embedder(FOLDER)))
    except ConfigError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(nearest, "EXACT_BELOW", below)
    monkeypatch.setattr(search, "PEOPLE", 12)
    found = {one.id: one for one in search.evaluate(shared_data(), faces, 3_000, 12, 0, lambda said: None)}
    recalls = {name: one.value for name, one in found.items() if name.endswith("recall10")}
    assert len(recalls) == 7 and min(recalls.values()) >= (1.0 if below > 3_000 else 0.98)
    assert all(np.isfinite(one.value) and one.value > 0 for one in found.values())
