"""Which part of the tree may use which: the tables of tools/tidy.py's layer rule, and its check."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

# What each folder of cpp/ may include besides itself. Siblings never see each other.
PURE = {"base", "model", "kv", "spec", "guard", "grammar", "engine"}
CPP_LAYERS: dict[str, set[str]] = {
    "base": set(),
    "model": {"base"},
    "kv": {"base", "model"},
    "spec": {"base", "model"},
    "guard": {"base", "model"},
    "grammar": {"base", "model"},
    "engine": {"base", "model", "kv", "spec", "guard"},
    "llama": PURE,
    "image": {"base", "guard"},
    "rpc": {"base", "guard"},
    "bindings": PURE | {"llama", "image", "rpc"},
}
UPSTREAM_LAYERS = {"llama", "image", "rpc"}
SYSTEM_HEADER = re.compile(
    r"[a-z_0-9]+$|c?(errno|fcntl|poll|pthread|sched|signal|spawn|unistd|dlfcn|netdb)\.h$"
    r"|(io|windows|winsock2|ws2tcpip)\.h$"
    r"|(sys|netinet|arpa|linux|mach)/[\w/]+\.h$"
)

# Layers of python/llamabox. A module not named here is plain: it may import plain ones only. Those
# of the parent process never reach _core, so that it survives whatever the worker dies of.
PY_CORE = {
    "core_streams",
    "device_probe",
    "devices",
    "engine",
    "event",
    "image_engine",
    "image_loader",
    "measure",
    "metrics",
    "model_loader",
    "rpc_client",
    "rpc_metrics",
    "stream",
    "upstream_log",
}
PY_PARENT = {"access", "supervisor", "listeners"}
PY_SHELL = {"__main__", "cli", "doctor", "rpc_worker", "worker", "worker_main"}
PY_LAYERS = {
    "plain": {"plain"},
    "http": {"plain", "http"},
    "parent": {"plain", "http", "parent"},
    "core": {"plain", "core", "_core"},
    "api": {"plain", "http", "core", "_core", "api"},
    "shell": {"plain", "http", "parent", "core", "_core", "api", "shell"},
}


def include_problems(path: str, text: str) -> Iterator[tuple[int, str]]:
    """(line, message) of each include in a file of cpp/ that does not point down."""
    parts = PurePosixPath(path).parts
    if parts[0] != "cpp" or len(parts) < 3:
        return
    layer = parts[1]
    if layer not in CPP_LAYERS:
        yield 1, f"cpp/{layer} is not in CPP_LAYERS"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if match and (problem := include_problem(layer, match[1], match[2])):
            yield number, f"{layer} must not include {problem}"


def include_problem(layer: str, quote: str, name: str) -> str | None:
    """What is wrong with an include, or None."""
    folder = name.split("/")[0]
    if quote == '"' and folder in CPP_LAYERS:
        return None if folder == layer or folder in CPP_LAYERS[layer] else name
    if quote == "<" and SYSTEM_HEADER.match(name):
        return None
    if folder == "pybind11" or name.startswith("fake_"):
        return None if layer == "bindings" else name
    if name == "stable-diffusion.h":
        return None if layer == "image" else name
    return None if layer in UPSTREAM_LAYERS else f"{name}, which is neither ours nor the system's"


def py_layer(dotted: str) -> str:
    """The layer of a module of the package, given its name below `llamabox`."""
    top = dotted.split(".")[0]
    if top.startswith("_core"):
        return "_core"
    if top in {"http", "api"}:
        return top
    named = {"core": PY_CORE, "parent": PY_PARENT, "shell": PY_SHELL}
    return next((layer for layer, modules in named.items() if top in modules), "plain")


def py_imports(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """(line, name below `llamabox`) of each import of the package; `package` is the importer's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            # `from llamabox import cli` names a module, `from llamabox.cli import main` does not.
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("llamabox."):
                yield node.lineno, name.removeprefix("llamabox.")


def import_problems(path: str, text: str) -> Iterator[tuple[int, str]]:
    """(line, message) of each import inside the package that does not point down."""
    prefix = "python/llamabox/"
    if not path.startswith(prefix) or not path.endswith(".py"):
        return
    parts = path.removeprefix(prefix).removesuffix(".py").split("/")
    layer = py_layer(parts[0])
    for line, name in py_imports(ast.parse(text, path), ["llamabox", *parts[:-1]]):
        if py_layer(name) not in PY_LAYERS[layer]:
            yield line, f"{'.'.join(parts)} must not import {name}"
