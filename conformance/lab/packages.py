"""The programs of the host that the embedded engine needs, and the packages they come from."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.console import step
from conformance.errors import UserError
from conformance.lab import xstate
from conformance.lab.debian import run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_APT_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, the Debian packages that bring it, and what it is for."""

    program: str
    """Its name, or the path of a file that is no program."""
    packages: tuple[str, ...]
    purpose: str


TOOLS = (
    Tool("linux.uml", ("user-mode-linux",), "the guest's kernel and its modules"),
    Tool("mmdebstrap", ("mmdebstrap",), "the guest's root and the base of the images"),
    Tool(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        ("debian-archive-keyring",),
        "the keys that the base is checked with",
    ),
    Tool("mkfs.ext4", ("e2fsprogs",), "the guest's disks"),
    Tool("e2fsck", ("e2fsprogs",), "checks the disk of images before a boot"),
    Tool("slirp4netns", ("slirp4netns",), "the guest's way to the Debian mirror"),
    Tool("socat", ("socat",), "carries the Docker API out of the lab's namespace"),
    Tool("ip", ("iproute2",), "the lab's network namespace"),
    Tool("nsenter", ("util-linux",), "starts the guest inside it"),
    Tool("taskset", ("util-linux",), "pins the guest to one CPU"),
)
"""What every machine needs for the embedded engine."""

TEST_TOOLS = (Tool("tshark", ("tshark",), "decrypts the captures in the tests"),)
"""What the tests need besides, on any engine."""

COMPILER = Tool("cc", ("gcc", "libc6-dev"), "the helper user-mode Linux needs on CPUs with AMX")


def tools() -> tuple[Tool, ...]:
    """Return the tools this machine needs: the compiler only where its CPU makes it necessary."""
    return (*TOOLS, COMPILER) if xstate.is_needed() else TOOLS


def find(program: str) -> str | None:
    """Return where a program or a file is, or None."""
    return (
        program if Path(program).is_absolute() and Path(program).exists() else shutil.which(program)
    )


def missing_tools(
    wanted: Sequence[Tool] | None = None, which: Callable[[str], str | None] = find
) -> list[Tool]:
    """Return those of the wanted tools (default: of the embedded engine) that are not there."""
    return [tool for tool in wanted or tools() if which(tool.program) is None]


def install_command(missing: Sequence[Tool]) -> str:
    """Return the exact command that installs what is missing; an empty string for nothing."""
    return " ".join([*_APT_INSTALL, *_packages(missing)]) if missing else ""


def install(missing: Sequence[Tool]) -> None:
    """Install what is missing, on Debian and its kin and as root.

    Raises:
        UserError: this is not root on such a system, or apt-get failed; it has the command.
    """
    command = install_command(missing)
    if not command:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        names = ", ".join(tool.program for tool in missing)
        raise UserError(f"Programs are missing: {names}.", f"As root: {command}")
    with step(f"Installing {' '.join(_packages(missing))}"):
        for arguments in (["apt-get", "update"], command.split()):
            quiet = ["env", "DEBIAN_FRONTEND=noninteractive", *arguments]
            run_tool(quiet, "The installation of system packages")


def _packages(missing: Sequence[Tool]) -> list[str]:
    return sorted({package for tool in missing for package in tool.packages})
