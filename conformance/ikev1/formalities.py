"""What stands between phase 1 and Quick Mode: XAUTH, then Mode Config, from either side.

draft-beaulieu-ike-xauth-02 3, draft-dukes-ike-mode-cfg-02 2. It says what to ask and how to
answer; the association sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.ikev1 import xauth
from conformance.ikev1.constants import ConfigurationType, NotifyType
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import ConfigurationReceived, UserAuthenticated
from conformance.ikev1.mode_config import NUMBERS, answer_request, attributes_of, values_of
from conformance.ikev1.payloads import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.context import Context
    from conformance.ikev1.mode_config import Values

_CHALLENGE_SIZE = 16
_USER, _STATUS = NUMBERS["xauth-user-name"], NUMBERS["xauth-status"]
_XAUTH_NUMBERS = range(NUMBERS["xauth-type"], NUMBERS["xauth-answer"] + 1)


@dataclass(slots=True)
class Formalities:
    """The state of one ISAKMP SA's XAUTH and Mode Config."""

    context: Context
    user_is_us: bool | None
    """Whether we are the user of XAUTH; None without XAUTH."""
    failed: str = ""
    """Why the ISAKMP SA must go; empty while it need not."""
    _proved: bool = False
    _authenticated: bool = field(init=False)
    _configured: bool = field(init=False)
    _verdict: bytes | None = None
    _challenge: bytes = b""
    _user: str = ""

    def __post_init__(self) -> None:
        self._authenticated = self.user_is_us is None
        self._configured = self.context.config.mode_config is None

    @property
    def done(self) -> bool:
        """Whether Quick Mode may begin."""
        return self._authenticated and self._configured and not self.failed

    def next_question(self) -> Configuration | None:
        """What we have to ask or tell now; None while it is the peer's turn, or nothing is left."""
        if self.failed:
            return None
        if not self._authenticated:
            return self._xauth_question() if self.user_is_us is False else None
        policy = self.context.config.mode_config
        if self._configured or policy is None or policy.gateway is not policy.push:
            return None
        kind = ConfigurationType.SET if policy.push else ConfigurationType.REQUEST
        return self._message(kind, policy.values)

    def _xauth_question(self) -> Configuration | None:
        policy = self.context.config.xauth
        if policy is None:
            return None
        if self._verdict is not None:
            return self._message(ConfigurationType.SET, (("xauth-status", self._verdict),))
        self._challenge = policy.challenge or self.context.random(_CHALLENGE_SIZE)
        question = xauth.question(policy.kind, self._challenge)
        return self._message(ConfigurationType.REQUEST, question)

    def _message(self, kind: ConfigurationType, values: Values) -> Configuration:
        identifier = int.from_bytes(self.context.random(2))
        return Configuration(kind, identifier, attributes_of(values))

    # -- as who is asked ------------------------------------------------------------------------

    def answer(self, asked: Configuration) -> Configuration:
        """Our answer; raises PeerError where the question is out of place."""
        extended = any(one.type in _XAUTH_NUMBERS for one in asked.attributes)
        answers: dict[tuple[bool, int], Callable[[Configuration], Values]] = {
            (True, ConfigurationType.REQUEST): self._prove,
            (True, ConfigurationType.SET): self._take_verdict,
            (False, ConfigurationType.REQUEST): self._give,
            (False, ConfigurationType.SET): self._accept,
        }
        values = answers[extended, asked.type](asked)
        return Configuration(asked.type, asked.identifier, attributes_of(values))

    def _prove(self, asked: Configuration) -> Values:
        policy = self.context.config.xauth
        if self.user_is_us is not True or policy is None or self._authenticated:
            raise PeerError(NotifyType.INVALID_EXCHANGE_TYPE, "XAUTH was not agreed with us")
        self._proved = True
        identifier = self.context.random(1)[0]
        return xauth.answer(asked, policy.user, policy.password, identifier)

    def _take_verdict(self, asked: Configuration) -> Values:
        if self.user_is_us is not True or not self._proved or self._authenticated:
            raise PeerError(NotifyType.INVALID_EXCHANGE_TYPE, "XAUTH-STATUS out of place")
        self._end_xauth(asked.value(_STATUS) or xauth.FAIL)
        return (("xauth-status", asked.value(_STATUS) or xauth.FAIL),)

    def _give(self, asked: Configuration) -> Values:
        policy = self._policy(gateway=True, push=False)
        self._configured = True
        return answer_request(asked, policy)

    def _accept(self, asked: Configuration) -> Values:
        self._policy(gateway=False, push=True)
        self._note(asked)
        return tuple((name, b"") for name, _ in values_of(asked) if name in NUMBERS)

    def _policy(self, *, gateway: bool, push: bool) -> Values:
        policy = self.context.config.mode_config
        if policy is None or (policy.gateway, policy.push) != (gateway, push):
            raise PeerError(NotifyType.INVALID_EXCHANGE_TYPE, "Mode Config is not expected so")
        if not self._authenticated:
            raise PeerError(NotifyType.INVALID_EXCHANGE_TYPE, "Mode Config before XAUTH")
        return policy.values

    # -- as who asks ----------------------------------------------------------------------------

    def take(self, asked: Configuration, answered: Configuration) -> None:
        """Go on after an answer."""
        if self._authenticated:
            if asked.type is ConfigurationType.REQUEST:
                self._note(answered)
            self._configured = True
        elif self._verdict is None:
            self._judge(answered)
        else:
            self._end_xauth(self._verdict)

    def _judge(self, reply: Configuration) -> None:
        policy = self.context.config.xauth
        good = policy is not None and xauth.accepts(
            reply, policy.kind, self._challenge, policy.users
        )
        self._user = (reply.value(_USER) or b"").decode("ascii", "backslashreplace")
        self._verdict = xauth.OK if good else xauth.FAIL

    def _end_xauth(self, verdict: bytes) -> None:
        good = verdict == xauth.OK
        self._authenticated = good
        self.failed = "" if good else "XAUTH failed"
        self.context.events.append(UserAuthenticated(self._user, accepted=good))

    def _note(self, configuration: Configuration) -> None:
        self._configured = True
        self.context.events.append(ConfigurationReceived(values_of(configuration)))
