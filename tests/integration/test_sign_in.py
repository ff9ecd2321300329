"""Signing in by a browser at a real issuer: the whole way, and everything that must not get through."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from infra.https import HttpsServer
from infra.postgres import Database
from schemas.errors import AccessDenied, RateLimited, UsageError
from streams.forensic import sessions
from streams.forensic.oidc import ClientSetup, OpenIdClient
from streams.issuer.accounts import Accounts
from streams.issuer.app import create_app
from streams.issuer.provider import Client, Provider
from tests.support.desk_service import PASSWORD, SECRET, Browser, DeskService, identity
from tests.support.services import Postgres

COOKIE = "__Host-sealframe-city-faces"


@pytest.fixture
def desk(forensic_desk: DeskService) -> DeskService:
    """The session's service."""
    return forensic_desk


@pytest.fixture
def browser(desk: DeskService) -> Iterator[Browser]:
    made = desk.browser()
    yield made
    made.close()


def test_sign_in_goes_the_whole_way_and_out_again(desk: DeskService, browser: Browser) -> None:
    asked = browser.get("/cases?x=1", accept="text/html")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?to=%2Fcases%3Fx%3D1")
    back = browser.sign_in("investigator-anna")
    assert back.status_code == 200 and 'url=/"' in back.text
    [session] = [c for c in back.headers.get_list("set-cookie") if c.startswith(f"{COOKIE}=")]
    assert all(word in session for word in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"))
    assert "Domain" not in session
    [entry] = desk.log()
    assert (entry["action"], entry["actor"]) == ("sign-in", "investigator-anna")
    assert "investigator-anna" in browser.get("/cases", accept="text/html").text
    out = browser.http.post(f"{desk.url}/sign-out", data={"csrf": browser.csrf()}, headers={"origin": desk.url})
    assert out.status_code == 200 and browser.get("/cases").status_code == 401
    assert desk.log()[0]["action"] == "session-refused" or desk.log()[0]["action"] == "sign-out"


def test_without_a_session_there_is_nothing(desk: DeskService, browser: Browser) -> None:
    for path in ("/", "/cases", "/log", "/metrics", "/openapi.json", "/cases/..%2f..%2fetc", "/static/../cases"):
        assert browser.get(path).status_code == 401, path
    assert browser.http.post(f"{desk.url}/cases", json={}).status_code == 401


def test_forged_and_planted_sessions_are_refused_and_logged(desk: DeskService, browser: Browser) -> None:
    for value in ("x", "x" * 43, "' OR 1=1 --", "x" * 5000):
        answer = browser.http.get(f"{desk.url}/cases", headers={"cookie": f'{COOKIE}="{value}"'})
        assert answer.status_code == 401 and desk.log()[0]["action"] == "session-refused"
    planted = "p" * 43
    browser.http.cookies.set(COOKIE, planted)
    back = browser.sign_in("investigator-anna")
    assert back.status_code == 200 and planted not in back.headers["set-cookie"]
    assert browser.http.get(f"{desk.url}/cases", headers={"cookie": f"{COOKIE}={planted}"}).status_code == 401


def test_sign_ins_begun_at_one_address_push_out_their_own(
    postgres_authority: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_SIGN_INS", 10)
    now, flood = [1_000_000], []
    with postgres_authority.database() as database:
        under_way = sessions.Sessions(database, lambda: now[0], 1, 1)
        others = [under_way.begin("/", f"192.0.2.{at}") for at in range(1, 5)]
        for _ in range(30):
            now[0] += 1
            flood.append(under_way.begin("/", "2001:db8::/64"))
        for browser, made in (*others, *flood[-6:]):
            assert under_way.take(browser, made.state) == made
        assert all(under_way.take(browser, made.state) is None for browser, made in flood[:-6])
        browser, made = under_way.begin("/", "192.0.2.1")
        now[0] += sessions.SIGN_IN_MS
        assert under_way.take(browser, made.state) is None


def test_session_ends_with_disabling_age_and_idleness(desk: DeskService, browser: Browser) -> None:
    browser.sign_in("investigator-ben")
    assert browser.get("/cases").status_code == 200
    with desk.client("admin-eve") as admin:
        admin.send("/people/disable", {"person": "investigator-ben"})
        assert browser.get("/cases").status_code == 401
        assert browser.sign_in("investigator-ben").status_code == 403
        admin.send("/people/disable", {"person": "investigator-ben", "disabled": False})
    for column in ("made_ms", "seen_ms"):
        browser.sign_in("investigator-ben")
        with Database(desk.database) as database, database.connection() as db:
            db.execute(f"UPDATE sessions SET {column} = {column} - 9 * 3600000")  # noqa: S608
        assert browser.get("/cases").status_code == 401


@pytest.mark.parametrize(("origin", "token"), [
    ("own", None), ("own", "0" * 64), (None, "own"), ("https://evil.example", "own"), ("null", "own"),
])
def test_calls_from_other_pages_are_refused_and_logged(
    desk: DeskService, browser: Browser, origin: str | None, token: str | None
) -> None:
    browser.sign_in("investigator-anna")
    own = browser.csrf()
    page = {"accept": "text/html"}
    headers = page if origin is None else {**page, "origin": desk.url if origin == "own" else origin}
    form = {"person": "investigator-anna", "disabled": "true"}
    given = own if token == "own" else token
    answer = browser.http.post(
        f"{desk.url}/people/disable", data=form | ({"csrf": given} if given else {}), headers=headers
    )
    assert answer.status_code == 403 and desk.log()[0]["action"] == "form-refused", answer.text
    ours = browser.http.post(
        f"{desk.url}/people/disable", data={**form, "csrf": own}, headers={**page, "origin": desk.url}
    )
    assert ours.status_code == 403 and desk.log()[0]["action"] == "people-change-refused", ours.text


def test_certificate_of_a_browser_is_not_enough_for_other_pages(desk: DeskService) -> None:
    with desk.raw("investigator-anna") as http:
        case = {"text": "AB12CDE", "case": "none", "purpose": "test"}
        assert "no such case" in http.post("/search/plate", data=case).text
        assert "isn't ours" in http.post("/search/plate", data=case, headers={"origin": "https://evil.example"}).text
        own = {"origin": desk.server.server.url}
        assert "isn't ours" in http.post("/search/plate", data=case, headers=own).text
        token = http.get("/me").json()["csrf"]
        assert "no such case" in http.post("/search/plate", data={**case, "csrf": token}, headers=own).text
        assert "no such case" in http.post("/search/plate", data=case, headers=own | {"x-csrf-token": token}).text


def test_sign_in_back_from_elsewhere_is_refused(desk: DeskService, browser: Browser) -> None:
    """Another's state or code, a code twice, no code, another issuer."""
    other = desk.browser()
    mine, theirs = browser.code("investigator-anna"), other.code("approver-cora")
    for fields in (theirs, {**mine, "state": theirs["state"]}, {}, {"state": "x", "code": "y"}):
        answer = browser.get(f"/sign-in/callback?{httpx.QueryParams(fields)}")
        assert answer.status_code == 403 and desk.log()[0]["action"] == "sign-in-refused", fields
    for change in ({"iss": "https://evil.example"}, {"error": "access_denied", "code": ""}, {"code": "unknown"}):
        fields = {**browser.code("investigator-anna"), **change}
        assert browser.get(f"/sign-in/callback?{httpx.QueryParams(fields)}").status_code == 403
    fields = browser.code("investigator-anna")
    path = f"/sign-in/callback?{httpx.QueryParams(fields)}"
    assert [browser.get(path).status_code for _ in range(2)] == [200, 403]
    other.close()


@pytest.mark.parametrize(("to", "on"), [
    ("/cases/17", "/cases/17"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/%5Cevil.example", "/"),
    ("/%22%3E%3Cscript%3E", "/&quot;&gt;&lt;script&gt;"),
])
def test_sign_in_goes_on_to_a_page_here_alone(browser: Browser, to: str, on: str) -> None:
    back = browser.http.get(browser.answer(browser.to_issuer(to), "investigator-anna").headers["location"])
    assert f'url={on}"' in back.text


def test_account_that_nobody_here_has_is_refused_with_its_name(desk: DeskService, browser: Browser) -> None:
    subject = desk.accounts.put("stranger", PASSWORD)
    answer = browser.sign_in("stranger")
    assert answer.status_code == 403 and f"oidc:{desk.issuer.url}#{subject}" in answer.text


@pytest.fixture(scope="module")
def provider(ca: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """An issuer whose key the test has, so that it can sign what no issuer should."""
    made = Provider("", Client("sealframe", SECRET, frozenset()), time.time)
    accounts = Accounts(tmp_path_factory.mktemp("issuer") / "accounts.json", time.monotonic)
    with HttpsServer(create_app(made, accounts), identity(ca, "issuer"), (), browsers=True) as server:
        made.issuer = server.url
        yield made


def signed(provider: Provider, change: dict[str, Any], key: RSAKey | None = None) -> str:
    """A token of the issuer, but for the changed claims (None: left out)."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": provider.issuer, "aud": "sealframe", "sub": "s", "iat": now, "exp": now + 60,
                              "nonce": "n"} | change
    said = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": provider._key.kid}, said, key or provider._key)


@pytest.mark.parametrize("change", [
    {"iss": "https://evil.example"}, {"aud": "another"}, {"aud": ["another"]}, {"aud": ["sealframe", "x"], "azp": "x"},
    {"exp": 1}, {"iat": 1}, {"iat": 2**40}, {"nonce": "other"}, {"nonce": None}, {"sub": None}, {"sub": ""},
    {"sub": "a\nb"}, {"sub": "x" * 300}, {"sub": 5}, {"exp": None}, {"nbf": 2**40}, {"at_hash": "x"},
], ids=lambda change: ",".join(change))
def test_token_that_is_not_for_us_now_is_refused(ca: Path, provider: Provider, change: dict[str, Any]) -> None:
    """Signed by the issuer's own key in every case: the claims alone are wrong."""
    client = OpenIdClient(ClientSetup(provider.issuer, "sealframe", ca=ca / "ca.pem"))
    assert client.checked(signed(provider, {}), "n", "access") == "s"
    with pytest.raises(AccessDenied):
        client.checked(signed(provider, change), "n", "access")


def test_forged_token_is_refused(ca: Path, provider: Provider) -> None:
    client = OpenIdClient(ClientSetup(provider.issuer, "sealframe", ca=ca / "ca.pem"))
    token = signed(provider, {})
    bare = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + "." + token.split(".")[1] + "."
    shared = jwt.encode({"alg": "HS256", "kid": provider._key.kid}, {"sub": "s"}, OctKey.generate_key(256))
    for wrong in (signed(provider, {}, RSAKey.generate_key(2048)), token.rpartition(".")[0] + ".", bare, shared,
                  token[:-4] + "AAAA", "", "a.b.c", "x", "\ud800"):
        with pytest.raises(AccessDenied):
            client.checked(wrong, "n")
    with pytest.raises(AccessDenied):
        client.checked(token, "")
    other = OpenIdClient(ClientSetup(f"{provider.issuer}/other", "sealframe", ca=ca / "ca.pem"))
    with pytest.raises(AccessDenied):
        other.checked(token, "n")


@pytest.mark.parametrize(("change", "auth"), [
    ({"code_verifier": "x" * 43}, SECRET), ({"redirect_uri": "https://evil.example/"}, SECRET),
    ({"grant_type": "password"}, SECRET), ({"code": "x"}, SECRET), ({}, "wrong"), ({}, ""),
])
def test_issuer_gives_no_token_to_others(
    desk: DeskService, browser: Browser, change: dict[str, str], auth: str
) -> None:
    code = browser.code("investigator-anna")["code"]
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{desk.url}/sign-in/callback",
              "code_verifier": "unknown", **change}
    answer = browser.http.post(f"{desk.issuer.url}/token", data=fields, auth=("sealframe", auth))
    assert answer.status_code == 401 and "id_token" not in answer.text


@pytest.mark.parametrize("change", [
    {"redirect_uri": "https://evil.example/"}, {"client_id": "other"}, {"response_type": "token"}, {"nonce": ""},
    {"code_challenge_method": "plain"}, {"code_challenge": ""}, {"state": ""}, {"scope": "profile"},
])
def test_issuer_shows_no_form_for_a_request_that_is_not_ours(
    desk: DeskService, browser: Browser, change: dict[str, str]
) -> None:
    fine = {"client_id": "sealframe", "redirect_uri": f"{desk.url}/sign-in/callback", "response_type": "code",
            "scope": "openid", "state": "s", "nonce": "n", "code_challenge": "c", "code_challenge_method": "S256"}
    assert "password" in browser.http.get(f"{desk.issuer.url}/authorize", params=fine).text
    answer = browser.http.get(f"{desk.issuer.url}/authorize", params=fine | change)
    assert answer.status_code == 400 and "password" not in answer.text


def test_issuer_form_needs_its_own_page_and_the_right_password(desk: DeskService, browser: Browser) -> None:
    page = browser.to_issuer()
    assert browser.answer(page, "investigator-anna", "wrong password").status_code == 403
    assert browser.answer(page, "nobody at all").status_code == 403
    stranger = desk.browser()
    assert stranger.answer(page, "investigator-anna").status_code == 400
    fields = {"request": "x", "name": "investigator-anna", "password": PASSWORD}
    answer = browser.http.post(f"{desk.issuer.url}/authorize", data=fields, headers={"origin": "https://evil.example"})
    assert answer.status_code == 400
    assert browser.answer(page, "investigator-anna").status_code == 303
    assert browser.answer(page, "investigator-anna").status_code == 400
    stranger.close()


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_passwords_guessed_side_by_side_are_counted_one_by_one(tmp_path: Path, name: str) -> None:
    """And a name that nobody has is locked as one that somebody has: the lock doesn't tell which there are."""
    accounts = Accounts(tmp_path / "accounts.json", lambda: 0.0)
    accounts.put("anna", PASSWORD)

    def guess(number: int) -> bool:
        try:
            return bool(accounts.subject(name, f"wrong {number}")) or True
        except RateLimited:
            return False

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(guess, range(12))) == 5


def test_accounts_keep_hashes_and_slow_down_guessing(tmp_path: Path) -> None:
    now = [0.0]
    accounts = Accounts(tmp_path / "accounts.json", lambda: now[0])
    subject = accounts.put("anna", PASSWORD)
    assert (tmp_path / "accounts.json").stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in (tmp_path / "accounts.json").read_text()
    assert accounts.subject("anna", PASSWORD) == subject == accounts.put("anna", PASSWORD)
    assert [accounts.subject("anna", f"wrong {number}") for number in range(5)] == [""] * 5
    with pytest.raises(RateLimited):
        accounts.subject("anna", PASSWORD)
    now[0] = 61.0
    assert accounts.subject("anna", PASSWORD) == subject
    accounts.remove("anna")
    assert accounts.subject("anna", PASSWORD) == "" and accounts.put("anna", PASSWORD) != subject
    for name, password in (("anna", "short"), ("../anna", PASSWORD), ("", PASSWORD)):
        with pytest.raises(UsageError):
            accounts.put(name, password)
