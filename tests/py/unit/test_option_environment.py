"""Options as environment variables, under the command line."""

from __future__ import annotations

import pytest

from llamabox.config import ServerConfig
from llamabox.keys import digest
from llamabox.option_environment import find_variables, variable_of
from llamabox.option_parser import UsageError, parse
from llamabox.option_table import OPTIONS
from llamabox.options import Action, Assign, Run


def test_names_are_long_spellings_in_upper_case() -> None:
    assert variable_of("--ctx-size") == "LLAMA_BOX_CTX_SIZE"


def test_every_option_that_sets_something_has_a_variable_for_each_long_spelling() -> None:
    for option in OPTIONS:
        spellings = [name for name in option.names if name.startswith("--")]
        assert spellings
        for spelling in spellings:
            _, unknown = find_variables({variable_of(spelling): "1"})
            assert bool(unknown) == isinstance(option.effect, Run)


def test_a_variable_means_what_its_flag_means() -> None:
    words = {"PORT": "1", "CTX_SIZE": "0", "N_GPU_LAYERS": "-1", "ALIAS": "-a b=c"}
    found = parse([], {f"LLAMA_BOX_{name}": text for name, text in words.items()}).config
    assert found == parse(["--port=1", "-c", "0", "-ngl", "-1", "--alias=-a b=c"]).config


def test_the_command_line_wins() -> None:
    environment = {"LLAMA_BOX_PORT": "1", "LLAMA_BOX_PARALLEL": "2", "LLAMA_BOX_MMAP": "0"}
    config = parse(["--port", "3", "--threads-http", "4", "--mmap"], environment).config
    assert (config.http.port, config.engine.n_slots, config.model.use_mmap) == (3, 4, True)
    keys = parse(["--api-key", "a"], {"LLAMA_BOX_API_KEY": "b"}).config.access.key_digests
    assert keys == (digest("a"),)


@pytest.mark.parametrize("word", ["1", "true", "on", "TRUE", "On"])
def test_yes_is_the_flag(word: str) -> None:
    for option in OPTIONS:
        if isinstance(option.effect, Assign):
            flag = option.names[-1]
            assert parse([], {variable_of(flag): word}).config == parse([flag]).config


@pytest.mark.parametrize("word", ["0", "false", "off", "FALSE"])
def test_no_is_the_opposite_of_the_flag_where_there_is_one(word: str) -> None:
    for option in OPTIONS:
        effect = option.effect
        if isinstance(effect, Assign):
            found = parse([], {variable_of(option.names[-1]): word}).config
            if isinstance(effect.constant, bool):
                assert found.get(effect.target) is not effect.constant
            else:
                assert found == ServerConfig()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("PORT", "x", 'LLAMA_BOX_PORT: "x" is not allowed; expected a whole number from 0'),
        ("TEMP", "nan", 'LLAMA_BOX_TEMP: "nan" is not allowed'),
        ("METRICS", "2", "LLAMA_BOX_METRICS: the value is not allowed; expected one of 1, true"),
        ("API_KEY", "se cret", "LLAMA_BOX_API_KEY: the value is not allowed; expected keys"),
        ("UBATCH_SIZE", "9999", "LLAMA_BOX_UBATCH_SIZE: 9999 is not allowed; expected at most"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([], {f"LLAMA_BOX_{name}": text})
    assert str(caught.value).startswith(message)
    assert "se cret" not in str(caught.value)


def test_an_empty_variable_is_not_set() -> None:
    assert parse([], {"LLAMA_BOX_PORT": "", "LLAMA_BOX_METRICS": ""}).config == ServerConfig()


def test_variables_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="LLAMA_BOX_NO_MMAP contradicts LLAMA_BOX_MMAP"):
        parse([], {"LLAMA_BOX_MMAP": "1", "LLAMA_BOX_NO_MMAP": "1"})
    agreeing = {"LLAMA_BOX_MMAP": "0", "LLAMA_BOX_NO_MMAP": "1"}
    assert parse([], agreeing).config.model.use_mmap is False


def test_unknown_variables_warn_and_others_are_no_business_of_ours() -> None:
    command_line = parse([], {"LLAMA_BOX_PORTT": "1", "PORT": "x", "LLAMABOX_PORT": "x"})
    (notice,) = command_line.warnings
    assert (notice.flag, notice.nearest) == ("LLAMA_BOX_PORTT", "LLAMA_BOX_PORT")
    assert command_line.config == ServerConfig()


def test_the_first_of_several_words_may_hold_spaces() -> None:
    config = parse([], {"LLAMA_BOX_LORA_SCALED": "a b.gguf -0.5"}).config
    assert config.adapters.loras == (("a b.gguf", -0.5),)
    config = parse([], {"LLAMA_BOX_LORA": "a b.gguf"}).config
    assert config.adapters.loras == (("a b.gguf", 1.0),)


def test_what_an_option_needs_may_stand_in_another_variable() -> None:
    both = {"LLAMA_BOX_CHAT_TEMPLATE_FILE": "t.jinja", "LLAMA_BOX_JINJA": "1"}
    assert parse([], both).config.chat.template_file == "t.jinja"
    with pytest.raises(UsageError, match="needs --jinja"):
        parse([], {"LLAMA_BOX_CHAT_TEMPLATE_FILE": "t.jinja"})


def test_what_an_option_on_the_command_line_needs_may_stand_in_a_variable() -> None:
    words = ["--chat-template-file", "t.jinja"]
    chat = parse(words, {"LLAMA_BOX_JINJA": "1"}).config.chat
    assert (chat.jinja, chat.template_file) == (True, "t.jinja")
    with pytest.raises(UsageError, match="needs --jinja"):
        parse(words, {"LLAMA_BOX_JINJA": "0"})
    # What the command line takes back is not there any more.
    with pytest.raises(UsageError, match="needs --jinja"):
        parse(["--chat-template", "llama3", *words], {"LLAMA_BOX_JINJA": "1"})
    chat = parse(["--chat-template", "llama3"], {"LLAMA_BOX_JINJA": "1"}).config.chat
    assert (chat.jinja, chat.template) == (False, "llama3")


def test_help_and_version_answer_whatever_the_environment_holds() -> None:
    assert parse(["--help"], {"LLAMA_BOX_PORT": "x"}).action is Action.HELP
