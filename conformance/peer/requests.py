"""What the control socket accepts: one structure for each command, checked before it is obeyed."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

import msgspec

from conformance.crypto.asymmetric import PrivateKey
from conformance.crypto.certificates import Certificate
from conformance.ikev1.config import (
    Config,
    Identification,
    Phase1Proposal,
    Phase2Proposal,
    RetransmitPolicy,
)
from conformance.ikev1.credentials import Credentials

RequestT = TypeVar("RequestT", bound=msgspec.Struct)


def read_request(kind: type[RequestT], fields: dict[str, Any]) -> RequestT:
    """The fields of a JSON object as a request; msgspec.ValidationError names what is wrong."""
    return msgspec.convert(fields, kind, dec_hook=_read_text)


def _read_text(kind: type[Any], value: object) -> object:
    if kind not in (IPv4Address, IPv4Network) or not isinstance(value, str):
        raise NotImplementedError(f"{kind.__name__} from {type(value).__name__}")
    return kind(value)


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is named; a field nobody knows is refused."""


class Phase1(_Request, frozen=True, kw_only=True):
    """What phase 1 may agree on (RFC 2409 Appendix A), in the suite's names."""

    cipher: str
    hash: str
    group: str
    auth: str = "psk"
    lifetime_seconds: int = 28800


class Phase2(_Request, frozen=True, kw_only=True):
    """What phase 2 may agree on (RFC 2407 4.5), in the suite's names."""

    cipher: str
    integrity: str
    mode: str
    pfs: str | None = None
    """A group; None or ``none`` without one."""
    lifetime_seconds: int = 3600
    protocol: str = "esp"


class Certified(_Request, frozen=True, kw_only=True):
    """A certificate, its key and whom to trust; in JSON the octets are base64."""

    private_key: bytes
    """PEM, not encrypted."""
    certificate: bytes
    """X.509, DER."""
    authority: bytes
    """The one trusted issuer, X.509, DER."""

    def __repr__(self) -> str:
        return "Certified(...)"

    def credentials(self) -> Credentials:
        """As an endpoint takes them; raises ValueError for what is no key or certificate."""
        return Credentials(
            private_key=PrivateKey.load(self.private_key),
            certificates=(Certificate.parse(self.certificate),),
            authorities=(Certificate.parse(self.authority),),
            clock=time.time,
        )


class Hello(_Request, frozen=True, kw_only=True):
    """Who are you? Takes nothing."""


class Configure(_Request, frozen=True, kw_only=True):
    """One connection, ready to be initiated and to be answered."""

    name: str
    remote: IPv4Address
    """The other peer's outer address."""
    psk: str
    phase1: Phase1
    phase2: Phase2
    local_selector: IPv4Network
    remote_selector: IPv4Network
    seed: int
    """All randomness of the connection derives from it, the addresses and nothing else."""
    deviations: tuple[str, ...] = ()
    """Names of conformance.ikev1.deviations."""
    remote_port: int = 500
    retransmit: RetransmitPolicy = RetransmitPolicy()
    credentials: Certified | None = None
    exchange: str = "main"
    """``main`` or ``aggressive``."""
    protect_aggressive_proof: bool = True
    """Whether the third message of Aggressive Mode is encrypted (docs/findings.md says why)."""

    def __repr__(self) -> str:
        return f"Configure({self.name!r}, {self.remote})"

    def config(self, address: IPv4Address) -> Config:
        """The endpoint's configuration on this address; LocalError for unknown names."""
        first, second = self.phase1, self.phase2
        pfs = None if second.pfs == "none" else second.pfs
        return Config(
            psk=self.psk.encode(),
            local_id=Identification.ipv4_addr(str(address)),
            remote_id=Identification.ipv4_addr(str(self.remote)),
            phase1=(
                Phase1Proposal(
                    first.cipher,
                    first.hash,
                    first.group,
                    first.auth,
                    lifetime_seconds=first.lifetime_seconds,
                ),
            ),
            phase2=(
                Phase2Proposal(
                    second.cipher,
                    second.integrity,
                    second.mode,
                    pfs,
                    second.protocol,
                    second.lifetime_seconds,
                ),
            ),
            local_selector=Identification.selector(str(self.local_selector)),
            remote_selector=Identification.selector(str(self.remote_selector)),
            retransmit=self.retransmit,
            exchange=self.exchange,
            credentials=self.credentials.credentials() if self.credentials else None,
            protect_aggressive_proof=self.protect_aggressive_proof,
        )


class Named(_Request, frozen=True, kw_only=True):
    """A command about one connection."""

    name: str


class Await(_Request, frozen=True, kw_only=True):
    """A command about one connection that waits; ``timeout`` in seconds."""

    name: str
    timeout: float = 10.0


class Ping(_Request, frozen=True, kw_only=True):
    """Echo requests through the newest SA of a connection (RFC 792)."""

    name: str
    count: int = 1
    size: int = 56
    """Octets of data in each request."""
    timeout: float = 5.0
    """Seconds for all of them together."""
    target: IPv4Address | None = None
    """None: the remote itself in transport mode, the first host of its selector in tunnel mode."""
