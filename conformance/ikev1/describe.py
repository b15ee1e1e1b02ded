"""Payloads as lines of text for transcripts, in the RFC's words (RFC 2408 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.dh import GROUPS
from conformance.crypto.prf import HASHES
from conformance.crypto.transforms import ESP_INTEGRITY
from conformance.ikev1 import vendor_ids
from conformance.ikev1.attributes import (
    PHASE_1,
    PHASE_2,
    Attribute,
    AttributeTable,
    describe,
    name_of,
    number_text,
)
from conformance.ikev1.constants import PayloadType, Protocol
from conformance.ikev1.mode_config import CONFIGURATION
from conformance.ikev1.payloads import (
    CertificatePayload,
    CertificateRequest,
    Configuration,
    Delete,
    Identification,
    NatOriginalAddress,
    NatOriginalAddressDraft,
    NatOriginalAddressLateDraft,
    Notification,
    Payload,
    Proposal,
    SecurityAssociation,
    VendorId,
)
from conformance.ikev1.payloads.base import OpaquePayload
from conformance.ikev1.payloads.data import Hash, KeyExchange, Nonce, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Names = dict[int, dict[int, str]]

# Attribute number: names of the algorithms that the crypto tables know.
_PHASE_1_NAMES: _Names = {
    1: {row.ike_id: row.title for row in CIPHERS.values()},
    2: {row.ike_id: row.name for row in HASHES.values()},
    4: {row.ike_id: row.name for row in GROUPS.values()},
}
_PHASE_2_NAMES: _Names = {
    3: {row.ike_id: row.name for row in GROUPS.values()},
    5: {row.attribute_id: row.name for row in ESP_INTEGRITY.values()},
}
_PHASE_1 = (PHASE_1, _PHASE_1_NAMES)
_PHASE_2 = (PHASE_2, _PHASE_2_NAMES)


def describe_payload(payload: Payload) -> str:
    """One line for any payload; values of secrets never appear, for there are none on the wire."""
    describer = _DESCRIBERS.get(type(payload))
    return describer(payload) if describer else payload.payload_type.label


class Lines(Sequence[str]):
    """One line for each payload of a message, made whenever somebody reads them."""

    __slots__ = ("_payloads",)

    def __init__(self, payloads: Sequence[Payload]) -> None:
        self._payloads = payloads

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return tuple(self)[index]

    def __iter__(self) -> Iterator[str]:
        return map(describe_payload, self._payloads)

    def __len__(self) -> int:
        return len(self._payloads)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == (tuple(other) if isinstance(other, Lines) else other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _attribute(table: AttributeTable, names: _Names, attribute: Attribute) -> str:
    name = names.get(attribute.type, {}).get(attribute.number)
    text = describe(table, attribute)
    return f"{text} ({name})" if name else text


def describe_value(table: AttributeTable, attribute_name: str, value: int) -> str:
    """The value of an attribute for people: the number, and the name of what it stands for."""
    row = next((row for row in table if row.name == attribute_name), None)
    if row is None:
        return number_text(value)
    names = _PHASE_1_NAMES if table is PHASE_1 else _PHASE_2_NAMES
    name = names.get(row.number, row.values).get(value)
    return f"{value} ({name})" if name else number_text(value)


def _proposal(proposal: Proposal) -> str:
    table, names = _PHASE_1 if proposal.protocol is Protocol.ISAKMP else _PHASE_2
    spi = f" SPI {proposal.spi.hex()}" if proposal.spi else ""
    transforms = "; ".join(
        f"transform {transform.number} id {transform.transform_id}: "
        + ", ".join(_attribute(table, names, attribute) for attribute in transform.attributes)
        for transform in proposal.transforms
    )
    return f"proposal {proposal.number} {proposal.protocol.label}{spi} [{transforms}]"


def _sa(payload: SecurityAssociation) -> str:
    return "SA " + " ".join(_proposal(proposal) for proposal in payload.proposals)


def _notification(payload: Notification) -> str:
    details = (("SPI", payload.spi), ("data", payload.data))
    text = "".join(f" {name} {value.hex()}" for name, value in details if value)
    return f"N {payload.notify_type.label} {payload.protocol.label}{text}"


def _delete(payload: Delete) -> str:
    return f"D {payload.protocol.label} " + " ".join(spi.hex() for spi in payload.spis)


def _configuration(payload: Configuration) -> str:
    names = ", ".join(name_of(CONFIGURATION, one.type) for one in payload.attributes)
    return f"{PayloadType.ATTR.label} {payload.type.label} {payload.identifier} [{names}]"


def _vendor_id(payload: VendorId) -> str:
    name = vendor_ids.name_of(payload.data)
    return f"{PayloadType.VID.label} {payload.data.hex()}" + (f" ({name})" if name else "")


def _encoded(payload: CertificatePayload | CertificateRequest) -> str:
    size = f"{len(payload.data)} octets"
    return f"{payload.payload_type.label} {payload.encoding.label} ({size})"


def _sized(payload: KeyExchange | Hash | Nonce | Signature | OpaquePayload) -> str:
    return f"{payload.payload_type.label} ({len(payload.data)} octets)"


_DESCRIBERS: dict[type, Callable[..., str]] = {
    SecurityAssociation: _sa,
    KeyExchange: _sized,
    Hash: _sized,
    Nonce: _sized,
    Signature: _sized,
    CertificatePayload: _encoded,
    CertificateRequest: _encoded,
    OpaquePayload: _sized,
    Identification: lambda payload: f"{PayloadType.ID.label} {payload}",
    Notification: _notification,
    Delete: _delete,
    VendorId: _vendor_id,
    Configuration: _configuration,
    NatOriginalAddress: lambda payload: f"{PayloadType.NAT_OA.label} {payload}",
    NatOriginalAddressDraft: lambda payload: f"{PayloadType.NAT_OA_DRAFT.label} {payload}",
    NatOriginalAddressLateDraft: lambda payload: f"{PayloadType.NAT_OA_LATE_DRAFT.label} {payload}",
}
