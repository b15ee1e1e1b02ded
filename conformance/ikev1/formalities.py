"""What stands between phase 1 and Quick Mode: XAUTH, then Mode Config, from either side.

draft-beaulieu-ike-xauth-02 3, draft-dukes-ike-mode-cfg-02 2. It says what to ask and how to
answer; the association sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from conformance.ikev1 import xauth
from conformance.ikev1.constants import ConfigurationType, NotifyType
from conformance.ikev1.errors import LocalError, PeerError
from conformance.ikev1.events import ConfigurationReceived, UserAuthenticated
from conformance.ikev1.mode_config import (
    NUMBERS,
    address_of,
    answer_request,
    attributes_of,
    values_of,
)
from conformance.ikev1.payloads import Configuration, Identification
from conformance.ikev1.settings import read_settings, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.context import Context
    from conformance.ikev1.mode_config import Values
    from conformance.ikev1.policies import XauthPolicy

_CHALLENGE_SIZE = 16
_XAUTH_NUMBERS = range(NUMBERS["xauth-type"], NUMBERS["xauth-answer"] + 1)


@dataclass(slots=True)
class Formalities:
    """The state of one ISAKMP SA's XAUTH and Mode Config."""

    context: Context
    user_is_us: bool | None
    """Whether we are the user of XAUTH; None without XAUTH."""
    failed: str = ""
    """Why the ISAKMP SA must go; empty while it need not."""
    _authenticated: bool = field(init=False)
    _configured: bool = field(init=False)
    _verdict: bytes | None = None
    _challenge: bytes = field(default=b"", repr=False)
    _user: bytes = b""
    _answered: int = 0
    """Rounds that the user answered well."""
    _refused: int = 0
    """Answers that were wrong."""
    _messages: tuple[str, ...] = ()
    _answers: Values = field(default=(), repr=False)

    def __post_init__(self) -> None:
        self._authenticated = self.user_is_us is None
        self._configured = self.context.config.mode_config is None

    @property
    def done(self) -> bool:
        """Whether Quick Mode may begin."""
        return self._authenticated and self._configured and not self.failed

    def begin_again(self) -> None:
        """The gateway wants XAUTH anew; raises LocalError where we are no gateway of it (6)."""
        if self.user_is_us is not False:
            raise LocalError("there is no user whom we could ask")
        self._authenticated, self._verdict = False, None
        self._answered = self._refused = 0
        self._answers = ()

    def next_question(self) -> Configuration | None:
        """What we have to ask or tell now; None while it is the peer's turn, or nothing is left."""
        if self.failed:
            return None
        if not self._authenticated:
            policy = self.context.config.xauth
            return self._xauth_question(policy) if policy and self.user_is_us is False else None
        mode_config = self.context.config.mode_config
        if self._configured or mode_config is None or mode_config.gateway is not mode_config.push:
            return None
        kind = ConfigurationType.SET if mode_config.push else ConfigurationType.REQUEST
        identifier = int.from_bytes(self.context.random(2))
        return Configuration(kind, identifier, attributes_of(mode_config.values))

    def _xauth_question(self, policy: XauthPolicy) -> Configuration:
        """The next round, or how it ended, all under one identifier (6)."""
        if policy.trusted:
            self._verdict = xauth.OK
        if self._verdict is not None:
            said = (("xauth-message", policy.verdict),) if policy.verdict else ()
            kind, values = ConfigurationType.SET, (("xauth-status", self._verdict), *said)
        else:
            asked = policy.questions[self._answered]
            self._challenge = asked.challenge or self.context.random(_CHALLENGE_SIZE)
            kind, values = ConfigurationType.REQUEST, xauth.question(asked, self._challenge)
        return Configuration(kind, policy.identifier, attributes_of(values))

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
        if self.user_is_us is not True or policy is None:
            raise PeerError(NotifyType.INVALID_EXCHANGE_TYPE, "XAUTH was not agreed with us")
        if self._authenticated:  # the gateway may ask again at any time (6)
            self._authenticated, self._messages = False, ()
        self._read(asked)
        values = xauth.answer(asked, policy, self.context.random(1)[0])
        if ("xauth-status", xauth.FAIL) in values:
            self._end_xauth(xauth.FAIL)
        return values

    def _take_verdict(self, asked: Configuration) -> Values:
        """Also without a question before it: then phase 1 was enough for the gateway (5.5)."""
        if self.user_is_us is not True:
            raise PeerError(NotifyType.INVALID_EXCHANGE_TYPE, "XAUTH-STATUS out of place")
        status = asked.value(xauth.STATUS)
        if status is None:
            raise PeerError(NotifyType.PAYLOAD_MALFORMED, "XAUTH-STATUS missing")
        self._read(asked)
        self._end_xauth(status)
        return (("xauth-status", status),)

    def _read(self, configuration: Configuration) -> None:
        if message := xauth.message_of(configuration):
            self._messages += (message,)

    def _give(self, asked: Configuration) -> Values:
        values = answer_request(asked, self._policy(gateway=True, push=False))
        self._configured = True
        self._use_address(values)
        return values

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
            else:
                self._use_address(values_of(asked))
            self._configured = True
        elif self._verdict is not None:
            self._end_xauth(self._verdict)
        elif xauth.gives_up(answered):
            self._end_xauth(xauth.FAIL)
        else:
            self._judge(answered)

    def _judge(self, reply: Configuration) -> None:
        """Go on to the next round, or to another try, or to the verdict (6)."""
        policy = self.context.config.xauth
        if policy is None:
            return
        asked = policy.questions[self._answered]
        self._user = reply.value(xauth.USER) or self._user
        if xauth.accepts(reply, asked, self._challenge, self._user, policy.users):
            self._answers += xauth.told(reply, asked)
            self._answered += 1
            if self._answered == len(policy.questions):
                self._verdict = xauth.OK
        else:
            self._refused += 1
            if self._refused >= policy.tries:
                self._verdict = xauth.FAIL

    def _end_xauth(self, verdict: bytes) -> None:
        good = int.from_bytes(verdict) == int.from_bytes(xauth.OK)
        self._authenticated = good
        self.failed = "" if good else "XAUTH failed"
        self.context.events.append(
            UserAuthenticated(
                text_of(self._user), accepted=good, messages=self._messages, answers=self._answers
            )
        )

    def _note(self, configuration: Configuration) -> None:
        values = values_of(configuration)
        self._configured = True
        self.context.events.append(ConfigurationReceived(values, read_settings(values)))
        self._use_address(values)

    def _use_address(self, values: Values) -> None:
        """From now on Quick Mode speaks for the host's address, at both ends."""
        config = self.context.config
        policy, address = config.mode_config, address_of(values)
        if policy is None or not policy.use_address:
            return
        if address is None:
            self.failed = "no address was assigned"
            return
        host = Identification.selector(str(address))
        self.context.config = (
            replace(config, remote_selector=host)
            if policy.gateway
            else replace(config, local_selector=host)
        )
