"""Signatures over HASH_I and HASH_R, one row each (RFC 2409 5.1, RFC 4754, FIPS 186-4).

RSA pads the bare hash, without DigestInfo; DSS and ECDSA signatures are r followed by s.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, NamedTuple

import gmpy2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa, utils

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.asymmetric import PrivateKey, PublicKey
    from conformance.crypto.random import RandomSource


class SignatureRow(NamedTuple):
    """What phase 1 must know of a signature algorithm."""

    name: str
    """The authentication method's name in factors, records and on the command line."""
    hash_name: str | None
    """The hash that the method brings for HASH_I and HASH_R; None for the negotiated one."""
    curve: str
    """The curve's name for ECDSA, otherwise empty."""
    private_type: type
    public_type: type
    sign_hash: Callable[[Any, bytes, RandomSource], bytes]
    verify_hash: Callable[[Any, bytes, bytes], bool]
    explain_signature: Callable[[Any, bytes, bytes], str]

    def fits(self, key: PrivateKey | PublicKey) -> bool:
        """Whether the key is one of this algorithm."""
        library_key: Any = key.key
        if not isinstance(library_key, (self.private_type, self.public_type)):
            return False
        curve = getattr(library_key, "curve", None)
        return not self.curve or (curve is not None and curve.name == self.curve)

    def sign(self, key: PrivateKey, digest: bytes, random: RandomSource) -> bytes:
        """The body of a SIG payload; equal randomness gives equal signatures."""
        return self.sign_hash(key.key, digest, random)

    def verify(self, key: PublicKey, digest: bytes, signature: bytes) -> bool:
        """Whether the signature is that of the digest by this key."""
        return self.verify_hash(key.key, digest, signature)

    def explain(self, key: PublicKey, digest: bytes, signature: bytes) -> str:
        """What is known to be wrong with a signature that does not verify; may be empty."""
        return self.explain_signature(key.key, digest, signature)


# -- RSA --------------------------------------------------------------------------------------


def _rsa_sign(key: rsa.RSAPrivateKey, digest: bytes, random: RandomSource) -> bytes:
    del random  # the padding of a signature is fixed
    return key.sign(digest, padding.PKCS1v15(), utils.NoDigestInfo())


def _rsa_recover(key: rsa.RSAPublicKey, signature: bytes) -> bytes | None:
    try:
        return key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    except (InvalidSignature, ValueError):
        return None


def _rsa_verify(key: rsa.RSAPublicKey, digest: bytes, signature: bytes) -> bool:
    signed = _rsa_recover(key, signature)
    return signed is not None and hmac.compare_digest(signed, digest)


def _rsa_explain(key: rsa.RSAPublicKey, digest: bytes, signature: bytes) -> str:
    if len(signature) != (key.key_size + 7) // 8:
        return f"it has {len(signature)} octets, the modulus has {(key.key_size + 7) // 8}"
    signed = _rsa_recover(key, signature)
    if signed is None:
        return "it is no PKCS #1 block under the peer's key: most likely another key signed"
    if signed.endswith(digest):
        return "it is over a DigestInfo with the hash's OID, not over the bare hash"
    return f"it is over {signed.hex()}"


# -- DSS --------------------------------------------------------------------------------------


def _dsa_size(key: dsa.DSAPrivateKey | dsa.DSAPublicKey) -> int:
    q = key.parameters().parameter_numbers().q
    return (q.bit_length() + 7) // 8


def _dsa_sign(key: dsa.DSAPrivateKey, digest: bytes, random: RandomSource) -> bytes:
    """R and s with k from the injected source: the library draws its own (FIPS 186-4 4.6)."""
    numbers, size = key.private_numbers(), _dsa_size(key)
    group = numbers.public_numbers.parameter_numbers
    z = int.from_bytes(digest[:size])
    while True:
        # Eight octets more than q make the bias of the reduction negligible (FIPS 186-4 B.2.1).
        k = int.from_bytes(random(size + 8)) % (group.q - 1) + 1
        r = int(gmpy2.powmod(group.g, k, group.p)) % group.q
        s = pow(k, -1, group.q) * (z + numbers.x * r) % group.q
        if r and s:
            return r.to_bytes(size) + s.to_bytes(size)


def _der(signature: bytes, size: int) -> bytes:
    """As the library wants it; raises ValueError unless it is r and s of that size."""
    if len(signature) != 2 * size:
        raise ValueError("not r followed by s")
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    return utils.encode_dss_signature(r, s)


def _dsa_verify(key: dsa.DSAPublicKey, digest: bytes, signature: bytes) -> bool:
    try:
        der = _der(signature, _dsa_size(key))
        key.verify(der, digest, utils.Prehashed(hashes.SHA1()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _explain_length(signature: bytes, size: int) -> str:
    if len(signature) == 2 * size:
        return ""
    try:
        utils.decode_dss_signature(signature)
    except ValueError:
        return f"it has {len(signature)} octets, r followed by s have {2 * size}"
    return "it is a DER SEQUENCE, not r followed by s"


def _dsa_explain(key: dsa.DSAPublicKey, digest: bytes, signature: bytes) -> str:
    del digest
    return _explain_length(signature, _dsa_size(key))


# -- ECDSA ------------------------------------------------------------------------------------

_ECDSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


def _ec_size(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> int:
    return (key.curve.key_size + 7) // 8


def _ecdsa_sign(key: ec.EllipticCurvePrivateKey, digest: bytes, random: RandomSource) -> bytes:
    """Deterministic (RFC 6979), so that it needs no randomness and repeats."""
    del random
    prehashed = utils.Prehashed(_ECDSA_HASHES[key.curve.name])
    der = key.sign(digest, ec.ECDSA(prehashed, deterministic_signing=True))
    r, s = utils.decode_dss_signature(der)
    return r.to_bytes(_ec_size(key)) + s.to_bytes(_ec_size(key))


def _ecdsa_verify(key: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> bool:
    prehashed = utils.Prehashed(_ECDSA_HASHES[key.curve.name])
    try:
        key.verify(_der(signature, _ec_size(key)), digest, ec.ECDSA(prehashed))
    except (InvalidSignature, ValueError):
        return False
    return True


def _ecdsa_explain(key: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> str:
    del digest
    return _explain_length(signature, _ec_size(key))


_RSA = (rsa.RSAPrivateKey, rsa.RSAPublicKey, _rsa_sign, _rsa_verify, _rsa_explain)
_DSA = (dsa.DSAPrivateKey, dsa.DSAPublicKey, _dsa_sign, _dsa_verify, _dsa_explain)
_EC = (
    ec.EllipticCurvePrivateKey,
    ec.EllipticCurvePublicKey,
    _ecdsa_sign,
    _ecdsa_verify,
    _ecdsa_explain,
)

# fmt: off
_ROWS = (
    #            name         hash      curve
    SignatureRow("rsa-sig",   None,     "",          *_RSA),
    SignatureRow("dss-sig",   "sha1",   "",          *_DSA),
    SignatureRow("ecdsa-256", "sha256", "secp256r1", *_EC),
    SignatureRow("ecdsa-384", "sha384", "secp384r1", *_EC),
    SignatureRow("ecdsa-521", "sha512", "secp521r1", *_EC),
)
# fmt: on

SIGNATURES = {row.name: row for row in _ROWS}
"""Every signature algorithm by its authentication method's name."""
