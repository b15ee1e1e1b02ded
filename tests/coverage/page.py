"""The page docs/ikev1-coverage.md: every row of the inventory with what proves it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.coverage.cells import FAULTY, ROLES
from tests.coverage.inventory import ROWS, SECTIONS
from tests.coverage.results import proven

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.coverage.inventory import Row, Section
    from tests.coverage.results import Proof, Result

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "ikev1-coverage.md"
OWN = ("tshark", "scapy", "vector", "self")
"""What proves a row besides daemons, the strongest first."""
MOST_TESTS = 4
"""So many tests stand in a row at most; the JSON has all of them."""

HEAD = """\
# Coverage of IKEv1

Written by `make ikev1-coverage` from the outcomes of the tests; not to be edited. Rows and notes
come from `tests/coverage/inventory.toml`, and a test counts only where it ran and passed.

* **Implemented**: *yes*, the reference speaks it; *named*, it parses and prints it, no more;
  *refused*, it parses and refuses it.
* **Proven against**: a daemon with the roles it took against the reference; *tshark* or *scapy*,
  which read what the reference writes or the other way round; *vector*, numbers that a document
  publishes or another implementation made; *self*, both ends of this suite.
* **Test**: one for each of these.

"""

Table = dict[str, dict[str, list["Result"]]]
"""Row -> by what -> tests."""


def problems(results: Iterable[Result], claimed: Iterable[Proof]) -> list[str]:
    """What keeps the page from being whole: a line for each row that lacks something."""
    table = proven(results)
    return [
        *(f"{row}: the inventory has no such row" for row in sorted(table.keys() - ROWS.keys())),
        *(
            f"{row.id} ({row.name}): no test that passed"
            for row in ROWS.values()
            if row.id not in table
        ),
        *(
            f"{row.id} ({row.name}): proven by this suite alone, and no note says why"
            for row in ROWS.values()
            if set(table.get(row.id, ())) == {"self"} and not row.note
        ),
        *(
            f"{row} ({ROWS[row].name}): claimed, not proven against {by}"
            for row, by in sorted(claimed)
            if by not in table.get(row, ())
        ),
    ]


def render(results: Iterable[Result]) -> str:
    """The page as Markdown."""
    table = proven(results)
    return HEAD + "\n".join(_section(section, table) for section in SECTIONS)


def _section(section: Section, table: Table) -> str:
    lines = [_line(row, table.get(row.id, {})) for row in section.rows]
    head = "| Row | Name | Source | Implemented | Proven against | Test | Note |\n" + "|---" * 7
    return f"## {section.title}\n\n{head}|\n" + "".join(f"{line}\n" for line in lines)


def _line(row: Row, proofs: Mapping[str, list[Result]]) -> str:
    daemons = _daemons(proofs)
    against = [f"{name} ({roles})" for name, roles in daemons.items()]
    against += [by for by in OWN if by in proofs]
    faults = [f"{by}: see findings.md, {text}" for (of, by), text in FAULTY.items() if of == row.id]
    note = "; ".join([*faults, *([] if daemons else [row.note])])
    cells = [
        f"`{row.id}`",
        row.name,
        row.source,
        row.state if proofs else "",
        ", ".join(against),
        ", ".join(_tests(proofs)),
        note,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _daemons(proofs: Iterable[str]) -> dict[str, str]:
    """The daemons with the roles they took."""
    roles: dict[str, list[str]] = {}
    for by in sorted(set(proofs) - set(OWN)):
        name, _, role = by.partition(" as ")
        roles.setdefault(name, []).append(role)
    whole = sorted(ROLES)
    return {
        name: "both roles" if taken == whole else ", ".join(taken)
        for name, taken in sorted(roles.items(), reverse=True)
    }


def _tests(proofs: Mapping[str, list[Result]]) -> list[str]:
    """A link for each kind of proof, daemons first; one function stands once."""
    order = sorted(proofs, key=lambda by: (OWN.index(by) if by in OWN else -1, by))
    places = dict.fromkeys(proofs[by][0].place for by in order)
    return [f"[`{name}`](../{path})" for path, name in list(places)[:MOST_TESTS]]


def linked_tests(page: str) -> set[tuple[str, str]]:
    """File and function of every test that a page names."""
    return {(path, name) for name, path in re.findall(r"\[`(\w+)`\]\(\.\./([^)]+)\)", page)}


def listed_rows(page: str) -> list[str]:
    """The row ids of a page, in order."""
    return re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
