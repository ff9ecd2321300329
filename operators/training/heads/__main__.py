"""Train the network that finds heads: `python -m operators.training.heads cut|train|export|outlines`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from operators.training.tell import tell

KEPT_SEED, KEPT_SHARE = 4_000_000, 0.1


def main() -> None:
    """Parse and call."""
    parser = argparse.ArgumentParser(prog="python -m operators.training.heads", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    cut = verbs.add_parser("cut", help="cut people out of photographs")
    cut.add_argument("--data", type=Path, required=True, help="WIDER's training part: labels.tsv and pictures")
    cut.add_argument("--teacher", type=Path, required=True, help="selfie_segmentation.tflite of mediapipe 0.10.21")
    cut.add_argument("--out", type=Path, required=True, help="file of cut-outs to write (npz)")
    train = verbs.add_parser("train", help="train, writing CHECKPOINT every other minute")
    train.add_argument("--people", type=Path, required=True, help="file of cut-outs")
    train.add_argument("--data", type=Path, required=True, help="photographs that they are laid before")
    train.add_argument("--out", type=Path, required=True, help="checkpoint to write; the log goes beside it")
    train.add_argument("--minutes", type=float, required=True)
    train.add_argument("--seed", type=int, default=1)
    export = verbs.add_parser("export", help="checkpoint -> ONNX")
    export.add_argument("--checkpoint", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True)
    outlines = verbs.add_parser("outlines", help="outlines to measure by, of people nothing is trained on")
    outlines.add_argument("--data", type=Path, required=True, help="folder of Labeled Faces in the Wild, a folder each")
    outlines.add_argument("--teacher", type=Path, required=True)
    outlines.add_argument("--detector", type=Path, required=True, help="pyramid-face.onnx")
    outlines.add_argument("--out", type=Path, required=True, help="table to write")
    chosen = parser.parse_args()
    {"cut": _cut, "train": _train, "export": _export, "outlines": _outlines}[chosen.verb](chosen)


def _cut(args: argparse.Namespace) -> None:
    from operators.training.heads.cutouts import cut_out
    from operators.training.heads.teacher import Teacher

    found = cut_out(args.data, Teacher(args.teacher))
    np.savez(args.out, pictures=found.pictures, alphas=found.alphas)
    tell(f"{len(found.pictures)} people")


def _train(args: argparse.Namespace) -> None:
    from operators.training.heads.cutouts import Cutouts
    from operators.training.heads.pictures import Pictures
    from operators.training.heads.train import Run, train

    cv2.setNumThreads(1)  # its threads don't come along into the process that draws
    with np.load(args.people) as file:
        pictures, alphas = file["pictures"], file["alphas"]
    apart = round(len(pictures) * KEPT_SHARE)
    grounds = sorted(args.data.glob("*.webp"))
    learned = Pictures(Cutouts(pictures[apart:], alphas[apart:]), grounds[len(grounds) // 10 :], args.seed)
    kept = Pictures(Cutouts(pictures[:apart], alphas[:apart]), grounds[: len(grounds) // 10], KEPT_SEED)
    train(Run(args.seed, args.minutes), learned, kept, args.out, tell)


def _export(args: argparse.Namespace) -> None:
    from operators.training.heads.export import export

    export(args.checkpoint, args.out, tell)


def _outlines(args: argparse.Namespace) -> None:
    from operators.detect import FaceDetector, PyramidFace
    from operators.training.heads.outlines import outlines
    from operators.training.heads.teacher import Teacher

    people = [sorted(folder.glob("*.jpg")) for folder in sorted(args.data.iterdir())]
    lines = list(outlines(people, Teacher(args.teacher), FaceDetector(args.detector, PyramidFace(), 0.25)))
    args.out.write_text("".join(line + "\n" for line in sorted(lines)), "utf-8")
    tell(f"{len(lines)} outlines")


if __name__ == "__main__":
    main()
