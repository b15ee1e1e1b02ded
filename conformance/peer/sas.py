"""What Quick Mode agreed on, as SAs for the data plane and as facts for the control socket."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import TYPE_CHECKING, Any

from conformance.ikev1.events import Role
from conformance.ipsec.ip import Protocol
from conformance.ipsec.replay import ReplayWindow
from conformance.ipsec.sad import Bundle, Mode, SecurityAssociation, Selector, UdpEncapsulation
from conformance.ipsec.selector import PortRange
from conformance.ipsec.transforms import ENCRYPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conformance.ikev1.config import Identification
    from conformance.ikev1.events import ChildInstalled, IsakmpEstablished, Protection
    from conformance.ipsec.packet import Address, Network

_PROTECTION = ("protocol", "spi_in", "spi_out", "cipher", "integrity", "compression")
"""What is told of each protocol of a bundle, outermost first."""
_MODES: dict[str, Mode] = {"tunnel": "tunnel", "transport": "transport"}
_PROTOCOLS = {"ah": Protocol.AH, "esp": Protocol.ESP, "ipcomp": Protocol.IPCOMP}
_NAMES = {number: name for name, number in _PROTOCOLS.items()}


@dataclass(frozen=True, slots=True)
class ChildSas:
    """A pair of one-way SAs or bundles of them, and the event that told of it."""

    agreed: ChildInstalled
    inbound: Bundle
    outbound: Bundle

    @property
    def mode(self) -> Mode:
        """Of the bundle: that of its innermost SA."""
        return self.inbound.inner.mode


def network_of(selector: Identification) -> Network:
    """The one network that a phase 2 identity names (RFC 2407 4.6.2).

    Raises ValueError for another type, or a range that is no network.
    """
    version, first, last = selector.addresses or _NOWHERE
    networks = _SUMMARIES[version](first, last) if first <= last else []
    if len(networks) != 1:
        raise ValueError(f"{selector} is no single network")
    return networks[0]


_SUMMARIES: dict[int, Callable[[int, int], list[Network]]] = {
    4: lambda first, last: [*summarize_address_range(IPv4Address(first), IPv4Address(last))],
    6: lambda first, last: [*summarize_address_range(IPv6Address(first), IPv6Address(last))],
}
"""By IP version: the networks that a range of addresses is made of."""
_NOWHERE = (4, 1, 0)


def first_host(network: Network) -> Address:
    """The lowest address of a host there (in IPv6 the one behind the routers', RFC 4291 2.6.1)."""
    hosts: Iterable[Address] = network.hosts()
    return next(iter(hosts))


def install(agreed: ChildInstalled, local: Address, remote: Address) -> ChildSas:
    """The pair between two outer addresses; ValueError where the data plane cannot carry it."""
    here, there = agreed.local_selector, agreed.remote_selector
    inward = {
        "direction": "in",
        "source": remote,
        "destination": local,
        "selector": _selector(there, here),
    }
    outward = {
        "direction": "out",
        "source": local,
        "destination": remote,
        "selector": _selector(here, there),
    }
    protections = agreed.protections
    inbound = Bundle(tuple(_sa(agreed, one, inward, _inbound(one)) for one in protections))
    outbound = Bundle(tuple(_sa(agreed, one, outward, _outbound(one)) for one in protections))
    return ChildSas(agreed, inbound, outbound)


def _selector(source: Identification, destination: Identification) -> Selector:
    ends = network_of(source), network_of(destination)
    ports = PortRange.of(source.port), PortRange.of(destination.port)
    return Selector(*ends, source.protocol or destination.protocol, *ports)


def _replay(one: Protection) -> ReplayWindow | None:
    """Nothing can tell replays where nothing is authenticated (RFC 4303 3.4.3)."""
    cipher = ENCRYPTION.get(one.cipher)
    authentic = one.integrity != "none" or bool(cipher and cipher.icv_size)
    return ReplayWindow() if authentic else None


def _sa(
    agreed: ChildInstalled, one: Protection, ends: dict[str, Any], own: dict[str, Any]
) -> SecurityAssociation:
    """One SA of a bundle, whose innermost makes the tunnel (RFC 2401 4.5)."""
    in_udp = agreed.udp_encapsulation and one.protocol == "esp"
    return SecurityAssociation(
        mode=_MODES[agreed.mode if one is agreed.protections[-1] else "transport"],
        protocol=_PROTOCOLS[one.protocol],
        cipher=one.cipher,
        integrity=one.integrity,
        compression=one.compression,
        replay=_replay(one),
        esn=agreed.esn and one.protocol != "ipcomp",
        udp=_udp(agreed, ends["direction"]) if in_udp else None,
        **ends,
        **own,
    )


def _inbound(one: Protection) -> dict[str, Any]:
    return {
        "spi": one.spi_in,
        "encryption_key": one.encryption_key_in,
        "integrity_key": one.integrity_key_in,
    }


def _outbound(one: Protection) -> dict[str, Any]:
    return {
        "spi": one.spi_out,
        "encryption_key": one.encryption_key_out,
        "integrity_key": one.integrity_key_out,
    }


def _udp(agreed: ChildInstalled, direction: str) -> UdpEncapsulation:
    """What NATs did to the addresses that the peer's checksums are over (RFC 3948 3.1.2)."""
    if direction == "out" or not agreed.original_addresses:
        return UdpEncapsulation()
    initiator, responder = map(IPv4Address, agreed.original_addresses)
    peer_first = agreed.role is Role.RESPONDER
    source, destination = (initiator, responder) if peer_first else (responder, initiator)
    return UdpEncapsulation(original_source=source, original_destination=destination)


def child_facts(child: ChildSas) -> dict[str, Any]:
    """A pair of SAs in the suite's names; selectors in CIDR form."""
    agreed = child.agreed
    return {
        "spi_in": agreed.spi_in,
        "spi_out": agreed.spi_out,
        "protocol": agreed.protocol,
        "mode": agreed.mode,
        "cipher": agreed.cipher,
        "integrity": agreed.integrity,
        "pfs": agreed.pfs,
        "lifetime_seconds": agreed.lifetime_seconds,
        "local_selector": str(network_of(agreed.local_selector)),
        "remote_selector": str(network_of(agreed.remote_selector)),
        "packets_in": child.inbound.outer.usage.packets,
        "packets_out": child.outbound.outer.usage.packets,
        "bytes_in": child.inbound.outer.usage.bytes,
        "bytes_out": child.outbound.outer.usage.bytes,
        "role": agreed.role.value,
        "negotiated_lifetime_seconds": agreed.negotiated_lifetime_seconds,
        "lifetime_kilobytes": agreed.lifetime_kilobytes,
        "replaces": agreed.replaces,
        "udp_encapsulation": agreed.udp_encapsulation,
        "original_addresses": list(agreed.original_addresses),
        "peer_replay_detection": agreed.peer_replay_detection,
        "esn": agreed.esn,
        "protections": [
            {name: getattr(one, name) for name in _PROTECTION} for one in agreed.protections
        ],
    }


def ike_facts(sa: IsakmpEstablished) -> dict[str, Any]:
    """A standing ISAKMP SA in the suite's names; cookies in hex."""
    return {
        "cookie_initiator": sa.cookie_i.hex(),
        "cookie_responder": sa.cookie_r.hex(),
        "cipher": sa.cipher,
        "hash": sa.hash,
        "group": sa.group,
        "auth": sa.auth,
        "lifetime_seconds": sa.lifetime_seconds,
        "state": "established",
        "role": sa.role.value,
        "negotiated_lifetime_seconds": sa.negotiated_lifetime_seconds,
        "peer_id": str(sa.peer_id),
        "vendor_ids": [one.hex() for one in sa.vendor_ids],
    }


def ike_keys(sa: IsakmpEstablished) -> dict[str, str]:
    """What a packet decoder needs of an ISAKMP SA (RFC 2409 Appendix B); all in hex."""
    return {
        "cookie_initiator": sa.cookie_i.hex(),
        "cookie_responder": sa.cookie_r.hex(),
        "encryption_key": sa.encryption_key.hex(),
    }


def sa_keys(child: ChildSas) -> list[dict[str, Any]]:
    """What a packet decoder needs of every one-way SA of a pair; keys in hex."""
    return [_keys(sa) for bundle in (child.inbound, child.outbound) for sa in bundle.sas]


def _keys(sa: SecurityAssociation) -> dict[str, Any]:
    return {
        "spi": sa.spi,
        "protocol": _NAMES[Protocol(sa.protocol)],
        "source": str(sa.source),
        "destination": str(sa.destination),
        "mode": sa.mode,
        "cipher": sa.cipher,
        "encryption_key": sa.encryption_key.hex(),
        "integrity": sa.integrity,
        "integrity_key": sa.integrity_key.hex(),
        "esn": sa.esn,
    }
