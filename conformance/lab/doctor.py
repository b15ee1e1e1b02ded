"""What a lab needs, what of it is here, and how to get the rest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.lab.kernels import SUITES, UML_MODULES, whereabouts
from conformance.lab.packages import TOOLS, install_command, missing_tools, tools

if TYPE_CHECKING:
    from collections.abc import Callable

_GIGABYTE = 1 << 30
MEMORY_NEEDED = 2 * _GIGABYTE
DISK_NEEDED = 4 * _GIGABYTE


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    engine: str
    """The engine it counts for: ``docker`` or ``embedded``."""
    subject: str
    ok: bool
    detail: str
    """What was found."""
    remedy: str = ""
    """How to mend it; empty when it is well."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, and the engine a lab would take."""

    findings: tuple[Finding, ...]

    @property
    def engine(self) -> str | None:
        """The first engine with nothing missing, or None."""
        for name in ("docker", "embedded"):
            if all(finding.ok for finding in self.findings if finding.engine == name):
                return name
        return None


def diagnose(docker_refusal: Callable[[], str], cache: Path) -> Diagnosis:
    """Look at everything; ``docker_refusal`` returns why the host's Docker cannot carry a lab."""
    refusal = docker_refusal()
    hint = "Not needed where the embedded engine can run." if refusal else ""
    detail = refusal or "answers, and its kernel does ESP and AH"
    docker = Finding("docker", "host Docker", not refusal, detail, hint)
    return Diagnosis((docker, *_embedded_findings(cache)))


def _embedded_findings(cache: Path) -> list[Finding]:
    root = os.geteuid() == 0
    return [
        _finding("root", root, f"user id {os.geteuid()}", "Run as root (sudo)."),
        *_tool_findings(),
        _finding(
            "user-mode Linux modules",
            any(UML_MODULES.glob("*/modules.dep")),
            str(UML_MODULES),
            install_command(TOOLS[:1]),
        ),
        *(_finding(f"Linux {name}", True, whereabouts(name, cache), "") for name in SUITES),
        _finding("/dev/net/tun", Path("/dev/net/tun").exists(), "tap devices", "modprobe tun"),
        _space("/dev/shm", Path("/dev/shm"), MEMORY_NEEDED, "the guest's memory"),  # noqa: S108
        _space("cache", cache, DISK_NEEDED, str(cache)),
    ]


def _tool_findings() -> list[Finding]:
    missing = missing_tools()
    found = [
        _finding(t.program, t not in missing, t.purpose, install_command([t])) for t in tools()
    ]
    return sorted(found, key=lambda finding: finding.ok)


def _space(subject: str, folder: Path, needed: int, purpose: str) -> Finding:
    usage = os.statvfs(folder) if folder.is_dir() else None
    free = usage.f_bavail * usage.f_frsize if usage else 0
    detail = f"{purpose}: {free / _GIGABYTE:.1f} GiB free of {needed / _GIGABYTE:.0f} needed"
    return _finding(subject, free >= needed, detail, f"Make room in {folder}.")


def _finding(subject: str, ok: bool, detail: str, remedy: str) -> Finding:  # noqa: FBT001
    return Finding("embedded", subject, ok, detail, "" if ok else remedy)
