"""Plans, records and pages import no protocol package, as docs/architecture.md lays down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "conformance"
ALLOWED = {
    "matrix": {"errors", "matrix"},
    "record": {"errors", "matrix", "record"},
    "report": {"errors", "console", "matrix", "record", "report"},
}
FILES = [path for room in ALLOWED for path in sorted((PACKAGE / room).glob("*.py"))]


def imported(path: Path) -> set[str]:
    """The rooms of the package that a file imports from, for type checking or for good."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("conformance.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_imports_only_from_rooms_below_it(path: Path) -> None:
    assert imported(path) <= ALLOWED[path.parent.name]


def test_the_reader_of_imports_sees_them() -> None:
    assert "matrix" in imported(PACKAGE / "record" / "store.py")
