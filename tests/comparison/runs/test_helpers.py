"""Processes that help: one that is killed is told apart from an interrupt of all."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from hso.comparison.runs.helpers import deal_shares, end_with_parent, wait_for
from hso.errors import HSOError


def broken():
    share = Future()
    share.set_exception(BrokenProcessPool())
    return share


class BrokenPool:
    def submit(self, *_):
        raise BrokenProcessPool


def test_a_killed_helper_is_one_line():
    with pytest.raises(HSOError, match="one of the processes was killed"):
        wait_for([broken()])
    with pytest.raises(HSOError, match="one of the processes was killed"):
        deal_shares(BrokenPool(), 1, None, None)


def test_an_interrupt_that_ends_a_helper_first_is_an_interrupt():
    # The runner may ignore interrupts.
    own = signal.signal(signal.SIGINT, signal.default_int_handler)
    late = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    late.start()
    with pytest.raises(KeyboardInterrupt):
        wait_for([broken()])
    late.join()
    signal.signal(signal.SIGINT, own)


@pytest.mark.parametrize(
    ("before", "after"), [(signal.SIG_IGN, signal.SIG_IGN), (signal.default_int_handler, signal.SIG_DFL)]
)
def test_a_helper_ignores_interrupts_only_where_the_process_that_started_it_does(before, after):
    own = signal.signal(signal.SIGINT, before)
    try:
        end_with_parent()
        assert signal.getsignal(signal.SIGINT) == after
    finally:
        signal.signal(signal.SIGINT, own)
