"""A cell's way to its record, with ends that hold what they are asked for and a given capture."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from itertools import count, repeat
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from conformance.drivers import Driver, DriverError
from conformance.drivers.base import Attempt, Held
from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.message import NON_ESP_MARKER, Header, write_datagram
from conformance.ipsec.ip import Ipv4Packet
from conformance.matrix import load_manifests
from conformance.matrix.factors import all_levels, plain_combination
from conformance.matrix.plan import make_cell
from conformance.record import ChildSa, IkeSa, Verdict
from conformance.resources import peers_root
from conformance.runner.capture import Packet
from conformance.runner.cell import CellRun, Settings
from conformance.runner.events import EVENTS
from conformance.runner.issued import Papers
from conformance.runner.places import host_of
from conformance.runner.stand import Stand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from docker.models.containers import Container

    from conformance.drivers import Connection
    from conformance.record import Record
    from conformance.runner.capture import Capture

PEERS = ("strongswan-5.9.8", "reference")
ALICE_NUMBER, BOB_NUMBER, SLOT = 14, 11, 3
ALICE = host_of(ALICE_NUMBER, SLOT, "ipv4")
BOB = host_of(BOB_NUMBER, SLOT, "ipv4")
NAT = "10.77.0.254"
OF_ALICE, OF_BOB = 0xA, 0xB


class Doll(Driver):
    """An end that does what it is asked for; keywords replace what it does."""

    def __init__(self, peer: str, number: int, **does: Any) -> None:
        self.attrs = {"State": {"Pid": 42}}
        container: Any = SimpleNamespace(name=peer, attrs=self.attrs, reload=lambda: None)
        super().__init__(peer, cast("Container", container))
        self.number, self.does, self.did = number, does, list[str]()
        self.logged = ""
        self.open()

    def _do(self, name: str, default: Any = None) -> Any:
        self.did.append(name)
        done = self.does.get(name, default)
        if isinstance(done, Exception):
            raise done
        return done

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def version(self) -> str:
        return "1"

    def logs(self, since: int) -> str:
        del since
        return self.logged

    def reach_over(self, translator: str, destination: str) -> None:
        self._do(f"reach {destination} over {translator}")

    def reach_directly(self, destination: str) -> None:
        self._do(f"reach {destination}")

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        del connections
        return {}

    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        del connection, timeout
        return cast("Attempt", self._do("initiate", Attempt(established=True)))

    def sas(self, connection: Connection, log: str) -> Held:
        del log
        self._do("sas")
        return sas(connection)

    def holds_child(self, connection: Connection) -> bool:
        del connection
        return True

    def holds_any(self, connection: Connection) -> bool:
        del connection
        return False

    def ping(self, connection: Connection, count: int, timeout: float) -> tuple[int, int]:
        del connection, timeout
        self._do("ping")
        return count, count

    def terminate(self, connection: Connection, timeout: float) -> None:
        del connection, timeout
        self._do("terminate")

    def logged_delete(self, log: str) -> bool:
        del log
        return True

    def remove(self, connections: Sequence[Connection]) -> None:
        del connections
        self._do("remove")

    def reset(self) -> None: ...


def sas(connection: Connection) -> Held:
    """What the combination asks for, as this end holds it; no keys."""
    levels, initiates = connection.combination, connection.role == "initiator"
    ike = IkeSa(
        **dict.fromkeys(("cookie_initiator", "cookie_responder"), "0102030405060708"),
        state="established",
        **{name: levels[name] for name in ("cipher", "hash", "group", "auth")},
    )
    child = ChildSa(
        spi_in=OF_ALICE if initiates else OF_BOB,
        spi_out=OF_BOB if initiates else OF_ALICE,
        protocol=levels["protocol"],
        mode=levels["mode"],
        cipher=levels["esp_cipher"],
        integrity=levels["esp_integrity"],
        pfs=connection.pfs,
        local_selector=connection.selector(connection.local),
        remote_selector=connection.selector(connection.remote),
    )
    return Held(ike, child, [], [])


class Captured:
    """A capture of these packets; whoever asks what it lost is told the next number."""

    def __init__(self, packets: Iterable[Packet], lost: Iterator[int]) -> None:
        self._kept, self._lost = list(packets), lost

    @property
    def lost(self) -> int:
        return next(self._lost)

    def among(self, addresses: Iterable[str]) -> list[Packet]:
        known = set(addresses)
        return [one for one in self._kept if {str(end) for end in one.addresses} <= known]


def floated(source: str, destination: str) -> Packet:
    """A Quick Mode message that no key opens, between ports 4500."""
    header = Header(b"\1" * 8, b"\2" * 8, ExchangeType.QUICK_MODE, 7, flags=1)
    data, _ = write_datagram(header, source.encode().ljust(16))
    udp = struct.pack(">HHHH", 4500, 4500, 12 + len(data), 0) + NON_ESP_MARKER + data
    ip = Ipv4Packet(IPv4Address(source), IPv4Address(destination), 17, udp).build()
    return Packet(0.0, bytes(12) + b"\x08\x00" + ip)


def prepared(
    alice: Doll,
    bob: Doll,
    packets: Iterable[Packet] = (),
    lost: Iterator[int] | None = None,
    **levels: str,
) -> CellRun:
    """A cell between the two, ready to run."""
    combination = plain_combination(all_levels()) | levels
    cell = make_cell(load_manifests(peers_root()), PEERS, combination)
    issued: Any = SimpleNamespace(papers=lambda *_: Papers(None, None))
    settings = Settings(seed=1, psk="secret", timeout=1.0, translator=NAT, issued=issued)
    stands = Stand(alice, alice.number), Stand(bob, bob.number)
    capture = cast("Capture", Captured(packets, lost or repeat(0)))
    return CellRun(cell, SLOT, stands, capture, settings)


def run(
    alice: Doll, bob: Doll, packets: Iterable[Packet] = (), **levels: str
) -> tuple[Record, dict[str, bytes]]:
    """The record and the files of one cell."""
    return prepared(alice, bob, packets, **levels).run(alice, bob)


@pytest.fixture
def dolls() -> tuple[Doll, Doll]:
    return Doll(PEERS[0], ALICE_NUMBER), Doll(PEERS[1], BOB_NUMBER)


def test_what_the_capture_lacks_stands_in_the_record(dolls: tuple[Doll, Doll]) -> None:
    record, _ = run(*dolls, nat="initiator", auth="xauth-init-psk")
    assert record.unproven == (
        "auth=xauth-init-psk: no Transaction exchange, so no XAUTH",
        "nat=initiator: IKE did not go on at port 4500",
    )


def test_what_the_capture_shows_is_not_missing(dolls: tuple[Doll, Doll]) -> None:
    """Behind the NAT the initiator is the translator, also in the transcript."""
    wire = [floated(NAT, BOB.address), floated(BOB.address, NAT)]
    record, files = run(*dolls, wire, nat="initiator")
    assert record.unproven == ()
    first, second = files["transcript.txt"].decode().splitlines()[1::2]
    assert ">|" in first
    assert "|<" in second


def test_behind_a_nat_each_end_sees_the_other_where_it_is(dolls: tuple[Doll, Doll]) -> None:
    """The initiator's route leads over the translator while the cell runs, and no longer."""
    alice, bob = dolls
    cell = prepared(alice, bob, nat="initiator")
    record, _ = cell.run(alice, bob)
    assert (alice.did[0], alice.did[-1]) == (
        f"reach {BOB.address} over {NAT}",
        f"reach {BOB.address}",
    )
    assert cell.initiator.connection.remote == BOB
    assert cell.responder.connection.remote.address == NAT
    assert cell.responder.connection.remote.identity == ALICE.address
    assert (record.initiator.address, record.responder.address) == (NAT, BOB.address)
    assert not [step for step in bob.did if step.startswith("reach")]


def test_a_capture_with_gaps_makes_an_error(dolls: tuple[Doll, Doll]) -> None:
    """What it does not show may have passed."""
    cell = prepared(*dolls, lost=count(step=3))
    record, _ = cell.run(*dolls)
    assert record.verdict is Verdict.ERROR
    assert "the capture lost 3 packets while the cell ran" in record.reason


def test_without_a_nat_no_route_is_touched(dolls: tuple[Doll, Doll]) -> None:
    record, _ = run(*dolls)
    assert not [step for doll in dolls for step in doll.did if step.startswith("reach")]
    assert record.initiator.address == ALICE.address


def test_the_route_is_restored_whatever_happens(dolls: tuple[Doll, Doll]) -> None:
    alice, bob = dolls
    alice.does["initiate"] = DriverError("vici closed")
    record, _ = run(alice, bob, nat="initiator")
    assert alice.did[-1] == f"reach {BOB.address}"
    assert bob.did[-1] == "remove"
    assert record.verdict is Verdict.ERROR


def test_what_a_peer_refused_to_load_is_neither_negotiated_nor_removed(
    dolls: tuple[Doll, Doll],
) -> None:
    alice, bob = dolls
    cell = prepared(alice, bob)
    cell.refuse("responder", "no such group")
    record, _ = cell.run(alice, bob)
    assert (alice.did, bob.did) == (["remove"], [])
    assert record.responder.failure == "no such group"
    assert record.verdict is not Verdict.PASS


def test_a_peer_that_dies_makes_its_cell_an_error_with_its_last_words(
    dolls: tuple[Doll, Doll],
) -> None:
    """It may have done all that was asked of it before."""
    alice, bob = dolls
    bob.attrs["State"]["Pid"], bob.logged = 0, "all is well\nASSERTION FAILED\n"
    record, _ = run(alice, bob)
    assert record.verdict is Verdict.ERROR
    assert "reference ended or is another process" in record.reason
    assert record.reason.endswith("all is well / ASSERTION FAILED")


def test_a_peer_that_does_not_answer_makes_its_cell_an_error_with_its_last_words(
    dolls: tuple[Doll, Doll],
) -> None:
    alice, bob = dolls
    bob.does["sas"], bob.logged = DriverError("the shell does not answer"), "in a deep sleep\n"
    record, _ = run(alice, bob)
    assert record.verdict is Verdict.ERROR
    assert "the shell does not answer" in record.reason
    assert "reference logged last: in a deep sleep" in record.reason


def test_a_cell_whose_peer_is_lost_has_a_record_too(dolls: tuple[Doll, Doll]) -> None:
    record, _ = prepared(*dolls).lost("reference could not be started again")
    assert record.verdict is Verdict.ERROR
    assert "could not be started again" in record.reason


def test_an_event_is_awaited_then_all_is_looked_at_again(
    dolls: tuple[Doll, Doll], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not happen is unproven beside what the capture lacks."""
    monkeypatch.setitem(EVENTS, "rekey", lambda _: "they slept")
    record, _ = run(*dolls, event="rekey")
    steps = [step for step in dolls[0].did if step in {"ping", "sas", "terminate"}]
    assert steps == ["ping", "sas", "ping", "sas", "terminate"]
    assert record.unproven == ("event=rekey: they slept", "event=rekey: no second Quick Mode")
    assert record.split.keys() >= {"configure", "negotiate", "traffic", "event", "teardown"}
    assert record.traffic is not None
    assert record.traffic.reason == "4 echo requests sent, 4 answered"


def test_without_sas_no_event_is_awaited(
    dolls: tuple[Doll, Doll], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EVENTS, "rekey", lambda _: pytest.fail("awaited"))
    dolls[0].does["initiate"] = Attempt(established=False, failure="no proposal chosen")
    record, _ = run(*dolls, event="rekey")
    assert "event" not in record.split
    assert record.deleted is None
