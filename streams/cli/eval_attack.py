"""`sealframe eval attack`: what an attacker gets out of the masked regions of the public video."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress

from infra.models import FOLDER, face_embedder
from operators.desensitise.base import Method
from operators.desensitise.policy import METHODS, Policy
from operators.embed import FaceEmbedder
from schemas.errors import UsageError
from streams.cli.output import progress
from streams.cli.suite import Models, Out, Photographs, finish, tell
from streams.evaluate.attack import keys, networks, people, plates, reidentify, structure
from streams.evaluate.attack.film import HEIGHTS, Bare
from streams.setup import FINDS_FACES, detector


def eval_attack(
    data: Photographs,
    out: Out = None,
    method: Annotated[list[str] | None, typer.Option(help="attack this method only")] = None,
    height: Annotated[list[int] | None, typer.Option(help="face height in pixels", min=16, max=320)] = None,
    gallery: Annotated[int, typer.Option(help="people in the gallery", min=2)] = 200,
    kind: Annotated[list[str] | None, typer.Option(help="picture, frame, track; outline or around, beside")] = None,
    inner: Annotated[bool, typer.Option("--inner", help="masks without their rims")] = False,
    rounds: Annotated[int, typer.Option(help="gallery photographs a person has in turn", min=1)] = 3,
    seed: Annotated[int, typer.Option(help="draws galleries, places and ways")] = 0,
    models: Models = FOLDER,
) -> None:
    """Is a mask protection? Masked faces, as the public video shows them, are searched in a gallery of 200 people.

    labels.tsv (tab-separated; columns file, identity) lists photographs relative to its folder; at least 220 people
    need two. Everybody is filmed at each face height, as a picture and walking, masked, coded and decoded. Attackers
    learn from the masked faces of people who aren't in the gallery (a parrot attack), and mask the gallery's
    photographs too. Chance is 0.5 %; a figure is the upper bound (95 %) of how often the right person comes first, for
    the strongest attacker.

    The method 'bare', nothing hidden, shows that the attackers attack; 'solid', one grey for all, is chance. Without
    --method all are attacked, which takes about an hour; --method and --height may be given several times. Exit code 1:
    the default method misses its target.
    """
    embedder, default = FaceEmbedder(face_embedder(models)), Policy({}).methods["face"]
    methods, kinds = _methods(method), (*reidentify.KINDS, *reidentify.BESIDE)
    if unknown := sorted(set(kind or ()) - set(kinds)):
        raise UsageError(f"no kind {unknown[0]!r}; there are {', '.join(kinds)}")
    with progress("photographs", quiet=False) as bar:
        step = partial(_step, bar)
        album = people.read(data, detector(FINDS_FACES), detector(), embedder, step)
        found = reidentify.evaluate(
            album, methods, height or HEIGHTS, people.folds(album.people, gallery, rounds, seed), embedder.embed, seed,
            tell, step, tuple(kind or reidentify.KINDS), inner,
        )
    finish("attack-inner" if inner else "attack", reidentify.figures(found, default), out)


def eval_attack_structure(
    data: Photographs,
    out: Out = None,
    method: Annotated[list[str] | None, typer.Option(help="attack this method only")] = None,
    height: Annotated[int, typer.Option(help="face height in pixels", min=16, max=320)] = 100,
    pictures: Annotated[int, typer.Option(help="photographs, as many rounds of each game", min=20)] = 1000,
    seed: Annotated[int, typer.Option(help="draws photographs, places and keys")] = 0,
    models: Models = FOLDER,
) -> None:
    """Jigsaw solver, histograms, energies, keys by structure: is a scramble told from noise?

    A game of two pictures: which of two bare faces is it that is masked? Half of the answers are right by chance. The
    figures say by how much more often than on noise the game is won, at least (99 %); keyed methods have a target: 0.
    Exit code 1: a keyed method misses it.
    """
    with progress("photographs", quiet=False) as bar:
        album = people.read(data, detector(FINDS_FACES), detector(), FaceEmbedder(face_embedder(models)),
                            partial(_step, bar))
        rows = np.random.default_rng(seed).permutation(len(album.paths))[:pictures].tolist()
        methods = _methods(method)
        figures = structure.evaluate(album, methods, height, rows, seed, tell)
        figures += keys.evaluate(album, methods, height, rows, seed, tell)
    finish("attack-structure", figures, out)


def eval_attack_networks(
    data: Photographs,
    out: Out = None,
    method: Annotated[list[str] | None, typer.Option(help="attack this method only")] = None,
    height: Annotated[int, typer.Option(help="face height in pixels", min=16, max=320)] = 100,
    gallery: Annotated[int, typer.Option(help="people in the gallery", min=2)] = 200,
    rounds: Annotated[int, typer.Option(help="gallery photographs a person has in turn", min=1)] = 3,
    steps: Annotated[int, typer.Option(help="of training, for each network and gallery", min=1)] = networks.STEPS,
    seed: Annotated[int, typer.Option(help="draws galleries, places and weights")] = 0,
    models: Models = FOLDER,
) -> None:
    """Masked faces restored by a network, or told apart by one, that learned from masked faces; needs torch.

    A U-Net makes bare faces of masked ones, which the default embedder searches; and a second embedder is trained on
    masked faces alone. Trained anew for each gallery, on everybody who isn't in it. Exit code 1: the default method
    misses its target.
    """
    embedder, default = FaceEmbedder(face_embedder(models)), Policy({}).methods["face"]
    with progress("photographs", quiet=False) as bar:
        step = partial(_step, bar)
        album = people.read(data, detector(FINDS_FACES), detector(), embedder, step)
        found = networks.evaluate(
            album, _methods(method), height, people.folds(album.people, gallery, rounds, seed), embedder.embed, seed,
            tell, step, steps,
        )
    finish("attack-networks", networks.figures(found, default), out)


def eval_attack_plates(
    out: Out = None,
    method: Annotated[list[str] | None, typer.Option(help="attack this method only")] = None,
    height: Annotated[int, typer.Option(help="plate height in pixels", min=16, max=200)] = 32,
    trained: Annotated[int, typer.Option(help="masked plates to learn from", min=20)] = 3000,
    read: Annotated[int, typer.Option(help="other masked plates to read", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="draws plates and places")] = 0,
) -> None:
    """Masked plates read by who learned to read masked plates, of one format and font: the best case for an attacker.

    Needs fonts of plates and the extra `train` (no data, no torch). Exit code 1: the default method for plates misses
    its target of 1 % read whole.
    """
    with progress("plates", quiet=False) as bar:
        default = Policy({}).method("plate").name
        figures = plates.evaluate(_methods(method), height, trained, read, default, seed, tell, partial(_step, bar))
    finish("attack-plates", figures, out)


def _methods(names: Sequence[str] | None) -> list[Method]:
    known: dict[str, Method] = {**METHODS, Bare.name: Bare()}
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise UsageError(f"no method {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def _step(bar: Progress, done: int, of: int) -> None:
    bar.update(bar.task_ids[0], completed=done, total=of)
