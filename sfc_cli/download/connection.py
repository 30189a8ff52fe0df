"""One request and its answer: what is sent, how long it is waited for, and every failure in plain words."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sfc_cli import __version__

if TYPE_CHECKING:
    from requests import Response, Session

CHUNK = 1 << 20
PAGE_LIMIT = 1 << 20
RETRIED_STATUS = {408, 425, 429}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a transfer is kept up.

    Args:
        tries: Tries in a row without progress before a source is given up.
        unreachable_tries: The same for a server that cannot be reached at all.
        connect_seconds: The wait for a connection.
        read_seconds: The wait for the next bytes.
        slowest: Bytes per second, on average over ``read_seconds``, below which a transfer counts as stalled.
        progress: New bytes that make the count of tries start again.
        first_pause: Seconds before the second try; each later pause is twice as long.
        longest_pause: The most seconds that any pause grows to.
        longest_request: The most seconds that a server may ask to wait before the source is given up.
        sleep: What waits.
    """

    tries: int = 6
    unreachable_tries: int = 3
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    slowest: float = 1024.0
    progress: int = 1 << 20
    first_pause: float = 1.0
    longest_pause: float = 60.0
    longest_request: float = 600.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return min(self.first_pause * 2.0 ** (failures - 1), self.longest_pause)


class TryError(Exception):
    """One try that failed.

    Args:
        reason: What happened.
        tries: After how many such failures in a row to give up; 1 if trying again is of no use.
        wait: The seconds that the server asks to wait.
    """

    def __init__(self, reason: str, tries: int = 1, wait: float | None = None) -> None:
        super().__init__(reason)
        self.tries = tries
        self.wait = wait


def open_session() -> Session:
    """Return a session that follows a few redirects, to http(s) alone, and names this program."""
    import requests

    session = requests.Session()
    session.max_redirects = 10
    # A compressed answer has neither a checkable length nor ranges of the file's own bytes.
    session.headers.update({"User-Agent": f"sfc/{__version__}", "Accept-Encoding": "identity"})
    return session


def get(address: str, session: Session, headers: dict[str, str], patience: Patience) -> Response:
    """Ask for an address and return the answer, its body still to come.

    Raises:
        TryError: If no answer came.
    """
    import requests

    host = urlsplit(address).hostname
    try:
        return session.get(
            address,
            headers=headers,
            stream=True,
            timeout=(patience.connect_seconds, patience.read_seconds),
        )
    except requests.TooManyRedirects:
        raise TryError(f"it redirects in a circle or more than {session.max_redirects} times") from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise TryError(f"it redirects to what is not an http(s) address ({error})") from None
    except requests.exceptions.SSLError as error:
        raise TryError(
            f"the certificate of {host} is not trusted ({_last_cause(error)}); "
            "$REQUESTS_CA_BUNDLE may name the file of your network's own"
        ) from None
    except requests.exceptions.ProxyError as error:
        raise TryError(
            f"the proxy for {host} does not answer ({_last_cause(error)})", patience.unreachable_tries
        ) from None
    except requests.ConnectTimeout:
        raise TryError(
            f"no connection to {host} within {patience.connect_seconds:.0f} s", patience.unreachable_tries
        ) from None
    except requests.Timeout:
        raise TryError(
            f"no answer from {host} within {patience.read_seconds:.0f} s", patience.tries
        ) from None
    except requests.RequestException as error:
        if _never_connected(error):
            raise TryError(
                f"{host} cannot be reached ({_last_cause(error)})", patience.unreachable_tries
            ) from None
        raise TryError(f"the connection broke ({_last_cause(error)})", patience.tries) from None


def read_page(response: Response) -> str | None:
    """Return the text of a web page; None if the answer is no page."""
    if not response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        return None
    with response:
        content = b"".join(_take(response.iter_content(1 << 16), PAGE_LIMIT))
    return content.decode("utf-8", errors="replace")


def _take(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    import requests

    taken = 0
    try:
        for chunk in chunks:
            yield chunk
            taken += len(chunk)
            if taken >= limit:
                return
    except requests.RequestException:
        return


def check_status(response: Response, patience: Patience) -> None:
    """Make sure that the answer brings a file or the rest of one, or says that there is no such rest.

    Raises:
        TryError: Saying what the server answers; worth another try if it is overloaded or failing.
    """
    status = response.status_code
    if status in {200, 206} or (status == 416 and "Range" in response.request.headers):
        return
    response.close()
    said = f"the server answers {status} {response.reason or ''}".rstrip()
    if status not in RETRIED_STATUS and status < 500:
        raise TryError(said)
    wait = _asked_wait(response)
    if wait is not None and wait > patience.longest_request:
        raise TryError(f"{said} and asks to wait {wait:.0f} s")
    raise TryError(said, patience.tries, wait)


def _asked_wait(response: Response) -> float | None:
    """Return the seconds of a Retry-After header, which gives them or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def read_chunks(response: Response, patience: Patience) -> Iterator[bytes]:
    """Yield the body as it arrives.

    Raises:
        TryError: If it breaks, stops or merely trickles.
    """
    import urllib3

    # read1 returns what one receive gave, so that a trickle is seen; urllib3 below 2 lacks it.
    read = getattr(response.raw, "read1", response.raw.read)
    since, count = time.monotonic(), 0
    while True:
        try:
            chunk = read(CHUNK, decode_content=True)
        except urllib3.exceptions.ReadTimeoutError:
            raise TryError(f"nothing came for {patience.read_seconds:.0f} s", patience.tries) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TryError(f"the connection broke ({_last_cause(error)})", patience.tries) from None
        if not chunk:
            return
        yield chunk
        count += len(chunk)
        elapsed = time.monotonic() - since
        if elapsed >= patience.read_seconds:
            if count < patience.slowest * elapsed:
                raise TryError(f"only {count} bytes came in {elapsed:.0f} s", patience.tries)
            since, count = time.monotonic(), 0


def _never_connected(error: Exception) -> bool:
    import urllib3

    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _last_cause(error: BaseException) -> str:
    """Return the innermost message of a chain of wrapped errors, without the wrappers' names of objects."""
    text = str(error)
    inside = re.findall(r"\[Errno -?\d+\] ([^'\")]+)", text) or re.findall(r"\(([^()]+)\)", text)
    return " ".join((inside[-1] if inside else text).split())[:120]
