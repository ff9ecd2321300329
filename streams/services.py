"""One process of the embedded stack, and by what it is told from the same one asked for otherwise."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the stack: its verb's arguments, its port (0: none of its own), who may ask for its health.

    `principal`: whose certificates it reads at its start; `reads`: what it takes from the settings' file itself.
    """

    name: str
    arguments: tuple[str, ...]
    port: int = 0
    viewer: str = ""
    principal: str = ""
    reads: str = ""

    @property
    def asked(self) -> str:
        """A word that changes with anything it is started by."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]
