"""ESP against scapy's, an independent implementation: each transform, mode and padding residue."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.ipsec import ESP
from scapy.layers.ipsec import SecurityAssociation as Oracle

from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.sad import UdpEncapsulation
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.ipsec.udp import unwrap, wrap

if TYPE_CHECKING:
    from conftest import MakeInner, MakeSa

    from conformance.ipsec.sad import SecurityAssociation

SCAPY_CIPHERS = {
    "3des": "3DES",
    "des": "DES",
    "cast128": "CAST",
    "blowfish128": "Blowfish",
    "blowfish448": "Blowfish",
    "null": "NULL",
    **{f"aes{bits}": "AES-CBC" for bits in (128, 192, 256)},
    **{f"aes{bits}ctr": "AES-CTR" for bits in (128, 192, 256)},
}
SCAPY_COMBINED = {
    **{f"aes{bits}gcm16": "AES-GCM" for bits in (128, 192, 256)},
    **{f"aes{bits}gmac": "AES-NULL-GMAC" for bits in (128, 192, 256)},
    **{f"aes{bits}ccm{icv}": "AES-CCM" for bits in (128, 192, 256) for icv in (8, 12, 16)},
}
SCAPY_MACS = {
    "none": "NULL",
    "md5": "HMAC-MD5-96",
    "sha1": "HMAC-SHA1-96",
    "sha256": "SHA2-256-128",
    "sha384": "SHA2-384-192",
    "sha512": "SHA2-512-256",
    "aescmac": "AES-CMAC-96",
}
MODES = ("tunnel", "transport")
SIZES = (*range(17), 56, 1200)
SUITES = [
    *itertools.product(("aes128", "3des"), SCAPY_MACS),
    *((cipher, "sha256") for cipher in SCAPY_CIPHERS if cipher not in ("aes128", "3des")),
    *((cipher, "none") for cipher in SCAPY_COMBINED),
]

every_transform = pytest.mark.parametrize(
    ("cipher", "integrity", "mode"), [(*suite, mode) for suite in SUITES for mode in MODES]
)


def oracle_of(sa: SecurityAssociation, *, in_udp: bool = False) -> Oracle:
    outer = IP(src=str(sa.source), dst=str(sa.destination)) if sa.mode == "tunnel" else None
    return Oracle(
        ESP,
        spi=sa.spi,
        crypt_algo=(SCAPY_CIPHERS | SCAPY_COMBINED)[sa.cipher],
        crypt_key=sa.encryption_key,
        crypt_icv_size=ENCRYPTION[sa.cipher].icv_size or None,
        auth_algo=SCAPY_MACS[sa.integrity],
        auth_key=sa.integrity_key,
        tunnel_header=outer,
        nat_t_header=UDP(sport=4500, dport=4500) if in_udp else None,
        esn_en=sa.esn,
        esn=0,
    )


def test_what_the_oracle_does_not_know() -> None:
    """These have other proofs: vectors of the bare algorithms, and a second implementation's."""
    families = {name.rstrip("0123456789-") for name in ENCRYPTION}
    known = {name.rstrip("0123456789-") for name in SCAPY_CIPHERS | SCAPY_COMBINED}
    assert families - known == {"idea", "rc", "seed", "camellia", "serpent", "twofish"}
    macs = {name for name, row in INTEGRITY.items() if not row.iv_size}
    assert macs - set(SCAPY_MACS) <= {"ripemd160", "aesxcbc"}


@pytest.mark.covers("esp:{cipher}", "integ:{integrity}", "encap:{mode}", "protocol:esp", by="scapy")
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


@pytest.mark.covers("esp:{cipher}", "integ:{integrity}", "encap:{mode}", "protocol:esp", by="scapy")
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


@pytest.mark.parametrize("esn", [False, True], ids=["32", "64"])
@pytest.mark.covers("esp:{cipher}", "integ:{integrity}", "encap:{mode}", "protocol:esp", by="scapy")
@every_transform
def test_same_octets(
    cipher: str, integrity: str, mode: str, make_sa: MakeSa, make_inner: MakeInner, *, esn: bool
) -> None:
    """With the IV given there is only one right payload, with and without ESN."""
    sa = make_sa(cipher=cipher, integrity=integrity, mode=mode, replay=None, esn=esn)
    iv, high = bytes(range(ENCRYPTION[cipher].iv_size)), 5 * esn
    for size in SIZES:
        inner = make_inner(mode, bytes(size))
        theirs = oracle_of(sa).encrypt(IP(inner.build()), seq_num=9, iv=iv, esn=high)
        ours = encapsulate(sa, inner, high << 32 | 9, iv)
        assert ours.payload == bytes(theirs)[20:]


@pytest.mark.parametrize("mode", MODES)
def test_same_octets_in_udp(mode: str, make_sa: MakeSa, make_inner: MakeInner) -> None:
    """RFC 3948 2.1: ports 4500 and a checksum of zero."""
    sa, inner, iv = make_sa(mode=mode, udp=UdpEncapsulation()), make_inner(mode), bytes(16)
    theirs = Ipv4Packet.parse(
        bytes(oracle_of(sa, in_udp=True).encrypt(IP(inner.build()), seq_num=9, iv=iv))
    )
    ours = wrap(encapsulate(sa, inner, 9, iv), UdpEncapsulation())
    assert ours.payload == theirs.payload
    assert decapsulate(sa, unwrap(theirs).packet) == inner
