"""A peer that is driven by shell commands, which its manifest names: the table ``[script]``."""

from __future__ import annotations

import msgspec


class Reads(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Regular expressions that find in a peer's output what the suite must know."""

    version: str
    """In the output of ``version``; its group is the version."""
    established: str
    """In the output of ``status``, where the connection's IPsec SAs stand."""
    held: str
    """In the output of ``status``, where any SA of the connection is left, whole or half."""
    ike: tuple[str, ...]
    """In the output of ``status``: the groups ``cipher``, ``hash``, ``group`` and ``auth`` are the
    ISAKMP SA's, ``pfs`` the IPsec SAs'; ``cookie_initiator`` and ``cookie_responder``, if told."""
    deleted: str
    """In the log, where a Delete was received."""
    notify: str = ""
    """In the output of ``initiate``; its group is the name of a notify."""
    refused: str = ""
    """In the log; its group is why the peer refused what the other end asked for."""


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shell commands and templates (jinja2), which know a connection by ``name`` and more.

    docs/adding-a-peer.md has the list of what they may use.
    """

    files: dict[str, str]
    """Path in the container -> the template under ``templates/`` that is rendered there, once for
    each connection; the path is a template, too."""
    load: str
    """Run once after files of connections were written: takes them all in."""
    unload: str
    """Run once after files of connections were removed: forgets those."""
    loaded: str = "true"
    """Ends with another status than 0 where the peer did not take the connection; why is its
    output."""
    initiate: str
    """Starts phase 1 and phase 2, and ends when both stand or have failed."""
    terminate: str
    """Deletes the connection's SAs, and tells the other end so."""
    status: str
    """Tells what the peer holds of the connection."""
    version: str
    """Tells the version that runs."""
    reset: str
    """Forgets every connection and every SA; the daemon goes on."""
    reads: Reads
    """How the output of these is read."""
    words: dict[str, dict[str, str]] = {}
    """Factor -> level -> the peer's own word, for templates; other levels are words themselves."""
    told: dict[str, dict[str, str]] = {}
    """Factor -> what ``reads.ike`` finds -> level; those of ``pfs`` are those of ``group``."""
    without_words: dict[str, str] = {}
    """Factor -> why the peer cannot be asked for those of its levels that it does not claim."""
