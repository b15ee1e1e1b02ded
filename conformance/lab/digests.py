"""Digests of what an image is built from, so that nothing unchanged is built again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DIGEST_LENGTH = 12
_IGNORED = ("__pycache__", ".pyc", "peer.toml", "tool.toml", "observed.json")
"""Compiled files, the manifest and what was observed: claims do not change an image."""


def context_files(folder: Path, ignored: tuple[str, ...] = _IGNORED) -> dict[str, Path]:
    """Return the files below a folder by their relative name, sorted, without the ignored ones."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path for name, path in named.items() if not name.endswith(ignored)}


def files_digest(files: Mapping[str, Path]) -> str:
    """Return 12 hexadecimal digits over the names, modes and contents of the files."""
    digest = hashlib.sha256()
    for part in _parts(files):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:DIGEST_LENGTH]


def _parts(files: Mapping[str, Path]) -> Iterator[bytes]:
    for name, path in sorted(files.items()):
        yield name.encode()
        yield b"x" if path.stat().st_mode & 0o100 else b"-"
        yield path.read_bytes()
