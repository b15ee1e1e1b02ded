"""Libreswan: pluto, driven by whack from a shell in its container that stays open."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from conformance.crypto.issuing import PASSWORD
from conformance.drivers import kernel
from conformance.drivers.base import (
    SHARED,
    Attempt,
    Connection,
    DriverError,
    Held,
    entries_with,
    poll,
)
from conformance.drivers.daemon import DaemonDriver
from conformance.drivers.libreswan_config import refusal, template_values
from conformance.drivers.libreswan_names import (
    AUTHS,
    STATUS_CIPHERS,
    STATUS_GROUPS,
    STATUS_HASHES,
)
from conformance.drivers.methods import OTHER, level_told
from conformance.record.records import IkeSa
from conformance.resources import peer_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from conformance.crypto.issuing import Credentials
    from conformance.drivers.shell import Result

KIND = "libreswan"

LIBEXEC = "/usr/libexec/ipsec"
"""Where Debian keeps whack and addconn; the ``ipsec`` script in front of them costs a process."""

NSS = "sql:/var/lib/ipsec/nss"
"""The database that ``ipsec initnss`` made."""

START = 60.0
"""Seconds that pluto gets to begin, with all its addresses, on a busy machine."""
ANSWER = 10.0
"""Seconds that it gets to answer once it runs."""

IKE_NEWEST = re.compile(r"IKE(?:v1)? algorithm newest: ([A-Z0-9_]+)-([A-Z0-9_]+)-([A-Z0-9_]+)")
ESP_NEWEST = re.compile(r"(?:ESP|AH) algorithm newest: [^;\n]+; pfsgroup=(\S+)")
NOTIFY = re.compile(r"\b([A-Z]+(?:_[A-Z]+)+)\b")
UNANSWERED = re.compile(r"initial (?:Main|Aggressive) Mode message .*?but (.*)")
"""How pluto refuses, in its log alone, what none of its connections allows."""
UNTRUSTED = re.compile(r"NSS:? ERROR: (.*)")
"""How it refuses a certificate; the peer hears of it in a notify that it cannot yet take."""
CHILD = re.compile(r"STATE_QUICK_(?:I2|R2)\b")
NAMED = re.compile(r'^(?:000 )?"([^"]+)":', re.MULTILINE)
"""A connection in whack's status; version 5 has left the number away."""
STATUS = (f"{LIBEXEC}/whack", "--status")
"""All that pluto tells; of 800 interfaces first."""
CONNECTION_STATUS = (f"{LIBEXEC}/whack", "--connectionstatus")
"""The same of connections alone, since version 5."""
LOGGED_AUTH = re.compile(r"(?:IKE|ISAKMP) SA established \{auth=(\w+)")
XAUTH_OWN, XAUTH_OTHER = "XAUTH: Successfully Authenticated", ": Authentication Successful"
"""What pluto logs as the user of XAUTH, and as the one who asks."""
ESTABLISHED = "IPsec SA established"
ADDED = "added IKEv1 connection"
REFUSED = re.compile(r"failed to add connection: (.*)")
"""Pluto tells why in its log; addconn's own output stays empty."""


class LibreswanDriver(DaemonDriver):
    """One pluto."""

    delete_received = "received Delete SA"

    def connect(self) -> None:
        """Open the shell and wait until pluto answers whack."""
        super().connect()
        self._imported: set[str] = set()
        if not poll(lambda: self._whack("--briefstatus").status == 0, START):
            raise DriverError(f"{self.name}: pluto does not answer whack")

    def version(self) -> str:
        """The version in ``ipsec --version``, such as ``4.10``."""
        output = self.shell.run(["ipsec", "--version"]).output
        found = re.search(r"Libreswan (?:U)?(\d[\w.]*)", output)
        if not found:
            raise DriverError(f"{self.name}: no version in {output.strip()!r}")
        return found[1]

    def answers(self) -> bool:
        """Whether pluto answers whack in time."""
        return self._whack("--briefstatus", limit=ANSWER).status == 0

    @cached_property
    def _template(self) -> Template:
        folders = [folder / "templates" for folder in peer_folders(self.peer, KIND)]
        environment = Environment(
            loader=FileSystemLoader(folders),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            autoescape=False,  # noqa: S701 - ipsec.conf is no markup
        )
        return environment.get_template("connection.conf")

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Render the peer's template for each into one file, which addconn loads at once."""
        refused = {one.name: why for one in connections if (why := refusal(self.peer, one))}
        asked = [one for one in connections if one.name not in refused]
        for connection in asked:
            if connection.credentials is not None:
                self._import(connection.credentials)
        lists = [connection.crl for connection in asked if connection.crl is not None]
        if lists:
            self._import_crl(lists[-1])
        return refused | (self._add(asked) if asked else {})

    def _add(self, connections: Sequence[Connection]) -> dict[str, str]:
        path = SHARED / f"{self.name}.conf"
        path.write_text("\n".join(self._template.render(template_values(c)) for c in connections))
        names = [connection.name for connection in connections]
        _, log = self._addconn(path, names)
        missing = [name for name in names if ADDED not in entries_with(log, [f'"{name}"'])]
        asked = {name: self._refusal(path, name) for name in missing}
        return {name: words for name, words in asked.items() if words}

    def _refusal(self, path: Path, name: str) -> str | None:
        """Load one connection alone: why that fails tells the log or addconn; None where it works.

        Of several connections addconn does not always tell which one it speaks of.
        """
        output, log = self._addconn(path, [name])
        told: list[str] = [*output.strip().splitlines()[-1:], *REFUSED.findall(log)]
        if ADDED in log:
            return None
        if not told:
            raise DriverError(f"{self.name}: addconn does not load {name}, and says nothing")
        return told[-1]

    def _addconn(self, path: Path, names: Sequence[str]) -> tuple[str, str]:
        """What addconn says, and what pluto logs meanwhile."""
        mark = self.log_mark()
        loaded = self.shell.run([f"{LIBEXEC}/addconn", "--config", str(path), *names])
        return loaded.output, self.logs(mark)

    def _import(self, credentials: Credentials) -> None:
        """Take a bundle into pluto's NSS database, and its authority as one to trust; once."""
        if credentials.name in self._imported:
            return
        for suffix, data in ((".p12", credentials.bundle), (".ca", credentials.authority)):
            (SHARED / f"{self.name}{suffix}").write_bytes(data)
        bundle, authority = (str(SHARED / f"{self.name}{end}") for end in (".p12", ".ca"))
        trusted = ["-A", "-n", f"CA of {credentials.name}", "-t", "CT,,", "-i", authority]
        for command in (
            ["pk12util", "-d", NSS, "-i", bundle, "-W", PASSWORD],
            ["certutil", "-d", NSS, *trusted],
        ):
            done = self.shell.run(command)
            if done.status != 0:
                raise DriverError(f"{self.name}: {command[0]}: {done.output.strip()}")
        self._imported.add(credentials.name)

    def _import_crl(self, crl: bytes) -> None:
        """Put a revocation list into the database, in the place of any older one.

        NSS looks for a newer one every ten minutes only (lib/certdb/crl.c), so pluto starts anew.
        """
        path = SHARED / f"{self.name}.crl"
        path.write_bytes(crl)
        command = ["crlutil", "-I", "-d", NSS, "-i", str(path), "-B"]
        done = self.shell.run(command)
        if done.status != 0:
            raise DriverError(f"{self.name}: crlutil: {done.output.strip()}")
        imported = self._imported
        self.restart()
        self._imported = imported

    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        """``whack --initiate``, which reports each state until the child stands or all is over."""
        if connection.asks_user:  # pluto leaves Quick Mode to the user, unless asked once more
            self._whack("--name", connection.name, "--initiate", limit=XAUTH_TIME)
        result = self._whack("--name", connection.name, "--initiate", limit=timeout)
        if ESTABLISHED in result.output:
            return Attempt(established=True)
        lines = [line for line in result.output.splitlines() if line.strip()]
        notifies = [word for line in lines for word in NOTIFY.findall(line) if _is_notify(word)]
        return Attempt(
            established=False,
            failure="; ".join(lines[-2:]),
            timed_out=result.status == TIMED_OUT,
            notifies=tuple(dict.fromkeys(notifies)),
        )

    def sas(self, connection: Connection, log: str) -> Held:
        """The ISAKMP SA as whack tells it and the kernel's child SA; pluto tells no phase 1 key."""
        read = self.shell.read(self._status_of(connection), *kernel.TABLES)
        status = _of(connection, read)
        ike, esp = _ike_sa(status, logged_auth(log, connection)), ESP_NEWEST.search(status)
        if not esp:
            return Held(ike, None, [], [])
        child = kernel.child_of(read, connection, _pfs(esp[1], status))
        return Held(ike, child, [], kernel.keys_of(read, connection))

    def holds_child(self, connection: Connection) -> bool:
        """Whether whack lists a Quick Mode of the connection that is through."""
        return CHILD.search(self._states(connection)) is not None

    def holds_any(self, connection: Connection) -> bool:
        """Whether whack lists a state of the connection."""
        return self._states(connection) != ""

    def terminate(self, connection: Connection, timeout: float) -> None:
        """``whack --terminate``: Delete for the child and for the ISAKMP SA."""
        self._whack("--name", connection.name, "--terminate", limit=timeout)

    def remove(self, connections: Sequence[Connection]) -> None:
        """``whack --delete``: the connections and their states."""
        self._delete(connection.name for connection in connections)
        kernel.flush(self.shell, connections)

    def reset(self) -> None:
        """The same for every connection that whack knows, and for every SA of the kernel."""
        self._delete(dict.fromkeys(NAMED.findall(self.shell.read(STATUS))))
        kernel.flush_all(self.shell)

    def _delete(self, names: Iterable[str]) -> None:
        orders = [[f"{LIBEXEC}/whack", "--name", name, "--delete"] for name in names]
        if orders:
            self.shell.run(*orders)

    def outcome(self, connection: Connection, held: Held, log: str) -> Attempt:
        """As for any peer; what pluto did not answer, and why, stands in its log."""
        refused = [*UNANSWERED.findall(log), *UNTRUSTED.findall(log)]
        seen = super().outcome(connection, held, log)
        return replace(seen, failure=refused[-1] if refused else None)

    def _status_of(self, connection: Connection) -> Sequence[str]:
        """The command that tells of the connection, and of as little else as may be."""
        if self._tells_of_one:
            return *CONNECTION_STATUS, "--name", connection.name
        return STATUS

    @cached_property
    def _tells_of_one(self) -> bool:
        return self.shell.run(CONNECTION_STATUS).status == 0

    def _states(self, connection: Connection) -> str:
        return _of(connection, self._whack("--showstates").output)

    def _whack(self, *arguments: str, limit: float | None = None) -> Result:
        return self.shell.run([f"{LIBEXEC}/whack", *arguments], limit=limit)


XAUTH_TIME = 1.5
"""Seconds that pluto gets to ask the other end for name and password."""
TIMED_OUT = 124
"""Exit status of ``timeout`` for a command that it ended."""


def _of(connection: Connection, status: str) -> str:
    """The lines of whack's status that speak of the connection."""
    return "\n".join(line for line in status.splitlines() if f'"{connection.name}"' in line)


def _is_notify(word: str) -> bool:
    return not word.startswith(("STATE_", "EVENT_", "MAIN_", "QUICK_", "AES_", "HMAC_"))


def logged_auth(log: str, connection: Connection) -> str:
    """The method by which the ends authenticated, with XAUTH where it succeeded."""
    told = LOGGED_AUTH.findall(log)
    if not told:
        return ""
    users = {XAUTH_OWN: connection.role, XAUTH_OTHER: OTHER[connection.role]}
    user = next((role for words, role in users.items() if words in log), None)
    proof = AUTHS.get(told[-1], told[-1])
    return level_told(connection.combination["auth"], connection.role, [proof], user)


def _ike_sa(status: str, auth: str) -> IkeSa | None:
    newest = IKE_NEWEST.search(status)
    if not newest:
        return None
    return IkeSa(
        cookie_initiator="",
        cookie_responder="",
        state="established",
        cipher=STATUS_CIPHERS.get(newest[1], newest[1]),
        hash=STATUS_HASHES.get(newest[2], newest[2]),
        group=STATUS_GROUPS.get(newest[3], newest[3]),
        auth=auth,
        lifetime_seconds=None,
    )


def _pfs(told: str, status: str) -> str | None:
    """Pluto names the PFS group, or ``<Phase1>`` where it took that of phase 1, or ``<N/A>``."""
    newest = IKE_NEWEST.search(status)
    name = newest[3] if newest and told == "<Phase1>" else told
    return STATUS_GROUPS.get(name)
