"""Standard streams that may be closed, or close at any time: nothing may be lost by that."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_NOBODY = (errno.EPIPE, errno.EIO, errno.EBADF)  # who read it, such as head or a terminal, has left


class Forgiving:
    """A text stream that takes everything, also when what is behind it takes nothing any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | ValueError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except UnicodeEncodeError as error:  # a character that a terminal does not know
            self._stream.write(text.encode(error.encoding, "backslashreplace").decode())
        except (OSError, ValueError) as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    @property
    def unwritten(self) -> str | None:
        """Why something that somebody wants to read was not written."""
        if self.error is None or getattr(self.error, "errno", None) in _NOBODY:
            return None
        return str(getattr(self.error, "strerror", None) or self.error)

    def _lose(self, error: OSError | ValueError) -> None:
        """Remember the first error; what comes and what is in its buffer goes nowhere."""
        self.error = self.error or error
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def forgiving() -> Iterator[Forgiving]:
    """Make the standard output and the standard error forgiving; yields the output.

    Streams that were closed from the start are opened to nowhere, so that no file takes their
    numbers and is written to by a library that prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    before = sys.stdin, sys.stdout, sys.stderr
    with contextlib.ExitStack() as opened:

        def there(stream: TextIO | None, mode: str) -> Any:
            return stream or opened.enter_context(open(os.devnull, mode))

        output, errors = (Forgiving(there(stream, "w")) for stream in before[1:])
        sys.stdin, sys.stdout, sys.stderr = there(before[0], "r"), output, errors
        try:
            yield output
        finally:
            output.flush()
            errors.flush()
            sys.stdin, sys.stdout, sys.stderr = before
