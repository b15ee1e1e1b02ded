"""A state folder of the test's own, so that no test meets the lab that may stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.lab.paths import StateFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.path.mkdir()
    return folder
