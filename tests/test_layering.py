"""The rules of the tree, read from the syntax: who imports whom, how long modules are, what is never called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "operators", "infra", "streams")
ALLOWED = {"schemas": {"schemas"}, "operators": {"schemas", "operators"}, "infra": {"schemas", "infra"},
           "streams": {"schemas", "operators", "infra", "streams"}}
ONLY_IN = {
    "faust": {"streams/app.py"},
    "confluent_kafka": {"infra"},
    "psycopg": {"infra"},
    "psycopg_pool": {"infra"},
    "Crypto": {"operators/seal.py", "operators/sign.py", "infra/keys.py"},
    "sealframe_pb2": {"schemas/codec.py"},
    "torch": {"operators/training"},
    "onnxruntime": {"operators"},
}
MODULES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if not path.name.endswith("_pb2.py")
)
IDS = [str(path.relative_to(ROOT)) for path in MODULES]


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_module_imports_only_what_its_folder_may(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    for module in _imports(ast.parse(path.read_text())):
        top = module.split(".")[0]
        if top in PACKAGES:
            assert top in ALLOWED[name.split("/")[0]], f"{name} imports {module}"
        for word in module.split("."):
            places = ONLY_IN.get(word)
            assert places is None or any(name.startswith(place) for place in places), f"{name} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_module_is_short_and_well_named(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in ("utils", "helpers", "misc", "common")
    assert ast.get_docstring(ast.parse(path.read_text())) or path.name == "__init__.py"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_module_calls_nothing_forbidden(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assert):
            pytest.fail(f"{name}:{node.lineno} asserts; raise an error of the tree instead")
        if isinstance(node, ast.ExceptHandler) and name not in ("streams/runner.py", "streams/cli/main.py"):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("Exception", "BaseException", "everything"), f"{name}:{node.lineno} catches {caught}"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
            # settings alone read it; threads sets what numpy reads
            assert name in ("infra/settings.py", "infra/threads.py"), f"{name}:{node.lineno} reads the environment"
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert "pickle" not in ast.unparse(node), f"{name}:{node.lineno} imports pickle"


PURE = sorted((ROOT / "operators").glob("*.py")) + sorted((ROOT / "operators/track").glob("*.py"))


@pytest.mark.parametrize("path", PURE, ids=[str(p.relative_to(ROOT)) for p in PURE])
def test_operator_has_no_clock_randomness_or_input(path: Path) -> None:
    modules = set(_imports(ast.parse(path.read_text())))
    banned = {"time", "random", "datetime", "socket", "logging", "threading", "uuid"}
    if path.name != "seal.py":
        banned.add("secrets")
    assert not banned & modules


BUILDERS = {"DesensitisedFrame": "operators/desensitise/", "SealedEvidence": "operators/seal.py",
            "BareZones": "operators/zones.py"}


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_types_that_vouch_for_something_are_built_in_one_place(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            place = BUILDERS.get(ast.unparse(node.func))
            assert place is None or name.startswith(place), f"{name}:{node.lineno} builds a {ast.unparse(node.func)}"
