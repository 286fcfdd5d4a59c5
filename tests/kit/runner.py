#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the tests that meson knows of, one line for each.

meson.build is the only list of tests; this reads it from the build directory by `meson introspect`
and runs what was asked for: in parallel where a test allows it, each in a session of its own,
with a time limit, its output in a log. Exit status 77 is a skip, whose reason is the last line
that the test said. Results are appended to a file, one line each: VERDICT, name, seconds, reason,
with tabs between, for tests/run to count.
"""
import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

SKIP = 77


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


def read_tests(build):
    """The tests of a build directory, from meson."""
    cached = os.path.join(build, "meson-info", "intro-tests.json")
    with open(cached, encoding="utf-8") as f:
        tests = json.load(f)
    for test in tests:
        test["suites"] = [s.split(":", 1)[-1] for s in test["suite"]]
    return tests


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


class Runner:
    def __init__(self, options):
        self.options = options
        self.screen = Screen()
        self.failed = False
        self.results_lock = threading.Lock()
        self.build = os.path.abspath(options.build)
        os.makedirs(options.logs, exist_ok=True)

    def moved(self, text):
        for pair in self.options.move:
            old, new = pair.split("=", 1)
            text = text.replace(old, new)
        return text

    def name_of(self, test):
        return f"{self.options.label}/{test['suites'][0]}/{test['name']}"

    def run_one(self, test):
        name = self.name_of(test)
        log_path = os.path.join(self.options.logs, re.sub(r"[^\w.-]+", "-", name) + ".log")
        env = dict(os.environ)
        env.update({k: self.moved(v) for k, v in test["env"].items()})
        cmd = self.options.wrap.split() + [self.moved(part) for part in test["cmd"]]
        limit = test["timeout"] * self.options.slower
        workdir = self.moved(test["workdir"] or self.build)  # as meson test does

        self.screen.start(name)
        start = time.monotonic()
        timed_out = False
        with open(log_path, "wb") as log:
            try:
                process = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=env, cwd=workdir, start_new_session=True)
                try:
                    status = process.wait(limit)
                except subprocess.TimeoutExpired:
                    timed_out = True
                    end_session(process)
                    status = -1
            except OSError as error:
                log.write(f"{cmd[0]}: {error.strerror}\n".encode())
                status = 127
        seconds = time.monotonic() - start

        lines = []
        if timed_out:
            verdict, reason = "FAIL", f"not done after {limit:.0f} s"
        elif status == 0:
            verdict, reason = "PASS", ""
        elif status == SKIP:
            verdict, reason = "SKIP", last_line(log_path) or "no reason given"
        elif status < 0:
            verdict, reason = "FAIL", f"killed by {signal.Signals(-status).name}"
        else:
            verdict, reason = "FAIL", last_line(log_path)[:160]
        lines.append(f"{verdict}  {name:<44} {seconds:7.1f} s" + (f"  {reason}" if reason else ""))
        if verdict == "FAIL":
            lines += log_lines(log_path, 200)
        self.screen.finish(name, lines)
        self.note(verdict, name, f"{seconds:.1f}", reason)

    def note(self, *result):
        with self.results_lock:
            self.failed |= result[0] == "FAIL"
            if self.options.results:
                with open(self.options.results, "a", encoding="utf-8") as f:
                    f.write("\t".join(result).replace("\n", " ") + "\n")

    def run(self, tests):
        together = [t for t in tests if t["is_parallel"]]
        alone = [t for t in tests if not t["is_parallel"]]
        together.sort(key=lambda t: -t["timeout"])  # long ones first
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            list(pool.map(self.run_one, together))
        for test in alone:
            self.run_one(test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build directory")
    parser.add_argument("--label", required=True, help="first part of the tests' names")
    parser.add_argument("--suite", action="append", default=[], help="only these suites")
    parser.add_argument("--only", default="", help="only names that contain or match this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--logs", help="where the logs go")
    parser.add_argument("--results", help="append results to this file")
    parser.add_argument("--wrap", default="", help="run each test under this command")
    parser.add_argument("--slower", type=float, default=1, help="stretch time limits by this")
    parser.add_argument("--move", action="append", default=[], metavar="OLD=NEW",
                        help="the build or source directory was copied to NEW")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_args()
    options.logs = os.path.abspath(options.logs or os.path.join(options.build, "logs"))

    runner = Runner(options)
    tests = [t for t in read_tests(options.build)
             if not options.suite or set(options.suite) & set(t["suites"])]
    if options.only:
        tests = [t for t in tests if options.only in runner.name_of(t)
                 or fnmatch.fnmatch(runner.name_of(t), options.only)]
    if options.list:
        for test in tests:
            print(runner.name_of(test))
        return 0
    runner.run(tests)
    # With a file of results, whoever counts them judges: then 0 says that they are all there.
    return 1 if runner.failed and not options.results else 0


if __name__ == "__main__":
    sys.exit(main())
