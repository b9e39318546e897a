"""Every test starts from the same seed, on one torch thread, and hears Ctrl-C and a hang-up."""

import signal

import numpy as np
import pytest
import torch

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as shells start what runs behind them
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which processes begun here inherit
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # as nohup starts what it runs
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    np.random.seed(0)
