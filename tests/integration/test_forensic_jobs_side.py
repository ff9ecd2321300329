"""Restorations side by side: one that fails, waits or is cancelled holds up no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from operators.fragment import init_segment
from schemas.frames import VideoFormat
from streams.forensic import jobs
from streams.forensic.restorations import Wish
from tests.support.authority import VIDEO
from tests.support.cases import GROUND
from tests.support.office import Office, Platform, opened
from tests.support.services import Postgres


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, postgres_authority: Postgres) -> Iterator[Office]:
    with opened(tmp_path_factory.mktemp("office"), postgres_authority) as found:
        yield found


def test_job_whose_video_is_not_given_out_holds_up_no_other(office: Office) -> None:
    office.platform = Platform(office.platform.recording, refuses=1)
    service = office.service()
    first, second = (service.begin_restoration(f"{VIDEO}/s{n}", GROUND, Wish(with_gaps=True)) for n in (1, 2))
    states = dict[str, str]()

    def over() -> bool:
        found = {job.restoration_id: service.restoration(job.restoration_id, GROUND.actor) for job in (first, second)}
        states.update({key: job.state for key, job in found.items() if key not in states and job.state == "done"})
        return len(states) == 2

    office.live(service, over)
    assert list(states) == [second.restoration_id, first.restoration_id]


def test_job_cancelled_at_its_very_end_holds_up_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.platform = Platform(office.platform.recording)
    service = office.service()
    first, second = (service.begin_restoration(f"{VIDEO}/s{n}", GROUND, Wish(with_gaps=True)) for n in (1, 2))

    def cancelling(format: VideoFormat) -> bytes:
        if service.restoration(first.restoration_id, GROUND.actor).state == "running":
            service.cancel(first.restoration_id, GROUND.actor)
        return init_segment(format)

    monkeypatch.setattr(jobs, "init_segment", cancelling)
    assert office.done(service, second).state == "done"
    assert service.restoration(first.restoration_id, GROUND.actor).state == "cancelled"
    assert not (office.folder / first.restoration_id).exists()
    assert not [e for e in office.desk.log.last(5) if first.restoration_id in str(e.content) and
                e.content["action"].endswith("-failed")]


def test_job_whose_fragments_go_fails_and_holds_up_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.platform = Platform(office.platform.recording)
    service = office.service()
    first, second = (service.begin_restoration(f"{VIDEO}/s{n}", GROUND, Wish(with_gaps=True)) for n in (1, 2))

    def losing(format: VideoFormat) -> bytes:
        for file in (office.folder / first.restoration_id).glob("*.sealed"):
            file.unlink()
        return init_segment(format)

    monkeypatch.setattr(jobs, "init_segment", losing)
    assert office.done(service, second).state == "done"
    failed = service.restoration(first.restoration_id, GROUND.actor)
    assert failed.state == "failed" and str(office.folder) not in failed.error
