"""Train a face detector: `python -m operators.training.faces teach|thaw|train|mix|export|level|curve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from operators.training.tell import tell


def main() -> None:
    """Parse and call."""
    parser = argparse.ArgumentParser(prog="python -m operators.training.faces", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    teach = verbs.add_parser("teach", help="what CenterFace finds in the training pictures: points, unlabelled faces")
    teach.add_argument("--data", type=Path, required=True, help="folder with labels.tsv and pictures")
    teach.add_argument("--model", type=Path, required=True, help="CenterFace's ONNX file")
    teach.add_argument("--out", type=Path, required=True, help="file to write (npz)")
    thaw = verbs.add_parser("thaw", help="a shipped file as a checkpoint to go on from")
    thaw.add_argument("--model", type=Path, required=True, help="INT8 file that `export` wrote")
    thaw.add_argument("--data", type=Path, required=True, help="folder with labels.tsv and pictures")
    thaw.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    train = verbs.add_parser("train", help="train, writing CHECKPOINT every minute")
    train.add_argument("--data", type=Path, required=True, help="folder with labels.tsv and pictures")
    train.add_argument("--out", type=Path, required=True, help="checkpoint to write; the log goes beside it")
    train.add_argument("--teacher", type=Path, help="file that `teach` wrote")
    train.add_argument("--mimic", type=Path, help="CenterFace's ONNX file: learn from its inner features too")
    train.add_argument("--minutes", type=float, required=True, help="in all, those before a resume counted in")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--resume", type=Path, help="checkpoint to go on from")
    train.add_argument("--side", type=int, default=256, help="of a crop, a multiple of 32")
    train.add_argument("--batch", type=int, default=8, help="crops a step and process")
    train.add_argument("--wild", type=int, default=0, help="views a step and process that the teacher alone labels")
    train.add_argument("--attacked", type=int, default=0, help="of both, how many with noise made for the network")
    train.add_argument("--rate", type=float, default=2e-3, help="the highest learning rate")
    train.add_argument("--processes", type=int, default=2, help="cores to train on")
    mix = verbs.add_parser("mix", help="a mean of two checkpoints' weights, of which one was trained on from the other")
    mix.add_argument("--first", type=Path, required=True, help="checkpoint")
    mix.add_argument("--second", type=Path, required=True, help="checkpoint")
    mix.add_argument("--share", type=float, required=True, help="of the second, 0 to 1")
    mix.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    export = verbs.add_parser("export", help="checkpoint -> ONNX, fp32 and INT8")
    export.add_argument("--checkpoint", type=Path, required=True)
    export.add_argument("--data", type=Path, required=True, help="pictures to calibrate with")
    export.add_argument("--out", type=Path, required=True, help="INT8 file to write; fp32 goes beside it")
    level = verbs.add_parser("level", help="a file whose scores mean what those of another do")
    level.add_argument("--model", type=Path, required=True, help="INT8 file that `export` wrote")
    level.add_argument("--like", type=Path, required=True, help="the file whose thresholds stay")
    level.add_argument("--data", type=Path, required=True, help="folder with labels.tsv and pictures")
    level.add_argument("--teacher", type=Path, required=True, help="file that `teach` wrote")
    level.add_argument("--out", type=Path, required=True, help="file to write")
    curve = verbs.add_parser("curve", help="a training's log as a picture (SVG)")
    curve.add_argument("--log", type=Path, required=True, help="what `train` wrote beside the checkpoint")
    curve.add_argument("--out", type=Path, required=True, help="file to write")
    chosen = parser.parse_args()
    does = {
        "teach": _teach, "thaw": _thaw, "train": _train, "mix": _mix, "export": _export, "level": _level,
        "curve": _curve,
    }
    does[chosen.verb](chosen)


def _teach(args: argparse.Namespace) -> None:
    from operators.detect import FaceDetector
    from operators.training.faces.teacher import SCORE, predict

    predict(FaceDetector(args.model, score=SCORE), args.data, args.out, tell)


def _thaw(args: argparse.Namespace) -> None:
    import torch

    from operators.training.faces.pictures import load
    from operators.training.faces.thaw import thaw
    from operators.training.faces.train import Crops, tensor

    crops = Crops(load(args.data, None, held_out=False), seed=5, side=384)
    batches = [tensor([crops[number].picture for number in range(at, at + 8)]) for at in range(0, 320, 8)]
    weights = thaw(args.model, batches).state_dict()
    torch.save({"network": weights, "average": weights, "step": 0, "spent": 0.0}, args.out)


def _train(args: argparse.Namespace) -> None:
    from operators.training.faces.pictures import load
    from operators.training.faces.train import Run, train

    photographs = load(args.data, args.teacher, held_out=False)
    held_out = load(args.data, None, held_out=True)
    tell(f"{len(photographs)} photographs to train on, {len(held_out)} kept back")
    run = Run(
        args.seed, args.minutes, args.processes, args.mimic, args.side, args.batch, args.wild, args.rate, args.attacked
    )
    train(run, photographs, held_out, args.out, tell, args.resume)


def _mix(args: argparse.Namespace) -> None:
    from operators.training.faces.mix import mix

    mix(args.first, args.second, args.share, args.out)


def _export(args: argparse.Namespace) -> None:
    from operators.training.faces.export import export

    export(args.checkpoint, args.data, args.out, tell)


def _level(args: argparse.Namespace) -> None:
    from operators.training.faces.level import level
    from operators.training.faces.pictures import load

    level(args.model, args.like, load(args.data, args.teacher, held_out=True), args.out, tell)


def _curve(args: argparse.Namespace) -> None:
    from operators.training.faces.curve import draw

    draw(args.log, args.out)


if __name__ == "__main__":
    main()
