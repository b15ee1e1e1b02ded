"""Reading what a Linux kernel holds: the text of ``ip xfrm``, as iproute2 6.1 prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from conformance.drivers.kernel import STATES as STATES_COMMAND
from conformance.drivers.kernel import (
    child_of,
    flush,
    keys_of,
    parse_selectors,
    parse_states,
    ping,
)
from conformance.drivers.shell import Result
from conformance.ipsec.transforms import ENCRYPTION
from conformance.linux.names import CIPHERS, COMBINED, INTEGRITIES
from conformance.matrix.factors import find_factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import MakeConnection

    from conformance.drivers.shell import Shell

STATES = """\
src 10.77.0.11 dst 10.77.0.14
\tproto esp spi 0xc2f1a3b4(3270616500) reqid 1(0x00000001) mode tunnel
\treplay-window 0 seq 0x00000000 flag af-unspec (0x00100000)
\tauth-trunc hmac(sha256) 0x{auth} (256 bits) 128
\tenc cbc(aes) 0x{key} (128 bits)
\tanti-replay context: seq 0x0, oseq 0x2, bitmap 0x00000000
\tlifetime config:
\t  limit: soft (INF)(bytes), hard (INF)(bytes)
\t  limit: soft (INF)(packets), hard (INF)(packets)
\t  expire add: soft 0(sec), hard 3600(sec)
\t  expire use: soft 0(sec), hard 0(sec)
\tlifetime current:
\t  168(bytes), 2(packets)
\t  add 2026-01-02 03:04:05 use 2026-01-02 03:04:05
src 10.77.0.14 dst 10.77.0.11
\tproto esp spi 0x0a0b0c0d(168496141) reqid 1(0x00000001) mode transport
\tauth-trunc hmac(sha1) 0x{auth} (160 bits) 96
\tenc cbc(aes) 0x{key}{key} (256 bits)
\t  expire add: soft 0(sec), hard 0(sec)
src 10.77.0.14 dst 10.77.0.11
\tproto esp spi 0x00000000(0) reqid 1(0x00000001) mode tunnel
\treplay-window 0 seq 0x00000000
""".format(auth="ab" * 32, key="cd" * 16)

POLICIES = """\
src 10.78.11.0/24 dst 10.78.14.0/24 uid 0
\tdir out action allow index 1 priority 375423 ptype main share any flag  (0x00000000)
\tlifetime config:
\t  limit: soft (INF)(bytes), hard (INF)(bytes)
\ttmpl src 10.77.0.11 dst 10.77.0.14
\t\tproto esp spi 0xc2f1a3b4(3270616500) reqid 1(0x00000001) mode tunnel
src 10.78.14.0/24 dst 10.78.11.0/24 uid 0
\tdir in action allow index 8 priority 375423 ptype main share any flag  (0x00000000)
\ttmpl src 10.77.0.14 dst 10.77.0.11
\t\tproto esp spi 0x00000000(0) reqid 1(0x00000001) mode tunnel
src 0.0.0.0/0 dst 0.0.0.0/0 uid 0
\tsocket out action allow index 20 priority 0 ptype main share any flag  (0x00000000)
"""


def test_a_state_is_normalised() -> None:
    """Algorithms become levels, the SPI a number, the hard limit the lifetime."""
    state = parse_states(STATES)[0]
    assert (state.source, state.destination) == ("10.77.0.11", "10.77.0.14")
    assert (state.spi, state.protocol, state.mode) == (0xC2F1A3B4, "esp", "tunnel")
    assert (state.cipher, state.integrity) == ("aes128", "sha256")
    assert (state.lifetime_seconds, state.packets) == (3600, 2)


def test_a_larval_state_is_no_state() -> None:
    """A state without keys is a placeholder of the kernel: nothing was agreed."""
    assert [state.spi for state in parse_states(STATES)] == [0xC2F1A3B4, 0x0A0B0C0D]


@pytest.mark.parametrize(
    ("old", "new", "integrity"),
    [
        pytest.param("(256 bits) 128", "(256 bits) 96", "sha256_96", id="truncated"),
        pytest.param("(256 bits) 128", "(256 bits) 80", "hmac(sha256)-80", id="cut-further"),
        pytest.param("hmac(sha256)", "hmac(md5)", "hmac(md5)-128", id="other-hash"),
    ],
)
def test_another_algorithm_is_told_as_what_it_is(old: str, new: str, integrity: str) -> None:
    """The unnegotiated truncation of SHA2-256 must not pass for the real one (RFC 4868)."""
    assert parse_states(STATES.replace(old, new))[0].integrity == integrity


def test_an_empty_table_has_no_states() -> None:
    assert parse_states("") == []


def test_keys_stay_out_of_repr() -> None:
    assert "abab" not in repr(parse_states(STATES))
    assert "cdcd" not in repr(parse_states(STATES))


def test_selectors_come_from_the_outbound_policy() -> None:
    """Local first; an inbound policy or a socket's bypass is not taken for it."""
    found = parse_selectors(POLICIES, "10.77.0.11", "10.77.0.14")
    assert found == ("10.78.11.0/24", "10.78.14.0/24")


def test_no_policy_no_selectors() -> None:
    assert parse_selectors(POLICIES, "10.77.0.11", "10.77.0.99") is None


# -- AH, bundles and ESP in UDP, as Linux 6.1 holds them and iproute2 6.1 prints them -----------

ALICE, BOB, NAT = "10.77.0.14", "10.77.0.11", "10.77.0.254"
TAIL = """\
\tanti-replay context: seq 0x2, oseq 0x0, bitmap 0x00000003
\tlifetime config:
\t  limit: soft (INF)(bytes), hard (INF)(bytes)
\t  limit: soft (INF)(packets), hard (INF)(packets)
\t  expire add: soft 0(sec), hard 3600(sec)
\t  expire use: soft 0(sec), hard 0(sec)
\tlifetime current:
\t  168(bytes), {packets}(packets)
\t  add 2026-01-02 03:04:05 use 2026-01-02 03:04:05
\tstats:
\t  replay-window 0 replay 0 failed 0
"""


def state(
    ends: tuple[str, str],
    protocol: str,
    spi: int,
    body: str,
    *,
    mode: str = "tunnel",
    packets: int = 2,
) -> str:
    """One state of the table, from the first of the ends to the second."""
    return (
        "src {} dst {}\n".format(*ends)
        + f"\tproto {protocol} spi {spi:#010x}({spi}) reqid 1(0x00000001) mode {mode}\n"
        "\treplay-window 0 seq 0x00000000 flag af-unspec (0x00100000)\n"
        f"{body}{TAIL.format(packets=packets)}"
    )


SHA1 = f"\tauth-trunc hmac(sha1) 0x{'ab' * 20} (160 bits) 96\n"
SHA512 = f"\tauth-trunc hmac(sha512) 0x{'ab' * 64} (512 bits) 256\n"
AES = f"{SHA1}\tenc cbc(aes) 0x{'cd' * 32} (256 bits)\n"
DEFLATE = "\tcomp deflate \n"
ENCAP = "\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n"

AH = state((ALICE, BOB), "ah", 0xA1, SHA512, packets=5) + state((BOB, ALICE), "ah", 0xA2, SHA512)
BUNDLE = (
    state((ALICE, BOB), "comp", 0xC1, DEFLATE, packets=9)
    + state((ALICE, BOB), "esp", 0xE1, AES, mode="transport", packets=7)
    + state((BOB, ALICE), "comp", 0xC2, DEFLATE)
    + state((BOB, ALICE), "esp", 0xE2, AES, mode="transport", packets=3)
    + state((ALICE, BOB), "4", 0x0A4D000E, "")
    + state((BOB, ALICE), "4", 0x0A4D000B, "")
)
"""The kernel makes the states of protocol 4 itself, beside IPComp in tunnel mode."""
IN_UDP = state((BOB, NAT), "esp", 0xE3, AES + ENCAP) + state((NAT, BOB), "esp", 0xE4, AES + ENCAP)
PLAIN = state((ALICE, BOB), "esp", 0xE1, AES) + state((BOB, ALICE), "esp", 0xE2, AES)
REKEYED = state((ALICE, BOB), "esp", 0xF1, AES) + state((BOB, ALICE), "esp", 0xF2, AES) + PLAIN
"""The kernel lists its newest state first."""


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (AH, [
            ("ah", 0xA1, "tunnel", "none", "sha512", 5),
            ("ah", 0xA2, "tunnel", "none", "sha512", 2),
        ]),
        (BUNDLE, [
            ("ipcomp", 0xC1, "tunnel", "none", "none", 9),
            ("esp", 0xE1, "transport", "aes256", "sha1", 7),
            ("ipcomp", 0xC2, "tunnel", "none", "none", 2),
            ("esp", 0xE2, "transport", "aes256", "sha1", 3),
        ]),
        (IN_UDP, [
            ("esp", 0xE3, "tunnel", "aes256", "sha1", 2),
            ("esp", 0xE4, "tunnel", "aes256", "sha1", 2),
        ]),
        (state((ALICE, BOB), "hao", 1, AES), []),
        (state((ALICE, BOB), "esp", 0, ""), []),
    ],
    ids=["ah", "esp+ipcomp", "esp-in-udp", "no-ipsec", "larval"],
)  # fmt: skip
def test_states_of_every_protocol_are_read(table: str, expected: list[tuple[object, ...]]) -> None:
    """What is no SA of ours, such as the kernel's own tunnels, is left out."""
    found = parse_states(table)
    assert expected == [
        (one.protocol, one.spi, one.mode, one.cipher, one.integrity, one.packets) for one in found
    ]


def key(octets: int) -> str:
    """Key and salt as the table has them, with their size behind."""
    return f"0x{'cd' * octets} ({octets * 8} bits)"


ESP: list[tuple[str, str, str, int]] = [
    # body, levels of cipher and integrity, octets of the cipher's key and salt
    (f"{SHA1}\tenc cbc(aes) {key(24)}\n", "aes192", "sha1", 24),
    (f"{SHA1}\tenc cbc(des3_ede) {key(24)}\n", "3des", "sha1", 24),
    (f"{SHA1}\tenc cbc(des) {key(8)}\n", "des", "sha1", 8),
    (f"{SHA1}\tenc cbc(cast5) {key(16)}\n", "cast128", "sha1", 16),
    (f"{SHA1}\tenc cbc(blowfish) {key(24)}\n", "blowfish192", "sha1", 24),
    (f"{SHA1}\tenc cbc(camellia) {key(32)}\n", "camellia256", "sha1", 32),
    (f"{SHA1}\tenc cbc(serpent) {key(16)}\n", "serpent128", "sha1", 16),
    (f"{SHA1}\tenc cbc(twofish) {key(24)}\n", "twofish192", "sha1", 24),
    (f"{SHA1}\tenc ecb(cipher_null) \n", "null", "sha1", 0),
    (f"{SHA1}\tenc rfc3686(ctr(aes)) {key(20)}\n", "aes128ctr", "sha1", 20),
    (f"{SHA1}\tenc rfc3686(ctr(aes)) {key(36)}\n", "aes256ctr", "sha1", 36),
    (f"{SHA1}\tenc rfc3686(ctr(aes)) {key(32)}\n", "rfc3686(ctr(aes))-32", "sha1", 32),
    (f"\tauth-trunc xcbc(aes) {key(16)} 96\n\tenc cbc(aes) {key(16)}\n",
     "aes128", "aesxcbc", 16),
    *((f"\taead rfc4106(gcm(aes)) {key(octets + 4)} {icv * 8}\n",
       f"aes{octets * 8}gcm{icv}", "none", octets + 4)
      for octets in (16, 24, 32) for icv in (8, 12, 16)),
    *((f"\taead rfc4309(ccm(aes)) {key(octets + 3)} {icv * 8}\n",
       f"aes{octets * 8}ccm{icv}", "none", octets + 3)
      for octets in (16, 24, 32) for icv in (8, 12, 16)),
    *((f"\taead rfc4543(gcm(aes)) {key(octets + 4)} 128\n",
       f"aes{octets * 8}gmac", "none", octets + 4) for octets in (16, 24, 32)),
    (f"\taead rfc4106(gcm(aes)) {key(16)} 128\n", "rfc4106(gcm(aes))-16-128", "none", 16),
    (f"\taead rfc4543(gcm(aes)) {key(20)} 96\n", "rfc4543(gcm(aes))-20-96", "none", 20),
]  # fmt: skip


@pytest.mark.parametrize(("body", "cipher", "integrity", "octets"), ESP)
def test_every_transform_of_esp_is_read(
    make_connection: MakeConnection, body: str, cipher: str, integrity: str, octets: int
) -> None:
    """Keys come with their salts; what has no level is told as it is."""
    table = state((ALICE, BOB), "esp", 0xE1, body) + state((BOB, ALICE), "esp", 0xE2, body)
    child = child_of(table, make_connection(), None)
    assert child is not None
    assert (child.cipher, child.integrity, child.esn) == (cipher, integrity, "no")
    keys = keys_of(table, make_connection())
    assert [(one.cipher, one.key, one.esn) for one in keys] == [
        (cipher, b"\xcd" * octets, False)
    ] * 2


def test_every_level_of_esp_can_be_read() -> None:
    """The keys read are as long as the data plane wants them."""
    known = {*CIPHERS.values(), *COMBINED.values(), "none"}
    assert set(find_factor("esp_cipher").known) <= known
    sizes = {level: size for (_, size), level in CIPHERS.items()}
    sizes |= {level: size for (_, size, _), level in COMBINED.items()}
    assert sizes == {level: ENCRYPTION[level].key_size for level in sizes}
    assert set(find_factor("esp_integrity").known) <= {*INTEGRITIES.values(), "none"}


@pytest.mark.parametrize(
    ("flags", "esn"),
    [
        ("flag af-unspec esn (0x10100000)", "yes"),
        ("flag esn (0x10000000)", "yes"),
        ("flag af-unspec (0x00100000)", "no"),
        ("(0x00000000)", "no"),
    ],
)
def test_extended_sequence_numbers_are_a_flag(
    make_connection: MakeConnection, flags: str, esn: str
) -> None:
    """Not the window's form, which a large one has without them (``anti-replay esn context``)."""
    table = PLAIN.replace("flag af-unspec (0x00100000)", flags).replace(
        "\tanti-replay context: seq 0x2, oseq 0x0, bitmap 0x00000003\n",
        "\tanti-replay esn context:\n\t seq-hi 0x0, seq 0x2, oseq-hi 0x0, oseq 0x0\n"
        "\t replay_window 128, bitmap-length 4\n\t 00000000 00000000 00000000 00000003 \n",
    )
    child = child_of(table, make_connection(), None)
    assert child is not None
    assert (child.esn, child.cipher, child.packets_in) == (esn, "aes256", 2)
    assert {one.esn for one in keys_of(table, make_connection())} == {esn == "yes"}


CHILDREN: list[tuple[str, dict[str, str], dict[str, object], dict[str, object]]] = [
    # table, levels, what Bob holds, what Alice holds of the same SAs
    (AH, {"protocol": "ah", "esp_cipher": "none"},
     {"protocol": "ah", "cipher": "none", "integrity": "sha512", "mode": "tunnel",
      "spi_in": 0xA1, "spi_out": 0xA2, "packets_in": 5, "packets_out": 2},
     {"protocol": "ah", "spi_in": 0xA2, "spi_out": 0xA1, "packets_in": 2, "packets_out": 5}),
    (BUNDLE, {"protocol": "esp+ipcomp"},
     {"protocol": "esp+ipcomp", "cipher": "aes256", "integrity": "sha1", "mode": "tunnel",
      "spi_in": 0xE1, "spi_out": 0xE2, "packets_in": 7, "packets_out": 3},
     {"protocol": "esp+ipcomp", "spi_in": 0xE2, "spi_out": 0xE1}),
    (REKEYED, {}, {"spi_in": 0xF1, "spi_out": 0xF2}, {"spi_in": 0xF2, "spi_out": 0xF1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "levels", "bob", "alice"), CHILDREN, ids=["ah", "esp+ipcomp", "rekeyed"]
)
def test_a_child_is_the_newest_pair_of_each_protocol(
    make_connection: MakeConnection,
    table: str,
    levels: dict[str, str],
    bob: dict[str, object],
    alice: dict[str, object],
) -> None:
    """SPIs and counters are those of the outermost protocol; any tunnel makes it tunnel mode."""
    for role, expected in (("responder", bob), ("initiator", alice)):
        child = child_of(table, make_connection(role, **levels), "modp2048")
        assert child is not None
        assert {name: getattr(child, name) for name in expected} == expected
        assert (child.pfs, child.lifetime_seconds) == ("modp2048", 3600)


def test_a_bundle_of_transport_mode_is_in_transport_mode(make_connection: MakeConnection) -> None:
    child = child_of(BUNDLE.replace("mode tunnel", "mode transport"), make_connection(), None)
    assert child is not None
    assert (child.protocol, child.mode) == ("esp+ipcomp", "transport")


@pytest.mark.parametrize(
    "table",
    ["", state((ALICE, BOB), "esp", 0xE1, AES), IN_UDP, AH.replace(BOB, "10.77.0.13")],
    ids=["nothing", "one-way", "to-the-translator", "to-another"],
)
def test_without_a_pair_between_its_hosts_there_is_no_child(
    make_connection: MakeConnection, table: str
) -> None:
    assert child_of(table, make_connection(), None) is None


def test_behind_a_nat_the_responder_has_its_pair_with_the_translator(
    make_connection: MakeConnection,
) -> None:
    child = child_of(IN_UDP, make_connection("responder", nat="initiator"), None)
    assert child is not None
    assert (child.spi_in, child.spi_out) == (0xE4, 0xE3)


def test_the_keys_of_a_bundle_and_of_what_it_replaced_are_told(
    make_connection: MakeConnection,
) -> None:
    """One for every one-way SA, each with the mode of its own; IPComp's is empty."""
    bundle, rekeyed = keys_of(BUNDLE, make_connection()), keys_of(REKEYED, make_connection())
    assert [(key.protocol, key.mode, key.spi, len(key.key)) for key in bundle] == [
        ("ipcomp", "tunnel", 0xC1, 0),
        ("esp", "transport", 0xE1, 32),
        ("ipcomp", "tunnel", 0xC2, 0),
        ("esp", "transport", 0xE2, 32),
    ]
    assert [key.spi for key in rekeyed] == [0xF1, 0xF2, 0xE1, 0xE2]
    assert {(key.source, key.destination) for key in rekeyed} == {(ALICE, BOB), (BOB, ALICE)}


BUNDLED_POLICY = f"""\
src 10.78.14.0/24 dst 10.78.11.0/24
\tdir out priority 375423 ptype main
\ttmpl src {ALICE} dst {BOB}
\t\tproto comp spi 0x000000c1(193) reqid 1(0x00000001) mode tunnel
\t\tlevel use
\ttmpl src 0.0.0.0 dst 0.0.0.0
\t\tproto esp spi 0x000000e1(225) reqid 1(0x00000001) mode transport
"""
TRANSPORT_POLICY = f"""\
src {ALICE}/32 dst {BOB}/32
\tdir out priority 366847 ptype main
\ttmpl src 0.0.0.0 dst 0.0.0.0
\t\tproto ah spi 0x000000a1(161) reqid 1(0x00000001) mode transport
"""


OUTSIDE_6 = "fd77::14:1", "fd77::11:1"
TRANSPORT_POLICY_6 = """\
src fd77::14:1/128 dst fd77::11:1/128\x20
\tdir out priority 1703937 ptype main\x20
\ttmpl src :: dst ::
\t\tproto esp reqid 16425 mode transport
"""
MIXED_POLICIES = """\
src 10.78.11.0/24 dst 10.78.14.0/24\x20
\tdir in priority 1753281 ptype main\x20
\ttmpl src fd77::11:1 dst fd77::14:1
\t\tproto esp reqid 16401 mode tunnel
src 10.78.14.0/24 dst 10.78.11.0/24\x20
\tdir out priority 1753281 ptype main\x20
\ttmpl src fd77::14:1 dst fd77::11:1
\t\tproto esp reqid 16401 mode tunnel
"""


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (TRANSPORT_POLICY_6, ("fd77::14:1/128", "fd77::11:1/128")),
        (MIXED_POLICIES, ("10.78.14.0/24", "10.78.11.0/24")),
    ],
    ids=["transport", "4in6"],
)
def test_selectors_over_ipv6(policies: str, expected: tuple[str, str]) -> None:
    assert parse_selectors(policies, *OUTSIDE_6) == expected
    assert parse_selectors(policies, OUTSIDE_6[0], "fd77::11:2") is None


def test_a_child_over_ipv6(make_connection: MakeConnection) -> None:
    """Its states are those between the hosts' addresses of IPv6."""
    alice, bob = OUTSIDE_6
    others = state((alice, "fd77::11:2"), "esp", 0xBAD, AES)
    tables = others + state((alice, bob), "esp", 0xE1, AES) + state((bob, alice), "esp", 0xE2, AES)
    child = child_of(tables + MIXED_POLICIES, make_connection(family="4in6"), None)
    assert child is not None
    assert (child.spi_out, child.spi_in) == (0xE1, 0xE2)
    assert (child.local_selector, child.remote_selector) == ("10.78.14.0/24", "10.78.11.0/24")


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (BUNDLED_POLICY, ("10.78.14.0/24", "10.78.11.0/24")),
        (TRANSPORT_POLICY, (f"{ALICE}/32", f"{BOB}/32")),
    ],
    ids=["bundle", "transport"],
)
def test_selectors_of_bundles_and_of_transport_mode(
    policies: str, expected: tuple[str, str]
) -> None:
    """In transport mode a template may name no addresses: then the policy's own are the hosts'."""
    assert parse_selectors(policies, ALICE, BOB) == expected


class Recorder:
    """A shell that knows one answer and keeps what it was asked to run."""

    def __init__(self, output: str) -> None:
        self.commands: list[list[str]] = []
        self._output = output

    def run(self, *commands: Sequence[str], limit: float | None = None) -> Result:
        """Keep them; ``limit`` means nothing here."""
        del limit
        self.commands += map(list, commands)
        return Result(0, self._output)

    def read(self, *commands: Sequence[str]) -> str:
        """The same, for what may be long."""
        return self.run(*commands).output


def test_what_is_left_is_flushed_by_the_kernels_own_names(
    make_connection: MakeConnection,
) -> None:
    """Every state between the two hosts, and none of anybody else."""
    shell = Recorder(BUNDLE + state((ALICE, "10.77.0.13"), "esp", 0xBAD, AES))
    flush(cast("Shell", shell), [make_connection()])
    looked, *deleted = shell.commands
    assert looked == list(STATES_COMMAND)
    prefix = ["ip", "xfrm", "state", "delete", "src"]
    assert [command[:5] for command in deleted] == [prefix] * 4
    assert [command[5:] for command in deleted][:2] == [
        [ALICE, "dst", BOB, "proto", "comp", "spi", "0xc1"],
        [ALICE, "dst", BOB, "proto", "esp", "spi", "0xe1"],
    ]


@pytest.mark.parametrize(
    ("levels", "ends", "output", "expected"),
    [
        ({}, ["10.78.14.1", "10.78.11.1"], "3 packets transmitted, 2 received", (3, 2)),
        ({"mode": "transport"}, [ALICE, BOB], "2 packets transmitted, 2 received", (2, 2)),
        (
            {"family": "6in4"},
            ["fd78:14:1::1", "fd78:11:1::1"],
            "2 packets transmitted, 2 received",
            (2, 2),
        ),
        ({}, ["10.78.14.1", "10.78.11.1"], "connect: Network is unreachable", (0, 0)),
    ],
)
def test_ping_goes_between_the_protected_addresses(
    make_connection: MakeConnection,
    levels: dict[str, str],
    ends: list[str],
    output: str,
    expected: tuple[int, int],
) -> None:
    shell = Recorder(output)
    assert ping(cast("Shell", shell), make_connection(**levels), 3, 1.0) == expected
    (command,) = shell.commands
    assert command[-3:] == ["-I", *ends]
