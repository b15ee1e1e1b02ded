"""The reference peer of this suite, driven over its control socket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.drivers.base import SHARED, Attempt, Connection, Driver, DriverError, Held
from conformance.drivers.reference_config import configuration
from conformance.peer.client import ControlClient, ControlError
from conformance.record.records import ChildSa, IkeSa
from conformance.record.wireshark import EspKey, IkeKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START = 10.0
"""Seconds that the peer gets to open its socket."""


class ReferenceDriver(Driver):
    """One reference peer in its container."""

    def connect(self) -> None:
        """Connect to the peer's control socket."""
        try:
            self._client = ControlClient(SHARED / f"{self.name}.sock", patience=START)
        except ControlError as error:
            raise DriverError(f"{self.name}: {error}") from error

    def close(self) -> None:
        """Close the control connection."""
        self._client.close()

    def version(self) -> str:
        """The version the peer reports."""
        return str(self._call("hello")["version"])

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Make an endpoint for each; what a connection can be asked for, the peer can do."""
        for connection in connections:
            self._call("configure", **configuration(connection))
        return {}

    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        """Start Main Mode and Quick Mode; the peer names the first value that diverges."""
        return _attempt(self._call("initiate", name=connection.name, timeout=timeout))

    def outcome(self, connection: Connection, held: Held, log: str) -> Attempt:
        """How the responder sees it now, with what diverged; waiting is the initiator's part."""
        del held, log
        attempt = self.await_outcome(connection, 0.0)
        return replace(attempt, timed_out=False, failure=None) if attempt.timed_out else attempt

    def await_outcome(self, connection: Connection, timeout: float) -> Attempt:
        """How a negotiation that the other end began has ended, once it has or time is out."""
        told = self._call("await_established", name=connection.name, timeout=timeout)
        return _attempt(told)

    def sas(self, connection: Connection, log: str) -> Held:
        """The SAs as the peer holds them, and every key since the connection was configured."""
        del log
        told = self._call("sas", name=connection.name)
        keys = self._call("keys", name=connection.name)
        children = told["children"]
        return Held(
            ike=IkeSa(**_known(IkeSa, told["ike"])) if told["ike"] else None,
            child=_child(children[-1]) if children else None,
            ike_keys=[_ike_key(key) for key in keys["ike"]],
            esp_keys=[_esp_key(key) for key in keys["esp"]],
        )

    def holds_child(self, connection: Connection) -> bool:
        """Whether the peer lists a child."""
        return bool(self._call("sas", name=connection.name)["children"])

    def holds_any(self, connection: Connection) -> bool:
        """Whether the peer lists a child or an ISAKMP SA."""
        told = self._call("sas", name=connection.name)
        return bool(told["ike"] or told["children"])

    def ping(self, connection: Connection, count: int, timeout: float) -> tuple[int, int]:
        """Echo requests that the peer itself makes and protects."""
        told = self._call("ping", name=connection.name, count=count, size=56, timeout=timeout)
        return int(told["sent"]), int(told["received"])

    def terminate(self, connection: Connection, timeout: float) -> None:
        """Send a Delete for the child and for the ISAKMP SA."""
        self._call("terminate", name=connection.name, timeout=timeout)

    def logged_delete(self, log: str) -> bool:
        """The peer logs every SA that a Delete ended."""
        return "ChildDeleted" in log

    def remove(self, connections: Sequence[Connection]) -> None:
        """Forget the endpoints and their SAs."""
        for connection in connections:
            self._call("remove", name=connection.name)

    def reset(self) -> None:
        """Forget every endpoint."""
        self._call("reset")

    def _call(self, do: str, **arguments: Any) -> dict[str, Any]:
        try:
            return self._client.call(do, **arguments)
        except ControlError as error:
            raise DriverError(f"{self.name}: {do}: {error}") from error


def _known(kind: type[IkeSa | ChildSa], told: Mapping[str, Any]) -> dict[str, Any]:
    """What a record keeps of all that the peer tells."""
    return {name: told[name] for name in kind.__struct_fields__ if name in told}


def _child(told: Mapping[str, Any]) -> ChildSa:
    return ChildSa(**_known(ChildSa, told) | {"esn": "yes" if told["esn"] else "no"})


def _attempt(told: Mapping[str, Any]) -> Attempt:
    failure = told["failure"]
    return Attempt(
        established=bool(told["established"]),
        failure=failure,
        timed_out=bool(told.get("timed_out", False)),
        notifies=tuple(told["notifies"]),
        divergence=told["divergence"],
    )


def _ike_key(told: Mapping[str, Any]) -> IkeKey:
    return IkeKey(bytes.fromhex(told["cookie_initiator"]), bytes.fromhex(told["encryption_key"]))


def _esp_key(told: Mapping[str, Any]) -> EspKey:
    return EspKey(
        protocol=told["protocol"],
        mode=told["mode"],
        source=told["source"],
        destination=told["destination"],
        spi=int(told["spi"]),
        cipher=told["cipher"],
        key=bytes.fromhex(told["encryption_key"]),
        integrity=told["integrity"],
        integrity_key=bytes.fromhex(told["integrity_key"]),
        esn=told["esn"],
    )
