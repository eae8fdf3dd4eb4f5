"""Each rule of tools/tidy.py fires on a small bad example, and on none of the good ones.

Words that tidy bans are written with a ~ inside, so that this file passes its own rules.
"""

import subprocess
from pathlib import Path

import pytest

import tidy

GOOD_HEADER = "// What it is.\n// Thread rule: none.\n// Covered by a_test.\n#pragma once\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty git work tree."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def rules(root: Path, path: str, text: str) -> set[str]:
    """The rules that a tree broke once `path` with `text` is in it."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.replace("~", "").encode())
    return {finding.rule for finding in tidy.findings(root)}


def function(body: str, parameters: str = "") -> str:
    return f"def work({parameters}):\n{body}"


def nested(depth: int) -> str:
    lines = [f"{'    ' * (level + 1)}if a{level}:" for level in range(depth)]
    return "\n".join([*lines, "    " * (depth + 1) + "pass", ""])


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        ("cpp/base/a.cpp", "//\n" * 401, "size"),
        ("cpp/base/a.h", GOOD_HEADER + "//\n" * 247, "size"),
        ("python/llamabox/a.py", "#\n" * 301, "size"),
        ("cpp/base/a.cpp", "// " + "x" * 98 + "\n", "columns"),
        ("a.md", "TO~DO: write this\n", "word"),
        ("cpp/base/a.cpp", "// FIX~ME\n", "word"),
        ("a.txt", "see /wor~k/notes\n", "path"),
        ("a.sh", "cd /hom~e/me\n", "path"),
        ("a.sh", "cat /roo~t/x\n", "path"),
        ("a.py", "if a:\n\tpass\n", "tab"),
        ("a.md", "two spaces  \n", "space"),
        ("a.md", "from a dos\r\n", "space"),
        ("a.md", "cut off", "newline"),
        ("python/llamabox/utils.py", "", "name"),
        ("a.py", "class SlotManage~r:\n    pass\n", "name"),
        ("cpp/base/a.cpp", "struct ParseHelpe~r {};\n", "name"),
        ("cpp/base/a.cpp", "class EngineImp~l;\n", "name"),
        ("tests/py/test_a.py", "@pytest.mark.ski~p\n" + function("    pass\n"), "disabled-test"),
        ("tests/py/test_a.py", 'pytest.ski~p("later")\n', "disabled-test"),
        ("tests/py/test_a.py", "@pytest.mark.xfai~l\n" + function("    pass\n"), "disabled-test"),
        ("tests/cpp/a.cpp", 'TEST_CASE("a" * doctest::ski~p()) {}\n', "disabled-test"),
        ("cpp/base/a.h", "// One line.\n#pragma once\n", "header"),
        ("cpp/base/a.h", "// A line.\n" * 13 + "#pragma once\n", "header"),
        ("cpp/base/a.h", GOOD_HEADER.replace("#pragma once\n", ""), "header"),
        ("cpp/base/a.cpp", '#include "model/batch.h"\n', "layer"),
        ("cpp/kv/a.cpp", '#include "spec/proposer.h"\n', "layer"),
        ("cpp/engine/a.cpp", '#include "llama/model.h"\n', "layer"),
        ("cpp/rpc/a.cpp", '#include "image/sd_context.h"\n', "layer"),
        ("cpp/engine/a.cpp", '#include "llama.h"\n', "layer"),
        ("cpp/guard/a.cpp", "#include <gguf.h>\n", "layer"),
        ("cpp/bindings/a.cpp", '#include "ggml.h"\n', "layer"),
        ("cpp/llama/a.cpp", "#include <pybind11/pybind11.h>\n", "layer"),
        ("cpp/llama/a.cpp", '#include "stable-diffusion.h"\n', "layer"),
        ("cpp/unheard/a.cpp", "\n", "layer"),
        ("python/llamabox/http/a.py", "from llamabox.api import chat\n", "layer"),
        ("python/llamabox/http/a.py", "from ..engine import Engine\n", "layer"),
        ("python/llamabox/http/a.py", "from llamabox import _core\n", "layer"),
        ("python/llamabox/engine.py", "from llamabox.api.chat import Chat\n", "layer"),
        ("python/llamabox/api/a.py", "from llamabox.cli import main\n", "layer"),
        ("python/llamabox/supervisor.py", "import llamabox._core\n", "layer"),
        ("python/llamabox/config.py", "def f():\n    from llamabox import cli\n", "layer"),
        ("a.py", function("    pass\n" * 70), "function"),
        ("a.py", function(nested(5)), "function"),
        ("a.py", function("    pass\n", "a, b, c, *, d, e, f"), "function"),
        ("third_party/patches/a-1-b.patch", "+x\n", "patch"),
        ("third_party/README.md", "| `gone.patch` |\n", "patch"),
    ],
)
def test_a_bad_file_breaks_its_rule_and_no_other(
    tree: Path, path: str, text: str, rule: str
) -> None:
    assert rules(tree, path, text) == {rule}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cpp/base/a.cpp", "//\n" * 400),
        ("cpp/base/a.h", GOOD_HEADER + "//\n" * 246),
        ("cpp/base/a.cpp", "// " + "x" * 97 + "\n"),
        (
            "cpp/engine/a.cpp",
            '#include "engine/plan.h"\n#include "kv/budget.h"\n#include <vector>\n',
        ),
        ("cpp/base/a.cpp", "#include <unistd.h>\n#include <sys/eventfd.h>\n#include <cerrno>\n"),
        ("cpp/llama/a.cpp", '#include "llama.h"\n#include "engine/models.h"\n'),
        ("cpp/image/a.cpp", '#include "stable-diffusion.h"\n#include "ggml.h"\n'),
        ("cpp/bindings/a.cpp", '#include <pybind11/pybind11.h>\n#include "llama/device.h"\n'),
        ("python/llamabox/api/a.py", "from llamabox.http.message import Request\n"),
        ("python/llamabox/engine.py", "from llamabox import _core\n"),
        ("python/llamabox/cli.py", "from llamabox.engine import Engine\n"),
        ("a.py", function("    pass\n" * 69)),
        ("a.py", function(nested(4))),
        ("a.py", function("    pass\n", "self, a, b, c, d, e")),
        ("a.tsv", "name\tvalue\n"),
        ("a.gguf", "GGUF\0TO~DO\n"),
        ("tests/py/test_a.py", "@pytest.mark.skipif(no_gpu)\n" + function("    pass\n")),
    ],
)
def test_a_good_file_breaks_none(tree: Path, path: str, text: str) -> None:
    assert rules(tree, path, text) == set()


def test_an_elif_is_no_deeper_than_its_if(tree: Path) -> None:
    chain = "    if a:\n        pass\n" + "    elif b:\n        pass\n" * 6
    assert rules(tree, "a.py", function(chain)) == set()


def test_a_block_inside_an_elif_counts(tree: Path) -> None:
    inner = nested(4).replace("    if", "        if").replace("pass", "    pass")
    chain = "    if a:\n        pass\n    elif b:\n" + inner
    assert rules(tree, "a.py", function(chain)) == {"function"}


def test_patches_are_listed_and_small_together(tree: Path) -> None:
    patches = tree / "third_party" / "patches"
    patches.mkdir(parents=True)
    (tree / "third_party" / "README.md").write_text("`a-1-x.patch` and `a-2-y.patch`\n")
    header = "--- a/f.c\n+++ b/f.c\n@@ -1,1 +1,1 @@\n"
    (patches / "a-1-x.patch").write_text(header + "-old\n+new\n" * 50)
    assert rules(tree, "third_party/patches/a-2-y.patch", header + "+new\n" * 50) == set()
    assert rules(tree, "third_party/patches/a-2-y.patch", header + "+new\n" * 51) == {"patch"}


def test_an_exception_to_the_size_is_itself_a_limit(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tidy.LONG_FILES, "a.py", 320)
    assert rules(tree, "a.py", "#\n" * 320) == set()
    assert rules(tree, "a.py", "#\n" * 321) == {"size"}


def test_a_finding_names_its_file_and_line(tree: Path) -> None:
    rules(tree, "a.md", "fine\nTO~DO\n")
    (finding,) = tidy.findings(tree)
    assert str(finding).startswith("a.md:2: word: ")


def test_ignored_files_are_not_read(tree: Path) -> None:
    (tree / ".gitignore").write_text("/build/\n")
    assert rules(tree, "build/a.md", "TO~DO\n") == set()
