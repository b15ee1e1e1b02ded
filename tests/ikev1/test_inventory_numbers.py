"""Every assigned number of the codec: as the documents list it, on the wire and in transcripts.

RFC 2408 3, RFC 2407 4, RFC 2409 Appendix A, draft-dukes-ike-mode-cfg-02 3,
draft-beaulieu-ike-xauth-02 6.2.
"""

from __future__ import annotations

import pytest

from conformance.ikev1.attributes import PHASE_1, PHASE_2, Attribute, describe
from conformance.ikev1.buffer import Reader, Writer
from conformance.ikev1.constants import (
    CertificateEncoding,
    ConfigurationType,
    Doi,
    ExchangeType,
    IdType,
    NotifyType,
    PayloadType,
    Protocol,
)
from conformance.ikev1.describe import describe_payload
from conformance.ikev1.message import Header, parse_header, write_body, write_datagram
from conformance.ikev1.mode_config import CONFIGURATION, attributes_of
from conformance.ikev1.payloads import (
    CertificatePayload,
    CertificateRequest,
    Configuration,
    Identification,
    Notification,
    parse_payload,
)

# fmt: off
EXCHANGES = {
    1: "BASE", 2: "MAIN-MODE", 3: "AUTHENTICATION-ONLY", 4: "AGGRESSIVE", 5: "INFORMATIONAL",
    6: "TRANSACTION", 32: "QUICK-MODE", 33: "NEW-GROUP-MODE", 240: "240",
}
PAYLOADS = {
    0: "NONE", 1: "SA", 2: "P", 3: "T", 4: "KE", 5: "ID", 6: "CERT", 7: "CR", 8: "HASH", 9: "SIG",
    10: "NONCE", 11: "N", 12: "D", 13: "VID", 14: "ATTR", 20: "NAT-D", 21: "NAT-OA",
    130: "NAT-D-DRAFT", 131: "NAT-OA-DRAFT", 132: "FRAGMENT",
}
ERRORS = {
    1: "INVALID-PAYLOAD-TYPE", 2: "DOI-NOT-SUPPORTED", 3: "SITUATION-NOT-SUPPORTED",
    4: "INVALID-COOKIE", 5: "INVALID-MAJOR-VERSION", 6: "INVALID-MINOR-VERSION",
    7: "INVALID-EXCHANGE-TYPE", 8: "INVALID-FLAGS", 9: "INVALID-MESSAGE-ID",
    10: "INVALID-PROTOCOL-ID", 11: "INVALID-SPI", 12: "INVALID-TRANSFORM-ID",
    13: "ATTRIBUTES-NOT-SUPPORTED", 14: "NO-PROPOSAL-CHOSEN", 15: "BAD-PROPOSAL-SYNTAX",
    16: "PAYLOAD-MALFORMED", 17: "INVALID-KEY-INFORMATION", 18: "INVALID-ID-INFORMATION",
    19: "INVALID-CERT-ENCODING", 20: "INVALID-CERTIFICATE", 21: "CERT-TYPE-UNSUPPORTED",
    22: "INVALID-CERT-AUTHORITY", 23: "INVALID-HASH-INFORMATION", 24: "AUTHENTICATION-FAILED",
    25: "INVALID-SIGNATURE", 26: "ADDRESS-NOTIFICATION", 27: "NOTIFY-SA-LIFETIME",
    28: "CERTIFICATE-UNAVAILABLE", 29: "UNSUPPORTED-EXCHANGE-TYPE", 30: "UNEQUAL-PAYLOAD-LENGTHS",
}
STATUSES = {
    16384: "CONNECTED", 24576: "RESPONDER-LIFETIME", 24577: "REPLAY-STATUS",
    24578: "INITIAL-CONTACT", 36136: "R-U-THERE", 36137: "R-U-THERE-ACK",
}
VENDORS = (12345, 30000, 30001, 30002, 32768, 32769, 40001, 40501, 40502, 40503)
ENCODINGS = {
    0: "NONE", 1: "PKCS7-X509", 2: "PGP", 3: "DNS-SIGNED-KEY", 4: "X509-SIGNATURE",
    5: "X509-KEY-EXCHANGE", 6: "KERBEROS-TOKENS", 7: "CRL", 8: "ARL", 9: "SPKI",
    10: "X509-ATTRIBUTE",
}
# type: label, data in hex, data as transcripts show it
IDENTITIES = {
    1: ("IPV4-ADDR", "c0000201", "192.0.2.1"),
    2: ("FQDN", "612e6578616d706c65", "a.example"),
    3: ("USER-FQDN", "7540612e6578616d706c65", "u@a.example"),
    4: ("IPV4-ADDR-SUBNET", "c0000200ffffff00", "192.0.2.0/24"),
    5: ("IPV6-ADDR", "20010db8000000000000000000000001", "2001:db8::1"),
    6: ("IPV6-ADDR-SUBNET", "20010db8" + "00" * 12 + "ff" * 8 + "00" * 8, "2001:db8::/64"),
    7: ("IPV4-ADDR-RANGE", "c0000201c0000203", "192.0.2.1-192.0.2.3"),
    8: ("IPV6-ADDR-RANGE", "20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "03",
        "2001:db8::1-2001:db8::3"),
    11: ("KEY-ID", "00ff", "00ff"),
}
# number, whether the document gives it the basic form, name
PHASE_1_ATTRIBUTES = [
    (1, True, "encryption algorithm"), (2, True, "hash algorithm"),
    (3, True, "authentication method"), (4, True, "group description"), (5, True, "group type"),
    (6, False, "group prime"), (7, False, "group generator one"), (8, False, "group generator two"),
    (9, False, "group curve A"), (10, False, "group curve B"), (11, True, "life type"),
    (12, False, "life duration"), (13, True, "prf"), (14, True, "key length"),
    (15, True, "field size"), (16, False, "group order"),
]
PHASE_2_ATTRIBUTES = [
    (1, True, "life type"), (2, False, "life duration"), (3, True, "group description"),
    (4, True, "encapsulation mode"), (5, True, "authentication algorithm"), (6, True, "key length"),
    (7, True, "key rounds"), (8, True, "compress dictionary size"),
    (9, False, "compress private algorithm"), (10, True, "ECN tunnel"),
    (11, True, "extended sequence number"),
]
MODES = {
    1: "tunnel", 2: "transport", 3: "udp-tunnel", 4: "udp-transport", 61443: "udp-tunnel-draft",
    61444: "udp-transport-draft",
}
MODE_CONFIG = {
    1: "ip4-address", 2: "ip4-netmask", 3: "ip4-dns", 4: "ip4-nbns", 5: "address-expiry",
    6: "ip4-dhcp", 7: "application-version", 8: "ip6-address", 9: "ip6-netmask", 10: "ip6-dns",
    11: "ip6-nbns", 12: "ip6-dhcp", 13: "ip4-subnet", 14: "supported-attributes", 15: "ip6-subnet",
}
XAUTH = {
    16520: "xauth-type", 16521: "xauth-user-name", 16522: "xauth-user-password",
    16523: "xauth-passcode", 16524: "xauth-message", 16525: "xauth-challenge",
    16526: "xauth-domain", 16527: "xauth-status", 16528: "xauth-next-pin", 16529: "xauth-answer",
}
UNITY = {
    28672: "unity-banner", 28673: "unity-save-password", 28674: "unity-default-domain",
    28675: "unity-split-dns", 28676: "unity-split-include", 28677: "unity-natt-port",
    28678: "unity-split-exclude", 28679: "unity-pfs", 28680: "unity-firewall-type",
    28681: "unity-backup-servers", 28682: "unity-ddns-hostname",
}
# fmt: on
BASIC = {16520, 16527, 28673, 28677, 28679}
"""Configuration attributes of the basic form."""
CONFIGURATIONS = [
    *(("config", number, name) for number, name in MODE_CONFIG.items()),
    *(("xauth", number, name) for number, name in XAUTH.items()),
    *(("unity", number, name) for number, name in UNITY.items()),
]


@pytest.mark.parametrize(("number", "label"), EXCHANGES.items())
def test_exchange_types(number: int, label: str) -> None:
    """Octet 18 of the header (RFC 2408 3.1)."""
    data, _ = write_datagram(Header(b"i" * 8, b"r" * 8, ExchangeType(number)), b"")
    assert data[18] == number
    assert parse_header(data).exchange.label == label


@pytest.mark.parametrize(("number", "label"), PAYLOADS.items())
def test_payload_types(number: int, label: str) -> None:
    """Octet 16 of the header (RFC 2408 3.1)."""
    header = Header(b"i" * 8, b"r" * 8, ExchangeType(2), next_payload=PayloadType(number))
    data, _ = write_datagram(header, b"")
    assert data[16] == number
    assert parse_header(data).next_payload.label == label


def notification(number: int) -> Notification:
    """Written, and parsed from what a document's drawing gives (RFC 2408 3.14)."""
    payload = Notification(NotifyType(number), Protocol.ESP, b"\0\0\1\0", b"\xaa")
    drawn = bytes.fromhex(f"00000001 0304{number:04x} 00000100 aa")
    assert write_body(payload) == drawn
    assert parse_payload(PayloadType.N, Reader(drawn)) == payload
    return payload


@pytest.mark.covers("notify:{number}", by="self")
@pytest.mark.parametrize(("number", "label"), [*ERRORS.items(), *STATUSES.items()])
def test_notify_types(number: int, label: str) -> None:
    payload = notification(number)
    assert describe_payload(payload) == f"N {label} ESP SPI 00000100 data aa"
    assert payload.notify_type.is_error is (number in ERRORS)


@pytest.mark.covers("notify:vendors", by="self")
@pytest.mark.parametrize("number", VENDORS)
def test_notify_types_of_vendors(number: int) -> None:
    """Told by number, and no error unless the number is one of those below 16384."""
    payload = notification(number)
    assert describe_payload(payload) == f"N {number} ESP SPI 00000100 data aa"
    assert payload.notify_type.is_error is (number < 16384)


@pytest.mark.parametrize(("number", "label"), [(0, "ISAKMP"), (1, "IPSEC"), (2, "2")])
def test_domains_of_interpretation(number: int, label: str) -> None:
    body = bytes.fromhex(f"{number:08x} 0100000e")
    payload = parse_payload(PayloadType.N, Reader(body))
    assert isinstance(payload, Notification)
    assert (payload.doi, payload.doi.label) == (Doi(number), label)
    assert write_body(payload) == body


@pytest.mark.parametrize(
    ("number", "label"), [(1, "ISAKMP"), (2, "AH"), (3, "ESP"), (4, "IPCOMP"), (5, "5")]
)
def test_protocols(number: int, label: str) -> None:
    assert Protocol(number).label == label


@pytest.mark.covers("id:{number}", by="self")
@pytest.mark.parametrize("number", IDENTITIES)
def test_identification_types(number: int) -> None:
    """Written as drawn (RFC 2407 4.6.2), parsed back, and shown."""
    label, data, shown = IDENTITIES[number]
    body = bytes([number, 17, 1, 244]) + bytes.fromhex(data)
    payload = Identification(number, bytes.fromhex(data), 17, 500)
    assert write_body(payload) == body
    assert parse_payload(PayloadType.ID, Reader(body)) == payload
    assert IdType(number).label == label
    assert describe_payload(payload) == f"ID {label} {shown} protocol 17 port 500"


@pytest.mark.covers("id:{number}", by="self")
@pytest.mark.parametrize("number", [9, 10, 12])
def test_identification_types_with_a_structure_of_their_own(number: int) -> None:
    """The octets are kept as they came: HASH covers them."""
    body = bytes([number, 0, 0, 0]) + bytes.fromhex("300d310b300906035504061302")
    payload = parse_payload(PayloadType.ID, Reader(body))
    assert isinstance(payload, Identification)
    assert payload.type == number
    assert write_body(payload) == body


@pytest.mark.covers("cert:{number}", by="self")
@pytest.mark.parametrize(("number", "label"), ENCODINGS.items())
def test_certificate_encodings(number: int, label: str) -> None:
    """In CERT and in CR (RFC 2408 3.9, 3.10)."""
    body = bytes([number]) + b"\x30\x00"
    for kind in (CertificatePayload, CertificateRequest):
        payload = kind(CertificateEncoding(number), b"\x30\x00")
        assert write_body(payload) == body
        assert parse_payload(payload.payload_type, Reader(body)) == payload
        assert describe_payload(payload) == f"{payload.payload_type.label} {label} (2 octets)"


@pytest.mark.parametrize(
    ("kind", "number", "basic", "name"),
    [
        *(("attr1", *row) for row in PHASE_1_ATTRIBUTES),
        *(("attr2", *row) for row in PHASE_2_ATTRIBUTES),
    ],
)
@pytest.mark.covers("{kind}:{number}", by="self")
def test_sa_attributes(kind: str, number: int, name: str, *, basic: bool) -> None:
    """The name and the form of the document's table; both forms are read (RFC 2408 3.3)."""
    table = {"attr1": PHASE_1, "attr2": PHASE_2}[kind]
    row = next(row for row in table if row.number == number)
    assert (row.name, row.form.value) == (name, "B" if basic else "V")
    octets = {True: f"{0x8000 | number:04x}0021", False: f"{number:04x}000400000021"}
    for form, data in octets.items():
        attribute = Attribute.parse(Reader(bytes.fromhex(data)))
        assert (attribute.type, attribute.number, attribute.basic) == (number, 33, form)
        assert describe(table, attribute) == f"{name} 33"
        writer = Writer()
        attribute.write(writer)
        assert writer.data.hex() == data


@pytest.mark.parametrize("number", [12, 13, 14, 15])
@pytest.mark.covers("attr2:{number}", by="self")
def test_attributes_of_other_documents(number: int) -> None:
    """Of RFC 4359 and RFC 6407: read, told, and written back as they came."""
    attribute = Attribute.parse(Reader(bytes.fromhex(f"{0x8000 | number:04x}0009")))
    assert (attribute.type, attribute.number) == (number, 9)
    assert describe(PHASE_2, attribute).endswith(" 9")


@pytest.mark.parametrize(("number", "name"), MODES.items())
@pytest.mark.covers("encap:{number}", by="self")
def test_encapsulation_modes(number: int, name: str) -> None:
    attribute = Attribute(4, number.to_bytes(2), basic=True)
    assert describe(PHASE_2, attribute) == f"encapsulation mode {name}"


@pytest.mark.parametrize(("number", "name"), {1: "MODP", 2: "ECP", 3: "EC2N"}.items())
def test_group_types(number: int, name: str) -> None:
    assert describe(PHASE_1, Attribute(5, number.to_bytes(2), basic=True)) == f"group type {name}"


@pytest.mark.parametrize(("number", "name"), {1: "seconds", 2: "kilobytes"}.items())
@pytest.mark.covers("life:{number}", by="self")
def test_life_types(number: int, name: str) -> None:
    for table, life_type in ((PHASE_1, 11), (PHASE_2, 1)):
        attribute = Attribute(life_type, number.to_bytes(2), basic=True)
        assert describe(table, attribute) == f"life type {name}"


@pytest.mark.covers("configtype:{number}", by="self")
@pytest.mark.parametrize(
    ("number", "label"), {1: "REQUEST", 2: "REPLY", 3: "SET", 4: "ACK"}.items()
)
def test_configuration_types(number: int, label: str) -> None:
    payload = parse_payload(PayloadType.ATTR, Reader(bytes([number, 0, 0, 7])))
    assert payload == Configuration(ConfigurationType(number), 7)
    assert describe_payload(payload) == f"ATTR {label} 7 []"


@pytest.mark.covers("{kind}:{number}", by="self")
@pytest.mark.parametrize(("kind", "number", "name"), CONFIGURATIONS)
def test_configuration_attributes(kind: str, number: int, name: str) -> None:
    """By name to the wire and back; a value of the basic form takes two octets."""
    del kind
    value, head = (b"\0\1", 0x8000 | number) if number in BASIC else (b"\1\2\3\4", number)
    (attribute,) = attributes_of([(name, value)])
    payload = Configuration(ConfigurationType.SET, 1, (attribute,))
    length = b"" if number in BASIC else len(value).to_bytes(2)
    body = bytes.fromhex(f"03000001 {head:04x}") + length + value
    assert write_body(payload) == body
    assert parse_payload(PayloadType.ATTR, Reader(body)) == payload
    assert describe_payload(payload) == f"ATTR SET 1 [{name}]"


def test_every_configuration_attribute_is_there() -> None:
    """The table of the suite and the documents' tables have the same numbers."""
    assert {row.number: row.name for row in CONFIGURATION} == {**MODE_CONFIG, **XAUTH, **UNITY}


@pytest.mark.covers("config:private", by="self")
@pytest.mark.parametrize("number", [23456, 23457, 32767])
def test_private_configuration_attributes(number: int) -> None:
    body = bytes.fromhex(f"02000001 {number:04x}0004 0a010007")
    payload = parse_payload(PayloadType.ATTR, Reader(body))
    assert describe_payload(payload) == f"ATTR REPLY 1 [attribute {number}]"
    assert write_body(payload) == body
