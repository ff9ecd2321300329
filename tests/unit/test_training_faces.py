"""Training crops, assignment and loss on hand-made cases. What needs torch is skipped where it isn't installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.training.faces.pictures import Photograph, crop
from operators.training.faces.wild import wild

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch isn't installed (extra `train`)")


def _photograph() -> Photograph:
    """A white face on grey with its five points, one invalid box."""
    picture = np.full((200, 300, 3), 60, np.uint8)
    picture[80:120, 140:170] = 255
    boxes = np.array([[140, 80, 170, 120], [10, 10, 30, 30]], np.float32)
    points = np.full((2, 5, 2), np.nan, np.float32)
    points[0] = [[147, 92], [163, 92], [155, 100], [148, 110], [162, 110]]
    return Photograph("one", picture, boxes, points, np.array([True, False]))


@pytest.mark.parametrize("number", range(40))
def test_crop_boxes_and_points_follow_the_picture(number):
    rng = np.random.default_rng([3, number])
    made = crop(_photograph(), rng)
    assert made.picture.shape == (256, 256, 3)
    assert made.picture.dtype == np.uint8
    assert (made.boxes >= 0).all() and (made.boxes <= 256).all()
    for (x1, y1, x2, y2), marks in zip(made.boxes, made.points, strict=True):
        assert y2 - y1 >= 7
        assert marks[0, 0] < marks[1, 0] and marks[3, 0] < marks[4, 0]
        assert x1 - 60 < marks[:, 0].min() and marks[:, 0].max() < x2 + 60


def test_crop_face_pixels_lie_inside_the_box():
    hits = 0
    for number in range(60):
        made = crop(_photograph(), np.random.default_rng([4, number]))
        for x1, y1, x2, y2 in made.boxes.astype(int):
            inside = np.median(made.picture[y1:y2, x1:x2])
            rest = [made.picture[: max(y1 - 4, 0)].ravel(), made.picture[y2 + 4 :].ravel()]
            hits += inside > np.median(np.concatenate(rest))
    assert hits >= 35


def test_crop_same_seed_gives_the_same_crop():
    first, second = (crop(_photograph(), np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first.boxes, second.boxes)
    assert np.array_equal(first.picture, second.picture)


def test_crop_invalid_boxes_are_never_to_be_found(monkeypatch):
    monkeypatch.setattr("operators.training.faces.pictures.SHARE", 0.0)  # nobody passes by, who would be one more
    for number in range(30):
        made = crop(_photograph(), np.random.default_rng([5, number]))
        assert len(made.boxes) <= 1


@needs_torch
def test_assign_two_faces_take_the_cells_nearest_to_each():
    import torch

    from operators.training.faces.loss import assign
    from operators.training.faces.network import boxes_of, cells

    centres, strides = cells(64, 64)
    values = torch.zeros(len(centres), 15)
    faces = torch.tensor([[8.0, 8, 24, 24], [40, 40, 56, 56]])
    cell, face = assign(values[:, 0], boxes_of(values, centres, strides), centres, strides, faces)
    assert sorted(set(face.tolist())) == [0, 1]
    middles = (faces[face, :2] + faces[face, 2:]) / 2
    assert ((centres[cell] - middles).abs() <= 1.5 * strides[cell, None]).all()
    assert len(set(cell.tolist())) == len(cell)


@needs_torch
def test_assign_without_faces_takes_nothing():
    import torch

    from operators.training.faces.loss import assign
    from operators.training.faces.network import cells

    centres, strides = cells(32, 32)
    cell, face = assign(torch.zeros(len(centres)), torch.zeros(len(centres), 4), centres, strides, torch.zeros(0, 4))
    assert len(cell) == len(face) == 0


@needs_torch
def test_eiou_of_equal_boxes_is_zero_of_shifted_ones_worked_out_by_hand():
    import torch

    from operators.training.faces.loss import eiou

    a = torch.tensor([[0.0, 0, 10, 10]])
    b = torch.tensor([[5.0, 0, 15, 10]])
    assert float(eiou(a, a)) == pytest.approx(0, abs=1e-6)
    # IoU 50/150; centres 5 apart, hull 15 x 10; sides equal
    assert float(eiou(a, b)) == pytest.approx(1 - 1 / 3 + 25 / (225 + 100), rel=1e-5)


@needs_torch
def test_quality_focal_of_a_right_score_is_zero_weighted_by_the_squared_error():
    import torch

    from operators.training.faces.loss import quality_focal

    assert float(quality_focal(torch.tensor([0.0]), torch.tensor([0.5]))) == pytest.approx(0)
    assert float(quality_focal(torch.tensor([0.0]), torch.tensor([1.0]))) == pytest.approx(0.25 * np.log(2), rel=1e-5)


@needs_torch
def test_loss_ignored_faces_cost_nothing_where_they_are():
    import torch

    from operators.training.faces.loss import Faces, ignored_cells, loss
    from operators.training.faces.network import cells

    centres, strides = cells(64, 64)
    values = torch.zeros(1, len(centres), 15)
    values[..., 0] = -20
    box = torch.tensor([[16.0, 16, 32, 32]])
    inside = ignored_cells(centres, strides, box)
    values[0, inside, 0] = 3.0
    nothing = torch.zeros(0, 4), torch.zeros(0, 5, 2)
    ignored = loss(values, centres, strides, [Faces(*nothing, box)])[0]
    counted = loss(values, centres, strides, [Faces(*nothing, torch.zeros(0, 4))])[0]
    assert float(ignored) == pytest.approx(0, abs=1e-4)
    assert float(counted) > 1


@needs_torch
def test_network_outputs_have_the_shapes_that_the_detector_reads():
    import torch

    from operators.training.faces.network import FaceNetwork

    network = FaceNetwork().eval()
    with torch.no_grad():
        outputs = network(torch.zeros(1, 3, 96, 64))
    assert [tuple(o.shape) for o in outputs] == [(1, 15, 12, 8), (1, 15, 6, 4), (1, 15, 3, 2)]
    assert sum(p.numel() for p in network.parameters()) < 600_000


@needs_torch
def test_teacher_gives_features_scores_and_the_faces_that_the_detector_finds():
    import torch

    from infra.models import centerface
    from operators.detect import FaceDetector
    from operators.replacing.drawn import drawn
    from operators.training.faces.mimic import POINTED, Teacher

    picture = np.full((256, 256, 3), 110, np.uint8)
    picture[40:216, 56:200] = cv2.resize((255 * drawn(1).rgb).astype(np.uint8), (144, 176))
    levels, score, (faces,) = Teacher(centerface())(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    side = len(picture)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (96, side // 8, side // 8), (24, side // 16, side // 16), (24, side // 32, side // 32),
    ]  # fmt: skip
    found = FaceDetector(centerface(), score=0.5).detect(picture)
    assert len(found.boxes) == 1 and float(score.max()) == pytest.approx(float(found.scores[0]), abs=1e-4)
    assert faces.scores is not None and float(faces.scores[0]) == pytest.approx(float(found.scores[0]), abs=1e-4)
    assert np.allclose(faces.boxes[0].numpy(), found.boxes[0].clip(0, side), atol=0.05)
    assert np.allclose(faces.points[0].numpy(), found.landmarks[0], atol=0.05)
    assert (faces.points.isnan().flatten(1).all(1) == (faces.scores < POINTED)).all()


@needs_torch
def test_loss_believes_a_teacher_as_far_as_it_is_sure():
    import torch

    from operators.training.faces.loss import BELIEF, Faces, loss
    from operators.training.faces.network import cells

    centres, strides = cells(64, 64)
    box, points, nobody = torch.tensor([[16.0, 16, 48, 48]]), torch.full((1, 5, 2), torch.nan), torch.zeros(0, 4)

    def cost(logit, sure):
        values = torch.zeros(1, len(centres), 15)
        values[..., 0] = -20
        at = int(((centres - 32).abs().sum(1) + 100 * (strides != 16)).argmin())
        values[0, at, 0] = logit
        values[0, at, 1:3] = (32 - centres[at]) / 16
        values[0, at, 3:5] = np.log(2)
        scores = None if sure is None else torch.tensor([sure])
        return float(loss(values, centres, strides, [Faces(box, points, nobody, scores)])[1]["score"])

    def logit(share):
        return float(np.log(share / (1 - share)))

    assert cost(logit(0.99), None) < cost(logit(0.3), None)
    assert cost(logit(0.3 * BELIEF), 0.3) < min(cost(logit(0.1), 0.3), cost(logit(0.8), 0.3))


@needs_torch
def test_thawed_file_answers_as_before_and_its_norms_know_their_statistics():
    import torch

    from infra.models import PYRAMID_FACE, resolve
    from operators.detect.session import cpu_session
    from operators.training.faces.thaw import thaw

    model = resolve(PYRAMID_FACE, Path())
    rng = np.random.default_rng(3)
    batches = [torch.from_numpy(rng.uniform(0, 255, (2, 3, 64, 64)).astype(np.float32)) for _ in range(3)]
    network = thaw(model, batches)
    one = batches[0][:1].floor()
    said = cpu_session(model.read_bytes(), "x").run(None, {"picture": one.numpy().astype(np.uint8)})
    with torch.no_grad():
        answers = [level.numpy() for level in network(one)]
        for here, there in zip(answers, said, strict=True):
            assert np.corrcoef(here.ravel(), there.ravel())[0, 1] > 0.99
        first = network.stem[0][0](torch.cat(batches) / 128)
    norm = network.stem[0][1]
    assert torch.allclose(norm.running_mean, first.mean((0, 2, 3)), atol=1e-3)
    assert torch.allclose(norm.running_var, first.var((0, 2, 3), correction=0), rtol=1e-3)


def test_wild_views_are_drawn_from_their_number_and_know_the_labelled_faces():
    photographs = [_photograph()]
    views = [wild(photographs, np.random.default_rng([1, n]), 96) for n in range(80)]
    assert {one.picture.shape for one in views} == {(96, 96, 3)}
    again = wild(photographs, np.random.default_rng([1, 7]), 96)
    assert np.array_equal(views[7].picture, again.picture) and np.array_equal(views[7].labelled, again.labelled)
    assert all((one.labelled >= 0).all() and (one.labelled <= 96).all() for one in views)
    assert any(len(one.labelled) > 2 for one in views), "two photographs in one"
    whole = [(one.picture, box) for one in views for box in one.labelled.astype(int)
             if len(one.labelled) == 1 and (box[2:] - box[:2] >= 12).all() and box.min() > 0 and box.max() < 96]
    hits = [picture[y1 : y2 + 1, x1 : x2 + 1].mean() > picture.mean() for picture, (x1, y1, x2, y2) in whole]
    assert len(hits) >= 8 and np.mean(hits) > 0.9


@needs_torch
def test_labelled_face_that_the_teacher_missed_counts_neither_way():
    import torch

    from operators.training.faces.loss import Faces
    from operators.training.faces.train import unfound
    from operators.training.faces.wild import View

    labelled = np.array([[10, 10, 30, 30], [50, 50, 80, 80]], np.float32)
    view = View(np.zeros((96, 96, 3), np.uint8), labelled)
    nobody = torch.zeros(0, 4)
    found = Faces(torch.tensor([[12.0, 9, 31, 30]]), torch.zeros(1, 5, 2), nobody, torch.tensor([0.7]))
    assert unfound(found, view).ignored.tolist() == [[50, 50, 80, 80]]
    assert len(unfound(Faces(nobody, torch.zeros(0, 5, 2), nobody, torch.zeros(0)), view).ignored) == 2


@needs_torch
def test_mimic_right_features_cost_nothing_and_random_ones_about_two():
    import torch

    from operators.training.faces.mimic import Mimic, standard

    torch.manual_seed(1)
    mimic = Mimic()
    levels = [torch.randn(2, 64, side, side) for side in (16, 8, 4)]
    with torch.no_grad():
        said = [read(level) for read, level in zip(mimic.read, levels, strict=True)]
        score = torch.rand(2, 1, 16, 16)
        assert float(mimic(levels, said, score)) == pytest.approx(0, abs=1e-6)
        strange = float(mimic(levels, [torch.randn_like(one) for one in said], score))
    assert strange == pytest.approx(2, abs=0.3)
    assert float(standard(said[0]).std(correction=1)) == pytest.approx(1, abs=0.01)


def test_curve_draws_every_measurement_over_the_minutes(tmp_path):
    from operators.training.faces.curve import draw

    lines = [{"step": 10 * i, "seconds": 60 * i, "score": 0.5, "box": 0.4, "points": 0.1} for i in range(1, 6)]
    lines[2] |= {"ap50": 0.6, "recall": 0.3}
    (tmp_path / "log").write_text("\n".join(map(json.dumps, lines)))
    draw(tmp_path / "log", tmp_path / "curve.svg")
    drawn = (tmp_path / "curve.svg").read_text()
    assert drawn.count("<circle") == 2 and "minutes of training" in drawn and ">5<" in drawn


@needs_torch
def test_shifted_network_says_of_each_score_what_the_line_says_and_all_else_as_before():
    import onnx

    from infra.models import PYRAMID_FACE, resolve
    from operators.detect.session import cpu_session
    from operators.training.faces.level import line, shifted

    model = resolve(PYRAMID_FACE, Path())
    picture = np.random.default_rng(3).integers(0, 256, (1, 3, 64, 64)).astype(np.uint8)
    other = shifted(onnx.load(str(model)), 0.9, 0.2)
    files = model.read_bytes(), other.SerializeToString()
    before, after = (cpu_session(data, "x").run(None, {"picture": picture}) for data in files)
    for old, new in zip(before, after, strict=True):
        assert np.allclose(new[:, 0], old[:, 0] * 0.9 + 0.2, atol=1e-4) and np.array_equal(new[:, 1:], old[:, 1:])
    scores = np.linspace(1, -3, 6)
    assert line(scores, scores * 0.9 + 0.2) == pytest.approx((0.9, 0.2))
    for one in other.graph.initializer:
        one.name = f"other.{one.name}"
    with pytest.raises(ValueError, match="no last convolution"):
        shifted(other, 1, 0)


@needs_torch
def test_a_box_on_a_labelled_face_is_not_false():
    from infra.models import PYRAMID_FACE, resolve
    from operators.detect import FaceDetector
    from operators.detect.pyramid import PyramidFace
    from operators.training.faces.level import LEAST_SCORE, _false

    model, picture = resolve(PYRAMID_FACE, Path()), np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)
    found = FaceDetector(model, PyramidFace(), LEAST_SCORE).detect(picture)
    count = len(found.boxes)
    nobody, all_labelled = (
        Photograph("noise", picture, found.boxes[:n], np.full((n, 5, 2), np.nan, np.float32), np.ones(n, bool))
        for n in (0, count)
    )
    assert count and np.allclose(_false(model, [nobody]), np.sort(found.scores)[::-1])
    assert not len(_false(model, [all_labelled]))


@needs_torch
def test_weakened_pictures_hide_faces_within_their_limits_and_leave_the_network_as_it_was():
    import torch

    from infra.models import PYRAMID_FACE, resolve
    from operators.training.faces.attack import LIMIT, _visible, weakened
    from operators.training.unrolled import Unrolled
    from tests.support.pictures import astronaut

    network = Unrolled(resolve(PYRAMID_FACE, Path()), rounded=True)
    face = torch.from_numpy(astronaut()[:256, 96:352].transpose(2, 0, 1).astype(np.float32))
    pictures = face.repeat(4, 1, 1, 1)
    made = weakened(network, pictures, seed=3)
    furthest = (made - pictures).abs().amax((1, 2, 3))
    assert not made.requires_grad and (furthest <= LIMIT).all() and furthest.min() >= 2
    assert len({round(float(one), 3) for one in furthest}) == 4, "each has a limit of its own"
    random = pictures + LIMIT * (2 * torch.rand(pictures.shape, generator=torch.Generator().manual_seed(1)) - 1)
    with torch.no_grad():
        seen, hidden = (float(_visible(network(shown))) for shown in (random, made))
    assert hidden < 0.9 * seen
    assert torch.equal(made, weakened(network, pictures, seed=3))


@needs_torch
def test_attacked_views_leave_statistics_and_gradients_of_the_network_alone():
    import torch

    from operators.training.faces.network import FaceNetwork
    from operators.training.faces.train import _against

    network = FaceNetwork()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    _against(network, torch.full((1, 3, 64, 64), 90.0), seed=1)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(one.requires_grad and one.grad is None for one in network.parameters())


@needs_torch
def test_mixed_network_lies_between_two(tmp_path):
    import torch

    from operators.training.faces.mix import mix
    from operators.training.faces.network import FaceNetwork

    states = [FaceNetwork().state_dict() for _ in range(2)]
    for name, state in zip(("a", "b"), states, strict=True):
        torch.save({"average": state, "network": state, "step": 7, "spent": 3.0}, tmp_path / name)
    for share in (0.0, 0.4, 1.0):
        mix(tmp_path / "a", tmp_path / "b", share, tmp_path / "c")
        made = torch.load(tmp_path / "c", weights_only=True)["average"]
        name = "stem.0.0.weight"
        assert torch.allclose(made[name], (1 - share) * states[0][name] + share * states[1][name], atol=1e-6)
        FaceNetwork().load_state_dict(made)
    with pytest.raises(ValueError, match="between 0 and 1"):
        mix(tmp_path / "a", tmp_path / "b", 1.5, tmp_path / "c")
