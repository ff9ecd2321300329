"""`sealframe eval attack`: what an attacker gets out of the masked regions of the public video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from infra.models import FOLDER, face_embedder
from operators.desensitise.policy import METHODS, Policy
from operators.embed import FaceEmbedder
from schemas.errors import UsageError
from streams.cli.output import console, progress, say
from streams.evaluate.attack import people, reidentify
from streams.evaluate.attack.film import HEIGHTS, Bare, Grey
from streams.evaluate.report import report, table, write
from streams.setup import FINDS_FACES, detector

CONTROLS = {method.name: method for method in (Bare(), Grey())}
HELP = (
    "Is a mask protection? Masked faces, as the public video shows them, are searched in a gallery of 200 people."
    "\n\nlabels.tsv (tab-separated; columns file, identity) lists photographs relative to its folder; at least 220 "
    "people need two. Everybody is filmed at each face height, as a picture and walking, masked, coded and decoded. "
    "Attackers learn from the masked faces of people who aren't in the gallery (a parrot attack), and mask the "
    "gallery's photographs too. Chance is 0.5 %; a figure is the upper bound (95 %) of how often the right person "
    "comes first, for the strongest attacker."
    "\n\nThe methods 'bare' (nothing hidden) and 'grey' (one grey for all) are controls. Without --method all methods "
    "and controls are attacked, which takes about an hour; --method and --height may be given several times. Exit "
    "code 1: the default method misses its target."
)


def eval_attack(
    data: Annotated[Path, typer.Option(help="folder with labels.tsv, or with identities/labels.tsv", file_okay=False)],
    out: Annotated[Path | None, typer.Option("--json", help="write the report to this file")] = None,
    method: Annotated[list[str] | None, typer.Option(help="attack this method only")] = None,
    height: Annotated[list[int] | None, typer.Option(help="face height in pixels", min=16, max=320)] = None,
    gallery: Annotated[int, typer.Option(help="people in the gallery", min=2)] = 200,
    rounds: Annotated[int, typer.Option(help="gallery photographs a person has in turn", min=1)] = 3,
    seed: Annotated[int, typer.Option(help="draws galleries, places and ways")] = 0,
    models: Annotated[Path, typer.Option(help="converted models, as `sealframe models setup` makes them")] = FOLDER,
) -> None:
    """See HELP."""
    known = {**METHODS, **CONTROLS}
    unknown = sorted(set(method or ()) - set(known))
    if unknown:
        raise UsageError(f"no method {unknown[0]!r}; there are {', '.join(known)}")
    embedder, default = FaceEmbedder(face_embedder(models)), Policy({}).methods["face"]
    with progress("photographs", quiet=False) as bar:
        def step(done: int, of: int) -> None:
            bar.update(bar.task_ids[0], completed=done, total=of)

        def tell(what: str) -> None:
            say(f"  {escape(what)}")

        album = people.read(data, detector(FINDS_FACES), detector(), embedder, step)
        found = reidentify.evaluate(
            album, [known[name] for name in method or known], height or HEIGHTS,
            people.folds(album.people, gallery, rounds, seed), embedder.embed, seed, tell, step,
        )
    figures = reidentify.figures(found, default)
    console.print(table("eval attack", figures))
    if out:
        write(out, report("attack", figures))
    if any(figure.holds is False for figure in figures):
        raise typer.Exit(1)
