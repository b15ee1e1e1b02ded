"""``make bench``: print every ratio with its goal; slower than the goal is said, never hidden."""

from __future__ import annotations

import handshake
import sa_message
from ratio import Ratio, compare


def main() -> None:
    """Run the benchmarks one after the other."""
    data = sa_message.sample()
    message = sa_message.parse(data)
    assert len(message.payloads[0].proposals[0].transforms) == len(sa_message.OFFERS)
    assert sa_message.build(message) == data
    assert len(sa_message.parse_scapy(data)) == len(sa_message.OFFERS)
    against = compare(handshake.exchange, handshake.primitives())
    tell("Main + Quick, both ends, in memory", against, "its primitives", at_most=2.0)
    parsing = compare(lambda: sa_message.parse(data), lambda: sa_message.parse_scapy(data))
    tell("parsing an SA of ten transforms", parsing, "scapy", at_most=1 / 20)
    building = compare(lambda: sa_message.build(message), sa_message.build_scapy)
    tell("building an SA of ten transforms", building, "scapy", at_most=1 / 20)


def tell(what: str, ratio: Ratio, other: str, *, at_most: float) -> None:
    """Print one line: both medians, their ratio and whether it is within its goal."""
    times = ratio.ours_to_other
    shown = f"{times:.2f} times" if at_most >= 1 else f"{1 / times:.1f} times faster than"
    goal = f"at most {at_most:g}" if at_most >= 1 else f"at least {1 / at_most:g}"
    verdict = "within" if times <= at_most else "MISSES"
    print(
        f"{what}: {ratio.ours * 1e6:.0f} us, {shown} {other} ({ratio.other * 1e6:.0f} us); "
        f"{verdict} the goal ({goal})"
    )


if __name__ == "__main__":
    main()
