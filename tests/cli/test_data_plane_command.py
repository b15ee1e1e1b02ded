"""The data-plane command without a lab: its plan, and what it says to bad input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from conformance.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(["data-plane", *arguments])
    return int(ended.value.code or 0)


def test_the_plan_is_shown_as_ids(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--plan", "--factor", "cipher=aes128gcm16", "--factor", "case=replay") == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert len(lines) == 2 * 2 * 2 * 2
    assert lines[0] == "reference-to-linux.esp-aes128gcm16.tunnel-ipv4.replay"
    assert "16 cells, seed 1" in shown.err


def test_the_plan_is_shown_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--plan", "--json", "--limit", "3", "--factor", "protocol=ah") == 0
    cells = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(cells) == 3
    assert {cell["protocol"] for cell in cells} == {"ah"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plan", "--factor", "cipher=aes129"], "Did you mean 'aes"),
        (["--plan", "--factor", "cypher=aes128"], "Did you mean 'cipher'"),
        (["--plan", "--factor", "protocol=ah", "--factor", "udp=yes"], "no cell has protocol=ah"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_levels_end_with_one_message(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert words in capsys.readouterr().err


def test_there_is_nothing_to_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--resume", "--results", str(tmp_path)) == 2
    assert "nothing to resume" in capsys.readouterr().err


def test_kernels_are_listed_among_the_peers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["peers", "linux-6.1"])
    assert not ended.value.code
    text = capsys.readouterr().out
    assert "takes" in text
    assert "refuses" in text
    assert "algorithm not" in text
