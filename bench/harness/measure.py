# SPDX-License-Identifier: MIT
"""The measurements of shmlog itself: each makes one repetition and gives its raw figures."""
import glob
import gzip
import os
import re
import shutil
import subprocess
import tempfile
import time

from . import callgrind, files, host
from .processes import Collector, Failure, Skip, run_all, run_json

PERIOD_NS = 2000
# One way from core to core: about 25 to 60 ns where they share a last-level cache; beyond this they
# do not.
NEAR_NS = 100


class Bench:
    """What all measurements share: the build, the cores, a place for segments and one for files."""

    def __init__(self, build, work, cores, size, data):
        self.build, self.work, self.cores, self.size = build, work, cores, size
        self.producer_core, self.collector_core = cores
        self.segments = tempfile.mkdtemp(prefix="shmlog-bench-", dir="/dev/shm")
        os.environ["SHMLOG_DIR"] = self.segments
        self.feed_archives = sorted(glob.glob(os.path.join(data, "*.gz")))
        self.feed_plain = self.feed_zstd = None

    def remove_segment(self):
        """What a measurement that failed left; rings may be links to files on a hugetlbfs."""
        left = os.path.join(self.segments, "bench")
        for ring in glob.glob(os.path.join(left, "ring-*")):
            os.unlink(os.path.realpath(ring))
        files.remove_tree(left)

    def close(self):
        """Remove all in shared memory."""
        self.remove_segment()
        files.remove_tree(self.segments)

    def program(self, path):
        """A built program."""
        return os.path.join(self.build, path)

    def collector(self, *options):
        """A fresh collector with a fresh segment `bench`, and its output directory, emptied."""
        output = os.path.join(self.work, "log")
        files.remove_tree(output)
        self.remove_segment()
        return Collector(self.program("collector/shmlog-collector"), "bench", output,
                         self.collector_core, options), output

    def beside_rings_kib(self, collector):
        """Memory that logging takes beside the rings: the collector's own, and the other files of
        the segment, which are outbox and control."""
        others = [path for path in glob.glob(os.path.join(self.segments, "bench", "*"))
                  if not os.path.basename(path).startswith("ring-")]
        return collector.resident_kib() + files.allocated_kib(others)

    def verify(self, directory, records, lossless=True):
        """The ledger balances: as many records as were logged, none lost if it is to be lossless.
        Records dropped."""
        done = subprocess.run([self.program("tools/shmlog-dump"), "--verify", directory],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
        found = re.search(r"produced=(\d+) written=(\d+) dropped=(\d+) in_ring=0", last)
        produced, written, dropped = (int(n) for n in found.groups()) if found else (0, 0, 0)
        if (done.returncode != 0 or produced != records or written + dropped != records
                or (lossless and dropped)):
            raise Failure(f"{records} records were logged, but the files do not hold them: {last}")
        return dropped

    # -- cost of a call --

    def line_ns(self):
        """How far producer and collector are apart."""
        return run_json([self.program("bench/bench_line"), str(self.producer_core),
                         str(self.collector_core)])["one_way_ns"]

    def _with_collector(self, program, *arguments):
        """A program beside a collector with default options; how far the cores were apart, too."""
        lines = [self.line_ns()]
        collector, _ = self.collector()
        with collector:
            figures = run_json([self.program(program), "bench", str(self.producer_core),
                                *(str(argument) for argument in arguments)])
            collector.stop()
        lines.append(self.line_ns())
        figures["line_ns"] = lines
        figures["near"] = max(lines) < NEAR_NS
        return figures

    def call(self):
        """A log call back to back, beside the floor."""
        return self._with_collector("bench/bench_call", self.size.bursts)

    def pace(self):
        """The tail of single calls, and how it compares with the floor's."""
        figures = self._with_collector("bench/bench_pace", PERIOD_NS, self.size.samples)
        for work in ("core", "shared"):
            for key in ("p99", "p99_99"):
                if figures["floor"][key] > 0:
                    figures[work][key + "_ratio"] = figures[work][key] / figures["floor"][key]
        return figures

    # -- records to disk --

    def _produce(self, work, records, period_ns, producers=1, policy="wait"):
        line_ns = self.line_ns()
        collector, output = self.collector("--on-full", policy)
        others = [core for core in host.cores() if core != self.collector_core]
        with collector:
            parts = run_all([[self.program("bench/bench_produce"), "bench",
                              str(others[i % len(others)]), work, str(records // producers),
                              str(period_ns)] for i in range(producers)])
            memory = self.beside_rings_kib(collector)
            cpu, sealed = collector.stop()
        records = sum(part["records"] for part in parts)
        seconds = sealed - min(part["first_ns"] for part in parts) / 1e9
        size = files.log_bytes(output)
        dropped = self.verify(output, records, policy == "wait")
        files.remove_tree(output)
        written = max(1, records - dropped)
        return {"line_ns": [line_ns], "near": line_ns < NEAR_NS, "records": records,
                "cores": min(producers, len(others)), "dropped_percent": 100 * dropped / records,
                "seconds": seconds, "records_per_s": written / seconds, "collector_cpu_s": cpu,
                "collector_cpu_s_per_m": cpu / written * 1e6, "beside_rings_kib": memory,
                "file_bytes": size, "bytes_per_record": size / written}

    def disk(self):
        """Producers flat out under the wait policy, to sealed files; one, and several at once."""
        figures = {str(n): self._produce("orders", self.size.records, 0, n)
                   for n in self.size.producers}
        if "2" in figures:
            figures["two_ratio"] = figures["2"]["records_per_s"] / figures["1"]["records_per_s"]
        return figures

    def drop(self):
        """The same under the drop policy: what is lost is counted exactly."""
        return self._produce("orders", self.size.records, 0, policy="drop")

    def paced(self):
        """A record every 2 us: what it takes in the file."""
        return self._produce("orders", self.size.paced_records, PERIOD_NS)

    def mixed(self):
        """The mixed stream, flat out."""
        return self._produce("mixed", self.size.mixed_records, 0)

    # -- the feed --

    def _unpack_feed(self):
        """The feed's lines as a plain file, and what zstd -3 makes of it."""
        if not self.feed_archives:
            raise Skip("no feed: SHMLOG_DATA names no directory with a .gz file")
        if not shutil.which("zstd"):
            raise Skip("zstd is not installed")
        self.feed_plain = os.path.join(self.work, "feed")
        with gzip.open(self.feed_archives[0]) as packed, open(self.feed_plain, "wb") as file:
            shutil.copyfileobj(packed, file)
        self.feed_zstd = files.zstd3_bytes([self.feed_plain])

    def feed(self):
        """Real lines through shmlog-cat, beside zstd -3 of the plain text."""
        first = self.feed_plain is None
        if first:
            self._unpack_feed()
        collector, output = self.collector("--on-full", "wait")
        with collector:
            since = time.monotonic()
            with open(self.feed_plain, "rb") as lines:
                cat = subprocess.run(["taskset", "-c", str(self.producer_core),
                                      self.program("tools/shmlog-cat"), "--segment", "bench"],
                                     stdin=lines, stderr=subprocess.PIPE, text=True, check=False)
            if cat.returncode != 0:
                raise Failure(f"shmlog-cat failed: {cat.stderr.strip()}")
            cpu, sealed = collector.stop()
        size = files.log_bytes(output)
        if first:
            self._compare_feed(output)
        files.remove_tree(output)
        with open(self.feed_plain, "rb") as lines:
            count = sum(1 for _ in lines)
        return {"lines": count, "text_bytes": os.path.getsize(self.feed_plain),
                "file_bytes": size, "zstd3_bytes": self.feed_zstd,
                "bytes_per_line": size / count, "zstd3_bytes_per_line": self.feed_zstd / count,
                "ratio": size / self.feed_zstd, "seconds": sealed - since, "collector_cpu_s": cpu}

    def _compare_feed(self, output):
        """Every line comes back as it was, or the size means nothing."""
        dump = subprocess.Popen([self.program("tools/shmlog-dump"), output, "--fields", "message",
                                 "--format", "text"], stdout=subprocess.PIPE)
        same = subprocess.run(["cmp", "-s", "-", self.feed_plain], stdin=dump.stdout,
                              check=False).returncode == 0
        dump.stdout.close()
        if dump.wait() != 0 or not same:
            raise Failure("the feed's lines do not come back from the files as they were")

    # -- reading --

    def read(self):
        """From files to records and to text, and the merge of many rings, by one core."""
        program = self.program("bench/bench_read")
        directory = tempfile.mkdtemp(prefix="read-", dir=self.work)
        try:
            return run_json(["taskset", "-c", str(self.producer_core), program, directory,
                             self.program("tools/shmlog-dump"), str(self.size.read_records)])
        finally:
            files.remove_tree(directory)

    # -- instructions --

    def steps(self):
        """Instructions for each record: the same each time."""
        if not shutil.which("valgrind"):
            raise Skip("valgrind is not installed")
        return callgrind.count(self.program("bench/bench_steps"), self.segments, self.work,
                               self.size.steps)
