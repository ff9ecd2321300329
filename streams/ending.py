"""How a service ends: told to by a signal, or by a fault; in both cases its log says so. Nothing ends in silence."""

from __future__ import annotations

import faulthandler
import logging
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from schemas.errors import SealframeError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
log = logging.getLogger(__name__)


class Ending:
    """Entered around a service's work, in the main thread; `stop` is set by the first of `SIGNALS`.

    Crashes of native code leave their stack in the log. Leaving raises for a service that ended by itself, and for an
    error that the command line would keep to itself (a broken pipe, an end of file, an exit).
    """

    def __init__(self, name: str) -> None:
        self.stop = threading.Event()
        self._name, self._signal = name, ""

    def _told(self, number: int, _: FrameType | None) -> None:
        self._signal = self._signal or signal.Signals(number).name
        self.stop.set()

    def __enter__(self) -> Self:
        logging.basicConfig(format=FORMAT)
        faulthandler.enable()
        for number in SIGNALS:
            signal.signal(number, self._told)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | EOFError | SystemExit):
            raise RuntimeError(f"{self._name} ended by {type(error).__name__}") from error
        if error is None and not self._signal:
            raise SealframeError(f"{self._name} ended without having been told to")
        if error is None:
            log.warning("%s ends, told to by %s", self._name, self._signal)
