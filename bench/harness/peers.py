# SPDX-License-Identifier: MIT
"""Other loggers on the same work. Each is a command; bench/README.md says what it is to do."""
import json
import os
import shutil
import sys
import tempfile

from . import files
from .measure import PERIOD_NS
from .processes import Failure, Skip, run_json

WORKS = ("burst", "pace", "disk", "paced", "mixed")
TO_FILES = ("disk", "paced", "mixed")
NEEDED = {"burst": ("call_ns",), "pace": ("p50", "p99", "p99_9", "p99_99")}
NEEDED.update({work: ("records", "first_ns", "sealed_ns") for work in TO_FILES})


class Peer:
    """A contender by its name and its command; one work at a time."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def run(self, bench, work):
        """One work: its figures, with bytes where it made files."""
        directory = tempfile.mkdtemp(prefix="peer-", dir=bench.work)
        paced = work == "paced"
        environment = dict(os.environ, **{
            "BENCH_DIR": directory,
            "BENCH_CORE": str(bench.producer_core),
            "BENCH_BACKEND_CORE": str(bench.collector_core),
            "BENCH_BURSTS": str(bench.size.peer_bursts),
            "BENCH_SAMPLES": str(bench.size.samples),
            "BENCH_PERIOD_NS": str(PERIOD_NS),
            "BENCH_RECORDS": str(bench.size.peer_records // (4 if paced else 1)),
        })
        try:
            figures = run_json([*self.command, work], env=environment)
            check(figures, work)
            if work in TO_FILES:
                add_files(figures, directory)
            return figures
        finally:
            files.remove_tree(directory)


def check(figures, work):
    """All that is needed is there and a number; where nothing may be lost, nothing was."""
    if not isinstance(figures, dict):
        raise Failure(f"printed no JSON object: {json.dumps(figures)[:200]}")
    for key in NEEDED[work]:
        if not isinstance(figures.get(key), (int, float)):
            raise Failure(f"printed no number '{key}'")
    if work in TO_FILES and figures.get("lost"):
        raise Failure(f"lost {figures['lost']} messages")


def add_files(figures, directory):
    """Bytes for each message and messages a second."""
    records = figures["records"]
    figures["records_per_s"] = records / max(1, figures["sealed_ns"] - figures["first_ns"]) * 1e9
    figures["bytes_per_record"] = files.tree_bytes(directory) / records
    if shutil.which("zstd"):
        figures["zstd3_bytes_per_record"] = files.zstd3_bytes(files.regular(directory)) / records
    if "backend_cpu_s" in figures:
        figures["backend_cpu_s_per_m"] = figures["backend_cpu_s"] / records * 1e6


def plugged(text):
    """A peer of the command line: NAME='command'."""
    name, equals, command = text.partition("=")
    if not name or not equals or not command.strip():
        raise ValueError("NAME='command'")
    return Peer(name, ["sh", "-c", f'{command} "$@"', "sh"])


def known(source, build):
    """(peers that were built, {peer that was not: why})."""
    program = os.path.join(build, "bench", "peers", "peer_")
    script = [sys.executable, os.path.join(source, "bench", "peers", "lttng"), program + "lttng"]
    peers, missing = [], {}
    for name, needs, command in (
            ("LTTng-UST, discarding", "lttng", [*script, "discarding"]),
            ("LTTng-UST, blocking", "lttng", [*script, "blocking"]),
            ("spdlog, asynchronous", "spdlog", [program + "spdlog"])):
        if os.path.exists(program + needs):
            peers.append(Peer(name, command))
        else:
            missing[name] = "its library is not installed; see 'bench/run --setup'"
    return peers, missing


class Peers:
    """All contenders, in turns, as one measurement."""

    def __init__(self, peers, missing, strict):
        self.peers, self.strict = peers, strict
        self.skipped = dict(missing)

    def run(self, bench):
        """One repetition: {name: {work: figures}}."""
        out = {}
        for work in bench.size.peer_works:
            for peer in self.peers:
                name = f"{peer.name}: {work}"
                if name in self.skipped:
                    continue
                try:
                    out.setdefault(peer.name, {})[work] = peer.run(bench, work)
                except Skip as skip:
                    self.skipped[name] = str(skip)
                except Failure as failure:
                    if self.strict:
                        raise Failure(f"{name}: {failure}") from failure
                    self.skipped[name] = f"failed: {failure}"
        return out
