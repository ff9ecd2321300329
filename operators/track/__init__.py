"""Track regions through a chunk: between detections, through occlusion, and back to before they were first found."""

from operators.track.detect_plan import DetectPlan, Difference, between, longest_s, plan
from operators.track.forward import Found, TrackerState
from operators.track.settings import TrackSettings
from operators.track.tracker import Tracker

__all__ = [
    "DetectPlan", "Difference", "Found", "TrackSettings", "Tracker", "TrackerState", "between", "longest_s", "plan",
]
