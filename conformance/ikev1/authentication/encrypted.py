"""Authentication with public key encryption, original and revised (RFC 2409 5.2, 5.3)."""

from __future__ import annotations

import hmac
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.crypto import rsa
from conformance.crypto.certificates import CertificateError
from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.prf import digest
from conformance.ikev1 import certificates, diagnose, keys
from conformance.ikev1.authentication.base import Method
from conformance.ikev1.authentication.pre_shared import check_hash, write_hash
from conformance.ikev1.authentication.signed import credentials_of, own_key
from conformance.ikev1.buffer import Reader
from conformance.ikev1.constants import NotifyType, PayloadType
from conformance.ikev1.errors import DecodeError, Divergence, PeerError
from conformance.ikev1.events import Role
from conformance.ikev1.key_exchange import check_nonce
from conformance.ikev1.message import CipherState, write_body
from conformance.ikev1.payloads import CertificatePayload, Hash, KeyExchange, Nonce, OpaquePayload

if TYPE_CHECKING:
    from conformance.crypto.asymmetric import PublicKey
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload
    from conformance.ikev1.phase_1 import Phase1


def _decrypted(phase_1: Phase1, name: str, body: bytes) -> bytes:
    """A body that was encrypted to us; raises PeerError."""
    try:
        return rsa.decrypt(own_key(phase_1), body)
    except ValueError as error:
        raise PeerError(
            NotifyType.INVALID_KEY_INFORMATION,
            f"{name} is not encrypted to our key",
            Divergence(name, "a block of our modulus' length", f"{len(body)} octets"),
            fatal=True,
        ) from error


def _encrypted(phase_1: Phase1, body: bytes) -> bytes:
    """A body that is encrypted to the peer; raises PeerError where its key is too short."""
    try:
        return rsa.encrypt(_peer_key(phase_1), body, phase_1.context.random)
    except ValueError as error:
        reason = f"the peer's key is too short: {error}"
        raise PeerError(NotifyType.INVALID_KEY_INFORMATION, reason, fatal=True) from error


def _peer_key(phase_1: Phase1) -> PublicKey:
    """The configured key of the peer, or that of the certificate which it sent."""
    credentials = credentials_of(phase_1)
    if credentials.peer_key is not None:
        return credentials.peer_key
    certificate = credentials.peer_certificate or phase_1.peer_certificate
    if certificate is None:
        raise PeerError(
            NotifyType.CERTIFICATE_UNAVAILABLE,
            "the peer's public key is not known, and it sent no certificate",
            fatal=True,
        )
    return certificate.public_key


@dataclass(frozen=True, slots=True)
class EncryptionMethod(Method):
    """Nonce and identity are encrypted to the peer, who proves by its HASH that it read them."""

    identity_with_keys: ClassVar[bool] = True
    silence: ClassVar[str] = "a peer that cannot decrypt our nonce may stay silent"
    other_skeyid: ClassVar[str] = "most likely a nonce that was decrypted with another key"

    def skeyid(self, phase_1: Phase1, g_xy: bytes) -> bytes:
        """SKEYID = prf(hash(Ni_b | Nr_b), CKY-I | CKY-R)."""
        del g_xy
        nonces = (phase_1.nonce_i, phase_1.nonce_r)
        cookies = (phase_1.cookie_i, phase_1.cookie_r)
        return keys.skeyid_encryption(phase_1.proposal.hash, *nonces, *cookies)

    def write_keys(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """HASH(1) where a certificate is known, then what the variant encrypts."""
        key_exchange, nonce = phase_1.draw_key_exchange()
        certificate = credentials_of(phase_1).peer_certificate
        named: tuple[Payload, ...] = ()
        if certificate is not None and phase_1.role is Role.INITIATOR:
            named = (Hash(digest(phase_1.proposal.hash, certificate.der)),)
        return (*named, *self.encrypt(phase_1, key_exchange, nonce))

    def read_keys(self, phase_1: Phase1, message: Message) -> None:
        """Decrypt KE, nonce and identity, if HASH(1) names a certificate of ours."""
        if phase_1.role is Role.RESPONDER:
            self._check_certificate(phase_1, message)
        self.decrypt(phase_1, message)

    def write_proof(self, phase_1: Phase1) -> tuple[Payload, ...]:
        """HASH_I or HASH_R."""
        return write_hash(phase_1)

    def check_proof(self, phase_1: Phase1, message: Message) -> None:
        """The peer's HASH_I or HASH_R."""
        check_hash(phase_1, message)

    @abstractmethod
    def encrypt(
        self, phase_1: Phase1, key_exchange: KeyExchange, nonce: Nonce
    ) -> tuple[Payload, ...]:
        """The payloads that carry KE, nonce and our identity."""

    @abstractmethod
    def decrypt(self, phase_1: Phase1, message: Message) -> None:
        """Remember the peer's KE, nonce and identity; raises PeerError."""

    def _check_certificate(self, phase_1: Phase1, message: Message) -> None:
        own = credentials_of(phase_1).certificates
        known = [digest(phase_1.proposal.hash, one.der) for one in own]
        for got in message.all(Hash):
            if not any(hmac.compare_digest(got.data, one) for one in known):
                expected = " or ".join(one.hex() for one in known) or "the hash of no certificate"
                raise PeerError(
                    NotifyType.INVALID_HASH_INFORMATION,
                    "HASH(1) names no certificate of ours",
                    Divergence("HASH(1)", expected, got.data.hex()),
                    fatal=True,
                )


@dataclass(frozen=True, slots=True)
class PublicKeyEncryption(EncryptionMethod):
    """Both bodies are encrypted with the peer's RSA key (RFC 2409 5.2)."""

    family: ClassVar[str] = "enc"

    def encrypt(
        self, phase_1: Phase1, key_exchange: KeyExchange, nonce: Nonce
    ) -> tuple[Payload, ...]:
        """KE, <ID_b>PubKey, <N_b>PubKey."""
        identity = _encrypted(phase_1, write_body(phase_1.context.config.local_id))
        sealed = _encrypted(phase_1, nonce.data)
        return (
            key_exchange,
            OpaquePayload(PayloadType.ID, identity),
            OpaquePayload(PayloadType.NONCE, sealed),
        )

    def decrypt(self, phase_1: Phase1, message: Message) -> None:
        """KE in the clear, the other two with our private key."""
        nonce = _decrypted(phase_1, "nonce", message.body(PayloadType.NONCE))
        phase_1.note_key_exchange(message.one(KeyExchange).data, check_nonce(nonce))
        phase_1.peer_identity = _decrypted(phase_1, "identity", message.body(PayloadType.ID))


@dataclass(frozen=True, slots=True)
class RevisedEncryption(EncryptionMethod):
    """The nonce alone is encrypted with RSA; a key made of it encrypts the rest (RFC 2409 5.3)."""

    family: ClassVar[str] = "rev"

    def encrypt(
        self, phase_1: Phase1, key_exchange: KeyExchange, nonce: Nonce
    ) -> tuple[Payload, ...]:
        """<N_b>PubKey, <KE_b>Ke, <ID_b>Ke, of the initiator also <Cert-I_b>Ke."""
        bodies: list[Payload] = [key_exchange, phase_1.context.config.local_id]
        if phase_1.role is Role.INITIATOR:
            bodies += certificates.own_certificates(credentials_of(phase_1), ())
        state = _ephemeral(phase_1, phase_1.role, nonce.data)
        sealed: list[Payload] = [OpaquePayload(PayloadType.NONCE, _encrypted(phase_1, nonce.data))]
        for body in bodies:
            data, state = state.encrypt(_padded(write_body(body), state.block_size))
            sealed.append(OpaquePayload(body.payload_type, data))
        return tuple(sealed)

    def decrypt(self, phase_1: Phase1, message: Message) -> None:
        """The nonce with our private key, then what follows it, in its order."""
        types = [one.payload_type for one in message.payloads]
        kept = [one for one in types if one not in {PayloadType.SA, PayloadType.HASH}]
        if kept[0] is not PayloadType.NONCE:
            reason = "the encrypted nonce must come first"
            raise PeerError(NotifyType.PAYLOAD_MALFORMED, reason, fatal=True)
        nonce = check_nonce(_decrypted(phase_1, "nonce", message.body(PayloadType.NONCE)))
        state, found = _ephemeral(phase_1, phase_1.peer_role, nonce), []
        for payload_type, body in zip(types, message.bodies, strict=True):
            if payload_type in _SEALED:
                plain, state = _unsealed(state, payload_type, body)
                found.append((payload_type, plain))
        bodies = dict(reversed(found))
        phase_1.note_key_exchange(bodies[PayloadType.KE], nonce)
        phase_1.peer_identity = bodies[PayloadType.ID]
        self._take_certificate(phase_1, [one for kind, one in found if kind is PayloadType.CERT])

    def _take_certificate(self, phase_1: Phase1, bodies: list[bytes]) -> None:
        credentials = credentials_of(phase_1)
        if credentials.peer_key or credentials.peer_certificate or not bodies:
            return
        try:
            payloads = [CertificatePayload.parse(Reader(body)) for body in bodies]
        except DecodeError as error:
            raise PeerError(error.notify, error.reason, fatal=True) from error
        leaf = certificates.take_certificate(
            credentials,
            payloads,
            diagnose.read_identity(phase_1.peer_identity),
            phase_1.peer_identity_name,
            encipherment=True,
        )
        try:
            usable = rsa.is_rsa(leaf.public_key)
        except CertificateError as error:
            raise certificates.refused(error) from error
        if not usable:
            reason = "the certificate's key is not one for RSA encryption"
            raise PeerError(NotifyType.INVALID_CERTIFICATE, reason, fatal=True)
        phase_1.peer_certificate = leaf


_SEALED = (PayloadType.KE, PayloadType.ID, PayloadType.CERT)


def _ephemeral(phase_1: Phase1, sender: Role, nonce: bytes) -> CipherState:
    """Ke_i or Ke_r with an IV of zeros."""
    cookie = phase_1.cookie_i if sender is Role.INITIATOR else phase_1.cookie_r
    cipher = CIPHERS[phase_1.proposal.cipher]
    key = keys.ephemeral_key(phase_1.proposal.hash, nonce, cookie, cipher.key_size)
    return CipherState(cipher.name, key, bytes(cipher.block_size))


def _padded(body: bytes, block_size: int) -> bytes:
    """Always padding: zeros, and how many of them in the last octet."""
    zeros = -(len(body) + 1) % block_size
    return body + bytes(zeros) + bytes([zeros])


def _unsealed(
    state: CipherState, payload_type: PayloadType, body: bytes
) -> tuple[bytes, CipherState]:
    """A body without its padding, and the state for the next; raises PeerError."""
    try:
        plain, following = state.decrypt(body)
    except DecodeError as error:
        raise PeerError(error.notify, error.reason, fatal=True) from error
    zeros = plain[-1]
    if zeros >= len(plain) or any(plain[len(plain) - 1 - zeros : -1]):
        name = f"padding of {payload_type.label}"
        raise PeerError(
            NotifyType.PAYLOAD_MALFORMED,
            f"the {name} is not that of RFC 2409 5.3",
            Divergence(name, "zeros and their number", plain[-state.block_size :].hex()),
            fatal=True,
        )
    return plain[: len(plain) - 1 - zeros], following
