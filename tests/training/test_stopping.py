from __future__ import annotations

import os
import signal
import threading

import pytest

from sfc_cli.training import stopping
from sfc_cli.training.stopping import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_caught__takes_the_same_request_several_times_for_one(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    request = StopRequest()
    with request.caught():
        for _ in range(3):
            os.kill(os.getpid(), number)
        assert request.number == number
    assert signal.getsignal(number) == before


def test_caught__lets_a_later_request_end_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now)
    with StopRequest().caught():
        os.kill(os.getpid(), signal.SIGTERM)
        now += stopping.GRACE_SECONDS + 1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_caught__leaves_a_closed_terminal_to_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        request = StopRequest()
        with request.caught():
            os.kill(os.getpid(), signal.SIGHUP)
        assert request.number == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_caught__changes_nothing_outside_the_main_thread() -> None:
    entered = []

    def enter() -> None:
        with StopRequest().caught():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]
