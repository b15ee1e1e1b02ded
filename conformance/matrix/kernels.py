"""Kernels as peers of the data plane: what they take and refuse, ``peers/linux-*/peer.toml``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Literal

import msgspec

from conformance.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

KIND = "linux"
"""The ``kind`` of a manifest whose peer negotiates nothing and has no container."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels of a factor that a kernel does not take."""

    factor: str
    levels: tuple[str, ...]
    words: str
    """Its errno and the text of its extended acknowledgement."""


class KernelManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kernel and what it can do with keys by hand."""

    name: str
    """The folder's name, which is what ``uname`` makes of a running kernel: ``linux-6.1``."""
    kind: Literal["linux"]
    version: str
    description: str
    """One sentence."""
    takes: dict[str, tuple[str, ...]]
    """For each factor of the data plane, its levels; ``a40..448`` are all key lengths between."""
    refuses: tuple[Refused, ...] = ()


def is_kernel(path: Path) -> bool:
    """Whether a manifest is one of a kernel; what cannot be read is none."""
    try:
        return tomllib.loads(path.read_text("utf-8")).get("kind") == KIND
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False


def load_kernels(root: Path) -> dict[str, KernelManifest]:
    """Every kernel under ``root`` (the ``peers/`` folder) by name; UserError for a bad manifest."""
    paths = [path for path in sorted(root.glob("*/peer.toml")) if is_kernel(path)]
    return {path.parent.name: _load(path) for path in paths}


def _load(path: Path) -> KernelManifest:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        manifest = msgspec.convert(content, KernelManifest, strict=True)
    except msgspec.ValidationError as error:
        raise UserError(f"{path}: {error}", "See peers/linux-6.1/peer.toml.") from error
    if manifest.name != path.parent.name:
        raise UserError(f"{path}, name: {manifest.name!r} is not the folder's name")
    return manifest
