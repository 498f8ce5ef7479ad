"""The thread that reads a server's answer."""

import io
import urllib.error
import urllib.request

import pytest

from mlp.data.download.answer import Answer


@pytest.mark.parametrize("waits", [True, False])
def test_an_error_of_the_server_is_closed_whether_or_not_somebody_waits_for_it(monkeypatch, waits):
    body = io.BytesIO(b"no such file")

    def refuse(request, timeout):
        if not waits:
            answer.leave()
        errors.append(urllib.error.HTTPError(request.full_url, 404, "Not Found", {}, body))
        raise errors[0]

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr("threading.Thread.start", lambda thread: threads.append(thread))
    threads, errors = [], []  # the error is kept: otherwise Python itself closes it
    answer = Answer("http://127.0.0.1/file", {}, 1.0)
    threads[0].run()
    assert body.closed
    if waits:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            answer.head()
