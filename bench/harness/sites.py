# SPDX-License-Identifier: MIT
"""What the header costs who includes it: bytes and compile time of call sites, code that is left in
a program, lines of errors. Each function gives figures of one compiler."""
import os
import shutil
import struct
import subprocess

from .processes import Failure
from .summary import spread

COMPILERS = ("gcc", "clang", "g++", "clang++")
LEVELS = ("-O2", "-O0")
A_FUNCTION = 10  # sites
SITES_FOR_BYTES = 200
FILES = 10
PARAMETERS = "unsigned long id, double px, int qty, char side, const char *text"
VARIANTS = {"numbers": ("order %lu px %.2f qty %d side %c", "id, px, qty, side"),
            "string": ("order is %s", "text")}
# Wrong statements, where `log` is an open log and `quantity` an int.
WRONG = {
    "misspelt": 'shmlog_info(log, "%d %d %d", 1, quantitty, 3);',
    "odd": 'shmlog_event(log, SHMLOG_INFO, "c", "e", "first", quantity, "second");',
    "no_literal": 'const char *format = "%d"; shmlog_info(log, format, quantity);',
}
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "CCACHE_DISABLE": "1"}


def installed(names=COMPILERS):
    """Those of the compilers that are there."""
    return [name for name in names if shutil.which(name)]


def version(compiler):
    """The name and the major version, as `gcc 12`."""
    done = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=True)
    return f"{compiler} {done.stdout.strip().split('.', maxsplit=1)[0]}"


def is_cxx(compiler):
    """Does it compile C++?"""
    return compiler.endswith("++")


class Workshop:
    """A header, and a directory to compile in what includes it."""

    def __init__(self, header, work):
        self.header, self.work = os.path.abspath(header), work
        if not os.path.isfile(self.header):
            raise Failure(f"{header}: no such file")
        self.include = f'#include "{self.header}"\n'

    def path(self, *words):
        """A name in the directory, of its own for these words."""
        return os.path.join(self.work, "_".join(words).replace("+", "x"))

    def command(self, compiler, *arguments):
        """Compile so; the header's parts may be included from the top of its tree."""
        language = ("-x", "c++", "-std=gnu++17") if is_cxx(compiler) else ("-x", "c", "-std=gnu11")
        return [compiler, *language, "-D_GNU_SOURCE",
                "-I" + os.path.dirname(os.path.dirname(self.header)), *arguments]

    def run(self, command, may_fail=False):
        """(user CPU seconds of it and its children, what it said on standard error)."""
        with open(self.path("said", str(os.getpid()), os.path.basename(command[-1])), "w+",
                  encoding="utf-8", errors="replace") as said:
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=said, env=ENVIRONMENT) as process:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read()
        if process.returncode != 0 and not may_fail:
            raise Failure(f"'{' '.join(command)}' failed:\n{text[:2000]}")
        return usage.ru_utime, text

    def compile(self, compiler, level, name, text):
        """(the object, user CPU seconds)"""
        base = self.path(compiler, level, name)
        with open(base + ".src", "w", encoding="utf-8") as file:
            file.write(text)
        seconds, _ = self.run(self.command(compiler, level, "-c", base + ".src", "-o", base + ".o"))
        return base + ".o", seconds


# ---- Object files ----

def sections(path):
    """(bytes, is it code?, is it in the file?) of each section of an ELF file that a process has
    in its memory."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:6] != b"\x7fELF\x02\x01":
        raise Failure(f"{path}: not a 64-bit little-endian ELF file")
    at, = struct.unpack_from("<Q", data, 0x28)
    width, count = struct.unpack_from("<HH", data, 0x3a)
    if count == 0:  # more than 65,279 of them: the first one says how many
        count, = struct.unpack_from("<Q", data, at + 0x20)
    for i in range(count):
        _, kind, flags, _, _, size = struct.unpack_from("<IIQQQQ", data, at + i * width)
        if flags & 0x2:  # SHF_ALLOC; SHF_EXECINSTR; SHT_NOBITS
            yield size, bool(flags & 0x4), kind != 8


def allocated(path):
    """(bytes in memory, those of them that are code)"""
    found = list(sections(path))
    return sum(size for size, _, _ in found), sum(size for size, code, _ in found if code)


def in_file(path):
    """Code and data of a program, without what begins as zero."""
    return sum(size for size, _, present in sections(path) if present)


# ---- Sources ----

def calls(shop, variant, count, logger):
    """`count` call sites; a text of its own for each, as real ones have."""
    text, arguments = VARIANTS[variant]
    log = "struct shmlog *log" if logger == "shmlog" else "FILE *log"
    call = 'shmlog_info(log, "{}: {}", {});' if logger == "shmlog" else \
        'fprintf(log, "{}: {}\\n", {});'
    lines = [shop.include if logger == "shmlog" else "#include <stdio.h>\n"]
    for first in range(0, count, A_FUNCTION):
        lines.append(f"void function_{first}({log}, {PARAMETERS});\n"
                     f"void function_{first}({log}, {PARAMETERS})\n{{\n"
                     "    (void)id, (void)px, (void)qty, (void)side, (void)text;\n")
        lines += [f"    {call.format(f's{i}', text, arguments)}\n"
                  for i in range(first, min(first + A_FUNCTION, count))]
        lines.append("}\n")
    return "".join(lines)


# ---- Figures ----

def bytes_a_site(shop, compiler, variant, level, count=SITES_FOR_BYTES):
    """What one more site adds to an object file: {bytes, text}."""
    whole, half = (allocated(shop.compile(compiler, level, f"{variant}_{n}",
                                          calls(shop, variant, n, "shmlog"))[0])
                   for n in (count, count // 2))
    return {name: (of_whole - of_half) / (count - count // 2)
            for name, of_whole, of_half in zip(("bytes", "text"), whole, half)}


def compile_pair(shop, compiler, variant, level, count):
    """User CPU seconds for sites, and for as many fprintf(), one after the other: once."""
    pair = {logger: shop.compile(compiler, level, f"{variant}_{logger}",
                                 calls(shop, variant, count, logger))[1]
            for logger in ("fprintf", "shmlog")}
    return {**pair, "ratio": pair["shmlog"] / pair["fprintf"]}


def times(pairs):
    """{fprintf, shmlog, ratio: spread} of several pairs."""
    return {key: spread([pair[key] for pair in pairs]) for key in pairs[0]}


def include_once(shop, compiler):
    """User CPU seconds at -O2 beyond those of an empty file: of a file that includes the header,
    and of the one that implements it. Once."""
    texts = {"empty": "", "declaring": shop.include,
             "implementing": "#define SHMLOG_IMPLEMENTATION\n" + shop.include}
    took = {name: shop.compile(compiler, "-O2", name, text)[1] for name, text in texts.items()}
    return {name: took[name] - took["empty"] for name in ("declaring", "implementing")}


def left_in_program(shop, compiler):
    """Bytes of code and data that FILES files of one call each leave in a program, beyond those of
    the same functions without calls. One of them is to implement the header."""
    sizes = []
    for has_calls in (True, False):
        objects = []
        for i in range(FILES):
            log = "struct shmlog *log" if has_calls else "void *log"
            text = ("#define SHMLOG_IMPLEMENTATION\n" if i == 0 else "") + \
                (shop.include if has_calls else "") + \
                f"int function_{i}({log}, int value);\nint function_{i}({log}, int value)\n{{\n" + \
                (f'    shmlog_info(log, "file {i}: %d", value);\n' if has_calls else "") + \
                "    return value + (log != 0);\n}\n"
            if i == 0:
                text += "int main(int argc, char **argv)\n{\n    return function_0(0, argc) + " \
                    "(argv == 0);\n}\n"
            name = f"left_{i}_{'calls' if has_calls else 'none'}"
            objects.append(shop.compile(compiler, "-O2", name, text)[0])
        program = shop.path(compiler, "left", str(has_calls))
        shop.run([compiler, "-pthread", *objects, "-o", program])
        sizes.append(in_file(program))
    return sizes[0] - sizes[1]


def lines_of_errors(shop, compiler):
    """How many lines the compiler says to each wrong statement."""
    lines = {}
    for name, statement in WRONG.items():
        source = shop.path(compiler, name + ".src")
        with open(source, "w", encoding="utf-8") as file:
            file.write(f"{shop.include}void program(struct shmlog *log, int quantity);\n"
                       "void program(struct shmlog *log, int quantity)\n{\n    (void)quantity;\n"
                       f"    {statement}\n}}\n")
        command = shop.command(compiler, "-O2", "-Wall", "-Wextra", "-c", source, "-o",
                               source + ".o")
        _, said = shop.run(command, may_fail=True)
        lines[name] = len(said.splitlines())
        if os.path.exists(source + ".o"):
            raise Failure(f"{compiler} compiles what is wrong: {statement}")
    return lines
