"""The embedded engine that cannot boot, the tools that are missing, and what the doctor says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from conformance.cli.lab import lab
from conformance.errors import UserError
from conformance.lab import embedded, packages, xstate
from conformance.lab.debian import run_tool
from conformance.lab.doctor import diagnose
from conformance.lab.embedded import EmbeddedEngine
from conformance.lab.guest_root import images_disk, recipe_digest
from conformance.lab.network import LabNamespace
from conformance.lab.state import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.lab.paths import StateFolder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces")


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def no_disks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Boot attempts of these tests never get as far as a disk, so none is made."""
    for name in ("root_disk", "images_disk"):
        monkeypatch.setattr(embedded, name, lambda _cache: tmp_path / "disk")
    monkeypatch.setattr(LabNamespace, "make", lambda _self: None)
    monkeypatch.setattr(LabNamespace, "inside", lambda _self, *command: list(command))
    monkeypatch.setattr(xstate, "is_needed", lambda: False)


@pytest.mark.usefixtures("no_disks")
@needs_root
def test_a_guest_that_ends_at_once_is_named_with_its_last_words(
    state: StateFolder, tmp_path: Path
) -> None:
    linux = script(tmp_path / "linux.broken", "echo Kernel panic: no init; exit 1")
    engine = EmbeddedEngine(state, tmp_path, linux=linux, boot_seconds=10)
    with pytest.raises(UserError, match=r"linux\.broken ended at once") as error:
        engine.start()
    assert "Kernel panic: no init" in error.value.hint
    assert str(engine.console_log) in error.value.hint


@pytest.mark.usefixtures("no_disks")
@needs_root
def test_a_guest_that_hangs_is_given_up_and_cleaned_away(
    state: StateFolder, tmp_path: Path
) -> None:
    linux = script(tmp_path / "linux.hung", "echo booting; exec sleep 600")
    engine = EmbeddedEngine(state, tmp_path, linux=linux, boot_seconds=0.5)
    with pytest.raises(UserError, match="no Docker API within"):
        engine.start()
    (guest,) = Journal(state.journal).processes()
    assert guest.is_alive()
    Journal(state.journal).undo()
    assert not guest.is_alive()


@pytest.mark.usefixtures("no_disks")
@needs_root
def test_a_missing_kernel_is_named_with_where_to_look(state: StateFolder, tmp_path: Path) -> None:
    engine = EmbeddedEngine(state, tmp_path, linux="linux.absent")
    with pytest.raises(UserError, match=r"linux\.absent is not installed") as error:
        engine.start()
    assert "lab doctor" in error.value.hint


def test_only_root_boots(
    state: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="Only root"):
        EmbeddedEngine(state, tmp_path).start()


def test_a_failed_tool_is_named_with_its_last_lines() -> None:
    with pytest.raises(UserError, match="The disk was not made: sh ended with 3") as error:
        run_tool(["sh", "-c", "echo no space left >&2; exit 3"], "The disk")
    assert error.value.hint == "no space left"


@pytest.mark.parametrize(
    ("present", "command"),
    [
        ({tool.program for tool in packages.TOOLS}, ""),
        (
            {tool.program for tool in packages.TOOLS} - {"socat", "e2fsck", "mkfs.ext4"},
            "apt-get install --yes --no-install-recommends e2fsprogs socat",
        ),
    ],
)
def test_the_exact_command_for_what_is_missing(present: set[str], command: str) -> None:
    missing = packages.missing_tools(packages.TOOLS, {name: name for name in present}.get)
    assert packages.install_command(missing) == command


def test_without_root_the_command_is_told_and_nothing_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match=r"missing: linux\.uml") as error:
        packages.install(packages.TOOLS[:1])
    expected = "As root: apt-get install --yes --no-install-recommends user-mode-linux"
    assert error.value.hint == expected


@pytest.mark.parametrize(
    ("flags", "needed"),
    [("fpu sse avx2 avx512f", False), ("fpu avx512f amx_bf16 amx_tile amx_int8", True)],
)
def test_the_helper_is_for_cpus_with_amx(tmp_path: Path, flags: str, needed: object) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"model name\t: a CPU\nflags\t\t: {flags}\n")
    assert xstate.is_needed(info) is needed


def test_the_doctor_prefers_the_hosts_docker(tmp_path: Path) -> None:
    assert diagnose(lambda: "", tmp_path).engine == "docker"


def test_the_doctor_names_what_is_missing_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    diagnosis = diagnose(lambda: "no Docker answers", tmp_path)
    assert diagnosis.engine is None
    socat = next(finding for finding in diagnosis.findings if finding.subject == "socat")
    assert not socat.ok
    assert socat.remedy == "apt-get install --yes --no-install-recommends socat"


def test_doctor_as_json_and_its_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("IPSEC_CONFORMANCE_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(lab, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 2
    assert report["engine"] is None
    assert "user-mode-linux" in report["install"]


def test_status_without_a_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSEC_CONFORMANCE_STATE", str(tmp_path / "s"))
    result = CliRunner().invoke(lab, ["status", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["engine"]) == (0, None)


@pytest.mark.parametrize("command", ["up", "down", "status", "doctor", "setup"])
def test_every_command_teaches_by_example(command: str) -> None:
    result = CliRunner().invoke(lab, [command, "--help"])
    assert result.exit_code == 0
    assert f"ipsec-conformance lab {command}" in result.stdout


def test_the_recipe_has_a_digest() -> None:
    assert len(recipe_digest()) == 12


def test_a_disk_another_guest_has_is_not_touched(tmp_path: Path) -> None:
    """POSIX locks, as user-mode Linux takes them; a check of a mounted disk would destroy it."""
    disk = tmp_path / "images.ext4"
    disk.write_bytes(b"not a file system")
    with process_with_lock(disk), pytest.raises(UserError, match="Another lab"):
        images_disk(tmp_path)
    assert disk.read_bytes() == b"not a file system"


@contextmanager
def process_with_lock(path: Path) -> Iterator[None]:
    """Hold the lock in another process: a process's own locks never stand in its way."""
    program = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX)"
    waits = "; print('locked', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program + waits, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.communicate()
