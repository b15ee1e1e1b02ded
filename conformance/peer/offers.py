"""What a connection may agree on and how it proves itself, in the suite's names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from conformance.crypto.asymmetric import PrivateKey, PublicKey
from conformance.crypto.certificates import Certificate
from conformance.ikev1.config import Phase1Proposal, Phase2Proposal
from conformance.ikev1.credentials import Credentials
from conformance.ikev1.policies import ModeConfigPolicy, XauthPolicy
from conformance.ikev1.policies import XauthRound as Round
from conformance.ikev1.settings import write_setting
from conformance.peer.fields import Fields, build, said

if TYPE_CHECKING:
    from collections.abc import Callable


class Phase1(Fields, frozen=True, kw_only=True):
    """What phase 1 may agree on (RFC 2409 Appendix A)."""

    cipher: str
    hash: str
    group: str
    auth: str = "psk"
    lifetime_seconds: int = 28800
    lifetime_kilobytes: int | None = None
    lifetime_variable: bool = False
    """Whether durations are sent as TLV even where TV would do (RFC 2407 4.5)."""

    def proposal(self) -> Phase1Proposal:
        """As an endpoint takes it; LocalError for unknown names."""
        return build(Phase1Proposal, said(self))


class Phase2(Fields, frozen=True, kw_only=True):
    """What phase 2 may agree on (RFC 2407 4.5)."""

    cipher: str
    integrity: str
    mode: str
    pfs: str | None = None
    """A group; None or ``none`` without one."""
    lifetime_seconds: int = 3600
    protocol: str = "esp"
    """The protocols that protect together, outermost first: ``esp``, ``ah+esp`` ..."""
    lifetime_kilobytes: int | None = None
    lifetime_variable: bool = False
    """Whether durations are sent as TLV even where TV would do (RFC 2407 4.5)."""
    ah_integrity: str = ""
    """Of AH, where it is not ``integrity``."""
    compression: str = ""
    """Of IPComp; "" for deflate."""
    esn: bool = False
    """Whether sequence numbers have 64 bits (RFC 4304)."""

    def proposal(self) -> Phase2Proposal:
        """As an endpoint takes it; LocalError for unknown names."""
        pfs = None if self.pfs == "none" else self.pfs
        return build(Phase2Proposal, said(self) | {"pfs": pfs})


class Certified(Fields, frozen=True, kw_only=True):
    """A certificate, its key and whom to trust; in JSON the octets are base64.

    Certificates and revocation lists are DER, keys are PEM and not encrypted.
    """

    private_key: bytes | None = None
    """None where hybrid authentication lets us prove ourselves by XAUTH alone."""
    certificate: bytes | None = None
    authority: bytes | None = None
    """The one trusted issuer; None where the peer's key is known beforehand."""
    chain: tuple[bytes, ...] = ()
    """What leads from our certificate to an authority, nearest first."""
    crls: tuple[bytes, ...] = ()
    require_crl: bool = False
    """Whether a certificate without a fresh revocation list is refused."""
    peer_key: bytes | None = None
    """The peer's public key; then its certificates do not matter."""
    peer_certificate: bytes | None = None
    """What nonces are encrypted to, with HASH(1) naming it (RFC 2409 5.2)."""
    send: str = "always"
    """When our certificates are sent: ``always``, ``requested`` or ``never``."""
    wrapped: bool = False
    """Whether they travel in one PKCS #7 (RFC 4945 3.3.2)."""

    def __repr__(self) -> str:
        return "Certified(...)"

    def credentials(self) -> Credentials:
        """As an endpoint takes them; raises ValueError for what is no key or certificate."""
        given = {_CORE_NAMES.get(name, name): value for name, value in said(self).items()}
        own = (*filter(None, [given.pop("certificate", None)]), *given.pop("chain", ()))
        read = {name: reader(given[name]) for name, reader in _READERS.items() if name in given}
        certificates = tuple(Certificate.parse(one) for one in own)
        return build(Credentials, given | read | {"certificates": certificates, "clock": time.time})


_CORE_NAMES = {"authority": "authorities", "crls": "revocations"}
"""What the core calls it, where that is another name."""
_READERS: dict[str, Callable[[bytes], object]] = {
    "private_key": PrivateKey.load,
    "peer_key": PublicKey.load,
    "peer_certificate": Certificate.parse,
    "authorities": lambda octets: (Certificate.parse(octets),),
}


class XauthRound(Fields, frozen=True, kw_only=True):
    """One question of the gateway (draft-beaulieu-ike-xauth-02 5 and 6.2)."""

    asks: tuple[str, ...] = ("xauth-user-name", "xauth-user-password")
    """Attribute names; none may stay unanswered."""
    kind: str = "generic"
    challenge: str = ""
    message: str = ""
    """What the user is to read."""
    expects: dict[str, str] = msgspec.field(default_factory=dict)
    """What answers must have, by attribute name; a password is judged by the users."""

    def __repr__(self) -> str:
        return f"XauthRound({self.asks})"

    def round(self) -> Round:
        """As an endpoint takes it; raises LocalError."""
        return Round(
            self.asks,
            self.kind,
            self.challenge.encode(),
            self.message.encode(),
            tuple((name, value.encode()) for name, value in self.expects.items()),
        )


class Xauth(Fields, frozen=True, kw_only=True):
    """Extended authentication, as the user or as the gateway (draft-beaulieu-ike-xauth-02)."""

    user: str = ""
    password: str = ""
    users: dict[str, str] = msgspec.field(default_factory=dict)
    """Gateway: passwords by name."""
    kind: str = "generic"
    """Gateway: what is asked for: ``generic``, ``radius-chap``, ``otp`` ..."""
    challenge: str = ""
    """Gateway: a fixed challenge; "" draws one. OTP needs one in its own form."""
    answers: dict[str, str] = msgspec.field(default_factory=dict)
    """User: what else may be asked for, by attribute name: xauth-passcode, xauth-domain ..."""
    tries: int = 1
    """Gateway: how often a wrong answer may come, in all."""
    trusted: bool = False
    """Gateway: whether phase 1 is enough, so that only the status is told."""
    verdict: str = ""
    """Gateway: what the user is to read with the status."""
    rounds: tuple[XauthRound, ...] = ()
    """Gateway: questions one after the other; none for one of name and password."""

    def __repr__(self) -> str:
        return f"Xauth({self.user!r}, ...)"

    def policy(self) -> XauthPolicy:
        """As an endpoint takes it."""
        octets = {
            name: value.encode()
            for name, value in said(self).items()
            if isinstance(value, str) and name != "kind"
        }
        users = tuple((name.encode(), secret.encode()) for name, secret in self.users.items())
        answers = tuple((name, value.encode()) for name, value in self.answers.items())
        rounds = tuple(one.round() for one in self.rounds)
        read = octets | {"users": users, "answers": answers, "rounds": rounds}
        return build(XauthPolicy, said(self, **read))


class ModeConfig(Fields, frozen=True, kw_only=True):
    """Who configures whom, and who begins (draft-dukes-ike-mode-cfg-02 2)."""

    gateway: bool
    """Whether we tell; else we are told."""
    push: bool = False
    """Whether the gateway begins; else the host asks."""
    values: tuple[tuple[str, str], ...] = ()
    """Names and values that the gateway has, or that the host asks for (then "")."""
    use_address: bool = False
    """Host: whether the address that it is given is its selector of phase 2."""

    def policy(self) -> ModeConfigPolicy:
        """As an endpoint takes it; LocalError for a name or value that is none."""
        values = tuple((name, write_setting(name, text)) for name, text in self.values)
        return build(ModeConfigPolicy, {"push": self.push} | said(self, values=values))
