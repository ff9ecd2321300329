"""What the suites of the stack share: a fresh stack that ends with them, generated cameras, and what the CPU did."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import psutil

from infra.postgres import migrate
from infra.postgres_server import EmbeddedPostgres
from infra.settings import load
from schemas.errors import ConfigError
from streams.demo.cast import demo_cast
from streams.demo.compose import PersonPicture, Truth, compose
from streams.demo.pictures import people
from streams.evaluate.report import Figure
from streams.setup import detector
from streams.stack import Stack

TAKES = 4
MANY = 1_000_000
"""Searches an hour: a suite asks more often than a person may."""
Tell = Callable[[str], None]


@contextmanager
def fresh_database(name: str = "authority-eval") -> Iterator[EmbeddedPostgres]:
    """A server with the empty tables of this platform, in a folder of its own; ended and removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="sealframe-eval-"))
    home.chmod(0o711)
    server = EmbeddedPostgres(home, name)
    try:
        server.start()
        migrate(server.owner(), server.name)
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def timed_ms(call: Callable[[], object]) -> float:
    """Milliseconds that a call took."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


@dataclass(frozen=True, slots=True)
class Clip:
    """A generated clip, and who is where in it."""

    path: Path
    truth: Truth


@contextmanager
def fresh_stack(models: Path, tell: Tell, **settings: object) -> Iterator[Stack]:
    """A stack in a home of its own, up with all security on and these settings; ended and removed afterwards.

    Raises:
        ConfigError: the converted models aren't there.
        ServiceUnavailable: a service doesn't come up.

    """
    if not models.is_dir():
        raise ConfigError("the converted models are missing: run `sealframe models setup`")
    home = Path(tempfile.mkdtemp(prefix="sealframe-eval-"))
    home.chmod(0o711)
    stack = Stack(load(home=home / "stack", cases={"searches_per_hour": MANY}, **settings))
    try:
        stack.home.mkdir(mode=0o711)
        shutil.copytree(models, stack.home / "models")
        stack.up(tell)
        yield stack
    finally:
        stack.down()
        shutil.rmtree(home, ignore_errors=True)


def cameras(pictures: Path, folder: Path, *, width: int, height: int, count: int, seed: int = 1) -> list[Path]:
    """Up to two generated clips of 9 s at 25 frames a second with three to five people each, GOPs of 1 s.

    Raises:
        ConfigError: the pictures aren't there.

    """
    scale, find, paths = height / 360, detector().detect, []
    for scene in demo_cast(people(pictures), seed).scenes[:count]:
        scene = replace(scene, face_width=(scene.face_width[0] * scale, scene.face_width[1] * scale))
        paths.append(folder / f"{scene.camera_id}.mp4")
        compose(
            scene.people, paths[-1], detect=find, seed=scene.seed, seconds=scene.seconds, width=width, height=height,
            face_width=scene.face_width,
        )
    return paths


def crowds(pictures: Path, folder: Path, *, width: int, height: int, count: int) -> list[Clip]:
    """So many clips in which all the demo's people walk about, each of `TAKES` takes of 9 s; errors as `cameras`."""
    everybody = [PersonPicture(person.label, person.photographs[0]) for person in people(pictures)]
    face_width, find = (66.0 * height / 360, 100.0 * height / 360), detector().detect
    takes = []
    for seed in range(1, count * TAKES + 1):
        path = folder / f"take-{seed}.mp4"
        truth = compose(everybody, path, detect=find, seed=seed, width=width, height=height, face_width=face_width)
        takes.append(Clip(path, truth))
    return [joined(takes[number::count], folder / f"crowd-{number + 1}.mp4") for number in range(count)]


def joined(takes: Sequence[Clip], path: Path) -> Clip:
    """One take after the other in one file, their coded pictures as they are; the takes' files are removed."""
    with av.open(str(path), "w") as sink:
        stream, first = None, 0
        for take in takes:
            with av.open(str(take.path)) as source:
                video = source.streams.video[0]
                stream = stream or sink.add_stream_from_template(video)
                base = video.time_base or Fraction(1, take.truth.fps)
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    later = round(Fraction(first, take.truth.fps) / base)
                    packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, stream
                    sink.mux(packet)
            first += len(take.truth.frames)
            take.path.unlink()
    frames = tuple(faces for take in takes for faces in take.truth.frames)
    return Clip(path, replace(takes[0].truth, frames=frames))


def worker_mib(stack: Stack) -> Callable[[], float]:
    """What asks for the worker's resident memory, MiB, as the kernel counts it."""
    worker = psutil.Process(stack.status()["worker"])
    return lambda: worker.memory_info().rss / 2**20


class Meter:
    """CPU time of each service, of this program and of the whole machine since it was made; one core is 1."""

    def __init__(self, stack: Stack) -> None:
        services = {name.replace(" ", "_").replace("-", "_"): pid for name, pid in stack.status().items() if pid}
        self._processes = {name: psutil.Process(pid) for name, pid in services.items()}
        self._processes["pushing"] = psutil.Process()
        self._began = self._read()

    def figures(self, prefix: str = "") -> list[Figure]:
        """Cores that each one used; `pushing`: this program, which films, seals and watches as cameras do elsewhere.

        The machine's are of all processes together: others' load shows in what was timed.
        """
        now = self._read()
        seconds = now["seconds"] - self._began["seconds"]
        used = {name: (value - self._began[name]) / seconds for name, value in now.items() if name != "seconds"}
        notes = {"machine": f"of {psutil.cpu_count() or 1}, with all that ran beside", "pushing": "cameras, measuring"}
        return [
            Figure(f"{prefix}{name}_cores", cores, "cores", "<=", None, round(seconds), notes.get(name, "CPU time"))
            for name, cores in used.items()
        ]

    def _read(self) -> dict[str, float]:
        machine = psutil.cpu_times()
        return {
            "seconds": time.monotonic(), **{name: _cpu_seconds(one) for name, one in self._processes.items()},
            "machine": sum(machine) - machine.idle - machine.iowait,
        }


def _cpu_seconds(process: psutil.Process) -> float:
    """A process with its children, those of a database; what has ended counts no more."""
    try:
        alive = [process] if process.pid == os.getpid() else [process, *process.children(recursive=True)]
        times = [one.cpu_times() for one in alive]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(one.user + one.system for one in times)
