"""The thread that reads a server's answer."""

import io
import threading
import urllib.error
import urllib.request

import pytest

from mlp.data.download.answer import answer_to


@pytest.mark.parametrize("waits", [True, False])
def test_an_error_of_the_server_is_closed_whether_or_not_somebody_waits_for_it(monkeypatch, waits):
    body, left, errors = io.BytesIO(b"no such file"), threading.Event(), []

    def refuse(request, timeout):
        assert waits or left.wait(60)
        errors.append(urllib.error.HTTPError(request.full_url, 404, "Not Found", {}, body))
        raise errors[0]  # it is kept: otherwise Python itself closes it

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr("mlp.data.download.answer.PATIENCE", 60.0 if waits else 0.1)
    answer = answer_to("http://127.0.0.1/file", {}, 0.05)
    with pytest.raises(urllib.error.HTTPError if waits else TimeoutError, match="404|nothing whole for 0.1 s"):
        next(answer)
    left.set()
    for thread in threading.enumerate():
        if thread.name == "prefetch":
            thread.join(60)
    assert body.closed
