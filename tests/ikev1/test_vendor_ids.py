"""Vendor IDs by name: the digests of the documents that define them, and what transcripts say."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1 import vendor_ids
from conformance.ikev1.config import DpdPolicy
from conformance.ikev1.describe import describe_payload
from conformance.ikev1.events import IsakmpEstablished
from conformance.ikev1.payloads import VendorId
from conformance.ikev1.vendor_ids import VENDOR_IDS, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

# (name, the text whose MD5 it is), for those whose text is published
DIGESTS = [
    ("RFC 3947", "RFC 3947"),
    *((f"draft-ietf-ipsec-nat-t-ike-0{n}",) * 2 for n in range(9)),
    ("draft-ietf-ipsec-nat-t-ike-02\\n", "draft-ietf-ipsec-nat-t-ike-02\n"),
    ("draft-ietf-ipsec-nat-t-ike", "draft-ietf-ipsec-nat-t-ike"),
    ("draft-stenberg-ipsec-nat-t-01", "draft-stenberg-ipsec-nat-traversal-01"),
    ("draft-stenberg-ipsec-nat-t-02", "draft-stenberg-ipsec-nat-traversal-02"),
    ("ESPThruNAT", "ESPThruNAT"),
    ("XAUTH", "draft-ietf-ipsra-isakmp-xauth-06.txt"),
    ("FRAGMENTATION", "FRAGMENTATION"),
    ("strongSwan", "strongSwan"),
    ("KAME/racoon", "KAME/racoon"),
    ("MS NT5 ISAKMPOAKLEY", "MS NT5 ISAKMPOAKLEY"),
    ("MS Vid-Initial-Contact", "Vid-Initial-Contact"),
    ("GSSAPI", "GSSAPI"),
    ("MS IKE CGA version 1", "IKE CGA version 1"),
]


@pytest.mark.covers("vid:{name}", by="vector")
@pytest.mark.parametrize(("name", "text"), DIGESTS, ids=[name for name, _ in DIGESTS])
def test_digest_of_its_text(name: str, text: str) -> None:
    digest = md5(text.encode()).digest()  # noqa: S324 - how these constants are made
    data = VENDOR_IDS[name].data
    assert data == digest[: len(data)]


@pytest.mark.covers("vid:{row.name}", by="self")
@pytest.mark.parametrize("row", VENDOR_IDS.values(), ids=VENDOR_IDS)
def test_known_by_name(row: vendor_ids.VendorIdRow) -> None:
    """An open-ended one is known whatever follows it, any other by exactly its octets."""
    assert name_of(row.data) == row.name
    longer = name_of(row.data + b"\7\0")
    assert longer == row.name if row.open_ended else longer != row.name
    assert name_of(row.data[:-1]) != row.name


@pytest.mark.covers("vid:DPD", "vid:unknown", "payload:VID", by="self")
def test_transcript_names_it() -> None:
    known = describe_payload(VendorId(vendor_ids.DPD))
    assert known == "VID afcad71368a1f1c96b8696fc77570100 (DPD)"
    assert describe_payload(VendorId(b"\1\2")) == "VID 0102"


@pytest.mark.covers("vid:DPD", "payload:VID", by="self")
def test_sent_where_the_feature_is_on(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(initiator={"dpd": DpdPolicy()})
    pair.handshake()
    (heard,), (silent,) = pair.of_responder(IsakmpEstablished), pair.of_initiator(IsakmpEstablished)
    assert (heard.vendor_ids, silent.vendor_ids) == ((vendor_ids.DPD,), ())
