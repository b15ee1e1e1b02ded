"""Which kernel the embedded engine boots, where it comes from and with which C library it runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.errors import UserError
from conformance.lab import kernels
from conformance.lab.engine import carrying
from conformance.lab.kernels import (
    INTERPRETER,
    SUITES,
    UML_MODULES,
    Kernel,
    find_kernel,
    is_of,
    kept_folder,
    requested,
    whereabouts,
    with_interpreter,
)

MULTIARCH = Path("/lib/x86_64-linux-gnu")
LIBRARIES = ("ld-linux-x86-64.so.2", "libc.so.6")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose user-mode Linux says that it is Linux 6.1."""
    program = tmp_path / "bin/linux.uml"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 6.1.176\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def package(root: Path, program: Path) -> None:
    """Lay out what a suite's packages would: that program as the kernel, and the host's libc."""
    folders = (root / "usr/bin", root / "usr" / MULTIARCH.relative_to("/"))
    for folder in folders:
        folder.mkdir(parents=True)
    shutil.copy(program, folders[0] / "linux.uml")
    for name in LIBRARIES:
        shutil.copy(MULTIARCH / name, folders[1])


@pytest.mark.parametrize(
    ("option", "environment", "name"),
    [
        (None, None, "auto"),
        ("auto", "6.12", "6.12"),
        ("6.1", "6.12", "6.1"),
        (None, "6.1", "6.1"),
    ],
)
def test_the_option_goes_before_the_environment(
    option: str | None, environment: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IPSEC_CONFORMANCE_KERNEL", raising=False)
    if environment:
        monkeypatch.setenv("IPSEC_CONFORMANCE_KERNEL", environment)
    assert requested(option) == name


def test_an_unknown_kernel_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"2\.4") as error:
        requested("2.4")
    assert "auto, 6.1, 6.12" in error.value.hint


@pytest.mark.parametrize(
    ("version", "name", "same"),
    [
        ("6.1.176", "6.1", True),
        ("6.12.113", "6.12", True),
        ("6.12.113", "6.1", False),
        ("6.1.176", "6.12", False),
        ("", "6.1", False),
        ("5.10.0", "auto", True),
    ],
)
def test_a_version_belongs_to_one_name(version: str, name: str, same: object) -> None:
    assert is_of(version, name) is same


@pytest.mark.parametrize(
    ("engine", "kernel", "carrier"),
    [
        ("auto", "auto", "auto"),
        ("docker", "auto", "docker"),
        ("auto", "6.12", "embedded"),
        ("embedded", "6.1", "embedded"),
    ],
)
def test_a_kernel_by_name_takes_the_embedded_engine(engine: str, kernel: str, carrier: str) -> None:
    assert carrying(engine, kernel) == carrier


def test_the_hosts_docker_boots_no_kernel() -> None:
    with pytest.raises(UserError, match=r"boots no 6\.12"):
        carrying("docker", "6.12")


@pytest.mark.parametrize("name", ["auto", "6.1"])
def test_the_installed_kernel_is_taken_as_it_is(installed: Path, tmp_path: Path, name: str) -> None:
    kernel = find_kernel(name, tmp_path, str(installed))
    assert kernel == Kernel(str(installed), UML_MODULES)
    assert kernel.command("A=B") == ["env", "A=B", str(installed)]


@pytest.mark.skipif(not (MULTIARCH / LIBRARIES[0]).exists(), reason="not Debian on x86-64")
@pytest.mark.usefixtures("installed")
def test_another_kernel_is_fetched_once_and_runs_with_its_own_libc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def bootstrap(root: Path, packages: list[str], _options: list[str], suite: str) -> None:
        fetched.append((suite, *packages))
        package(root, Path("/usr/bin/printenv"))

    monkeypatch.setattr(kernels, "bootstrap", bootstrap)
    kernel = find_kernel("6.12", tmp_path)
    assert find_kernel("6.12", tmp_path) == kernel
    assert fetched == [("trixie", "user-mode-linux")]
    folder = kept_folder("6.12", tmp_path)
    assert kernel.modules == folder / "usr/lib/uml/modules"
    assert kernel.libraries == folder / "usr/lib/x86_64-linux-gnu"
    ran = subprocess.run([*kernel.command(), "LD_LIBRARY_PATH"], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == str(kernel.libraries)
    (kernel.libraries / LIBRARIES[0]).unlink()
    assert subprocess.run(kernel.command(), capture_output=True, check=False).returncode == 127


@pytest.mark.usefixtures("installed")
def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bootstrap(root: Path, *_rest: object) -> None:
        root.mkdir()
        raise UserError("The Debian base was not made.")

    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(kernels, "bootstrap", bootstrap)
    with pytest.raises(UserError, match="Debian base"):
        find_kernel("6.12", cache)
    assert list(cache.iterdir()) == []


def test_the_loader_is_replaced_in_place() -> None:
    program = b"\x7fELF" + INTERPRETER + b"code"
    changed = with_interpreter(program, "ld.so")
    assert changed == b"\x7fELF" + b"ld.so".ljust(len(INTERPRETER), b"\0") + b"code"


@pytest.mark.parametrize("program", [b"\x7fELF code", b"\x7fELF" + 2 * INTERPRETER])
def test_a_program_of_another_architecture_is_refused(program: bytes) -> None:
    with pytest.raises(UserError, match="x86-64"):
        with_interpreter(program, "ld.so")


def test_a_loaders_path_must_fit_with_its_zero() -> None:
    with pytest.raises(ValueError, match="xxx"):
        with_interpreter(INTERPRETER, "x" * len(INTERPRETER))


@pytest.mark.usefixtures("installed")
def test_the_doctor_says_where_each_kernel_comes_from(tmp_path: Path) -> None:
    assert whereabouts("6.1", tmp_path) == "6.1.176 is installed"
    assert "fetches it from Debian trixie" in whereabouts("6.12", tmp_path)
    kept_folder("6.12", tmp_path).mkdir()
    assert whereabouts("6.12", tmp_path) == f"kept in {tmp_path}/kernel-6.12-trixie"


def test_every_kernel_is_kept_apart(tmp_path: Path) -> None:
    assert len({kept_folder(name, tmp_path) for name in SUITES}) == len(SUITES)
