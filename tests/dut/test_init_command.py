"""`dut init` as its user meets it: files, their modes, and what is said when something is amiss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.cli import dut_init, main
from conformance.crypto.certificate import Certificate
from conformance.dut.device import read_device
from conformance.dut.papers import load
from conformance.dut.style import styles
from conformance.peer.setup import der_of

if TYPE_CHECKING:
    from collections.abc import Callable

PLACES = (
    *("--here", "192.0.2.1", "--here-subnet", "10.1.0.0/24"),
    *("--device", "192.0.2.2", "--device-subnet", "10.2.0.0/24"),
)


def init(folder: Path, *options: str, places: tuple[str, ...] = PLACES) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["dut", "init", str(folder), *places, *options])
    return int(ended.value.code or 0)


def test_all_that_is_needed_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder for each style; what holds a secret is its owner's alone."""
    assert init(tmp_path / "dut") == 0
    made = {path for path in (tmp_path / "dut").rglob("*") if path.is_file()}
    assert {path.parent.name for path in made} == {"dut", *styles()}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    out, err = capsys.readouterr()
    assert {Path(line) for line in out.splitlines()} == made
    assert "not tried on a real device: cisco-ios, fortios, junos, routeros" in err
    device = read_device(tmp_path / "dut" / "dut.toml")
    assert device.roles == ("responder",)
    assert len(device.secrets.psk) == 32


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    options = (
        *("--psk", "abc", "--here-id", "fqdn:us.example", "--device-inner", "10.2.0.9"),
        *("--supports", "cipher=3des,aes128", "--supports", "auth=psk,xauth-init-psk"),
        *("--trigger", "ssh gw 'ping {mode}'", "--chooses", "mode,pfs", "--style", "junos"),
        *("--name", "gw-1"),
    )
    assert init(tmp_path, *options) == 0
    device = read_device(tmp_path / "dut.toml")
    assert (device.name, device.secrets.psk, device.secrets.user) == ("gw-1", "abc", "road")
    assert device.secrets.password
    assert device.levels["cipher"] == ("3des", "aes128")
    assert device.here.proven == "fqdn:us.example"
    assert str(device.device.inner_address) == "10.2.0.9"
    assert device.trigger.command == ("ssh", "gw", "ping {mode}")
    assert device.trigger.chooses == ("mode", "pfs")
    assert set(device.roles) == {"responder", "initiator"}
    assert {path.name for path in tmp_path.iterdir()} == {"dut.toml", "generic", "junos"}


def test_certificates_are_made_where_they_are_claimed(tmp_path: Path) -> None:
    """Both ends' from one authority, with the identities in them; keys are their owner's alone."""
    options = ("--supports", "auth=rsa-sig,ecdsa-256", "--device-id", "fqdn:gw.example")
    assert init(tmp_path, *options, "--style", "strongswan") == 0
    folder = tmp_path / "certificates"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert {name: mode for name, mode in modes.items() if name.endswith(".crt")} == dict.fromkeys(
        [name for name in modes if name.endswith(".crt")], 0o644
    )
    assert {mode for name, mode in modes.items() if not name.endswith(".crt")} == {0o600}
    authority = Certificate.parse(der_of((folder / "authority.crt").read_bytes()))
    for name in ("here-rsa-sig", "device-rsa-sig", "here-ecdsa-256", "device-ecdsa-256"):
        one = Certificate.parse(der_of((folder / f"{name}.crt").read_bytes()))
        assert authority.issued(one)
    assert b"gw.example" in der_of((folder / "device-rsa-sig.crt").read_bytes())
    device = read_device(tmp_path / "dut.toml")
    assert set(load(device, tmp_path)) == {"rsa-sig", "ecdsa-256"}


def test_certificates_of_ones_own_are_taken(tmp_path: Path) -> None:
    """By their paths; none is made, for only their owner can make the device's."""
    assert init(tmp_path / "a", "--supports", "auth=rsa-sig", "--style", "generic") == 0
    own = tmp_path / "a" / "certificates"
    files = (
        *("--authority", str(own / "authority.crt")),
        *("--certificate", str(own / "here-rsa-sig.crt")),
        *("--private-key", str(own / "here-rsa-sig.key")),
    )
    assert init(tmp_path / "b", "--supports", "auth=rsa-sig", "--style", "generic", *files) == 0
    assert not (tmp_path / "b" / "certificates").exists()
    taken = load(read_device(tmp_path / "b" / "dut.toml"), tmp_path / "b")["rsa-sig"]
    assert taken.private_key == (own / "here-rsa-sig.key").read_bytes()


def test_nothing_is_overwritten_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even in part: a kit is of one piece, secrets and all."""
    assert init(tmp_path, "--style", "generic") == 0
    before = (tmp_path / "dut.toml").read_bytes()
    assert init(tmp_path, "--style", "junos") == 2
    assert "dut.toml exists" in capsys.readouterr().err
    assert (tmp_path / "dut.toml").read_bytes() == before
    assert not (tmp_path / "junos").exists()
    assert init(tmp_path, "--style", "junos", "--force") == 0
    assert (tmp_path / "dut.toml").read_bytes() != before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--here", "192.0.2.x"), "--here: "),
        (("--device-subnet", "10.2.0.1/24"), "--device-subnet: "),
        (("--here-inner", "10.9.0.1"), "here.inner_address 10.9.0.1 is not in 10.1.0.0/24"),
        (("--psk", "with space"), "' ' does not survive every configuration language"),
        (("--psk", 'quote"'), "does not survive"),
        (("--supports", "cipher"), "FACTOR=LEVEL"),
        (("--supports", "certificates=crl"), "crl cannot be tried"),
        (("--style", "junoss"), "junoss"),
        (("--chooses", "modes"), "there is no factor 'modes'"),
        (("--here-id", "host:us"), "'host:us' is no identity"),
        (("--role", "initiator", "--name", "a b"), "name 'a b'"),
    ],
    ids=str,
)
def test_a_mistake_is_told_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert init(tmp_path, *options) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_own_certificates_must_be_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = tmp_path / "ca.crt"
    one.touch()
    assert init(tmp_path / "dut", "--supports", "auth=rsa-sig", "--authority", str(one)) == 2
    assert "go together" in capsys.readouterr().err


def test_without_a_terminal_what_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path, places=PLACES[:4]) == 2
    assert "--device, --device-subnet: not given" in capsys.readouterr().err


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], list[str]]:
    """A terminal at which somebody answers by the text of the question."""

    def sit_down(known: dict[str, str]) -> list[str]:
        asked: list[str] = []

        def answer(text: str, default: str | None, **_: object) -> str:
            asked.append(text)
            return next((one for part, one in known.items() if part in text), default or "")

        monkeypatch.setattr(dut_init.click, "prompt", answer)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        return asked

    return sit_down


def test_at_a_terminal_everything_is_asked(
    tmp_path: Path, answers: Callable[[dict[str, str]], list[str]]
) -> None:
    """What is not given, in order; what has a default may be left empty."""
    asked = answers(
        {
            "Our address": "192.0.2.1",
            "Subnet behind us": "10.1.0.0/24",
            "Subnet behind the device": "10.2.0.0/24",
            "begin": "true {mode}",
        }
    )
    assert init(tmp_path, "--style", "generic", places=("--device", "192.0.2.2")) == 0
    assert len(asked) == len(dut_init.QUESTIONS) - 1
    device = read_device(tmp_path / "dut.toml")
    assert str(device.device.address) == "192.0.2.2"
    assert device.trigger.command == ("true", "{mode}")
    assert device.secrets.psk
