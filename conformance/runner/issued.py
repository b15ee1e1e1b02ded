"""The certificates and revocation lists of a run (RFC 4945, RFC 5280)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.issuing import VALIDITY, Authority, Credentials
from conformance.drivers.base import SHARED
from conformance.drivers.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AHEAD = timedelta(hours=1)
"""How long ago a revocation list begins, so that clocks which differ do no harm."""


class Papers(NamedTuple):
    """What one end of a cell has."""

    credentials: Credentials | None
    """None where no key is needed."""
    crl: bytes | None
    """The authority's revocation list, DER; None where nobody looks at one."""


class Issued:
    """The run's certificates, each made on first use, from the lab's one authority.

    The authority stays in the shared volume, because pluto remembers for a while which ones it
    trusts, whatever is in its database.
    """

    def __init__(self, store: Path = SHARED / "authority.p12") -> None:
        self._store = store
        self._made = self._listed = datetime.now(UTC).replace(microsecond=0)
        self._revoked: list[bytes] = []

    @cache  # noqa: B019 - it lives as long as the run
    def get(self, address: str, key: str, level: str) -> Credentials:
        """What proves an address by a signature method, with a level of ``certificates``."""
        authority = self._intermediate if level == "chain" else self._authority
        return authority.issue(address, key)

    def crl(self) -> bytes:
        """A list later than any before it, or a daemon would keep the one that it has."""
        now = datetime.now(UTC).replace(microsecond=0)
        self._listed = max(now, self._listed + timedelta(seconds=1))
        begin = self._listed - AHEAD - self._made
        return self._authority.crl(self._revoked, validity=(begin, begin + VALIDITY))

    @cached_property
    def _authority(self) -> Authority:
        if not self._store.exists():
            self._store.write_bytes(Authority.create(self._made))
        return Authority(self._store.read_bytes(), self._made)

    @cached_property
    def _intermediate(self) -> Authority:
        return self._authority.intermediate()

    def papers(self, role: str, hosts: tuple[str, str], levels: Mapping[str, str]) -> Papers:
        """What the end in this role has; ``hosts`` are initiator's and responder's identities."""
        key, level = METHODS[levels["auth"]].key, levels["certificates"]
        if key is None:
            return Papers(None, None)
        initiator, responder = (self.get(host, key, level) for host in hosts)
        own = initiator if role == "initiator" else responder
        if level == "revoked" and role == "responder":
            self._revoked.append(initiator.certificate)
        looks = level == "crl" or (level == "revoked" and role == "responder")
        return Papers(own, self.crl() if looks else None)
