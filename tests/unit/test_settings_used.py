"""Every setting does something: production code reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import Settings

ROOT = Path(__file__).parents[2]


def _reads(tree: ast.AST) -> Iterator[str]:
    """Names read from settings: `settings.x`, `self.settings.x`, `load(...).x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            whose = node.value
            if isinstance(whose, ast.Call):
                whose = whose.func
                found = isinstance(whose, ast.Name) and whose.id == "load"
            else:
                found = isinstance(whose, ast.Name | ast.Attribute) and _last(whose) == "settings"
            if found:
                yield node.attr


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


@pytest.fixture(scope="module")
def read() -> frozenset[str]:
    """All that production code reads of settings, `tls` by `tls_folder`."""
    paths = (path for folder in ("operators", "streams", "infra") for path in (ROOT / folder).rglob("*.py"))
    names = frozenset(name for path in paths for name in _reads(ast.parse(path.read_text(encoding="utf-8"))))
    return names | ({"tls"} if "tls_folder" in names else frozenset())


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_setting_is_read_by_production_code(read: frozenset[str], name: str) -> None:
    assert name in read


def test_reads_of_others_do_not_count() -> None:
    lines = ("stack.home", "settings.crf", "self.settings.stride", "load(home=x).quality", "settings.tls = 1")
    assert set(_reads(ast.parse("\n".join(lines)))) == {"crf", "stride", "quality"}
