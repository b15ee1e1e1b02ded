"""``ipsec-conformance peers``: the list, one peer, and what is asked of a check before any lab."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest

from conformance.cli import main
from conformance.lab import peer_status
from conformance.lab.peer_status import PeerStatus, image_digest
from conformance.matrix.manifest import load_manifests
from conformance.record.observed import Observed, Outcome, Seen, write_observed
from conformance.resources import peers_root

if TYPE_CHECKING:
    from pathlib import Path

NAME = "strongswan-5.9.8"


def run(*arguments: str) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(["peers", *arguments])
    code = ended.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture(autouse=True)
def no_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lab stands, whatever stands on this host."""
    monkeypatch.setenv("IPSEC_CONFORMANCE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the peers folder without what was observed, which the command reads instead."""
    folder = tmp_path / "peers"
    shutil.copytree(peers_root(), folder, ignore=shutil.ignore_patterns("observed.json"))
    monkeypatch.setenv("IPSEC_CONFORMANCE_PEERS", str(folder))
    return folder


def observed(image: str) -> Observed:
    works = {"cipher": {"aes128": Seen(outcome=Outcome.WORKS)}}
    fails = {"cipher": {"3des": Seen(outcome=Outcome.FAILS, reason="it broke")}}
    return Observed(
        peer=NAME,
        date="2026-11-25",
        image=image,
        package="charon-systemd 5.9.8",
        version="5.9.8",
        kernel="6.1.0",
        roles={"initiator": works, "responder": fails},
    )


def row(text: str, name: str) -> str:
    """The line of one peer."""
    (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
    return line


@pytest.mark.usefixtures("peers")
def test_peers_alone_lists_every_one_with_its_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    text = capsys.readouterr().out
    for name, manifest in load_manifests(peers_root()).items():
        assert all(word in row(text, name) for word in (manifest.version, *manifest.roles))
    assert "no lab" in row(text, NAME)
    assert "never" in row(text, NAME)
    assert "no container" in row(text, "linux-6.1")


def test_the_list_tells_the_last_check(peers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its day and what came of it, and that it was another image where it was."""
    write_observed(peers / NAME, observed(image_digest(NAME)))
    assert run() == 0
    assert "2026-11-25: 1 agree, 1 declared but fail" in row(capsys.readouterr().out, NAME)
    write_observed(peers / NAME, observed("0123456789ab"))
    assert run() == 0
    assert "stale: 2026-11-25: 1 agree" in row(capsys.readouterr().out, NAME)


def test_the_list_tells_what_stands_in_the_lab(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    standing = {NAME: PeerStatus(built=True, running=2)}
    absent = PeerStatus(built=False, running=0)
    monkeypatch.setattr(
        "conformance.cli.peers.peer_statuses",
        lambda names: {name: standing.get(name, absent) for name in names},
    )
    assert run() == 0
    text = capsys.readouterr().out
    assert "image built, 2 of 2 containers run" in row(text, NAME)
    assert "no image, 0 of 2 containers run" in row(text, "libreswan-4.10")


def test_json_has_manifest_and_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {one["name"]: one for one in told}
    manifest = json.loads(msgspec.json.encode(load_manifests(peers_root())[NAME]))
    assert {name: found[NAME][name] for name in manifest} == manifest
    assert found[NAME]["lab"] == "no lab"


@pytest.mark.parametrize(
    "arguments", [(NAME, "--json"), ("--json", NAME), ("show", NAME, "--json")], ids=" ".join
)
def test_one_peer_is_shown_by_its_name(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 0
    assert json.loads(capsys.readouterr().out)["name"] == NAME


def test_one_peer_is_shown_with_its_known_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(NAME) == 0
    text = capsys.readouterr().out
    assert "known fault, protocol=esp+ipcomp: Beside the chosen proposal" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("strongswan-5.9.9",), ["unknown peer", NAME]),
        (("check", "strongswan-5.9.9"), ["unknown peer", NAME]),
        (("check", "linux-6.1"), ["negotiates nothing", "data-plane"]),
        (("check", NAME, "--factor", "cypher"), ["cypher", "cipher"]),
        (("check", NAME, "--factor", "cipher=aes129"), ["aes129", "aes128"]),
        (("check", NAME, "--role", "starter"), ["initiator"]),
        (("check", NAME, "--resume", "--results", "empty"), ["cut short"]),
    ],
    ids=" ".join,
)
def test_bad_input_is_named_and_ends_with_2(
    arguments: tuple[str, ...],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One message names the cause and what is possible, before any lab is begun."""
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in words)
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_the_state_without_a_lab_is_none() -> None:
    assert peer_status.peer_statuses([NAME]) is None
