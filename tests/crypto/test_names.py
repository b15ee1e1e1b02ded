"""Names in DER: from text and back, compared, and octets that are none."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from conformance.crypto import names

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = "CN=host.example.net,O=Example,C=CH"
# SEQUENCE of SET of SEQUENCE of OID 2.5.4.n and a string: most general attribute first.
EXAMPLE_DER = bytes.fromhex(
    "303a310b300906035504061302434831"
    "10300e060355040a0c074578616d706c6531"
    "19301706035504030c10686f73742e6578616d706c652e6e6574"
)


def test_a_name_as_the_rfc_draws_it() -> None:
    assert names.name_from_text(EXAMPLE) == EXAMPLE_DER
    assert names.name_text(EXAMPLE_DER) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    ["CN=a", "CN=a+OU=b,O=c", r"CN=a\, b\+c,O=d", "1.2.3.4=x,CN=y", "CN=Jürg Mürrlé,O=É", "DC=net"],
)
def test_round_trip(text: str) -> None:
    assert names.name_text(names.name_from_text(text)) == text


@pytest.mark.parametrize("text", ["", "CN", "CN=a,,O=b", "nonsense=x"])
def test_text_that_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match="distinguished name"):
        names.name_from_text(text)


SAME = [
    ("CN=a,O=b", "CN=a,O=b", True),
    ("CN=a,O=b", "CN=A,O=B", True),
    ("CN=a  b,O=c", "CN=a b,O=c", True),
    ("CN=*,O=b", "CN=whoever,O=b", True),
    ("CN=*,O=b", "CN=whoever,O=other", False),
    ("CN=a,O=b", "O=b,CN=a", False),
    ("CN=a,O=b", "CN=a", False),
    ("CN=a", "CN=a,O=b", False),
    ("CN=a", "CN=*", False),
    ("CN=a+OU=b", "OU=b+CN=a", True),
]


@pytest.mark.parametrize(("pattern", "other", "same"), SAME)
def test_comparison(pattern: str, other: str, *, same: bool) -> None:
    """RFC 5280 7.1; only what is expected may have an asterisk."""
    ders = [names.name_from_text(text) for text in (pattern, other)]
    assert names.same_name(*ders) is same


@pytest.mark.parametrize("kind", [12, 19, 20, 22, 28, 30])
def test_every_kind_of_string(kind: int) -> None:
    """PrintableString and the others say the same as UTF8String."""
    types = {one.value: one for one in x509.name._ASN1Type}  # noqa: SLF001 (to make such names)
    attribute = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example", _type=types[kind])
    der = x509.Name([attribute]).public_bytes()
    assert names.name_text(der) == "O=Example"
    assert names.same_name(der, names.name_from_text("O=example"))


GENERAL = [
    ("dns", "host.example.net", "8210686f73742e6578616d706c652e6e6574"),
    ("email", "me@example.net", "810e6d65406578616d706c652e6e6574"),
    ("uri", "x:y", "8603783a79"),
    ("ip", "10.0.0.1", "87040a000001"),
    ("ip", "2001:db8::1", "871020010db8000000000000000000000001"),
    ("dn", "CN=a", "a40e300c310a300806035504030c0161"),
]


@pytest.mark.parametrize(("kind", "text", "der"), GENERAL)
def test_general_names(kind: str, text: str, der: str) -> None:
    """RFC 5280 4.2.1.6; a name within is tagged explicitly."""
    made = names.general_name(kind, text)
    assert made.hex() == der
    assert names.general_text(made) == f"{kind}:{text}"


def test_a_long_general_name() -> None:
    text = "a" * 300
    assert names.general_text(names.general_name("dns", text)) == f"dns:{text}"


def test_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        names.general_name("dnsx", "a")


@pytest.mark.parametrize("read", [names.name_text, names.general_text])
@given(data=st.binary(max_size=60))
def test_no_octets_raise_anything_else(read: Callable[[bytes], str], data: bytes) -> None:
    with suppress(ValueError):
        read(data)
    names.same_name(data, EXAMPLE_DER)


def test_every_truncation_and_change() -> None:
    for index in range(len(EXAMPLE_DER)):
        with pytest.raises(ValueError, match=r"."):
            names.name_text(EXAMPLE_DER[:index])
        for bit in range(8):
            changed = bytearray(EXAMPLE_DER)
            changed[index] ^= 1 << bit
            with suppress(ValueError):
                assert names.name_text(bytes(changed)) != ""
