"""The journal and the processes in it: what is undone, and what is never touched."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from conformance.errors import UserError
from conformance.lab.processes import Process, ProcessStat, spawn, wait_until
from conformance.lab.state import Journal, exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.lab.paths import StateFolder

SLEEP = ["sleep", "600"]


@pytest.fixture
def journal(state: StateFolder) -> Iterator[Journal]:
    journal = Journal(state.journal)
    yield journal
    for process in journal.processes():
        process.kill()


def start(journal: Journal, command: list[str], program: str | None = None) -> Process:
    log = journal.path.with_name("log")
    return spawn(command, log, journal.note_process, program=program)


def test_a_process_is_in_the_journal_before_it_runs(state: StateFolder) -> None:
    marker = state.path / "ran"
    seen: list[bool] = []

    def note(process: Process) -> None:
        seen.append(marker.exists() or wait_until(marker.exists, 0.2))
        Journal(state.journal).note_process(process)

    process = spawn(["touch", str(marker)], state.path / "log", note)
    assert seen == [False]
    assert wait_until(marker.exists, 5)
    assert Journal(state.journal).processes() == [process]
    process.kill()


def test_a_process_whose_note_fails_never_runs(state: StateFolder) -> None:
    """As after a kill between the fork and the journal: the gate closes and the child ends."""
    started: list[Process] = []

    def note(process: Process) -> None:
        started.append(process)
        raise OSError("disk full")

    marker = state.path / "ran"
    with pytest.raises(OSError, match="disk full"):
        spawn(["touch", str(marker)], state.path / "log", note)
    assert wait_until(lambda: not started[0].is_alive(), 5)
    assert not marker.exists()
    started[0].kill()


def test_undo_ends_the_process_and_removes_the_folder(journal: Journal) -> None:
    process = start(journal, SLEEP)
    assert process.is_alive()
    journal.undo()
    assert not process.is_alive()
    assert not journal.path.parent.exists()


def test_undo_ends_the_whole_session_of_a_killed_leader(journal: Journal) -> None:
    """A guest's processes outlive a kill -9 of the guest; they are found by their session."""
    leader = start(journal, ["sh", "-c", "sleep 600 & sleep 601 & wait"], program="sleep")
    assert wait_until(lambda: len(list(leader.members())) == 3, 5)
    os.kill(leader.pid, signal.SIGKILL)
    os.waitpid(leader.pid, 0)
    assert len(list(leader.members())) == 2
    journal.undo()
    assert not list(leader.members())


def test_a_reused_pid_is_never_killed(journal: Journal) -> None:
    """Same pid, another start time: that is someone else's process."""
    process = start(journal, SLEEP)
    earlier = replace(process, start=process.start - 1)
    assert not earlier.is_alive()
    earlier.kill(patience=0.1)
    assert process.is_alive()


def test_a_process_that_ignores_sigterm_is_killed(journal: Journal) -> None:
    process = start(journal, ["sh", "-c", "trap '' TERM; echo ready; sleep 600"], program="sh")
    assert wait_until(lambda: "ready" in journal.path.with_name("log").read_text(), 5)
    process.kill(patience=0.3)
    assert not list(process.members())


def test_a_line_cut_off_by_a_kill_is_not_an_entry(journal: Journal) -> None:
    entry = {"kind": "engine", "name": "docker", "base_url": "unix:///docker.sock"}
    journal.write(**entry)
    with journal.path.open("a") as file:
        file.write('{"kind": "names')
    assert journal.entries() == [entry]
    assert journal.engine() == entry


def test_an_unknown_kind_is_refused_when_it_is_written(journal: Journal) -> None:
    with pytest.raises(ValueError, match="mount"):
        journal.write("mount", path="/mnt")


def test_undo_of_nothing_is_nothing(state: StateFolder) -> None:
    Journal(state.path / "sub" / "journal.jsonl").undo()
    assert state.path.exists()


def test_the_second_holder_is_told_who_the_first_is(state: StateFolder) -> None:
    with (
        exclusive(state),
        pytest.raises(UserError, match=f"process {os.getpid()}"),
        exclusive(state, patience=0.3),
    ):
        pytest.fail("two held the lock")


def test_the_lock_is_free_again(state: StateFolder) -> None:
    for _ in range(2):
        with exclusive(state, patience=0.1):
            assert state.lock.read_text() == str(os.getpid())


def test_stat_reads_names_with_spaces_and_brackets(tmp_path: Path) -> None:
    """The second column of /proc/PID/stat is free text in brackets."""
    awkward = tmp_path / "a) b (c"
    awkward.symlink_to("/bin/sleep")
    process = spawn([str(awkward), "600"], tmp_path / "log", lambda _process: None)
    stat = ProcessStat.read(process.pid)
    assert stat is not None
    assert (stat.session, stat.start) == (process.pid, process.start)
    process.kill()
