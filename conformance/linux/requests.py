"""What is asked of the kernel's XFRM: the messages that install SAs and policies (RFC 4301 4.4)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from conformance.ipsec.ip import Protocol
from conformance.ipsec.selector import ANY_PORT, AddressRange
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.linux import messages
from conformance.linux.names import cipher_name, integrity_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.ipsec.association import Bundle, SecurityAssociation
    from conformance.ipsec.packet import Address
    from conformance.ipsec.selector import PortRange, Selector

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_LEGACY_WINDOW = 32
"""Numbers that the kernel's first form of a window spans; larger ones have the newer form."""
_WORD = 32
_HALF = 1 << 32
_ALL = 0xFFFF
"""The mask of a port that counts."""
_LIMITS = {
    f"limit_{edge}_{unit}": messages.NO_LIMIT
    for edge in ("soft", "hard")
    for unit in ("bytes", "packets")
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Which packets need which bundle, one way."""

    direction: int
    """``messages.POLICY_IN``, ``POLICY_OUT`` or ``POLICY_FORWARD``."""
    selector: Selector
    bundle: Bundle | None
    """None lets them pass as they are, ahead of what other policies say."""


def sa_message(sa: SecurityAssociation, *, selects: bool = True, aligned: bool = True) -> Any:
    """The message that installs an SA."""
    fields = {
        **(_selector_fields(sa.selector) if selects else {}),
        **_LIMITS,
        "id_destination": packed(sa.destination),
        "id_spi": sa.spi,
        "id_protocol": sa.protocol,
        "source": packed(sa.source),
        "family": family_of(sa.destination),
        "mode": messages.MODES[sa.mode],
        "flags": _flags(sa, selects=selects, aligned=aligned),
    }
    attributes = [*_algorithm_attributes(sa), *_encapsulation(sa), *_replay_attributes(sa)]
    if _has_first_form(sa) and sa.replay is not None:
        fields["replay_window"] = sa.replay.size
    if sa.tfc:
        attributes.append(("tfc", sa.tfc))
    return filled(messages.Sa, fields, attributes)


def policy_message(policy: Policy) -> Any:
    """The message that installs a policy: innermost SA first; IPComp need not have come."""
    inward = policy.direction != messages.POLICY_OUT
    templates = b"".join(
        messages.template(
            packed(sa.destination),
            packed(sa.source),
            sa.protocol,
            family_of(sa.destination),
            sa.mode,
            optional=inward and sa.protocol == Protocol.IPCOMP,
        )
        for sa in reversed(policy.bundle.sas if policy.bundle else ())
    )
    fields = {
        **_selector_fields(policy.selector),
        **_LIMITS,
        "direction": policy.direction,
        "priority": policy.bundle is not None,
    }
    return filled(messages.Policy, fields, [("templates", templates)] if templates else [])


def filled(
    kind: type, fields: dict[str, Any], attributes: list[tuple[str, Any]] | None = None
) -> Any:
    """A message with these fields and attributes; what is not given is zeros."""
    message = kind()
    for name, value in fields.items():
        message[name] = value
    if attributes:
        message["attrs"] = attributes
    return message


def packed(address: Address) -> bytes:
    """An address in the 16 octets that any has."""
    return address.packed.ljust(16, b"\0")


def family_of(address: Address) -> int:
    """AF_INET or AF_INET6."""
    return int(_FAMILIES[address.version])


def _selector_fields(selector: Selector) -> dict[str, Any]:
    source, destination = selector.source, selector.destination
    if isinstance(source, AddressRange) or isinstance(destination, AddressRange):
        raise ValueError(f"the kernel has no selector for {source} to {destination}")  # noqa: TRY004
    return {
        "selector_family": family_of(source.network_address),
        "selector_source": packed(source.network_address),
        "selector_source_prefix": source.prefixlen,
        "selector_destination": packed(destination.network_address),
        "selector_destination_prefix": destination.prefixlen,
        "selector_protocol": selector.protocol,
        **_port_fields("source", selector.source_port),
        **_port_fields("destination", selector.destination_port),
    }


def _port_fields(end: str, ports: PortRange) -> dict[str, Any]:
    """The kernel knows one port or any; ValueError for a range."""
    if ports == ANY_PORT:
        return {}
    if ports.first != ports.last:
        raise ValueError(f"the kernel has no selector for ports {ports}")
    return {f"selector_{end}_port": ports.first, f"selector_{end}_port_mask": _ALL}


def _flags(sa: SecurityAssociation, *, selects: bool, aligned: bool) -> int:
    is_ah_4 = sa.protocol == Protocol.AH and isinstance(sa.destination, IPv4Address)
    return (
        messages.EXTENDED * sa.esn
        | messages.ANY_FAMILY * (not selects)
        | messages.ALIGN_4 * (is_ah_4 and aligned)
    )


def algorithms_of(sa: SecurityAssociation) -> Iterator[str]:
    """What the kernel calls the SA's algorithms."""
    for level, name in (
        (sa.cipher, cipher_name(sa.cipher)),
        (sa.integrity, integrity_name(sa.integrity)),
        (sa.compression, sa.compression),
    ):
        if level != "none":
            yield name


def _algorithm_attributes(sa: SecurityAssociation) -> Iterator[tuple[str, Any]]:
    if sa.cipher != "none":
        icv = ENCRYPTION[sa.cipher].icv_size
        kind = "combined" if icv else "cipher"
        yield kind, _algorithm(cipher_name(sa.cipher), sa.encryption_key, icv)
    if sa.integrity != "none":
        icv = INTEGRITY[sa.integrity].icv_size
        yield "integrity", _algorithm(integrity_name(sa.integrity), sa.integrity_key, icv)
    if sa.compression != "none":
        yield "compression", _algorithm(sa.compression, b"")


def _algorithm(name: str, key: bytes, icv_size: int = 0) -> dict[str, Any]:
    return {"name": name, "key_bits": 8 * len(key), "icv_bits": 8 * icv_size, "key": key}


def _encapsulation(sa: SecurityAssociation) -> Iterator[tuple[str, Any]]:
    if sa.udp is not None:
        yield (
            "encapsulation",
            {
                "kind": messages.UDP_ENCAPSULATION,
                "source_port": sa.udp.source_port,
                "destination_port": sa.udp.destination_port,
            },
        )


def _has_first_form(sa: SecurityAssociation) -> bool:
    return not sa.esn and (sa.replay is None or sa.replay.size <= _LEGACY_WINDOW)


def _replay_attributes(sa: SecurityAssociation) -> Iterator[tuple[str, Any]]:
    if sa.protocol == Protocol.IPCOMP:
        return
    sent_high, sent = divmod(sa.usage.sequence, _HALF)
    right_high, right = divmod(sa.replay.right if sa.replay else 0, _HALF)
    if _has_first_form(sa):
        yield "replay", {"sent": sent, "right": right, "bitmap": 0}
        return
    window = sa.replay.size if sa.replay else 0
    words = -(-window // _WORD)
    yield (
        "replay_extended",
        {
            "words": words,
            "sent": sent,
            "right": right,
            "sent_high": sent_high,
            "right_high": right_high,
            "window": window,
            "bitmap": bytes(4 * words),
        },
    )
