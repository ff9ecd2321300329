"""The broker's clock by what it stamped: bounds that hold whatever the way there and back took."""

from __future__ import annotations

from streams.clock import STAMPS, BrokerClock

AHEAD_MS = 90_000


class Machine:
    """A machine whose clock is behind the broker's; its records take so long there, and back."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.clock = BrokerClock(lambda: self.now_ms)

    def sends(self, there_ms: int, back_ms: int, ahead_ms: int = AHEAD_MS) -> None:
        """A record, stamped when it is there."""
        sent_ms = self.now_ms
        self.now_ms += there_ms + back_ms
        self.clock.heard(sent_ms, sent_ms + there_ms + ahead_ms)

    def wrong_ms(self) -> int:
        """By how much the broker's clock is wrong now."""
        return self.clock() - self.now_ms - AHEAD_MS


def test_broker_clock_is_the_own_one_before_the_first_stamp() -> None:
    machine = Machine()
    assert machine.clock() == machine.now_ms


def test_broker_clock_is_wrong_by_half_of_the_quickest_way_at_most() -> None:
    machine = Machine()
    machine.sends(900, 100)
    assert machine.wrong_ms() == 400
    machine.sends(0, 40)
    assert machine.wrong_ms() == -20
    for _ in range(10):
        machine.sends(5_000, 300)
    assert machine.wrong_ms() == -20


def test_broker_clock_follows_a_clock_that_was_set() -> None:
    machine = Machine()
    machine.sends(0, 0)
    for _ in range(STAMPS):
        machine.sends(10, 10, AHEAD_MS + 7_000)
    assert machine.wrong_ms() == 7_000


def test_broker_clock_hears_nothing_from_a_record_that_the_own_clock_jumped_back_under() -> None:
    machine = Machine()
    machine.sends(10, 10)
    machine.sends(10, -500)
    assert machine.wrong_ms() == 0
