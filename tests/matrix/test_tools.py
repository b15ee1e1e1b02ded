"""Tools: clients that probe, which are neither peers nor columns of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.errors import UserError
from conformance.lab.tools import tool_context
from conformance.matrix import load_manifests
from conformance.matrix.tools import load_tools
from conformance.resources import peer_names, peers_root

if TYPE_CHECKING:
    from pathlib import Path

NAME = "ike-scan-1.9.5"
GOOD = (peers_root() / NAME / "tool.toml").read_text("utf-8")


def write(root: Path, text: str) -> None:
    folder = root / NAME
    folder.mkdir()
    (folder / "tool.toml").write_text(text, "utf-8")


def test_a_tool_is_no_peer() -> None:
    """It has an image, but neither containers that stand nor cells."""
    assert load_tools(peers_root())[NAME].version == "1.9.5"
    assert NAME not in load_manifests(peers_root())
    assert NAME not in peer_names()
    assert (peers_root() / NAME / "Dockerfile").is_file()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (f'name = "{NAME}"', 'name = "other"', "name: 'other' is not the folder's name"),
        ('version = "1.9.5"\n', "", "missing required field `version`"),
        ("[software]", "roles = []\n[software]", "unknown field `roles`"),
        ("[software]", "[software", "Expected ']'"),
    ],
)
def test_a_broken_manifest_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load_tools(tmp_path)
    assert "tool.toml" in caught.value.message
    assert message in caught.value.message


def test_the_image_is_made_of_the_folder_without_its_manifest() -> None:
    """No kind of peer shares files with it."""
    context = tool_context(NAME)
    assert set(context.files) == {"Dockerfile"}
    assert context.base == "debian:bookworm-slim"
