"""The wheels the reference image installs, fetched on the host: a build needs no package index."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
import tempfile
from importlib.metadata import requires
from pathlib import Path

from conformance.console import step
from conformance.lab.debian import run_tool
from conformance.lab.digests import context_files
from conformance.resources import project_root

PYTHON = "3.11"
"""The Python of Debian bookworm."""
NEWEST_GLIBC = 36
OLDEST_GLIBC = 17
"""Minor versions of the glibc 2 that manylinux tags name; bookworm has 2.36."""


def requirements() -> list[str]:
    """Return the project's own requirements, without its extras, sorted."""
    declared = requires("ipsec-conformance") or []
    return sorted(line for line in declared if not re.search(r";.*\bextra\b", line))


def wheels(cache: Path) -> dict[str, Path]:
    """Return the wheels by file name, fetched when the cache has none for these requirements.

    Raises:
        UserError: pip could not fetch one; the message has its last lines.
    """
    constraints = _constraints()
    wanted = "\n".join([*requirements(), constraints.read_text() if constraints else "", PYTHON])
    folder = cache / f"wheels-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        with step("Fetching the wheels of the reference image"):
            _fetch(folder, constraints)
    return context_files(folder)


def _constraints() -> Path | None:
    root = project_root()
    path = root / "constraints.txt" if root else None
    return path if path and path.is_file() else None


def _fetch(folder: Path, constraints: Path | None) -> None:
    """Fetch into a temporary folder and rename it, so that half a wheelhouse is never found."""
    machine = platform.machine()
    tags = [f"manylinux_2_{n}_{machine}" for n in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    options = ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp"]
    options += [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]
    options += [f"--constraint={constraints}"] if constraints else []
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="wheels-") as partial:
        command = [sys.executable, "-m", "pip", "download", "--quiet", f"--dest={partial}"]
        run_tool([*command, *options, *requirements()], "The wheelhouse")
        shutil.copytree(partial, f"{partial}.done")
        Path(f"{partial}.done").rename(folder)
