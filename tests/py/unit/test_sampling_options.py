"""Sampling options whose text needs reading: escapes, biases, grammars, and what contradicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamabox.config import from_json, to_json
from llamabox.option_parser import UsageError, parse
from llamabox.sampling_config import SamplingConfig


def sampling(*words: str) -> SamplingConfig:
    return parse(words).config.sampling


def test_breakers_replace_the_defaults_and_add_up() -> None:
    assert sampling().dry_sequence_breakers == ("\n", ":", '"', "*")
    words = ("--dry-sequence-breaker", ".", "--dry-sequence-breaker", "!")
    assert sampling(*words).dry_sequence_breakers == (".", "!")
    assert sampling("--dry-sequence-breaker", "none").dry_sequence_breakers == ()


def test_escapes_act_on_the_command_line_both_ways() -> None:
    words = ("--dry-sequence-breaker", r"\n", "-l", r"a\tb+1", "--grammar", r"root ::= \"x\"")
    read = sampling(*words)
    assert read.dry_sequence_breakers == ("\n",)
    assert read.logit_bias == (("a\tb", 1.0),)
    assert read.grammar == 'root ::= "x"'
    for placed in (("--no-escape", *words), (*words, "--no-escape")):
        raw = sampling(*placed)
        assert raw.dry_sequence_breakers == (r"\n",)
        assert raw.logit_bias == ((r"a\tb", 1.0),)
        assert raw.grammar == r"root ::= \"x\""
    assert sampling("--no-escape", "-e", *words) == read
    assert sampling("--dry-sequence-breaker", r"\q\\n\x41").dry_sequence_breakers == (r"\q\nA",)


def test_a_grammar_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.gbnf"
    file.write_text(r'root ::= "\n"')
    assert sampling("--grammar-file", str(file)).grammar == r'root ::= "\n"'


@pytest.mark.parametrize(
    "words",
    [
        ("--samplers", "top_k;tfs_z"),
        ("--samplers", ""),
        ("--mirostat", "3"),
        ("--dry-base", "0.5"),
        ("--typical", "1.5"),
        ("--xtc-threshold", "2"),
        ("--dry-penalty-last-n", "-2"),
        ("--dry-sequence-breaker", "x" * 41),
        ("-l", "15043"),
        ("-l", "15043+101"),
        ("-l", "+1"),
        ("-l", "15043+inf"),
        ("--grammar", " "),
        ("--grammar", "x" * 65537),
        ("--grammar-file", "/nonexistent"),
        ("-j", "{"),
        ("-j", "[]"),
        ("-j", '{"a":' * 100 + "1" + "}" * 100),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(words: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=f"^{words[0]}: "):
        parse(words)


def test_a_grammar_and_a_schema_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="--json-schema: not allowed with --grammar"):
        parse(["--grammar", 'root ::= "a"', "--json-schema", "{}"])


def test_the_worker_gets_what_was_read() -> None:
    words = ["-l", "5+1", "-l", "x-inf", "--samplers", "kt", "--dry-sequence-breaker", "a"]
    config = parse(words).config
    assert from_json(to_json(config)) == config
