"""What the control socket accepts: one structure for each command, checked before it is obeyed."""

from __future__ import annotations

from typing import TypeVar

from conformance.ikev1.config import Config, Identification, RetransmitPolicy
from conformance.ikev1.errors import LocalError
from conformance.ikev1.policies import DpdPolicy, FragmentationPolicy, LifetimePolicy, NatPolicy
from conformance.peer.fields import Fields, IpAddress, IpNetwork
from conformance.peer.fields import read_fields as read_request
from conformance.peer.identities import read_identity
from conformance.peer.offers import Certified, ModeConfig, Phase1, Phase2, Xauth

__all__ = ["Await", "Configure", "Events", "Hello", "Named", "Ping", "read_request"]

T = TypeVar("T")

END_AT_HARD_LIMIT = LifetimePolicy(rekey=False)
"""SAs end when their lifetime is over, and nobody replaces them."""


class Hello(Fields, frozen=True, kw_only=True):
    """Who are you? Takes nothing."""


class Configure(Fields, frozen=True, kw_only=True):
    """One connection, ready to be initiated and to be answered."""

    name: str
    remote: IpAddress
    """The other peer's outer address, or that of the NAT in front of it."""
    local: IpAddress | None = None
    """Ours, where it is another than the one the peer was started on."""
    inner: IpAddress | None = None
    """Ours inside tunnels, where it is another than the one the peer was started with."""
    psk: str
    phase1: Phase1 | tuple[Phase1, ...]
    """One, or several in order of preference."""
    phase2: Phase2 | tuple[Phase2, ...]
    """One, or several in order of preference, all with the same PFS group."""
    local_selector: IpNetwork
    remote_selector: IpNetwork
    """Of the same family, whichever the addresses outside have."""
    seed: int
    """All randomness of the connection derives from it, the addresses and nothing else."""
    deviations: tuple[str, ...] = ()
    """Names of conformance.ikev1.deviations."""
    remote_port: int = 500
    retransmit: RetransmitPolicy = RetransmitPolicy()
    credentials: Certified | None = None
    exchange: str = "main"
    """``main``, ``aggressive``, ``base`` or ``authentication-only``, which makes no SA."""
    protect_aggressive_proof: bool = True
    """Whether the third message of Aggressive Mode is encrypted (docs/findings.md says why)."""
    local_id: str = ""
    """``fqdn:gw.example`` and the like (identities.py); "" is our outer address."""
    remote_id: str = ""
    """What the peer must prove; "" is its outer address, ``any`` whoever has the key."""
    send_client_ids: bool = True
    dpd: DpdPolicy | None = None
    xauth: Xauth | None = None
    mode_config: ModeConfig | None = None
    fragmentation: FragmentationPolicy | None = None
    nat_traversal: NatPolicy | None = None
    lifetimes: LifetimePolicy | None = END_AT_HARD_LIMIT
    """What is done as SAs grow old; None leaves them until somebody deletes them."""
    initial_contact: bool = False
    commit: str | None = None
    initiator_commits: bool = False
    acknowledged_deletes: bool = False
    responder_lifetime: bool = False
    replay_status: bool | None = None

    def __post_init__(self) -> None:
        if self.local_selector.version != self.remote_selector.version:
            ends = f"{self.local_selector} and {self.remote_selector}"
            raise ValueError(f"{ends} are of two families: no packet goes between them")

    def __repr__(self) -> str:
        return f"Configure({self.name!r}, {self.remote})"

    def config(self, address: IpAddress) -> Config:
        """The endpoint's configuration on this address; LocalError for unknown names."""
        local_id = read_identity(self.local_id, str(address))
        if local_id is None:
            raise LocalError("our own identity cannot be any")
        return Config(
            psk=self.psk.encode(),
            local_id=local_id,
            remote_id=read_identity(self.remote_id, str(self.remote)),
            phase1=tuple(one.proposal() for one in several(self.phase1)),
            phase2=tuple(one.proposal() for one in several(self.phase2)),
            local_selector=Identification.selector(str(self.local_selector)),
            remote_selector=Identification.selector(str(self.remote_selector)),
            retransmit=self.retransmit,
            exchange=self.exchange,
            credentials=self.credentials.credentials() if self.credentials else None,
            protect_aggressive_proof=self.protect_aggressive_proof,
            send_client_ids=self.send_client_ids,
            dpd=self.dpd,
            xauth=self.xauth.policy() if self.xauth else None,
            mode_config=self.mode_config.policy() if self.mode_config else None,
            fragmentation=self.fragmentation,
            nat_traversal=self.nat_traversal,
            lifetimes=self.lifetimes,
            initial_contact=self.initial_contact,
            commit=self.commit,
            initiator_commits=self.initiator_commits,
            acknowledged_deletes=self.acknowledged_deletes,
            responder_lifetime=self.responder_lifetime,
            replay_status=self.replay_status,
        )


def several(one_or_more: T | tuple[T, ...]) -> tuple[T, ...]:
    """One thing as a tuple, several as they are."""
    return one_or_more if isinstance(one_or_more, tuple) else (one_or_more,)


class Named(Fields, frozen=True, kw_only=True):
    """A command about one connection."""

    name: str


class Events(Fields, frozen=True, kw_only=True):
    """What happened to a connection, from the ``since``-th event on."""

    name: str
    since: int = 0


class Await(Fields, frozen=True, kw_only=True):
    """A command about one connection that waits; ``timeout`` in seconds."""

    name: str
    timeout: float = 10.0


class Ping(Fields, frozen=True, kw_only=True):
    """Echo requests through the newest SA of a connection (RFC 792)."""

    name: str
    count: int = 1
    size: int = 56
    """Octets of data in each request."""
    timeout: float = 5.0
    """Seconds for all of them together."""
    target: IpAddress | None = None
    """None: the remote itself in transport mode, the first host of its selector in tunnel mode."""
