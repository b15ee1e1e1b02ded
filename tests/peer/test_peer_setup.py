"""The TOML file of a peer run by hand: the example, what is checked, files beside it."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner

from conformance.cli.peer import peer as peer_command
from conformance.crypto.issuing import Authority
from conformance.errors import UserError
from conformance.ikev1.policies import LifetimePolicy
from conformance.peer.policy import Policy
from conformance.peer.requests import Configure
from conformance.peer.setup import EXAMPLE, Own, Setup, der_of, read_setup

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = """
address = "192.0.2.1"
remote = "192.0.2.2"
psk = "secret"
local_selector = "10.1.0.0/24"
remote_selector = "10.2.0.0/24"
[phase1]
cipher = "aes128"
hash = "sha256"
group = "ecp256"
[phase2]
cipher = "aes128"
integrity = "sha256"
mode = "tunnel"
"""


def read(tmp_path: Path, text: str) -> Setup:
    path = tmp_path / "peer.toml"
    path.write_text(text)
    return read_setup(path)


def test_the_example_is_good() -> None:
    setup = read_setup(EXAMPLE)
    assert setup.own.address == IPv4Address("192.0.2.1")
    assert setup.inner == IPv4Address("10.1.0.1")
    assert setup.connection.lifetimes == LifetimePolicy()


def uncommented() -> str:
    """The example with all that it only shows: later lines of a key win no second time."""
    lines = [re.sub(r"^# (?=[a-z_]+ = |\[)", "", line) for line in EXAMPLE.read_text().splitlines()]
    return "\n".join(lines)


def test_the_example_has_every_key() -> None:
    """Of the file, the connection, its proposals and policies; but not what only a lab sets."""
    text = EXAMPLE.read_text()
    kinds: list[tuple[type[msgspec.Struct], set[str]]] = [
        (Own, set()),
        (Configure, {"name", "local", "inner", "protect_aggressive_proof"}),
        (Policy, {"source_port", "icmp_code"}),
    ]
    for kind, left_out in kinds:
        for name in set(kind.__struct_fields__) - left_out:
            assert re.search(rf"(?m)^(# )?(\[+{name}\]|{name} = )", text), f"{name} is not shown"


def test_what_the_example_shows_is_good_too(tmp_path: Path) -> None:
    text = uncommented()
    text = re.sub(r"(?ms)^\[credentials\].*", "", text).replace("use_address = true", "")
    setup = read(tmp_path, text)
    assert setup.own.tun is not None
    assert setup.own.tun.address == IPv4Interface("10.1.0.1/32")
    assert [one.action for one in setup.policies()] == ["discard", "bypass", "protect"]
    assert setup.connection.dpd is not None


def test_without_policies_the_selectors_are_protected(tmp_path: Path) -> None:
    (only,) = read(tmp_path, PLAIN).policies()
    assert only == Policy(
        action="protect",
        source=IPv4Network("10.1.0.0/24"),
        destination=IPv4Network("10.2.0.0/24"),
    )


@pytest.mark.parametrize(
    ("gateway", "given", "source", "destination"),
    [
        ("true", None, "10.1.0.0/24", "None"),
        ("false", None, "None", "10.2.0.0/24"),
        ("false", "10.9.0.7", "10.9.0.7/32", "10.2.0.0/24"),
    ],
)
def test_an_assigned_address_is_protected(
    gateway: str, given: str | None, source: str, destination: str, tmp_path: Path
) -> None:
    text = f"{PLAIN}[mode_config]\ngateway = {gateway}\n"
    setup = read(tmp_path, text)
    assert setup.connection.mode_config is not None
    mode_config = msgspec.structs.replace(setup.connection.mode_config, use_address=True)
    connection = msgspec.structs.replace(setup.connection, mode_config=mode_config)
    (only,) = Setup(own=setup.own, connection=connection).policies(
        IPv4Address(given) if given else None
    )
    assert (str(only.source), str(only.destination)) == (source, destination)


def test_seeds_differ_unless_given(tmp_path: Path) -> None:
    seeds = {read(tmp_path, PLAIN).connection.seed for _ in range(3)}
    assert len(seeds) == 3
    assert read(tmp_path, "seed = 5\n" + PLAIN).connection.seed == 5


WRONG: list[tuple[str, str, str]] = [
    ('psk = "secret"', "psk = secret", "Invalid value (at line 4, column 7)"),
    ('psk = "secret"', "", "missing required field `psk`"),
    ("psk", "spk", "unknown field `spk`"),
    ('"192.0.2.1"', '"192.0.2.256"', "192.0.2.256"),
    ('remote = "192.0.2.2"', "", "missing required field `remote`"),
    ('"10.1.0.0/24"', '"10.1.0.1/24"', "has host bits set"),
    ("cipher", "cypher", "unknown field `cypher` - at `$.phase1`"),
    ('"sha256"', '"sha257"', "unknown hash 'sha257'; known are"),
    ('mode = "tunnel"', 'mode = "tunnel"\n[dpd]\nidel = 3', "unknown field `idel` - at `$.dpd`"),
    ('mode = "tunnel"', 'mode = "tunnel"\n[tun]\nmtu = "big"', "Expected `int`, got `str`"),
    ('mode = "tunnel"', 'mode = "transport"\n[tun]', '[tun] needs mode = "tunnel"'),
    ('psk = "secret"', 'psk = "secret"\nstart = "on-traffic"', "needs a [tun] device"),
    ('psk = "secret"', 'psk = "secret"\nstart = "soon"', "Invalid enum value 'soon'"),
    ('mode = "tunnel"', 'mode = "tunnel"\n[[policy]]\naction = "drop"', "at `$.policy[0].action`"),
    ('psk = "secret"', 'psk_file = "missing.txt"', "cannot read"),
    ('psk = "secret"', 'psk = "s"\nlocal_id = "gw"', "'gw' is no identity"),
]


@pytest.mark.parametrize(("old", "new", "complaint"), WRONG, ids=[row[2][:30] for row in WRONG])
def test_what_is_wrong_is_named(old: str, new: str, complaint: str, tmp_path: Path) -> None:
    assert old in PLAIN
    with pytest.raises(UserError) as caught:
        read(tmp_path, PLAIN.replace(old, new, 1))
    assert complaint in caught.value.message
    assert "secret" not in caught.value.message


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.toml: No such file"):
        read_setup(tmp_path / "nowhere.toml")


def test_the_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("not here\n")
    setup = read(tmp_path, PLAIN.replace('psk = "secret"', 'psk_file = "secret.txt"'))
    assert setup.connection.psk == "not here"


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n%b\n-----END CERTIFICATE-----\n" % b64encode(der)


@pytest.mark.parametrize("form", [bytes, pem], ids=["der", "pem"])
def test_credentials_are_files(form: Any, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority(Authority.create(now), now)
    issued = authority.issue("192.0.2.1", "rsa-sig")
    (tmp_path / "us.key").write_bytes(issued.private_key)
    (tmp_path / "us.crt").write_bytes(form(issued.certificate))
    (tmp_path / "ca.crt").write_bytes(form(issued.authority))
    text = PLAIN.replace('psk = "secret"\n', "").replace("[phase1]", '[phase1]\nauth = "rsa-sig"')
    files = '[credentials]\nprivate_key = "us.key"\ncertificate = "us.crt"\nauthority = "ca.crt"\n'
    setup = read(tmp_path, text + files)
    credentials = setup.connection.config(setup.own.address).credentials
    assert credentials is not None
    assert len(credentials.certificates) == len(credentials.authorities) == 1
    (tmp_path / "us.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(UserError, match="PEM without an end"):
        read(tmp_path, text + files)


def test_der_stays_as_it_is() -> None:
    assert der_of(b"\x30\x00") == b"\x30\x00"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--on-traffic"], "needs a [tun] section"),
        (["--ping", "0"], "--ping"),
        (["--timeout", "0"], "--timeout"),
    ],
)
def test_options_that_do_not_fit(options: list[str], complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "peer.toml"
    path.write_text(PLAIN)
    shown = CliRunner().invoke(peer_command, ["initiate", "--config", str(path), *options])
    assert shown.exit_code == 2
    assert complaint in shown.output


def test_ping_is_for_peers_without_a_device(tmp_path: Path) -> None:
    path = tmp_path / "peer.toml"
    path.write_text(PLAIN + "[tun]\n")
    shown = CliRunner().invoke(peer_command, ["initiate", "--config", str(path), "--ping", "1"])
    assert shown.exit_code == 2
    assert "--ping goes without [tun]" in shown.output


def test_the_example_is_printed() -> None:
    shown = CliRunner().invoke(peer_command, ["example"])
    assert shown.output == EXAMPLE.read_text()
