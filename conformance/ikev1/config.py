"""What an endpoint is told: identities, secret, proposals, selectors, patience (RFC 2409 5.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from conformance.crypto import rsa
from conformance.crypto.ciphers import CIPHERS, USUAL_CIPHERS
from conformance.crypto.dh import GROUPS, GroupParameters, GroupRow, InvalidGroupError
from conformance.crypto.explicit import explicit_group
from conformance.crypto.prf import HASHES
from conformance.crypto.signatures import SIGNATURES, SignatureRow
from conformance.crypto.transforms import (
    AH_TRANSFORMS,
    COMPRESSIONS,
    ESP_ALONE,
    ESP_INTEGRITY,
    ESP_TRANSFORMS,
)
from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.methods import METHOD_ROWS
from conformance.ikev1.payloads.identification import Identification, selector_of_host
from conformance.ikev1.policies import (
    DpdPolicy,
    FragmentationPolicy,
    LifetimePolicy,
    ModeConfigPolicy,
    NatPolicy,
    NewGroupPolicy,
    XauthPolicy,
)
from conformance.ikev1.private_groups import PRIVATE_NAMES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from conformance.ikev1.credentials import Credentials

__all__ = [
    "Config",
    "DpdPolicy",
    "Identification",
    "Phase1Proposal",
    "Phase2Proposal",
    "RetransmitPolicy",
]

AUTH_METHODS = {name: row.number for name, row in METHOD_ROWS.items()}
"""Authentication method by name, RFC 2409 Appendix A."""
XAUTH_USERS = {name: row.user for name, row in METHOD_ROWS.items() if row.user}
"""Who is the user of XAUTH, by authentication method (draft-beaulieu-ike-xauth-02 7.2)."""
ENCRYPTION_METHODS = tuple(
    name for name, row in METHOD_ROWS.items() if row.base in {"rsa-enc", "rsa-rev"}
)
"""Those that encrypt the nonce, RFC 2409 5.2 and 5.3."""
MODES = {"tunnel": 1, "transport": 2}
"""Encapsulation mode by name, RFC 2407 4.5."""
EXCHANGES = {
    "main": ExchangeType.MAIN_MODE,
    "aggressive": ExchangeType.AGGRESSIVE,
    "base": ExchangeType.BASE,
    "authentication-only": ExchangeType.AUTHENTICATION_ONLY,
}
"""Exchange of phase 1 by name, RFC 2409 5, RFC 2408 4.4 and 4.6."""
_WITHOUT_KEYS = "authentication-only"
_NONCE_FIRST = ("base", _WITHOUT_KEYS)
PROTOCOLS = {"ah": 2, "esp": 3, "ipcomp": 4}
"""Protocol of phase 2 by name, RFC 2407 4.4.1."""
SUITES = {
    "esp": ("esp",),
    "ah": ("ah",),
    "ah+esp": ("ah", "esp"),
    "esp+ipcomp": ("esp", "ipcomp"),
    "ah+ipcomp": ("ah", "ipcomp"),
    "ah+esp+ipcomp": ("ah", "esp", "ipcomp"),
}
"""The protocols that are used together, outermost first (RFC 2401 4.5, RFC 3173 2)."""
MOST_SAS = 8
"""SA payloads of one Quick Mode, RFC 2409 5.5."""


def _known(kind: str, name: str, names: Iterable[str]) -> None:
    known = list(names)
    if name not in known:
        raise LocalError(f"unknown {kind} {name!r}; known are {', '.join(known)}")


def _known_group(name: str) -> None:
    """Whether the peers have agreed on a private one shows when it is used."""
    if name not in PRIVATE_NAMES:
        _known("group", name, [*GROUPS, "private-32768 to private-65535"])


def _known_cipher(name: str, rows: Container[str], more: Iterable[str] = ()) -> None:
    """Too many key lengths have a row for all to be listed."""
    if name not in rows:
        listed = ", ".join(usual for usual in (*USUAL_CIPHERS, *more) if usual in rows)
        raise LocalError(f"unknown cipher {name!r}; known are {listed} and other key lengths")


@cache
def _explicit_group(name: str, parameters: GroupParameters) -> GroupRow:
    """Checked once: primality takes its time."""
    return explicit_group(name, parameters)


@dataclass(frozen=True, slots=True)
class Phase1Proposal:
    """One transform of phase 1 by names; raises LocalError for a name without a row."""

    cipher: str
    hash: str
    group: str
    auth: str = "psk"
    lifetime_seconds: int = 28800
    lifetime_kilobytes: int | None = None
    """The limit in kilobytes that is offered and kept to; None for none."""
    lifetime_variable: bool = False
    """Whether durations are sent as TLV even where TV would do (RFC 2407 4.5)."""
    group_parameters: GroupParameters | None = None
    """The group spelled out instead of numbered (RFC 2409 Appendix A); group is any name then."""

    def explicit_group(self) -> GroupRow | None:
        """The group that is spelled out; None for a numbered one.

        Raises LocalError for parameters that make none.
        """
        if self.group_parameters is None:
            return None
        try:
            return _explicit_group(self.group, self.group_parameters)
        except InvalidGroupError as error:
            raise LocalError(f"group {self.group!r}: {error}") from error

    def __post_init__(self) -> None:
        _known_cipher(self.cipher, CIPHERS)
        _known("hash", self.hash, HASHES)
        if self.group_parameters is None:
            _known_group(self.group)
        self.explicit_group()
        _known("authentication method", self.auth, AUTH_METHODS)


@dataclass(frozen=True, slots=True)
class Phase2Proposal:
    """One suite of phase 2 by names; raises LocalError for names that make none."""

    cipher: str
    """Of ESP; "none" without ESP."""
    integrity: str
    """Of ESP, and of AH unless ah_integrity says otherwise; "none" where the cipher has its own."""
    mode: str
    pfs: str | None
    """A group, or None without a second Diffie-Hellman exchange."""
    protocol: str = "esp"
    """The protocols that are used together, of SUITES."""
    lifetime_seconds: int = 3600
    lifetime_kilobytes: int | None = None
    """The limit in kilobytes that is offered and kept to; None for none."""
    lifetime_variable: bool = False
    """Whether durations are sent as TLV even where TV would do (RFC 2407 4.5)."""
    ah_integrity: str | None = None
    """Of AH; None takes integrity."""
    compression: str = "deflate"
    """Of IPComp, where the suite has it."""
    esn: bool = False
    """Whether sequence numbers have 64 bits (RFC 4304)."""

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols of the suite, outermost first."""
        return SUITES[self.protocol]

    @property
    def ah_algorithm(self) -> str:
        """The integrity algorithm of AH."""
        return self.ah_integrity or self.integrity

    def __post_init__(self) -> None:
        _known("protocol", self.protocol, SUITES)
        if "esp" in self.protocols:
            self._check_esp()
        elif self.cipher != "none":
            raise LocalError(f"{self.protocol} encrypts nothing, so its cipher is none")
        if "ah" in self.protocols:
            _known("integrity algorithm of AH", self.ah_algorithm, AH_TRANSFORMS)
        elif self.ah_integrity is not None:
            raise LocalError(f"{self.protocol} has no AH, so it has no ah_integrity")
        _known("compression", self.compression, COMPRESSIONS)
        _known("mode", self.mode, MODES)
        if self.pfs is not None:
            _known_group(self.pfs)

    def _check_esp(self) -> None:
        """What ESP may combine: RFC 2410 5, RFC 3686 7, RFC 4303 3.2.3."""
        _known_cipher(self.cipher, ESP_TRANSFORMS, ESP_ALONE)
        _known("integrity algorithm", self.integrity, ("none", *ESP_INTEGRITY))
        cipher, alone = ESP_TRANSFORMS[self.cipher], self.integrity == "none"
        if cipher.authenticates and not alone:
            raise LocalError(f"{self.cipher} protects integrity itself, so integrity is none")
        if cipher.needs_integrity and alone:
            raise LocalError(f"{self.cipher} needs an integrity algorithm")


@dataclass(frozen=True, slots=True)
class RetransmitPolicy:
    """When an unanswered message is sent again (RFC 2408 5.1)."""

    timeout: float = 1.0
    """Seconds to the first repetition."""
    factor: float = 1.8
    """By how much each wait is longer than the one before."""
    tries: int = 5
    """Transmissions in all, after whose last wait the exchange has failed."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that an endpoint knows of one peer."""

    psk: bytes = field(repr=False)
    local_id: Identification
    """IDii or IDir that we send."""
    remote_id: Identification | None
    """The identity that the peer must prove; None accepts any that has the key."""
    phase1: tuple[Phase1Proposal, ...]
    """In order of preference; as responder the peer's order counts."""
    phase2: tuple[Phase2Proposal, ...]
    """In order of preference; all with the same PFS group (RFC 2409 5.5)."""
    local_selector: Identification
    remote_selector: Identification
    retransmit: RetransmitPolicy = RetransmitPolicy()
    nonce_size: int = 32
    """Octets of Ni or Nr, 8 to 256 (RFC 2409 5)."""
    send_client_ids: bool = True
    """Whether Quick Mode names IDci and IDcr; without, the peers themselves are meant."""
    trust_unprotected_errors: bool = True
    """Whether an error notify in the clear ends a Main Mode in progress; it could be forged."""
    dpd: DpdPolicy | None = None
    """Dead peer detection; None neither announces it nor asks."""
    xauth: XauthPolicy | None = None
    """Our part in XAUTH, where a method of phase 1 that is agreed on wants it."""
    mode_config: ModeConfigPolicy | None = None
    """Our part in Mode Config; None goes without."""
    fragmentation: FragmentationPolicy | None = None
    """Fragmentation; None neither announces it nor takes fragments."""
    nat_traversal: NatPolicy | None = None
    """NAT traversal; None neither announces it nor looks for NATs."""
    new_groups: NewGroupPolicy | None = None
    """Our part in New Group Mode; None neither proposes groups nor takes any."""
    acknowledged_deletes: bool = False
    """Whether our Deletes want an answer (draft-ietf-ipsec-ike-01 5.7)."""
    lifetimes: LifetimePolicy | None = None
    """What is done as SAs grow old; None leaves them to their user."""
    responder_lifetime: bool = False
    """Whether we say so as responder where our limits are lower than those agreed on."""
    replay_status: bool | None = None
    """What we say as responder of our replay detection; None says nothing."""
    initial_contact: bool = False
    """Whether we say as initiator that we hold no other SA with the peer."""
    commit: str | None = None
    """Whether we set the commit bit as responder of Quick Mode, and where CONNECTED then travels:
    in an "informational" exchange (RFC 2408 3.1) or as the fourth message of "quick-mode"."""

    initiator_commits: bool = False
    """Whether we set the commit bit as initiator of Quick Mode, and say CONNECTED in an
    "informational" exchange after the third message (RFC 2408 3.1)."""
    phase2_further: tuple[tuple[Phase2Proposal, ...], ...] = ()
    """What further SA payloads of the same Quick Mode offer, each in order of preference; a
    responder takes phase2 for those beyond (RFC 2409 5.5)."""

    exchange: str = "main"
    """The phase 1 exchange that we begin and answer, of EXCHANGES."""
    protect_aggressive_proof: bool = False
    """Whether the third message of Aggressive Mode is encrypted; either is taken (RFC 2409 5)."""
    psk_by_id: tuple[tuple[Identification, bytes], ...] = field(default=(), repr=False)
    """Secrets of peers by identity, before psk; in Main Mode the identity is the address."""

    credentials: Credentials | None = None
    """Keys and certificates; needed by every authentication method but psk."""

    @property
    def phase2_offers(self) -> tuple[tuple[Phase2Proposal, ...], ...]:
        """The proposals of each SA payload of Quick Mode."""
        return (self.phase2, *self.phase2_further)

    def secret_of(self, identity: Identification | None, address: str) -> bytes:
        """The pre-shared key for a peer, by its address where it has not told its identity."""
        if not self.psk_by_id:
            return self.psk
        peer = identity or selector_of_host(address)
        matching = (secret for one, secret in self.psk_by_id if one.is_same(peer))
        return next(matching, self.psk)

    def __post_init__(self) -> None:
        _known("exchange", self.exchange, EXCHANGES)
        if self.exchange == "aggressive":
            self._check_fixed("group", "group_parameters", "auth")
            if self.phase1 and self.phase1[0].auth in ENCRYPTION_METHODS:
                self._check_fixed("cipher", "hash")
        self._check_methods()
        self._check_credentials()
        if not self.phase1 or not self.phase2:
            raise LocalError("at least one proposal is needed in each phase")
        if not all(self.phase2_further) or len(self.phase2_offers) > MOST_SAS:
            raise LocalError(f"Quick Mode takes 1 to {MOST_SAS} SA payloads with proposals")
        if len({one.pfs for proposals in self.phase2_offers for one in proposals}) > 1:
            raise LocalError("all proposals of phase 2 need the same PFS group (RFC 2409 5.5)")

    def _check_methods(self) -> None:
        """Exchanges that begin with a nonce know neither encryption nor hybrid authentication.

        Without keys, as in Authentication Only, there can be no XAUTH either.
        """
        if self.exchange not in _NONCE_FIRST:
            return
        for row in (METHOD_ROWS[one.auth] for one in self.phase1):
            if row.name in ENCRYPTION_METHODS:
                raise LocalError(f"the {self.exchange} exchange has no public key encryption")
            if not row.user_proves or (row.user and self.exchange == _WITHOUT_KEYS):
                raise LocalError(f"the {self.exchange} exchange has no {row.name}")

    def _check_credentials(self) -> None:
        """Keys of the right kind for every method of signatures or encryption that is proposed."""
        methods = [METHOD_ROWS[one.auth] for one in self.phase1]
        for method in methods:
            if method.base in SIGNATURES:
                self._check_signature(SIGNATURES[method.base], mutual=method.user_proves)
        if any(method.name in ENCRYPTION_METHODS for method in methods):
            self._check_encryption()

    def _check_signature(self, row: SignatureRow, *, mutual: bool) -> None:
        """A private key and whom to trust; in hybrid authentication either will do."""
        own = self.credentials
        key = own.private_key if own else None
        if own is None or (mutual and key is None) or (key and not row.fits(key)):
            raise LocalError(f"{row.name} needs credentials with a private key for it")
        if own.peer_key and not row.fits(own.peer_key):
            raise LocalError(f"the configured key of the peer is not one for {row.name}")
        trusts = own.peer_key or own.authorities
        if not trusts and (mutual or key is None):
            raise LocalError(f"{row.name} needs the peer's key or a trusted authority")

    def _check_encryption(self) -> None:
        """RSA keys of both ends, and room for our identity (RFC 2409 5.2)."""
        own = self.credentials
        if own is None or own.private_key is None or not rsa.is_rsa(own.private_key):
            raise LocalError("public key encryption needs credentials with an RSA private key")
        certified = own.peer_certificate.public_key if own.peer_certificate else None
        peer = own.peer_key or certified
        original = any(METHOD_ROWS[one.auth].base == "rsa-enc" for one in self.phase1)
        if peer is None and (original or not own.authorities):
            raise LocalError("public key encryption needs the peer's key or certificate")
        if peer is not None and not rsa.is_rsa(peer):
            raise LocalError("public key encryption needs an RSA key of the peer")
        longest = max(len(self.local_id.data) + 4, self.nonce_size)
        if peer is not None and longest > rsa.capacity(peer):
            raise LocalError("identity or nonce is longer than the peer's key can encrypt")

    def _check_fixed(self, *names: str) -> None:
        """What Aggressive Mode uses before it is agreed cannot be negotiated (RFC 2409 5)."""
        for name in names:
            if len({getattr(proposal, name) for proposal in self.phase1}) > 1:
                raise LocalError(f"Aggressive Mode needs one {name} in all proposals (RFC 2409 5)")
