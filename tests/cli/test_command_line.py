"""The command line as its user meets it: help that teaches, one clear message for bad input."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from conformance.cli import COMMANDS, cli, main
from conformance.matrix import FACTORS, load_manifests, make_plan, parse_restrictions
from conformance.matrix.data_plane import make_data_plan, parse_data_restrictions
from conformance.resources import peers_root
from conformance.runner.data_plane.algorithms import algorithms

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS = {
    "lab": ("up", "down", "status", "doctor", "setup"),
    "dut": ("init", "run"),
    "peer": ("serve", "initiate", "respond", "example"),
    "peers": ("check", "show"),
}
HELPS = [
    [],
    *([name] for name in COMMANDS),
    *([group, name] for group, names in GROUPS.items() for name in names),
]


ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def run(*arguments: str) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    return code if isinstance(code, int) else 0


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_every_command_explains_itself(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage, a first sentence, and every option with a text of its own."""
    assert run(*command, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: ")
    assert len(text.splitlines()) > 5
    assert "\\b" not in text


def command_lines(text: str) -> Iterator[list[str]]:
    """Every call of the command that a text shows, as words; what a shell would do is left out."""
    for line in re.findall(
        r"^(?:\$| +) ?(ipsec-conformance (?:[^\\\n]|\\\n)+)", text, re.MULTILINE
    ):
        called = re.split(r" {2,}(?=\S)(?!--)| [#>|&]|$", line.replace("\\\n", ""))[0]
        yield shlex.split(called)[1:]


def check(arguments: list[str]) -> None:
    """Fails where the command line would refuse these words."""
    command: click.Command = cli
    while isinstance(command, click.Group) and arguments and arguments[0] != "--help":
        words = [word for word in arguments if not word.startswith("-")]
        if not words:
            break
        _, found, arguments = command.resolve_command(click.Context(command), arguments)
        assert found is not None, arguments
        command = found
    given = {} if "--help" in arguments else command.make_context("it", arguments).params
    if given.get("factors") and "here" in given:
        known = algorithms()
        make_data_plan(known, restrictions=parse_data_restrictions(given["factors"], known))
    elif given.get("factors") and not given.get("wide", True):
        restrictions = parse_restrictions(given["factors"])
        assert make_plan(load_manifests(peers_root()), restrictions=restrictions, limit=1).cells


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_show_valid_commands(document: Path) -> None:
    for line in command_lines(document.read_text()):
        check(line)


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_help_shows_valid_commands(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run(*command, "--help")
    lines = list(command_lines(capsys.readouterr().out))
    assert lines or command == ["lab"]
    for line in lines:
        check(line)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["matrx"], ["matrx", "matrix", "peers"]),
        (["lab", "upp"], ["upp", "'up'", "doctor"]),
        (["peer", "initate"], ["initate", "'initiate'", "example"]),
    ],
    ids=str,
)
def test_an_unknown_command_is_answered_with_those_there_are(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in words)


@pytest.mark.parametrize("option", [factor.name for factor in FACTORS])
def test_help_of_the_matrix_names_every_factor(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("matrix", "--help") == 0
    assert option in capsys.readouterr().out.partition("Factors: ")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--pairing", "referense,strongswan-5.9.8"], ["referense", "reference"]),
        pytest.param(["--pairing", "reference"], ["INITIATOR,RESPONDER"]),
        pytest.param(["--peers", "reference,cisco"], ["cisco", "libreswan-4.10"]),
        pytest.param(["--factor", "cypher=aes128"], ["cypher", "cipher"]),
        pytest.param(["--factor", "cipher=aes129"], ["aes129", "aes128", "3des"]),
        pytest.param(["--factor", "cipher"], ["FACTOR=LEVEL"]),
        pytest.param(["--limit", "0"], ["limit"]),
        pytest.param(["--resume", "--results", "empty"], ["nothing to resume"]),
    ],
    ids=" ".join,
)
def test_bad_input_is_named_and_ends_with_2(
    arguments: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One message names the cause and what is possible; nothing is written anywhere."""
    monkeypatch.chdir(tmp_path)
    assert run("matrix", *arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert all(word in told.err for word in words)
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the peers folder, which the command reads instead of the real one."""
    folder = tmp_path / "peers"
    shutil.copytree(peers_root(), folder)
    monkeypatch.setenv("IPSEC_CONFORMANCE_PEERS", str(folder))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param('kind = "reference"', 'kind = "cisco"', ["kind"], id="unknown-kind"),
        pytest.param('"aes128"', '"aes129"', ["aes129", "cipher"], id="unknown-level"),
        pytest.param("version =", "verison =", ["verison"], id="misspelt-key"),
        pytest.param('name = "', "name = ", ["line"], id="no-toml"),
    ],
)
def test_a_broken_manifest_is_named(
    old: str, new: str, words: list[str], peers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """File and key stand in the message."""
    manifest = peers / "reference" / "peer.toml"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    assert run("matrix", "--plan") == 2
    text = capsys.readouterr().err.replace("\n", "")
    assert all(word in text for word in [*words, "peer.toml"])


def test_the_plan_is_shown_without_a_lab(capsys: pytest.CaptureFixture[str]) -> None:
    """Every pairing, at least twelve combinations; what is not claimed is said."""
    assert run("matrix", "--plan", "--json") == 0
    cells = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    pairings = {(cell["initiator"], cell["responder"]) for cell in cells}
    assert pairings == set(make_plan(load_manifests(peers_root())).pairings)
    assert len(cells) >= len(pairings) * 12
    undeclared = [cell for cell in cells if cell["undeclared"]]
    assert undeclared
    assert all("libreswan" in cell["undeclared"][0] for cell in undeclared)


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ipsec-conformance" in done.stdout
