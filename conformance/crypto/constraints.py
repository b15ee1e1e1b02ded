"""Name constraints: which names an authority may vouch for (RFC 5280 4.2.1.10)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from conformance.crypto.certificate import CertificateError
from conformance.crypto.names import below_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from conformance.crypto.certificate import Certificate


class Kind(NamedTuple):
    """How names of one kind lie within a constraint."""

    of: type[x509.GeneralName]
    within: Callable[[Any, Any], bool]
    """A name's value and a constraint's."""


def _dns(name: str, constraint: str) -> bool:
    """The name itself, or with labels before it."""
    name, constraint = name.lower(), constraint.lower().removeprefix(".")
    return not constraint or name == constraint or name.endswith(f".{constraint}")


def _host(name: str, constraint: str) -> bool:
    """A host itself; with a leading dot whatever is below a domain."""
    name, constraint = name.lower(), constraint.lower()
    return name.endswith(constraint) if constraint.startswith(".") else name == constraint


def _email(name: str, constraint: str) -> bool:
    """One mailbox, or those of a host or domain; the local part counts as it is."""
    local, _, host = name.rpartition("@")
    wanted, at, place = constraint.rpartition("@")
    return _host(host, place) and (not at or local == wanted)


def _uri(name: str, constraint: str) -> bool:
    authority = name.partition("://")[2].partition("/")[0]
    return _host(authority.rpartition("@")[2].partition(":")[0], constraint)


def _ip(name: object, constraint: object) -> bool:
    if isinstance(name, IPv4Address) and isinstance(constraint, IPv4Network):
        return name in constraint
    if isinstance(name, IPv6Address) and isinstance(constraint, IPv6Network):
        return name in constraint
    return False


def _directory(name: x509.Name, constraint: x509.Name) -> bool:
    return below_name(constraint.public_bytes(), name.public_bytes())


_KINDS = (
    Kind(x509.DNSName, _dns),
    Kind(x509.RFC822Name, _email),
    Kind(x509.UniformResourceIdentifier, _uri),
    Kind(x509.IPAddress, _ip),
    Kind(x509.DirectoryName, _directory),
)


def check_constraints(authority: Certificate, below: Iterable[Certificate]) -> None:
    """Raise CertificateError where a certificate below an authority has a name it may not have.

    Authorities that issued themselves are no exception, which is stricter than RFC 5280 asks.
    """
    try:
        found = authority.parsed.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return
    permitted, excluded = found.permitted_subtrees or (), found.excluded_subtrees or ()
    known = tuple(kind.of for kind in _KINDS)
    if not all(isinstance(one, known) for one in (*permitted, *excluded)):
        raise CertificateError(f"{authority.name} constrains names of an unknown kind")
    for certificate in below:
        for name in _names(certificate):
            _check(authority, name, permitted, excluded)


def _names(certificate: Certificate) -> list[x509.GeneralName]:
    """Every name of a certificate: subject, alternatives, and without these a mail address."""
    subject, names = certificate.parsed.subject, list(certificate.general_names)
    if not names:
        mails = subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
        names = [x509.RFC822Name(str(one.value)) for one in mails]
    return [x509.DirectoryName(subject), *names] if subject.rdns else names


def _check(
    authority: Certificate,
    name: x509.GeneralName,
    permitted: Sequence[x509.GeneralName],
    excluded: Sequence[x509.GeneralName],
) -> None:
    kind = next((one for one in _KINDS if isinstance(name, one.of)), None)
    if kind is None:
        return
    allowed = [one.value for one in permitted if isinstance(one, kind.of)]
    forbidden = [one.value for one in excluded if isinstance(one, kind.of)]
    fits = not allowed or any(kind.within(name.value, one) for one in allowed)
    if not fits or any(kind.within(name.value, one) for one in forbidden):
        shown = name.value.rfc4514_string() if isinstance(name.value, x509.Name) else name.value
        raise CertificateError(f"{authority.name} may not vouch for {shown} (name constraints)")
