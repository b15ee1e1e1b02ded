"""The build context of each peer's image: its folder and what its kind shares.

The reference's has the project itself.
"""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.errors import UserError
from conformance.lab.digests import context_files, files_digest
from conformance.lab.wheelhouse import wheels
from conformance.matrix.manifest import load_manifest
from conformance.resources import PACKAGE, peer_folders, peers_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REFERENCE = "reference"
ADDRESSES = PACKAGE / "lab" / "guest" / "addresses.sh"
"""Every image's context has it, for its entry point to run."""
FROM = re.compile(r"^FROM (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The files an image is built from, by their name in the context."""

    peer: str
    files: Mapping[str, Path]

    @property
    def digest(self) -> str:
        """What the image's label and tag say."""
        return files_digest(self.files)

    @property
    def base(self) -> str:
        """The image that the Dockerfile begins with, such as ``debian:bookworm-slim``.

        Raises:
            UserError: the Dockerfile names none.
        """
        found = FROM.search(self.files["Dockerfile"].read_text())
        if found is None:
            raise UserError(f"The Dockerfile of {self.peer} has no line FROM.")
        return found[1]

    def archive(self) -> io.BytesIO:
        """Return the context as a tar file, owned by root and without times."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, path in self.files.items():
                info = tarfile.TarInfo(name)
                info.size = path.stat().st_size
                info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                with path.open("rb") as content:
                    tar.addfile(info, content)
        buffer.seek(0)
        return buffer


def build_context(peer: str, cache: Path) -> BuildContext:
    """Return the context of a peer's image; the reference's has its wheels and this package.

    Raises:
        UserError: its manifest is broken, or the wheels of the reference could not be fetched.
    """
    files = peer_files(peer)
    files[ADDRESSES.name] = ADDRESSES
    if peer == REFERENCE:
        files |= _prefixed("wheels/", wheels(cache))
        files |= _prefixed("project/conformance/", _package_files())
        files |= _prefixed(
            "project/conformance/_peers/", context_files(peers_root(), (".pyc", ".json"))
        )
    return BuildContext(peer, files)


def peer_files(peer: str) -> dict[str, Path]:
    """Return what a peer's image is built from: the files of its kind, and over them its own."""
    kind = load_manifest(peers_root() / peer).kind
    files: dict[str, Path] = {}
    for folder in reversed(peer_folders(peer, kind)):
        files |= context_files(folder)
    return files


def _package_files() -> dict[str, Path]:
    files = context_files(PACKAGE, ("__pycache__", ".pyc"))
    return {name: path for name, path in files.items() if not name.startswith("_peers/")}


def _prefixed(prefix: str, files: Mapping[str, Path]) -> dict[str, Path]:
    return {prefix + name: path for name, path in files.items()}
