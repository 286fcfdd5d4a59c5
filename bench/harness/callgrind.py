# SPDX-License-Identifier: MIT
"""Instruction counts by valgrind's callgrind: the same each time, whatever else runs."""
import os
import re
import subprocess

from .processes import Failure

WHAT = ("floor", "call", "timed", "core", "timed_core", "later", "off", "encode", "decode",
        "encode-mixed", "decode-mixed")


def self_cost_by_object(path):
    """{object's file name: instructions executed in its own code} from a callgrind.out file.

    Lines of cost follow the `ob=` and `fn=` they belong to; the one after `calls=` is what the
    callee took, which is counted where the callee is.
    """
    names, costs, current, after_calls = {}, {}, "?", False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("ob="):
                number, _, name = line[3:].strip().partition(" ")
                if name:
                    names[number] = os.path.basename(name)
                current = names.get(number, "?")
            elif line.startswith("cob="):
                number, _, name = line[4:].strip().partition(" ")
                if name:
                    names[number] = os.path.basename(name)
            elif line.startswith("calls="):
                after_calls = True
            elif re.match(r"[0-9+*-]", line):
                if not after_calls:
                    costs[current] = costs.get(current, 0) + int(line.split()[-1])
                after_calls = False
    return costs


def count(program, directory, work, records, whats=WHAT):
    """Instructions for each record of what bench_steps can do; zstd's share apart."""
    figures = {"bench": "steps", "records": records}
    for what in whats:
        function = "counted_" + what.removesuffix("-mixed")
        out = os.path.join(work, f"callgrind.{what}")
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--toggle-collect={function}",
             f"--callgrind-out-file={out}", program, directory, what, str(records)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"bench_steps {what} under valgrind failed: {done.stderr[-1000:]}")
        costs = self_cost_by_object(out)
        total = sum(costs.values())
        zstd = sum(cost for name, cost in costs.items() if name.startswith("libzstd"))
        if not total:
            raise Failure(f"callgrind counted nothing in {function}")
        figures[what] = total / records
        if what.startswith(("encode", "decode")):
            figures[what + "_zstd"] = zstd / records
    return figures
