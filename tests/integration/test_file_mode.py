from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from operators.codec import encode
from operators.fragment import fragment, init_segment
from tests.support.scenes import FORMAT, crossing, picture
from tests.support.shared import shared_data

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def _sealframe(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streams.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip that shows a face, what `anonymize` made of it, and a key."""
    from skimage import data
    from skimage.transform import resize

    folder = tmp_path_factory.mktemp("file-mode")
    face = (resize(data.astronaut()[:256, 96:352], (192, 192)) * 255).astype("uint8")
    with av.open(str(folder / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for i in range(40):
            canvas = np.full((240, 320, 3), 120, np.uint8)
            canvas[24:216, 2 * i : 2 * i + 192] = face
            out.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, "rgb24")))
        out.mux(stream.encode(None))
    recipient = json.loads(_sealframe("keys", "create", folder / "me.key", "--json").stdout)["recipient"]
    done = _sealframe("anonymize", folder / "in.mp4", folder / "out.mp4", "--evidence", folder / "out.sealed",
                      "--recipient", recipient, "--quality", "lossless", "--json")
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)
    (folder / "account.json").write_text(json.dumps(totals["account"]))
    assert totals["frames_in"] == totals["frames_out"] == totals["frames_masked"] == 40
    return folder


def _frames(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def test_anonymize_and_restore_lossless_gives_back_the_masked_samples(made: Path) -> None:
    done = _sealframe("restore-file", made / "out.mp4", "--evidence", made / "out.sealed",
                      "--identity", made / "me.key", "-o", made / "back.mp4", "--json")
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)["account"]
    assert account == json.loads((made / "account.json").read_text()) and account["frames"]["detected"]
    original, public, back = (_frames(made / name) for name in ("in.mp4", "out.mp4", "back.mp4"))
    assert len(original) == len(public) == len(back) == 40
    closer = [sum(a != b for a, b in zip(o, r, strict=True)) < sum(a != b for a, b in zip(o, p, strict=True))
              for o, p, r in list(zip(original, public, back, strict=True))[::8]]
    assert all(closer)


def test_scrambled_regions_come_back_exactly_by_their_samples_and_roughly_by_their_keys(
    made: Path, tmp_path: Path
) -> None:
    recipient = json.loads(_sealframe("keys", "create", tmp_path / "me.key", "--json").stdout)["recipient"]
    done = _sealframe("anonymize", made / "in.mp4", tmp_path / "out.mp4", "--method", "scramble", "--evidence",
                      tmp_path / "out.sealed", "--recipient", recipient, "--quality", "lossless", "--json")
    assert done.returncode == 0, done.stderr
    for name, ways in (("exact.mp4", ()), ("coarse.mp4", ("--coarse",))):
        done = _sealframe("restore-file", tmp_path / "out.mp4", "--evidence", tmp_path / "out.sealed", "--identity",
                          tmp_path / "me.key", "-o", tmp_path / name, *ways)
        assert done.returncode == 0, done.stderr
    pictures = {path.stem: _luma(path)[88:120, 80:112] for path in (made / "in.mp4", *tmp_path.glob("*.mp4"))}
    errors = {name: float(np.abs(luma - pictures["in"]).mean()) for name, luma in pictures.items()}
    assert errors["exact"] == 0
    assert errors["coarse"] < 0.7 * errors["out"]


@pytest.mark.parametrize("method", ["silhouette", "scale2"])
def test_regions_of_a_method_that_leaves_detail_in_view_come_back_exactly(
    made: Path, tmp_path: Path, method: str
) -> None:
    recipient = json.loads(_sealframe("keys", "create", tmp_path / "me.key", "--json").stdout)["recipient"]
    done = _sealframe("anonymize", made / "in.mp4", tmp_path / "out.mp4", "--method", method, "--insist", "--evidence",
                      tmp_path / "out.sealed", "--recipient", recipient, "--quality", "lossless", "--json")
    assert done.returncode == 0, done.stderr
    done = _sealframe("restore-file", tmp_path / "out.mp4", "--evidence", tmp_path / "out.sealed", "--identity",
                      tmp_path / "me.key", "-o", tmp_path / "back.mp4")
    assert done.returncode == 0, done.stderr
    inside = [_luma(path)[88:120, 80:112] for path in (made / "in.mp4", tmp_path / "out.mp4", tmp_path / "back.mp4")]
    assert (inside[2] == inside[0]).all() and (inside[1] != inside[0]).any()


def _luma(path: Path) -> np.ndarray:
    """The first frame's luma."""
    with av.open(str(path)) as container:
        return next(iter(container.decode(video=0))).to_ndarray(format="gray").astype(float)


def test_anonymize_zones_hide_that_part_always_and_the_evidence_says_so(made: Path, tmp_path: Path) -> None:
    recipient = json.loads(_sealframe("keys", "create", tmp_path / "me.key", "--json").stdout)["recipient"]
    ways = ("--evidence", tmp_path / "out.sealed", "--recipient", recipient, "--hide", "plate", "--json")
    done = _sealframe("anonymize", made / "in.mp4", tmp_path / "out.mp4", "--zone", "0,0,0.25,0.5", *ways)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["account"]["frames"]["zone"] == 40
    done = _sealframe("restore-file", tmp_path / "out.mp4", "--evidence", tmp_path / "out.sealed",
                      "--identity", tmp_path / "me.key", "-o", tmp_path / "back.mp4", "--json")
    assert json.loads(done.stdout)["account"]["frames"]["zone"] == 40
    with av.open(str(tmp_path / "out.mp4")) as container:
        luma = [frame.to_ndarray(format="gray")[:112, :80] for frame in container.decode(video=0)]
    assert all(plane.std() < 2 for plane in luma)


def _statement(folder: Path, *signers: str) -> None:
    """Never-masked zones over the whole picture, and settings with two approvers."""
    keys = {name: json.loads(_sealframe("keys", "approver", folder / f"{name}.key", "--json").stdout)["approver"]
            for name in ("ada", "ben")}  # fmt: skip
    (folder / "sealframe.toml").write_text(f"approvers = {{ ada = '{keys['ada']}', ben = '{keys['ben']}' }}\n")
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    done = [_sealframe("zones", "propose", folder / "wall.zones", "--camera", "studio-*", "--zone", "0,0,1,1",
                       "--reason", "posters", "--until", until)]  # fmt: skip
    done += [_sealframe("zones", "sign", folder / "wall.zones", "--key", folder / f"{name}.key", "--yes")
             for name in signers]  # fmt: skip
    assert [one.returncode for one in done] == [0] * len(done), done[-1].stderr


def test_anonymize_never_masked_zones_of_two_approvers_leave_bare_and_both_reports_say_so(
    made: Path, tmp_path: Path
) -> None:
    _statement(tmp_path, "ada", "ben")
    recipient = json.loads(_sealframe("keys", "create", tmp_path / "me.key", "--json").stdout)["recipient"]
    ways = ("--evidence", "out.sealed", "--recipient", recipient, "--bare-zones", "wall.zones", "--json")
    done = _sealframe("anonymize", made / "in.mp4", "out.mp4", *ways, "--camera", "studio-1", "--report", "said.json",
                      folder=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    account = json.loads((tmp_path / "said.json").read_text())
    (zone,) = json.loads(done.stdout)["account"]["bare_zones"]
    assert json.loads(done.stdout)["frames_masked"] == 0 and account["frames"]["clear"] == 40
    assert (zone["frames"], zone["regions"]) == (40, 40)
    assert "40 left bare" in (tmp_path / "said.json.html").read_text()
    done = _sealframe("restore-file", "out.mp4", "--evidence", "out.sealed", "--identity", "me.key", "-o", "back.mp4",
                      "--json", "--report", "again.json", folder=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "again.json").read_text()) == account
    assert (tmp_path / "again.json.html").read_text() == (tmp_path / "said.json.html").read_text()
    done = _sealframe("verify", "out.mp4", "--evidence", "out.sealed", "--json", folder=tmp_path)
    checked = json.loads(done.stdout)
    assert (checked["left_bare"], checked["bare_zone_statements"]) == (40, [zone["statement"]])


def test_anonymize_never_masked_zones_are_for_the_cameras_that_they_name(made: Path, tmp_path: Path) -> None:
    _statement(tmp_path, "ada", "ben")
    done = _sealframe("anonymize", made / "in.mp4", "out.mp4", "--bare-zones", "wall.zones", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames_masked"] == 40 and not json.loads(done.stdout)["account"]["bare_zones"]


def test_anonymize_never_masked_zones_that_one_approver_signed_stop_the_start(made: Path, tmp_path: Path) -> None:
    _statement(tmp_path, "ada")
    done = _sealframe("anonymize", made / "in.mp4", "out.mp4", "--bare-zones", "wall.zones", folder=tmp_path)
    assert done.returncode == 1 and "wall.zones" in done.stderr and "zones sign" in done.stderr
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("zone", ["0,0,1", "a,b,c,d", "0.5,0,0.4,1"])
def test_anonymize_a_zone_that_cant_be_is_wrong_use(made: Path, tmp_path: Path, zone: str) -> None:
    done = _sealframe("anonymize", made / "in.mp4", tmp_path / "out.mp4", "--zone", zone)
    assert done.returncode == 2 and "zone" in done.stderr and not (tmp_path / "out.mp4").exists()


def test_restore_with_another_key_is_not_for_me_and_writes_nothing(made: Path) -> None:
    _sealframe("keys", "create", made / "other.key")
    done = _sealframe("restore-file", made / "out.mp4", "--evidence", made / "out.sealed",
                      "--identity", made / "other.key", "-o", made / "none.mp4")
    assert (done.returncode, "NotForMe" in done.stderr, (made / "none.mp4").exists()) == (1, True, False)


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(("name", "change", "error"), [
    ("out.mp4", lambda d: _flip(d, len(d) // 2), "DigestMismatch"),
    ("out.mp4", lambda d: d[:-100], "DigestMismatch"),
    ("out.mp4", lambda d: b"", "DigestMismatch"),
    ("out.sealed", lambda d: _flip(d, len(d) // 2), "BadSignature"),
    ("out.sealed", lambda d: d[: len(d) // 2], "MalformedRecord"),
    ("out.sealed", lambda d: b"SEALFRE9" + d[8:], "MalformedRecord"),
])
def test_verify_and_restore_name_what_was_changed(
    made: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes], error: str
) -> None:
    for part in ("out.mp4", "out.sealed"):
        data = (made / part).read_bytes()
        (tmp_path / part).write_bytes(change(data) if part == name else data)
    for verb in (("verify",), ("restore-file",)):
        more = ("--identity", made / "me.key", "-o", tmp_path / "x.mp4") if verb == ("restore-file",) else ()
        done = _sealframe(*verb, tmp_path / "out.mp4", "--evidence", tmp_path / "out.sealed", *more)
        assert done.returncode == 1 and error in done.stderr
    assert not (tmp_path / "x.mp4").exists()


def test_verify_an_untouched_pair_holds(made: Path) -> None:
    done = _sealframe("verify", made / "out.mp4", "--evidence", made / "out.sealed", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["holds"] is True


def _change_of_size(folder: Path) -> Path:
    """A raw stream whose pictures become larger halfway."""
    from dataclasses import replace

    path = folder / "grows.h264"
    small = encode([picture(p) for p in crossing(5)], range(5), FORMAT)
    wide = replace(FORMAT, width=320, height=224)
    from operators.pixels import blank

    large = encode([blank(320, 224)] * 5, range(5), wide)
    path.write_bytes(b"".join(unit.data for unit in (*small, *large)))
    return path


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100, init_segment(FORMAT)])
def test_anonymize_what_is_no_video_says_so_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.mp4").write_bytes(content)
    done = _sealframe("anonymize", tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert done.returncode == 1 and "SourceError" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_anonymize_a_change_of_size_says_where(tmp_path: Path) -> None:
    done = _sealframe("anonymize", _change_of_size(tmp_path), tmp_path / "out.mp4")
    assert done.returncode == 1 and "5 frames" in done.stderr and not (tmp_path / "out.mp4").exists()


def test_anonymize_wrong_use_is_exit_code_2(tmp_path: Path) -> None:
    fine = encode([picture([])] * 3, range(3), FORMAT)
    (tmp_path / "in.mp4").write_bytes(init_segment(FORMAT) + fragment(fine, 3, 1, FORMAT))
    for wrong in (("--quality", "best"), ("--evidence", tmp_path / "x"), ("--preset", "warp"), ("--nonsense",)):
        assert _sealframe("anonymize", tmp_path / "in.mp4", tmp_path / "out.mp4", *wrong).returncode == 2


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the face embedder."""
    from infra.models import model, source
    from operators.training.dlib_to_onnx import convert

    folder = tmp_path_factory.mktemp("models")
    (folder / "face-embedder.onnx").write_bytes(convert(source(model("face-embedder")).read_bytes()))
    return folder


def _portrait(folder: Path, rgb: object) -> Path:
    with av.open(str(folder / "portrait.png"), "w", format="image2") as out:
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
        stream = out.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "rgb24"
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return folder / "portrait.png"


def test_anonymize_spare_keeps_who_consented_visible_and_lists_them(made: Path, models: Path, tmp_path: Path) -> None:
    from skimage import data

    picture = _portrait(tmp_path, data.astronaut()[:400])
    recipient = json.loads(_sealframe("keys", "create", tmp_path / "me.key", "--json").stdout)["recipient"]
    ways = ("--models", models, "--stride", "2", "--report", "said.json", "--json", "--evidence", "out.sealed",
            "--recipient", recipient)  # fmt: skip
    done = _sealframe("anonymize", made / "in.mp4", "out.mp4", "--spare", picture, *ways, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    account = json.loads((tmp_path / "said.json").read_text())
    (spared,) = account["spared"]
    assert spared["picture"] == hashlib.sha256(picture.read_bytes()).hexdigest() and spared["looks"] >= 5
    assert account["spared_regions"] == 40 - json.loads(done.stdout)["frames_masked"] >= 20
    page = (tmp_path / "said.json.html").read_text()
    assert "data:image/jpeg;base64," in page and "portrait" not in page + (tmp_path / "said.json").read_text()
    done = _sealframe("restore-file", "out.mp4", "--evidence", "out.sealed", "--identity", "me.key", "-o", "back.mp4",
                      "--json", folder=tmp_path)  # fmt: skip
    again = json.loads(done.stdout)["account"]
    assert again["spared_regions"] == account["spared_regions"] and again["frames"] == account["frames"]


def test_anonymize_spare_for_a_picture_of_somebody_else_leaves_nobody_visible(
    made: Path, models: Path, tmp_path: Path
) -> None:
    with (shared_data() / "identities" / "labels.tsv").open(newline="") as table:
        pictures = [row["file"] for row in csv.DictReader(table, delimiter="\t") if row["part"] == "umass-vis-lfw"]
    picture = shared_data() / "identities" / pictures[0]
    done = _sealframe("anonymize", made / "in.mp4", "out.mp4", "--spare", picture, "--models", models, "--stride", "2",
                      "--json", folder=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)
    assert totals["frames_masked"] == 40
    assert (totals["account"]["spared"], totals["account"]["spared_regions"]) == ([], 0)


def test_anonymize_spare_for_a_picture_without_a_face_is_wrong_use(made: Path, models: Path, tmp_path: Path) -> None:
    import numpy as np

    blank = _portrait(tmp_path, np.full((200, 200, 3), 90, np.uint8))
    done = _sealframe("anonymize", made / "in.mp4", "out.mp4", "--spare", blank, "--models", models, folder=tmp_path)
    assert done.returncode == 2 and "no face" in done.stderr and not (tmp_path / "out.mp4").exists()
