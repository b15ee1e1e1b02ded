"""Which exchange phase 1 is, by its configured name, and how it begins (RFC 2409 5, RFC 2408 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ikev1 import rules
from conformance.ikev1.aggressive_mode import AggressiveMode
from conformance.ikev1.authentication_only import AuthenticationOnly
from conformance.ikev1.base_mode import BaseMode
from conformance.ikev1.capabilities import Capabilities
from conformance.ikev1.main_mode import MainMode
from conformance.ikev1.message import NO_COOKIE
from conformance.ikev1.natt import NatTraversal
from conformance.ikev1.state_table import State

if TYPE_CHECKING:
    from conformance.ikev1.context import Address, Context
    from conformance.ikev1.events import Role
    from conformance.ikev1.state_table import Rule

Opening = MainMode | AggressiveMode | BaseMode | AuthenticationOnly
"""Any exchange that makes or could make an ISAKMP SA."""
_OPENINGS: dict[str, tuple[type[Opening], tuple[Rule, ...]]] = {
    "main": (MainMode, rules.MAIN_MODE),
    "aggressive": (AggressiveMode, rules.AGGRESSIVE),
    "base": (BaseMode, rules.BASE),
    "authentication-only": (AuthenticationOnly, rules.AUTHENTICATION_ONLY),
}
"""The exchange and its state table, by configured name."""


def capabilities_of(context: Context) -> Capabilities:
    """What we say of ourselves by Vendor IDs, and look for."""
    nat = context.config.nat_traversal
    traversal = NatTraversal(nat, context.local) if nat and context.local else None
    return Capabilities(context.config, nat=traversal)


def open_phase_1(
    context: Context, role: Role, address: Address, cookie_i: bytes, capabilities: Capabilities
) -> Opening:
    """The configured exchange before its first message."""
    build, table = _OPENINGS[context.config.exchange]
    return build(
        context=context,
        rules=table,
        role=role,
        address=address,
        state=State.EXPECT_SA,
        cookie_i=cookie_i,
        cookie_r=NO_COOKIE,
        capabilities=capabilities,
    )
