"""Clients that are no peers: ``peers/<name>/tool.toml``. They probe, and hold no SAs."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import msgspec

from conformance.errors import UserError
from conformance.matrix.manifest import Software

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "tool.toml"
"""The manifest's name in a tool's folder."""


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client at a version; the lab has its image, and a container while it is used."""

    name: str
    """The folder's name, e.g. ``ike-scan-1.9.5``."""
    version: str
    """The version of the implementation."""
    description: str
    """One sentence for the pages."""
    software: Software
    """How the version is checked."""


def load_tools(root: Path) -> dict[str, Tool]:
    """Every tool by name; ``root`` is ``peers/``. UserError for a manifest that is not one."""
    tools = [_load(path) for path in sorted(root.glob(f"*/{FILE_NAME}"))]
    return {tool.name: tool for tool in tools}


def _load(path: Path) -> Tool:
    try:
        tool = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Tool, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UserError(
            f"{path}: {error}", "The keys are those of the tools that stand."
        ) from error
    if tool.name != path.parent.name:
        raise UserError(
            f"{path}, name: {tool.name!r} is not the folder's name",
            f"Expected {path.parent.name!r}.",
        )
    return tool
