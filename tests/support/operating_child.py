"""The operating platform in a process of its own, for tests that kill it: settings as JSON in the first argument."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from infra import tls
from infra.kafka import KafkaAccess
from infra.postgres import DatabaseAccess
from streams.operating.service import OperatorService, OperatorSetup


def main() -> None:
    """Serve until SIGTERM; the port is the first line of the output."""
    given = json.loads(sys.argv[1])
    setup = OperatorSetup(
        KafkaAccess(given["bootstrap"], tls.load(Path(given["tls"]), "operator")),
        DatabaseAccess(given["conninfo"], Path(given["password"])),
        Path(given["folder"]),
        group=given["group"],
        batch_records=given["batch_records"],
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with OperatorService(setup) as service:
        print(service.server.port, flush=True)
        service.run(stop)


if __name__ == "__main__":
    main()
