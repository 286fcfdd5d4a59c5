# SPDX-License-Identifier: MIT
"""Many threads, processes and rings: what they cost the caller and the collector."""
import json
import os
import subprocess
import time

from .processes import Failure, Skip, run_json

RINGS = 128
RING_MIB = 1
SETTLE_S = 0.1


def spare_rings():
    """Rings for threads of their own that make it 128 with those of the cores."""
    return max(1, RINGS - os.cpu_count())


def need_shared_memory(bench):
    """Rings of 1 MiB in shared memory, and an outbox."""
    have = os.statvfs(bench.segments)
    if have.f_bavail * have.f_frsize < (RINGS * RING_MIB + 64) << 20:
        raise Skip(f"{RINGS} rings do not fit into /dev/shm")


def scale(bench):
    """The call's cost with 128 rings over the number of threads and processes attached."""
    need_shared_memory(bench)
    figures = {}
    for threads, processes in bench.size.scale:
        collector, _ = bench.collector("--spare-rings", str(spare_rings()))
        with collector:
            point = run_json([bench.program("bench/bench_scale"), "bench",
                              str(bench.producer_core), str(threads), str(processes),
                              str(bench.size.turns)])
            point["beside_rings_kib"] = bench.beside_rings_kib(collector)
            collector.stop()
        if point["lost"]:
            raise Failure(f"{threads} threads lost {point['lost']} records")
        figures[f"{threads}/{processes}"] = point
    points = list(figures.values())
    figures["growth"] = points[-1]["ratio"] / points[0]["ratio"]
    return figures


def rounds_of(bench):
    """Rounds over the rings so far, and how many rings those are."""
    done = subprocess.run([bench.program("tools/shmlog-dump"), "--info", "--format", "json",
                           "bench"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure("shmlog-dump --info of an idle segment failed")
    info = json.loads(done.stdout)
    return info["collector"]["stats"]["rounds"], len(info["rings"])


def idle_collector(bench, *options):
    """CPU of a collector with nothing to do: of a core, and for each round."""
    collector, _ = bench.collector(*options)
    with collector:
        time.sleep(SETTLE_S)
        since, cpu = time.monotonic(), collector.cpu_seconds()
        rounds, rings = rounds_of(bench)
        time.sleep(bench.size.idle_s)
        cpu, seconds = collector.cpu_seconds() - cpu, time.monotonic() - since
        rounds = rounds_of(bench)[0] - rounds
        collector.stop()
    return {"rings": rings, "cpu_percent": 100 * cpu / seconds, "round_ns": 1e9 * cpu / max(rounds, 1),
            "rounds_per_s": rounds / seconds}


def idle(bench):
    """An idle collector as it is by default, and what each further idle ring costs a round."""
    need_shared_memory(bench)
    many = ("--spare-rings", str(spare_rings()))
    figures = {
        "sleep": idle_collector(bench),
        "sleep_many": idle_collector(bench, *many),
        "spin": idle_collector(bench, "--idle", "spin"),
        "spin_many": idle_collector(bench, "--idle", "spin", *many),
    }
    for strategy in ("sleep", "spin"):
        few, more = figures[strategy], figures[strategy + "_many"]
        figures[strategy + "_ring_ns"] = ((more["round_ns"] - few["round_ns"])
                                          / (more["rings"] - few["rings"]))
    return figures
