"""From the options of access to its rules; bad files end the start with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamabox.access import (
    AccessError,
    cors_of,
    gate_of,
    is_open_to_all,
    with_checked_access,
)
from llamabox.config import ServerConfig, from_json, to_json
from llamabox.keys import digest, is_known, read_keys
from llamabox.option_parser import UsageError, parse


def config(*words: str) -> ServerConfig:
    return with_checked_access(parse(words).config)


def test_keys_of_all_uses_and_of_the_file_add_up(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# the office\nfile-key\n\n  other \n")
    found = config("--api-key", "a,b", "--api-key=c", "--api-key-file", str(path))
    expected = tuple(digest(key) for key in ("a", "b", "c", "file-key", "other"))
    assert found.access.key_digests == expected


def test_no_key_is_in_the_settings_or_in_their_text() -> None:
    found = config("--api-key", "hush-hush")
    assert "hush" not in repr(found) + str(found) + to_json(found)
    assert digest("hush-hush") not in repr(found)
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize("text", ["", "a b", "a,", ",", "a,,b", "k\n", "ä", "x" * 513])
def test_malformed_keys_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        read_keys(text)
    with pytest.raises(UsageError) as caught:
        parse([f"--api-key={text}"])
    assert str(caught.value).startswith("--api-key: the value is not allowed; expected keys of")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no key"),
        (b"# nothing\n\n", "holds no key"),
        (b"good\nbad one\n", "line 2 is not a key"),
        (b"k\xc3\xa4y\n", "has characters that no key may have"),
    ],
)
def test_bad_key_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(AccessError, match=message) as caught:
        config("--api-key-file", str(path))
    assert "bad one" not in str(caught.value)


def test_a_missing_key_file_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"--api-key-file: cannot read .*: No such file"):
        config("--api-key-file", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("flag", "missing"),
    [("--ssl-cert-file", "--ssl-key-file"), ("--ssl-key-file", "--ssl-cert-file")],
)
def test_half_of_tls_is_refused(flag: str, missing: str) -> None:
    with pytest.raises(AccessError, match=f"{flag} needs {missing}"):
        config(flag, "x.pem")


def test_keys_are_compared_whole() -> None:
    digests = (digest("one"), digest("two"))
    assert is_known(["two"], digests)
    assert is_known(["no", "one"], digests)
    assert not is_known(["on", "one ", "", digest("one")], digests)
    assert not is_known([], digests)


def rules(*words: str) -> tuple[object, object]:
    gate = gate_of(config(*words), lambda path: False)
    return gate.hosts, gate.pages


def test_a_loopback_server_takes_own_names_and_local_pages_only() -> None:
    hosts, pages = rules()
    assert hosts == frozenset()
    assert pages == cors_of(config())
    assert not cors_of(config()).allows("https://app.example")
    assert cors_of(config()).allows("http://localhost:3000")


def test_a_server_for_others_takes_every_name_and_page_unless_told() -> None:
    assert rules("--host", "0.0.0.0") == (None, None)
    assert cors_of(config("--host", "0.0.0.0")).allows("https://app.example")
    hosts, pages = rules("--host", "0.0.0.0", "--allowed-hosts", "Box.example,[::2]")
    assert hosts == frozenset({"box.example", "::2"})
    assert pages is None


def test_the_options_open_and_close_it() -> None:
    assert rules("--allowed-hosts", "*")[0] is None
    assert rules("--allowed-hosts", "box")[0] == frozenset({"box"})
    pages = cors_of(config("--cors-origins", "https://app.example"))
    assert pages.allows("https://app.example") and not pages.allows("http://localhost")
    assert cors_of(config("--cors-origins", "*")).allows("https://any.example")


def test_an_open_server_is_one_that_others_reach_without_a_key() -> None:
    assert is_open_to_all(config("--host", "0.0.0.0"))
    assert not is_open_to_all(config("--host", "0.0.0.0", "--api-key", "k"))
    assert not is_open_to_all(config())
    assert not is_open_to_all(config("--host", "/run/a.sock"))
