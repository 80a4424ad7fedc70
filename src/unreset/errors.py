"""The exceptions that a user meets (free of JAX, for deployed policies)."""


class UnresetError(Exception):
    """A mistake that the user can mend; the message says what was wrong and what would be right."""


class Failure(UnresetError):
    """Something that broke a run under way; the message names the last good checkpoint."""
