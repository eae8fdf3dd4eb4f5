"""GET /metrics in the Prometheus text format."""

from __future__ import annotations

import json
import re
from pathlib import Path

from api_harness import chat, completion, samples
from conftest import StartServer

_ROOT = Path(__file__).parents[3]
_DASHBOARD = _ROOT / "docs" / "grafana-dashboard.json"
_NAME = re.compile(r"(?:llamabox:|process_)[a-z_]+")


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
    counted = {name for name in found if name.startswith("llamabox:") and "{" not in name}
    assert len(counted) > 20
    assert {found[name] for name in counted} == {0}


def test_every_answer_is_counted_by_route_and_status(start_server: StartServer) -> None:
    server = start_server()
    server.get("/health")
    server.get("/v1/unknown")
    server.get("/v1/unknown/2")
    server.get("/v1/completions")
    server.call("POST", "/v1/completions", b"{", Host="evil.example")
    found = samples(server)
    assert found['llamabox:requests_total{route="/health",status="200"}'] == 1
    assert found['llamabox:requests_total{route="other",status="404"}'] == 2
    assert found['llamabox:requests_total{route="/v1/completions",status="405"}'] == 1
    assert found['llamabox:requests_total{route="/v1/completions",status="421"}'] == 1


def test_choices_are_counted_by_how_they_ended(start_server: StartServer) -> None:
    server = start_server()
    text = server.post("/v1/completions", completion()).json()["choices"][0]["text"]
    server.post("/v1/completions", completion(n=2))
    server.post("/v1/completions", completion(stop=[text[4:8]], stream=True))
    server.post("/v1/completions", completion("x" * 3000))
    found = samples(server)
    route = 'llamabox:choices_total{finish_reason="%s",route="/v1/completions"}'
    assert found[route % "length"] == 3
    assert found[route % "stop"] == 1
    assert found[route % "error"] == 1


def test_the_histograms(start_server: StartServer) -> None:
    server = start_server()
    server.post("/v1/completions", completion("hello" * 8, n=2))
    found = samples(server)
    counts = {
        "time_to_first_token_seconds": 1,
        "queue_seconds": 1,
        "request_seconds": 1,
        "prompt_tokens": 1,
        "output_tokens": 2,
        "inter_token_seconds": 30,
    }
    for name, count in counts.items():
        assert found[f"llamabox:{name}_count"] == count
        assert found[f'llamabox:{name}_bucket{{le="+Inf"}}'] == count
        buckets = [v for k, v in found.items() if k.startswith(f"llamabox:{name}_bucket")]
        assert buckets == sorted(buckets)
    assert found["llamabox:prompt_tokens_sum"] == 40
    assert found["llamabox:output_tokens_sum"] == 32
    assert 'llamabox:time_to_first_token_seconds_bucket{le="0.1"}' in found
    assert found["llamabox:prefix_cache_queried_tokens_total"] == 80
    assert found["llamabox:prefix_cache_hit_tokens_total"] == 39


def test_the_dashboard_asks_only_for_metrics_that_exist(start_server: StartServer) -> None:
    server = start_server()
    server.post("/v1/completions", completion())
    known = {name.partition("{")[0] for name in samples(server)}
    dashboard = json.loads(_DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    named = {name for expression in asked for name in _NAME.findall(expression)}
    assert len(named) >= 15
    assert named <= known


def test_the_page_on_replicas_speaks_of_metrics_that_exist(start_server: StartServer) -> None:
    server = start_server()
    server.post("/v1/completions", completion())
    known = {name.partition("{")[0] for name in samples(server)}
    page = (_ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    named = set(_NAME.findall(page.partition("## Many replicas")[2]))
    assert len(named) >= 7
    assert named <= known


def test_the_dashboard_groups_by_labels_that_exist(start_server: StartServer) -> None:
    server = start_server()
    server.post("/v1/completions", completion())
    page = list(samples(server))
    dashboard = json.loads(_DASHBOARD.read_text(encoding="utf-8"))
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
    grouped = [
        (name, label.strip())
        for target in targets
        for labels in re.findall(r"by \(([^)]*)\)", target["expr"])
        for label in labels.split(",")
        for name in _NAME.findall(target["expr"])
    ]
    assert len(grouped) >= 3
    for name, label in grouped:
        assert any(sample.startswith(f"{name}{{") and f'{label}="' in sample for sample in page)
