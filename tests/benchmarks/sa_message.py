"""An SA message of ten transforms, built and parsed, against scapy's ISAKMP layer (RFC 2408 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scapy.layers.isakmp import (
    ISAKMP,
    ISAKMP_payload_Proposal,
    ISAKMP_payload_SA,
    ISAKMP_payload_Transform,
)

from conformance.crypto.random import seeded_random
from conformance.ikev1.config import Config, Identification, Phase1Proposal, Phase2Proposal
from conformance.ikev1.endpoint import Endpoint
from conformance.ikev1.message import Header, parse_header, parse_message, write_chain
from conformance.ikev1.message import write_datagram as write
from conformance.ikev1.payloads import SecurityAssociation

if TYPE_CHECKING:
    from conformance.ikev1.message import Message

OFFERS = [
    (cipher, hash_name, group)
    for cipher in ("aes256", "aes128")
    for hash_name in ("sha256", "sha1")
    for group in ("modp2048", "modp1536", "modp1024")
][:10]
SCAPY_CIPHERS = {"aes256": 256, "aes128": 128}
SCAPY_HASHES = {"sha256": "SHA2-256", "sha1": "SHA"}
SCAPY_GROUPS = {"modp2048": "2048MODPgr", "modp1536": "1536MODPgr", "modp1024": "1024MODPgr"}


def sample(first_lifetime: int | None = None) -> bytes:
    """The first message of a Main Mode with ten transforms, as an endpoint sends it.

    All offer the usual lifetime, or each a lifetime of its own from the first one on.
    """
    identity = Identification.ipv4_addr("10.0.0.1")
    config = Config(
        psk=b"unused",
        local_id=identity,
        remote_id=identity,
        phase1=tuple(
            Phase1Proposal(*offer, lifetime_seconds=first_lifetime + n if first_lifetime else 28800)
            for n, offer in enumerate(OFFERS)
        ),
        phase2=(Phase2Proposal("aes128", "sha256", "tunnel", None),),
        local_selector=identity,
        remote_selector=identity,
    )
    endpoint = Endpoint(config, ("10.0.0.2", 500), random=seeded_random(1))
    endpoint.initiate(0.0)
    return endpoint.datagrams_to_send(0.0)[0][0]


def check(data: bytes) -> None:
    """That both parsers find all there is, and that what we build is what we parsed."""
    message = parse(data)
    transforms = message.one(SecurityAssociation).proposals[0].transforms
    assert [len(one.attributes) for one in transforms] == [7] * len(OFFERS)
    assert [len(one) for one in parse_scapy(data)] == [7] * len(OFFERS)
    assert build(message) == data


def parse(data: bytes) -> Message:
    """Parse a datagram, every attribute included."""
    return parse_message(parse_header(data), data)[0]


def build(message: Message) -> bytes:
    """Write it again from its dataclasses."""
    header = message.header
    fresh = Header(
        header.cookie_i, header.cookie_r, header.exchange, next_payload=header.next_payload
    )
    return write(fresh, write_chain(message.payloads))[0]


def parse_scapy(data: bytes) -> list[list[object]]:
    """Parse a datagram down to the last transform's attributes."""
    transforms: list[list[object]] = []
    layer = ISAKMP(data)[ISAKMP_payload_Proposal].trans
    while isinstance(layer, ISAKMP_payload_Transform):
        transforms.append(layer.transforms)
        layer = layer.payload
    return transforms


def build_scapy() -> bytes:
    """Build the like of it from scapy's layers."""
    transforms = None
    for number, (cipher, hash_name, group) in reversed(list(enumerate(OFFERS, 1))):
        layer = ISAKMP_payload_Transform(
            num=number,
            transforms=[
                ("Encryption", "AES-CBC"),
                ("KeyLength", SCAPY_CIPHERS[cipher]),
                ("Hash", SCAPY_HASHES[hash_name]),
                ("GroupDesc", SCAPY_GROUPS[group]),
                ("Authentication", "PSK"),
                ("LifeType", "Seconds"),
                ("LifeDuration", 28800),
            ],
        )
        transforms = layer if transforms is None else layer / transforms
    proposal = ISAKMP_payload_Proposal(trans_nb=len(OFFERS), trans=transforms)
    return bytes(ISAKMP(init_cookie=b"\x01" * 8, exch_type=2) / ISAKMP_payload_SA(prop=proposal))
