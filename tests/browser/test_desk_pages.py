"""The desk's pages in Chromium, over mutual TLS: a case opened, approved, searched by; the log and people.

Every page is clicked through as the person whose work it is, and looked at by axe, light and dark, wide and narrow.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from streams.forensic.gate import Ground
from tests.support.browser import check_looks, opened, run, until, until_focus
from tests.support.cases import open_case
from tests.support.city import CAMERA, GROUND, City
from tests.support.desk_service import PASSWORD, desk_service
from tests.support.services import Postgres

As = Callable[[str], Page]

DROP = """
const file = new File([Uint8Array.from(atob(args[0]), (c) => c.charCodeAt(0))], 'pair.png', {type: 'image/png'});
const dataTransfer = new DataTransfer();
dataTransfer.items.add(file);
const event = new DragEvent('drop', {dataTransfer, bubbles: true, cancelable: true});
document.getElementById('drop').dispatchEvent(event);
"""


def test_case_is_opened_approved_by_another_person_and_closed(town: City, people: As) -> None:
    anna, cora = people("investigator-anna"), people("approver-cora")
    anna.goto(town.desk)
    anna.get_by_role("link", name="Open a case").click()
    expect(anna.get_by_label("Legal basis")).to_be_visible()
    check_looks(anna)
    anna.get_by_label("What it is about").fill("Lost child at the fair")
    anna.get_by_label("Legal basis").fill("order 7/2026")
    anna.get_by_label("Cameras").fill("gate-1\ngate-2")
    anna.get_by_label("Until (UTC)", exact=True).fill("2020-01-01T00:00")
    anna.get_by_label("From (UTC)").fill("2021-01-01T00:00")
    anna.get_by_role("button", name="Open the case").click()
    expect(anna.get_by_role("alert")).to_have_text("the case's period ends before it begins")
    expect(anna.get_by_label("Legal basis")).to_have_value("order 7/2026")  # nothing typed is lost
    anna.get_by_label("Until (UTC)", exact=True).fill("2099-01-01T00:00")
    anna.get_by_role("button", name="Open the case").click()
    expect(anna.get_by_text("waits for approval")).to_be_visible()
    expect(anna.get_by_role("button", name="Approve")).to_have_count(0)
    address = anna.url
    cora.goto(town.desk)
    expect(cora.get_by_role("heading", name="Approvals")).to_be_visible()
    cora.get_by_role("link", name="about Lost child at the fair").click()
    expect(cora.get_by_role("button", name="Approve exactly this")).to_be_visible()
    check_looks(cora)
    cora.get_by_role("button", name="Approve exactly this").click()
    expect(cora.locator(".head .badge")).to_have_text("open")
    anna.goto(address)
    expect(anna.get_by_role("heading", name="Search by a picture")).to_be_visible()
    anna.locator("summary", has_text="The case:").click()
    anna.get_by_role("link", name="Change the case").click()
    expect(anna.get_by_label("Cameras")).to_have_value("gate-1\ngate-2")
    anna.get_by_label("What it is about").fill("Lost child at the fair, second day")
    anna.get_by_role("button", name="Change the case").click()
    expect(anna.get_by_text("Nothing can be searched yet")).to_be_visible()
    expect(anna.get_by_text("doesn't count")).to_be_visible()
    anna.get_by_role("button", name="Close the case for ever").click()
    expect(anna.locator(".head .badge")).to_have_text("closed")
    anna.get_by_role("link", name="Cases").click()
    expect(anna.get_by_role("row", name="Lost child")).to_contain_text("closed")
    check_looks(anna)


def test_face_is_searched_by_keyboard_alone(town: City, people: As) -> None:
    page = people("investigator-anna")
    page.on("filechooser", lambda chooser: chooser.set_files(town.probe))
    page.goto(f"{town.desk}/cases")
    until_focus(page, "a test")  # the case of the fixture
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing searched yet")).to_be_visible()
    until_focus(page, "Picture of a face")
    page.keyboard.press("Enter")
    expect(page.get_by_alt_text("Chosen picture: probe.png")).to_be_visible()
    until_focus(page, "Search for this face")
    page.keyboard.press("Enter")
    title = page.get_by_role("heading", name="1 match")
    expect(title).to_be_visible(timeout=30_000)
    expect(title).to_be_focused()
    shown = page.locator(".result")
    expect(shown).to_contain_text(CAMERA)
    expect(shown).to_contain_text("Sure match")
    expect(page.locator(".coverage")).to_contain_text("2 subjects")
    expect(page.locator("#results")).to_contain_text("A likeness is a lead to be checked, not an identification.")
    picture = shown.locator("img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert run(page, "return document.querySelector('.result img').naturalWidth;") > 60
    check_looks(page)
    page.get_by_label("Picture of a face").set_input_files(town.stranger)
    page.get_by_role("button", name="Search for this face").click()
    expect(page.get_by_role("heading", name="No match")).to_be_visible(timeout=30_000)
    expect(page.locator("#results")).to_contain_text("This does not say that the person was not there")
    page.get_by_label("Text of the plate").fill("AB12CDE")
    page.get_by_role("button", name="Search for this plate").click()
    expect(page.locator("#results")).to_contain_text("Nothing could be searched")
    page.get_by_label("Text of the plate").fill("*")
    page.get_by_role("button", name="Search for this plate").click()
    expect(page.get_by_role("alert")).to_contain_text("wildcards")


def test_one_of_several_faces_is_chosen_and_sought_elsewhere(town: City, people: As) -> None:
    page = people("investigator-anna")
    page.goto(f"{town.desk}/cases/{GROUND.case}")
    run(page, DROP, base64.b64encode(town.pair.read_bytes()).decode())
    expect(page.get_by_alt_text("Chosen picture: pair.png")).to_be_visible()
    page.get_by_role("button", name="Search for this face").click()
    expect(page.get_by_role("heading", name="Which face?")).to_be_focused()
    expect(page.locator("#preview rect")).to_have_count(2)
    check_looks(page)
    page.get_by_role("button", name="Face 1").click()  # the stranger
    expect(page.get_by_role("heading", name="No match")).to_be_visible()
    page.get_by_role("button", name="Search for this face").click()
    page.get_by_role("button", name="Face 2").click()
    expect(page.get_by_role("heading", name="1 match")).to_be_visible()
    expect(page.locator("#preview rect")).to_have_count(0)
    page.get_by_role("button", name="Where else is match 1").click()
    expect(page.get_by_role("heading", name="No match")).to_be_visible()
    newest = town.server.forensics.log.last(1)[0].content
    assert newest["action"] == "search-face" and newest["detail"]["subject"].startswith(town.video_id)


def test_auditor_reads_the_log_and_its_checkpoint(town: City, people: As) -> None:
    anna, dan = people("investigator-anna"), people("auditor-dan")
    refused = anna.goto(f"{town.desk}/log")
    assert refused is not None and refused.status == 403
    expect(anna.get_by_text("log-read is for auditor; you are investigator")).to_be_visible()
    dan.goto(town.desk)
    expect(dan.get_by_role("heading", name="Access log")).to_be_visible()
    expect(dan.get_by_text("covers all entries")).to_be_visible()
    rows = dan.locator("#log-entries tbody tr")
    expect(rows.first).to_contain_text("log-read-refused")
    expect(rows.first).to_contain_text("investigator-anna")
    check_looks(dan)
    before = int(rows.first.locator("td").first.inner_text())
    anna.goto(f"{town.desk}/people")
    expect(rows.first).to_contain_text("people-read-refused")  # without loading the page again
    assert int(rows.first.locator("td").first.inner_text()) == before + 1
    dan.get_by_label("Only entries of this page with").fill("case-approve")
    dan.get_by_role("button", name="Show").click()
    expect(rows.first).to_contain_text("approver-cora")
    dan.goto(f"{town.desk}/log?before=2")
    expect(rows).to_have_count(2)


def test_admin_adds_and_disables_people_at_once(town: City, people: As) -> None:
    eve, finn = people("admin-eve"), people("investigator-finn")
    answer = finn.goto(town.desk)
    assert answer is not None and answer.status == 401
    expect(finn.get_by_role("heading", name="Sign in")).to_be_visible()
    check_looks(finn)
    eve.goto(f"{town.desk}/people")
    eve.get_by_label("Comes by").fill("investigator-finn")
    eve.get_by_label("Name").fill("Finn")
    eve.get_by_label("auditor").check()
    eve.get_by_label("investigator", exact=True).check()
    eve.get_by_role("button", name="Save").click()
    expect(eve.get_by_role("alert")).to_contain_text("go with no other role")
    eve.get_by_label("Comes by").fill("investigator-finn")
    eve.get_by_label("Name").fill("Finn")
    eve.get_by_label("investigator", exact=True).check()
    eve.get_by_role("button", name="Save").click()
    expect(eve.get_by_role("row", name="Finn")).to_contain_text("may sign in")
    check_looks(eve)
    finn.goto(town.desk)
    expect(finn.get_by_role("heading", name="Cases")).to_be_visible()
    finn.goto(f"{town.desk}/cases/{GROUND.case}")  # not a case of his
    expect(finn.get_by_role("heading", name="This isn't allowed.")).to_be_visible()
    eve.get_by_role("button", name="Disable Finn").click()
    expect(eve.get_by_role("row", name="Finn")).to_contain_text("disabled")
    finn.goto(f"{town.desk}/cases")
    expect(finn.get_by_role("heading", name="Sign in")).to_be_visible()


def test_form_of_another_site_is_refused_and_logged(town: City, people: As) -> None:
    page = people("investigator-anna")
    page.goto(f"{town.desk}/cases/new")
    run(page, "document.querySelector('input[name=csrf]').value = '0'.repeat(64);")
    page.get_by_label("What it is about").fill("forged")
    page.get_by_label("Legal basis").fill("none")
    page.get_by_role("button", name="Open the case").click()
    expect(page.get_by_text("isn't ours: load its page again")).to_be_visible()
    newest = town.server.forensics.log.last(1)[0].content
    assert (newest["action"], newest["actor"]) == ("form-refused", "investigator-anna")


def test_person_signs_in_at_the_issuer_and_out(
    ca: Path, postgres_authority: Postgres, tmp_path: Path, browser: Browser
) -> None:
    with (
        desk_service(ca, tmp_path, postgres_authority.fresh()[0]) as desk,
        opened(browser, quiet=("status of 40",), ignore_https_errors=True) as page,
    ):
        page.goto(f"{desk.url}/cases/new")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        check_looks(page)
        page.get_by_label("Name").fill("investigator-anna")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        page.get_by_label("Name").fill("investigator-anna")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Open a case")).to_be_visible()  # where she wanted to go
        page.get_by_label("What it is about").fill("Lost child")
        page.get_by_label("Legal basis").fill("order 8/2026")
        page.get_by_role("button", name="Open the case").click()
        expect(page.get_by_text("waits for approval")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
        check_looks(page)
        page.goto(f"{desk.url}/cases")
        expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.parametrize(("shows", "sharp"), [("subject", True), ("nobody", False)])
def test_pictures_stay_blurred_until_the_case_allows(town: City, people: As, shows: str, sharp: bool) -> None:
    ground = open_case(town.database, Ground("investigator-ben", f"shows-{shows}", "test"), shows=shows)
    page = people("investigator-ben")
    page.goto(f"{town.desk}/cases/{ground.case}")
    page.get_by_label("Picture of a face").set_input_files(town.probe)
    page.get_by_role("button", name="Search for this face").click()
    expect(page.get_by_role("heading", name="1 match")).to_be_visible(timeout=30_000)
    picture = page.locator(".result img")
    answer = page.request.get(town.desk + str(picture.get_attribute("src")))
    shown = cv2.imdecode(np.frombuffer(answer.body(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown is not None and (cv2.Laplacian(shown, cv2.CV_64F).var() > 100) == sharp
    newest = town.server.forensics.log.last(1)[0].content
    assert (newest["action"] == "picture") == sharp


def test_subject_is_restored_and_played_beside_the_desensitised_video(town: City, people: As) -> None:
    ground = open_case(town.database, Ground("investigator-ben", "restored", "test"), shows="subject")
    page, other = people("investigator-ben"), people("investigator-anna")
    page.goto(f"{town.desk}/cases/{ground.case}")
    page.get_by_label("Picture of a face").set_input_files(town.probe)
    page.get_by_role("button", name="Search for this face").click()
    page.get_by_role("link", name="Restore match 1").click()
    expect(page.get_by_text("everybody else stays masked")).to_be_visible()
    check_looks(page)
    page.get_by_label("Write it although frames").check()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible(timeout=60_000)  # without loading the page again
    job = page.url.rpartition("/")[2]
    page.get_by_role("button", name="Show the restored video").click()
    until(page, "return document.getElementById('restored').currentTime > 1;")
    run(page, "const v = document.getElementById('restored'); v.pause(); v.currentTime = 2.5;")
    until(page, """const [a, b] = document.querySelectorAll('video');
                   return a.currentTime === 2.5 && b.currentTime === 2.5 && !b.seeking && b.paused;""")
    lengths = run(page, "return [...document.querySelectorAll('video')].map((v) => v.duration);")
    assert lengths[0] == pytest.approx(lengths[1], abs=0.05)  # one time line: the same moment is the same time
    assert run(page, "return [...document.querySelectorAll('video')].every((v) => v.videoWidth === 640 && !v.error);")
    newest = town.server.forensics.log.last(1)[0].content
    assert (newest["action"], newest["actor"]) == ("fetch", "investigator-ben")
    check_looks(page)
    manifest = page.request.get(f"{town.desk}/desk/manifest?job={job}").json()
    assert manifest["body"]["person"] == "investigator-ben"
    other.goto(page.url)
    expect(other.get_by_text("there is no such restoration of yours")).to_be_visible()
    page.get_by_role("link", name="Restorations").click()
    page.locator("#jobs tbody a").first.click()
    page.get_by_role("button", name="Destroy it now").click()
    expect(page.get_by_role("heading", name="Destroyed")).to_be_visible()
