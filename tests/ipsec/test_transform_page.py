"""docs/esp-transforms.md is what tables and vectors are now; every vector tells its source."""

from __future__ import annotations

import json

import pytest

from conformance.ipsec.transforms import INTEGRITY
from tests.ipsec.oracles import VECTORS
from tests.ipsec.transform_page import PAGE, render

FILES = sorted(path.relative_to(VECTORS).as_posix() for path in VECTORS.rglob("*.json"))


def test_the_page_is_the_tables() -> None:
    """``python -m tests.ipsec.transform_page`` writes it anew; some OpenSSL lack RIPEMD-160."""
    lines = PAGE.read_text("utf-8").splitlines()
    gone = [] if "ripemd160" in INTEGRITY else [one for one in lines if "`ripemd160`" in one]
    assert [line for line in lines if line not in gone] == render().splitlines()


@pytest.mark.parametrize("name", FILES)
def test_every_vector_file_tells_its_source(name: str) -> None:
    source = json.loads((VECTORS / name).read_text("utf-8"))["source"]
    assert source["document"]
    assert source["method"]
    assert f"| `{name}` |" in (VECTORS / "SOURCES.md").read_text("utf-8")
