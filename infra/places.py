"""Places for connections to a server: how many there are, for whom, and how long one may wait without a request.

There are 200 places, 50 an address. From its accept on, the TLS handshake included, and from the end of each answer, a
connection has 10 s to send a whole head; then 10 s, and one for each 64 KiB, to send the body; else it is cut. How long
an answer takes isn't limited. With no place free, the connection of the most crowded address that has waited longest
without a request makes room (of the newcomer's own address, where that has its 50); where all have a request under way,
the newcomer is reset. An answer ends when its last bytes have been handed to the system, however slowly they are read.

Behind a proxy all callers come from its address and share its 50 places: it has to keep silent callers away itself, and
to send us no more than 50 requests at a time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

PLACES, PLACES_EACH = 200, 50
HEAD_SECONDS, BODY_RATE = 10.0, 2**16
BACKLOG = 128
RESET = struct.pack("ii", 1, 0)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def network(address: str) -> str:
    """Under what an address is counted: itself; of IPv6 its /64, as one host may use all of that."""
    try:
        known = ipaddress.IPv6Address(address.partition("%")[0])
        return str(known.ipv4_mapped or ipaddress.IPv6Network((int(known), 64), strict=False))
    except ValueError:
        return address


class Place(socket.socket):
    """One connection, from its accept until it is closed or cut; used on the server's loop alone."""

    def __init__(self, fd: int, peer: Any, places: dict[Any, Place], seconds: float) -> None:
        super().__init__(fileno=fd)
        self.address, self._peer, self._places = network(peer[0]), peer, places
        self._requests, self._begun, self._seconds = 0, False, seconds
        self._loop = asyncio.get_running_loop()
        self._timer, self.since = self._loop.call_later(seconds, self.cut), self._loop.time()
        places[peer] = self

    @property
    def idle(self) -> bool:
        """No request is under way."""
        return not self._requests

    def begin(self, size: int) -> None:
        """A head has come, with a body of this size to follow."""
        self._requests, self._begun = self._requests + 1, True
        self._timer.cancel()
        if size:
            self._expect(size)

    def end(self) -> None:
        """A request has been answered; the next one may have begun before."""
        self._requests -= 1
        if self.idle:
            self._expect()

    def listening(self, receive: Receive) -> Receive:
        """The same, but that it sees when a request's body has come."""
        async def heard() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self._timer.cancel()
            return message
        return heard

    def cut(self) -> None:
        """End it, whatever the other side does; its place is free at once."""
        self._leave()
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def send(self, data: Any, *flags: int) -> int:
        """Send bytes; the last ones of an answer may go long after it has ended for the app."""
        if self._begun and self.idle:
            self._expect()
        return super().send(data, *flags)

    def close(self) -> None:
        """Close it."""
        self._leave()
        super().close()

    def _expect(self, size: int = 0) -> None:
        self._timer.cancel()
        self.since = self._loop.time()
        self._timer = self._loop.call_later(self._seconds + size / BODY_RATE, self.cut)

    def _leave(self) -> None:
        self._timer.cancel()
        if self._places.get(self._peer) is self:
            del self._places[self._peer]


class Listener(socket.socket):
    """A listening socket; each connection finds one of `places`, by the other side's address and port, or is reset."""

    def __init__(self, host: str, port: int, seconds: float = HEAD_SECONDS) -> None:
        """Bind (port 0: any free one); raises OSError. `seconds`: how long a place is held without a head."""
        super().__init__(fileno=socket.create_server((host, port), backlog=BACKLOG).detach())
        self.places: dict[Any, Place] = {}
        self._seconds = seconds

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; raises ConnectionAbortedError where there is no place for it."""
        taken, peer = super().accept()
        if not self._room(network(peer[0])):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            taken.close()
            raise ConnectionAbortedError("no place is free")
        return Place(taken.detach(), peer, self.places, self._seconds), peer

    def _room(self, address: str) -> bool:
        """Whether there is a place for this address, made free if need be."""
        held = Counter(place.address for place in self.places.values())
        full = held[address] >= PLACES_EACH
        if not full and len(self.places) < PLACES:
            return True
        crowd = [place for place in self.places.values() if place.idle and (place.address == address or not full)]
        if crowd:
            min(crowd, key=lambda place: (-held[place.address], place.since)).cut()
        return bool(crowd)
