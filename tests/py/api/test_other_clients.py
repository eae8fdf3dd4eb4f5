"""Structured outputs with pydantic, and clients that are not Python's openai, on the demo model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pydantic
import pytest

from api_harness import WEATHER, LiveServer
from conftest import NODE_MODULES
from real_core import demo_config, serving

NODE_CLIENT = "7.57.0"
"""The version of npm's openai that tools/setup installs."""

QUESTION = "What is the weather in Paris?"
ANSWER = "It is sunny and 21 degrees in Paris."
RESULT = '{"sky": "sunny", "temperature": 21}'

_NODE = """
import OpenAI from "openai";

const [url, question, result] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
const asked = { model: "demo", temperature: 0, max_tokens: 128 };
const messages = [{ role: "user", content: question }];
const tools = JSON.parse(process.env.TOOLS);

const runner = client.chat.completions.stream({ ...asked, messages, tools });
const first = (await runner.finalChatCompletion()).choices[0];
const call = first.message.tool_calls[0];
const again = [...messages, first.message,
               { role: "tool", tool_call_id: call.id, content: result }];
const second = await client.chat.completions.create({ ...asked, messages: again, tools });
const models = await client.models.list();
let refusal;
try {
  await client.chat.completions.create({ ...asked, messages, temperature: -1 });
} catch (error) {
  refusal = { status: error.status, param: error.param, type: error.constructor.name };
}
console.log(JSON.stringify({
  reason: first.finish_reason,
  arguments: JSON.parse(call.function.arguments),
  answer: second.choices[0].message.content,
  models: models.data.map((model) => model.id),
  refusal,
}));
"""


class Person(pydantic.BaseModel):
    """What the model has to fill in."""

    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=0, le=120)
    tags: list[Literal["a", "b"]] = pydantic.Field(max_length=3)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving(demo_config()) as live:
        yield live


def test_the_openai_client_parses_structured_outputs(server: LiveServer) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        for seed in range(3):
            answer = client.chat.completions.parse(
                model="demo",
                messages=[{"role": "user", "content": "hello"}],
                response_format=Person,
                max_tokens=1000,
                temperature=1,
                seed=seed,
            )
            message = answer.choices[0].message
            assert isinstance(message.parsed, Person)
            assert message.parsed == Person.model_validate_json(message.content or "")


@pytest.mark.node_client
def test_npms_client_streams_a_tool_loop(server: LiveServer) -> None:
    # Beside the modules, where node looks for them.
    script = NODE_MODULES.parent / "client.mjs"
    script.write_text(_NODE)
    tools = json.dumps([{"type": "function", "function": WEATHER}])
    done = subprocess.run(
        ["node", script, f"{server.url}/v1", QUESTION, RESULT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": os.environ["PATH"], "TOOLS": tools},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "reason": "tool_calls",
        "arguments": {"city": "Paris"},
        "answer": ANSWER,
        "models": ["demo"],
        "refusal": {"status": 400, "param": "temperature", "type": "BadRequestError"},
    }


@pytest.mark.full
@pytest.mark.langchain_client
@pytest.mark.filterwarnings("ignore")
def test_langchain_runs_a_tool_loop(server: LiveServer) -> None:
    from langchain_openai import ChatOpenAI

    model: Any = ChatOpenAI(
        base_url=f"{server.url}/v1", api_key="none", model="demo", temperature=0, max_retries=0
    )
    bound = model.bind_tools([{"type": "function", "function": WEATHER}])
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    parts = list(bound.stream(messages))
    called = parts[0]
    for part in parts[1:]:
        called += part
    (call,) = called.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    messages += [called, {"role": "tool", "tool_call_id": call["id"], "content": RESULT}]
    assert bound.invoke(messages).content == ANSWER
    structured = model.with_structured_output(Person, method="json_schema")
    assert isinstance(structured.invoke("hello"), Person)
