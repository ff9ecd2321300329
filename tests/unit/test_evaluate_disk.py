"""The search of a disk finds what lies there, whole or in part, and counts it by kind and place."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from operators import annexb
from operators.codec import encode
from operators.masks import pack_masks
from schemas.frames import FrameChunk, Planes, VideoFormat
from schemas.records import OperatorChunk
from streams.demo.measure import Seen
from streams.evaluate import disk

FORMAT = VideoFormat(96, 64, Fraction(1, 25))
PUBLIC = np.random.default_rng(9).bytes(1000)


def seen(masked: bool) -> Seen:
    rng = np.random.default_rng(1)
    frames = [
        Planes(*(rng.integers(0, 256, size, dtype=np.uint8) for size in ((64, 96), (32, 48), (32, 48)))) for _ in "ab"
    ]
    chunk = FrameChunk("cam", "vid", 0, 0, 0, FORMAT, "h264", encode(frames, (0, 1), FORMAT), 2)
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = masked
    body = OperatorChunk(
        "cam", "vid", 0, 0, 0, (0, 1), 2, pack_masks([mask, mask]), "blur", (), b"", len(PUBLIC), b"",
    )
    return Seen(chunk, body, frames, frames, frames, ())


def write(folder: Path, part: str, data: bytes) -> None:
    (folder / part).mkdir(exist_ok=True)
    (folder / part / "segment.log").write_bytes(data)


def probes(*, masked: bool = True) -> disk.Probes:
    found = disk.Probes()
    found.add(seen(masked), PUBLIC)
    return found


def test_search_clean_disk_finds_only_the_control(tmp_path: Path) -> None:
    write(tmp_path, "broker", b"\x00" * 5000 + b"head" + PUBLIC)
    write(tmp_path, "worker", np.random.default_rng(2).bytes(9000))

    values = {figure.id: figure for figure in disk.figures(probes(), tmp_path)}

    assert values["disk_bare_units"].value == values["disk_bare_samples"].value == 0
    assert values["disk_probes"].n > 100
    assert values["disk_control_found"].value == 1.0
    assert values["disk_control_found"].n == 15


def test_figures_of_broken_search_miss_the_control(tmp_path: Path) -> None:
    write(tmp_path, "worker", PUBLIC)

    control = next(f for f in disk.figures(probes(), tmp_path) if f.id == "disk_control_found")

    assert control.holds is False


@pytest.mark.parametrize("at", [0, 3, disk.READ_BYTES - 40, disk.READ_BYTES - 150])
def test_search_127_bytes_of_a_slice_anywhere_finds_them(tmp_path: Path, at: int) -> None:
    unit = next(disk.slices(seen(True).chunk))
    write(tmp_path, "broker", bytes(at) + unit[301 : 301 + 127] + bytes(20))

    found, searched = probes().search(tmp_path)

    assert found == {(disk.CODED, "broker"): 1}
    assert searched >= 127


def test_search_row_of_hidden_luma_finds_it(tmp_path: Path) -> None:
    luma = seen(True).original[0].y
    write(tmp_path, "worker", b"abc" + luma[16 + disk.ROWS[0], 32:64].tobytes())
    write(tmp_path, "operator", b"abc" + luma[disk.ROWS[0], 32:64].tobytes())

    assert probes().search(tmp_path)[0] == {(disk.SAMPLES, "worker"): 1}


def test_add_chunk_without_mask_gives_control_only() -> None:
    found = probes(masked=False)

    assert [found.count(kind) for kind in (disk.CODED, disk.SAMPLES)] == [0, 0]
    assert found.count(disk.CONTROL) == 15


def test_slices_leave_parameter_sets_out() -> None:
    assert {annexb.kind(unit) for unit in disk.slices(seen(True).chunk)} == {annexb.IDR, annexb.SLICE}
