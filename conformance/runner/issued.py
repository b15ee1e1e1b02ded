"""The certificates and revocation lists of a run (RFC 4945, RFC 5280)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.issuing import Authority, Credentials
from conformance.drivers.base import SHARED
from conformance.drivers.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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

    @cache  # noqa: B019 - it lives as long as the run
    def get(self, address: str, key: str, level: str) -> Credentials:
        """What proves an address by a signature method, with a level of ``certificates``."""
        authority = self._intermediate if level == "chain" else self._authority
        return authority.issue(address, key)

    @cached_property
    def crl(self) -> bytes:
        """Names none that is in use."""
        return self._authority.crl()

    def crl_against(self, credentials: Credentials) -> bytes:
        """Names the certificate of these."""
        return self._authority.crl([credentials.certificate])

    @cached_property
    def _authority(self) -> Authority:
        now = datetime.now(UTC)
        if not self._store.exists():
            self._store.write_bytes(Authority.create(now))
        return Authority(self._store.read_bytes(), now)

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
        if level == "revoked":
            return Papers(own, self.crl_against(initiator) if role == "responder" else None)
        return Papers(own, self.crl if level == "crl" else None)
