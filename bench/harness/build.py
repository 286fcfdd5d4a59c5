# SPDX-License-Identifier: MIT
"""The release build that is measured."""
import os
import subprocess

from .processes import Failure

TARGETS = ["collector/shmlog-collector", "tools/shmlog-cat", "tools/shmlog-dump",
           "bench-programs"]


def bring_up_to_date(source, build):
    """Configure if need be, and build what is measured."""
    if not os.path.exists(os.path.join(build, "build.ninja")):
        run(["meson", "setup", build, source, "--buildtype=release", "-Dtests=disabled",
             "-Ddemo=false", "-Dbench=true"])
    run(["ninja", "-C", build, *TARGETS])


def run(arguments):
    """Quietly, unless it fails."""
    try:
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
    except FileNotFoundError as error:
        raise Failure(f"{arguments[0]} is not installed; tests/run installs what a build takes"
                      ) from error
    if done.returncode != 0:
        raise Failure(f"'{' '.join(arguments)}' failed:\n{done.stdout[-4000:]}")
