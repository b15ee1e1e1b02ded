"""strongSwan: charon, driven over its vici socket (the protocol of ``swanctl``, kept open)."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import vici
from vici.exception import CommandException

from conformance.drivers import kernel
from conformance.drivers.base import (
    NOTHING,
    SHARED,
    Attempt,
    Connection,
    DriverError,
    Held,
    entries_with,
    poll,
)
from conformance.drivers.daemon import DaemonDriver
from conformance.drivers.methods import OTHER, level_told
from conformance.drivers.strongswan_config import (
    address_pool,
    connection_section,
    further_certificates,
    shared_secrets,
)
from conformance.drivers.strongswan_names import CIPHERS, GROUPS, HASHES, SIGNATURES
from conformance.record.records import IkeSa
from conformance.record.wireshark import IkeKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START = 10.0
"""Seconds that charon gets to open its socket."""

SILENCE = 30.0
"""Seconds without an answer after which charon counts as hung."""
GONE = "charon has gone"
"""An end of file has no text of its own."""

_DUMP = r"\[IKE\](?: <[^>]*>)?\s+\d+: "
KA = re.compile(rf"encryption key Ka => \d+ bytes[^\n]*\n((?:[^\n]*{_DUMP}[^\n]*\n)+)")
HEX_LINE = re.compile(rf"{_DUMP}((?:[0-9A-F]{{2}} ?){{1,16}})")
SIGNATURE = re.compile(r"authentication of '[^']*' with (\S+) successful")
XAUTH = re.compile(r"XAuth authentication of '[^']*'( \(myself\))? successful")
UNTRUSTED = re.compile(
    r"\[(?:CFG|IKE)\](?: <[^>]*>)? (certificate was revoked.*|no trusted .* found.*)"
)
"""Why charon does not take a certificate; the other end is only told that it failed."""
NUMBERED = re.compile(r"<(?:[^|>]*\|)?(\d+>)")
"""An IKE_SA's number in an entry, with the bracket that makes a mark of it."""
NOTIFY = re.compile(
    r"(?:received|generating|parsed) [^\n]*?\b([A-Z]+(?:_[A-Z]+)+)\b(?: error)? notify"
)


class StrongswanDriver(DaemonDriver):
    """One charon."""

    delete_received = "received DELETE for"

    def connect(self) -> None:
        """Connect to charon's vici socket and open a shell beside it."""
        super().connect()
        path = str(SHARED / f"{self.name}.vici")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(SILENCE)
        if not poll(lambda: self._socket.connect_ex(path) == 0, START):
            raise DriverError(f"{self.name}: charon's vici socket does not answer")
        self._session = vici.Session(self._socket)
        self._keys: dict[str, str] = {}

    def another(self) -> Self:
        """Keys that one worker loads, another unloads."""
        driver = super().another()
        driver._keys = self._keys  # noqa: SLF001 - the same class
        return driver

    def close(self) -> None:
        """Close the vici connection and the shell."""
        self._socket.close()
        super().close()

    def version(self) -> str:
        """The version charon reports."""
        return _text(self._command("version")["version"])

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Load connections, their secrets and certificates over vici."""
        refused = {}
        for connection in connections:
            try:
                self._load(connection)
            except CommandException as error:
                refused[connection.name] = str(error)
        return refused

    def _load(self, connection: Connection) -> None:
        self._session.load_conn({connection.name: connection_section(connection)})
        if pool := address_pool(connection):
            self._command("load_pool", {connection.name: pool})
        for secret in shared_secrets(connection):
            self._command("load_shared", secret)
        for certificate in further_certificates(connection):
            self._command("load_cert", certificate)
        if connection.crl:  # or charon would judge by a list that it has looked at before
            self._command("flush_certs", {"type": "X509_CRL"})
        if connection.credentials is not None:
            key = {"type": "any", "data": connection.credentials.private_key}
            self._keys[connection.name] = _text(self._command("load_key", key)["id"])

    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        """``initiate`` with the log streamed, so that a failure is told in charon's own words."""
        self._socket.settimeout(timeout + SILENCE)
        request = {
            "ike": connection.name,
            "child": connection.name,
            "timeout": str(int(timeout * 1000)),
            "loglevel": "1",
        }
        said: list[str] = []
        try:
            said.extend(_text(line["msg"]) for line in self._session.initiate(request))
        except CommandException as error:
            return self._failed(str(error), said)
        except OSError as error:
            raise DriverError(f"{self.name}: initiate: {error or GONE}") from error
        finally:
            self._socket.settimeout(SILENCE)
        return Attempt(established=True)

    def _failed(self, error: str, said: list[str]) -> Attempt:
        notifies = tuple(dict.fromkeys(NOTIFY.findall("\n".join(said))))
        words = "; ".join([*said[-2:], error])
        return Attempt(False, words, timed_out="timed out" in error.lower(), notifies=notifies)

    def outcome(self, connection: Connection, held: Held, log: str) -> Attempt:
        """As for any peer; why charon trusts no certificate stands in its log."""
        refused = UNTRUSTED.findall(log)
        seen = super().outcome(connection, held, log)
        return replace(seen, failure=refused[0] if refused else None)

    def sas(self, connection: Connection, log: str) -> Held:
        """The ISAKMP SA as vici lists it, Ka as charon logged it, and the kernel's child SA."""
        sections = self._list(connection)
        if not sections:
            return NOTHING
        section, logged = sections[-1], logged_keys(log)[-1:]
        cookie = bytes.fromhex(_text(section["initiator-spi"]))
        ike_keys = [IkeKey(cookie, bytes.fromhex(key)) for key in logged]
        child, auth = _installed_child(section), logged_auth(log, connection)
        if child is None:
            return Held(_ike_sa(section, auth), None, ike_keys, [])
        tables, pfs = kernel.read(self.shell), _group(child, default=None)
        return Held(
            _ike_sa(section, auth),
            kernel.child_of(tables, connection, pfs),
            ike_keys,
            kernel.keys_of(tables, connection),
        )

    def holds_child(self, connection: Connection) -> bool:
        """Whether vici lists an installed child."""
        return any(_installed_child(section) for section in self._list(connection))

    def holds_any(self, connection: Connection) -> bool:
        """Whether vici lists the connection at all."""
        return bool(self._list(connection))

    def terminate(self, connection: Connection, timeout: float) -> None:
        """Terminate the IKE SA, which deletes its children first."""
        self._terminate({"ike": connection.name, "timeout": str(int(timeout * 1000))})

    def _terminate(self, request: dict[str, str]) -> None:
        """Terminate SAs, if there still are any: the other end may have ended them meanwhile."""
        try:
            list(self._session.terminate(request))
        except CommandException as error:
            if "no matching SAs" not in str(error):
                raise DriverError(f"{self.name}: terminate: {error}") from error
        except OSError as error:
            raise DriverError(f"{self.name}: terminate: {error or GONE}") from error

    def remove(self, connections: Sequence[Connection]) -> None:
        """End what is left without waiting for the other end, and unload what was loaded."""
        for connection in connections:
            for _ in self._list(connection):
                self._terminate({"ike": connection.name, "force": "yes", "timeout": "-1"})
            self._command("unload_conn", {"name": connection.name})
            for secret in shared_secrets(connection):
                self._command("unload_shared", {"id": secret["id"]})
            if address_pool(connection):
                self._command("unload_pool", {"name": connection.name})
            key = self._keys.pop(connection.name, None)
            if key is not None and key not in self._keys.values():
                self._command("unload_key", {"id": key})

    def reset(self) -> None:
        """End every SA, unload every connection, and forget secrets, keys and pools."""
        for section in list(self._session.list_sas()):
            for name in section:
                self._terminate({"ike": name, "force": "yes", "timeout": "-1"})
        for name in self._command("get_conns").get("conns", ()):
            self._command("unload_conn", {"name": _text(name)})
        for name in self._command("get_pools", {}):
            self._command("unload_pool", {"name": name})
        self._command("clear_creds")
        self._keys.clear()
        kernel.flush_all(self.shell)

    def log_of(self, connection: Connection, log: str) -> str:
        """Also the entries of an IKE_SA that charon names in some of them by its number alone."""
        own = super().log_of(connection, log)
        return entries_with(log, (*connection.marks, *dict.fromkeys(NUMBERED.findall(own))))

    def _list(self, connection: Connection) -> list[Mapping[str, Any]]:
        try:
            listed = list(self._session.list_sas({"ike": connection.name}))
        except (CommandException, OSError) as error:
            raise DriverError(f"{self.name}: list_sas: {error or GONE}") from error
        return [section[connection.name] for section in listed]

    def _command(self, name: str, *request: dict[str, Any]) -> Mapping[str, Any]:
        try:
            return dict(getattr(self._session, name)(*request) or {})
        except (CommandException, OSError) as error:
            raise DriverError(f"{self.name}: {name}: {error or GONE}") from error


def logged_auth(log: str, connection: Connection) -> str:
    """The method by which the ends authenticated: charon logs signatures and XAUTH, and no PSK.

    It names no curve; the one asked for is the one that its keys are on.
    """
    signed, asked_for = SIGNATURE.findall(log), XAUTH.findall(log)
    proofs = SIGNATURES.get(signed[-1], (signed[-1],)) if signed else ("psk", "none")
    user = (connection.role if asked_for[-1] else OTHER[connection.role]) if asked_for else None
    return level_told(connection.combination["auth"], connection.role, proofs, user)


def logged_keys(log: str) -> list[str]:
    """The keys Ka that charon logged at ike level 4, oldest first, in hex."""
    return [
        "".join(HEX_LINE.findall(dump[1])).replace(" ", "").lower() for dump in KA.finditer(log)
    ]


def _installed_child(section: Mapping[str, Any]) -> Mapping[str, Any] | None:
    children = list(section.get("child-sas", {}).values())
    installed = [child for child in children if _text(child["state"]) == "INSTALLED"]
    return installed[-1] if installed else None


def _ike_sa(section: Mapping[str, Any], auth: str) -> IkeSa:
    bits = _text(section.get("encr-keysize", b""))
    cipher, integrity = _text(section.get("encr-alg", b"")), _text(section.get("integ-alg", b""))
    return IkeSa(
        cookie_initiator=_text(section["initiator-spi"]),
        cookie_responder=_text(section["responder-spi"]),
        state=_text(section["state"]).lower(),
        cipher=CIPHERS.get((cipher, bits), f"{cipher}-{bits}"),
        hash=HASHES.get(integrity, integrity),
        group=_group(section, default="") or "",
        auth=auth,
        lifetime_seconds=None,
    )


def _group(section: Mapping[str, Any], default: str | None) -> str | None:
    if "dh-group" not in section:
        return default
    name = _text(section["dh-group"])
    return GROUPS.get(name, name)


def _text(value: bytes) -> str:
    return value.decode()
