"""What strangers can do to the issuer without a password: guess, and begin sign-ins; neither keeps others out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from schemas.errors import RateLimited, UsageError
from streams.issuer import accounts as module
from streams.issuer.accounts import WRONG_ADDRESS, Accounts, Guesses
from streams.issuer.app import create_app
from streams.issuer.provider import MAX_PENDING, PENDING_EACH, Client, Provider

PASSWORD = "correct horse battery"
BACK = "https://desk.example/sign-in/callback"
FINE = {"client_id": "sealframe", "redirect_uri": BACK, "response_type": "code", "scope": "openid", "state": "s",
        "nonce": "n", "code_challenge": "c", "code_challenge_method": "S256"}


class Clock:
    """Seconds that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    monkeypatch.setattr(module, "COST", 2)  # hundreds of guesses: the hash itself isn't looked at here
    made = Accounts(tmp_path / "accounts.json", clock)
    made.put("anna", PASSWORD)
    made.put("ben", PASSWORD)
    return made


@pytest.fixture
def provider(clock: Clock) -> Provider:
    return Provider("https://issuer.example", Client("sealframe", "secret", frozenset({BACK})), clock)


def test_guesses_at_other_names_lock_nobody_out(accounts: Accounts) -> None:
    """From one address, from many, from none that is known; of names that there are, and of others."""
    for number in range(300):
        for address in ("192.0.2.1", f"198.51.100.{number % 250}", ""):
            for name in (f"nobody{number}", "ben"):
                try:
                    assert accounts.subject(name, "x", address) == ""
                except RateLimited:
                    assert number
    assert accounts.subject("anna", PASSWORD, "203.0.113.5") and accounts.subject("anna", PASSWORD)


def test_address_waits_after_thirty_wrong_guesses_within_a_minute(accounts: Accounts, clock: Clock) -> None:
    for number in range(WRONG_ADDRESS):
        clock.now += 1
        assert accounts.subject(f"nobody{number}", "x", "192.0.2.1") == ""
    with pytest.raises(RateLimited):
        accounts.subject("anna", PASSWORD, "192.0.2.1")
    assert accounts.subject("anna", PASSWORD, "192.0.2.2")
    clock.now += 31  # the first guess is 60 s old
    assert accounts.subject("anna", PASSWORD, "192.0.2.1")


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_name_waits_after_five_wrong_guesses_from_anywhere(accounts: Accounts, name: str) -> None:
    for number in range(5):
        assert accounts.subject(name, "x", f"192.0.2.{number}") == ""
    with pytest.raises(RateLimited):
        accounts.subject(name, PASSWORD, "192.0.2.9")


def test_guesses_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 10)
    guesses = Guesses(2)
    for number in range(100):
        guesses.add(f"name{number}", 0.0)
        guesses.add("again", 0.0)
    assert len(guesses._made) == 10 and guesses.waits("again", 59.0) and not guesses.waits("again", 60.0)
    guesses.add("later", 60.0)
    assert list(guesses._made) == ["later"]


def test_sign_ins_begun_at_one_address_push_out_their_own_alone(provider: Provider) -> None:
    mine, _ = provider.ask(FINE, "mine", "192.0.2.1")
    theirs = [provider.ask(FINE, "theirs", "192.0.2.2")[0] for _ in range(2 * MAX_PENDING)]
    assert provider.redirect_of(mine, "mine") == BACK
    for request in theirs[-PENDING_EACH:]:
        assert provider.redirect_of(request, "theirs") == BACK
    with pytest.raises(UsageError):
        provider.redirect_of(theirs[-PENDING_EACH - 1], "theirs")


def test_sign_ins_begun_at_many_addresses_push_out_those_of_the_busiest(provider: Provider) -> None:
    mine, _ = provider.ask(FINE, "mine", "192.0.2.1")
    for number in range(3 * MAX_PENDING):
        provider.ask(FINE, "theirs", f"198.51.100.{number % 100}")
    assert provider.redirect_of(mine, "mine") == BACK and len(provider._pending) == MAX_PENDING


def test_pages_count_by_the_address_that_calls(provider: Provider, accounts: Accounts) -> None:
    """All the way through the app; an IPv6 host has its /64 for itself."""
    app = create_app(provider, accounts)

    async def page(address: str) -> tuple[httpx.AsyncClient, str]:
        there = httpx.ASGITransport(app, client=(address, 4000))
        client = httpx.AsyncClient(transport=there, base_url=provider.issuer)
        text = (await client.get("/authorize", params=FINE)).text
        return client, text.partition('name="request" value="')[2].partition('"')[0]

    async def answered(shown: tuple[httpx.AsyncClient, str], name: str, password: str) -> int:
        fields = {"request": shown[1], "name": name, "password": password}
        return (await shown[0].post("/authorize", data=fields, headers={"origin": provider.issuer})).status_code

    async def all_the_way() -> None:
        mine, theirs = await page("2001:db8::1"), await page("2001:db8:0:1::1")
        assert {await answered(theirs, f"nobody{number}", "x") for number in range(WRONG_ADDRESS)} == {403}
        assert await answered(await page("2001:db8:0:1::2"), "anna", PASSWORD) == 429
        for number in range(PENDING_EACH):
            await page(f"2001:db8:0:1::{number:x}")
        assert await answered(mine, "anna", PASSWORD) == 303
        assert await answered(theirs, "anna", PASSWORD) == 400

    asyncio.run(all_the_way())
