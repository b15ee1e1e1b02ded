"""Netlink's messages octet for octet, as Linux's ``include/uapi/linux/xfrm.h`` lays them out."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from conformance.ipsec.association import Bundle, SecurityAssociation, UdpEncapsulation
from conformance.ipsec.ip import Protocol
from conformance.ipsec.replay import ReplayWindow
from conformance.ipsec.sad import Usage
from conformance.ipsec.selector import AddressRange, PortRange, Selector
from conformance.linux import messages
from conformance.linux.requests import Policy, policy_message, sa_message

HEADER, SA, POLICY = 16, 224, 168
"""Octets of ``nlmsghdr``, ``xfrm_usersa_info`` and ``xfrm_userpolicy_info`` on a 64-bit machine."""
A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
A6, B6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
SUBNETS = Selector(IPv4Network("198.51.100.0/24"), IPv4Network("203.0.113.0/25"))
SUBNETS_6 = Selector(IPv6Network("2001:db8:1::/64"), IPv6Network("2001:db8:2::/64"))
AES = {
    "cipher": "aes128",
    "encryption_key": bytes(range(16)),
    "integrity": "sha256",
    "integrity_key": bytes(range(0x20, 0x40)),
}
GCM = {"cipher": "aes128gcm12", "encryption_key": bytes(range(20))}
AH = {"protocol": Protocol.AH, "integrity": "sha1", "integrity_key": bytes(20)}


def sa(**fields: Any) -> SecurityAssociation:
    plain: dict[str, Any] = {
        "spi": 0x01020304,
        "source": A,
        "destination": B,
        "direction": "out",
        "mode": "tunnel",
        "selector": SUBNETS,
    }
    return SecurityAssociation(**{**plain, **fields})


def encoded(message: Any) -> bytes:
    """What goes to the kernel, the header of netlink left out."""
    message.encode()
    return bytes(message.data[HEADER:])


def attributes(octets: bytes) -> dict[int, bytes]:
    """Attribute by its number, read by nothing but the layout of RFC 3549's TLVs."""
    found = {}
    while octets:
        size, kind = struct.unpack_from("=HH", octets)
        found[kind] = octets[4:size]
        octets = octets[size + -size % 4 :]
    return found


def words(*values: int) -> bytes:
    return struct.pack(f"={len(values)}I", *values)


def named(name: str) -> bytes:
    return name.encode().ljust(64, b"\0")


@pytest.mark.parametrize(
    ("what", "at", "value"),
    [
        ("selector's destination", 0, "cb007100" + 12 * "00"),
        ("selector's source", 16, "c6336400" + 12 * "00"),
        ("ports and their masks, of any port", 32, 8 * "00"),
        ("selector's family, AF_INET", 40, "0200"),
        ("selector's prefix lengths, protocol", 42, "191800"),
        ("destination", 56, "c0000202" + 12 * "00"),
        ("SPI, in the network's order", 72, "01020304"),
        ("protocol, ESP", 76, "32"),
        ("source", 80, "c0000201" + 12 * "00"),
        ("no limit of octets and packets", 96, 32 * "ff"),
        ("no limit of seconds", 128, 32 * "00"),
        ("family, AF_INET", 212, "0200"),
        ("mode, tunnel", 214, "01"),
        ("window, in the newer form", 215, "00"),
        ("flags", 216, "00"),
    ],
)
def test_an_sa_has_its_fields_where_the_kernel_reads_them(what: str, at: int, value: str) -> None:
    octets = encoded(sa_message(sa(**AES)))
    assert octets[at : at + len(value) // 2].hex() == value, what


@pytest.mark.parametrize(
    ("fields", "at", "value"),
    [
        ({**AES, "mode": "transport"}, 214, "00"),
        ({**AES, "replay": ReplayWindow(32)}, 215, "20"),
        ({**AES, "esn": True}, 216, "80"),
        (AH, 76, "33"),
        (AH, 216, "40"),
        ({**AH, "source": A6, "destination": B6, "selector": SUBNETS_6}, 216, "00"),
        ({**AES, "source": A6, "destination": B6}, 212, "0a00"),
        ({**AES, "source": A6, "destination": B6}, 40, "0200"),
        ({**AES, "source": A6, "destination": B6}, 56, B6.packed.hex()),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_an_sa_says_what_it_is(fields: dict[str, Any], at: int, value: str) -> None:
    """Mode, window, ESN, AH's alignment (which only IPv4 has), and the families of both headers."""
    octets = encoded(sa_message(sa(**fields)))
    assert octets[at : at + len(value) // 2].hex() == value


@pytest.mark.parametrize(
    ("fields", "number", "value"),
    [
        (AES, 2, named("cbc(aes)") + words(128) + bytes(range(16))),
        (AES, 20, named("hmac(sha256)") + words(256, 128) + bytes(range(0x20, 0x40))),
        (GCM, 18, named("rfc4106(gcm(aes))") + words(160, 96) + bytes(range(20))),
        (AH, 20, named("hmac(sha1)") + words(160, 96) + bytes(20)),
        ({**AES, "udp": UdpEncapsulation(4500, 4501)}, 4, b"\2\0\x11\x94\x11\x95" + bytes(18)),
        ({**AES, "tfc": 1400}, 22, words(1400)),
        (
            {"protocol": Protocol.IPCOMP, "compression": "deflate", "spi": 7, "replay": None},
            3,
            named("deflate") + words(0),
        ),
        ({**AES, "replay": ReplayWindow(32), "usage": Usage(sequence=9)}, 10, words(9, 0, 0)),
        ({**AES, "replay": ReplayWindow(100)}, 23, words(4, 0, 0, 0, 0, 100) + bytes(16)),
        (
            {**AES, "esn": True, "usage": Usage(sequence=(3 << 32) + 5)},
            23,
            words(2, 5, 0, 3, 0, 64) + bytes(8),
        ),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_an_attribute_is_laid_out_as_its_structure(
    fields: dict[str, Any], number: int, value: bytes
) -> None:
    """Keys with their length in bits, ICVs in bits, ports in the network's order, counters."""
    octets = encoded(sa_message(sa(**fields)))
    assert attributes(octets[SA:])[number] == value


def test_the_highest_number_received_goes_along() -> None:
    window = ReplayWindow(64)
    window.right = (1 << 32) + 2
    octets = encoded(sa_message(sa(**AES, esn=True, replay=window)))
    assert attributes(octets[SA:])[23][:24] == words(2, 0, 2, 0, 1, 64)


def test_what_stands_around_another_sa_selects_nothing() -> None:
    octets = encoded(sa_message(sa(**AES, mode="transport"), selects=False))
    assert octets[:56] == bytes(56)
    assert octets[216] == 0x20


def bundle() -> Bundle:
    ipcomp = {"protocol": Protocol.IPCOMP, "compression": "deflate", "spi": 7, "replay": None}
    return Bundle((sa(**AES, mode="transport"), sa(**ipcomp)))


@pytest.mark.parametrize(
    ("direction", "optional"), [(messages.POLICY_OUT, 0), (messages.POLICY_FORWARD, 1)]
)
def test_a_policy_asks_for_its_bundle_innermost_first(direction: int, optional: int) -> None:
    """IPComp may be missing in what arrives (RFC 3173 2.2)."""
    octets = encoded(policy_message(Policy(direction, SUBNETS, bundle())))
    assert len(octets[:POLICY]) == POLICY
    assert octets[160] == direction
    templates = attributes(octets[POLICY:])[5]
    inner, outer = templates[:64], templates[64:]
    assert (inner[20], outer[20]) == (Protocol.IPCOMP, Protocol.ESP)
    assert (inner[48], outer[48]) == (1, 0)
    assert (inner[50], outer[50]) == (optional, 0)
    assert inner[:4] == B.packed
    assert inner[28:32] == A.packed
    assert inner[52:64] == 12 * b"\xff"


def test_a_policy_without_a_bundle_comes_first_and_asks_for_nothing() -> None:
    port = PortRange.of(4500)
    selector = Selector(SUBNETS.source, SUBNETS.destination, Protocol.UDP, port, port)
    protects = encoded(policy_message(Policy(messages.POLICY_IN, SUBNETS, bundle())))
    octets = encoded(policy_message(Policy(messages.POLICY_IN, selector, None)))
    assert octets[32:40].hex() == "1194ffff1194ffff"
    assert octets[152:156] < protects[152:156]
    assert not octets[POLICY:]


@pytest.mark.parametrize(
    "selector",
    [
        Selector(AddressRange(A, B), SUBNETS.destination),
        Selector(SUBNETS.source, SUBNETS.destination, Protocol.UDP, PortRange(1, 2)),
    ],
    ids=["addresses", "ports"],
)
def test_a_range_is_no_selector_of_the_kernel(selector: Selector) -> None:
    with pytest.raises(ValueError, match="the kernel has no selector"):
        sa_message(sa(**AES, selector=selector))
