"""Fetch, verify, unpack and patch the pinned upstream sources; print where they lie.

Usage: fetch.py NAME [--as-published]

NAME is a distribution of sources.txt. Its archive is downloaded once by pip, which checks the
hash, and unpacked into a cache folder outside the build tree. The folder's name holds the pin and
a digest of the patches, so a changed pin or patch makes a new folder and nothing is ever edited in
place. The last line printed is the folder. --as-published leaves the patches out, for what we are
compared with. LLAMABOX_CACHE_DIR moves the cache.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def cache_dir() -> Path:
    """The folder that survives build trees: $LLAMABOX_CACHE_DIR, else the user's cache."""
    if explicit := os.environ.get("LLAMABOX_CACHE_DIR"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "llamabox" / "sources"


def requirement(name: str) -> str:
    """The line of sources.txt that pins NAME."""
    for line in (HERE / "sources.txt").read_text().splitlines():
        if line.startswith(f"{name}=="):
            return line
    raise SystemExit(f"fetch.py: no pin for {name} in sources.txt")


def patches(name: str) -> list[Path]:
    """The patches of NAME, in the order they are applied."""
    return sorted((HERE / "patches").glob(f"{name}-*.patch"))


def download(name: str, line: str, into: Path) -> Path:
    """Let pip fetch the source archive. Only NAME is forced to be an archive: forcing all would
    compile pip's own build tools from source for minutes."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(line + "\n")
        pins.flush()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", name, "--require-hashes", "-r", pins.name, "-d", str(into)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    (archive,) = into.glob("*.tar.gz")
    return archive


def unpack(archive: Path, into: Path) -> Path:
    """Unpack the archive and return its single top folder."""
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(into, filter="data")
        else:
            tar.extractall(into)  # noqa: S202 - the archive's hash was checked
    (top,) = (path for path in into.iterdir() if path.is_dir())
    return top


def apply_patches(files: list[Path], root: Path) -> None:
    """Apply each patch to the unpacked tree; a patch that does not fit ends the build."""
    if not files:
        return
    import patch_ng

    for file in files:
        patch = patch_ng.fromfile(str(file))
        if not patch or not patch.apply(strip=1, root=str(root)):
            raise SystemExit(f"fetch.py: {file.name} does not apply")


def fetch(name: str, files: list[Path]) -> Path:
    """Return the folder with the sources of NAME and these patches; make it when it is missing."""
    line = requirement(name)
    pin = re.split(r"\s", line)[0].replace("==", "-")
    digest = hashlib.sha256(line.encode() + b"".join(f.read_bytes() for f in files)).hexdigest()
    target = cache_dir() / f"{pin}-{digest[:12]}"
    if target.is_dir():
        return target
    cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        archives = Path(scratch) / "archive"
        archives.mkdir()
        archive = download(name, line, archives)
        top = unpack(archive, Path(scratch) / "tree")
        apply_patches(files, top)
        shutil.move(top, target)
    return target


if __name__ == "__main__":
    name, *flags = sys.argv[1:]
    print(fetch(name, [] if "--as-published" in flags else patches(name)))
