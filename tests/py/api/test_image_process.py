"""An image server in processes of its own: what becomes of it when upstream aborts."""

from __future__ import annotations

import signal

import pytest

from box_process import TIMEOUT_S, Box
from raw_post import Post
from real_core import provide_core
from real_images import GENERATE, made_by, make_files, wanted, words_of

pytestmark = pytest.mark.image_build


def test_an_abort_ends_the_worker_and_the_next_one_serves(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    provide_core()
    server = Box(*words_of(make_files(tmp_path_factory.mktemp("image-model"))))
    before, worker = made_by(server), server.worker
    broken_off = Post(server, GENERATE, wanted(stream=True, n=4, sampling_steps=150))
    broken_off.wait_for(b"data: ")
    # As an assertion of upstream does.
    worker.send_signal(signal.SIGABRT)
    worker.wait(TIMEOUT_S)
    waiting = Post(server, GENERATE, wanted())
    server.wait_for(r"msg=\"(worker died)\".* reason=\"signal SIGABRT\"")
    server.wait_for(r"msg=(ready)")
    assert b"[DONE]" not in broken_off.rest()
    # The next worker listens before its model is loaded.
    assert waiting.rest().startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
    assert made_by(server) == before
    assert server.stop() == 0
