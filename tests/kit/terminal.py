# SPDX-License-Identifier: MIT
"""For tests of programs that take a terminal: one of 80 x 24, by keys and what shows up."""
import os
import pty
import re
import select
import sys
import time

DEADLINE = 60


def fail(text):
    sys.exit(f"FAILED: {text}")


SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b.|[\x00-\x1f]|[^\x00-\x1f\x1b]")


class Screen:
    """What a vt100 shows: as much of it as ncurses uses without insertion and scrolling."""

    def __init__(self):
        self.lines = [[" "] * 80 for _ in range(24)]
        self.row = self.column = 0

    def put(self, text):
        for match in SEQUENCE.finditer(text):
            command, whole = match.group(2), match.group(0)
            if command:
                self.control(command, [int(n or 0) for n in match.group(1).strip("?").split(";")])
            elif whole == "\r":
                self.column = 0
            elif whole == "\n":
                self.row = min(self.row + 1, 23)
            elif whole == "\b":
                self.column = max(self.column - 1, 0)
            elif len(whole) == 1 and whole >= " ":
                self.lines[self.row][self.column] = whole
                self.column = min(self.column + 1, 79)

    def control(self, command, numbers):
        first = numbers[0]
        if command == "H":
            self.row = min(max(first, 1), 24) - 1
            self.column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), 80) - 1
        elif command == "A":
            self.row = max(self.row - max(first, 1), 0)
        elif command == "B":
            self.row = min(self.row + max(first, 1), 23)
        elif command == "C":
            self.column = min(self.column + max(first, 1), 79)
        elif command == "D":
            self.column = max(self.column - max(first, 1), 0)
        elif command in "JK":
            line = self.lines[self.row]
            begin, end = (0, self.column + 1) if first == 1 else (0 if first == 2 else self.column, 80)
            line[begin:end] = [" "] * (end - begin)
            for row in range(self.row + 1, 24) if command == "J" and first == 0 else ():
                self.lines[row] = [" "] * 80
            if command == "J" and first == 2:
                self.lines = [[" "] * 80 for _ in range(24)]

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)


class Terminal:
    """A program in a terminal."""

    def __init__(self, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt100"
            os.environ["LINES"], os.environ["COLUMNS"] = "24", "80"
            os.execv(command[0], command)
        self.screen, self.rest = Screen(), ""

    def read(self):
        if not select.select([self.fd], [], [], 0.1)[0]:
            return
        self.rest += os.read(self.fd, 65536).decode(errors="replace")
        whole = len(self.rest)
        begun = self.rest.rfind("\x1b")
        if begun >= 0 and not SEQUENCE.match(self.rest, begun).group(0)[1:]:
            whole = begun
        elif begun >= 0 and self.rest[begun:begun + 2] == "\x1b[" and not re.match(r"\x1b\[[?0-9;]*[A-Za-z]",
                                                                                  self.rest[begun:]):
            whole = begun
        self.screen.put(self.rest[:whole])
        self.rest = self.rest[whole:]

    def expect(self, *texts):
        """Wait until the screen shows all of them."""
        end = time.monotonic() + DEADLINE
        while not all(text in self.screen.text() for text in texts):
            if time.monotonic() > end:
                fail(f"{texts!r} are not on the screen:\n{self.screen.text()}")
            self.read()

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def ends(self):
        """Its exit status."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                os.read(self.fd, 65536)
            except OSError:
                break
            if time.monotonic() > end:
                fail("it does not end")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
