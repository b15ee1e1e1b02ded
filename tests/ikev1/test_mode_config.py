"""Mode Config: every attribute told and read, pulled and pushed, and the address in use.

draft-dukes-ike-mode-cfg-02 3.4; Unity as Cisco's gateways send it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ikev1 import vendor_ids
from conformance.ikev1.config import Identification
from conformance.ikev1.constants import ConfigurationType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ConfigurationReceived,
    ExchangeFailed,
    IsakmpDeleted,
    IsakmpEstablished,
    MessageRejected,
)
from conformance.ikev1.mode_config import NUMBERS, answer_request, attributes_of
from conformance.ikev1.payloads import Configuration
from conformance.ikev1.policies import ModeConfigPolicy
from conformance.ikev1.settings import FORMATS, read_setting, write_setting

if TYPE_CHECKING:
    from collections.abc import Callable

# (name, as text, octets, as the event has it)
SETTINGS: list[tuple[str, str, str, Any]] = [
    ("ip4-address", "10.1.0.7", "0a010007", "10.1.0.7"),
    ("ip4-netmask", "255.255.255.0", "ffffff00", "255.255.255.0"),
    ("ip4-dns", "10.2.0.53", "0a020035", "10.2.0.53"),
    ("ip4-nbns", "10.2.0.54", "0a020036", "10.2.0.54"),
    ("address-expiry", "86400", "00015180", 86400),
    ("ip4-dhcp", "10.2.0.67", "0a020043", "10.2.0.67"),
    ("application-version", "suite 1", "73756974652031", "suite 1"),
    ("ip6-address", "2001:db8::7", "20010db8000000000000000000000007", "2001:db8::7"),
    ("ip6-netmask", "ffff::", "ffff0000000000000000000000000000", "ffff::"),
    ("ip6-dns", "2001:db8::35", "20010db8000000000000000000000035", "2001:db8::35"),
    ("ip6-nbns", "2001:db8::36", "20010db8000000000000000000000036", "2001:db8::36"),
    ("ip6-dhcp", "2001:db8::43", "20010db8000000000000000000000043", "2001:db8::43"),
    ("ip4-subnet", "10.2.0.0/16", "0a020000ffff0000", "10.2.0.0/16"),
    ("supported-attributes", "1 2 28672", "000100027000", (1, 2, 28672)),
    ("ip6-subnet", "2001:db8::/32", "20010db800000000000000000000000020", "2001:db8::/32"),
    ("unity-banner", "Hello", "48656c6c6f", "Hello"),
    ("unity-save-password", "1", "0001", 1),
    ("unity-default-domain", "example.net", "6578616d706c652e6e6574", "example.net"),
    ("unity-split-dns", "a.net,b.net", "612e6e65742c622e6e6574", "a.net,b.net"),
    (
        "unity-split-include",
        "10.0.0.0/8 10.9.0.0/16",
        "0a000000ff000000000000000000" + "0a090000ffff0000000000000000",
        ("10.0.0.0/8", "10.9.0.0/16"),
    ),
    ("unity-natt-port", "10000", "2710", 10000),
    ("unity-split-exclude", "10.0.0.0/8", "0a000000ff000000000000000000", ("10.0.0.0/8",)),
    ("unity-pfs", "1", "0001", 1),
    ("unity-firewall-type", "0102", "0102", "0102"),
    ("unity-backup-servers", "10.0.0.2", "31302e302e302e32", "10.0.0.2"),
    ("unity-ddns-hostname", "host", "686f7374", "host"),
]
COVERED = [
    pytest.param(
        *row,
        id=row[0],
        marks=pytest.mark.covers(
            f"{'unity' if row[0].startswith('unity') else 'config'}:{NUMBERS[row[0]]}", by="self"
        ),
    )
    for row in SETTINGS
]
ALL = tuple((name, bytes.fromhex(octets)) for name, _, octets, _ in SETTINGS)
READ = tuple((name, setting) for name, _, _, setting in SETTINGS)
ASKED = tuple((name, b"") for name, *_ in SETTINGS)


def test_every_attribute_has_a_row() -> None:
    assert [row[0] for row in SETTINGS] == list(FORMATS)
    assert {name for name in NUMBERS if not name.startswith("xauth-")} == set(FORMATS)


@pytest.mark.parametrize(("name", "text", "octets", "setting"), COVERED)
def test_values(name: str, text: str, octets: str, setting: Any) -> None:
    """Written and read as the draft draws them."""
    assert write_setting(name, text).hex() == octets
    assert read_setting(name, bytes.fromhex(octets)) == setting
    assert write_setting(name, "") == b""


def test_an_address_with_a_prefix_length() -> None:
    """StrongSwan puts one behind it, as IKEv2 does."""
    value = bytes.fromhex("20010db800000000000000000000000740")
    assert read_setting("ip6-address", value) == "2001:db8::7/64"
    assert read_setting("ip6-address", value + b"@") == value.hex() + "40"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ip4-address", "10.0.0"),
        ("ip4-subnet", "10.0.0.1/8"),
        ("address-expiry", "-1"),
        ("unity-pfs", "65536"),
        ("unity-firewall-type", "xyz"),
        ("no-such-thing", "1"),
    ],
)
def test_text_that_is_no_value(name: str, text: str) -> None:
    with pytest.raises(LocalError, match=name):
        write_setting(name, text)


@given(name=st.sampled_from(list(FORMATS)), value=st.binary(max_size=40))
def test_no_octets_raise(name: str, value: bytes) -> None:
    """A value that cannot be read is shown in hexadecimal."""
    assert read_setting(name, value) is not None


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize(
    ("host", "gateway"), [("initiator", "responder"), ("responder", "initiator")]
)
def test_everything_arrives(
    make_pair: Callable[..., Any], *, push: bool, host: str, gateway: str
) -> None:
    """The event is complete: names, octets and what they say."""
    pair = make_pair(
        **{
            host: {"mode_config": ModeConfigPolicy(gateway=False, push=push, values=ASKED)},
            gateway: {"mode_config": ModeConfigPolicy(gateway=True, push=push, values=ALL)},
        }
    )
    pair.handshake()
    told = getattr(pair, f"of_{host}")(ConfigurationReceived)
    assert told == [ConfigurationReceived(ALL, READ)]
    assert "unity-split-include 10.0.0.0/8 10.9.0.0/16, " in str(told[0])
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1


@pytest.mark.covers("vid:Cisco Unity", by="self")
@pytest.mark.parametrize("unity", [True, False])
def test_unity_is_announced(make_pair: Callable[..., Any], *, unity: bool) -> None:
    """By the Vendor ID, from either end, where policy wants it."""
    pair = make_pair(
        initiator={"mode_config": ModeConfigPolicy(gateway=False, push=False, unity=unity)},
        responder={"mode_config": ModeConfigPolicy(gateway=True, push=False, unity=unity)},
    )
    pair.handshake()
    for events in (pair.of_initiator, pair.of_responder):
        (event,) = events(IsakmpEstablished)
        assert (vendor_ids.UNITY in event.vendor_ids) is unity


def asked_for(*names: str) -> Configuration:
    values = attributes_of([(name, b"") for name in names])
    return Configuration(ConfigurationType.REQUEST, 1, values)


ONE, TWO = ("ip4-address", b"\n\1\0\7"), ("ip4-address", b"\n\1\0\x08")
DNS = (("ip4-dns", b"\n\2\0\x35"), ("ip4-dns", b"\n\2\0\x36"))


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (("ip4-address",), (ONE,)),
        (("ip4-address", "ip4-address"), (ONE, TWO)),
        (("ip4-address", "ip4-address", "ip4-address"), (ONE, TWO)),
        (("ip4-dns",), DNS),
        (("ip6-address",), ()),
        (("supported-attributes",), (("supported-attributes", bytes.fromhex("00010003000e")),)),
    ],
)
def test_answers(asked: tuple[str, ...], answered: Any) -> None:
    """3.4: no more addresses than asked for, but all servers; what is supported is always told."""
    assert answer_request(asked_for(*asked), (ONE, TWO, *DNS)) == answered


# -- the address in use ------------------------------------------------------------------------

NET = Identification.selector("10.2.0.0/24")


def roadwarrior(
    make_pair: Callable[..., Any],
    values: tuple[tuple[str, bytes], ...],
    *,
    push: bool = False,
    host: str = "initiator",
) -> Any:
    """Neither end knows the host's address beforehand."""
    gateway = {"initiator": "responder", "responder": "initiator"}[host]
    asked = tuple((name, b"") for name in ("ip4-address", "ip6-address"))
    nowhere = Identification.selector("192.0.2.255/32")
    pair = make_pair(
        **{
            host: {
                "mode_config": ModeConfigPolicy(
                    gateway=False, push=push, values=asked, use_address=True
                ),
                "local_selector": nowhere,
                "remote_selector": NET,
            },
            gateway: {
                "mode_config": ModeConfigPolicy(
                    gateway=True, push=push, values=values, use_address=True
                ),
                "local_selector": NET,
                "remote_selector": nowhere,
            },
        }
    )
    pair.handshake()
    return pair


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize("host", ["initiator", "responder"])
@pytest.mark.parametrize(
    ("value", "address"),
    [
        (("ip4-address", b"\n\1\0\7"), "10.1.0.7/32"),
        (("ip6-address", bytes.fromhex("20010db8000000000000000000000007")), "2001:db8::7/128"),
        (("ip6-address", bytes.fromhex("20010db800000000000000000000000740")), "2001:db8::7/128"),
    ],
)
def test_quick_mode_speaks_for_the_new_address(
    make_pair: Callable[..., Any], *, push: bool, host: str, value: Any, address: str
) -> None:
    """IDci of a host is what it was given, and the gateway expects nothing else."""
    pair = roadwarrior(make_pair, (value,), push=push, host=host)
    ends = {"initiator": pair.of_initiator, "responder": pair.of_responder}
    (mine,) = ends.pop(host)(ChildInstalled)
    (yours,) = ends.popitem()[1](ChildInstalled)
    assert mine.local_selector == yours.remote_selector == Identification.selector(address)
    assert mine.remote_selector == yours.local_selector == NET


@pytest.mark.parametrize(
    "values",
    [
        (),
        (("ip4-address", b"\n\1\0"),),
        (("ip6-address", b"\n\1\0\7"),),
        (("ip4-dns", b"\n\1\0\7"),),
    ],
)
@pytest.mark.parametrize("push", [True, False])
def test_no_address_no_quick_mode(
    make_pair: Callable[..., Any], values: tuple[tuple[str, bytes], ...], *, push: bool
) -> None:
    """A host that was given none lets go of the ISAKMP SA; nobody raises anything."""
    pair = roadwarrior(make_pair, values, push=push)
    assert not pair.of_initiator(ChildInstalled) + pair.of_responder(ChildInstalled)
    assert pair.of_initiator(IsakmpDeleted)
    assert pair.of_responder(IsakmpDeleted)


def test_another_address_is_refused(make_pair: Callable[..., Any]) -> None:
    """A host that keeps its own selector gets nothing from a gateway that gave it an address."""
    pair = make_pair(
        initiator={
            "mode_config": ModeConfigPolicy(
                gateway=False, push=False, values=(("ip4-address", b""),)
            )
        },
        responder={
            "mode_config": ModeConfigPolicy(
                gateway=True, push=False, values=(("ip4-address", b"\n\1\0\7"),), use_address=True
            )
        },
    )
    pair.handshake()
    pair.pass_time()
    assert "IDci" in pair.of_responder(MessageRejected)[0].reason
    assert pair.of_initiator(ExchangeFailed)
    assert not pair.of_responder(ChildInstalled)
