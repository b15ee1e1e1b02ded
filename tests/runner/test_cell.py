"""A cell's way to its record, with ends that hold what they are asked for and a given capture."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from conformance.drivers import Driver, DriverError, Host
from conformance.drivers.base import Attempt, ConfigurationRefusedError, Held
from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.message import NON_ESP_MARKER, Header, write_datagram
from conformance.ipsec.ip import Ipv4Packet
from conformance.matrix import load_manifests
from conformance.matrix.factors import all_levels, plain_combination
from conformance.matrix.plan import make_cell
from conformance.record import ChildSa, IkeSa, Verdict
from conformance.resources import peers_root
from conformance.runner.capture import Packet
from conformance.runner.cell import CellRun, Settings, Station
from conformance.runner.events import EVENTS
from conformance.runner.issued import Papers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker.models.containers import Container

    from conformance.drivers import Connection
    from conformance.record import Record
    from conformance.runner.capture import Capture

PEERS = ("strongswan-5.9.8", "reference")
ALICE = Host("10.77.0.14", "10.78.14.1", "10.78.14.0/24")
BOB = Host("10.77.0.11", "10.78.11.1", "10.78.11.0/24")
NAT = "10.77.0.254"
OF_ALICE, OF_BOB = 0xA, 0xB


class Doll(Driver):
    """An end that does what it is asked for; keywords replace what it does."""

    def __init__(self, peer: str, host: Host, **does: Any) -> None:
        attrs = {"State": {"Pid": 42}}
        container: Any = SimpleNamespace(name=peer, attrs=attrs, reload=lambda: None)
        super().__init__(peer, cast("Container", container))
        self.host, self.does, self.did = host, does, list[str]()

    def _do(self, name: str, default: Any = None) -> Any:
        self.did.append(name)
        done = self.does.get(name, default)
        if isinstance(done, Exception):
            raise done
        return done

    def open(self) -> None: ...

    def close(self) -> None: ...

    def version(self) -> str:
        return "1"

    def reach_over(self, translator: str, destination: str) -> None:
        self._do(f"reach {destination} over {translator}")

    def reach_directly(self, destination: str) -> None:
        self._do(f"reach {destination}")

    def configure(self, connection: Connection) -> None:
        self.connection = connection
        self._do("configure")

    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        del connection, timeout
        return cast("Attempt", self._do("initiate", Attempt(established=True)))

    def held(self, connection: Connection, log: str) -> Held:
        del log
        self._do("held")
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

    def remove(self, connection: Connection) -> None:
        del connection
        self._do("remove")


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


def captured(packets: Iterable[Packet]) -> Capture:
    """A capture of these packets, as far as they are between the networks asked for."""
    kept = list(packets)

    def among(networks: Any) -> list[Packet]:
        known = list(networks)
        return [one for one in kept if all(any(a in n for n in known) for a in one.addresses)]

    return cast("Capture", SimpleNamespace(among=among, clear=lambda: None))


def floated(source: str, destination: str) -> Packet:
    """A Quick Mode message that no key opens, between ports 4500."""
    header = Header(b"\1" * 8, b"\2" * 8, ExchangeType.QUICK_MODE, 7, flags=1)
    data, _ = write_datagram(header, source.encode().ljust(16))
    udp = struct.pack(">HHHH", 4500, 4500, 12 + len(data), 0) + NON_ESP_MARKER + data
    ip = Ipv4Packet(IPv4Address(source), IPv4Address(destination), 17, udp).build()
    return Packet(0.0, bytes(12) + b"\x08\x00" + ip)


def run(
    alice: Doll, bob: Doll, packets: Iterable[Packet] = (), **levels: str
) -> tuple[Record, dict[str, bytes]]:
    """The record and the files of one cell."""
    combination = plain_combination(all_levels()) | levels
    cell = make_cell(load_manifests(peers_root()), PEERS, combination)
    issued: Any = SimpleNamespace(papers=lambda *_: Papers(None, None))
    settings = Settings(seed=1, psk="secret", timeout=1.0, translator=NAT, issued=issued)
    stations = [Station(doll, doll.host, "1") for doll in (alice, bob)]
    return CellRun(cell, *stations, captured(packets), settings).run()


@pytest.fixture
def dolls() -> tuple[Doll, Doll]:
    return Doll(PEERS[0], ALICE), Doll(PEERS[1], BOB)


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
    record, _ = run(alice, bob, nat="initiator")
    assert (alice.did[0], alice.did[-1]) == (
        f"reach {BOB.address} over {NAT}",
        f"reach {BOB.address}",
    )
    assert alice.connection.remote == BOB
    assert bob.connection.remote.address == NAT
    assert bob.connection.remote.identity == ALICE.address
    assert (record.initiator.address, record.responder.address) == (NAT, BOB.address)
    assert not [step for step in bob.did if step.startswith("reach")]


def test_without_a_nat_no_route_is_touched(dolls: tuple[Doll, Doll]) -> None:
    record, _ = run(*dolls)
    assert not [step for doll in dolls for step in doll.did if step.startswith("reach")]
    assert record.initiator.address == ALICE.address


@pytest.mark.parametrize(
    "broken", [DriverError("vici closed"), ConfigurationRefusedError("no such group")], ids=str
)
def test_the_route_is_restored_whatever_happens(broken: Exception) -> None:
    alice, bob = Doll(PEERS[0], ALICE, configure=broken), Doll(PEERS[1], BOB)
    record, _ = run(alice, bob, nat="initiator")
    assert alice.did[-1] == f"reach {BOB.address}"
    assert bob.did[-1] == "remove"
    assert record.verdict is not Verdict.PASS


def test_an_event_is_awaited_then_all_is_looked_at_again(
    dolls: tuple[Doll, Doll], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not happen is unproven beside what the capture lacks."""
    monkeypatch.setitem(EVENTS, "rekey", lambda _: "they slept")
    record, _ = run(*dolls, event="rekey")
    steps = [step for step in dolls[0].did if step in {"ping", "held", "terminate"}]
    assert steps == ["ping", "held", "ping", "held", "terminate"]
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
