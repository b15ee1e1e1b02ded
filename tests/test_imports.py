"""Imports run one way, as docs/architecture.md draws it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "conformance"
LEAVES = {"errors", "console", "resources", ""}
"""Helpers that all may import; "" is the package itself (its version)."""

# room: the other rooms that it may import
ALLOWED: dict[str, set[str]] = {
    "crypto": set(),
    "ikev1": {"crypto"},
    "ipsec": {"crypto"},
    "peer": {"crypto", "ikev1", "ipsec"},
    "linux": {"ipsec"},
    "matrix": set(),
    "record": {"matrix"},
    "report": {"record", "matrix"},
    "lab": {"matrix"},
    "drivers": {"crypto", "linux", "record", "peer", "lab", "matrix"},
    "runner": {"drivers", "lab", "crypto", "ikev1", "ipsec", "linux", "record", "matrix", "peer"},
    "dut": {"crypto", "drivers", "ikev1", "matrix", "peer", "record", "runner"},
}
ROOMS = [room for room in ALLOWED if (PACKAGE / room).exists()]


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, by its full name."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (
                f"{node.module}.{alias.name}" if node.module == "conformance" else node.module or ""
                for alias in node.names
            )


def rooms_of(path: Path) -> set[str]:
    """The rooms of this package that a file enters."""
    parts = [name.split(".") for name in imports(path)]
    names = {name[1] if len(name) > 1 else "" for name in parts if name[0] == "conformance"}
    return {name for name in names if (PACKAGE / name).is_dir()} - LEAVES


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        forbidden = rooms_of(path) - ALLOWED[room] - {room}
        assert not forbidden, f"{path.relative_to(PACKAGE)} imports {forbidden}"


@pytest.mark.parametrize(
    ("library", "only"),
    [
        ("cryptography", "crypto/"),
        ("cryptography.hazmat.decrepit", "crypto/ciphers.py"),
        ("gmpy2", "crypto/"),
        ("pyroute2", "linux/"),
        (
            "struct",
            (
                *("ikev1/buffer.py", "ipsec/", "peer/", "linux/", "record/", "lab/"),
                *("drivers/", "runner/"),
            ),
        ),
    ],
)
def test_who_may_import_a_library(library: str, only: str | tuple[str, ...]) -> None:
    """One shim over each primitive library; in ikev1 only the buffer knows struct."""
    for path in PACKAGE.rglob("*.py"):
        name = str(path.relative_to(PACKAGE))
        used = any(one == library or one.startswith(f"{library}.") for one in imports(path))
        assert not used or name.startswith(only), f"{name} imports {library}"


SOURCES = {
    "crypto/random.py": {"os"},
    "crypto/issuing.py": {"datetime"},  # its types: validity is counted from an argument
}


def test_protocol_code_reads_no_clock_and_draws_no_randomness() -> None:
    """Clock and randomness are arguments; only crypto/random.py knows the system's source."""
    for room in ("crypto", "ikev1", "ipsec"):
        for path in (PACKAGE / room).rglob("*.py"):
            used = set(imports(path)) & {"time", "datetime", "random", "secrets", "socket", "os"}
            allowed = SOURCES.get(str(path.relative_to(PACKAGE)), set())
            assert used <= allowed, f"{path.relative_to(PACKAGE)} imports {used}"
