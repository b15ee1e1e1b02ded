"""What all tests share: the lab, brought up once for those that need real peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.lab import Lab

# A deadline would judge the machine, not the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

pytest_plugins = ("tests.coverage.plugin",)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab with every peer; taken down afterwards unless it stood before."""
    from conformance.lab import open_lab  # noqa: PLC0415 - unit tests need no lab

    opened = open_lab()
    yield opened
    if not opened.was_running:
        opened.down()
