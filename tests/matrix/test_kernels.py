"""Kernels as peers: listed, but no column of the matrix and no container of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.errors import UserError
from conformance.matrix import load_manifests
from conformance.matrix.data_plane import FACTORS
from conformance.matrix.kernels import load_kernels
from conformance.resources import peer_names, peers_root

if TYPE_CHECKING:
    from pathlib import Path


def test_a_kernel_is_no_peer_that_negotiates() -> None:
    kernels = load_kernels(peers_root())
    assert {"linux-6.1", "linux-6.12"} <= kernels.keys()
    assert not kernels.keys() & load_manifests(peers_root()).keys()
    assert not kernels.keys() & set(peer_names())


def test_claims_are_of_factors_of_the_data_plane() -> None:
    for kernel in load_kernels(peers_root()).values():
        assert set(kernel.takes) <= set(FACTORS)
        assert {one.factor for one in kernel.refuses} <= set(FACTORS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "linux-1"\nkind = "linux"\n', "missing required field `version`"),
        (
            'name = "other"\nkind = "linux"\nversion = "1"\ndescription = "x"\n[takes]\n',
            "'other' is not the folder's name",
        ),
    ],
)
def test_a_bad_manifest_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "linux-1").mkdir()
    (tmp_path / "linux-1" / "peer.toml").write_text(text)
    with pytest.raises(UserError, match=words):
        load_kernels(tmp_path)
