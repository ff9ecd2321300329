"""JSON with one value changed: whatever is signed must notice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in JSON."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The same with one value changed."""
    made = json.loads(json.dumps(value))
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(inner[path[-1]])
    return made


def other(value: Any) -> Any:
    """Another value of its kind, of about its form."""
    if isinstance(value, str) and value:
        return value[:-3] + ("A" if value[-3:-2] != "A" else "B") + value[-2:] if len(value) > 3 else value + "x"
    return value + 1 if isinstance(value, int) else "x"
