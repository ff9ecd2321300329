"""The page of legal holds and of what is kept how long: whoever works here sees both, an approver sets and lifts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from schemas.errors import UsageError
from streams.desk.case_pages import SEE_OTHER
from streams.desk.visit import Visits, may
from streams.desk.words import kept_words, read_time
from streams.forensic.hold_desk import HoldDesk, HoldDraft
from streams.forensic.permission import Person
from streams.holds import EVER
from streams.pages.render import Pages

MAX_HOLD = 2**62


@dataclass(frozen=True, slots=True)
class HoldForm:
    """The fields of a hold as somebody typed them."""

    camera: str = ""
    video: str = ""
    begin: str = ""
    end: str = ""
    reason: str = ""

    def draft(self) -> HoldDraft:
        """What is to be held.

        Raises:
            UsageError: a time that can't be; says which.

        """
        begin, end = read_time(self.begin, "from"), read_time(self.end, "until", end=True)
        return HoldDraft(self.reason.strip(), self.camera.strip() or None, self.video.strip() or None, begin or 0,
                         EVER if end is None else end)


def typed_hold(
    camera: Annotated[str, Form()] = "", video: Annotated[str, Form()] = "", begin: Annotated[str, Form()] = "",
    end: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = "",
) -> HoldForm:
    """The fields of the form, as a dependency."""
    return HoldForm(camera, video, begin, end, reason)


def add_holds(
    app: FastAPI, pages: Pages, visits: Visits, desk: HoldDesk, cameras: Callable[[], Sequence[str]]
) -> None:
    """Put the page into an app; `cameras()` names those with evidence."""
    door = visits.door

    def show(request: Request, person: Person, form: HoldForm, fault: str = "") -> Response:
        found = desk.all()
        return pages.show(
            request, "holds.html", 422 if fault else 200, title="Holds", form=form, fault=fault, ever=EVER,
            holds=[one for one in found if one.released_ms is None], covered=desk.covered(),
            over=[one for one in found if one.released_ms is not None], kept=desk.kept(), kept_words=kept_words,
            cameras=cameras(), changes=may(person, "hold-change"),
        )

    @app.get("/holds", include_in_schema=False)
    def every(request: Request) -> Response:
        return show(request, door.person(request, "hold-read"), HoldForm())

    @app.post("/holds", include_in_schema=False)
    def put(request: Request, form: Annotated[HoldForm, Depends(typed_hold)]) -> Response:
        person = door.person(request, "hold-change")
        try:
            desk.set(person, form.draft())
        except UsageError as error:
            return show(request, person, form, str(error))
        return RedirectResponse("/holds", SEE_OTHER)

    @app.post("/holds/{number}/release", include_in_schema=False)
    def lift(request: Request, number: Annotated[int, Path(ge=0, lt=MAX_HOLD)]) -> Response:
        desk.release(door.person(request, "hold-change"), number)
        return RedirectResponse("/holds", SEE_OTHER)
