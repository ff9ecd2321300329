"""What an operator is."""

from __future__ import annotations

from typing import Protocol, TypeVar

State = TypeVar("State")
Item = TypeVar("Item", contravariant=True)
Output = TypeVar("Output", covariant=True)


class Operator(Protocol[State, Item, Output]):
    """A pure step over chunks: no I/O, clock, randomness or globals; settings, sessions and keys come in at the start.

    `step` returns the state at the end of `chunk`; `following` is the next chunk, or None at the end or on a flush.
    What is learned from it may only fill `chunk`. The same input gives the same output (sealing excepted: fresh keys).
    """

    name: str

    def initial(self, key: str) -> State:
        """State of a key that has none."""
        ...

    def step(self, state: State, chunk: Item, following: Item | None) -> tuple[State, Output]:
        """Process one chunk."""
        ...
