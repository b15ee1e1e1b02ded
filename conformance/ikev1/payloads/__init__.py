"""The payloads, one frozen dataclass each with parse and write (RFC 2408 3, RFC 2407 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ikev1.constants import PayloadType
from conformance.ikev1.payloads.base import OpaquePayload, ParsedPayload, Payload
from conformance.ikev1.payloads.certificate import CertificatePayload, CertificateRequest
from conformance.ikev1.payloads.configuration import Configuration
from conformance.ikev1.payloads.data import Hash, KeyExchange, Nonce, Signature, VendorId
from conformance.ikev1.payloads.fragment import Fragment
from conformance.ikev1.payloads.identification import Identification
from conformance.ikev1.payloads.nat import (
    NatOriginalAddress,
    NatOriginalAddressDraft,
    NatOriginalAddressLateDraft,
)
from conformance.ikev1.payloads.notification import Delete, Notification
from conformance.ikev1.payloads.sa import Proposal, SecurityAssociation, Transform

if TYPE_CHECKING:
    from conformance.ikev1.buffer import Reader

__all__ = [
    "CertificatePayload",
    "CertificateRequest",
    "Configuration",
    "Delete",
    "Fragment",
    "Hash",
    "Identification",
    "KeyExchange",
    "NatOriginalAddress",
    "NatOriginalAddressDraft",
    "NatOriginalAddressLateDraft",
    "Nonce",
    "Notification",
    "OpaquePayload",
    "Payload",
    "Proposal",
    "SecurityAssociation",
    "Signature",
    "Transform",
    "VendorId",
    "parse_payload",
]

_PARSED: dict[PayloadType, type[ParsedPayload]] = {
    PayloadType.SA: SecurityAssociation,
    PayloadType.KE: KeyExchange,
    PayloadType.ID: Identification,
    PayloadType.CERT: CertificatePayload,
    PayloadType.CR: CertificateRequest,
    PayloadType.HASH: Hash,
    PayloadType.SIG: Signature,
    PayloadType.NONCE: Nonce,
    PayloadType.N: Notification,
    PayloadType.D: Delete,
    PayloadType.VID: VendorId,
    PayloadType.ATTR: Configuration,
    PayloadType.FRAGMENT: Fragment,
    PayloadType.NAT_OA: NatOriginalAddress,
    PayloadType.NAT_OA_DRAFT: NatOriginalAddressDraft,
    PayloadType.NAT_OA_LATE_DRAFT: NatOriginalAddressLateDraft,
}


def parse_payload(payload_type: PayloadType, reader: Reader) -> Payload:
    """Read one body; a type without a row becomes an OpaquePayload. Raises DecodeError."""
    cls = _PARSED.get(payload_type)
    return cls.parse(reader) if cls else OpaquePayload(payload_type, reader.rest())
