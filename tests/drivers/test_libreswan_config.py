"""The Libreswan template as it is rendered for each feature, at either end (ipsec.conf)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from conformance.drivers.libreswan import LibreswanDriver
from conformance.drivers.libreswan_config import refusal, template_values
from conformance.drivers.libreswan_names import ABORTING, WITHOUT_WORDS
from conformance.drivers.methods import METHODS, PASSWORD
from conformance.matrix.factors import FACTORS, find_factor
from conformance.matrix.manifest import load_manifests
from conformance.resources import peer_folders, peers_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MakeConnection
    from docker.models.containers import Container

    from conformance.drivers.base import Connection, Role

PEER = "libreswan-4.10"
ROLES: tuple[Role, ...] = ("initiator", "responder")
PEERS = ("libreswan-4.3", PEER, "libreswan-5.2")


def template(peer: str) -> Template:
    return Environment(
        loader=FileSystemLoader([one / "templates" for one in peer_folders(peer, "libreswan")]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - ipsec.conf is no markup
    ).get_template("connection.conf")


TEMPLATES = {peer: template(peer) for peer in PEERS}


def rendered(connection: Connection, peer: str = PEER) -> str:
    return TEMPLATES[peer].render(template_values(connection))


def options(connection: Connection, peer: str = PEER) -> dict[str, str]:
    """What stands in the one section; every line is an option, and no option stands twice."""
    comment, head, *lines = rendered(connection, peer).splitlines()
    assert comment.startswith("# ")
    assert head == f"conn {connection.name}"
    assert all(line.startswith("\t") for line in lines)
    pairs = [line.strip().split("=", 1) for line in lines]
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def test_the_plain_connection(make_connection: MakeConnection) -> None:
    assert options(make_connection()) == {
        "left": "10.77.0.14",
        "leftid": "10.77.0.14",
        "right": "10.77.0.11",
        "rightid": "10.77.0.11",
        "leftsubnet": "10.78.14.0/24",
        "rightsubnet": "10.78.11.0/24",
        "leftupdown": "%disabled",
        "authby": "secret",
        "aggressive": "no",
        "ikev2": "no",
        "ike": "aes128-sha2_256-modp2048",
        "phase2": "esp",
        "phase2alg": "aes128-sha2_256",
        "compress": "no",
        "type": "tunnel",
        "pfs": "no",
        "ikelifetime": "28800s",
        "salifetime": "3600s",
        "rekey": "no",
        "keyingtries": "1",
        "retransmit-timeout": "5s",
        "encapsulation": "no",
        "fragmentation": "no",
        "auto": "ignore",
    }


CERTIFIED = {
    "authby": "rsasig",
    "leftsendcert": "always",
    "leftrsasigkey": "%cert",
    "rightrsasigkey": "%cert",
    "leftca": "%same",
    "rightca": "%any",
    "sendca": "none",
}
USER = {"leftxauthclient": "yes", "leftusername": "road", "rightxauthserver": "yes"}
ASKING = {"leftxauthserver": "yes", "rightxauthclient": "yes", "xauthby": "file"}
DPD = {"dpddelay": "1", "dpdtimeout": "10", "dpdaction": "clear"}
HOST = {"ikepad": "no", "leftmodecfgclient": "yes", "rightmodecfgserver": "yes"}
GATEWAY = {
    "ikepad": "no",
    "leftmodecfgserver": "yes",
    "rightmodecfgclient": "yes",
    "rightaddresspool": "10.78.14.1-10.78.14.1",
}
ESP = [
    # esp_cipher, esp_integrity, what pluto calls them
    ("3des", "sha1", "3des-sha1"),
    ("aes192gmac", "none", "null_auth_aes_gmac_192-null"),
    ("camellia192", "sha512", "camellia192-sha2_512"),
    ("null", "sha384", "null-sha2_384"),
    ("aes256", "aesxcbc", "aes256-aes_xcbc"),
    ("aes192ctr", "sha256", "aes_ctr192-sha2_256"),
    ("aes128ccm8", "none", "aes_ccm_8_128-null"),
    ("aes192ccm12", "none", "aes_ccm_12_192-null"),
    ("aes256ccm16", "none", "aes_ccm_16_256-null"),
    ("aes128gcm8", "none", "aes_gcm_8_128-null"),
    ("aes192gcm12", "none", "aes_gcm_12_192-null"),
    ("aes256gcm16", "none", "aes_gcm_16_256-null"),
    # What it does not know it refuses by this name.
    ("twofish128", "sha1", "twofish128-sha1"),
]
Changes = dict[str, str | None]
CASES: list[tuple[dict[str, str], Changes, Changes]] = [
    # levels, what the initiator has beside the plain options or instead, what the responder has;
    # None is what it lacks
    ({"exchange": "aggressive"}, {"aggressive": "yes"}, {"aggressive": "yes"}),
    ({"auth": "rsa-sig"}, CERTIFIED | {"leftcert": "end-10.77.0.14"},
     CERTIFIED | {"leftcert": "end-10.77.0.11"}),
    ({"auth": "xauth-init-psk"}, USER, ASKING),
    ({"auth": "xauth-resp-psk"}, ASKING, USER),
    ({"auth": "xauth-init-rsa-sig"}, CERTIFIED | USER | {"leftcert": "end-10.77.0.14"},
     CERTIFIED | ASKING | {"leftcert": "end-10.77.0.11"}),
    ({"auth": "xauth-resp-rsa-sig"}, CERTIFIED | ASKING | {"leftcert": "end-10.77.0.14"},
     CERTIFIED | USER | {"leftcert": "end-10.77.0.11"}),
    ({"mode_config": "pull"}, HOST | {"modecfgpull": "yes", "leftsubnet": None},
     GATEWAY | {"modecfgpull": "yes", "rightsubnet": None}),
    ({"mode_config": "push"}, HOST | {"modecfgpull": "no", "leftsubnet": None},
     GATEWAY | {"modecfgpull": "no", "rightsubnet": None}),
    ({"protocol": "ah", "esp_cipher": "none"}, {"phase2": "ah", "phase2alg": "sha2_256"},
     {"phase2": "ah", "phase2alg": "sha2_256"}),
    ({"protocol": "ah", "esp_cipher": "none", "esp_integrity": "md5", "pfs": "modp1536"},
     {"phase2": "ah", "phase2alg": "md5-modp1536", "pfs": "yes"},
     {"phase2": "ah", "phase2alg": "md5-modp1536", "pfs": "yes"}),
    ({"protocol": "esp+ipcomp"}, {"compress": "yes"}, {"compress": "yes"}),
    *(({"esp_cipher": level, "esp_integrity": integrity}, {"phase2alg": word}, {"phase2alg": word})
      for level, integrity, word in ESP),
    ({"event": "dpd"}, DPD, DPD),
    ({"event": "rekey"}, {"rekey": "yes", "rekeymargin": "3594s", "rekeyfuzz": "0%"}, {}),
    ({"event": "rekey-bytes"}, {"rekey": "yes", "ipsec-max-bytes": "20000"}, {}),
    ({"fragmentation": "yes"}, {"fragmentation": "force"}, {"fragmentation": "force"}),
    ({"nat": "initiator"}, {"encapsulation": "auto"},
     {"encapsulation": "auto", "right": "10.77.0.254"}),
    ({"mode": "transport"}, {"type": "transport", "leftsubnet": None, "rightsubnet": None},
     {"type": "transport", "leftsubnet": None, "rightsubnet": None}),
    # PFS with the group of phase 1 is not named again: pluto takes it over.
    ({"pfs": "modp2048"}, {"pfs": "yes"}, {"pfs": "yes"}),
    ({"pfs": "ecp256", "group": "ecp256"}, {"pfs": "yes", "ike": "aes128-sha2_256-dh19"},
     {"pfs": "yes", "ike": "aes128-sha2_256-dh19"}),
    ({"pfs": "ecp384"}, {"pfs": "yes", "phase2alg": "aes128-sha2_256-dh20"},
     {"pfs": "yes", "phase2alg": "aes128-sha2_256-dh20"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("levels", "initiator", "responder"), CASES, ids=[str(case[0]) for case in CASES]
)
def test_a_level_changes_these_options_and_no_other(
    make_connection: MakeConnection,
    levels: dict[str, str],
    initiator: Changes,
    responder: Changes,
) -> None:
    for role, changes in zip(ROLES, (initiator, responder), strict=True):
        expected: Changes = {**options(make_connection(role)), **changes}
        present = {name: value for name, value in expected.items() if value is not None}
        assert options(make_connection(role, **levels)) == present


WORDS: list[tuple[dict[str, str], Changes, Changes]] = [
    # levels, what 4.3 and 4.10 are told, what 5.2 is told; None is what is not there
    ({}, {"ikev2": "no", "keyingtries": "1", "keyexchange": None},
     {"keyexchange": "ikev1", "ikev2": None, "keyingtries": None}),
    ({"event": "dpd"}, {"dpdaction": "clear", "dpddelay": "1"},
     {"dpdaction": None, "dpddelay": "1"}),
    ({"mode_config": "pull"}, {"ikepad": "no"}, {"ikepad": None}),
]  # fmt: skip


@pytest.mark.parametrize(("levels", "earlier", "later"), WORDS, ids=[str(row[0]) for row in WORDS])
@pytest.mark.parametrize("role", ROLES)
def test_each_version_is_told_in_its_own_words(
    make_connection: MakeConnection,
    role: Role,
    levels: dict[str, str],
    earlier: Changes,
    later: Changes,
) -> None:
    connection = make_connection(role, **levels)
    for peer, words in zip(PEERS, (earlier, earlier, later), strict=True):
        found = options(connection, peer)
        assert {name: found.get(name) for name in words} == words


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("role", ROLES)
def test_an_initiator_with_a_name_is_known_by_it(
    make_connection: MakeConnection,
    named: Callable[[Connection], Connection],
    role: Role,
    peer: str,
) -> None:
    """``@[...]`` is an ID_KEY_ID."""
    side = "leftid" if role == "initiator" else "rightid"
    plain = options(make_connection(role), peer)
    assert options(named(make_connection(role)), peer) == plain | {side: "@[group]"}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_every_level_that_it_claims_is_rendered_without_a_secret(
    make_connection: MakeConnection, factor: Any, role: Role, peer: str
) -> None:
    claims = load_manifests(peers_root())[peer].claims
    for level in claims[factor.name]:
        connection = make_connection(role, **{factor.name: level})
        options(connection, peer)
        text = rendered(connection, peer)
        assert "secret\n" in text or METHODS[connection.combination["auth"]].key
        assert connection.psk not in text
        assert PASSWORD not in text


def test_pluto_knows_the_one_user_and_the_one_password() -> None:
    """What the driver configures elsewhere stands in files of its kind: they must agree."""
    folder = peers_root() / "common" / "libreswan" / "templates"
    assert f'@road : XAUTH "{PASSWORD}"' in (folder / "ipsec.secrets").read_text()
    assert (folder / "passwd").read_text().startswith("road:$6$")


GMAC = {"esp_cipher": "aes192gmac", "esp_integrity": "none"}


@pytest.mark.parametrize(
    ("peer", "levels", "told"),
    [
        (PEER, {}, None),
        (PEER, {"esp_cipher": "aes128gcm16", "esp_integrity": "none"}, None),
        (PEER, {"esp_cipher": "twofish128"}, None),
        ("libreswan-4.3", GMAC, "GMAC"),
        (PEER, GMAC, "GMAC"),
        ("libreswan-5.2", GMAC, None),
        (PEER, {"esn": "yes"}, "esn="),
        ("libreswan-5.2", {"esn": "yes"}, "esn="),
        (PEER, {"lifetime": "kilobytes"}, "kilobytes"),
        ("libreswan-4.3", {"event": "rekey-bytes"}, "limit in octets"),
    ],
)
def test_what_pluto_cannot_be_asked_for_is_refused_before_it_is(
    make_connection: MakeConnection, peer: str, levels: dict[str, str], told: str | None
) -> None:
    connection = make_connection(**levels)
    if told is None:
        assert refusal(peer, connection) is None
        return
    container = SimpleNamespace(name=peer)  # reaches no pluto
    driver = LibreswanDriver(peer, cast("Container", container))
    assert told in driver.configure([connection])[connection.name]


def test_what_pluto_cannot_begin_it_answers(make_connection: MakeConnection) -> None:
    assert refusal("libreswan-4.3", make_connection("responder", event="rekey-bytes")) is None


@pytest.mark.parametrize("peer", PEERS)
def test_what_pluto_cannot_be_asked_for_is_not_claimed(peer: str) -> None:
    claims = load_manifests(peers_root())[peer].claims
    unasked = [*WITHOUT_WORDS, *(level for one, *level in ABORTING if one == peer)]
    assert not [(name, level) for name, level in unasked if level in claims[name]]
    assert all(level in find_factor(name).known for name, level in unasked)
