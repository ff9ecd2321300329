"""Which authority gets which kinds of a chunk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from operators.desensitise.policy import Policy
from operators.pipeline import Pipeline
from operators.routes import Grading, Route, When, entitled, level_of, most_in_a_frame
from operators.sign import SigningKey
from schemas.errors import ConfigError
from schemas.records import CUSTODIAN
from schemas.regions import Region, RegionSet
from schemas.state import CameraState
from tests.support.scenes import chunk, crossing, regions

BOTH = frozenset({"face", "plate"})
AUTHORITIES = {"a": BOTH, "b": frozenset({"plate"})}


def seen(*frames: str, failed: frozenset[int] = frozenset()) -> RegionSet:
    """A chunk whose frames show a face for each `f` and a plate for each `p`."""
    kinds = {"f": "face", "p": "plate"}
    made = tuple(
        tuple(Region(i + 1, kinds[sign], (0, 0, 16, 16), 1.0, "detected") for i, sign in enumerate(frame))  # type: ignore[arg-type]
        for frame in frames
    )
    return RegionSet("cam", "cam-video", 0, made, failed)


def test_without_routes_everybody_gets_what_they_are_entitled_to() -> None:
    assert entitled(AUTHORITIES, (), (), "cam", seen("f")) == AUTHORITIES


def test_most_in_a_frame_counts_the_fullest_frame_that_isnt_masked_whole() -> None:
    found = seen("f", "ffp", "fffff", failed=frozenset({2}))
    assert most_in_a_frame(found) == {"face": 2, "plate": 1}


@pytest.mark.parametrize(("frame", "kinds"), [("f", set()), ("ff", {"face"}), ("fff", {"face"}), ("ffff", set())])
def test_route_by_number(frame, kinds) -> None:
    routes = (Route("a", When(("face",), at_least=2, at_most=3)),)
    found = entitled(AUTHORITIES, routes, (), "cam", seen("f", frame))
    assert found == {"a": kinds, "b": {"plate"}}


@pytest.mark.parametrize(("camera", "kinds"), [("road-7", {"plate"}), ("school-7", set())])
def test_route_by_camera_and_kind(camera, kinds) -> None:
    assert entitled(AUTHORITIES, (Route("a", When(("plate",), ("road-*",))),), (), camera, seen("fp"))["a"] == kinds


def test_route_by_level_high_to_one_and_low_to_the_other() -> None:
    routes = (Route("a", When(("face",)), "high"), Route("b", When(("plate",)), "low"))
    gradings = (Grading("high", When(("face", "plate"), ("school-*",))),)
    assert entitled(AUTHORITIES, routes, gradings, "school-1", seen("fp")) == {"a": {"face"}, "b": set()}
    assert entitled(AUTHORITIES, routes, gradings, "road-1", seen("fp")) == {"a": set(), "b": {"plate"}}


def test_a_kind_goes_to_several_where_several_routes_hold() -> None:
    routes = (Route("a", When(("plate",))), Route("b", When(("plate",), at_least=1)))
    assert all("plate" in kinds for kinds in entitled(AUTHORITIES, routes, (), "cam", seen("p")).values())


def test_no_route_gives_more_than_the_entitlement() -> None:
    assert entitled(AUTHORITIES, (Route("b", When(("face", "plate"))),), (), "cam", seen("fp"))["b"] == {"plate"}


def test_level_is_that_of_the_first_grading_that_holds() -> None:
    gradings = (Grading("low", When(("face",), at_most=1)), Grading("high", When(("face",))))
    assert [level_of("face", "cam", count, gradings) for count in (1, 2)] == ["low", "high"]
    assert level_of("plate", "cam", 5, gradings) == "low"


@pytest.mark.parametrize("values", [{"kinds": ()}, {"cameras": ()}, {"at_least": -1}, {"at_least": 3, "at_most": 2}])
def test_condition_that_cant_hold_is_refused(values) -> None:
    with pytest.raises(ConfigError):
        When(**{"kinds": ("face",), **values})


def test_samples_that_no_route_gives_to_anybody_stay_with_the_custodian() -> None:
    places = crossing()
    policy = Policy({"faces": frozenset({"face"})}, routes=(Route("faces", When(("face",), at_least=9)),))
    _, out = Pipeline(policy, None, SigningKey(b"p" * 32)).protect(CameraState(), chunk(places), regions(places))  # type: ignore[arg-type]
    assert {draft.authority for draft in out.evidence} == {CUSTODIAN}
    open_policy = replace(policy, routes=())
    _, out = Pipeline(open_policy, None, SigningKey(b"p" * 32)).protect(CameraState(), chunk(places), regions(places))  # type: ignore[arg-type]
    assert {draft.authority for draft in out.evidence} == {"faces"}
