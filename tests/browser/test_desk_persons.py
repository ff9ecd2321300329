"""The desk's pages for a person who was found, in Chromium: export, holds, erasure and its proof; every page by axe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

from playwright.sync_api import Page, expect

from streams.cli.verify import check_proof, check_restored
from streams.forensic.gate import Ground
from tests.support.browser import check_looks, until_focus
from tests.support.cases import open_case
from tests.support.city import CAMERA, City

As = Callable[[str], Page]
GROUND = Ground("investigator-ben", "own-recordings", "request 4")


def search(town: City, page: Page, case: str = GROUND.case) -> None:
    """Search a case for the one who was filmed."""
    page.goto(f"{town.desk}/cases/{case}")
    page.get_by_label("Picture of a face").set_input_files(town.probe)
    page.get_by_role("button", name="Search for this face").click()


def newest(town: City, count: int = 1) -> list[str]:
    """Actions of the newest entries of the log, in order."""
    return [str(entry.content["action"]) for entry in reversed(town.server.forensics.log.last(count))]


def test_person_gets_their_own_recordings(town: City, people: As, tmp_path: Path) -> None:
    open_case(town.database, GROUND, shows="subject")
    page = people("investigator-ben")
    search(town, page)
    page.get_by_role("button", name="Export for this person").click()
    expect(page.get_by_role("alert")).to_have_text("tick at least one match that shows the person")
    search(town, page)
    page.get_by_role("checkbox", name="This is the person in match 1").check()
    check_looks(page)
    page.get_by_role("button", name="Export for this person").click()
    expect(page.get_by_role("heading", name="Whom: 1 appearance")).to_be_visible()
    check_looks(page)
    page.get_by_label("Purpose").fill("request 4, by the person")
    page.get_by_label("Write it although frames").check()
    page.get_by_role("button", name="Make the archive").click()
    expect(page.get_by_role("heading", name="Ready")).to_be_visible(timeout=60_000)  # without loading the page again
    check_looks(page)
    answer = page.request.get(town.desk + str(page.get_by_role("link", name="Fetch the archive").get_attribute("href")))
    assert answer.ok and newest(town) == ["fetch"]
    assert answer.headers["content-disposition"] == 'attachment; filename="appearances-own-recordings.zip"'
    (tmp_path / "got.zip").write_bytes(answer.body())
    with ZipFile(tmp_path / "got.zip") as archive:
        archive.extractall(tmp_path)
    [video] = tmp_path.glob("*.mp4")
    said = check_restored(video, video.with_name(f"{video.name}.manifest.json"), tmp_path / "ca.pem")
    assert "alone as filmed" in said and "investigator-ben, case own-recordings" in said
    assert "request 4, by the person" in (tmp_path / "index.html").read_text()
    other = people("investigator-anna")
    other.goto(page.url)
    expect(other.get_by_text("there is no such restoration of yours")).to_be_visible()
    page.get_by_role("rowheader").get_by_role("link").click()
    expect(page.get_by_role("link", name="Its archive")).to_be_visible()
    page.get_by_role("link", name="Export for this person").click()
    expect(page.get_by_role("button", name="Make the archive")).to_be_visible()


def test_hold_is_set_and_lifted_by_an_approver_alone(town: City, people: As) -> None:
    cora, dan = people("approver-cora"), people("auditor-dan")
    cora.goto(town.desk)
    cora.get_by_role("link", name="Holds").click()
    expect(cora.get_by_text("None: retention takes what is due.")).to_be_visible()
    expect(cora.get_by_role("row", name=f"{CAMERA} face")).to_contain_text("30 days")
    cora.get_by_label("Reason").fill("claim 12")
    cora.get_by_role("button", name="Set the hold").click()
    expect(cora.get_by_role("alert")).to_contain_text("a hold on everything keeps it all for ever")
    expect(cora.get_by_label("Reason")).to_have_value("claim 12")
    cora.get_by_label("Camera", exact=True).fill("gate-9")
    cora.get_by_role("button", name="Set the hold").click()
    row = cora.get_by_role("row", name="camera gate-9")
    expect(row).to_contain_text("nothing that is kept")  # a slip of the pen shows
    check_looks(cora)
    dan.goto(f"{town.desk}/holds")
    expect(dan.get_by_role("row", name="camera gate-9")).to_contain_text("claim 12")
    expect(dan.get_by_role("button", name="Lift")).to_have_count(0)
    assert not dan.request.post(f"{town.desk}/holds/1/release", headers={"Accept": "text/html"}).ok
    row.locator("summary").click()
    row.get_by_role("button", name="Lift hold").click()
    expect(cora.get_by_text("None: retention takes what is due.")).to_be_visible()
    cora.get_by_text("Holds that are over: 1").click()
    expect(cora.get_by_text("lifted by approver-cora")).to_be_visible()
    assert newest(town) == ["hold-released"]


def test_person_is_erased_by_keyboard_and_the_proof_verifies(
    town: City, people: As, ca: Path, tmp_path: Path
) -> None:
    """The last test here: the person of the probe is gone afterwards."""
    ground = open_case(town.database, Ground("investigator-ben", "to-forget", "request 5"), shows="subject")
    open_case(town.database, Ground("investigator-anna", "keeps-all", "test"), erases=False)
    ben, cora, anna = people("investigator-ben"), people("approver-cora"), people("investigator-anna")
    cora.goto(f"{town.desk}/holds")
    cora.get_by_label("Camera", exact=True).fill(CAMERA)
    cora.get_by_label("Reason").fill("claim 13")
    cora.get_by_role("button", name="Set the hold").click()
    row = cora.get_by_role("row", name=f"camera {CAMERA}")
    expect(row).to_contain_text("1 video")
    search(town, ben, ground.case)
    expect(ben.get_by_role("heading", name="1 match")).to_be_focused(timeout=30_000)
    until_focus(ben, "This is the person")
    ben.keyboard.press("Space")
    until_focus(ben, "Erase this person")
    ben.keyboard.press("Enter")
    expect(ben.get_by_text("an approver has to lift that first")).to_be_visible()
    expect(ben.get_by_role("button", name="Erase for ever")).to_have_count(0)
    held = ben.url
    row.locator("summary").click()
    row.get_by_role("button", name="Lift hold").click()
    expect(cora.get_by_text("None: retention takes what is due.")).to_be_visible()
    ben.goto(held)
    expect(ben.get_by_role("heading", name="What nobody can take back")).to_be_visible()
    check_looks(ben)
    until_focus(ben, "Reason")
    ben.keyboard.type("request 5, by the person")
    until_focus(ben, "I know that nobody can take this back")
    ben.keyboard.press("Space")
    until_focus(ben, "Erase for ever")
    ben.keyboard.press("Enter")
    expect(ben.get_by_role("heading", name="Where to verify it")).to_be_visible()
    assert newest(town, 2) == ["erase", "erased"]
    check_looks(ben)
    answer = ben.request.get(town.desk + str(ben.get_by_role("link", name="Keep the proof").get_attribute("href")))
    proof = tmp_path / "erasure.proof.json"
    proof.write_bytes(answer.body())
    assert "(erased by investigator-ben, case to-forget)" in check_proof(proof, ca / "ca.pem")
    assert json.loads(json.loads(proof.read_text())["entry"])["detail"]["keys"] >= 1
    anna.goto(ben.url)
    expect(anna.get_by_text("you made no such erasure")).to_be_visible()
    search(town, ben, ground.case)
    expect(ben.get_by_role("heading", name="No match")).to_be_visible(timeout=30_000)
    anna.goto(f"{town.desk}/cases/keeps-all/erase?subject=x")
    expect(anna.get_by_text("The case doesn't allow an erasure by you")).to_be_visible()
