# SPDX-License-Identifier: MIT
"""Messages of records, as section 12 of docs/format.md describes them."""
import ctypes
import struct

from content import BOOL, BYTES, CHAR, F32, F64, I64, POINTER, PRINTF, STRING, TEXT, U64
from conventions import MASK, signed

_libc = ctypes.CDLL(None)


def c_printf(flags, width, precision, letter, number):
    """One number as C prints it."""
    spec = "%" + flags + ("" if width is None else str(width)) + \
        ("" if precision is None else f".{precision}")
    out = ctypes.create_string_buffer(16384)
    if isinstance(number, float):
        argument = ctypes.c_double(number)
    else:
        argument = ctypes.c_ulonglong(number & MASK)
        spec += "" if letter == "p" else "ll"
    size = _libc.snprintf(out, ctypes.c_size_t(16384), (spec + letter).encode(), argument)
    return out.raw[:size]


def shortest(value, single):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    for digits in range(6 if single else 15, 18):
        shown = f"%.{digits}g" % value
        if single and struct.pack("<f", float(shown)) == struct.pack("<f", value):
            break
        if float(shown) == value:
            break
    return shown


def quoted(data):
    if data and not any(byte < 0x21 or byte in b'"=\\\x7f' for byte in data):
        return data
    return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def plain_value(value):
    """A value as in an event."""
    kind, v = value.type, value.value
    if kind == BOOL:
        return b"true" if v else b"false"
    if kind == CHAR:
        return quoted(bytes([v & 0xFF]))
    if kind in (F32, F64):
        return shortest(v, kind == F32).encode()
    if kind == POINTER:
        return b"0x%x" % v
    if kind in (STRING, BYTES, TEXT):
        if v is None:
            return b"(null)"
        return b"0x" + v.hex().encode() if kind == BYTES else quoted(v)
    return b"%d" % v


class Format:
    """A printf-style format and the arguments that it has not taken yet."""

    def __init__(self, form, values):
        self.form, self.at, self.values, self.next = form, 0, values, 0

    def peek(self):
        return self.form[self.at:self.at + 1]

    def digits(self):
        begin = self.at
        while self.peek().isdigit():
            self.at += 1
        return min(int(self.form[begin:self.at] or b"0"), 4096)

    def position(self):
        """Digits and `$`, not 0; else None, and nothing is taken."""
        begin = self.at
        number = self.digits()
        if number and self.peek() == b"$":
            self.at += 1
            return number
        self.at = begin
        return None

    def argument(self, position):
        if position is None:
            self.next += 1
            position = self.next
        return self.values[position - 1] if position <= len(self.values) else None

    def star(self):
        self.at += 1
        value = self.argument(self.position())
        if value is None or not BOOL <= value.type <= U64:
            return 0
        number = signed(value.value, 64 if value.type in (I64, U64) else 32)
        return max(min(number, 4096), -4096)

    def conversion(self):
        """From after a `%` on."""
        begin, width, precision, flags, length = self.at - 1, None, None, "", ""
        position = self.position()
        while self.peek() and self.peek() in b"-+ #0'":
            flags += self.peek().decode() if self.peek().decode() not in flags else ""
            self.at += 1
        if self.peek() == b"*":
            width = self.star()
            if width < 0:
                width, flags = -width, flags + "-"
        elif self.peek().isdigit():
            width = self.digits()
        if self.peek() == b".":
            self.at += 1
            precision = self.star() if self.peek() == b"*" else self.digits()
            precision = None if precision < 0 else precision
        while self.peek() and self.peek() in b"hlLqjzt":
            length += self.peek().decode()
            self.at += 1
        letter = self.peek().decode("latin-1")
        self.at += len(letter)
        if letter == "%":
            return b"%"
        if not letter or letter not in "diuoxXeEfFgGaAcCsSpn":
            return self.form[begin:self.at]
        value = self.argument(position)
        if letter == "n":
            return self.form[begin:self.at]
        if value is None:
            return b"<missing>"
        shown = self.show(letter, value, flags, width, precision, length)
        return plain_value(value) if shown is None else shown

    def show(self, letter, value, flags, width, precision, length):
        kind, v = value.type, value.value
        if letter in "diuoxX" and (BOOL <= kind <= U64 or kind == POINTER):
            if length:
                bits = {"h": 16, "hh": 8}.get(length, 64)
            else:
                bits = 64 if kind in (I64, U64, POINTER) else 32
            v = signed(v, bits) if letter in "di" else v & ((1 << bits) - 1)
            return c_printf(flags, width, precision, letter, v)
        if letter in "eEfFgGaA" and kind in (F32, F64):
            return c_printf(flags, width, precision, letter, v)
        if letter in "cC" and BOOL <= kind <= U64:
            point = v & 0xFFFFFFFF
            wide = length not in ("", "h", "hh") and 0x80 <= point <= 0x10FFFF
            data = chr(point).encode("utf-8", "surrogatepass") if wide else bytes([v & 0xFF])
        elif letter in "sS" and kind in (STRING, BYTES, TEXT):
            data = b"(null)" if v is None else v[:precision]
        elif letter == "p" and (BOOL <= kind <= U64 or kind == POINTER):
            return c_printf(flags, width, precision, letter, v)
        else:
            return None
        return data.ljust(width or 0) if "-" in flags else data.rjust(width or 0)

    def message(self):
        out = []
        while self.at < len(self.form):
            percent = self.form.find(b"%", self.at)
            percent = len(self.form) if percent < 0 else percent
            out.append(self.form[self.at:percent])
            self.at = percent + 1
            if percent < len(self.form):
                out.append(self.conversion())
        return b"".join(out)


def message(site, values):
    if site.kind == PRINTF:
        return Format(site.format, values).message()
    out = site.format
    for i, (name, value) in enumerate(zip(site.names, values), 1):
        out += b" " + (name or b"arg%d" % i) + b"=" + plain_value(value)
    return out
