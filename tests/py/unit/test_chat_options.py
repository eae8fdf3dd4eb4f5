"""The options of chat templates: what resets what, and what needs what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llamabox.chat_config import ChatConfig
from llamabox.config import from_json, to_json
from llamabox.option_parser import UsageError, parse
from llamabox.option_table import BY_NAME
from llamabox.options import Store


def chat(words: list[str]) -> ChatConfig:
    return parse(words).config.chat


def test_the_defaults() -> None:
    assert chat([]) == ChatConfig()
    assert ChatConfig().enable_reasoning


def test_a_name_and_jinja_take_each_other_back() -> None:
    file = ["--jinja", "--chat-template-file", "t.jinja"]
    kwargs = ["--chat-template-kwargs", '{"a": 1}']
    named = ["--chat-template", "llama3"]
    assert chat(named).template == "llama3"
    assert chat([*named, "--jinja"]) == ChatConfig(jinja=True)
    assert chat([*file, *kwargs, *named]) == ChatConfig(template="llama3")
    assert chat([*file, *kwargs]) == ChatConfig(
        jinja=True, template_file="t.jinja", template_kwargs={"a": 1}
    )
    assert chat([*file, "--jinja"]) == ChatConfig(jinja=True)


@pytest.mark.parametrize("flag", ["--chat-template-file", "--chat-template-kwargs"])
def test_what_needs_jinja_before_it(flag: str) -> None:
    for words in ([flag, "{}"], [flag, "{}", "--jinja"], ["--jinja", "--chat-template", "phi3"]):
        with pytest.raises(UsageError, match=re.escape(f"{flag} needs --jinja before it")):
            parse([*words, flag, "{}"])


@pytest.mark.parametrize("value", ["[]", "x", "", "1", '{"enable_thinking": 1}'])
def test_variables_are_a_json_object(value: str) -> None:
    with pytest.raises(UsageError, match="JSON object"):
        parse(["--jinja", f"--chat-template-kwargs={value}"])


def test_names_are_those_of_the_specification() -> None:
    effect = BY_NAME["--chat-template"].effect
    assert isinstance(effect, Store)
    names = effect.value.allowed.removeprefix("one of ").split(", ")
    assert len(names) == 41
    table = Path(__file__).parents[2] / "cpp/llama/named_template_test.cpp"
    listed = table.read_text().partition("kNames[] = {")[2].partition("};")[0]
    assert set(re.findall(r'"([^"]+)"', listed)) == set(names)
    with pytest.raises(UsageError, match="zephyr"):
        parse(["--chat-template", "no-such"])


def test_reasoning_is_on_unless_switched_off() -> None:
    assert not chat(["--no-enable-reasoning"]).enable_reasoning
    assert chat(["--no-enable-reasoning", "--enable-reasoning"]).enable_reasoning


def test_the_worker_gets_the_same_settings() -> None:
    words = ["--jinja", "--chat-template-kwargs", '{"a": {"b": [1, 2]}, "enable_thinking": false}']
    config = parse(words).config
    assert from_json(to_json(config)) == config
