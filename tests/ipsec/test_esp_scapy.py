"""ESP against scapy's, an independent implementation: each transform, mode and padding residue."""

from __future__ import annotations

import itertools
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import IP
from scapy.layers.ipsec import AUTH_ALGOS, CRYPT_ALGOS

from conformance.crypto.ciphers import USUAL_CIPHERS
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.sad import UdpEncapsulation
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY
from conformance.ipsec.udp import unwrap, wrap
from tests.ipsec.oracles import (
    SCAPY_CIPHERS,
    SCAPY_FAMILIES,
    SCAPY_MACS,
    SHORT_GCM,
    family_of,
    header_of,
    oracle_of,
    theirs,
)

if TYPE_CHECKING:
    from conftest import MakeInner, MakeSa

    from conformance.ipsec.packet import Packet
    from conformance.ipsec.sad import SecurityAssociation

MODES = ("tunnel", "transport")
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
SIZES = (*range(17), 56, 1200)
HIGH = 5

SEPARATE = [
    name for name in SCAPY_CIPHERS if name in USUAL_CIPHERS or family_of(name) in {"null", "aesctr"}
]
COMBINED = [name for name in SCAPY_CIPHERS if ENCRYPTION[name].icv_size]
SUITES = [
    *itertools.product(("aes128", "3des"), SCAPY_MACS),
    *((cipher, "sha256") for cipher in SEPARATE if cipher not in ("aes128", "3des")),
    *((cipher, "none") for cipher in COMBINED),
]
WAYS = {"ipv4": (4, False), "ipv4-esn": (4, True), "ipv6": (6, False), "ipv6-esn": (6, True)}
"""IP version, and whether sequence numbers have 64 bits."""

every_transform = pytest.mark.parametrize(
    "suite", [(*suite, mode) for suite in SUITES for mode in MODES], ids="-".join
)
every_way = pytest.mark.parametrize("way", WAYS)


class Pair:
    """An SA that may be of either IP version, and packets for it."""

    def __init__(self, sa: SecurityAssociation, inner: Ipv4Packet, way: str) -> None:
        self.version, self.esn = WAYS[way]
        self.sa, self._inner = sa, inner
        self.high = HIGH * self.esn
        self.sizes = SIZES if way == "ipv4" else SIZES[::5]

    def inner(self, size: int) -> Packet:
        payload = (bytes(range(256)) * 5)[:size]
        if self.version == 6:
            return Ipv6Packet(*SIX, 253, payload, tos=0xB8)
        return Ipv4Packet(self._inner.source, self._inner.destination, 253, payload)

    def iv(self, sequence: int) -> bytes:
        return bytes(sequence for _ in range(self.sa.iv_size))


@pytest.fixture
def pair(suite: tuple[str, str, str], way: str, make_sa: MakeSa, make_inner: MakeInner) -> Pair:
    (cipher, integrity, mode), (version, esn) = suite, WAYS[way]
    ends = dict(zip(("source", "destination"), SIX, strict=True)) if version == 6 else {}
    sa = make_sa(cipher=cipher, integrity=integrity, mode=mode, replay=None, esn=esn, **ends)
    return Pair(sa, make_inner(mode), way)


def test_no_algorithm_of_scapy_is_forgotten() -> None:
    """Scapy has one more, which IKEv1 never had: RFC 7634."""
    assert set(CRYPT_ALGOS) - {"CHACHA20-POLY1305"} == set(SCAPY_FAMILIES.values())
    assert set(AUTH_ALGOS) == set(SCAPY_MACS.values())


@pytest.mark.parametrize("family", SCAPY_FAMILIES)
def test_no_key_length_of_scapy_is_forgotten(family: str) -> None:
    sizes = CRYPT_ALGOS[SCAPY_FAMILIES[family]].key_size or (0,)
    known = {sizes} if isinstance(sizes, int) else set(sizes)
    for name, row in ENCRYPTION.items():
        if family_of(name) == family:
            assert (name in SCAPY_CIPHERS) is (name not in SHORT_GCM)
            assert row.key_size - row.salt_size in known
    tested = {suite[0] for suite in SUITES}
    assert family in {family_of(name) for name in tested}


def test_what_the_oracle_does_not_know() -> None:
    """These have other proofs: vectors of the bare algorithms, and a second implementation's."""
    families = {family_of(name) for name in ENCRYPTION}
    assert families - set(SCAPY_FAMILIES) == {
        "idea", "rc", "seed", "camellia", "serpent", "twofish",
    }  # fmt: skip
    macs = {name for name, row in INTEGRITY.items() if not row.ah_only}
    assert macs - set(SCAPY_MACS) <= {"ripemd160", "aesxcbc", "sha256_96", "des-mac"}


@pytest.mark.covers(
    "esp:{suite[0]}", "integ:{suite[1]}", "encap:{suite[2]}", "protocol:esp", by="scapy"
)
@every_way
@every_transform
def test_scapy_reads_what_we_write(pair: Pair) -> None:
    oracle = oracle_of(pair.sa, pair.high)
    for low, size in enumerate(pair.sizes, 1):
        inner = pair.inner(size)
        wire = encapsulate(pair.sa, inner, pair.high << 32 | low, pair.iv(low)).build()
        assert bytes(oracle.decrypt(header_of(pair.sa)(wire))) == inner.build()


@pytest.mark.covers(
    "esp:{suite[0]}", "integ:{suite[1]}", "encap:{suite[2]}", "protocol:esp", by="scapy"
)
@every_way
@every_transform
def test_we_read_what_scapy_writes(pair: Pair) -> None:
    for low, size in enumerate(pair.sizes, 1):
        inner = pair.inner(size)
        packet = theirs(pair.sa, inner, pair.high << 32 | low, pair.iv(low))
        assert decapsulate(pair.sa, packet, pair.high).build() == inner.build()


@pytest.mark.covers(
    "esp:{suite[0]}", "integ:{suite[1]}", "encap:{suite[2]}", "protocol:esp", by="scapy"
)
@every_way
@every_transform
def test_same_octets(pair: Pair) -> None:
    """With the IV given there is only one right payload, with and without ESN."""
    sequence = pair.high << 32 | 9
    for size in pair.sizes:
        inner, iv = pair.inner(size), pair.iv(7)
        ours = encapsulate(pair.sa, inner, sequence, iv)
        assert ours.payload == theirs(pair.sa, inner, sequence, iv).payload


@pytest.mark.parametrize("name", [name for name in SCAPY_CIPHERS if name not in SEPARATE])
def test_every_key_length(name: str, make_sa: MakeSa, make_inner: MakeInner) -> None:
    """The key lengths that no peer has a word for, and both ways at once."""
    integrity = "none" if ENCRYPTION[name].icv_size else "sha1"
    sa = make_sa(cipher=name, integrity=integrity, replay=None)
    inner, iv = make_inner("tunnel", bytes(21)), bytes(range(sa.iv_size))
    ours = encapsulate(sa, inner, 9, iv)
    assert ours.payload == theirs(sa, inner, 9, iv).payload
    assert bytes(oracle_of(sa).decrypt(IP(ours.build()))) == inner.build()


@pytest.mark.parametrize("mode", MODES)
def test_same_octets_in_udp(mode: str, make_sa: MakeSa, make_inner: MakeInner) -> None:
    """RFC 3948 2.1: ports 4500 and a checksum of zero."""
    sa, inner, iv = make_sa(mode=mode, udp=UdpEncapsulation()), make_inner(mode), bytes(16)
    other = Ipv4Packet.parse(
        bytes(oracle_of(sa, in_udp=True).encrypt(IP(inner.build()), seq_num=9, iv=iv))
    )
    ours = wrap(encapsulate(sa, inner, 9, iv), UdpEncapsulation())
    assert ours.payload == other.payload
    assert decapsulate(sa, unwrap(other).packet) == inner
