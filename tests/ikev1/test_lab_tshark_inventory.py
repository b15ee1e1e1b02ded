"""A second implementation's registries: tshark names every number as the documents do.

RFC 2408 3, RFC 2407 4, RFC 2409 Appendix A. Each number goes out in a message of its own, written
by the codec; tshark reads all of them from one capture.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import dpkt
import pytest

from conformance.ikev1.attributes import Attribute
from conformance.ikev1.constants import (
    CertificateEncoding,
    ConfigurationType,
    ExchangeType,
    NotifyType,
    PayloadType,
    Protocol,
)
from conformance.ikev1.message import Header, write_chain, write_datagram
from conformance.ikev1.payloads import (
    CertificatePayload,
    Configuration,
    Identification,
    Notification,
    Payload,
    Proposal,
    SecurityAssociation,
    Transform,
    VendorId,
)
from conformance.ikev1.vendor_ids import VENDOR_IDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# fmt: off
NUMBERS: dict[str, dict[int, str]] = {
    "exchange": {
        2: "Exchange type: Identity Protection (Main Mode) (2)", 4: "Exchange type: Aggressive (4)",
        5: "Exchange type: Informational (5)", 6: "Exchange type: Transaction (Config Mode) (6)",
        32: "Exchange type: Quick Mode (32)",
    },
    "payload": {
        number: f"Next payload: {name} ({number})" for number, name in {
            0: "NONE / No Next Payload ", 1: "Security Association", 2: "Proposal", 3: "Transform",
            4: "Key Exchange", 5: "Identification", 6: "Certificate", 7: "Certificate Request",
            8: "Hash", 9: "Signature", 10: "Nonce", 11: "Notification", 12: "Delete",
            13: "Vendor ID", 14: "Attributes", 20: "NAT-D (RFC 3947)", 21: "NAT-OA (RFC 3947)",
            130: "NAT-D (draft-ietf-ipsec-nat-t-ike-01 to 03)",
            131: "NAT-OA (draft-ietf-ipsec-nat-t-ike-01 to 03)", 132: "Cisco-Fragmentation",
        }.items()
    },
    "protocol": {1: "Protocol ID: ISAKMP (1)", 3: "Protocol ID: IPSEC_ESP (3)"},
    "attr1": {
        1: "Encryption-Algorithm: DES-CBC", 2: "Hash-Algorithm: MD5",
        3: "Authentication-Method: Pre-shared key",
        4: "Group-Description: Default 768-bit MODP group", 5: "Group-Type: MODP",
        6: "Group-Prime", 7: "Group-Generator-One", 8: "Group-Generator-Two", 9: "Group-Curve-A",
        10: "Group-Curve-B", 11: "Life-Type: Seconds", 12: "Life-Duration: 1",
        14: "Key-Length: 1", 15: "Field-Size", 16: "Group-Order",
    },
    "cipher": {
        1: "DES-CBC", 2: "IDEA-CBC", 3: "BLOWFISH-CBC", 4: "RC5-R16-B64-CBC", 5: "3DES-CBC",
        6: "CAST-CBC", 7: "AES-CBC", 8: "CAMELLIA-CBC",
    },
    "hash": {1: "MD5", 2: "SHA", 3: "TIGER", 4: "SHA2-256", 5: "SHA2-384", 6: "SHA2-512"},
    "auth": {
        1: "Pre-shared key", 2: "DSS signatures", 3: "RSA signatures", 4: "Encryption with RSA",
        5: "Revised encryption with RSA", 9: "ECDSA with SHA-256 on the P-256 curve",
        10: "ECDSA with SHA-384 on the P-384 curve", 11: "ECDSA with SHA-512 on the P-521 curve",
        65001: "XAUTHInitPreShared", 65002: "XAUTHRespPreShared",
    },
    "group": {
        1: "Default 768-bit MODP group", 2: "Alternate 1024-bit MODP group",
        3: "EC2N group on GP[2^155] group", 4: "EC2N group on GP[2^185] group",
        **{
            number: f"{bits} bit MODP group" for number, bits in
            ((5, 1536), (14, 2048), (15, 3072), (16, 4096), (17, 6144), (18, 8192))
        },
        19: "256-bit random ECP group", 20: "384-bit random ECP group",
        21: "521-bit random ECP group",
        22: "1024-bit MODP Group with 160-bit Prime Order Subgroup",
        23: "2048-bit MODP Group with 224-bit Prime Order Subgroup",
        24: "2048-bit MODP Group with 256-bit Prime Order Subgroup",
        25: "192-bit Random ECP Group", 26: "224-bit Random ECP Group",
        27: "224-bit Brainpool ECP group", 28: "256-bit Brainpool ECP group",
        29: "384-bit Brainpool ECP group", 30: "512-bit Brainpool ECP group",
    },
    "attr2": {
        1: "SA-Life-Type: Seconds", 2: "SA-Life-Duration: 1",
        3: "Group-Description: Default 768-bit MODP group", 4: "Encapsulation-Mode: Tunnel",
        5: "Authentication-Algorithm: HMAC-MD5", 6: "Key-Length: 1",
        11: "Extended (64-bit) Sequence Number: 64-bit Sequence Number",
    },
    "life": {1: "SA-Life-Type: Seconds", 2: "SA-Life-Type: Kilobytes"},
    "encap": {
        1: "Tunnel", 2: "Transport", 3: "UDP-Encapsulated-Tunnel", 4: "UDP-Encapsulated-Transport",
        61443: "UDP-Encapsulated-Tunnel (draft)", 61444: "UDP-Encapsulated-Transport (draft)",
    },
    "esp": {
        number: f"Transform ID: {name} ({number})" for number, name in
        {2: "DES", 3: "3DES", 4: "RC5", 5: "IDEA", 6: "CAST", 7: "BLOWFISH", 12: "AES"}.items()
    },
    "integ": {
        1: "HMAC-MD5", 2: "HMAC-SHA", 5: "HMAC-SHA2-256", 6: "HMAC-SHA2-384", 7: "HMAC-SHA2-512",
        8: "HMAC-RIPEMD", 9: "AES-XCBC-MAC",
    },
    "id": {
        1: "IPV4_ADDR", 2: "FQDN", 3: "USER_FQDN", 4: "IPV4_ADDR_SUBNET", 5: "IPV6_ADDR",
        6: "IPV6_ADDR_SUBNET", 7: "IPV4_ADDR_RANGE", 8: "IPV6_ADDR_RANGE", 9: "DER_ASN1_DN",
        10: "DER_ASN1_GN", 11: "KEY_ID", 12: "KEY_LIST",
    },
    "cert": {
        1: "PKCS #7 wrapped X.509 certificate", 4: "X.509 Certificate - Signature",
        7: "Certificate Revocation List (CRL)", 8: "Authority Revocation List (ARL)",
    },
    "notify": dict(enumerate((
        "INVALID-PAYLOAD-TYPE", "DOI-NOT-SUPPORTED", "SITUATION-NOT-SUPPORTED", "INVALID-COOKIE",
        "INVALID-MAJOR-VERSION", "INVALID-MINOR-VERSION", "INVALID-EXCHANGE-TYPE", "INVALID-FLAGS",
        "INVALID-MESSAGE-ID", "INVALID-PROTOCOL-ID", "INVALID-SPI", "INVALID-TRANSFORM-ID",
        "ATTRIBUTES-NOT-SUPPORTED", "NO-PROPOSAL-CHOSEN", "BAD-PROPOSAL-SYNTAX",
        "PAYLOAD-MALFORMED", "INVALID-KEY-INFORMATION", "INVALID-ID-INFORMATION",
        "INVALID-CERT-ENCODING", "INVALID-CERTIFICATE", "CERT-TYPE-UNSUPPORTED",
        "INVALID-CERT-AUTHORITY", "INVALID-HASH-INFORMATION", "AUTHENTICATION-FAILED",
        "INVALID-SIGNATURE", "ADDRESS-NOTIFICATION", "NOTIFY-SA-LIFETIME",
        "CERTIFICATE-UNAVAILABLE", "UNSUPPORTED-EXCHANGE-TYPE", "UNEQUAL-PAYLOAD-LENGTHS",
    ), 1)) | {
        16384: "CONNECTED", 24576: "RESPONDER-LIFETIME", 24577: "REPLAY-STATUS",
        24578: "INITIAL-CONTACT", 36136: "R-U-THERE", 36137: "R-U-THERE-ACK",
    },
    "configtype": {
        1: "ISAKMP_CFG_REQUEST", 2: "ISAKMP_CFG_REPLY", 3: "ISAKMP_CFG_SET", 4: "ISAKMP_CFG_ACK",
    },
    "config": dict(enumerate((
        "INTERNAL_IP4_ADDRESS", "INTERNAL_IP4_NETMASK", "INTERNAL_IP4_DNS", "INTERNAL_IP4_NBNS",
        "INTERNAL_ADDRESS_EXPIRY", "INTERNAL_IP4_DHCP", "APPLICATION_VERSION",
        "INTERNAL_IP6_ADDRESS", "INTERNAL_IP6_NETMASK", "INTERNAL_IP6_DNS", "INTERNAL_IP6_NBNS",
        "INTERNAL_IP6_DHCP", "INTERNAL_IP4_SUBNET", "SUPPORTED_ATTRIBUTES", "INTERNAL_IP6_SUBNET",
    ), 1)),
    # Wireshark's spelling of XAUTH-CHALLENGE.
    "xauth": dict(enumerate((
        "XAUTH_TYPE", "XAUTH_USER_NAME", "XAUTH_USER_PASSWORD", "XAUTH_PASSCODE", "XAUTH_MESSAGE",
        "XAUTH_CHALLANGE", "XAUTH_DOMAIN", "XAUTH_STATUS", "XAUTH_NEXT_PIN", "XAUTH_ANSWER",
    ), 16520)),
    "unity": dict(enumerate((
        "UNITY_BANNER", "UNITY_SAVE_PASSWD", "UNITY_DEF_DOMAIN", "UNITY_SPLIT_DOMAIN",
        "UNITY_SPLIT_INCLUDE", "UNITY_NATT_PORT", "UNITY_SPLIT_EXCLUDE", "UNITY_PFS",
        "UNITY_FW_TYPE", "UNITY_BACKUP_SERVERS", "UNITY_DDNS_HOSTNAME",
    ), 28672)),
}
VENDORS = {
    "RFC 3947": "RFC 3947 Negotiation of NAT-Traversal in the IKE",
    **{f"draft-ietf-ipsec-nat-t-ike{end}": f"draft-ietf-ipsec-nat-t-ike{end}" for end in
       ("", "-00", "-01", "-02", "-02\\n", "-03", "-04", "-05", "-06", "-07", "-08")},
    "draft-stenberg-ipsec-nat-t-01": "draft-stenberg-ipsec-nat-traversal-01",
    "draft-stenberg-ipsec-nat-t-02": "draft-stenberg-ipsec-nat-traversal-02",
    "ESPThruNAT": "draft-huttunen-ipsec-esp-in-udp-01.txt (ESPThruNAT)",
    "draft-huttunen-ipsec-esp-in-udp": "draft-huttunen-ipsec-esp-in-udp-00.txt",
    "XAUTH": "XAUTH", "Cisco Unity": "CISCO-UNITY", "FRAGMENTATION": "Cisco Fragmentation",
    "MS NT5 ISAKMPOAKLEY": "MS NT5 ISAKMPOAKLEY",
    "MS Vid-Initial-Contact": "Microsoft Vid-Initial-Contact", "GSSAPI": "GSSAPI",
    "MS IKE CGA version 1": "IKE CGA Version 1", "strongSwan": "strongSwan",
    "KAME/racoon": "KAME/racoon", "SSH Sentinel 1.4.1": "SSH Sentinel 1.4.1",
}
# fmt: on
SPI = b"\0\0\1\0"
IDENTITIES = {1: 4, 4: 8, 5: 16, 6: 32, 7: 8, 8: 32}
"""Octets of address by type; other types take any."""


def message(*payloads: Payload, exchange: int = 5, first: int = 0) -> bytes:
    """A message in the clear."""
    following = payloads[0].payload_type if payloads else PayloadType(first)
    header = Header(b"i" * 8, b"r" * 8, ExchangeType(exchange), 1, next_payload=following)
    return write_datagram(header, write_chain(payloads))[0]


def offer(protocol: int, transform_id: int, attribute: int = 0, value: int = 1) -> bytes:
    """An SA payload of one transform, with an attribute of the basic form."""
    attributes = (Attribute(attribute, value.to_bytes(2), basic=True),) if attribute else ()
    transform = Transform(1, transform_id, attributes)
    spi = b"" if protocol == 1 else SPI
    proposal = Proposal(1, Protocol(protocol), spi, (transform,))
    return message(SecurityAssociation((proposal,)), exchange=2)


def configuration(number: int) -> bytes:
    attribute = Attribute(number, b"\0\1\0\1", basic=False)
    return message(Configuration(ConfigurationType.SET, 1, (attribute,)), exchange=6)


# kind: (the message that carries a number, how tshark begins the line that names it)
KINDS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "exchange": (lambda n: message(exchange=n), ""),
    "payload": (lambda n: message(first=n), ""),
    "protocol": (lambda n: offer(n, 1), ""),
    "attr1": (lambda n: offer(1, 1, n), "IKE Attribute (t={n},l=2): "),
    "cipher": (lambda n: offer(1, 1, 1, n), "IKE Attribute (t=1,l=2): Encryption-Algorithm: "),
    "hash": (lambda n: offer(1, 1, 2, n), "IKE Attribute (t=2,l=2): Hash-Algorithm: "),
    "auth": (lambda n: offer(1, 1, 3, n), "IKE Attribute (t=3,l=2): Authentication-Method: "),
    "group": (lambda n: offer(1, 1, 4, n), "IKE Attribute (t=4,l=2): Group-Description: "),
    "attr2": (lambda n: offer(3, 12, n), "IPsec Attribute (t={n},l=2): "),
    "life": (lambda n: offer(3, 12, 1, n), "IPsec Attribute (t=1,l=2): "),
    "encap": (lambda n: offer(3, 12, 4, n), "IPsec Attribute (t=4,l=2): Encapsulation-Mode: "),
    "esp": (lambda n: offer(3, n), ""),
    "integ": (
        lambda n: offer(3, 12, 5, n),
        "IPsec Attribute (t=5,l=2): Authentication-Algorithm: ",
    ),
    "id": (lambda n: message(Identification(n, bytes(IDENTITIES.get(n, 3)))), "ID type: "),
    "cert": (
        lambda n: message(CertificatePayload(CertificateEncoding(n), b"\x30\x00")),
        "Certificate Encoding: ",
    ),
    "notify": (lambda n: message(Notification(NotifyType(n))), "Notify Message Type: "),
    "configtype": (
        lambda n: message(Configuration(ConfigurationType(n), 1), exchange=6),
        "Type: ",
    ),
    **dict.fromkeys(
        ("config", "xauth", "unity"), (configuration, "Config Attribute (t={n},l=4): ")
    ),
}
ROWS: dict[str, tuple[bytes, str]] = {
    f"{kind}:{number}": (KINDS[kind][0](number), KINDS[kind][1].format(n=number) + words)
    for kind, names in NUMBERS.items()
    for number, words in names.items()
} | {
    f"vid:{name}": (message(VendorId(VENDOR_IDS[name].data)), f"Vendor ID: {words}")
    for name, words in VENDORS.items()
}
"""The message of each row, and what tshark says of it."""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """The lines that tshark prints for each row."""
    folder = tmp_path_factory.mktemp("inventory")
    with (folder / "capture.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW)
        for number, (datagram, _) in enumerate(ROWS.values()):
            udp = dpkt.udp.UDP(sport=500, dport=500, data=datagram)
            udp.ulen = len(udp)
            packet = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=17, data=udp)
            packet.len = len(packet)
            writer.writepkt(bytes(packet), ts=number)
    done = subprocess.run(
        ["tshark", "-r", str(folder / "capture.pcap"), "-V"],
        env={"WIRESHARK_CONFIG_DIR": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    frames = re.split(r"^Frame \d+:.*$", done.stdout, flags=re.MULTILINE)[1:]
    lines = [[line.strip() for line in frame.splitlines()] for frame in frames]
    return dict(zip(ROWS, lines, strict=True))


@pytest.mark.lab
@pytest.mark.covers("{row}", by="tshark")
@pytest.mark.parametrize("row", ROWS)
def test_tshark_names_it(read: Mapping[str, list[str]], row: str) -> None:
    """In the words of Wireshark, whose tables are made from the registries."""
    expected = ROWS[row][1]
    assert [line for line in read[row] if line in {expected, f"{expected}:"} or _named(line, row)]


def _named(line: str, row: str) -> bool:
    """Whether a line has the name, and then the number or a value."""
    expected, number = ROWS[row][1], row.partition(":")[2]
    return line == f"{expected} ({number})" or line.startswith(f"{expected}: ")
