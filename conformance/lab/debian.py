"""Debian root file systems made without any image registry, by mmdebstrap."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from conformance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUITE = "bookworm"
"""mmdebstrap takes it, its updates and its security fixes from the mirror it has by default."""

SOURCES = {"bullseye": ("deb http://deb.debian.org/debian bullseye main",)}
"""What a suite is taken from instead: the packages of bullseye's security pool are gone."""

SLIM = tuple(
    f"path-{rule}"
    for rule in (
        "exclude=/usr/share/doc/*",
        "include=/usr/share/doc/*/copyright",
        "exclude=/usr/share/man/*",
        "exclude=/usr/share/locale/*",
        "exclude=/usr/share/info/*",
    )
)
"""What the official slim image leaves out."""


def bootstrap(
    target: Path,
    packages: Sequence[str] = (),
    options: Sequence[str] = (),
    suite: str = SUITE,
) -> None:
    """Make a minimal system in ``target``, a folder or, by its suffix, a tar file.

    Raises:
        UserError: mmdebstrap is missing or failed; the message has its last lines.
    """
    command = ["mmdebstrap", "--variant=minbase", *(f"--include={name}" for name in packages)]
    command += [f"--dpkgopt={rule}" for rule in SLIM]
    sources = SOURCES.get(suite, ())
    run_tool([*command, *options, suite, str(target), *sources], "The Debian base")


def run_tool(command: Sequence[str], what: str) -> str:
    """Run a tool of the host and return its output.

    Raises:
        UserError: the tool is missing, or ended with another status than 0.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as missing:
        hint = "Run `ipsec-conformance lab doctor` for the packages to install."
        raise UserError(f"The program {command[0]} is not installed.", hint) from missing
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise UserError(f"{what} was not made: {command[0]} ended with {done.returncode}.", tail)
    return done.stdout
