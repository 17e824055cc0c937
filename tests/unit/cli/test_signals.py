"""SIGTERM and SIGHUP end a run as Ctrl-C does, and only while one runs."""

from __future__ import annotations

import os
import signal

import pytest

from dlprof.cli.signals import as_interrupts


def wait_for(number: signal.Signals) -> None:
    with as_interrupts():
        os.kill(os.getpid(), number)
        signal.pause()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_becomes_an_interrupt_and_what_was_before_is_put_back(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt, match=number.name):
            wait_for(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with as_interrupts():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
