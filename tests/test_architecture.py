"""docs/architecture.md against the code: rooms, imports, the files of ikev1, the factors."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.matrix import FACTORS
from tests.test_imports import ALLOWED, PACKAGE

TEXT = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
ROOMS = "Rooms and the direction of imports"
ALL_BUT_REPORT = "all but `report`"
"""Of the rooms that stand below."""


def rows(title: str) -> dict[str, list[str]]:
    """The first table of a section: the first cell, then the others."""
    section = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table, title
    cells = [[one.strip() for one in row.split("|")[1:-1]] for row in table[0].splitlines()[2:]]
    return {first: rest for first, *rest in cells}


def names(cell: str) -> set[str]:
    """What stands between backquotes."""
    return {one.rstrip("/") for one in re.findall(r"`([\w/]+)`", cell)}


def files(folder: Path) -> set[str]:
    """The modules and packages of a folder."""
    return {path.stem for path in folder.iterdir()} - {"__init__", "__pycache__"}


def test_rooms_import_what_is_drawn() -> None:
    drawn = {room.strip("`"): cells[0] for room, cells in rows(ROOMS).items()}
    assert drawn.pop("cli") == "what a command needs"
    everything = set(ALLOWED) - {"report", "runner", "dut"}
    told = {
        room: everything if cell == ALL_BUT_REPORT else names(cell) for room, cell in drawn.items()
    }
    assert told == ALLOWED


def test_every_folder_has_a_row() -> None:
    told = re.findall(r"^\| `conformance/(\w+)` \|", TEXT, re.MULTILINE)
    assert set(told) == {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {
        "__pycache__",
        "cli",
    }


def test_every_file_of_ikev1_is_found_by_its_name() -> None:
    """Each once, under what it is for; nothing is named that is not there."""
    told = [
        one
        for what, (cell,) in rows("Inside `conformance/ikev1`").items()
        for one in re.findall(r"`([\w/]+)`", cell)
        if what
    ]
    assert sorted(one.rstrip("/") for one in told) == sorted(files(PACKAGE / "ikev1"))


def test_files_of_other_rooms_that_are_named_are_there() -> None:
    named = re.findall(r"^\| `conformance/(\w+)` \|(.*)\|$", TEXT, re.MULTILINE)
    words = {(room, one) for room, cell in named for one in names(cell)}
    assert not {(room, one) for room, one in words if one not in files(PACKAGE / room)}


def test_every_factor_is_told_of() -> None:
    told = [one for first in rows("Plans") for one in re.findall(r"`(\w+)`", first)]
    assert sorted(told) == sorted(factor.name for factor in FACTORS)
