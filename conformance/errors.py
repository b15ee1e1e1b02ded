"""The one error that ends a command with a clear message and exit status 2."""


class UserError(Exception):
    """Something the user can mend: bad input, a missing tool, an engine that does not boot.

    The command line prints ``message``, then ``hint``, and ends with exit status 2.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What went wrong, naming the cause; one sentence."""
        self.hint = hint
        """What to do about it; empty where the message already says so."""
