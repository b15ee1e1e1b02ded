"""Distinguished and general names in DER: from text, to text, compared (RFC 4514, RFC 5280 7).

The library reads names only within certificates, where IKE sends them alone.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE, _SET, _OID = 0x30, 0x31, 0x06
_LONG_FORM, _MOST_LENGTH_OCTETS = 0x80, 4
_STRINGS = {
    0x0C: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody uses it
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_GENERAL = {0x81: "email", 0x82: "dns", 0xA4: "dn", 0x86: "uri", 0x87: "ip"}
"""Kinds of GeneralName by their tags (RFC 5280 4.2.1.6)."""
_GENERAL_TAGS = {kind: tag for tag, kind in _GENERAL.items()}

_Attribute = tuple[str, str]
_Rdn = tuple[_Attribute, ...]


def name_from_text(text: str) -> bytes:
    """A distinguished name from RFC 4514 text; raises ValueError."""
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a distinguished name (RFC 4514)") from error
    if not name.rdns:
        raise ValueError("an empty distinguished name")
    return name.public_bytes()


def name_text(der: bytes) -> str:
    """A distinguished name as RFC 4514 text; raises ValueError."""
    rdns = [
        x509.RelativeDistinguishedName(
            [x509.NameAttribute(x509.ObjectIdentifier(oid), value) for oid, value in rdn]
        )
        for rdn in _rdns(der)
    ]
    return x509.Name(rdns).rfc4514_string()


def same_name(pattern: bytes, der: bytes) -> bool:
    """Whether two names say the same, a value "*" of the first standing for any.

    Case, repeated spaces and the kind of string do not matter (RFC 5280 7.1). False for octets
    that are no names, unless they are equal.
    """
    if pattern == der:
        return True
    try:
        wanted, found = _normal(pattern), _normal(der)
    except ValueError:
        return False
    if [[oid for oid, _ in one] for one in wanted] != [[oid for oid, _ in one] for one in found]:
        return False
    pairs = (
        (want[1], got[1])
        for one, other in zip(wanted, found, strict=True)
        for want, got in zip(one, other, strict=True)
    )
    return all(want in {"*", got} for want, got in pairs)


def below_name(base: bytes, der: bytes) -> bool:
    """Whether a name begins with all of another; raises ValueError for octets that are none."""
    wanted, found = _normal(base), _normal(der)
    return found[: len(wanted)] == wanted


def general_name(kind: str, text: str) -> bytes:
    """A GeneralName of kind dns, email, uri, ip or dn from text; raises ValueError."""
    values = {
        "ip": lambda: ip_address(text).packed,
        "dn": lambda: name_from_text(text),
    }
    if kind not in _GENERAL_TAGS:
        raise ValueError(f"unknown kind of general name {kind!r}")
    value = values[kind]() if kind in values else text.encode("ascii")
    return bytes([_GENERAL_TAGS[kind]]) + _length(len(value)) + value


def general_parts(der: bytes) -> tuple[str, bytes]:
    """Kind and value of a GeneralName, the value as certificates have it; raises ValueError."""
    tag, body, end = _element(der, 0)
    if end != len(der) or tag not in _GENERAL:
        raise ValueError("not a general name of a known kind")
    return _GENERAL[tag], body


def general_text(der: bytes) -> str:
    """A GeneralName as "kind:text"; raises ValueError."""
    kind, value = general_parts(der)
    if kind == "dn":
        return f"dn:{name_text(value)}"
    return f"{kind}:{ip_address(value) if kind == 'ip' else value.decode('ascii')}"


# -- DER ---------------------------------------------------------------------------------------


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag, contents and end of the element at an offset; raises ValueError."""
    if at + 2 > len(data):
        raise ValueError("truncated DER")
    tag, size, at = data[at], data[at + 1], at + 2
    if size >= _LONG_FORM:
        count = size - _LONG_FORM
        if not 1 <= count <= _MOST_LENGTH_OCTETS or at + count > len(data):
            raise ValueError("a length that is none")
        size, at = int.from_bytes(data[at : at + count]), at + count
    if at + size > len(data):
        raise ValueError("truncated DER")
    return tag, data[at : at + size], at + size


def _elements(data: bytes, tag: int) -> Iterator[bytes]:
    """The contents of consecutive elements, all of one tag; raises ValueError."""
    at = 0
    while at < len(data):
        found, body, at = _element(data, at)
        if found != tag:
            raise ValueError(f"tag {found:#04x} in the place of {tag:#04x}")
        yield body


def _length(size: int) -> bytes:
    if size < _LONG_FORM:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([_LONG_FORM + len(octets)]) + octets


def _rdns(der: bytes) -> list[_Rdn]:
    tag, body, end = _element(der, 0)
    if tag != _SEQUENCE or end != len(der):
        raise ValueError("not a distinguished name")
    return [tuple(map(_attribute, _elements(one, _SEQUENCE))) for one in _elements(body, _SET)]


def _attribute(body: bytes) -> _Attribute:
    tag, oid, at = _element(body, 0)
    kind, value, end = _element(body, at)
    if tag != _OID or kind not in _STRINGS or end != len(body):
        raise ValueError("not an attribute of a name")
    return _dotted(oid), value.decode(_STRINGS[kind])


def _dotted(oid: bytes) -> str:
    numbers, value = list[int](), 0
    for octet in oid:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    if not numbers or oid[-1] & 0x80:
        raise ValueError("an object identifier without an end")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _normal(der: bytes) -> list[_Rdn]:
    return [
        tuple(sorted((oid, " ".join(value.casefold().split())) for oid, value in rdn))
        for rdn in _rdns(der)
    ]
