"""What `configure` takes: policies, several proposals, identities, values of Mode Config."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import msgspec
import pytest

from conformance.ikev1.constants import IdType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.policies import DpdPolicy, LifetimePolicy, NatPolicy
from conformance.peer.fields import Fields, build, said
from conformance.peer.identities import read_identity
from conformance.peer.requests import Configure, read_request

ADDRESS = IPv4Address("192.0.2.1")
FIRST = {"cipher": "aes128", "hash": "sha256", "group": "ecp256"}
SECOND = {"cipher": "aes128", "integrity": "sha256", "mode": "tunnel"}


def settings(**changes: Any) -> Configure:
    given: dict[str, Any] = {
        "name": "c",
        "remote": "192.0.2.2",
        "psk": "secret",
        "phase1": FIRST,
        "phase2": SECOND,
        "local_selector": "10.1.0.0/24",
        "remote_selector": "10.2.0.0/24",
        "seed": 1,
    }
    return read_request(Configure, given | changes)


POLICIES: list[tuple[str, dict[str, Any] | None, object]] = [
    ("dpd", {"idle": 1, "on_demand": True}, DpdPolicy(idle=1.0, on_demand=True)),
    ("lifetimes", {"soft": 0.5, "overlap": 1}, LifetimePolicy(soft=0.5, overlap=1.0)),
    ("nat_traversal", {"flavours": ["rfc"], "force": True}, NatPolicy(("rfc",), force=True)),
    ("lifetimes", None, None),
]


@pytest.mark.parametrize(("name", "given", "expected"), POLICIES, ids=str)
def test_policies_are_those_of_the_core(name: str, given: dict[str, Any], expected: object) -> None:
    assert getattr(settings(**{name: given}).config(ADDRESS), name) == expected


def test_sas_end_at_their_hard_limit_unless_told_otherwise() -> None:
    assert settings().config(ADDRESS).lifetimes == LifetimePolicy(rekey=False)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"dpd": {"idel": 3}}, r"unknown field `idel` - at `\$.dpd`; known are idle, timeout"),
        ({"retransmit": {"retries": 3}}, r"unknown field `retries` - at `\$.retransmit`"),
        ({"xauth": {"name": "joe"}}, r"unknown field `name` - at `\$.xauth`"),
        ({"dpd": {"idle": "soon"}}, r"Expected `float`, got `str` - at `\$.dpd.idle`"),
        ({"mode_config": {}}, r"missing required field `gateway` - at `\$.mode_config`"),
        ({"phase1": [FIRST, {}]}, r"missing required field `cipher` - at `\$.phase1\[1\]`"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        settings(**change)


def test_several_proposals_keep_their_order() -> None:
    config = settings(
        phase1=[FIRST, FIRST | {"cipher": "3des", "lifetime_kilobytes": 5}],
        phase2=[SECOND, SECOND | {"mode": "transport", "lifetime_kilobytes": 7}],
    ).config(ADDRESS)
    assert [(one.cipher, one.lifetime_kilobytes) for one in config.phase1] == [
        ("aes128", None),
        ("3des", 5),
    ]
    assert [(one.mode, one.lifetime_kilobytes) for one in config.phase2] == [
        ("tunnel", None),
        ("transport", 7),
    ]


IDENTITIES: list[tuple[str, int, bytes]] = [
    ("", IdType.IPV4_ADDR, bytes((192, 0, 2, 1))),
    ("ipv4:198.51.100.7", IdType.IPV4_ADDR, bytes((198, 51, 100, 7))),
    ("fqdn:gw.example", IdType.FQDN, b"gw.example"),
    ("user-fqdn:joe@gw.example", IdType.USER_FQDN, b"joe@gw.example"),
    ("key-id:00ff", IdType.KEY_ID, b"\0\xff"),
    ("dn:CN=gw", IdType.DER_ASN1_DN, bytes.fromhex("300d310b300906035504030c026777")),
    ("gn:dns:gw", IdType.DER_ASN1_GN, b"\x82\2gw"),
]


@pytest.mark.parametrize(("text", "kind", "data"), IDENTITIES, ids=str)
def test_identities(text: str, kind: int, data: bytes) -> None:
    config = settings(local_id=text, remote_id=text or "any").config(ADDRESS)
    assert (config.local_id.type, config.local_id.data) == (kind, data)
    assert config.remote_id == (config.local_id if text else None)


@pytest.mark.parametrize("text", ["gw.example", "ipv4:gw", "key-id:xyz", "phone:112"])
def test_what_is_no_identity(text: str) -> None:
    with pytest.raises(LocalError, match="is no identity"):
        read_identity(text, "192.0.2.1")


def test_our_own_identity_is_a_definite_one() -> None:
    with pytest.raises(LocalError, match="cannot be any"):
        settings(local_id="any").config(ADDRESS)


def test_values_of_mode_config_are_written_by_their_kind() -> None:
    values = [["ip4-address", "10.9.0.1"], ["unity-banner", "hello"], ["ip4-dns", ""]]
    policy = settings(mode_config={"gateway": True, "values": values}).config(ADDRESS).mode_config
    assert policy is not None
    assert policy.values == (
        ("ip4-address", b"\x0a\x09\0\1"),
        ("unity-banner", b"hello"),
        ("ip4-dns", b""),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ip4-adress", "10.9.0.1"),
        ("ip4-address", "here"),
        ("unity-pfs", "70000"),
        ("unity-firewall-type", "0"),
    ],
)
def test_values_that_cannot_be_written(name: str, text: str) -> None:
    with pytest.raises(LocalError):
        settings(mode_config={"gateway": True, "values": [[name, text]]}).config(ADDRESS)


def test_users_are_octets_and_never_shown() -> None:
    given = settings(xauth={"user": "joe", "password": "pw", "users": {"ann": "other"}})
    policy = given.config(ADDRESS).xauth
    assert policy is not None
    assert (policy.user, policy.password, policy.users) == (b"joe", b"pw", ((b"ann", b"other"),))
    assert "pw" not in repr(given.xauth)
    assert "other" not in repr(given.xauth)


@dataclass(frozen=True)
class Core:
    """What the core might take."""

    needed: int
    other: str = "usual"


class Said(Fields, frozen=True, kw_only=True):
    """What a file might say."""

    needed: int
    other: str = "mine"
    later: tuple[int, ...] = ()


def test_the_core_is_told_what_was_said() -> None:
    """A default of ours says nothing, so that the core's own counts."""
    assert build(Core, said(Said(needed=1))) == Core(1, "usual")
    assert build(Core, said(Said(needed=1, other="x"))) == Core(1, "x")
    assert build(Core, said(Said(needed=1), needed=2)) == Core(2)
    with pytest.raises(LocalError, match="later is not supported"):
        build(Core, said(Said(needed=1, later=(1,))))
    with pytest.raises(LocalError, match="needed is needed"):
        build(Core, {"other": "x"})


def test_a_gateway_may_ask_in_rounds() -> None:
    rounds = [
        {"asks": ["xauth-user-name"]},
        {"asks": ["xauth-passcode"], "message": "your token", "expects": {"xauth-passcode": "7"}},
    ]
    given = settings(xauth={"rounds": rounds, "tries": 2, "verdict": "welcome"})
    policy = given.config(ADDRESS).xauth
    assert policy is not None
    assert [one.asks for one in policy.questions] == [("xauth-user-name",), ("xauth-passcode",)]
    assert policy.rounds[1].expects == (("xauth-passcode", b"7"),)
    assert (policy.tries, policy.verdict) == (2, b"welcome")
    assert "7" not in repr(given.xauth)
    with pytest.raises(LocalError, match="asked for with a message"):
        settings(xauth={"rounds": [{"asks": ["xauth-answer"]}]}).config(ADDRESS)


def test_a_user_needs_no_certificate_of_its_own_in_hybrid_authentication() -> None:
    credentials = settings(credentials={"require_crl": True}).config(ADDRESS).credentials
    assert credentials is not None
    assert credentials.private_key is None
    assert credentials.require_crl
