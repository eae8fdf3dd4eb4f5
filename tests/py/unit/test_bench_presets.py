"""The presets of the benchmark: defaults that words on the command line still change."""

from __future__ import annotations

import pytest
from compare import PRESETS, parse, setup_of
from server_process import COMMANDS

from llamabox.models import DEMO_MODEL
from llamabox.option_parser import parse as parse_options

_MODEL = ["--model", str(DEMO_MODEL)]


def test_a_preset_is_a_set_of_defaults() -> None:
    usual, gpu = parse(_MODEL), parse(["--preset", "gpu", *_MODEL])
    changed = {name for name in vars(usual) if getattr(usual, name) != getattr(gpu, name)}
    assert changed == {"preset", *PRESETS["gpu"]}
    own = parse(["--preset", "gpu", "--levels", "4", "-ngl", "8", *_MODEL])
    assert (own.levels, own.gpu_layers, own.parallel) == ("4", 8, gpu.parallel)


def test_there_is_kv_for_all_streams() -> None:
    for preset in PRESETS:
        args = parse(["--preset", preset, *_MODEL])
        most = max(int(level) for level in args.levels.split(","))
        assert most <= args.parallel
        assert most * (args.prompt_tokens + args.max_tokens) <= args.ctx_size


@pytest.mark.parametrize("server", sorted(COMMANDS))
def test_both_servers_put_every_layer_on_the_gpu(server: str) -> None:
    args = parse(["--preset", "gpu", *_MODEL])
    words = COMMANDS[server](setup_of(args, args.model), 8080)
    assert words[words.index("-ngl") + 1] == "999"
    assert "-ngl" not in COMMANDS[server](setup_of(parse(_MODEL), args.model), 8080)


def test_our_command_line_is_one() -> None:
    args = parse(["--preset", "gpu", *_MODEL])
    _, _, _, *words = COMMANDS["llamabox"](setup_of(args, args.model), 8080)
    command_line = parse_options(words, {})
    assert not command_line.warnings
    assert command_line.config.model.n_gpu_layers == 999
