"""GET /metrics in the Prometheus text format."""

from __future__ import annotations

import re

from api_harness import LiveServer, chat
from conftest import StartServer

_SPECIFIED = {
    "image_forward_total": "counter",
    "image_forward_seconds_total": "counter",
    "image_reverse_total": "counter",
    "image_reverse_seconds_total": "counter",
    "tokens_prefill_total": "counter",
    "tokens_prefill_seconds_total": "counter",
    "tokens_decode_total": "counter",
    "tokens_decode_seconds_total": "counter",
    "tokens_drafted_total": "counter",
    "tokens_drafted_accepted_total": "counter",
    "image_forward_steps_per_second": "gauge",
    "image_reverse_steps_per_second": "gauge",
    "tokens_prefill_per_second": "gauge",
    "tokens_decode_per_second": "gauge",
    "kv_cache_usage_ratio": "gauge",
    "kv_cache_tokens": "gauge",
}
_SAMPLE = re.compile(r'(llamabox:[a-z_]+)((?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})?) (\S+)')


def samples(server: LiveServer) -> dict[str, float]:
    """Every sample of the page; each line must be a comment or a sample."""
    reply = server.get("/metrics")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.body.endswith(b"\n")
    found = {}
    for line in reply.body.decode().splitlines():
        if not line.startswith("#"):
            match = _SAMPLE.fullmatch(line)
            assert match, line
            found[match[1] + match[2]] = float(match[3])
    return found


def test_the_specified_names_and_types(server: LiveServer) -> None:
    page = server.get("/metrics").body.decode()
    for name, kind in _SPECIFIED.items():
        assert f"# TYPE llamabox:{name} {kind}\n" in page
        assert f"llamabox:{name}" in samples(server)


def test_counts_follow_the_requests(start_server: StartServer) -> None:
    server = start_server()
    before = samples(server)
    assert server.post("/v1/chat/completions", chat()).status == 200
    assert server.post("/v1/chat/completions", chat(n=0)).status == 400
    after = samples(server)
    assert before["llamabox:tokens_decode_total"] == 0
    assert after["llamabox:tokens_decode_total"] == 16
    assert after["llamabox:tokens_prefill_total"] > 0
    assert after["llamabox:tokens_decode_per_second"] > 0
    route = 'route="/v1/chat/completions"'
    assert after[f'llamabox:requests_total{{{route},status="200"}}'] == 1
    assert after[f'llamabox:requests_total{{{route},status="400"}}'] == 1
    assert after['llamabox:time_to_first_token_seconds_bucket{le="+Inf"}'] == 1
    assert after["llamabox:time_to_first_token_seconds_count"] == 1
    assert after["llamabox:slots"] == 4


def test_the_page_of_a_loading_server(start_server: StartServer) -> None:
    found = samples(start_server(loading=True))
    assert {found[f"llamabox:{name}"] for name in _SPECIFIED} == {0}
