"""What every driver offers, and the connection it is asked to set up."""

from __future__ import annotations

import calendar
import re
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from docker.errors import NotFound

from conformance.drivers.methods import METHODS, Method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from docker.models.containers import Container

    from conformance.crypto.issuing import Credentials
    from conformance.record.records import ChildSa, IkeSa
    from conformance.record.wireshark import EspKey, IkeKey

SHARED = Path("/run/ipsec-conformance")
"""The volume that all containers share: control sockets, daemon logs, connection files."""

REKEY_AFTER = 6
"""Seconds after which an initiator replaces its IPsec SAs, where a cell wants that.

Long enough for a cell to look at both ends, and to end, between one time and the next.
"""
REKEY_OCTETS = 5_000
"""Octets after which it does so, where a cell wants that: more than those of its first pings."""
KILOBYTES = 10_000
"""What an IPsec SA may carry where a cell wants such a limit: far more than its pings."""
POLL, SLOWEST_POLL = 0.02, 0.32
"""Seconds between the first two looks at a peer that is awaited, and the last ones."""
STOP = 3
"""Seconds that a peer gets to end by itself."""
MONTHS = frozenset(calendar.month_abbr[1:])
"""How pluto begins an entry of its log."""


Role = Literal["initiator", "responder"]


class DriverError(Exception):
    """A peer's control channel broke or refused: our side of the lab, not the peer's protocol."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where a peer stands: IPv4 addresses as text, the subnet behind it in CIDR form."""

    address: str
    """Where IKE and ESP go; behind a NAT the translator's, as the other end sees it."""
    inner_address: str
    inner_subnet: str
    own_address: str | None = None
    """Where it is another than ``address``: the peer's own, which is its identity too."""
    certified: str | None = None
    """The address in its certificate, where that is another: one serves all cells of a peer."""
    key_id: str | None = None
    """A name that it proves in place of its address (ID_KEY_ID, RFC 2407 4.6.2.11)."""

    @property
    def identity(self) -> str:
        """The address that it proves in phase 1, unless it has a ``key_id``."""
        return self.certified or self.own_address or self.address


@dataclass(frozen=True, slots=True)
class Connection:
    """One end's view of a cell: between which hosts, with which level of each factor."""

    name: str
    """The name under which the peer knows it; letters, digits and hyphens."""
    role: Role
    """Which end this is."""
    local: Host
    remote: Host
    combination: Mapping[str, str]
    psk: str = field(repr=False)
    credentials: Credentials | None
    """What this end proves itself with; None where the PSK does."""
    seed: int
    """What the reference peer's randomness derives from."""
    ike_lifetime: int = 28800
    """Seconds."""
    child_lifetime: int = 3600
    """Seconds."""
    crl: bytes | None = None
    """The authority's revocation list, DER; None where nobody looks at one."""

    @property
    def child_kilobytes(self) -> int | None:
        """What an IPsec SA may carry; None where time alone limits it."""
        return KILOBYTES if self.combination["lifetime"] == "kilobytes" else None

    @property
    def tunnel(self) -> bool:
        """Tunnel mode joins the two inner subnets; transport mode the two hosts."""
        return self.combination["mode"] == "tunnel"

    @property
    def pfs(self) -> str | None:
        """The group of Quick Mode's own Diffie-Hellman exchange, if there is one."""
        group = self.combination["pfs"]
        return None if group == "none" else group

    @property
    def rekey_after(self) -> int | None:
        """Seconds after which this end replaces its IPsec SAs; None where it leaves them."""
        rekeys = self.combination["event"] == "rekey" and self.role == "initiator"
        return REKEY_AFTER if rekeys else None

    @property
    def rekey_octets(self) -> int | None:
        """Octets after which this end replaces its IPsec SAs; None where it leaves them."""
        rekeys = self.combination["event"] == "rekey-bytes" and self.role == "initiator"
        return REKEY_OCTETS if rekeys else None

    @property
    def method(self) -> Method:
        """How the two ends authenticate."""
        return METHODS[self.combination["auth"]]

    @property
    def is_user(self) -> bool:
        """Whether XAUTH asks this end for name and password."""
        return self.method.user == self.role

    @property
    def asks_user(self) -> bool:
        """Whether this end asks the other for name and password."""
        return self.method.user not in (None, self.role)

    @property
    def configured(self) -> bool:
        """Whether Mode Config gives the initiator its inner address."""
        return self.combination["mode_config"] != "none"

    @property
    def initiator(self) -> Host:
        """The host that begins, whichever end this is."""
        return self.local if self.role == "initiator" else self.remote

    def selector(self, host: Host) -> str:
        """The phase 2 selector of one end, in CIDR form."""
        if not self.tunnel:
            return str(ip_network(host.address))
        given = self.configured and host is self.initiator
        return str(ip_network(host.inner_address)) if given else host.inner_subnet

    def traffic_address(self, host: Host) -> str:
        """The address of one end that protected traffic comes from and goes to."""
        return host.inner_address if self.tunnel else host.address

    @property
    def marks(self) -> tuple[str, ...]:
        """What tells lines of a log about this connection from others: no other one has these."""
        hosts = (self.local, self.remote)
        return (self.name, *(host.address for host in hosts if host.own_address is None))


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an initiation ended, seen from the end that started it."""

    established: bool
    failure: str | None = None
    """In the peer's own words; None where it succeeded."""
    timed_out: bool = False
    notifies: tuple[str, ...] = ()
    """Names of the notifies it says it received or sent, where it tells."""
    divergence: Mapping[str, str] | None = None
    """The first value that differs; only the reference knows."""


class Held(NamedTuple):
    """What one end holds of a connection, read at one moment."""

    ike: IkeSa | None
    child: ChildSa | None
    ike_keys: list[IkeKey]
    """Those this end can tell."""
    esp_keys: list[EspKey]


NOTHING = Held(None, None, [], [])
"""What an end holds before there was anything, or after it is gone."""


class Driver(ABC):
    """One container of a peer, driven through a channel that stays open."""

    def __init__(self, peer: str, container: Container) -> None:
        self.peer = peer
        self.container = container
        self.name = str(container.name)
        """The container's name; control sockets and logs are named after it."""
        self.process = 0
        """Id of the peer's main process, as the engine counts it, when its channel was opened."""

    @property
    def log(self) -> Path:
        """The peer's log, in the shared volume."""
        return SHARED / f"{self.name}.log"

    def log_mark(self) -> int:
        """Where the log ends now, in bytes; give it to ``logs``."""
        return self.log.stat().st_size if self.log.exists() else 0

    def logs(self, since: int) -> str:
        """What the peer logged after a mark; all of it where the log began anew meanwhile."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(since if since <= self.log_mark() else 0)
            return file.read().decode(errors="replace")

    def log_of(self, connection: Connection, log: str) -> str:
        """Of a log, what concerns the connection: several cells run at once."""
        return entries_with(log, connection.marks)

    def open(self) -> None:
        """Open the control channel, and note which process it is that answers."""
        self.process = self._running()
        self.connect()

    def another(self) -> Self:
        """The same peer over a control channel of its own, for another worker."""
        driver = type(self)(self.peer, self.container)
        driver.open()
        return driver

    def alive(self) -> bool:
        """Whether the process that was there when the channel was opened still runs."""
        return self.process != 0 and self._running() == self.process

    def answers(self) -> bool:
        """Whether the daemon itself answers over its control channel."""
        return bool(self.version())

    def restart(self) -> None:
        """End the peer, start it again and open the channel anew; it has forgotten everything."""
        with suppress(OSError):
            self.close()
        self.container.restart(timeout=STOP)
        self.open()

    def _running(self) -> int:
        try:
            self.container.reload()
        except NotFound as error:
            raise DriverError(f"{self.name}: the container is gone") from error
        return int(self.container.attrs["State"]["Pid"])

    def reach_over(self, translator: str, destination: str) -> None:
        """From now on reach a host over a NAT; to be undone with ``reach_directly``."""
        self._route("replace", f"{destination}/32", "via", translator)

    def reach_directly(self, destination: str) -> None:
        """Reach a host on the lab's network as any other again."""
        self._route("delete", f"{destination}/32")

    def _route(self, *arguments: str) -> None:
        status, output = self.container.exec_run(["ip", "route", *arguments])
        if status:
            raise DriverError(f"{self.name}: ip route {' '.join(arguments)}: {output!r}")

    @abstractmethod
    def connect(self) -> None:
        """Open the control channel; DriverError where nobody answers there."""

    @abstractmethod
    def close(self) -> None:
        """Close the control channel; the peer goes on."""

    @abstractmethod
    def version(self) -> str:
        """The version that the running peer reports."""

    @abstractmethod
    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Load connections, ready to initiate them and to respond to them.

        Those that the peer says it cannot do are left out: their names with its own words.
        """

    @abstractmethod
    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        """Start phase 1 and phase 2; return when both stand, or have failed, or time is out."""

    @abstractmethod
    def sas(self, connection: Connection, log: str) -> Held:
        """The SAs this end holds for the connection, normalised, and the keys it can tell.

        ``log`` is its log since the connection was configured.
        """

    @abstractmethod
    def holds_child(self, connection: Connection) -> bool:
        """Whether this end holds the connection's child SA: a quick look, for waiting."""

    @abstractmethod
    def holds_any(self, connection: Connection) -> bool:
        """Whether this end holds any SA of the connection: a quick look, for waiting."""

    @abstractmethod
    def ping(self, connection: Connection, count: int, timeout: float) -> tuple[int, int]:
        """Send echo requests through the SA; how many were sent, how many answered."""

    @abstractmethod
    def terminate(self, connection: Connection, timeout: float) -> None:
        """Delete the connection's SAs and tell the other end so."""

    @abstractmethod
    def logged_delete(self, log: str) -> bool:
        """Whether the peer's log tells that it received a Delete for one of its SAs."""

    @abstractmethod
    def remove(self, connections: Sequence[Connection]) -> None:
        """Forget connections and whatever is left of them."""

    @abstractmethod
    def reset(self) -> None:
        """Forget every connection and every SA, whoever made them; the process goes on."""

    def outcome(self, connection: Connection, held: Held, log: str) -> Attempt:
        """How the connection stands, seen from the end that responds and holds ``held``.

        ``log`` is its log so far.
        """
        del connection, log
        return Attempt(established=held.child is not None)

    def await_child(self, connection: Connection, timeout: float) -> bool:
        """Wait until this end holds the connection's child SA."""
        return poll(lambda: self.holds_child(connection), timeout)

    def await_gone(self, connection: Connection, timeout: float) -> bool:
        """Wait until this end holds no SA of the connection any more."""
        return poll(lambda: not self.holds_any(connection), timeout)


def entries_with(log: str, marks: Iterable[str]) -> str:
    """Of a log, the entries that hold one of ``marks`` as a word; an entry begins with a digit.

    Every peer of the lab begins an entry with the time; what does not goes on with the last one.
    """
    wanted = re.compile(
        "|".join(rf"(?<![\w.:]){re.escape(mark)}(?![\w])(?!\.\d)" for mark in marks)
    )
    return "".join(entry for entry in log_entries(log) if wanted.search(entry))


def log_entries(log: str) -> Iterator[str]:
    """The entries of a log, each with its line ends."""
    entry = ""
    for line in log.splitlines(keepends=True):
        if entry and not line[:1].isspace() and (line[:1].isdigit() or line[:3] in MONTHS):
            yield entry
            entry = ""
        entry += line
    if entry:
        yield entry


def yes_or_no(condition: bool) -> str:  # noqa: FBT001 - one word, one value
    """As both daemons spell a condition."""
    return "yes" if condition else "no"


def poll(condition: Callable[[], bool], timeout: float) -> bool:
    """Wait until ``condition`` holds; False where it did not within ``timeout`` seconds."""
    end, pause = time.monotonic() + timeout, POLL
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(2 * pause, SLOWEST_POLL)
    return True
