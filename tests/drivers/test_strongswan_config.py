"""What ``load_conn`` and its like are given for each feature, at either end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conformance.drivers.methods import METHODS, PASSWORD
from conformance.drivers.strongswan_config import (
    ANY,
    address_pool,
    connection_section,
    further_certificates,
    shared_secrets,
)
from conformance.matrix.factors import COMBINED, FACTORS, find_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MakeConnection

    from conformance.drivers.base import Connection, Role

ROLES: tuple[Role, ...] = ("initiator", "responder")
ALICE, BOB, NAT = "10.77.0.14", "10.77.0.11", "10.77.0.254"
HERE, THERE = "10.78.14.0/24", "10.78.11.0/24"
CERTS, AUTHORITY = {"certs": [b"certificate"]}, {"cacerts": [b"authority"]}
PSK, KEY = {"auth": "psk"}, {"auth": "pubkey"}
XAUTH, USER = {"auth": "xauth"}, {"auth": "xauth", "xauth_id": "road"}
ROUNDS = ("local", "local-xauth", "remote", "remote-xauth")


def child_of(connection: Connection) -> dict[str, Any]:
    return dict(connection_section(connection)["children"][connection.name])


def parts(whole: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: whole[name] for name in names if name in whole}


def test_the_plain_connection(make_connection: MakeConnection) -> None:
    assert connection_section(make_connection()) == {
        "version": "1",
        "local_addrs": [ALICE],
        "remote_addrs": [BOB],
        "proposals": ["aes128-sha256-modp2048"],
        "aggressive": "no",
        "mobike": "no",
        "fragmentation": "no",
        "send_cert": "always",
        "dpd_delay": "0s",
        "dpd_timeout": "10s",
        "keyingtries": "1",
        "unique": "never",
        "reauth_time": "28800",
        "local": PSK | {"id": ALICE},
        "remote": PSK | {"id": BOB},
        "children": {
            "c1": {
                "local_ts": [HERE],
                "remote_ts": [THERE],
                "mode": "tunnel",
                "esp_proposals": ["aes128-sha256"],
                "ipcomp": "no",
                "rekey_time": "0s",
                "life_time": "3600",
                "rand_time": "0s",
                "start_action": "none",
                "close_action": "none",
            }
        },
    }


@pytest.mark.parametrize(
    ("levels", "initiator", "responder"),
    [
        ({"fragmentation": "yes"}, {"fragmentation": "force"}, {"fragmentation": "force"}),
        ({"event": "dpd"}, {"dpd_delay": "1s"}, {"dpd_delay": "1s"}),
        ({"exchange": "aggressive"}, {"aggressive": "yes"}, {"aggressive": "yes"}),
        (
            {"mode_config": "pull"},
            {"vips": [ANY], "pull": "yes"},
            {"pools": ["c1"], "pull": "yes"},
        ),
        (
            {"mode_config": "push"},
            {"vips": [ANY], "pull": "no"},
            {"pools": ["c1"], "pull": "no"},
        ),
        (
            {"nat": "initiator"},
            {"local_addrs": [ALICE], "local": PSK | {"id": ALICE}},
            {"remote_addrs": [NAT], "remote": PSK | {"id": ALICE}},
        ),
    ],
    ids=str,
)
def test_a_level_changes_what_it_is_about_and_nothing_else(
    make_connection: MakeConnection,
    levels: dict[str, str],
    initiator: dict[str, Any],
    responder: dict[str, Any],
) -> None:
    """Held against the plain connection of the same end; what the child has is another table."""
    for role, expected in zip(ROLES, (initiator, responder), strict=True):
        plain = connection_section(make_connection(role))
        changed = connection_section(make_connection(role, **levels))
        names = tuple(name for name in changed if changed[name] != plain.get(name))
        assert parts(changed, tuple(expected)) == expected
        assert set(names) - {"children"} <= set(expected)
        assert plain.keys() <= changed.keys()


CHILDREN: list[tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = [
    # levels, what the initiator's child then has, what the responder's has
    ({"protocol": "ah", "esp_cipher": "none"}, {"ah_proposals": ["sha256"], "ipcomp": "no"},
     {"ah_proposals": ["sha256"], "ipcomp": "no"}),
    ({"protocol": "ah", "esp_cipher": "none", "esp_integrity": "md5", "pfs": "ecp256"},
     {"ah_proposals": ["md5-ecp256"]}, {"ah_proposals": ["md5-ecp256"]}),
    ({"protocol": "esp+ipcomp"}, {"esp_proposals": ["aes128-sha256"], "ipcomp": "yes"},
     {"esp_proposals": ["aes128-sha256"], "ipcomp": "yes"}),
    ({"pfs": "modp1536", "esp_cipher": "aes256", "esp_integrity": "sha1"},
     {"esp_proposals": ["aes256-sha1-modp1536"]}, {"esp_proposals": ["aes256-sha1-modp1536"]}),
    *(({"esp_cipher": cipher}, {"esp_proposals": [f"{cipher}-sha256"]},
       {"esp_proposals": [f"{cipher}-sha256"]})
      for cipher in find_factor("esp_cipher").rare if cipher not in {"none", *COMBINED}),
    *(({"esp_cipher": cipher, "esp_integrity": "none", "pfs": "modp1536"},
       {"esp_proposals": [f"{cipher}-modp1536"]}, {"esp_proposals": [f"{cipher}-modp1536"]})
      for cipher in COMBINED),
    ({"esp_cipher": "aes256gcm8", "esp_integrity": "none", "esn": "yes"},
     {"esp_proposals": ["aes256gcm8-esn"]}, {"esp_proposals": ["aes256gcm8-esn"]}),
    ({"esn": "yes", "pfs": "modp1536"}, {"esp_proposals": ["aes128-sha256-modp1536-esn"]},
     {"esp_proposals": ["aes128-sha256-modp1536-esn"]}),
    ({"protocol": "ah", "esp_cipher": "none", "esp_integrity": "aesxcbc", "esn": "yes"},
     {"ah_proposals": ["aesxcbc-esn"]}, {"ah_proposals": ["aesxcbc-esn"]}),
    ({"lifetime": "kilobytes"},
     {"life_bytes": "10000000", "rekey_bytes": "0", "rand_bytes": "0", "life_time": "3600"},
     {"life_bytes": "10000000", "rekey_bytes": "0", "rand_bytes": "0", "life_time": "3600"}),
    ({"event": "rekey-bytes"}, {"life_bytes": "0", "rekey_bytes": "5000", "rekey_time": "0s"},
     {"rekey_time": "0s", "life_time": "3600"}),
    ({"event": "rekey"}, {"rekey_time": "6s", "life_time": "3600", "rand_time": "0s"},
     {"rekey_time": "0s", "life_time": "3600"}),
    ({"mode": "transport"},
     {"mode": "transport", "local_ts": ["dynamic"], "remote_ts": ["dynamic"]},
     {"mode": "transport", "local_ts": ["dynamic"], "remote_ts": ["dynamic"]}),
    ({"mode_config": "pull"}, {"local_ts": ["dynamic"], "remote_ts": [THERE]},
     {"local_ts": [THERE], "remote_ts": ["dynamic"]}),
    ({"mode_config": "push"}, {"local_ts": ["dynamic"], "remote_ts": [THERE]},
     {"local_ts": [THERE], "remote_ts": ["dynamic"]}),
    ({"nat": "initiator"}, {"local_ts": [HERE], "remote_ts": [THERE]},
     {"local_ts": [THERE], "remote_ts": [HERE]}),
]  # fmt: skip


@pytest.mark.parametrize(("levels", "initiator", "responder"), CHILDREN, ids=str)
def test_the_child_of_each_feature(
    make_connection: MakeConnection,
    levels: dict[str, str],
    initiator: dict[str, Any],
    responder: dict[str, Any],
) -> None:
    for role, expected in zip(ROLES, (initiator, responder), strict=True):
        child = child_of(make_connection(role, **levels))
        assert parts(child, tuple(expected)) == expected
        assert len({"esp_proposals", "ah_proposals"} & child.keys()) == 1


AUTHS: list[tuple[str, Role, dict[str, Any]]] = [
    ("psk", "initiator", {"local": PSK | {"id": ALICE}, "remote": PSK | {"id": BOB}}),
    ("psk", "responder", {"local": PSK | {"id": BOB}, "remote": PSK | {"id": ALICE}}),
    ("ecdsa-256", "initiator",
     {"local": KEY | CERTS | {"id": ALICE}, "remote": KEY | AUTHORITY | {"id": BOB}}),
    ("xauth-init-psk", "initiator",
     {"local": PSK | {"id": ALICE}, "local-xauth": USER,
      "remote": PSK | {"id": BOB}}),
    ("xauth-init-psk", "responder",
     {"local": PSK | {"id": BOB}, "remote": PSK | {"id": ALICE}, "remote-xauth": XAUTH}),
    ("xauth-resp-psk", "initiator",
     {"local": PSK | {"id": ALICE}, "remote": PSK | {"id": BOB}, "remote-xauth": XAUTH}),
    ("xauth-resp-psk", "responder",
     {"local": PSK | {"id": BOB}, "local-xauth": USER,
      "remote": PSK | {"id": ALICE}}),
    ("xauth-init-rsa-sig", "initiator",
     {"local": KEY | CERTS | {"id": ALICE}, "local-xauth": USER,
      "remote": KEY | AUTHORITY | {"id": BOB}}),
    ("xauth-resp-rsa-sig", "responder",
     {"local": KEY | CERTS | {"id": BOB}, "local-xauth": USER,
      "remote": KEY | AUTHORITY | {"id": ALICE}}),
    # Hybrid: the user shows nothing in phase 1, and its identity goes with XAUTH.
    ("hybrid-init-rsa-sig", "initiator",
     {"local-xauth": USER | {"id": ALICE},
      "remote": KEY | AUTHORITY | {"id": BOB}}),
    ("hybrid-init-rsa-sig", "responder",
     {"local": KEY | CERTS | {"id": BOB}, "remote-xauth": XAUTH | {"id": ALICE}}),
]  # fmt: skip


@pytest.mark.parametrize(("auth", "role", "expected"), AUTHS)
def test_the_rounds_of_each_method(
    make_connection: MakeConnection, auth: str, role: Role, expected: dict[str, Any]
) -> None:
    """Who shows what, who is asked for what: certificates only where a key is the proof."""
    assert parts(connection_section(make_connection(role, auth=auth)), ROUNDS) == expected


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("auth", METHODS)
def test_the_password_is_loaded_where_xauth_asks_for_it(
    make_connection: MakeConnection, auth: str, role: Role
) -> None:
    secrets = shared_secrets(make_connection(role, auth=auth))
    psk = {"type": "IKE", "id": "c1", "data": "the lab's secret", "owners": [BOB, ALICE]}
    password = {"type": "XAUTH", "id": "c1-xauth", "data": PASSWORD, "owners": ["road"]}
    assert secrets == [psk, password][: 1 + bool(METHODS[auth].user)]


def test_behind_a_nat_the_secret_is_found_by_address_and_by_identity(
    make_connection: MakeConnection,
) -> None:
    """Charon looks a secret up by the address it sees before it knows the identity."""
    (secret,) = shared_secrets(make_connection("responder", nat="initiator"))
    assert secret["owners"] == sorted([ALICE, BOB, NAT])


@pytest.mark.parametrize("role", ROLES)
def test_an_initiator_with_a_name_is_known_by_it(
    make_connection: MakeConnection, named: Callable[[Connection], Connection], role: Role
) -> None:
    """``@#`` and hex is an ID_KEY_ID; the secret is found by it."""
    connection = named(make_connection(role, exchange="aggressive"))
    side, other = ("local", "remote") if role == "initiator" else ("remote", "local")
    section = connection_section(connection)
    assert (section[side]["id"], section[other]["id"]) == ("@#67726f7570", BOB)
    assert shared_secrets(connection)[0]["owners"] == sorted([ALICE, BOB, "@#67726f7570"])


@pytest.mark.parametrize(
    ("auth", "crl", "loaded", "strict"),
    [
        ("psk", None, [], False),
        ("rsa-sig", None, ["chain"], False),
        ("rsa-sig", b"crl", ["chain", "crl"], True),
    ],
)
def test_chains_and_revocations_are_loaded_beside_the_connection(
    make_connection: MakeConnection,
    auth: str,
    crl: bytes | None,
    loaded: list[str],
    *,
    strict: bool,
) -> None:
    """Where there is a revocation list, nobody passes whom it does not speak of."""
    plain = make_connection(auth=auth)
    own = plain.credentials and replace(plain.credentials, chain=(b"chain",))
    connection = replace(plain, credentials=own, crl=crl)
    kinds = {"chain": ("X509", "CA"), "crl": ("X509_CRL", "NONE")}
    assert further_certificates(connection) == [
        {"type": kinds[name][0], "flag": kinds[name][1], "data": name.encode()} for name in loaded
    ]
    remote = connection_section(connection)["remote"]
    assert remote.get("revocation") == ("strict" if strict else None)


@pytest.mark.parametrize("way", ["none", "pull", "push"])
def test_only_the_one_who_gives_addresses_has_a_pool(
    make_connection: MakeConnection, way: str
) -> None:
    pools = [address_pool(make_connection(role, mode_config=way)) for role in ROLES]
    assert pools == [None, None if way == "none" else {"addrs": "10.78.14.1"}]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_every_level_makes_a_section_and_shows_no_secret(
    make_connection: MakeConnection, factor: Any, role: Role
) -> None:
    """Neither the PSK nor the password stands in what is loaded as a connection."""
    for level in factor.known:
        shown = str(connection_section(make_connection(role, **{factor.name: level})))
        assert "secret" not in shown
        assert PASSWORD not in shown
