"""``python -m tests.coverage FILE...``: write docs/ikev1-coverage.md from what the tests proved."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from conformance.matrix import load_manifests
from conformance.matrix.factors import all_levels, plain_combination
from conformance.resources import peers_root
from tests.coverage.cells import claimed
from tests.coverage.page import PAGE, problems, render
from tests.coverage.results import read


def main() -> int:
    """Write the page, and name on standard error the rows that lack a proof."""
    parser = ArgumentParser("python -m tests.coverage", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="what pytest --coverage-rows wrote")
    parser.add_argument("--page", type=Path, default=PAGE, help="where to write the page")
    parser.add_argument(
        "--without-lab", action="store_true", help="ask for no proof against daemons"
    )
    arguments = parser.parse_args()
    results = [result for file in arguments.files for result in read(file).values()]
    due = set() if arguments.without_lab else _claimed()
    arguments.page.write_text(render(results), "utf-8")
    lacking = problems(results, due)
    sys.stderr.write("".join(f"{line}\n" for line in lacking))
    sys.stderr.write(f"{arguments.page}: {len(lacking)} problems\n")
    return 1 if lacking else 0


def _claimed() -> set[tuple[str, str]]:
    return claimed(load_manifests(peers_root()), plain_combination(all_levels(wide=True)))


if __name__ == "__main__":
    sys.exit(main())
