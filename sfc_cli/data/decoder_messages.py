"""What libjpeg prints while it decodes a damaged file: no name, and no other sign of the damage."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

_FROM_LIBJPEG = re.compile(
    r"^(Corrupt JPEG data|Premature end|Invalid SOS|Warning: unknown JFIF).*$", re.MULTILINE
)
# A few bytes too many before a segment are padding; hundreds are the part of the picture that got lost.
_HARMLESS = re.compile(r"data: 1?\d extraneous bytes before marker|unknown JFIF")


@contextlib.contextmanager
def captured_damage() -> Iterator[list[str]]:
    """Collect what libjpeg says of damage on standard error; whatever else is written there goes there.

    Yields:
        A list, which is filled when the context ends.
    """
    found: list[str] = []
    try:
        terminal = os.dup(2)
    # A process without standard error prints nothing either.
    except OSError:
        yield found
        return
    with tempfile.TemporaryFile() as file:
        try:
            os.dup2(file.fileno(), 2)
            yield found
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            if file.seek(0, os.SEEK_END):
                file.seek(0)
                text = file.read().decode("utf-8", "replace")
                lines = [match[0] for match in _FROM_LIBJPEG.finditer(text)]
                found += [line for line in lines if not _HARMLESS.search(line)]
                if rest := _FROM_LIBJPEG.sub("", text).strip("\n"):
                    os.write(2, rest.encode() + b"\n")
