"""Assigned numbers as named integers; a number without a name survives as itself.

RFC 2408 3, RFC 2407 4, RFC 2409 Appendix A, RFC 3706, RFC 3947.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class NamedNumber(IntEnum):
    """An open registry: an unassigned number is a value too, labelled by its digits."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        number = int.__new__(cls, value)
        number._name_ = str(value)
        number._value_ = value
        return number

    @property
    def label(self) -> str:
        """The RFC's spelling of the name (hyphens), or the digits of an unassigned number."""
        return self._name_.replace("_", "-")


class PayloadType(NamedNumber):
    """Next payload, RFC 2408 3.1; NAT-D and NAT-OA RFC 3947 and its drafts."""

    NONE = 0
    SA = 1
    P = 2
    T = 3
    KE = 4
    ID = 5
    CERT = 6
    CR = 7
    HASH = 8
    SIG = 9
    NONCE = 10
    N = 11
    D = 12
    VID = 13
    ATTR = 14
    NAT_D_LATE_DRAFT = 15
    NAT_OA_LATE_DRAFT = 16
    NAT_D = 20
    NAT_OA = 21
    NAT_D_DRAFT = 130
    NAT_OA_DRAFT = 131
    FRAGMENT = 132


FIRST_PRIVATE_PAYLOAD = 128
"""From here on payload types are for private use (RFC 2408 3.1)."""


class ExchangeType(NamedNumber):
    """RFC 2408 3.1, RFC 2409 Appendix A; 34 draft-ietf-ipsec-ike-01 Appendix A."""

    BASE = 1
    MAIN_MODE = 2
    AUTHENTICATION_ONLY = 3
    AGGRESSIVE = 4
    INFORMATIONAL = 5
    TRANSACTION = 6
    QUICK_MODE = 32
    NEW_GROUP_MODE = 33
    ACKNOWLEDGED_INFORMATIONAL = 34


class ConfigurationType(NamedNumber):
    """Type of an Attribute payload, draft-dukes-ike-mode-cfg-02 3.3."""

    REQUEST = 1
    REPLY = 2
    SET = 3
    ACK = 4


FLAG_ENCRYPTION = 1
"""All payloads after the header are encrypted (RFC 2408 3.1)."""
FLAG_COMMIT = 2
"""The sender will say CONNECTED before the SA may be used (RFC 2408 3.1)."""
FLAG_AUTHENTICATION_ONLY = 4
"""Informational with a Notify that is authenticated but not encrypted (RFC 2408 3.1)."""

VERSION_1_0 = 0x10
"""Major version 1, minor version 0 (RFC 2408 3.1)."""


class Doi(NamedNumber):
    """Domain of interpretation, RFC 2408 3.4, RFC 2407 4.1."""

    ISAKMP = 0
    IPSEC = 1


SIT_IDENTITY_ONLY = 1
"""The one situation without security labels (RFC 2407 4.2.1)."""


class Protocol(NamedNumber):
    """Security protocol identifier, RFC 2407 4.4.1."""

    ISAKMP = 1
    AH = 2
    ESP = 3
    IPCOMP = 4


KEY_IKE = 1
"""The one transform of protocol ISAKMP (RFC 2407 4.4.2.1)."""


class IdType(NamedNumber):
    """Identification type, RFC 2407 4.6.2.1, RFC 3554 3."""

    IPV4_ADDR = 1
    FQDN = 2
    USER_FQDN = 3
    IPV4_ADDR_SUBNET = 4
    IPV6_ADDR = 5
    IPV6_ADDR_SUBNET = 6
    IPV4_ADDR_RANGE = 7
    IPV6_ADDR_RANGE = 8
    DER_ASN1_DN = 9
    DER_ASN1_GN = 10
    KEY_ID = 11
    LIST = 12


class CertificateEncoding(NamedNumber):
    """Certificate encoding, RFC 2408 3.9."""

    NONE = 0
    PKCS7_X509 = 1
    PGP = 2
    DNS_SIGNED_KEY = 3
    X509_SIGNATURE = 4
    X509_KEY_EXCHANGE = 5
    KERBEROS_TOKENS = 6
    CRL = 7
    ARL = 8
    SPKI = 9
    X509_ATTRIBUTE = 10


class NotifyType(NamedNumber):
    """Notify message type, RFC 2408 3.14.1, RFC 2407 4.6.3, RFC 3706 5.2."""

    INVALID_PAYLOAD_TYPE = 1
    DOI_NOT_SUPPORTED = 2
    SITUATION_NOT_SUPPORTED = 3
    INVALID_COOKIE = 4
    INVALID_MAJOR_VERSION = 5
    INVALID_MINOR_VERSION = 6
    INVALID_EXCHANGE_TYPE = 7
    INVALID_FLAGS = 8
    INVALID_MESSAGE_ID = 9
    INVALID_PROTOCOL_ID = 10
    INVALID_SPI = 11
    INVALID_TRANSFORM_ID = 12
    ATTRIBUTES_NOT_SUPPORTED = 13
    NO_PROPOSAL_CHOSEN = 14
    BAD_PROPOSAL_SYNTAX = 15
    PAYLOAD_MALFORMED = 16
    INVALID_KEY_INFORMATION = 17
    INVALID_ID_INFORMATION = 18
    INVALID_CERT_ENCODING = 19
    INVALID_CERTIFICATE = 20
    CERT_TYPE_UNSUPPORTED = 21
    INVALID_CERT_AUTHORITY = 22
    INVALID_HASH_INFORMATION = 23
    AUTHENTICATION_FAILED = 24
    INVALID_SIGNATURE = 25
    ADDRESS_NOTIFICATION = 26
    NOTIFY_SA_LIFETIME = 27
    CERTIFICATE_UNAVAILABLE = 28
    UNSUPPORTED_EXCHANGE_TYPE = 29
    UNEQUAL_PAYLOAD_LENGTHS = 30
    CONNECTED = 16384
    RESPONDER_LIFETIME = 24576
    REPLAY_STATUS = 24577
    INITIAL_CONTACT = 24578
    R_U_THERE = 36136
    R_U_THERE_ACK = 36137

    @property
    def is_error(self) -> bool:
        """Whether it reports an error rather than a status (RFC 2408 3.14.1)."""
        return 0 < self < NotifyType.CONNECTED
