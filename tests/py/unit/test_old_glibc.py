"""What is linked for glibc 2.28: names of newer systems are found, and the stand-ins work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import old_glibc

_CALLER = "int getpid(void);\nint caller(void) { return getpid(); }\n"
# Ends with the number of what is wrong.
_USER = r"""
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

int main(void) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < 4; ++i) {
    struct timespec until, now;
    clock_gettime(clocks[i % 2], &until);
    until.tv_nsec += i < 2 ? 1000 : -1000;
    if (until.tv_nsec < 0 || until.tv_nsec > 999999999) {
      --i;
      continue;
    }
    if (pthread_cond_clockwait(&condition, &mutex, clocks[i % 2], &until) != ETIMEDOUT) return 1;
    clock_gettime(clocks[i % 2], &now);
    if (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec) return 2;
  }
  unsigned cpu = ~0U, node = ~0U;
  if (getcpu(&cpu, &node) != 0 || cpu == ~0U) return 3;
  return arc4random() == arc4random() && arc4random() == arc4random() ? 4 : 0;
}
"""


def _compile(folder: Path, text: str, *words: str) -> Path:
    source = folder / "source.c"
    source.write_text(text)
    made = folder / "made"
    command = ["cc", "-D_GNU_SOURCE", str(source), "-o", str(made), *words]
    subprocess.run(command, check=True, timeout=60)
    return made


def test_a_name_without_a_version_is_found_out(tmp_path: Path) -> None:
    with_version = _compile(tmp_path, _CALLER, "-shared", "-fPIC")
    assert old_glibc.newer_names(with_version) == set()
    without = _compile(tmp_path, _CALLER, "-shared", "-fPIC", "-nostdlib")
    assert old_glibc.newer_names(without) == {"getpid"}


def test_stand_ins_do_what_newer_systems_do(tmp_path: Path) -> None:
    added = Path(old_glibc.__file__).with_suffix(".c")
    program = _compile(tmp_path, _USER, str(added), "-Wall", "-Wextra", "-Werror")
    assert subprocess.run([program], timeout=60, check=False).returncode == 0
    assert old_glibc.manylinux_tag().startswith("manylinux_2_28_")
