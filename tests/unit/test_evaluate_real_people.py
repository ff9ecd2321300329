"""Which clips count as showing one person."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import UsageError
from streams.evaluate.real_people import pairs


def test_pairs_are_described_alike_in_one_folder_with_one_face(tmp_path: Path) -> None:
    man = "one man signs"
    rows = [("a/1.mkv", 50, "1, frontal", man), ("b/1.mkv", 50, "1, frontal", man), ("a/2.mkv", 60, "1, near", man),
            ("a/3.mkv", 50, "none", man), ("a/4.mkv", 50, "3, frontal", "a queue"),
            ("a/5.mkv", 50, "3, frontal", "a queue"), ("a/6.mkv", 900, "1, frontal", man)]
    lines = ["\t".join(map(str, row)) for row in (("file", "frames", "faces", "content"), *rows)]
    (tmp_path / "clips.tsv").write_text("\n".join(lines) + "\n")
    found, others = pairs(tmp_path, 400)
    assert found == [(tmp_path / "a/1.mkv", tmp_path / "a/2.mkv")]
    assert [str(path.relative_to(tmp_path)) for path in others] == ["b/1.mkv", "a/4.mkv", "a/5.mkv"]
    with pytest.raises(UsageError):
        pairs(tmp_path / "a", 400)
