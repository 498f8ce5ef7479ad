"""Execute a notebook, from standard input to standard output, up to the first cell that fails.

In a process of its own: the event loops and sockets of a kernel's client live until the end of the process, and pytest
would take them for leaks.
"""

import contextlib
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

SECONDS = 120  # for a cell


def main(folder):
    notebook = nbformat.reads(sys.stdin.read(), as_version=4)
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(notebook, timeout=SECONDS, extra_arguments=quiet, resources={"metadata": {"path": folder}})
    with contextlib.suppress(CellExecutionError):  # the error is among the outputs
        client.execute()
    sys.stdout.write(nbformat.writes(notebook))


if __name__ == "__main__":
    main(sys.argv[1])
