"""`eval faces`: which pictures are listed, what a picture without a face costs, which figures there are; a real run."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from infra.models import FOLDER, face_embedder
from operators.embed import FEATURES
from schemas.errors import ConfigError, UsageError
from streams.authority.faces import Probe
from streams.cli import evaluate as cli
from streams.evaluate import faces
from tests.support.pictures import astronaut

OPEN = ["pictures_without_face", "tar_far_1e3", "rank1", "rank5", "fpir", "fpir_upper", "tpir"]


def write(folder, labels, pairs=None):
    """A folder whose pictures are files that hold an angle in degrees, or nothing."""
    folder.mkdir(exist_ok=True)
    table = "".join(f"{file}\t{person}\tpart\t2\n" for file, person, _ in labels)
    (folder / "labels.tsv").write_text("file\tidentity\tpart\tpictures\n" + table)
    for file, _, angle in labels:
        (folder / file).write_text(str(angle))
    if pairs is not None:
        (folder / "pairs.tsv").write_text("file_a\tfile_b\tsame\n" + "".join(f"{a}\t{b}\t{s}\n" for a, b, s in pairs))
    return folder


def read(picture: bytes) -> Probe:
    """The face of such a file: a vector at its angle."""
    if not picture:
        raise UsageError("no face is found in the picture")
    vector = np.zeros(FEATURES, np.float32)
    vector[:2] = math.cos(math.radians(float(picture))), math.sin(math.radians(float(picture)))
    return Probe(vector, 60.0, 0)


def embed(chips):
    assert chips.shape == (1, 150, 150, 3)
    return np.ones((1, FEATURES), np.float32)


def evaluate(data, told=None):
    told = [] if told is None else told
    return {one.id: one for one in faces.evaluate(data, read, embed, 10, 0, told.append)}


def circle(people: int) -> list[tuple[str, str, float]]:
    """`people` persons around the circle, two pictures of each 1 degree apart."""
    return [(f"{i}-{j}.jpg", f"person {i}", 360 * i / people + j) for i in range(people) for j in range(2)]


def pairs_of(people: int) -> list[tuple[str, str, int]]:
    same = [(f"{i}-0.jpg", f"{i}-1.jpg", 1) for i in range(people)]
    return same + [(f"{i}-0.jpg", f"{(i + 1) % people}-1.jpg", 0) for i in range(people)]


@pytest.mark.parametrize("inside", ["", "identities"])
def test_evaluate_people_apart_hold_every_figure(tmp_path, inside):
    write(tmp_path / inside, circle(20), pairs_of(20))
    figures = evaluate(tmp_path)
    assert list(figures) == [OPEN[0], "accuracy", "eer", *OPEN[1:], "draws_of_20", "embed_ms"]
    values = {one: figures[one].value for one in figures if one not in ("embed_ms", "fpir", "fpir_upper")}
    perfect = dict.fromkeys(["accuracy", "tar_far_1e3", "rank1", "rank5", "tpir", "draws_of_20"], 1)
    assert values == {OPEN[0]: 0, "eer": 0, **perfect}
    assert figures["fpir_upper"].value > 0.01 and figures["fpir"].n == 120 and figures["rank1"].n == 20
    # Neighbours are 18 degrees apart all around: no stranger stands out more than another half's did.
    assert figures["fpir"].value < 0.1


def test_evaluate_pictures_without_a_face_are_named_and_are_errors(tmp_path):
    labels = circle(20)
    labels[1] = (*labels[1][:2], "")
    told = []
    figures = evaluate(write(tmp_path, labels, pairs_of(20)), told)
    assert told == ["0-1.jpg: no face is found in the picture"]
    assert figures["pictures_without_face"].value == 1
    assert figures["accuracy"].value == pytest.approx(1 - 2 / 40)
    assert figures["rank1"].value == figures["tar_far_1e3"].value == pytest.approx(19 / 20)
    assert figures["fpir"].n == 3 * 39


def test_evaluate_without_pairs_or_twenty_people_leaves_those_figures_out(tmp_path):
    told = []
    assert list(evaluate(write(tmp_path, circle(6)), told)) == [*OPEN, "embed_ms"]
    assert [line.split(":")[0] for line in told] == ["no accuracy, no eer", "no draws"]


def test_evaluate_one_picture_people_are_in_the_gallery_and_never_probes(tmp_path):
    """A stranger's picture lies between the two of person 0: nearer to the probe than the own one."""
    figures = evaluate(write(tmp_path, [("a", "0", 0), ("b", "0", 10), ("c", "alone", 9), ("d", "1", 180)]))
    assert (figures["rank1"].value, figures["rank5"].value) == (0, 1)
    assert figures["rank1"].n == 1 and figures["fpir"].n == 12


@pytest.mark.parametrize(
    ("labels", "pairs", "said"),
    [
        ([("a", "0", 0), ("a", "1", 0), ("b", "1", 0)], None, "twice"),
        ([("a", "0", 0), ("b", "0", 0)], None, "two identities"),
        ([("a", "0", 0), ("b", "1", 0)], None, "several pictures"),
        ([("a", "0", 0), ("b", "", 0)], None, "no file or no identity"),
        ([("a", "0", 0), ("b", "0", 0), ("c", "1", 0)], [("a", "x", 1)], "must be in labels.tsv"),
        ([("a", "0", 0), ("b", "0", 0), ("c", "1", 0)], [("a", "b", 2)], "same 0 or 1"),
        ([("a", "0", ""), ("b", "0", 0), ("c", "1", "")], None, "found in 1 of 3 pictures"),
    ],
)
def test_evaluate_wrong_tables_are_wrong_use(tmp_path, labels, pairs, said):
    with pytest.raises(UsageError, match=said):
        evaluate(write(tmp_path, labels, pairs))


def test_evaluate_without_table_or_picture_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="labels.tsv"):
        evaluate(tmp_path)
    write(tmp_path, circle(3))
    (tmp_path / "2-1.jpg").unlink()
    with pytest.raises(UsageError, match="2-1.jpg"):
        evaluate(tmp_path)


def test_eval_faces_command_reads_pictures_and_reports(tmp_path):
    """One face, twice and mirrored as another person: mirror averaging makes them alike, so nobody is told apart."""
    try:
        face_embedder(FOLDER)
    except ConfigError as error:
        pytest.skip(str(error))
    write(tmp_path, [("a.png", "0", 0), ("b.png", "0", 0), ("c.png", "1", 0), ("d.png", "2", 0)])
    face = astronaut()[:, :, ::-1]
    for file, picture in [("a.png", face), ("b.png", face), ("c.png", face[:, ::-1]), ("d.png", np.zeros_like(face))]:
        cv2.imwrite(str(tmp_path / file), picture)
    report = tmp_path / "faces.json"
    ended = CliRunner().invoke(cli.app, ["faces", "--data", str(tmp_path), "--json", str(report)])
    assert ended.exit_code == 1 and "d.png: no face" in ended.output
    figures = {one["id"]: one for one in json.loads(report.read_text())["figures"]}
    assert figures["pictures_without_face"]["value"] == 1
    assert figures["rank5"]["value"] == 1 and figures["fpir"]["n"] == 9
    assert figures["embed_ms"]["value"] > 0
