"""The programs of the host that the embedded engine needs, and the packages they come from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.lab import xstate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UML_MODULES = Path("/usr/lib/uml/modules")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, the Debian packages that bring it, and what it is for."""

    program: str
    packages: tuple[str, ...]
    purpose: str


TOOLS = (
    Tool("linux.uml", ("user-mode-linux",), "the guest's kernel and its modules"),
    Tool("mmdebstrap", ("mmdebstrap",), "the guest's root and the base of the images"),
    Tool("mkfs.ext4", ("e2fsprogs",), "the guest's disks"),
    Tool("e2fsck", ("e2fsprogs",), "checks the disk of images before a boot"),
    Tool("slirp4netns", ("slirp4netns",), "the guest's way to the Debian mirror"),
    Tool("socat", ("socat",), "carries the Docker API out of the lab's namespace"),
    Tool("ip", ("iproute2",), "the lab's network namespace"),
    Tool("nsenter", ("util-linux",), "starts the guest inside it"),
    Tool("taskset", ("util-linux",), "pins the guest to one CPU"),
)
"""What every machine needs for the embedded engine."""

COMPILER = Tool("cc", ("gcc", "libc6-dev"), "the helper user-mode Linux needs on CPUs with AMX")


def tools() -> tuple[Tool, ...]:
    """Return the tools this machine needs: the compiler only where its CPU makes it necessary."""
    return (*TOOLS, COMPILER) if xstate.is_needed() else TOOLS


def missing_tools(which: Callable[[str], str | None] = shutil.which) -> list[Tool]:
    """Return the tools that are not on PATH."""
    return [tool for tool in tools() if which(tool.program) is None]


def install_command(missing: Sequence[Tool]) -> str:
    """Return the exact command that installs what is missing; an empty string for nothing."""
    packages = sorted({package for tool in missing for package in tool.packages})
    return f"apt-get install --yes --no-install-recommends {' '.join(packages)}" if packages else ""
