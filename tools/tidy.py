"""Check the rules of ARCHITECTURE.md that no other tool knows: sizes, layers, words, headers,
patches.

Usage: tidy.py [ROOT]

Prints one line per finding, `path:line: rule: message`, and exits 1 when there is any. Every rule
is a function of one file or of the whole tree; CHECKS and TREE_CHECKS name them. The tables below
are the only parameters of the rules; those of the layer rule stand in tidy_layers.py.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tidy_layers import import_problems, include_problems

MAX_FILE_LINES = {".cpp": 400, ".h": 250, ".py": 300, ".md": 300}
# Files that must be longer, each with its own ceiling. The list may only shrink.
LONG_FILES: dict[str, int] = {}
MAX_COLUMNS = 100
MAX_FUNCTION_LINES = 70
MAX_NESTING = 4
MAX_PARAMETERS = 5
MAX_PATCH_LINES = 150
HEADER_COMMENT_LINES = range(3, 13)

# (rule, pattern, message). The brackets keep a pattern from finding itself here.
BANNED_TEXT = [
    ("word", r"\b(TO[D]O|FIX[M]E|XX[X])\b", "do it or file it; no reminders in the tree"),
    ("path", r"/wor[k]/|/hom[e]/\w|/roo[t]/|/User[s]/\w", "a path of somebody's machine"),
    ("tab", "\t", "a tab"),
    ("space", r"[ \r]+$", "white space at the end of a line"),
]
BANNED_CODE = [
    (
        "name",
        r"\b(?:class|struct|enum|type|using)\s+\w*(?:Manage[r]|Helpe[r]|Uti[l]s?|Imp[l])\b",
        "a type name that says nothing",
    ),
    (
        "disabled-test",
        r"pytest\.(?:mark\.)?(?:ski[p]|xfai[l])\b|importorski[p]|unittest\.ski[p]"
        r"|doctest::(?:ski[p]|may_fai[l]|should_fai[l])|\bDISABLE[D]_",
        "a test that cannot fail",
    ),
]
BANNED_FILES = {"utils.py", "util.py", "helpers.py", "misc.py", "utils.h", "util.h", "helpers.h"}
CODE = {".py", ".cpp", ".h"}
TABS_ALLOWED = {".tsv", ".jinja", ".patch"}
# Text that others wrote or that a tool made, and inputs whose oddities are the point.
UNCHECKED = ("third_party/patches/", "tests/golden/", "tests/corpus/", "tests/regress/", "LICENSE")


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule; `line` counts from 1."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Source:
    """A text file of the tree; `path` is relative to the root, with slashes."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        return Path(self.path).suffix

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def check_size(file: Source) -> Iterator[Finding]:
    limit = LONG_FILES.get(file.path, MAX_FILE_LINES.get(file.suffix))
    if limit is not None and len(file.lines) > limit:
        yield Finding(file.path, 1, "size", f"{len(file.lines)} lines, at most {limit}")


def check_text(file: Source) -> Iterator[Finding]:
    """White space, words, names and line lengths."""
    banned = [*BANNED_TEXT, *(BANNED_CODE if file.suffix in CODE else [])]
    if file.suffix in TABS_ALLOWED:
        banned = [entry for entry in banned if entry[0] not in {"tab", "space"}]
    for number, line in enumerate(file.text.split("\n"), 1):
        for rule, pattern, message in banned:
            if re.search(pattern, line):
                yield Finding(file.path, number, rule, message)
        if file.suffix in CODE and len(line) > MAX_COLUMNS:
            yield Finding(file.path, number, "columns", f"{len(line)} columns")
    if file.text and not file.text.endswith("\n"):
        yield Finding(file.path, len(file.lines), "newline", "no newline at the end of the file")
    if Path(file.path).name in BANNED_FILES:
        yield Finding(file.path, 1, "name", "a file name that says nothing")


def check_header(file: Source) -> Iterator[Finding]:
    """A header begins with its comment, and #pragma once follows it."""
    if file.suffix != ".h":
        return
    lines = file.lines
    n_comment = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    if n_comment not in HEADER_COMMENT_LINES:
        message = f"{n_comment} comment lines at the top, 3 to 12 wanted"
        yield Finding(file.path, 1, "header", message)
    if lines[n_comment : n_comment + 1] != ["#pragma once"]:
        yield Finding(file.path, n_comment + 1, "header", "no #pragma once after the comment")


def check_layers(file: Source) -> Iterator[Finding]:
    """Includes and imports point down: see tidy_layers.py."""
    problems = include_problems if file.suffix in {".h", ".cpp"} else import_problems
    for line, message in problems(file.path, file.text):
        yield Finding(file.path, line, "layer", message)


Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def nesting(body: list[ast.stmt]) -> int:
    """The depth of the deepest block; functions and classes inside are counted on their own."""
    deepest = 0
    for node in body:
        if isinstance(node, BLOCKS):
            deepest = max(deepest, 1 + max(nesting(part) for part in parts_of(node)))
            if isinstance(node, ast.If) and is_elif(node.orelse):
                deepest = max(deepest, nesting(node.orelse))
    return deepest


def is_elif(orelse: list[ast.stmt]) -> bool:
    return len(orelse) == 1 and isinstance(orelse[0], ast.If)


def parts_of(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements of a block; an elif belongs to the level of its if."""
    for name in ("body", "orelse", "finalbody"):
        part: list[ast.stmt] = getattr(node, name, [])
        if not (name == "orelse" and isinstance(node, ast.If) and is_elif(part)):
            yield part
    for name in ("handlers", "cases"):
        for inner in getattr(node, name, []):
            yield inner.body


def check_functions(file: Source) -> Iterator[Finding]:
    """Length, nesting and parameters of Python functions; clang-tidy does the same for C++."""
    if file.suffix != ".py":
        return
    for node in ast.walk(ast.parse(file.text, file.path)):
        if not isinstance(node, Function):
            continue
        n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
        taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        n_parameters = len([arg for arg in taken if arg.arg not in {"self", "cls"}])
        depth = nesting(node.body)
        for what, found, limit in (
            ("lines", n_lines, MAX_FUNCTION_LINES),
            ("levels of nesting", depth, MAX_NESTING),
            ("parameters", n_parameters, MAX_PARAMETERS),
        ):
            if found > limit:
                message = f"{node.name} has {found} {what}, at most {limit}"
                yield Finding(file.path, node.lineno, "function", message)


def check_patches(root: Path) -> Iterator[Finding]:
    """third_party/README.md lists every patch and no other; together they stay small."""
    readme = root / "third_party" / "README.md"
    text = readme.read_text() if readme.exists() else ""
    listed = set(re.findall(r"`([\w.-]+\.patch)`", text))
    patches = {path.name: path for path in (root / "third_party" / "patches").glob("*.patch")}
    for name in sorted(listed ^ patches.keys()):
        message = "is not listed" if name in patches else "is listed but not there"
        yield Finding("third_party/README.md", 1, "patch", f"{name} {message}")
    touched = re.compile(r"^(?:\+(?!\+\+ )|-(?!-- ))", re.MULTILINE)
    n_lines = sum(len(touched.findall(path.read_text())) for path in patches.values())
    if n_lines > MAX_PATCH_LINES:
        message = f"the patches touch {n_lines} lines, at most {MAX_PATCH_LINES}"
        yield Finding("third_party/README.md", 1, "patch", message)


CHECKS: list[Callable[[Source], Iterator[Finding]]] = [
    check_size,
    check_text,
    check_header,
    check_layers,
    check_functions,
]
TREE_CHECKS: list[Callable[[Path], Iterator[Finding]]] = [check_patches]


def sources(root: Path) -> Iterator[Source]:
    """The text files that git tracks or would track. Binary files hold a NUL and are left out."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
    listing = subprocess.run([*command, "--exclude-standard"], check=True, capture_output=True)
    for name in sorted(set(listing.stdout.decode().split("\0")) - {""}):
        path = root / name
        if path.is_file() and not name.startswith(UNCHECKED):
            data = path.read_bytes()
            if b"\0" not in data:
                yield Source(name, data.decode())


def findings(root: Path) -> Iterator[Finding]:
    """Every broken rule of the tree at ROOT, which is a git work tree."""
    for file in sources(root):
        for check in CHECKS:
            yield from check(file)
    for tree_check in TREE_CHECKS:
        yield from tree_check(root)


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    found = list(findings(root))
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
