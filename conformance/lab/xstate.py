"""The helper that lets user-mode Linux run on CPUs with more state than it has room for."""

from __future__ import annotations

import hashlib
from pathlib import Path

from conformance.lab.debian import run_tool
from conformance.lab.guest_root import GUEST_FOLDER

WIDE_STATE_FLAGS = frozenset({"amx_tile", "apx"})
"""CPU features whose state lies beyond the 2696 bytes Debian's user-mode Linux keeps."""


def is_needed(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether this CPU has such a feature."""
    lines = (line for line in cpu_info.read_text().splitlines() if line.startswith("flags"))
    return any(WIDE_STATE_FLAGS & set(line.split()) for line in lines)


def library(cache: Path) -> Path:
    """Return the library to preload into ``linux.uml``, compiled when the cache has none.

    Raises:
        UserError: there is no C compiler, or it failed.
    """
    source = GUEST_FOLDER / "xstate.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    built = cache / f"xstate-{digest}.so"
    if not built.exists():
        partial = built.with_suffix(".partial")
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(partial), str(source)]
        run_tool(command, "The helper for CPUs with AMX")
        partial.rename(built)
    return built
