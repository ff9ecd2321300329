"""`sealframe eval`: every figure that the documents claim, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from schemas.errors import UsageError
from streams.cli.output import console, say
from streams.evaluate import files
from streams.evaluate.report import report, table, write

app = typer.Typer(no_args_is_help=True, help="Measure again what the documents claim; see FIGURES.md.")


@app.command("files")
def eval_files(
    data: Annotated[Path, typer.Option(help="folder with clips, searched through", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    quality: Annotated[str, typer.Option(help="evidence: high or lossless")] = "high",
) -> None:
    """File mode over every clip: frames, times, restoration, bytes."""
    if not files.clips(data):
        raise UsageError(f"{data} holds no video ({', '.join(files.SUFFIXES)})")
    figures, results = files.evaluate(data, quality, lambda name: say(f"  {name}"))
    rows = Table("clip", "frames", "masked", "passed", "original", "public", "evidence", "evid/pub", "bits ratio",
                 "restored dB", "outside loss dB", title="clips")
    for r in results:
        rows.add_row(r.name, f"{r.frames_out}/{r.frames_in}", str(r.masked_frames), f"{r.passed}/{r.chunks}",
                     f"{r.original_bytes:,}", f"{r.public_bytes:,}", f"{r.evidence_bytes:,}",
                     f"{r.evidence_bytes / r.public_bytes:.2f}", f"{r.public_bytes / max(r.unmasked_bytes, 1):.2f}",
                     f"{r.restored_db:.1f}", f"{r.outside_loss_db:+.2f}")
    console.print(rows)
    console.print(table(f"eval files ({quality})", figures))
    if out:
        write(out, report(f"files-{quality}", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
