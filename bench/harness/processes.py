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


def run_json(arguments, **options):
    """Run a program to its end; the JSON that it printed."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          **options)
    if done.returncode != 0:
        raise Failure(f"{os.path.basename(arguments[0])} failed ({done.returncode}): "
                      f"{done.stderr.strip() or 'no message'}")
    return json.loads(done.stdout)


class Collector:
    """A collector for a segment of its own, pinned, from `with` to `stop`.

    stop() gives what it used: CPU seconds since it was ready, and when its files were sealed.
    """
    DEADLINE_S = 60

    def __init__(self, program, segment, output, core, options=()):
        self.arguments = [program, "--segment", segment, "--output", output, "--pin", str(core),
                          *options]
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
        self.cpu_when_ready = self._cpu_seconds()
        return self

    def __exit__(self, *_):
        if self.process and self.process.returncode is None:
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

    def _cpu_seconds(self):
        """Of all threads that it has now."""
        tasks = f"/proc/{self.process.pid}/task"
        total = 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def stop(self):
        """SIGTERM: drains, seals, exits 0. (CPU seconds, CLOCK_MONOTONIC at its end)"""
        self.process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self.process.pid, 0)
        sealed = time.monotonic()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            raise Failure(f"the collector ended with {self.process.returncode}: "
                          f"{self.process.stderr.read().decode(errors='replace').strip()}")
        return usage.ru_utime + usage.ru_stime - self.cpu_when_ready, sealed
