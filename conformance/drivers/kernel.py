"""Security associations as a Linux kernel holds them, read from ``ip xfrm`` and normalised.

Both daemons leave ESP to the kernel, so what it holds is what they really agreed on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from conformance.linux.names import CIPHERS, COMBINED, INTEGRITIES, PROTOCOLS
from conformance.record.records import ChildSa
from conformance.record.wireshark import EspKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.drivers.base import Connection
    from conformance.drivers.shell import Shell

STATES = ("ip", "-s", "xfrm", "state")
POLICIES = ("ip", "xfrm", "policy", "list", "nosock", "dir", "out")
"""Without those of sockets: pluto has one for each of its addresses, ports and directions."""
TABLES = (STATES, POLICIES)
"""Two processes: in a batch, ip lists policies by what it kept of listing states."""

HEAD = re.compile(r"^src (?P<source>\S+) dst (?P<destination>\S+)", re.MULTILINE)
PROTOCOL = re.compile(r"proto (?P<protocol>\S+) spi 0x(?P<spi>[0-9a-f]+)\S* .*mode (?P<mode>\S+)")
CIPHER = re.compile(r"^[ \t]+enc (?P<name>\S+)(?: 0x(?P<key>[0-9a-f]+))?", re.MULTILINE)
COMBINED_CIPHER = re.compile(
    r"^\s+aead (?P<name>\S+) 0x(?P<key>[0-9a-f]+)(?: \(\d+ ?bits\))? (?P<bits>\d+)",
    re.MULTILINE,
)
INTEGRITY = re.compile(
    r"^\s+auth-trunc (?P<name>\S+) 0x(?P<key>[0-9a-f]+)(?: \(\d+ ?bits\))? (?P<bits>\d+)",
    re.MULTILINE,
)
EXTENDED = re.compile(r"\bflag [^\n(]*\besn\b")
COMPRESSION = re.compile(r"^\s+comp (?P<name>\S+)", re.MULTILINE)
HARD_SECONDS = re.compile(r"expire add: soft \S+, hard (\d+)\(sec\)")
PACKETS = re.compile(r"lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)")
OUT_POLICY = re.compile(
    r"^src (?P<local>\S+) dst (?P<remote>\S+)[^\n]*\n\s+dir out [^\n]*"
    r"(?:\n\s+(?!tmpl)[^\n]*)*\n\s+tmpl src (?P<source>\S+) dst (?P<destination>\S+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class State:
    """One one-way SA of the kernel."""

    source: str
    destination: str
    protocol: str
    spi: int
    mode: str
    cipher: str
    cipher_key: str = field(repr=False)
    integrity: str
    integrity_key: str = field(repr=False)
    esn: bool
    lifetime_seconds: int | None
    packets: int


def parse_states(text: str) -> list[State]:
    """Read ``ip -s xfrm state``; larval states (no keys yet) are left out."""
    starts = [match.start() for match in HEAD.finditer(text)]
    blocks = [text[a:b] for a, b in pairwise([*starts, len(text)])]
    return [state for state in map(_parse_state, blocks) if state is not None]


@dataclass(frozen=True, slots=True)
class _Algorithm:
    """What a state has of one kind: the level and the key in hex."""

    level: str = "none"
    key: str = field(default="", repr=False)


_NONE = _Algorithm()


def _parse_state(block: str) -> State | None:
    head, protocol = HEAD.search(block), PROTOCOL.search(block)
    cipher, integrity = _cipher(block), _integrity(block)
    protects = (cipher, integrity) != (_NONE, _NONE) or COMPRESSION.search(block)
    if not (head and protocol and protects) or protocol["protocol"] not in PROTOCOLS:
        return None
    hard, packets = HARD_SECONDS.search(block), PACKETS.search(block)
    return State(
        source=head["source"],
        destination=head["destination"],
        protocol=PROTOCOLS[protocol["protocol"]],
        spi=int(protocol["spi"], 16),
        mode=protocol["mode"],
        cipher=cipher.level,
        cipher_key=cipher.key,
        integrity=integrity.level,
        integrity_key=integrity.key,
        esn=bool(EXTENDED.search(block)),
        lifetime_seconds=int(hard[1]) if hard and int(hard[1]) else None,
        packets=int(packets[1]) if packets else 0,
    )


def _cipher(block: str) -> _Algorithm:
    if found := COMBINED_CIPHER.search(block):
        size = (found["name"], len(found["key"]) // 2, int(found["bits"]))
        return _Algorithm(COMBINED.get(size, "{}-{}-{}".format(*size)), found["key"])
    if found := CIPHER.search(block):
        key = found["key"] or ""
        return _Algorithm(_level(CIPHERS, found["name"], len(key) // 2), key)
    return _NONE


def _integrity(block: str) -> _Algorithm:
    if found := INTEGRITY.search(block):
        return _Algorithm(_level(INTEGRITIES, found["name"], int(found["bits"])), found["key"])
    return _NONE


def _level(levels: dict[tuple[str, int], str], name: str, size: int) -> str:
    return levels.get((name, size), f"{name}-{size}")


def parse_selectors(text: str, source: str, destination: str) -> tuple[str, str] | None:
    """The selectors (local, remote) of the outbound policy between two outer addresses."""
    hosts = {str(ip_network(source)), str(ip_network(destination))}
    for policy in OUT_POLICY.finditer(text):
        templates = {policy["source"], policy["destination"]}
        ends = {policy["local"], policy["remote"]}
        if templates == {source, destination} or ends == hosts:
            return policy["local"], policy["remote"]
    return None


def read(shell: Shell) -> str:
    """Both tables of the kernel as text, read at once."""
    return shell.read(*TABLES)


class Pair(NamedTuple):
    """The newest one-way SAs of one protocol between two hosts."""

    inbound: State
    outbound: State


def states_of(tables: str, connection: Connection) -> list[State]:
    """Every one-way SA between the connection's two hosts, the newest first."""
    ends = {connection.remote.address, connection.local.address}
    states = parse_states(tables)
    return [state for state in states if {state.source, state.destination} == ends]


def pairs_of(tables: str, connection: Connection) -> list[Pair]:
    """The newest pair of each protocol, outermost first; a protocol without a pair has none."""
    pairs, states = [], states_of(tables, connection)
    for protocol in PROTOCOLS.values():
        ours = [state for state in states if state.protocol == protocol]
        inbound = [state for state in ours if state.source == connection.remote.address]
        outbound = [state for state in ours if state.source == connection.local.address]
        if inbound and outbound:
            pairs.append(Pair(inbound[0], outbound[0]))
    return pairs


def child_of(tables: str, connection: Connection, pfs: str | None) -> ChildSa | None:
    """The pair of one-way SAs of the connection, normalised; None where there is no pair.

    Where protocols are used together, SPIs and counters are those of the outermost.
    """
    pairs = pairs_of(tables, connection)
    if not pairs:
        return None
    inbound, outbound = pairs[0]
    selectors = parse_selectors(tables, connection.local.address, connection.remote.address)
    local, remote = selectors or ("none", "none")
    tunnels = any(pair.inbound.mode == "tunnel" for pair in pairs)
    return ChildSa(
        spi_in=inbound.spi,
        spi_out=outbound.spi,
        protocol="+".join(pair.inbound.protocol for pair in pairs),
        mode="tunnel" if tunnels else inbound.mode,
        cipher=inbound.cipher,
        integrity=inbound.integrity,
        esn="yes" if inbound.esn else "no",
        pfs=pfs,
        lifetime_seconds=inbound.lifetime_seconds,
        local_selector=local,
        remote_selector=remote,
        packets_in=inbound.packets,
        packets_out=outbound.packets,
    )


def keys_of(tables: str, connection: Connection) -> list[EspKey]:
    """What opens the packets of the connection's one-way SAs, also of those replaced."""
    return [
        EspKey(
            protocol=state.protocol,
            mode=state.mode,
            spi=state.spi,
            source=state.source,
            destination=state.destination,
            cipher=state.cipher,
            key=bytes.fromhex(state.cipher_key),
            integrity=state.integrity,
            integrity_key=bytes.fromhex(state.integrity_key),
            esn=state.esn,
        )
        for state in states_of(tables, connection)
    ]


def ping(shell: Shell, connection: Connection, count: int, timeout: float) -> tuple[int, int]:
    """Ping the other end's protected address with the system's ``ping``: (sent, answered)."""
    source = connection.traffic_address(connection.local)
    target = connection.traffic_address(connection.remote)
    command = ["ping", "-n", "-q", "-c", str(count), "-i", "0.01", "-W", str(timeout)]
    result = shell.run([*command, "-I", source, target], limit=timeout + count)
    answered = re.search(r"(\d+) packets transmitted, (\d+) received", result.output)
    return (int(answered[1]), int(answered[2])) if answered else (0, 0)


def flush(shell: Shell, connections: Sequence[Connection]) -> None:
    """Remove whatever SA a peer left in the kernel for the connections (never policies)."""
    kernel_names = {level: name for name, level in PROTOCOLS.items()}
    tables = shell.read(STATES)
    left = [state for connection in connections for state in states_of(tables, connection)]
    orders = [
        [
            *("ip", "xfrm", "state", "delete"),
            *("src", state.source, "dst", state.destination),
            *("proto", kernel_names[state.protocol], "spi", hex(state.spi)),
        ]
        for state in left
    ]
    if orders:
        shell.run(*orders)


def flush_all(shell: Shell) -> None:
    """Remove every SA of the kernel, and every policy but those of sockets."""
    shell.run(("ip", "xfrm", "state", "flush"), ("ip", "xfrm", "policy", "flush"))
