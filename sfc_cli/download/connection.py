"""One request and its answer: what is sent, how long we wait, and every failure in plain words."""

from __future__ import annotations

import contextlib
import email.utils
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sfc_cli.download.addresses import (
    address_of,
    confirmed_address,
    describe_page,
    drive_id,
    explain_page,
    split_address,
)
from sfc_cli.version import __version__

if TYPE_CHECKING:
    from requests import Response, Session

CHUNK = 1 << 20
PAGE_LIMIT = 1 << 20
_LONGEST_WAIT = 1e9
RETRIED_STATUS = {408, 425, 429}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often a transfer is tried, and how long it may wait.

    Args:
        tries: Tries in a row without progress before giving up on a source.
        unreachable_tries: The same for a server that cannot be reached at all.
        connect_seconds: The longest wait for a connection.
        read_seconds: The longest wait for the next bytes.
        most_bytes: The most bytes of a body whose length is not declared.
        slowest: Bytes per second, on average over ``read_seconds``, below which a transfer counts as stalled.
        progress: New bytes after which the tries are counted from one again.
        first_pause: Seconds before the second try; each later pause is twice as long.
        longest_pause: Seconds that no pause grows beyond.
        longest_request: The most seconds that a server may ask us to wait; more ends the source.
        sleep: Waits so many seconds.
    """

    tries: int = 6
    unreachable_tries: int = 3
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    most_bytes: int = 16 << 30
    slowest: float = 1024.0
    progress: int = 1 << 20
    first_pause: float = 1.0
    longest_pause: float = 60.0
    longest_request: float = 600.0
    sleep: Callable[[float], None] = time.sleep

    @property
    def answer_seconds(self) -> float:
        """The longest wait for an answer's headers, with all redirects and look-ups of names."""
        return self.connect_seconds + 2 * self.read_seconds

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return min(self.first_pause * 2.0 ** (failures - 1), self.longest_pause)


class TryError(Exception):
    """One try that failed.

    Args:
        reason: What happened.
        tries: How many such failures in a row end the source; 1 if trying again is useless.
        wait: The seconds that the server asks to wait.
    """

    def __init__(self, reason: str, tries: int = 1, wait: float | None = None) -> None:
        super().__init__(reason)
        self.tries = tries
        self.wait = wait


class Connection:
    """Asks web servers for files: follows a few redirects, to http(s) alone, and names this program.

    A context manager that closes its sockets at the end.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._session = self._new_session()

    def _new_session(self) -> Session:
        import requests

        session = requests.Session()
        session.max_redirects = 10
        # A compressed answer has neither a checkable length nor ranges of the file's own bytes.
        session.headers.update({"User-Agent": f"sfc/{__version__}", "Accept-Encoding": "identity"})
        return session

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def open(self, source: str, headers: dict[str, str]) -> Response:
        """Ask for a source's file and return the answer, its body still to come.

        The form that Google Drive shows before a large file is filled in on the way.

        Args:
            source: The source as the catalogue names it.
            headers: The request's own, for the rest of a file.

        Raises:
            TryError: If the answer is not the file, the rest of it, or word (416) that there is no such rest.
        """
        response = self._get(address_of(source), headers)
        page = self._read_page(response)
        if page is not None and drive_id(source) is not None:
            confirmed = confirmed_address(page, response.url)
            if confirmed is not None:
                response = self._get(confirmed, headers)
                page = self._read_page(response)
            if page is not None:
                raise TryError(explain_page(page))
        self._check_status(response)
        if page is not None:
            raise TryError(describe_page(page))
        return response

    def read(self, response: Response) -> Iterator[bytes]:
        """Yield the body of an answer as it arrives.

        Raises:
            TryError: If it breaks, stops or merely trickles.
        """
        import urllib3

        patience = self._patience
        # read1 returns what one receive gave, so that a trickle is seen; urllib3 below 2 lacks it.
        read = getattr(response.raw, "read1", response.raw.read)
        since, count = time.monotonic(), 0
        while True:
            try:
                chunk = read(CHUNK, decode_content=True)
            except urllib3.exceptions.ReadTimeoutError:
                raise TryError(f"nothing arrived for {patience.read_seconds:.0f} s", patience.tries) from None
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise TryError(f"the connection broke ({_last_cause(error)})", patience.tries) from None
            if not chunk:
                return
            yield chunk
            count += len(chunk)
            elapsed = time.monotonic() - since
            if elapsed >= patience.read_seconds:
                if count < patience.slowest * elapsed:
                    raise TryError(f"only {count} bytes arrived in {elapsed:.0f} s", patience.tries)
                since, count = time.monotonic(), 0

    def _get(self, address: str, headers: dict[str, str]) -> Response:
        import requests
        import urllib3

        host, patience = split_address(address).hostname or address[:100], self._patience
        try:
            response = self._answer_in_time(address, headers, host)
            _refuse_downgrade(response)
            return response
        except requests.TooManyRedirects:
            raise TryError(
                f"it redirects in a circle or more than {self._session.max_redirects} times"
            ) from None
        except requests.exceptions.InvalidProxyURL as error:
            raise TryError(f"the address of the proxy is malformed ({error})") from None
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
            if "SOCKS" in str(error):
                raise TryError(
                    f"{host} is to be reached through a SOCKS proxy, which needs PySocks: "
                    "type `pip install 'requests[socks]'`"
                ) from None
            raise TryError(
                f"it redirects to something that is not an http(s) address ({_in_short(error)})"
            ) from None
        except requests.exceptions.SSLError as error:
            raise TryError(
                f"the certificate of {host} is not trusted ({_last_cause(error)}); "
                "if your network has certificates of its own, set $REQUESTS_CA_BUNDLE to their file"
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
        except (ValueError, OverflowError, urllib3.exceptions.HTTPError) as error:
            # A host's name that cannot be encoded, a Location that is no address, headers beyond all sense.
            raise TryError(f"the answer of {host} leads to no http(s) address ({_in_short(error)})") from None

    def _answer_in_time(self, address: str, headers: dict[str, str], host: str) -> Response:
        """Ask in a thread of its own, since time-outs count from byte to byte and never for all headers.

        Raises:
            TryError: If the headers take too long.
            Exception: Whatever the request raises.
        """
        patience, session = self._patience, self._session
        answers: queue.SimpleQueue[Response | Exception] = queue.SimpleQueue()
        is_late = threading.Event()

        def ask() -> None:
            try:
                response = session.get(
                    address,
                    headers=headers,
                    stream=True,
                    timeout=(patience.connect_seconds, patience.read_seconds),
                )
            except Exception as error:
                answers.put(error)
                return
            answers.put(response)
            if is_late.is_set():
                response.close()

        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=patience.answer_seconds)
        except queue.Empty:
            is_late.set()
            self._session = self._new_session()
            raise TryError(
                f"no whole answer from {host} within {patience.answer_seconds:.0f} s",
                patience.unreachable_tries,
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _read_page(self, response: Response) -> str | None:
        """Return the text of a web page, as much as comes in time; None for any other answer."""
        kind = response.headers.get("Content-Type", "").lower()
        if not kind.startswith(("text/html", "application/xhtml")):
            return None
        content, since = b"", time.monotonic()
        with response, contextlib.suppress(TryError):
            for chunk in self.read(response):
                content += chunk
                if len(content) >= PAGE_LIMIT or time.monotonic() - since > self._patience.read_seconds:
                    break
        return content.decode("utf-8", errors="replace")

    def _check_status(self, response: Response) -> None:
        status = response.status_code
        if status in {200, 206} or (status == 416 and "Range" in response.request.headers):
            return
        response.close()
        said = f"the server answers {status} {response.reason or ''}".rstrip()
        if status not in RETRIED_STATUS and status < 500:
            raise TryError(said)
        wait = _asked_wait(response)
        if wait is not None and wait > self._patience.longest_request:
            raise TryError(f"{said} and asks to wait {wait:.0f} s")
        raise TryError(said, self._patience.tries, wait)


def _refuse_downgrade(response: Response) -> None:
    """Make sure that a request that was encrypted is not answered unencrypted.

    Raises:
        TryError: If a redirect led from https to http.
    """
    for earlier in response.history:
        if earlier.url.startswith("https:") and response.url.startswith("http:"):
            response.close()
            raise TryError(f"it redirects from https to the unencrypted {response.url[:200]}")


def _in_short(error: Exception) -> str:
    """Return an error's text in one line that is not too long."""
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:160]}…"


def _asked_wait(response: Response) -> float | None:
    """Return the seconds of a Retry-After header, which gives them or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+", text, re.ASCII):
        return min(float(text), _LONGEST_WAIT)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


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
