"""An observation of a cell in which everything went well, for tests to change."""

from __future__ import annotations

import pytest

from conformance.record import ChildSa, EndState, IkeSa, Observation, Traffic


@pytest.fixture
def good() -> Observation:
    """A strongSwan initiates to a Libreswan, AES-128, tunnel mode, no PFS: all is as asked for."""
    return Observation(
        cell="strongswan-5.9.8--libreswan-4.10--main-psk-aes128-sha256-modp2048--esp-aes128-sha256-tunnel-pfs_none",
        combination={
            "exchange": "main",
            "auth": "psk",
            "cipher": "aes128",
            "hash": "sha256",
            "group": "modp2048",
            "pfs": "none",
            "protocol": "esp",
            "esp_cipher": "aes128",
            "esp_integrity": "sha256",
            "esn": "no",
            "mode": "tunnel",
            "family": "ipv4",
            "certificates": "leaf",
            "mode_config": "none",
            "fragmentation": "no",
            "nat": "none",
            "lifetime": "seconds",
            "event": "none",
        },
        initiator=end("strongswan-5.9.8", "initiator", "10.77.0.14"),
        responder=end("libreswan-4.10", "responder", "10.77.0.11"),
        traffic=Traffic(
            forward_seen=3,
            backward_seen=3,
            forward_decrypted=3,
            backward_decrypted=3,
            cleartext_seen=0,
            reason="3 echo requests, read by tshark",
        ),
        deleted=True,
        delete_seen=True,
        alive=True,
    )


def end(peer: str, role: str, address: str) -> EndState:
    """One end of the good cell, with SPIs and selectors as its role has them."""
    inbound, outbound = (0xC1, 0xC2) if role == "initiator" else (0xC2, 0xC1)
    subnets = ("10.78.14.0/24", "10.78.11.0/24")
    local, remote = subnets if role == "initiator" else subnets[::-1]
    return EndState(
        peer=peer,
        role=role,
        address=address,
        process=42,
        version=peer,
        ike=IkeSa(
            cookie_initiator="0102030405060708",
            cookie_responder="a1a2a3a4a5a6a7a8",
            state="established",
            cipher="aes128",
            hash="sha256",
            group="modp2048",
            auth="psk",
        ),
        child=ChildSa(
            spi_in=inbound,
            spi_out=outbound,
            protocol="esp",
            mode="tunnel",
            cipher="aes128",
            integrity="sha256",
            local_selector=local,
            remote_selector=remote,
        ),
    )
