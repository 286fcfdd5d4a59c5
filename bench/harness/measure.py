# SPDX-License-Identifier: MIT
"""The measurements: each makes one repetition and adds its raw figures to the results."""
import collections
import glob
import gzip
import os
import shutil
import subprocess
import tempfile
import time

from . import callgrind
from .processes import Collector, Failure, run_json

NAMES = ("call", "pace", "disk", "paced_file", "feed", "steps")
PERIOD_NS = 2000
# One way from core to core: about 25 to 60 ns where they share a last-level cache; beyond this they
# do not.
NEAR_NS = 100

Size = collections.namedtuple("Size", "repetitions bursts samples records paced_records steps")


def remove_tree(path):
    """A directory and all in it, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


def file_bytes(directory):
    """Bytes of all log files in a directory; not one may be left unsealed."""
    paths = glob.glob(os.path.join(directory, "*.shmlog"))
    others = [name for name in os.listdir(directory) if not name.endswith(".shmlog")]
    if not paths or others:
        raise Failure(f"the collector left {len(paths)} log files and {others or 'nothing else'}")
    return sum(os.path.getsize(path) for path in paths)


class Bench:
    """All measurements with what they share."""

    def __init__(self, build, work, cores, size, data):
        self.build, self.work, self.cores, self.size = build, work, cores, size
        self.producer_core, self.collector_core = cores
        self.results = {name: [] for name in NAMES}
        self.skipped = {}
        self.segments = tempfile.mkdtemp(prefix="shmlog-bench-", dir="/dev/shm")
        os.environ["SHMLOG_DIR"] = self.segments
        self.feed_plain = self._unpack_feed(data)
        self.feed_zstd = None

    def __del__(self):
        remove_tree(self.segments)

    def run(self, name):
        """One repetition of one measurement."""
        if name not in self.skipped:
            figures = getattr(self, name)()
            if figures:
                self.results[name].append(figures)

    def program(self, path):
        """A built program."""
        return os.path.join(self.build, path)

    def collector(self, *options):
        """A fresh collector with a fresh segment `bench`, and its output directory, emptied."""
        output = os.path.join(self.work, "log")
        remove_tree(output)
        return Collector(self.program("collector/shmlog-collector"), "bench", output,
                         self.collector_core, options), output

    def verify(self, directory, records):
        """The ledger: as many records as were logged, none lost. Its own reading, not ours."""
        done = subprocess.run([self.program("tools/shmlog-dump"), "--verify", directory],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
        if done.returncode != 0 or f"written={records} dropped=0 in_ring=0" not in last:
            raise Failure(f"{records} records were logged, but the files do not hold them: {last}")

    # -- cost of a call --

    def _line_ns(self):
        return run_json([self.program("bench/bench_line"), str(self.producer_core),
                         str(self.collector_core)])["one_way_ns"]

    def _with_collector(self, program, *arguments):
        """A program beside a collector with default options; how far the cores were apart, too."""
        lines = [self._line_ns()]
        collector, _ = self.collector()
        with collector:
            figures = run_json([self.program(program), "bench", str(self.producer_core),
                                *(str(argument) for argument in arguments)])
            collector.stop()
        lines.append(self._line_ns())
        figures["line_ns"] = lines
        figures["near"] = max(lines) < NEAR_NS
        return figures

    def call(self):
        """A log call back to back, beside the floor."""
        return self._with_collector("bench/bench_call", self.size.bursts)

    def pace(self):
        """The tail of single calls."""
        return self._with_collector("bench/bench_pace", PERIOD_NS, self.size.samples)

    # -- records to disk --

    def _produce(self, records, period_ns):
        line_ns = self._line_ns()
        collector, output = self.collector("--on-full", "wait")
        with collector:
            figures = run_json([self.program("bench/bench_produce"), "bench",
                                str(self.producer_core), str(records), str(period_ns)])
            cpu, sealed = collector.stop()
        seconds = sealed - figures["first_ns"] / 1e9
        size = file_bytes(output)
        self.verify(output, records)
        remove_tree(output)
        return {**figures, "line_ns": [line_ns], "near": line_ns < NEAR_NS,
                "seconds": seconds, "records_per_s": records / seconds,
                "collector_cpu_s": cpu, "collector_cpu_s_per_m": cpu / records * 1e6,
                "file_bytes": size, "bytes_per_record": size / records}

    def disk(self):
        """One producer flat out under the wait policy, to sealed files."""
        return self._produce(self.size.records, 0)

    def paced_file(self):
        """A record every 2 us: what it takes in the file."""
        return self._produce(self.size.paced_records, PERIOD_NS)

    # -- the feed --

    def _unpack_feed(self, data):
        """The feed's lines as a plain file; None and a reason if it is not there."""
        archives = sorted(glob.glob(os.path.join(data, "*.gz")))
        if not archives:
            self.skipped["feed"] = "no feed: SHMLOG_DATA names no directory with a .gz file"
            return None
        if not shutil.which("zstd"):
            self.skipped["feed"] = "zstd is not installed"
            return None
        plain = os.path.join(self.work, "feed")
        with gzip.open(archives[0]) as packed, open(plain, "wb") as file:
            shutil.copyfileobj(packed, file)
        return plain

    def feed(self):
        """Real lines through shmlog-cat, beside zstd -3 of the plain text."""
        if self.feed_zstd is None:
            packed = subprocess.run(["zstd", "-3", "-q", "-c", self.feed_plain],
                                    stdout=subprocess.PIPE, check=True).stdout
            self.feed_zstd = len(packed)
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
        size = file_bytes(output)
        if not self.results["feed"]:
            self._compare_feed(output)
        remove_tree(output)
        with open(self.feed_plain, "rb") as lines:
            count = sum(1 for _ in lines)
        return {"bench": "feed", "lines": count, "text_bytes": os.path.getsize(self.feed_plain),
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

    # -- instructions --

    def steps(self):
        """Instructions for each record; once is enough, twice shows that they repeat."""
        if not shutil.which("valgrind"):
            self.skipped["steps"] = "valgrind is not installed"
            return None
        if len(self.results["steps"]) == 2:
            return None
        return callgrind.count(self.program("bench/bench_steps"), self.segments, self.work,
                               self.size.steps)
