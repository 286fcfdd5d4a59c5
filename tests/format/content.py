# SPDX-License-Identifier: MIT
"""Sections 4 to 7 of docs/format.md: sites, and from the content of a block to records."""
import collections
import struct

from conventions import MASK, Bytes, need, signed, text

# ---- Section 4: sites, arguments, payloads ----

BOOL, CHAR, I8, U8, I16, U16, I32, U32, I64, U64, F32, F64, POINTER, STRING, BYTES, TEXT = range(1, 17)
SIZE = dict(zip(range(1, 16), (1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 4, 4)))
SIGNED = (CHAR, I8, I16, I32, I64)
STRINGS = (STRING, BYTES)
PRINTF, EVENT, RAW = 1, 2, 3
NULL = 0xFFFFFFFF

Field = collections.namedtuple("Field", "type offset size")
Value = collections.namedtuple("Value", "type value cut")


class Site:
    def __init__(self, data):
        need(len(data) >= 16, "size of a site")
        size, self.kind, self.level, self.flags, count, _, self.line, self.struct_size = \
            struct.unpack_from("<HBBHBBII", data)
        raw = self.kind == RAW
        need(size == len(data) and self.kind in (PRINTF, EVENT, RAW) and self.level <= 5 and
             count <= (32 if raw else 16) and self.struct_size <= (3568 if raw else 0), "a site")
        need(len(data) >= 16 + 8 * count, "arguments of a site")
        self.fields = []
        self.end = 12
        for i in range(count):
            kind, _, offset, size, _ = struct.unpack_from("<BBHHH", data, 16 + 8 * i)
            if raw:
                need(size == SIZE.get(kind, size) and size and kind in (*range(1, 14), TEXT) and
                     offset + size <= self.struct_size, "field of a struct")
                offset += 16
            else:
                need(SIZE.get(kind) == size and offset % size == 0 and offset >= self.end and
                     offset + size <= 3584, "argument of a site")
                self.end = offset + size
            self.fields.append(Field(kind, offset, size))
        if raw:
            self.end = 16 + self.struct_size
        strings = data[16 + 8 * count:].split(b"\0")[:-1]
        need(len(strings) >= 4 + count, "strings of a site")
        self.format, self.file, self.function, self.category = strings[:4]
        self.names = strings[4:4 + count]

    def values(self, payload):
        """The arguments of a record; Damaged if it does not fit its site."""
        need(len(payload) >= self.end, "the payload is too short")
        values, string = [], self.end
        for kind, offset, size in self.fields:
            data, cut = payload[offset:offset + size], False
            number = int.from_bytes(data, "little")
            if kind in STRINGS:
                length = string_size(number)
                value = None if number == NULL else payload[string:string + length]
                cut = number != NULL and number >> 31 == 1
                need(string + length <= len(payload), "a string goes beyond the payload")
                string += length
            elif kind == TEXT:
                value = text(data)
            elif kind in (F32, F64):
                value, = struct.unpack("<f" if kind == F32 else "<d", data)
            else:
                value = signed(number, 8 * size) if kind in SIGNED else number
            values.append(Value(kind, value, cut))
        return values


def string_size(word):
    return 0 if word == NULL else word & 0x7FFFFFFF


# ---- Section 6: columns ----

CONST, PLANES, DELTA, DICT, DECIMAL, DECIMAL_MUL, RAW_VALUES, PACKED, DICT_STRINGS, KEYED, RELATED = \
    range(11)
INTEGERS = (CONST, PLANES, DELTA, DICT, RAW_VALUES, PACKED)
FLOATS = (DECIMAL, DECIMAL_MUL)


def planes(data, count, number):
    """Codes of whole bytes, the low bytes first."""
    codes = [0] * count
    for p in range(number):
        plane = data[p * count:(p + 1) * count]
        codes = [code | byte << 8 * p for code, byte in zip(codes, plane)]
    return codes


def packed_bits(data, count, bits):
    """Codes of up to 8 bits, from the low bits of each byte on."""
    data, mask = data + b"\0", (1 << bits) - 1
    return [(data[i * bits // 8] | data[i * bits // 8 + 1] << 8) >> (i * bits % 8) & mask
            for i in range(count)]


def running(first, steps):
    values = [first]
    for step in steps:
        values.append((values[-1] + step) & MASK)
    return values


def integers(c, n, w, head=None):
    """A column of one of the codecs INTEGERS."""
    head = c.u8() if head is None else head
    codec, parameter = head >> 4, head & 15
    most = {CONST: 0, PLANES: 8, DELTA: 8, DICT: 3, RAW_VALUES: 0, PACKED: 2}
    need(parameter <= most.get(codec, -1), "codec of a column")
    if codec == CONST:
        return [c.svarint()] * n
    if codec == PLANES:
        base = c.svarint()
        return [(base + v) & MASK for v in planes(c.take(parameter * n), n, parameter)]
    if codec == DELTA:
        first, base, steps = c.svarint(), c.svarint(), max(n - 1, 0)
        codes = planes(c.take(parameter * steps), steps, parameter)
        return running(first, [base + code for code in codes])[:n]
    if codec == DICT:
        entries = [c.svarint() for _ in range(c.u8() + 1)]
        bits = 1 << parameter
        return look_up(entries, packed_bits(c.take((n * bits + 7) // 8), n, bits))
    if codec == RAW_VALUES:
        data = c.take(n * w)
        return [int.from_bytes(data[i * w:i * w + w], "little") for i in range(n)]
    return packed(c, n, parameter)


def packed(c, n, parameter):
    bits = c.u8()
    need(bits <= (8 if parameter == 2 else 64), "bits of a code")
    if parameter == 0:
        base = c.svarint()
        return [(base + code) & MASK for code in codes_at_end(c, n, bits)]
    if parameter == 1:
        first, base = c.svarint(), c.svarint()
        return running(first, [base + v for v in codes_at_end(c, max(n - 1, 0), bits)])[:n]
    entries = [c.svarint() for _ in range(c.u8() + 1)]
    return look_up(entries, codes_at_end(c, n, bits))


def codes_at_end(c, count, bits):
    whole, part = bits // 8, bits % 8
    data = c.take_last(whole * count + (count * part + 7) // 8)
    codes = planes(data[:whole * count], count, whole)
    if part:
        upper = packed_bits(data[whole * count:], count, part)
        codes = [code | up << 8 * whole for code, up in zip(codes, upper)]
    return codes


def look_up(entries, indices):
    need(not indices or max(indices) < len(entries), "an index beyond the dictionary")
    return [entries[i] for i in indices]


class Relatives:
    """What columns of a group of records may be predicted from."""

    def __init__(self):
        self.strings = []      # of each string argument: entries, indices; None: not by STRINGS
        self.reference = None  # k of the last DECIMAL or DECIMAL_MUL


def keyed(c, n, parameter, relatives):
    need(relatives and parameter < len(relatives.strings), "KEYED by no argument")
    strings = relatives.strings[parameter]
    need(strings, "KEYED by an argument without STRINGS")
    entries, indices = strings
    last = [c.svarint() for _ in entries]
    values = []
    for key, difference in zip(indices, integers(c, n, 8)):
        last[key] = (last[key] + difference) & MASK
        values.append(last[key])
    return values


def decimal(k, codec, exponent, w):
    power = float(10 ** exponent)
    value = float(k) / power if codec == DECIMAL else float(k) * (1 / power)
    if w == 8:
        return int.from_bytes(struct.pack("<d", value), "little")
    try:
        return int.from_bytes(struct.pack("<f", value), "little")
    except OverflowError:  # too large for a float
        return 0xFF800000 if value < 0 else 0x7F800000


def decimals(c, n, w, codec, exponent, relatives):
    need(w in (4, 8), "width of a float")
    head = c.u8()
    if head >> 4 == KEYED:
        k = keyed(c, n, head & 15, relatives)
    elif head >> 4 == RELATED:
        need(head & 15 == 0 and relatives and relatives.reference is not None, "RELATED to nothing")
        k = [(a + b) & MASK for a, b in zip(integers(c, n, 8), relatives.reference)]
    else:
        k = [v & MASK for v in integers(c, n, 8, head)]
    if relatives:
        relatives.reference = k
    return [decimal(signed(a), codec, exponent, w) + b for a, b in zip(k, integers(c, n, 8))]


def column(c, n, w, relatives=None):
    """A column of values: numbers of w bytes."""
    head = c.u8()
    codec, parameter = head >> 4, head & 15
    if codec in FLOATS:
        values = decimals(c, n, w, codec, parameter, relatives)
    elif codec == KEYED:
        values = keyed(c, n, parameter, relatives)
    else:
        values = integers(c, n, w, head)
    mask = (1 << 8 * w) - 1
    return [value & mask for value in values]


def lengths(c, n):
    """The length words of a string argument; and entries and indices, if these are STRINGS."""
    head = c.u8()
    if head != DICT_STRINGS << 4:
        return [value & 0xFFFFFFFF for value in integers(c, n, 4, head)], None
    words, strings = [], []
    for _ in range(c.u8() + 1):
        words.append(c.varint())
        need(words[-1] <= 0xFFFFFFFF, "length word of a string")
        strings.append(c.take(string_size(words[-1])))
    indices = [value & 0xFF for value in integers(c, n, 1)]
    return look_up(words, indices), (strings, indices)


# ---- Section 7: the content of a block ----

Record = collections.namedtuple("Record", "seq pos time site producer slots payload")


class Group:
    """Records of one site: the shape, and what the parts of the content say of them."""

    def __init__(self, c):
        self.site, self.kind = c.varint(), c.u8()
        need(self.site < 1 << 20 and self.kind <= 2, "group")
        self.fields, self.end, self.count = [], 12, 0
        self.words, self.relatives, self.values, self.strings = {}, Relatives(), {}, {}
        if self.kind == 0:
            return
        count = c.u8()
        need(count <= 32, "fields of a shape")
        if self.kind == 1:
            for kind in c.take(count):
                need(kind in SIZE, "type of an argument")
                size = SIZE[kind]
                offset = (self.end + size - 1) // size * size
                self.fields.append(Field(kind, offset, size))
                self.end = offset + size
        else:
            struct_size = c.u16()
            need(struct_size <= 3568, "size of a struct")
            for _ in range(count):
                kind, offset, size = c.u8(), c.u16(), c.u16()
                need(kind in (*range(1, 14), TEXT) and size and SIZE.get(kind, size) == size and
                     offset + size <= struct_size, "field of a struct")
                self.fields.append(Field(kind, 16 + offset, size))
            self.end = 16 + struct_size

    def read_sizes(self, c):
        """Part 5."""
        if self.kind == 0:
            self.slots, self.lengths = column(c, self.count, 1), column(c, self.count, 2)
            for slots, length in zip(self.slots, self.lengths):
                need(1 <= slots <= 64 and 12 + length <= 56 * slots, "size of an opaque record")
            return
        extra = column(c, self.count, 1)
        sizes = [self.end] * self.count
        for f, field in enumerate(self.fields):
            if field.type in STRINGS:
                self.words[f], by_dict = lengths(c, self.count)
                self.relatives.strings.append(by_dict)
                if by_dict:
                    self.strings[f] = [by_dict[0][index] for index in by_dict[1]]
                sizes = [size + string_size(word) for size, word in zip(sizes, self.words[f])]
        self.slots = [(size + 55) // 56 + more for size, more in zip(sizes, extra)]
        need(all(1 <= slots <= 64 for slots in self.slots), "slots of a record")

    def read_values(self, c):
        """Part 6."""
        for f, (kind, _, size) in enumerate(self.fields):
            if kind in STRINGS or (kind == TEXT and size > 16) or self.kind == 0:
                continue
            parts = [size] if kind != TEXT else [8] * (size // 8) + [size % 8] * (size % 8 > 0)
            columns = [column(c, self.count, w, self.relatives) for w in parts]
            self.values[f] = [b"".join(v.to_bytes(w, "little") for v, w in zip(row, parts))
                              for row in zip(*columns)]

    def read_bytes(self, c):
        """Part 7."""
        if self.kind == 0:
            self.opaque = [c.take(length) for length in self.lengths]
            return
        for f, (kind, _, size) in enumerate(self.fields):
            if kind in STRINGS and f not in self.strings:
                self.strings[f] = [c.take(string_size(word)) for word in self.words[f]]
            elif kind == TEXT and size > 16:
                self.values[f] = [c.take(size) for _ in range(self.count)]

    def payload(self, i, time, producer):
        start = struct.pack("<QI", time, producer)
        if self.kind == 0:
            return (start + self.opaque[i]).ljust(56 * self.slots[i], b"\0")
        out, strings = bytearray(self.end), []
        out[:12] = start
        for f, (kind, offset, size) in enumerate(self.fields):
            if kind in STRINGS:
                value = self.words[f][i].to_bytes(4, "little")
                strings.append(self.strings[f][i])
            else:
                value = text(self.values[f][i]) if kind == TEXT else self.values[f][i]
            out[offset:offset + len(value)] = value
        return bytes(out) + b"".join(strings)


def decode_block(block, content):
    """The records of a block."""
    c = Bytes(content)
    count = c.varint()
    need(1 <= count <= block.records, "number of groups")
    groups = [Group(c) for _ in range(count)]
    numbers = column(c, block.records, 4)
    need(max(numbers) < count, "number of a group")
    producers, times = column(c, block.records, 4), column(c, block.records, 8)
    of_group = []  # of each record: which one of its group it is
    for number in numbers:
        of_group.append(groups[number].count)
        groups[number].count += 1
    for part in (Group.read_sizes, Group.read_values, Group.read_bytes):
        for group in groups:
            part(group, c)
    need(c.at == c.end, "bytes after the content")
    records, pos = [], block.first_pos
    for i, number in enumerate(numbers):
        group, at = groups[number], of_group[i]
        records.append(Record(block.first_seq + i, pos, times[i], group.site, producers[i],
                              group.slots[at], group.payload(at, times[i], producers[i])))
        pos += group.slots[at]
    need(pos == block.first_pos + block.slots, "slots of all records")
    return records
