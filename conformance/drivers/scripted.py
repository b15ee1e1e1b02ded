"""A peer without a driver of its own: the shell commands and templates that its manifest names."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from conformance.drivers import kernel
from conformance.drivers.base import SHARED, Attempt, DriverError, Held, poll
from conformance.drivers.daemon import DaemonDriver
from conformance.drivers.methods import level_told
from conformance.matrix.manifest import load_manifest
from conformance.record.records import IkeSa
from conformance.resources import peers_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.drivers.base import Connection
    from conformance.drivers.shell import Result
    from conformance.matrix.manifest import Manifest
    from conformance.matrix.script import Script

START = 20.0
"""Seconds that the peer gets until it tells its version."""
TIMED_OUT = 124
"""Exit status of ``timeout`` for a command that it ended."""
LAST_WORDS = 2
"""Lines of a command that failed that stand for why."""


class ScriptedDriver(DaemonDriver):
    """One container of a peer whose kind is ``scripted``."""

    def connect(self) -> None:
        """Open the shell and wait until the peer tells its version."""
        super().connect()
        if not poll(lambda: self._found_version() is not None, START):
            raise DriverError(f"{self.name}: no version in what {self._script.version!r} tells")

    @cached_property
    def _manifest(self) -> Manifest:
        return load_manifest(peers_root() / self.peer)

    @cached_property
    def _script(self) -> Script:
        if self._manifest.script is None:
            raise DriverError(f"{self.peer}: its manifest has no table [script]")
        return self._manifest.script

    @cached_property
    def _environment(self) -> Environment:
        return make_environment(peers_root() / self.peer / "templates")

    def version(self) -> str:
        """What the peer's own command tells."""
        return self._found_version() or ""

    def _found_version(self) -> str | None:
        found = re.search(self._script.reads.version, self._sh(self._script.version).output)
        return found[1] if found else None

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Render the templates of each, load them all, and ask which the peer did not take."""
        refused = {one.name: why for one in connections if (why := refusal(self._manifest, one))}
        asked = [one for one in connections if one.name not in refused]
        orders = [order for one in asked for order in self._written(one)]
        if not orders:
            return refused
        self._must(self.shell.run(*orders, *self._loading(asked)), "load")
        answers = {one.name: self._about(self._script.loaded, one) for one in asked}
        return refused | {
            name: last_words(answer) for name, answer in answers.items() if answer.status != 0
        }

    def _written(self, connection: Connection) -> Iterable[list[str]]:
        """The orders that put a connection's files into the container."""
        values = template_values(self._script, connection)
        for number, (path, template) in enumerate(self._script.files.items()):
            handed = SHARED / f"{self.name}.{connection.name}.{number}"
            handed.write_text(self._environment.get_template(template).render(values))
            target = self._environment.from_string(path).render(values)
            yield ["install", "-D", "-m", "600", str(handed), target]
            yield ["rm", str(handed)]

    def _loading(self, connections: Sequence[Connection]) -> list[list[str]]:
        return [shell_order(self._render(self._script.load, connections))]

    def _render(self, text: str, connections: Sequence[Connection]) -> str:
        names = [connection.name for connection in connections]
        return self._environment.from_string(text).render(names=names)

    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        """The peer's own command; whether the SAs stand then is what its status tells."""
        result = self._about(self._script.initiate, connection, limit=timeout)
        if self.holds_child(connection):
            return Attempt(established=True)
        notify = self._script.reads.notify
        return Attempt(
            established=False,
            failure=last_words(result),
            timed_out=result.status == TIMED_OUT,
            notifies=tuple(dict.fromkeys(re.findall(notify, result.output))) if notify else (),
        )

    def sas(self, connection: Connection, log: str) -> Held:
        """The ISAKMP SA as the peer's status tells it, and the child SA of the kernel."""
        del log
        read = self._status(connection)
        told = sa_facts(self._script, read)
        ike = _ike_sa(told, connection) if re.search(self._script.reads.held, read) else None
        if not re.search(self._script.reads.established, read):
            return Held(ike, None, [], [])
        tables = kernel.read(self.shell)
        child = kernel.child_of(tables, connection, told.get("pfs"))
        return Held(ike, child, [], kernel.keys_of(tables, connection))

    def holds_child(self, connection: Connection) -> bool:
        """Whether the peer's status tells that IPsec SAs stand."""
        return bool(re.search(self._script.reads.established, self._status(connection)))

    def holds_any(self, connection: Connection) -> bool:
        """Whether the peer's status tells of any SA."""
        return bool(re.search(self._script.reads.held, self._status(connection)))

    def terminate(self, connection: Connection, timeout: float) -> None:
        """The peer's own command."""
        self._about(self._script.terminate, connection, limit=timeout)

    def logged_delete(self, log: str) -> bool:
        """Look for the peer's own words."""
        return bool(re.search(self._script.reads.deleted, log))

    def remove(self, connections: Sequence[Connection]) -> None:
        """End what is left of them, remove their files and let the peer forget them."""
        for connection in filter(self.holds_any, connections):
            self.terminate(connection, timeout=START)
        files = [
            self._environment.from_string(path).render(template_values(self._script, one))
            for one in connections
            for path in self._script.files
        ]
        forget = shell_order(self._render(self._script.unload, connections))
        self._must(self.shell.run(["rm", "-f", *files], forget), "unload")
        kernel.flush(self.shell, connections)

    def reset(self) -> None:
        """The peer's own command, and no SA is left in the kernel."""
        self._must(self._sh(self._script.reset), "reset")
        kernel.flush_all(self.shell)

    def outcome(self, connection: Connection, held: Held, log: str) -> Attempt:
        """As for any peer; why it refused stands in its log."""
        refused = self._script.reads.refused
        found = re.findall(refused, log) if refused else []
        seen = super().outcome(connection, held, log)
        return replace(seen, failure=found[-1] if found else None)

    def _status(self, connection: Connection) -> str:
        return self._about(self._script.status, connection).output

    def _about(self, text: str, connection: Connection, limit: float | None = None) -> Result:
        values = template_values(self._script, connection)
        return self._sh(self._environment.from_string(text).render(values), limit)

    def _sh(self, command: str, limit: float | None = None) -> Result:
        return self.shell.run(shell_order(command), limit=limit)

    def _must(self, result: Result, what: str) -> None:
        if result.status != 0:
            raise DriverError(f"{self.name}: {what} ended with {result.status}: {result.output}")


def make_environment(folder: object) -> Environment:
    """Where a peer's templates are found; a name that nobody gave is an error."""
    return Environment(
        loader=FileSystemLoader(str(folder)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - configuration files are no markup
    )


def shell_order(command: str) -> list[str]:
    """A manifest's command as an argument list: its shell is part of what it says."""
    return ["sh", "-c", command]


def template_values(script: Script, connection: Connection) -> dict[str, object]:
    """What templates and commands of a connection may use."""
    levels = connection.combination
    words = {
        factor: script.words.get(factor, {}).get(level, level) for factor, level in levels.items()
    }
    return {
        "name": connection.name,
        "role": connection.role,
        "local": connection.local,
        "remote": connection.remote,
        "local_selector": connection.selector(connection.local),
        "remote_selector": connection.selector(connection.remote),
        "levels": levels,
        "words": words,
        "psk": connection.psk,
        "ike_lifetime": connection.ike_lifetime,
        "child_lifetime": connection.child_lifetime,
        "rekey_after": connection.rekey_after,
    }


def refusal(manifest: Manifest, connection: Connection) -> str | None:
    """Why the peer cannot be asked for what the connection is to be; None where it can."""
    without_words = manifest.script.without_words if manifest.script else {}
    asked = (
        without_words.get(factor)
        for factor, level in connection.combination.items()
        if level not in manifest.claims[factor]
    )
    return next((why for why in asked if why), None)


def last_words(result: Result) -> str:
    """The last lines of a command, for why it failed."""
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    return "; ".join(lines[-LAST_WORDS:]) or f"it ended with {result.status}"


def sa_facts(script: Script, status: str) -> dict[str, str]:
    """What the manifest's expressions find of the SAs, the newest of each, in our levels."""
    facts: dict[str, str] = {}
    for expression in script.reads.ike:
        for found in re.finditer(expression, status):
            facts |= {name: word for name, word in found.groupdict().items() if word}
    return {name: _level(script, name, word) for name, word in facts.items()}


def _level(script: Script, name: str, word: str) -> str:
    """The level of a word; a peer has one word for a group, whichever phase it is of."""
    words = script.told.get("group" if name == "pfs" else name, {})
    return words.get(word, word)


def _ike_sa(told: Mapping[str, str], connection: Connection) -> IkeSa:
    asked, role = connection.combination["auth"], connection.role
    return IkeSa(
        cookie_initiator=told.get("cookie_initiator", ""),
        cookie_responder=told.get("cookie_responder", ""),
        state="established",
        cipher=told.get("cipher", ""),
        hash=told.get("hash", ""),
        group=told.get("group", ""),
        auth=level_told(asked, role, [told.get("auth", "")], None),
    )
