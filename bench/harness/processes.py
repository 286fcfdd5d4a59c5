# SPDX-License-Identifier: MIT
"""Processes of a measurement: programs that print JSON, and a collector around them."""
import json
import os
import select
import signal
import subprocess
import time


class Failure(Exception):
    """What could not be measured, and why, in words for whoever ran the bench."""


class Skip(Exception):
    """What cannot be measured here, and why."""


SKIP = 77  # exit status
DEADLINE_S = 300


class Program:
    """A program in a session of its own that prints JSON: from the start to result()."""

    def __init__(self, arguments, **options):
        self.name = os.path.basename(arguments[0])
        try:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                            text=True, start_new_session=True, **options)
        except OSError as error:
            raise Failure(f"cannot start {arguments[0]}: {error.strerror}") from error

    def result(self):
        """The JSON. Whatever happens here, nothing of the program is left running."""
        try:
            out, err = self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{self.name} took more than {DEADLINE_S} s") from error
        finally:
            self.stop()
        message = err.strip().splitlines()[-1] if err.strip() else "no message"
        if self.process.returncode == SKIP:
            raise Skip(message)
        if self.process.returncode != 0:
            raise Failure(f"{self.name} failed ({self.process.returncode}): {message}")
        try:
            return json.loads(out)
        except ValueError as error:
            raise Failure(f"{self.name} printed no JSON: {out[:200]!r}") from error

    def stop(self):
        """End it, with a moment to clean up after itself, and all that it started."""
        for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            if self.process.poll() is None:
                self._signal(number)
                try:
                    self.process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    pass
        self._signal(signal.SIGKILL)
        self.process.stdout.close()
        self.process.stderr.close()

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def run_json(arguments, **options):
    """Run a program to its end; the JSON that it printed."""
    return Program(arguments, **options).result()


def run_all(commands):
    """Several programs at once; the JSON of each."""
    running = []
    try:
        for arguments in commands:
            running.append(Program(arguments))
        return [program.result() for program in running]
    finally:
        for program in running:
            program.stop()


class Collector:
    """A collector for a segment of its own, pinned, from `with` to `stop`.

    stop() gives what it used: CPU seconds since it was ready, and when its files were sealed.
    """
    DEADLINE_S = 60

    def __init__(self, program, segment, output, core, options=()):
        self.arguments = [program, "--segment", segment, "--output", output, "--pin", str(core),
                          "--no-alarm-records", *options]
        self.output = output
        self.process = None
        self.messages = b""
        self.cpu_when_ready = 0.0

    def __enter__(self):
        try:
            self.process = subprocess.Popen(self.arguments, stderr=subprocess.PIPE,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        except OSError as error:
            raise Failure(f"cannot start {self.arguments[0]}: {error.strerror}") from error
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        self.cpu_when_ready = self.cpu_seconds()
        return self

    def __exit__(self, *_):
        """After a failure: with a moment to drain, so that it takes its segment away."""
        if self.process and self.process.returncode is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.process.stderr.close()

    def _wait_ready(self):
        deadline = time.monotonic() + self.DEADLINE_S
        while b"shmlog-collector: ready" not in self.messages:
            ready, _, _ = select.select([self.process.stderr], [], [],
                                        max(0, deadline - time.monotonic()))
            piece = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            if not piece:
                raise Failure("the collector did not become ready: "
                              f"{self.messages.decode(errors='replace').strip() or 'no message'}")
            self.messages += piece

    def cpu_seconds(self):
        """Of all threads that it has now."""
        tasks = f"/proc/{self.process.pid}/task"
        total = 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def resident_kib(self):
        """What it has in memory now beside files in shared memory: its own, and its program."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file if line.startswith("Rss"))
        return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssFile"))

    def _sealed(self):
        """CLOCK_MONOTONIC when its last file was written; after that it only waits for the disk."""
        newest = max(entry.stat().st_mtime for entry in os.scandir(self.output)
                     if entry.name.endswith(".shmlog"))
        return time.monotonic() - (time.time() - newest)

    def stop(self):
        """SIGTERM: drains, seals, exits 0. (CPU seconds, CLOCK_MONOTONIC when it had sealed)"""
        self.process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self.process.pid, 0)
        sealed = self._sealed()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            raise Failure(f"the collector ended with {self.process.returncode}: "
                          f"{self.process.stderr.read().decode(errors='replace').strip()}")
        return usage.ru_utime + usage.ru_stime - self.cpu_when_ready, sealed
