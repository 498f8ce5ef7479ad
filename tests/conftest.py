"""What all tests share."""

import signal


def pytest_configure(config):
    """Let Ctrl-C interrupt, also where the tests were started in the background, with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
