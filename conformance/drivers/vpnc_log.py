"""What vpnc's debug output (level 3) tells of its SAs, their keys and why it gave up."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from conformance.drivers.vpnc_config import GROUPS
from conformance.record.records import ChildSa, IkeSa
from conformance.record.wireshark import EspKey, IkeKey

if TYPE_CHECKING:
    from conformance.drivers.base import Connection

AUTHS = {"psk": "psk", "psk+xauth": "xauth-init-psk", "hybrid(rsa)": "hybrid-init-rsa-sig"}
"""Its name of a method -> level of ``auth``."""
NUMBERS = {number: level for level, number in GROUPS.items()}

PROVEN = "S4.6 cleanup"
"""It has checked the proof of the other end, and gone on."""
USER_ACCEPTED = "S5.8 xauth done"
STARTED = "VPNC started in foreground"
"""SAs stand, and the TUN device serves."""
ENDED = "vpnc ended with status"
"""What ``connect`` says last."""

_HEX = r"((?:\s+[0-9a-f]{2,8}\b)*)"
COOKIES = re.compile(r"i_cookie: (\S+ \S+)\n\s+r_cookie: (\S+ \S+)")
IKE_SELECTED = re.compile(r"IKE SA selected (\S+)-(\S+)-(\S+)")
ESP_SELECTED = re.compile(r"IPSEC SA selected (\S+)-(\S+)")
LIFETIME = re.compile(r"got (ike|ipsec) lifetime attributes: (\d+) seconds")
GROUP = re.compile(r"\((IKE|ISAKMP_IPSEC)_ATTRIB_GROUP_DESC\)\n\s+t\.attributes\S+ ([0-9a-f]{4})")
IDENTITY = re.compile(r"id\.data: ([0-9a-f]{8})(?: ([0-9a-f]{8}))?\n")
SPI = re.compile(r"(remote|local) -> \w+ spi: (0x[0-9a-f]+)")
KEY = re.compile(rf"\b(enc-key|[rt]x\.key_cry|[rt]x\.key_md):{_HEX}")
SENT, ACCEPTED = "sending ESP packet (before crypt)", "receiving ESP packet (after decrypt)"

NOTIFY = re.compile(r"ISAKMP_N_([A-Z_]+)")
COMPLAINT = re.compile(
    r"^(?:vpnc: |received notice of )(?!Accepting |select: |terminated |unknown spi )(.*)",
    re.MULTILINE,
)


def failure(said: str) -> str | None:
    """Why it gave up, as far as it says so."""
    return "; ".join(COMPLAINT.findall(said)[-2:]) or None


def notifies(said: str) -> tuple[str, ...]:
    """The notifies that it complains about, or that it refuses something with."""
    complaints = " ".join(COMPLAINT.findall(said))
    return tuple(dict.fromkeys(NOTIFY.findall(complaints)))


class Keys(NamedTuple):
    """The keys of the newest SAs."""

    ike: list[IkeKey]
    esp: list[EspKey]


def ike_sa(said: str) -> IkeSa | None:
    """The newest ISAKMP SA; None where phase 1 was not proven, or vpnc has ended."""
    selected = IKE_SELECTED.findall(said)
    if not selected or PROVEN not in said or ENDED in said:
        return None
    method, cipher, hash_name = selected[-1]
    initiator, responder = _cookies(said)
    proven = AUTHS.get(method, method)
    return IkeSa(
        cookie_initiator=initiator,
        cookie_responder=responder,
        state="established",
        cipher=cipher,
        hash=hash_name,
        group=_group(said, "IKE") or "none",
        auth=proven if method == "psk" or USER_ACCEPTED in said else f"{proven} without user",
        lifetime_seconds=_lifetime(said, "ike"),
    )


def child_sa(said: str) -> ChildSa | None:
    """The newest pair of IPsec SAs; None before they serve, and once vpnc has ended."""
    selected = ESP_SELECTED.findall(said)
    if not selected or STARTED not in said or ENDED in said:
        return None
    cipher, integrity = selected[-1]
    spis = _spis(said)
    local, remote = (_network(*found) for found in IDENTITY.findall(said)[-2:])
    traffic = said.rpartition(STARTED)[2]
    return ChildSa(
        spi_in=spis["remote"],
        spi_out=spis["local"],
        protocol="esp",
        mode="tunnel",
        cipher=cipher,
        integrity=integrity,
        pfs=_group(said, "ISAKMP_IPSEC"),
        lifetime_seconds=_lifetime(said, "ipsec"),
        local_selector=local,
        remote_selector=remote,
        packets_in=traffic.count(ACCEPTED),
        packets_out=traffic.count(SENT),
    )


def keys(said: str, connection: Connection) -> Keys:
    """What opens the messages and the packets of the newest SAs, also once vpnc has ended."""
    found = {name: bytes.fromhex("".join(octets.split())) for name, octets in KEY.findall(said)}
    ike = [IkeKey(bytes.fromhex(_cookies(said)[0]), found["enc-key"])] if "enc-key" in found else []
    spis, selected = _spis(said), ESP_SELECTED.findall(said)
    if not spis:
        return Keys(ike, [])
    here, there = connection.local.address, connection.remote.address
    ways = (("remote", "rx", there, here), ("local", "tx", here, there))
    return Keys(
        ike,
        [
            EspKey(
                spi=spis[way],
                source=source,
                destination=destination,
                cipher=selected[-1][0],
                key=found[f"{end}.key_cry"],
                integrity=selected[-1][1],
                integrity_key=found[f"{end}.key_md"],
            )
            for way, end, source, destination in ways
        ],
    )


def _cookies(said: str) -> tuple[str, str]:
    initiator, responder = COOKIES.findall(said)[-1]
    return initiator.replace(" ", ""), responder.replace(" ", "")


def _spis(said: str) -> dict[str, int]:
    """By the end that sends."""
    return {end: int(spi, 16) for end, spi in SPI.findall(said)}


def _group(said: str, phase: str) -> str | None:
    found = [int(number, 16) for told, number in GROUP.findall(said) if told == phase]
    return NUMBERS.get(found[-1], str(found[-1])) if found else None


def _lifetime(said: str, sa: str) -> int | None:
    found = [int(seconds) for told, seconds in LIFETIME.findall(said) if told == sa]
    return found[-1] if found else None


def _network(address: str, mask: str) -> str:
    first, netmask = IPv4Address(int(address, 16)), IPv4Address(int(mask or "ffffffff", 16))
    return str(IPv4Network(f"{first}/{netmask}"))
