# SPDX-License-Identifier: MIT
"""Files that measurements leave: how large, and how large after zstd -3."""
import glob
import os
import shutil
import subprocess

from .processes import Failure


def remove_tree(path):
    """A directory and all in it, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


def log_bytes(directory):
    """Bytes of all log files in a directory; not one may be left unsealed."""
    paths = glob.glob(os.path.join(directory, "*.shmlog"))
    others = [name for name in os.listdir(directory)
              if not name.endswith(".shmlog") and not name.startswith(".")]  # a lock
    if not paths or others:
        raise Failure(f"the collector left {len(paths)} log files and {others or 'nothing else'}")
    return sum(os.path.getsize(path) for path in paths)


def regular(directory):
    """All regular files in and below a directory."""
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(directory)
                  for name in names if os.path.isfile(os.path.join(folder, name)))


def tree_bytes(directory):
    """Bytes of all of them."""
    return sum(os.path.getsize(path) for path in regular(directory))


def zstd3_bytes(paths):
    """What zstd -3 makes of each of the files, in sum."""
    return sum(len(subprocess.run(["zstd", "-3", "-q", "-c", path], stdout=subprocess.PIPE,
                                  check=True).stdout) for path in paths)


def allocated_kib(paths):
    """Memory or disk that files take."""
    return sum(os.stat(path).st_blocks for path in paths) // 2
