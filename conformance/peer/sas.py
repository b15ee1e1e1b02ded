"""What Quick Mode agreed on, as SAs for the data plane and as facts for the control socket."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import TYPE_CHECKING, Any

from conformance.ipsec.sad import Mode, SecurityAssociation, Selector

if TYPE_CHECKING:
    from conformance.ikev1.config import Identification
    from conformance.ikev1.events import ChildInstalled, IsakmpEstablished

_MODES: dict[str, Mode] = {"tunnel": "tunnel", "transport": "transport"}


@dataclass(frozen=True, slots=True)
class ChildSas:
    """A pair of one-way SAs, and the event that told of it."""

    agreed: ChildInstalled
    inbound: SecurityAssociation
    outbound: SecurityAssociation


def network_of(selector: Identification) -> IPv4Network:
    """The one network that a phase 2 identity names (RFC 2407 4.6.2).

    Raises ValueError for another family, another type, or a range that is no network.
    """
    version, first, last = selector.addresses or (0, 0, 0)
    networks = (
        list(summarize_address_range(IPv4Address(first), IPv4Address(last)))
        if version == 4  # noqa: PLR2004  IPv4
        else []
    )
    if len(networks) != 1:
        raise ValueError(f"{selector} is no single IPv4 network")
    return networks[0]


def install(agreed: ChildInstalled, local: IPv4Address, remote: IPv4Address) -> ChildSas:
    """The pair of SAs between two outer addresses; ValueError where ESP here cannot carry them."""
    here, there = network_of(agreed.local_selector), network_of(agreed.remote_selector)
    common: dict[str, Any] = {
        "mode": _MODES[agreed.mode],
        "cipher": agreed.cipher,
        "integrity": agreed.integrity,
    }
    inbound = SecurityAssociation(
        spi=agreed.spi_in,
        source=remote,
        destination=local,
        direction="in",
        encryption_key=agreed.encryption_key_in,
        integrity_key=agreed.integrity_key_in,
        selector=Selector(there, here),
        **common,
    )
    outbound = SecurityAssociation(
        spi=agreed.spi_out,
        source=local,
        destination=remote,
        direction="out",
        encryption_key=agreed.encryption_key_out,
        integrity_key=agreed.integrity_key_out,
        selector=Selector(here, there),
        **common,
    )
    return ChildSas(agreed, inbound, outbound)


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
        "packets_in": child.inbound.usage.packets,
        "packets_out": child.outbound.usage.packets,
        "bytes_in": child.inbound.usage.bytes,
        "bytes_out": child.outbound.usage.bytes,
        "role": agreed.role.value,
        "negotiated_lifetime_seconds": agreed.negotiated_lifetime_seconds,
        "lifetime_kilobytes": agreed.lifetime_kilobytes,
        "replaces": agreed.replaces,
        "udp_encapsulation": agreed.udp_encapsulation,
        "original_addresses": list(agreed.original_addresses),
        "peer_replay_detection": agreed.peer_replay_detection,
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


def esp_keys(sa: SecurityAssociation) -> dict[str, Any]:
    """What a packet decoder needs of a one-way SA; keys in hex."""
    return {
        "spi": sa.spi,
        "source": str(sa.source),
        "destination": str(sa.destination),
        "mode": sa.mode,
        "cipher": sa.cipher,
        "encryption_key": sa.encryption_key.hex(),
        "integrity": sa.integrity,
        "integrity_key": sa.integrity_key.hex(),
    }
