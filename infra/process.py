"""Child processes that outlive the command that started them: started once, found again by a pid file.

A pid file holds pid, start time since boot, and which boot, so that another process that got the same pid later is
never taken for ours, and ours is still known after the wall clock was set; and by what it was started.
"""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from schemas.errors import ConfigError

STOP_SECONDS = 20.0
PORTS = range(20_000, 32_000)
BOOT = Path("/proc/sys/kernel/random/boot_id")


def spawn(
    command: Sequence[str], log: Path, pid_file: Path, *, cwd: Path | None = None, user: str | None = None,
    asked: str = "",
) -> int:
    """Start a program in a session of its own, its output appended to `log`; return its pid.

    `user`: the account to run as, with root only; `asked`: a word that says by what it was started.

    Raises:
        ConfigError: the program isn't there.

    """
    with log.open("ab") as output:
        os.chmod(log, 0o600)
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=cwd,
                start_new_session=True, user=user, group=_group(user), extra_groups=[] if user else None,
            )
        except FileNotFoundError as error:
            raise ConfigError(f"program {command[0]!r} is not installed") from error
    # psutil waits for and reaps the child; without this mark Popen would warn that it was dropped while running
    child.returncode = 0
    pid_file.write_text(f"{child.pid} {_started(psutil.Process(child.pid))} {_boot()} {asked}\n")
    return child.pid


def run(
    command: Sequence[str], *, cwd: Path | None = None, user: str | None = None, seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end; `stdout` of the result holds all its output.

    Raises:
        ConfigError: the program isn't there, or takes too long.

    """
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
            user=user, group=_group(user), extra_groups=[] if user else None, timeout=seconds,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"program {command[0]!r} is not installed or doesn't end") from error


def running(pid_file: Path) -> int | None:
    """Pid of the process that the file names, None when it isn't alive."""
    process = _process(pid_file)
    return process.pid if process else None


def asked(pid_file: Path) -> str:
    """By what the process was started, as `spawn` was told; empty where that isn't known."""
    try:
        words = pid_file.read_text().split()
    except FileNotFoundError:
        return ""
    return words[3] if len(words) > 3 else ""


def stop(pid_file: Path, *, how: signal.Signals = signal.SIGTERM, seconds: float = STOP_SECONDS) -> None:
    """End the process: signal `how`, after `seconds` SIGKILL. Nothing happens when it isn't alive."""
    process = _process(pid_file)
    if process:
        try:
            process.send_signal(how)
            if not _ended(pid_file, seconds):
                process.kill()
                _ended(pid_file, seconds)
        except psutil.NoSuchProcess:
            pass
    pid_file.unlink(missing_ok=True)


def free_ports(count: int) -> list[int]:
    """TCP ports on the loopback address that nobody listens on now, and that no outgoing connection is given.

    The system gives outgoing connections one of its ephemeral ports; a service whose port was taken by one while it was
    down couldn't start again.
    """
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            port = PORTS[secrets.randbelow(len(PORTS))]
            try:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found


def port_free(port: int) -> bool:
    """Nobody listens on this loopback port."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return f"(no log at {log.name})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _group(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def _process(pid_file: Path) -> psutil.Process | None:
    try:
        pid, started, boot, *_ = pid_file.read_text().split()
        process = psutil.Process(int(pid))
        if abs(_started(process) - float(started)) > 1 or process.status() == psutil.STATUS_ZOMBIE or boot != _boot():
            return None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return process


def _ended(pid_file: Path, seconds: float) -> bool:
    """Wait for its end. One that nobody reaps counts as ended: it holds nothing any more."""
    deadline = time.monotonic() + seconds
    while (process := _process(pid_file)) and time.monotonic() < deadline:
        with suppress(psutil.TimeoutExpired):
            process.wait(0.1)
    return process is None


def _started(process: psutil.Process) -> float:
    """Seconds from boot to the process' start: both times move when the wall clock is set, their distance doesn't."""
    return process.create_time() - psutil.boot_time()


def _boot() -> str:
    """Names this run of the machine, where the system does."""
    return BOOT.read_text().strip() if BOOT.exists() else "-"
