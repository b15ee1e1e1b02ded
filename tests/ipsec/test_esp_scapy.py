"""ESP against scapy's, an independent implementation: each transform, mode and padding residue."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import IP
from scapy.layers.ipsec import ESP
from scapy.layers.ipsec import SecurityAssociation as Oracle

from conformance.ipsec.esp import decapsulate, encapsulate
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from conftest import MakeInner, MakeSa

    from conformance.ipsec.sad import SecurityAssociation

SCAPY_CIPHERS = {"aes128": "AES-CBC", "aes192": "AES-CBC", "aes256": "AES-CBC", "3des": "3DES"}
SCAPY_MACS = {"none": "NULL", "sha1": "HMAC-SHA1-96", "sha256": "SHA2-256-128"}
MODES = ("tunnel", "transport")
SIZES = (*range(17), 56, 1200)

every_transform = pytest.mark.parametrize(
    ("cipher", "integrity", "mode"), list(itertools.product(ENCRYPTION, INTEGRITY, MODES))
)


def oracle_of(sa: SecurityAssociation) -> Oracle:
    outer = IP(src=str(sa.source), dst=str(sa.destination)) if sa.mode == "tunnel" else None
    return Oracle(
        ESP,
        spi=sa.spi,
        crypt_algo=SCAPY_CIPHERS[sa.cipher],
        crypt_key=sa.encryption_key,
        auth_algo=SCAPY_MACS[sa.integrity],
        auth_key=sa.integrity_key,
        tunnel_header=outer,
    )


def test_the_oracle_knows_every_transform() -> None:
    """A new row in our tables must get its name in scapy's."""
    assert (set(SCAPY_CIPHERS), set(SCAPY_MACS)) == (set(ENCRYPTION), set(INTEGRITY))


@every_transform
def test_scapy_reads_what_we_write(
    cipher: str, integrity: str, mode: str, make_sa: MakeSa, make_inner: MakeInner
) -> None:
    sa = make_sa(cipher=cipher, integrity=integrity, mode=mode, replay=None)
    oracle = oracle_of(sa)
    for sequence, size in enumerate(SIZES, 1):
        inner = make_inner(mode, (bytes(range(256)) * 5)[:size])
        iv = bytes(sequence for _ in range(ENCRYPTION[cipher].iv_size))
        wire = encapsulate(sa, inner, sequence, iv).build()
        assert bytes(oracle.decrypt(IP(wire))) == inner.build()


@every_transform
def test_we_read_what_scapy_writes(
    cipher: str, integrity: str, mode: str, make_sa: MakeSa, make_inner: MakeInner
) -> None:
    sa = make_sa(cipher=cipher, integrity=integrity, mode=mode, replay=None)
    oracle = oracle_of(sa)
    for sequence, size in enumerate(SIZES, 1):
        inner = make_inner(mode, bytes(size))
        iv = bytes(sequence for _ in range(ENCRYPTION[cipher].iv_size))
        wire = oracle.encrypt(IP(inner.build()), seq_num=sequence, iv=iv)
        assert decapsulate(sa, Ipv4Packet.parse(bytes(wire))) == inner


@every_transform
def test_same_octets(
    cipher: str, integrity: str, mode: str, make_sa: MakeSa, make_inner: MakeInner
) -> None:
    """With the IV given there is only one right payload."""
    sa = make_sa(cipher=cipher, integrity=integrity, mode=mode, replay=None)
    iv = bytes(range(ENCRYPTION[cipher].iv_size))
    for size in SIZES:
        inner = make_inner(mode, bytes(size))
        theirs = oracle_of(sa).encrypt(IP(inner.build()), seq_num=9, iv=iv)
        ours = encapsulate(sa, inner, 9, iv)
        assert ours.payload == bytes(theirs)[20:]
