"""`sealframe eval faces`: the face embedder on labelled photographs, as searched pictures are read.

Data: a folder with `labels.tsv` (file, identity, ...) and maybe `pairs.tsv` (file_a, file_b, same: 1 or 0), files
relative to it; it may lie in `identities`. Every picture goes through `Faces.probe`: detector, the face that is largest
and nearest to the middle, alignment, mirror averaging. One in which no face is found has no vector; it is counted as
`pictures_without_face` and is an error wherever somebody should have been found: its pairs are told wrong (`accuracy`),
its genuine pairs are rejected (`eer`, `tar_far_1e3`), as a probe it finds nobody, and as a gallery picture its person
isn't found (`rank1`, `rank5`, `tpir`, `draws_of_20`). Its impostor pairs and its search for a stranger (`fpir`) aren't
counted: nothing is compared. Methods: `recognition.py`, `open_set.py`.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from operators.embed import CHIP, FEATURES
from schemas.errors import UsageError
from schemas.regions import Array
from streams.authority.faces import Probe
from streams.evaluate import open_set, recognition
from streams.evaluate.recognition import FOLDS, Flags, Ints
from streams.evaluate.report import Figure

FAR = 1e-3
DRAWN = 20
TIMED_RUNS = 200
MOST_MS, MOST_MS_INT8 = 8.0, 3.0

Tell = Callable[[str], None]
Read = Callable[[bytes], Probe]
Embed = Callable[[npt.NDArray[np.uint8]], Array]
Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Labelled pictures in the order of their list.

    `people` (n,): whose each is, numbered by first appearance; `pairs` (k, 2): picture numbers, with `same` (k,).
    """

    paths: tuple[Path, ...]
    people: Ints
    pairs: Ints
    same: Flags


def folder_of(data: Path) -> Path:
    """The folder that holds labels.tsv: `data`, or `identities` in it; raises UsageError without one."""
    for folder in (data, data / "identities"):
        if (folder / "labels.tsv").is_file():
            return folder
    raise UsageError(f"{data} holds no labels.tsv, nor identities/labels.tsv")


def listed(folder: Path) -> Listed:
    """The pictures of `folder`/labels.tsv and, if it's there, the pairs of pairs.tsv.

    Raises:
        UsageError: a table can't be read or lacks a column, names a picture twice or an unknown one, or nobody can be
            searched: fewer than two identities, or none with several pictures.

    """
    rows = _rows(folder / "labels.tsv", "file", "identity")
    number = {file: at for at, (file, _) in enumerate(rows)}
    if len(number) < len(rows):
        raise UsageError(f"{folder}/labels.tsv names a picture twice")
    persons = {identity: at for at, identity in enumerate(dict.fromkeys(identity for _, identity in rows))}
    if len(persons) < 2 or len(persons) == len(rows):
        raise UsageError(f"{folder}/labels.tsv needs two identities, one of them with several pictures")
    table = folder / "pairs.tsv"
    told = _rows(table, "file_a", "file_b", "same") if table.exists() else []
    for a, b, same in told:
        if a not in number or b not in number or same not in ("0", "1"):
            raise UsageError(f"{table}: {a} and {b} must be in labels.tsv, same 0 or 1")
    return Listed(
        tuple(folder / file for file, _ in rows),
        np.array([persons[identity] for _, identity in rows], np.intp),
        np.array([(number[a], number[b]) for a, b, _ in told], np.intp).reshape(-1, 2),
        np.array([same == "1" for _, _, same in told], bool),
    )


def embedded(paths: Sequence[Path], read: Read, tell: Tell, step: Step) -> Array:
    """Unit vectors (n, 128) of picture files, NaN where no face is read; `step` hears of each: done, all.

    On all cores: `read` is called by several threads at once.

    Raises:
        UsageError: a file can't be opened.

    """
    vectors = np.full((len(paths), FEATURES), np.nan, np.float32)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for at, seen in enumerate(pool.map(lambda path: _read(path, read), paths)):
            if isinstance(seen, UsageError):
                tell(f"{paths[at].name}: {seen}")
            else:
                vectors[at] = seen.embedding
            step(at + 1, len(paths))
    return vectors


def _read(path: Path, read: Read) -> Probe | UsageError:
    """The face of a picture file, or why there is none."""
    try:
        picture = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be opened: {error.strerror}") from error
    try:
        return read(picture)
    except UsageError as error:
        return error


def call_times(embed: Embed, runs: int = TIMED_RUNS) -> list[float]:
    """CPU times in ms of `embed` of one chip, noise, on the calling thread, sorted; the session has no other."""
    chip = np.random.default_rng(0).integers(0, 256, (1, CHIP, CHIP, 3), np.uint8)
    embed(chip)
    times = []
    for _ in range(runs):
        began = time.thread_time()
        embed(chip)
        times.append(1000 * (time.thread_time() - began))
    return sorted(times)


def share(embed: Embed, other: Embed, runs: int = TIMED_RUNS) -> Figure:
    """How much of the other's CPU time `embed` takes for one chip, in turns: so it hardly depends on what else runs."""
    chip = np.random.default_rng(0).integers(0, 256, (1, CHIP, CHIP, 3), np.uint8)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(2 * (runs + 1)):
        began = time.thread_time()
        (embed, other)[turn % 2](chip)
        times[turn % 2].append(1000 * (time.thread_time() - began))
    own, others = (float(np.median(one[1:])) for one in times)
    return Figure("embed_share", own / others, "", "<=", None, runs, f"medians {own:.2f} of {others:.2f} ms, in turns")


def evaluate(
    data: Path, read: Read, embed: Embed, draws: int, seed: int, tell: Tell, step: Step = lambda done, of: None,
    most_ms: float = MOST_MS,
) -> list[Figure]:
    """All figures of the embedder behind `read` (a searched picture to its face) and `embed` (chips to vectors)."""
    pictures = listed(folder_of(data))
    vectors = embedded(pictures.paths, read, tell, step)
    found = np.asarray(np.isfinite(vectors).all(1), bool)
    if len(set(pictures.people[found])) < 2:
        raise UsageError(f"{data}: a face is found in {found.sum()} of {len(found)} pictures, not of two people")
    times = call_times(embed)
    note = f"one chip and its mirror image, CPU time of the one thread; fastest {times[0]:.1f}"
    return [
        Figure("pictures_without_face", int((~found).sum()), "pictures", n=len(found)),
        *verification(vectors, pictures, tell),
        *open_set.figures(vectors, pictures.people),
        *drawn(vectors, pictures.people, draws, seed, tell),
        Figure("embed_ms", times[len(times) // 2], "ms", "<=", most_ms, len(times), note),
    ]


def verification(vectors: Array, pictures: Listed, tell: Tell) -> list[Figure]:
    """Figures of pairs: `accuracy` and `eer` of those listed, if ten of either kind are; `tar_far_1e3` of all."""
    figures, same = [], pictures.same
    alike = recognition.pair_cosines(vectors, pictures.pairs)
    different = ~same & np.isfinite(alike)
    if min(same.sum(), different.sum()) >= FOLDS:
        folds = recognition.fold_accuracies(alike, same)
        note = f"{FOLDS} folds, standard error {folds.std(ddof=1) / FOLDS**0.5:.4f}"
        error = recognition.equal_error_rate(alike[same], alike[different])
        figures += [
            Figure("accuracy", float(folds.mean()), "", ">=", 0.993, len(same), note),
            Figure("eer", error, "", "<=", 0.007, len(same), "pairs of pairs.tsv"),
        ]
    else:
        tell(f"no accuracy, no eer: pairs.tsv gives {same.sum()} same, {different.sum()} different pairs")
    genuine, impostor = recognition.cross_pairs(vectors, pictures.people)
    threshold = recognition.threshold_for(impostor, FAR)
    note = f"over {threshold:.4f}; {len(impostor):,} impostor pairs"
    accepted = float((genuine > threshold).mean())
    return [*figures, Figure("tar_far_1e3", accepted, "", ">=", 0.95, len(genuine), note)]


def drawn(vectors: Array, people: Ints, draws: int, seed: int, tell: Tell) -> list[Figure]:
    """`draws_of_20`, where 20 people have several pictures: what the vectors alone allow for `eval identities`."""
    several = len(recognition.several(people))
    if several < DRAWN:
        tell(f"no draws: {several} people have several pictures, {DRAWN} are needed")
        return []
    share = recognition.draws(vectors, people, DRAWN, draws, seed)
    return [Figure(f"draws_of_{DRAWN}", share, n=draws, note=f"seed {seed}; of {several} people, all {DRAWN} first")]


def _rows(table: Path, *columns: str) -> list[tuple[str, ...]]:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = [tuple(row[column] for column in columns) for row in csv.DictReader(file, delimiter="\t")]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise UsageError(f"{table}: {error}") from error
    if not all(all(row) for row in rows):
        raise UsageError(f"{table}: a line has no {' or no '.join(columns)}")
    return rows
