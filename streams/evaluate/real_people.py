"""A person of a real clip, found by a still of another clip: the part of `sealframe eval subjects` on real video.

`clips.tsv` names nobody. Two of its clips count as showing one person where they lie in one folder, show one face each
and are described in the same words. From each of them a still of its middle is searched in all other clips that show
faces; clips of such a pair are pushed as videos of one camera, so they should also become one person.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2

from schemas.errors import UsageError
from streams.demo.run import CASE, PURPOSE, Demo, Filmed, Shot
from streams.evaluate.report import Figure

ARRIVAL_SECONDS = 900.0
Tell = Callable[[str], None]


def pairs(clips: Path, longest: int) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Clips that show one person, and the other clips with faces, of at most `longest` frames each.

    Raises:
        UsageError: no `clips.tsv`.

    """
    try:
        with (clips / "clips.tsv").open(encoding="utf-8", newline="") as table:
            rows = [row for row in csv.DictReader(table, delimiter="\t") if row["faces"] != "none"]
    except (OSError, KeyError) as error:
        raise UsageError(f"{clips} holds no clips.tsv with a column `faces`") from error
    rows = [row for row in rows if int(row["frames"]) <= longest]
    alike: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for row in rows:
        path = clips / row["file"]
        if row["faces"].startswith("1,"):
            alike[str(path.parent), row["content"]].append(path)
    found = [(same[0], same[1]) for same in alike.values() if len(same) > 1]
    paired = {path for pair in found for path in pair}
    return found, [clips / row["file"] for row in rows if clips / row["file"] not in paired]


def evaluate(run: Demo, clips: Path, longest: int, tell: Tell = lambda _: None) -> list[Figure]:
    """Push, search and compare on a stack that is up.

    Raises:
        UsageError: no `clips.tsv`.
        ServiceUnavailable: a video didn't arrive.

    """
    known, others = pairs(clips, longest)
    if not known:
        tell("no two clips show one person")
        return []
    shots = [Shot(f"real-{n}", path, None) for n, pair in enumerate(known) for path in pair]
    shots += [Shot(f"other-{n}", path, None) for n, path in enumerate(others)]
    run.open_case(sorted({shot.camera_id for shot in shots}))
    filmed = []
    for shot in shots:
        tell(f"pushing {shot.path.name}")
        filmed.append(run.push(shot))
        run.arrived(filmed[-1], ARRIVAL_SECONDS)
    return _figures(run, filmed, 2 * len(known))


def _figures(run: Demo, filmed: Sequence[Filmed], paired: int) -> list[Figure]:
    right = strangers = 0
    for number, one in enumerate(filmed[:paired]):
        partner = filmed[number ^ 1]
        matches = run.forensic.search_face(_still(one.shot.path), CASE, PURPOSE)["matches"]
        elsewhere = [match for match in matches if match["video_id"] != one.video_id]
        right += bool(elsewhere) and elsewhere[0]["video_id"] == partner.video_id
        strangers += sum(match["sure"] and match["video_id"] != partner.video_id for match in elsewhere)
    merged = sum(_one_person(run, filmed[n].video_id, filmed[n + 1].video_id) for n in range(0, paired, 2))
    note = f"stills of {paired} clips searched in {len(filmed)}, less their own"
    return [
        Figure("real_found", right, "clips", "==", paired, paired, note),
        Figure("real_strangers_sure", strangers, "subjects", "==", 0, paired, f"{note}; called sure"),
        Figure("real_merged", merged, "pairs", "==", paired // 2, paired // 2, "subjects of both clips are one person"),
    ]


def _still(path: Path) -> bytes:
    """The frame in the middle of a clip, as PNG."""
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]
    _, data = cv2.imencode(".png", frames[len(frames) // 2])
    return bytes(data)


def _one_person(run: Demo, one: str, other: str) -> bool:
    """Some person has subjects in both videos."""
    with run.database.connection() as db:
        row = db.execute(
            "SELECT 1 FROM person_subjects p JOIN subjects s USING (subject_id) WHERE s.video_id = ANY(%s)"
            " GROUP BY p.person_id HAVING count(DISTINCT s.video_id) > 1", ([one, other],),
        ).fetchone()
    return row is not None
