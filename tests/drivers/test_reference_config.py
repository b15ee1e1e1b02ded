"""What the reference's control socket is given for each feature: all of it must be accepted."""

from __future__ import annotations

import json
import random
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.issuing import Authority
from conformance.drivers.methods import METHODS, PASSWORD
from conformance.drivers.reference_config import configuration
from conformance.ikev1.config import Config
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.events import ChildInstalled
from conformance.ikev1.policies import LifetimePolicy
from conformance.matrix.factors import COMBINED, FACTORS, Factor, find_factor
from conformance.peer.requests import Configure, read_request

if TYPE_CHECKING:
    from conftest import MakeConnection

    from conformance.drivers.base import Connection, Role

ALICE, BOB = "10.77.0.14", "10.77.0.11"
ROLES: tuple[Role, ...] = ("initiator", "responder")
FEATURES = ("xauth", "mode_config", "fragmentation", "nat_traversal", "dpd", "lifetimes")
CERTIFIED = [name for name, method in METHODS.items() if method.key]
NEEDED = {
    ("protocol", "ah"): {"esp_cipher": "none"},
    ("esp_cipher", "none"): {"protocol": "ah"},
    ("esp_integrity", "none"): {"esp_cipher": "aes128gcm16"},
    **{("esp_cipher", cipher): {"esp_integrity": "none"} for cipher in COMBINED},
}
"""What a level cannot do without (CONSTRAINTS)."""
Configured = Callable[..., tuple[dict[str, Any], Config]]


@pytest.fixture(scope="module")
def authority() -> Authority:
    now = datetime.now(UTC)
    return Authority(Authority.create(now), now)


@pytest.fixture
def configured(make_connection: MakeConnection, authority: Authority) -> Configured:
    """The fields of ``configure`` and the endpoint's configuration that comes of them."""

    def configure(role: Role = "initiator", /, **levels: str) -> tuple[dict[str, Any], Config]:
        connection = make_connection(role, **levels)
        if key := connection.method.key:
            issued = authority.issue(connection.local.address, key)
            connection = replace(connection, credentials=issued)
        fields = json.loads(json.dumps(configuration(connection)))
        address = ip_address(connection.local.address)
        return fields, read_request(Configure, fields).config(address)

    return configure


def test_the_plain_connection_asks_for_no_feature(configured: Configured) -> None:
    fields, config = configured()
    assert not set(FEATURES) & fields.keys()
    assert fields["credentials"] is None
    assert (fields["remote"], fields["remote_id"]) == ("10.77.0.11", "ipv4:10.77.0.11")
    assert (fields["local_selector"], fields["remote_selector"]) == (
        "10.78.14.0/24",
        "10.78.11.0/24",
    )
    assert config.lifetimes == LifetimePolicy(rekey=False)


@pytest.mark.parametrize(
    ("levels", "remote", "selector"),
    [
        ({"family": "ipv6"}, "fd77::11:1", "fd78:14:1::/64"),
        ({"family": "ipv6", "mode": "transport"}, "fd77::11:1", "fd77::14:1/128"),
        ({"family": "4in6"}, "fd77::11:1", "10.78.14.0/24"),
        ({"family": "6in4"}, "10.77.0.11", "fd78:14:1::/64"),
    ],
    ids=str,
)
def test_addresses_are_of_the_family_outside_and_inside(
    configured: Configured, levels: dict[str, str], remote: str, selector: str
) -> None:
    """Identities are addresses of the family outside (RFC 2407 4.6.2)."""
    fields, config = configured(**levels)
    version = ip_address(remote).version
    assert (fields["remote"], fields["remote_id"]) == (remote, f"ipv{version}:{remote}")
    assert str(config.remote_id) == f"IPV{version}-ADDR {remote}"
    assert fields["local_selector"] == selector


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_every_level_is_accepted(configured: Configured, factor: Factor, role: Role) -> None:
    """``configure`` takes it and the core makes a configuration of it, at either end."""
    for level in factor.known:
        levels = {factor.name: level, **NEEDED.get((factor.name, level), {})}
        fields, config = configured(role, **levels)
        assert config.phase1[0].auth == fields["phase1"]["auth"]
        assert config.phase2[0].protocol == levels.get("protocol", "esp")
        assert config.phase2[0].esn is (levels.get("esn") == "yes")


USER, GATEWAY = (
    {"user": "road", "password": PASSWORD},
    {"users": {"road": PASSWORD}},
)
FIELDS: list[tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = [
    # levels, the features that the initiator is given, those that the responder is given
    ({"auth": "xauth-init-psk"}, {"xauth": USER}, {"xauth": GATEWAY}),
    ({"auth": "xauth-resp-rsa-sig"}, {"xauth": GATEWAY}, {"xauth": USER}),
    ({"auth": "hybrid-init-rsa-sig"}, {"xauth": USER}, {"xauth": GATEWAY}),
    ({"mode_config": "pull"},
     {"mode_config": {"gateway": False, "push": False, "values": [["ip4-address", ""]],
                      "use_address": True}},
     {"mode_config": {"gateway": True, "push": False, "values": [["ip4-address", "10.78.14.1"]],
                      "use_address": False}}),
    ({"mode_config": "push"},
     {"mode_config": {"gateway": False, "push": True, "values": [], "use_address": True}},
     {"mode_config": {"gateway": True, "push": True, "values": [["ip4-address", "10.78.14.1"]],
                      "use_address": False}}),
    ({"fragmentation": "yes"}, {"fragmentation": {"size": 552}}, {"fragmentation": {"size": 552}}),
    ({"nat": "initiator"}, {"nat_traversal": {}}, {"nat_traversal": {}}),
    ({"event": "dpd"}, {"dpd": {"idle": 1.0, "timeout": 1.0, "tries": 5}},
     {"dpd": {"idle": 1.0, "timeout": 1.0, "tries": 5}}),
    ({"event": "rekey"}, {"lifetimes": {"soft": 6 / 3600, "overlap": 1}}, {}),
    ({"event": "rekey-bytes"}, {"lifetimes": {"soft_octets": 5000, "overlap": 1}}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("levels", "initiator", "responder"), FIELDS, ids=str)
def test_a_feature_is_configured_at_the_ends_that_need_it(
    configured: Configured,
    levels: dict[str, str],
    initiator: dict[str, Any],
    responder: dict[str, Any],
) -> None:
    for role, expected in zip(ROLES, (initiator, responder), strict=True):
        fields, _ = configured(role, **levels)
        assert {name: fields[name] for name in FEATURES if name in fields} == expected


@pytest.mark.parametrize("way", ["pull", "push"])
def test_mode_config_gives_the_initiator_its_one_inner_address(
    configured: Configured, way: str
) -> None:
    """Both ends speak of the same selectors in phase 2: a host's on one side."""
    ends = [configured(role, mode_config=way)[0] for role in ROLES]
    selectors = [(end["local_selector"], end["remote_selector"]) for end in ends]
    assert selectors == [("10.78.14.1/32", "10.78.11.0/24"), ("10.78.11.0/24", "10.78.14.1/32")]


def test_behind_a_nat_the_responder_talks_to_the_translator_about_the_host(
    configured: Configured,
) -> None:
    fields, _ = configured("responder", nat="initiator")
    assert (fields["remote"], fields["remote_id"]) == ("10.77.0.254", "ipv4:10.77.0.14")


def test_an_initiator_with_a_name_is_known_by_it(
    make_connection: MakeConnection, named: Callable[[Connection], Connection]
) -> None:
    fields = configuration(named(make_connection("responder", exchange="aggressive")))
    assert fields["remote_id"] == f"key-id:{b'group'.hex()}"


@pytest.mark.parametrize("auth", CERTIFIED)
def test_keys_go_along_as_base64(configured: Configured, auth: str) -> None:
    fields, config = configured(auth=auth)
    keys = ("private_key", "certificate", "authority")
    assert all(b64decode(fields["credentials"][name]) for name in keys)
    assert config.credentials is not None


MEETINGS: list[dict[str, str]] = [
    {},
    {"exchange": "aggressive", "fragmentation": "yes", "auth": "rsa-sig"},
    *({"auth": auth} for auth in METHODS if auth != "psk"),
    {"mode_config": "pull"},
    {"mode_config": "push"},
    {"mode_config": "push", "auth": "xauth-init-psk"},
    {"mode_config": "pull", "auth": "hybrid-init-rsa-sig", "fragmentation": "yes"},
    {"protocol": "ah", "esp_cipher": "none"},
    {"protocol": "esp+ipcomp", "mode": "transport"},
    *({"esp_cipher": cipher, **NEEDED.get(("esp_cipher", cipher), {})}
      for cipher in find_factor("esp_cipher").rare),
    *({"protocol": "ah", "esp_cipher": "none", "esp_integrity": mac}
      for mac in find_factor("esp_integrity").known if mac != "none"),
    {"esn": "yes"},
    {"esn": "yes", "protocol": "ah", "esp_cipher": "none"},
    {"esn": "yes", "esp_cipher": "aes256gcm12", "esp_integrity": "none"},
    {"lifetime": "kilobytes"},
    {"event": "dpd"},
    {"event": "rekey"},
    {"event": "rekey-bytes"},
    {"nat": "initiator"},
]  # fmt: skip


@pytest.mark.parametrize("levels", MEETINGS, ids=lambda levels: "-".join(levels.values()) or "-")
def test_the_two_ends_of_a_cell_agree(configured: Configured, levels: dict[str, str]) -> None:
    """Two endpoints made from the two views establish a pair of SAs of what was asked for."""
    configs = [configured(role, **levels)[1] for role in ROLES]
    one, other = (
        Endpoint(config, (there, 500), random=random.Random(there).randbytes, local=(here, 500))
        for config, here, there in zip(configs, (ALICE, BOB), (BOB, ALICE), strict=True)
    )
    one.initiate(0.0)
    converse(one, other)
    children = [child_of(end) for end in (one, other)]
    assert children[0].protocol == levels.get("protocol", "esp")
    assert children[0].mode == levels.get("mode", "tunnel")
    for child in children:
        assert child.cipher == levels.get("esp_cipher", "aes128")
        assert child.integrity == levels.get("esp_integrity", "sha256")
        limited = levels.get("lifetime") == "kilobytes"
        assert child.lifetime_kilobytes == (10_000 if limited else None)
        assert child.esn is (levels.get("esn") == "yes")
    assert children[0].spi_in == children[1].spi_out
    assert children[0].local_selector == children[1].remote_selector
    assert children[0].remote_selector == children[1].local_selector


def converse(one: Endpoint, other: Endpoint) -> None:
    """Carry datagrams until both are silent, each as if from the port it was sent to."""
    moved = True
    while moved:
        moved = False
        for sender, receiver, source in ((one, other, ALICE), (other, one, BOB)):
            for data, (_, port) in sender.datagrams_to_send(0.0):
                receiver.receive_datagram(data, (source, port), 0.0)
                moved = True


def child_of(end: Endpoint) -> ChildInstalled:
    (child,) = [event for event in iter(end.next_event, None) if isinstance(event, ChildInstalled)]
    return child
