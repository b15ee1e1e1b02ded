"""A peer that its manifest's commands drive: a toy of shell commands, run on this host."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from conformance.drivers import scripted, unasked_words
from conformance.drivers.base import NOTHING, DriverError
from conformance.drivers.scripted import ScriptedDriver, last_words, refusal, sa_facts
from conformance.drivers.shell import Result
from conformance.matrix.factors import FACTORS
from conformance.matrix.manifest import load_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.drivers.base import Connection, Role
    from tests.drivers.conftest import MakeConnection

CLAIMS = "\n".join(f'{factor.name} = ["{factor.plain}"]' for factor in FACTORS)
MANIFEST = '''
name = "toy"
kind = "scripted"
version = "1.2"
description = "Files that are there, or are not."
roles = ["initiator", "responder"]

[software]
package = "toy"
version_command = ["toy"]
version_output = "1.2"

[claims]
{claims}

[script]
load = "echo load {{{{ names | join(',') }}}} >> {folder}/said"
loaded = "! grep no {folder}/{{{{ name }}}}.conf"
initiate = """
echo trying
grep -q good {folder}/{{{{ name }}}}.conf && echo INSTALLED aes > {folder}/{{{{ name }}}}.sa
"""
terminate = "rm {folder}/{{{{ name }}}}.sa"
status = "cat {folder}/{{{{ name }}}}.sa"
unload = "echo unload {{{{ names | join(',') }}}} >> {folder}/said"
reset = "rm -f {folder}/*.sa {folder}/*.conf"
version = "echo toy 1.2"

[script.files]
"{folder}/{{{{ name }}}}.conf" = "connection.conf"

[script.reads]
version = 'toy ([\\d.]+)'
established = 'INSTALLED'
held = 'INSTALLED|HALF'
ike = ['INSTALLED (?P<cipher>\\w+)']
deleted = 'has been told to delete'
notify = 'said (\\w+)'
refused = 'refused: (.*)'

[script.words.hash]
sha256 = "good"

[script.told.cipher]
aes = "aes128"

[script.without_words]
esn = "it counts to 2^32"
'''


class Here:
    """A shell of this host in the place of one in a container."""

    def __init__(self, _: object) -> None:
        """Nothing is opened."""

    def run(self, *commands: Sequence[str], limit: float | None = None) -> Result:
        """Run the commands one after the other; the status is the last one's."""
        lines = "; ".join(map(shlex.join, commands))
        done = subprocess.run(
            ["sh", "-c", f"{{ {lines}; }} 2>&1"],
            capture_output=True,
            text=True,
            timeout=limit or 10,
            check=False,
        )
        return Result(done.returncode, done.stdout)

    def read(self, *commands: Sequence[str]) -> str:
        """The same, for what may be long."""
        return self.run(*commands).output

    def close(self) -> None:
        """Nothing was opened."""


class Container:
    """What a driver asks its container for."""

    name = "toy-a"
    attrs: dict[str, Any] = {"State": {"Pid": 7}}  # noqa: RUF012 - nobody changes it

    def reload(self) -> None:
        """Nothing changes."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A peers folder with the toy in it, and where the toy keeps what it has."""
    toy = tmp_path / "peers" / "toy"
    (toy / "templates").mkdir(parents=True)
    (toy / "templates" / "connection.conf").write_text(
        "{{ words.hash }} {{ words.group }} {{ psk }}\n"
        "{% if role == 'responder' %}\nlistens\n{% endif %}\n"
    )
    kept = tmp_path / "kept"
    kept.mkdir()
    (toy / "peer.toml").write_text(MANIFEST.format(claims=CLAIMS, folder=kept))
    monkeypatch.setenv("IPSEC_CONFORMANCE_PEERS", str(toy.parent))
    monkeypatch.setattr(scripted, "SHARED", tmp_path)
    monkeypatch.setattr("conformance.drivers.daemon.Shell", Here)
    return kept


class Make(Protocol):
    """Makes one end's view of a cell, by a name of its own."""

    def __call__(self, name: str, role: Role = "initiator", /, **levels: str) -> Connection:
        """Return the connection."""


@pytest.fixture
def make(make_connection: MakeConnection) -> Make:
    def made(name: str, role: Role = "initiator", /, **levels: str) -> Connection:
        return replace(make_connection(role, **levels), name=name)

    return made


@pytest.fixture
def driver(folder: Path) -> ScriptedDriver:
    assert folder.is_dir()
    opened = ScriptedDriver("toy", Container())  # type: ignore[arg-type]
    opened.open()
    return opened


def test_the_version_is_what_its_command_tells(driver: ScriptedDriver) -> None:
    assert driver.version() == "1.2"


def test_files_are_rendered_and_loaded_at_once(
    driver: ScriptedDriver, folder: Path, make: Make
) -> None:
    """Words stand for levels where the manifest has some; nothing is left beside them."""
    both = [make("one"), make("two", "responder", group="ecp256")]
    assert driver.configure(both) == {}
    assert (folder / "one.conf").read_text() == f"good modp2048 {both[0].psk}\n"
    assert (folder / "two.conf").read_text() == f"good ecp256 {both[1].psk}\nlistens\n"
    assert (folder / "said").read_text() == "load one,two\n"
    assert not list(folder.parent.glob("toy-a.*"))


def test_what_the_peer_does_not_take_is_refused_in_its_words(
    driver: ScriptedDriver, make: Make
) -> None:
    """The others of the batch are loaded all the same."""
    refused = driver.configure([make("one"), make("two", group="no-such-group")])
    assert list(refused) == ["two"]
    assert refused["two"].startswith("good no-such-group")


def test_what_it_has_no_words_for_is_not_asked(
    driver: ScriptedDriver, folder: Path, make: Make
) -> None:
    """The reason is told as one that is not the peer's own."""
    assert driver.configure([make("one", esn="yes")]) == {"one": "it counts to 2^32"}
    assert not (folder / "one.conf").exists()
    manifest = load_manifest(folder.parent / "peers" / "toy")
    assert unasked_words(manifest) == {"it counts to 2^32"}
    assert refusal(manifest, make("one", esn="no")) is None
    assert refusal(manifest, make("one", cipher="des")) is None


def test_sas_come_and_go(driver: ScriptedDriver, folder: Path, make: Make) -> None:
    connection = make("one")
    driver.configure([connection])
    assert not driver.holds_any(connection)
    assert driver.initiate(connection, 5).established
    assert driver.holds_child(connection)
    ike = driver.sas(connection, "").ike
    assert ike is not None
    assert ike.cipher == "aes128"
    driver.remove([connection])
    assert not driver.holds_any(connection)
    assert not list(folder.glob("one.*"))
    assert (folder / "said").read_text() == "load one\nunload one\n"


def test_an_initiation_that_fails_is_told_in_the_last_lines(
    driver: ScriptedDriver, folder: Path, make: Make
) -> None:
    connection = make("one")
    driver.configure([connection])
    (folder / "one.conf").write_text("bad")
    attempt = driver.initiate(connection, 5)
    assert (attempt.established, attempt.failure, attempt.timed_out) == (False, "trying", False)


def test_a_half_open_sa_is_held_and_is_no_child(
    driver: ScriptedDriver, folder: Path, make: Make
) -> None:
    connection = make("one")
    (folder / "one.sa").write_text("HALF")
    assert driver.holds_any(connection)
    assert not driver.holds_child(connection)


def test_the_log_tells_of_deletes_and_refusals(driver: ScriptedDriver, make: Make) -> None:
    assert driver.logged_delete("1 it has been told to delete")
    assert not driver.logged_delete("1 it deletes")
    assert driver.outcome(make("one"), NOTHING, "1 refused: why\n2 refused: so\n").failure == "so"
    assert driver.outcome(make("one"), NOTHING, "").failure is None


def test_a_command_of_ours_that_fails_is_our_error(
    driver: ScriptedDriver, folder: Path, make: Make
) -> None:
    folder.chmod(0o700)
    (folder / "said").mkdir()
    with pytest.raises(DriverError, match="load ended with"):
        driver.configure([make("one")])


@pytest.mark.parametrize(
    ("output", "expected"),
    [("", "it ended with 3"), ("one\n", "one"), ("one\n\n two \nthree\n", "two; three")],
)
def test_last_words(output: str, expected: str) -> None:
    assert last_words(Result(3, output)) == expected


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        ("", {}),
        ("INSTALLED aes", {"cipher": "aes128"}),
        ("INSTALLED other", {"cipher": "other"}),
        ("INSTALLED other\nINSTALLED aes", {"cipher": "aes128"}),
    ],
)
def test_the_newest_fact_counts_and_unknown_words_stay(
    folder: Path, status: str, facts: dict[str, str]
) -> None:
    script = load_manifest(folder.parent / "peers" / "toy").script
    assert script is not None
    assert sa_facts(script, status) == facts
