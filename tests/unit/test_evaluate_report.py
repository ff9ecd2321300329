"""How a report reads: nothing of it is cut off, however narrow the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from streams.evaluate.report import Figure, table

LONG = Figure("floor_ratio_no_evidence_1080p_ultrafast", 0.123456, "of the floor", ">=", 0.7, 1_234_567,
              "frames/s of file mode without evidence against decoding and encoding alone, one after the other")


@pytest.mark.parametrize("width", [80, 100, 160])
def test_table_shows_all_of_names_values_and_notes(width: int) -> None:
    out = io.StringIO()
    figures = [LONG, Figure("short", 3.0), Figure("good", 1.0, "", "<=", 2.0)]
    Console(file=out, width=width).print(table("bench", figures))
    lines = out.getvalue().splitlines()
    first = "".join(line[: line.find("  ")] if "  " in line else line for line in (one.strip() for one in lines))
    assert LONG.id in first and LONG.note.replace(" ", "") in first.replace(" ", "")
    assert "…" not in out.getvalue() and max(map(len, lines)) <= width
    text = " ".join(out.getvalue().split())
    assert ">= 0.7 of the floor missed 1,234,567" in text and "<= 2 holds 1" in text and "0.1235 of the floor" in text


def test_of_nothing_that_was_counted_no_target_holds() -> None:
    nothing, some = (Figure("leak_rate", 0.0, "", "<=", 0.001, n) for n in (0, 5))
    assert nothing.holds is False and some.holds is True and Figure("told", 0.0, n=0).holds is None
    out = io.StringIO()
    Console(file=out, width=120).print(table("leak", [nothing]))
    assert "<= 0.001 nothing counted 0" in " ".join(out.getvalue().split())
