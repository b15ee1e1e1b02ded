"""The build context of each peer's image: its folder, and for the reference the project itself."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.lab.digests import context_files, files_digest
from conformance.lab.wheelhouse import wheels
from conformance.resources import PACKAGE, peers_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The files an image is built from, by their name in the context."""

    peer: str
    files: Mapping[str, Path]

    @property
    def digest(self) -> str:
        """What the image's label and tag say."""
        return files_digest(self.files)

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
        UserError: the wheels of the reference could not be fetched.
    """
    files = context_files(peers_root() / peer)
    if peer == REFERENCE:
        files |= _prefixed("wheels/", wheels(cache))
        files |= _prefixed("project/conformance/", _package_files())
        files |= _prefixed(
            "project/conformance/_peers/", context_files(peers_root(), (".pyc", ".json"))
        )
    return BuildContext(peer, files)


def _package_files() -> dict[str, Path]:
    files = context_files(PACKAGE, ("__pycache__", ".pyc"))
    return {name: path for name, path in files.items() if not name.startswith("_peers/")}


def _prefixed(prefix: str, files: Mapping[str, Path]) -> dict[str, Path]:
    return {prefix + name: path for name, path in files.items()}
