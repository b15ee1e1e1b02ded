"""``make bench``: a table of ratios with their goals; slower than a goal is said, never hidden."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import esp_packets
import hostile
import many
import sa_message
from handshake import GROUP, QuickMode, check, exchange, main_mode_alone
from primitives import primitives
from ratio import Ratio, compare, compare_makings

from conformance.ikev1.events import ChildInstalled, IsakmpEstablished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Row(NamedTuple):
    """One line of the table."""

    what: str
    other: str
    """What it is compared with."""
    ratio: Ratio
    goal: float | None = None
    """How many times the other's time it may take at most, or how many times as fast as the other
    it must be at least; None for no goal."""

    def cells(self) -> tuple[str, ...]:
        """What, our time, against what, its time, the ratio, the goal, the verdict."""
        micros = [f"{seconds * 1e6:.3g} us" for seconds in (self.ratio.ours, self.ratio.other)]
        ratio, goal, verdict = self._faster() if self.other == SCAPY else self._times()
        if self.goal is None:
            goal = verdict = ""
        return self.what, micros[0], self.other, micros[1], ratio, goal, verdict

    def _times(self) -> tuple[str, str, str]:
        times, goal = self.ratio.ours_to_other, self.goal or 0
        return f"{times:.2f} times", f"at most {goal:g}", "met" if times <= goal else "MISSED"

    def _faster(self) -> tuple[str, str, str]:
        faster, goal = 1 / self.ratio.ours_to_other, self.goal or 0
        verdict = "met" if faster >= goal else "MISSED"
        return f"{faster:.1f} times as fast", f"at least {goal:g}", verdict


SCAPY, PRIMITIVES, BARE = "scapy", "its primitives", "a bare loop"
HEAD = ("", "ours", "against", "", "ratio", "goal", "")


def handshakes() -> Iterator[Row]:
    """Exchanges of both ends against the bare cryptography in them."""
    check(exchange(), ChildInstalled)
    both = compare(exchange, primitives(exchange, exponentiations=4))
    yield Row("Main + Quick Mode", PRIMITIVES, both, goal=2)
    with main_mode_alone():
        check(exchange(), IsakmpEstablished)
        main = compare(exchange, primitives(exchange, exponentiations=4))
    yield Row("Main Mode alone", PRIMITIVES, main)
    for name, group, exponentiations in (("with PFS", GROUP, 4), ("without PFS", None, 0)):
        quick = QuickMode(group)
        check(quick(), ChildInstalled)
        ratio = compare(quick, primitives(quick, exponentiations=exponentiations))
        yield Row(f"Quick Mode alone, {name}", PRIMITIVES, ratio)


def messages() -> Iterator[Row]:
    """An SA message of ten transforms, parsed and built."""
    data = sa_message.sample()
    message = sa_message.parse(data)
    sa_message.check(data)
    parsing = compare(lambda: sa_message.parse(data), lambda: sa_message.parse_scapy(data))
    yield Row("parse an SA of ten transforms", SCAPY, parsing, goal=20)
    building = compare(lambda: sa_message.build(message), sa_message.build_scapy)
    yield Row("build an SA of ten transforms", SCAPY, building, goal=20)
    unseen = compare(_each_in_turn(sa_message.parse), _each_in_turn(sa_message.parse_scapy))
    yield Row("parse one with unseen transforms", SCAPY, unseen)


def _each_in_turn(parse: Callable[[bytes], object]) -> Callable[[], object]:
    """Parses another message at each call, so many that no cache of ours remembers the first."""
    samples = cycle([sa_message.sample(first_lifetime=28800 + 10 * n) for n in range(60)])
    return lambda: parse(next(samples))


def packets() -> Iterator[Row]:
    """AES-GCM-128 in tunnel mode, packets of 1400 octets, with policy, window and limits."""
    ways = (
        ("out", esp_packets.ours_out, esp_packets.bare_out, esp_packets.scapy_out),
        ("in", esp_packets.ours_in, esp_packets.bare_in, esp_packets.scapy_in),
    )
    for way, ours, bare, scapy in ways:
        many_each, few = esp_packets.PACKETS, esp_packets.FEW
        for other, make, goal, count in (
            (BARE, bare, 2, many_each),
            (SCAPY, scapy, 100, few),
            (PRIMITIVES, esp_packets.PRIMITIVES[way], None, many_each),
        ):
            ratio = compare_makings(ours, make, (many_each, count))
            yield Row(f"an ESP packet {way}", other, ratio, goal)
    yield Row(
        "the first packet of a flow, out",
        "the next ones",
        compare_makings(
            esp_packets.ours_long_out,
            esp_packets.ours_out,
            (esp_packets.FEW, esp_packets.PACKETS),
        ),
    )


def curve() -> Iterator[Row]:
    """The cost of a packet by the number of SAs and policies, against that with one."""
    ways = (("out", many.outbound), ("in", many.inbound), ("first of a flow", many.first_packets))
    for way, make in ways:
        for count in many.COUNTS[1:]:
            what = f"{count} SAs and policies, {way}"
            goal = 1.5 if count == many.COUNTS[-1] else None
            ratio = compare_makings(partial(make, count), partial(make, 1))
            yield Row(what, "one of each", ratio, goal)


def main() -> None:
    """Run all benchmarks, print the table, then send the hostile packets."""
    parser = ArgumentParser(description="Measure as ratios, then survive hostile packets.")
    parser.add_argument(
        "--hostile", type=int, default=hostile.COUNT, metavar="N", help="how many; 0 for none"
    )
    wanted = parser.parse_args()
    table: list[tuple[str, ...]] = [HEAD]
    for benchmark in (packets, curve, handshakes, messages):
        for row in benchmark():
            print(f"measured: {row.what}", file=sys.stderr)
            table.append(row.cells())
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(map(str.ljust, cells, widths)).rstrip(), flush=True)
    if wanted.hostile:
        hostile.show(hostile.run(wanted.hostile))


if __name__ == "__main__":
    main()
