"""The embedded engine's kernels: the one the host has installed, or one of a Debian suite's."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from conformance.console import step
from conformance.errors import UserError
from conformance.lab.debian import bootstrap, run_tool

SUITES = {"6.1": "bookworm", "6.12": "trixie"}
"""Versions of Linux that can be asked for, and the Debian suite whose user-mode Linux is one."""

AUTO = "auto"
KERNEL_NAMES = (AUTO, *SUITES)
"""Values of ``--kernel`` and ``IPSEC_CONFORMANCE_KERNEL``; auto is the one that is installed."""

LINUX = "linux.uml"
UML_MODULES = Path("/usr/lib/uml/modules")
"""Where the package has its modules, on the host and in a kernel's folder alike."""

INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
"""What the program names as its loader."""
_LOADER = Path(INTERPRETER.rstrip(b"\0").decode()).name


@dataclass(frozen=True, slots=True)
class Kernel:
    """A user-mode Linux program and what belongs to it."""

    linux: str
    modules: Path = UML_MODULES
    libraries: Path | None = None
    """Folder of the C library it runs with; None for the host's."""

    def command(self, *variables: str) -> list[str]:
        """Return the start of its command line, these environment variables set."""
        own = [f"--chdir={self.libraries}", f"LD_LIBRARY_PATH={self.libraries}"]
        return ["env", *(own if self.libraries else []), *variables, self.linux]


def requested(option: str | None = None) -> str:
    """Return the kernel asked for: the option, else the environment, else ``auto``.

    Raises:
        UserError: there is no such kernel.
    """
    environment = os.environ.get("IPSEC_CONFORMANCE_KERNEL", AUTO)
    name = environment if option in (None, AUTO) else option
    if name not in KERNEL_NAMES:
        raise UserError(f"There is no kernel {name!r}.", f"Kernels: {', '.join(KERNEL_NAMES)}.")
    return str(name)


def is_of(version: str, name: str) -> bool:
    """Tell whether a kernel of this version is the one that was asked for by name."""
    return name == AUTO or version.startswith(f"{name}.")


def find_kernel(name: str, cache: Path, installed: str = LINUX) -> Kernel:
    """Return the installed kernel where it is of that name, else the kept one, fetched if need be.

    Raises:
        UserError: it is neither installed nor to be had.
    """
    if name == AUTO or is_of(installed_version(installed), name):
        return Kernel(installed)
    folder = kept_folder(name, cache)
    if not folder.exists():
        with step(f"Fetching Linux {name} from Debian {SUITES[name]}"):
            _fetch(SUITES[name], folder)
    modules = folder / UML_MODULES.relative_to("/")
    return Kernel(str(folder / LINUX), modules, _library_folder(folder))


def installed_version(linux: str = LINUX) -> str:
    """Return the version of the kernel that is installed; an empty string for none."""
    if shutil.which(linux) is None:
        return ""
    return run_tool([linux, "--version"], "The kernel's version").strip()


def kept_folder(name: str, cache: Path) -> Path:
    """Return where a kernel that is not installed is kept."""
    return cache / f"kernel-{name}-{SUITES[name]}"


def whereabouts(name: str, cache: Path) -> str:
    """Say where a kernel would come from."""
    version = installed_version()
    if is_of(version, name):
        return f"{version} is installed"
    folder = kept_folder(name, cache)
    fetched = f"`lab up --kernel {name}` fetches it from Debian {SUITES[name]}"
    return f"kept in {folder}" if folder.exists() else fetched


def with_interpreter(program: bytes, interpreter: str) -> bytes:
    """Return the program with another loader, whose path may be relative to where it is started.

    User-mode Linux takes what lies between its own end and its heap for itself, so that it cannot
    be started as an argument of another suite's loader: the heap would be the loader's.

    Raises:
        UserError: it is no program for x86-64.
    """
    if program.count(INTERPRETER) != 1:
        raise UserError(f"{LINUX} is no program for x86-64.")
    field = interpreter.encode().ljust(len(INTERPRETER), b"\0")
    if len(interpreter.encode()) >= len(INTERPRETER):
        raise ValueError(interpreter)
    return program.replace(INTERPRETER, field)


def _fetch(suite: str, folder: Path) -> None:
    """Unpack a suite's kernel and C library beside ``folder``, then rename: half is never found."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="kernel-") as work:
        root = Path(work, "root")
        bootstrap(root, ["user-mode-linux"], ["--variant=extract"], suite)
        program = (root / "usr/bin" / LINUX).read_bytes()
        (root / LINUX).write_bytes(with_interpreter(program, _LOADER))
        (root / LINUX).chmod(0o755)
        root.rename(folder)


def _library_folder(root: Path) -> Path:
    """Return the folder of the C library: ``usr/lib/...``, in earlier suites ``lib/...``."""
    return next(root.glob(f"**/x86_64-linux-gnu/{_LOADER}")).parent
