"""Train a plate reader, or export one: `python -m operators.training.plates train|export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from operators.training.tell import tell


def main() -> None:
    """Parse and call."""
    parser = argparse.ArgumentParser(prog="python -m operators.training.plates", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train", help="train, writing CHECKPOINT every minute")
    train.add_argument("--data", type=Path, help="folder with labels.tsv; without it, drawn plates alone")
    train.add_argument("--without", action="append", default=[], help="a part of labels.tsv to leave out")
    train.add_argument("--real", type=float, default=0.2, help="share of real crops")
    train.add_argument("--out", type=Path, required=True, help="checkpoint to write; the log goes beside it")
    train.add_argument("--minutes", type=float, required=True, help="in all, those before a resume counted in")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--resume", type=Path, help="checkpoint to go on from")
    train.add_argument("--threads", type=int, default=1, help="of the network")
    train.add_argument("--drawers", type=int, default=2, help="processes that draw crops")
    export = verbs.add_parser("export", help="checkpoint -> ONNX, INT8; fp32 beside it")
    export.add_argument("--checkpoint", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True, help="INT8 file to write")
    chosen = parser.parse_args()
    {"train": _train, "export": _export}[chosen.verb](chosen)


def _train(args: argparse.Namespace) -> None:
    from operators.training.plates.glyphs import load
    from operators.training.plates.labels import load as load_plates
    from operators.training.plates.train import Run, train

    plates = load_plates(args.data, test=False, without=args.without) if args.data else []
    tell(f"{len(plates)} real plates to train on")
    run = Run(args.seed, args.minutes, args.threads, args.drawers, args.real)
    train(run, load(), plates, args.out, tell, args.resume)


def _export(args: argparse.Namespace) -> None:
    from operators.training.plates.export import export

    export(args.checkpoint, args.out, tell)


if __name__ == "__main__":
    main()
