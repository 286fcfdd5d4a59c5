#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the tests that meson knows of, one line for each.

meson.build is the only list of tests; this reads it from each build directory and runs what was asked
for, the tests of all builds from one queue, longest first: in parallel where a test allows it, each in
a session of its own, with a time limit, its output in a log. Exit status 77 is a skip, whose reason is
the last line that the test said. Suites after a test's first one say what is special about it:

  timed   it is about time itself: a busy machine may make it fail
  long    only a long or random run can show it; run with --long
  user    run once more as an ordinary user
  waits   it sleeps most of the time, and takes a place beside those that do not

What failed is run again, alone, up to twice, when the others are done. A test of `timed` that passes
then is FLAKY; any other one, and one whose exit status says that records were lost or counted wrongly,
has failed, however often it passes afterwards.

Results are appended to a file, one line each: VERDICT, name, seconds, reason, with tabs between, for
tests/run to count, and to a history, by which the next run is ordered.
"""
import argparse
import concurrent.futures
import dataclasses
import fnmatch
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

SKIP = 77
LEDGER = 3  # exit status of a test whose records or sums were wrong; tests/kit/kit.h
LEAST_LIMIT = 240  # seconds; several times what the kit waits for a condition
WAITING = 4  # tests that mostly wait, beside the others
RERUNS = 2
RERUN_AT_MOST = 8  # more failures than that are not noise


@dataclasses.dataclass
class Build:
    """A way to run tests: the label is the first part of their names."""
    label: str
    directory: str
    suites: tuple = ()  # only these; none: all
    env: dict = dataclasses.field(default_factory=dict)
    wrap: list = dataclasses.field(default_factory=list)
    slower: float = 1  # stretches time limits
    moves: list = dataclasses.field(default_factory=list)  # (old, new): this build was copied


def make_build(label, directory, user_copy):
    """What is special about the builds of tests/run."""
    build = Build(label, os.path.abspath(directory))
    if label == "asan":
        build.slower = 4
        build.env = {
            "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
            "SHMLOG_TEST_KILLS": str(int(os.environ.get("SHMLOG_TEST_KILLS", "40")) // 10 + 1),
        }
    elif label == "tsan":
        build.slower = 4
        build.suites = ("race",)
        build.env = {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}
        # Memory randomisation of newer kernels is more than this compiler's TSan takes.
        if shutil.which("setarch") and subprocess.call(["setarch", "-R", "true"],
                                                       stderr=subprocess.DEVNULL) == 0:
            build.wrap = ["setarch", "-R"]
    elif label == "fuzz":
        build.suites = ("fuzz",)
    elif label == "user":
        build.suites = ("user",)
        build.env = {
            "HOME": user_copy, "TMPDIR": user_copy, "SHMLOG_TEST_SHARE": "8",
            "SHMLOG_TEST_KILLS": str(int(os.environ.get("SHMLOG_TEST_KILLS", "40")) // 4 + 1),
        }
        build.wrap = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                      "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        build.moves = [(build.directory, os.path.join(user_copy, "build")),
                       (os.getcwd(), user_copy)]
    return build


class Test:
    def __init__(self, build, entry):
        self.build = build
        self.suites = [s.split(":", 1)[-1] for s in entry["suite"]]
        self.tags = self.suites[1:]
        self.name = f"{build.label}/{self.suites[0]}/{entry['name']}"
        self.cmd = build.wrap + [self.moved(part) for part in entry["cmd"]]
        self.env = dict(os.environ)
        # What a test asks for goes before what its build does.
        self.env.update(build.env)
        self.env.update({k: self.moved(v) for k, v in entry["env"].items()})
        self.limit = max(entry["timeout"], LEAST_LIMIT) * build.slower
        self.workdir = self.moved(entry["workdir"] or build.directory)  # as meson test does
        self.is_parallel = entry["is_parallel"]
        self.seconds = entry["priority"] * build.slower / 2  # a guess, until the history knows

    def moved(self, text):
        for old, new in self.build.moves:
            text = text.replace(old, new)
        return text

    def matches(self, pattern):
        return pattern in self.name or fnmatch.fnmatch(self.name, pattern)


def read_tests(build):
    """The tests of a build directory, from meson."""
    path = os.path.join(build.directory, "meson-info", "intro-tests.json")
    with open(path, encoding="utf-8") as f:
        tests = [Test(build, entry) for entry in json.load(f)]
    return [t for t in tests if not build.suites or set(build.suites) & set(t.suites)]


class History:
    """Earlier results, a line each: time, verdict, name, seconds."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.results = {}
        try:
            with open(path, encoding="utf-8") as f:
                for line in f:
                    fields = line.rstrip("\n").split("\t")
                    if len(fields) == 4:
                        self.results.setdefault(fields[2], []).append((fields[1], float(fields[3])))
        except OSError:
            pass

    def add(self, verdict, name, seconds):
        with self.lock, open(self.path, "a", encoding="utf-8") as f:
            f.write(f"{int(time.time())}\t{verdict}\t{name}\t{seconds:.1f}\n")

    def seconds(self, name):
        times = [s for verdict, s in self.results.get(name, [])[-9:] if verdict != "SKIP"]
        return statistics.median(times) if times else None

    def print(self, pattern):
        print(f"{'test':<52} {'runs':>5} {'failed':>6} {'flaky':>6} {'median s':>9} {'longest':>8}")
        for name, results in sorted(self.results.items()):
            ran = [r for r in results if r[0] != "SKIP"]
            if not ran or not (pattern in name or fnmatch.fnmatch(name, pattern)):
                continue
            count = {v: sum(r[0] == v for r in ran) for v in ("FAIL", "FLAKY")}
            times = [r[1] for r in ran]
            print(f"{name:<52} {len(ran):>5} {count['FAIL']:>6} {count['FLAKY']:>6} "
                  f"{statistics.median(times):>9.1f} {max(times):>8.1f}")


class Screen:
    """Result lines, and on a terminal a last line that says what runs."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = {}
        self.live = sys.stdout.isatty()

    def _draw(self):
        if self.live and self.running:
            width = os.get_terminal_size().columns - 1
            text = "... " + ", ".join(sorted(self.running))
            sys.stdout.write("\r\033[K" + text[:width])
            sys.stdout.flush()

    def start(self, name):
        with self.lock:
            self.running[name] = True
            self._draw()

    def finish(self, name, lines):
        with self.lock:
            self.running.pop(name, None)
            if self.live:
                sys.stdout.write("\r\033[K")
            for line in lines:
                print(line)
            sys.stdout.flush()
            self._draw()


def last_line(path):
    with open(path, "rb") as f:
        f.seek(0, os.SEEK_END)
        f.seek(max(0, f.tell() - 4096))
        lines = f.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def log_lines(path, limit):
    with open(path, "rb") as f:
        lines = f.read().decode("utf-8", "replace").splitlines()
    if len(lines) > limit:
        lines = [f"... ({len(lines) - limit} lines before)"] + lines[-limit:]
    return ["    | " + line for line in lines]


def seed_of(path):
    with open(path, "rb") as f:
        found = re.search(rb"\bseed (\d+)", f.read())
    return f"seed {found[1].decode()}" if found else "no seed"


def end_session(process):
    """End a test that ran too long: its leader may clean up, then all that is left is killed."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def remove_left_over(folders):
    """What tests left whose guards were killed: the number in a name is the test's process."""
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            found = re.match(r"shmlog-test-(\d+)-", name)
            if not found:
                continue
            try:
                os.kill(int(found[1]), 0)
            except ProcessLookupError:
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
            except OSError:
                pass  # somebody else's, and alive


@dataclasses.dataclass
class Result:
    verdict: str
    reason: str
    seconds: float
    log: str
    is_ledger: bool = False


class Runner:
    def __init__(self, options):
        self.options = options
        self.screen = Screen()
        self.failed = []
        self.lock = threading.Lock()
        self.history = History(options.history_file)

    def run_once(self, test, log_path):
        self.screen.start(test.name)
        start = time.monotonic()
        timed_out = False
        with open(log_path, "wb") as log:
            try:
                process = subprocess.Popen(test.cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=test.env, cwd=test.workdir, start_new_session=True)
                try:
                    status = process.wait(test.limit)
                except subprocess.TimeoutExpired:
                    timed_out = True
                    end_session(process)
                    status = -1
            except OSError as error:
                log.write(f"{test.cmd[0]}: {error.strerror}\n".encode())
                status = 127
        seconds = time.monotonic() - start
        if timed_out:
            return Result("FAIL", f"not done after {test.limit:.0f} s", seconds, log_path)
        if status == 0:
            return Result("PASS", "", seconds, log_path)
        if status == SKIP:
            return Result("SKIP", last_line(log_path) or "no reason given", seconds, log_path)
        if status < 0:
            reason = f"killed by {signal.Signals(-status).name}"
        else:
            reason = last_line(log_path)[:160]
        return Result("FAIL", reason, seconds, log_path, status == LEDGER)

    def log_path(self, test, number=0):
        name = re.sub(r"[^\w.-]+", "-", test.name) + (f".{number}" if number else "") + ".log"
        return os.path.join(test.build.directory, "logs", name)

    def run_first(self, test):
        """Run a test. One that fails is not judged yet."""
        path = self.log_path(test)
        for number in range(1, RERUNS + 2):  # logs of an earlier run's failures
            if os.path.exists(self.log_path(test, number)):
                os.remove(self.log_path(test, number))
        result = self.run_once(test, path)
        if result.verdict == "FAIL":
            load = os.getloadavg()[0]
            note = f"{result.reason}  ({seed_of(path)}, load {load:.1f})"
            lines = [f"fail  {test.name:<44} {result.seconds:7.1f} s  {note}"] + log_lines(path, 200)
            self.screen.finish(test.name, lines)
            result.reason = note
            with self.lock:
                self.failed.append((test, result))
        else:
            self.judge(test, result)

    def judge(self, test, result):
        line = f"{result.verdict:<5} {test.name:<44} {result.seconds:7.1f} s"
        self.screen.finish(test.name, [line + (f"  {result.reason}" if result.reason else "")])
        self.history.add(result.verdict, test.name, result.seconds)
        if self.options.results:
            fields = (result.verdict, test.name, f"{result.seconds:.1f}", result.reason)
            with self.lock, open(self.options.results, "a", encoding="utf-8") as f:
                f.write("\t".join(fields).replace("\n", " ") + "\n")

    def run_again(self, test, first):
        """Noise or a defect? Both logs are kept."""
        failures, runs = 1, 1
        is_ledger = first.is_ledger
        os.rename(first.log, self.log_path(test, 1))
        for number in range(2, RERUNS + 2):
            result = self.run_once(test, self.log_path(test, number))
            runs += 1
            failures += result.verdict == "FAIL"
            is_ledger |= result.is_ledger
        first.reason = f"failed {failures} of {runs}: {first.reason}"
        if failures < runs and "timed" in test.tags and not is_ledger:
            first.verdict = "FLAKY"

    def run(self, tests):
        for test in tests:
            known = self.history.seconds(test.name)
            test.seconds = test.seconds if known is None else known
            os.makedirs(os.path.join(test.build.directory, "logs"), exist_ok=True)
        tests = sorted(tests, key=lambda t: -t.seconds)
        waiting = [t for t in tests if t.is_parallel and "waits" in t.tags]
        busy = [t for t in tests if t.is_parallel and "waits" not in t.tags]
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool, \
                concurrent.futures.ThreadPoolExecutor(WAITING) as beside:
            done = [beside.submit(self.run_first, t) for t in waiting]
            done += [pool.submit(self.run_first, t) for t in busy]
        for future in done:
            future.result()  # raises what went wrong in this program
        for test in tests:
            if not test.is_parallel:
                self.run_first(test)
        for test, result in self.failed:
            if len(self.failed) <= RERUN_AT_MOST:
                self.run_again(test, result)
            self.judge(test, result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="append", default=[], metavar="LABEL=DIRECTORY")
    parser.add_argument("--suite", action="append", default=[], help="only these suites")
    parser.add_argument("--only", default="", help="only names that contain or match this")
    parser.add_argument("--long", action="store_true", help="also what takes long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--results", help="append results to this file")
    parser.add_argument("--user-copy", default="", help="where the tree is that an ordinary user runs")
    parser.add_argument("--history-file", default="build/history.tsv")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--history", action="store_true", help="print earlier results by name and stop")
    options = parser.parse_args()

    if options.history:
        History(options.history_file).print(options.only)
        return 0
    tests = []
    for text in options.build:
        label, directory = text.split("=", 1)
        tests += read_tests(make_build(label, directory, options.user_copy))
    tests = [t for t in tests if t.matches(options.only)
             and (options.long or "long" not in t.tags)
             and (not options.suite or set(options.suite) & set(t.suites))]
    if options.list:
        for test in tests:
            print(" ".join([f"{test.name:<44}", *test.tags]).rstrip())
        return 0
    folders = {"/dev/shm", "/tmp", os.environ.get("TMPDIR", "/tmp")}
    remove_left_over(folders)
    runner = Runner(options)
    runner.run(tests)
    remove_left_over(folders)
    # With a file of results, whoever counts them judges: then 0 says that they are all there.
    return 1 if runner.failed and not options.results else 0


if __name__ == "__main__":
    sys.exit(main())
