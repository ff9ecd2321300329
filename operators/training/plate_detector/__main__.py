"""Train a plate detector, or export one: `python -m operators.training.plate_detector train|export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from operators.training.tell import tell

if TYPE_CHECKING:
    from operators.training.plate_detector.scenes import Scenes


def main() -> None:
    """Parse and call."""
    parser = argparse.ArgumentParser(prog="python -m operators.training.plate_detector", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train", help="train, writing CHECKPOINT every minute")
    train.add_argument("--backgrounds", type=Path, required=True, help="folder of photographs without plates")
    train.add_argument("--data", type=Path, help="folder with labels.tsv; without it, drawn plates alone")
    train.add_argument("--without", action="append", default=[], help="a part of labels.tsv to leave out")
    train.add_argument("--real", type=float, default=0.4, help="share of real pictures")
    train.add_argument("--out", type=Path, required=True, help="checkpoint to write; the log goes beside it")
    train.add_argument("--minutes", type=float, required=True, help="in all, those before a resume counted in")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--start", type=Path, help="checkpoint of the face detector, whose trunk to begin with")
    train.add_argument("--resume", type=Path, help="checkpoint to go on from")
    train.add_argument("--drawers", type=int, default=1, help="processes that draw scenes")
    export = verbs.add_parser("export", help="checkpoint -> ONNX, INT8; fp32 beside it")
    export.add_argument("--checkpoint", type=Path, required=True)
    export.add_argument("--backgrounds", type=Path, required=True, help="folder of photographs without plates")
    export.add_argument("--data", type=Path, help="folder with labels.tsv; without it, drawn plates alone")
    export.add_argument("--out", type=Path, required=True, help="INT8 file to write")
    chosen = parser.parse_args()
    {"train": _train, "export": _export}[chosen.verb](chosen)


def _scenes(args: argparse.Namespace, seed: int, real: float, without: list[str]) -> Scenes:
    from operators.training.plate_detector.scenes import Scenes, backgrounds, street
    from operators.training.plates.glyphs import load
    from operators.training.plates.labels import photographs

    labelled = photographs(args.data, False, without) if args.data and real else []
    return Scenes(load(), backgrounds(args.backgrounds), [street(one) for one in labelled], seed, real)


def _train(args: argparse.Namespace) -> None:
    from operators.training.plate_detector.train import MEASURED_SEED, Run, train

    scenes, kept = _scenes(args, args.seed, args.real, args.without), _scenes(args, MEASURED_SEED, 0.0, [])
    tell(f"{sum(len(part) for part in scenes.parts)} real pictures to train on")
    train(Run(args.seed, args.minutes, args.drawers), scenes, kept, args.out, tell, args.resume, args.start)


def _export(args: argparse.Namespace) -> None:
    from operators.training.plate_detector.export import CALIBRATION_SEED, export

    export(args.checkpoint, _scenes(args, CALIBRATION_SEED, 0.4, []), args.out, tell)


if __name__ == "__main__":
    main()
