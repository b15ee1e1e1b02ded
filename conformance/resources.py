"""Where the data of the project stands: the peers folder of a checkout or of an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from conformance.errors import UserError

PACKAGE = Path(__file__).resolve().parent
SHARED_FOLDER = "common"
"""Beside the peers' folders: one for each kind, with what all versions of it have in common."""


def project_root() -> Path | None:
    """Return the checkout this package runs from, or None when it runs from an installed wheel."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "peers").is_dir() else None


def peers_root() -> Path:
    """Return the folder with one folder per peer; ``IPSEC_CONFORMANCE_PEERS`` names another.

    Raises:
        UserError: the folder does not exist.
    """
    override = os.environ.get("IPSEC_CONFORMANCE_PEERS")
    root = project_root()
    folder = Path(override) if override else (root / "peers" if root else PACKAGE / "_peers")
    if not folder.is_dir():
        hint = "Set IPSEC_CONFORMANCE_PEERS to a folder with one folder per peer, or unset it."
        raise UserError(f"There is no peers folder at {folder}.", hint)
    return folder


def peer_names() -> list[str]:
    """Return the sorted names of the peers that have an image: a Dockerfile, and no tool.toml."""
    return sorted(
        path.parent.name
        for path in peers_root().glob("*/Dockerfile")
        if not path.with_name("tool.toml").exists()
    )


def peer_folders(peer: str, kind: str) -> list[Path]:
    """Return where a peer's files stand: its own folder first, then what its kind shares."""
    return [peers_root() / peer, peers_root() / SHARED_FOLDER / kind]
