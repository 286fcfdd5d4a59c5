# SPDX-License-Identifier: MIT
"""The bytes and numbers that docs/format.md shows, against what they are said to mean.

A problem is a line of text; a list without any means that the document is true.
"""
import re
import struct

import content
import conventions
import reader

HEX_LINE = re.compile(r"^ +(?:[0-9A-F]{4}  )?((?:[0-9A-F]{2} {1,2}|[0-9A-F]{2}$)+)")
EXAMPLE = re.compile(r"^    ([A-Z]+(?:_MUL)?(?: \w+)?), (\d): (.+)$")
EXAMPLES = 16  # at least; fewer mean that they were not found


def section(document, number):
    begin = document.index(f"\n## {number}. ")
    end = document.find("\n## ", begin + 1)
    return document[begin:] if end < 0 else document[begin:end]


def bytes_of(line):
    match = HEX_LINE.match(line)
    return bytes.fromhex(match[1]) if match else b""


# ---- Section 6: columns ----

def value_of(word, width):
    """A value as an unsigned number of so many bytes; a string as its length word."""
    if word == "NULL" or word[0] == '"':
        return 0xFFFFFFFF if word == "NULL" else len(word) - 2
    if "." in word:
        return int.from_bytes(struct.pack("<f" if width == 4 else "<d", float(word)), "little")
    return int(word) & ((1 << 8 * width) - 1)


def decode_example(codec, width, data, relatives):
    c = conventions.Bytes(data)
    if codec == "STRINGS":
        values, (strings, indices) = content.lengths(c, 4)
        values = [value + len(strings[i]) - content.string_size(value)
                  for value, i in zip(values, indices)]
    else:
        values = content.column(c, 4, width, relatives)
    conventions.need(c.at == c.end, "bytes are left over")
    return values


def check_examples(document):
    """Of section 6: codec, width and values, and the bytes on the lines after them."""
    examples = []
    for line in section(document, 6).splitlines():
        match = EXAMPLE.match(line)
        if match:
            examples.append([match[1], int(match[2]), match[3].split(), b""])
        elif examples:
            examples[-1][3] += bytes_of(line)
    relatives = content.Relatives()
    relatives.strings = [([b"A", b"B"], [0, 1, 0, 1])]  # the keys of the example of KEYED
    seen, first = set(), None
    for codec, width, words, data in examples:
        want = [value_of(word, width) for word in words]
        if codec == "RELATED":  # to the first DECIMAL
            relatives.reference = first
        seen.add(codec)
        try:
            got = decode_example(codec, width, data, relatives)
        except conventions.Damaged as damaged:
            got = str(damaged)
        if codec == "DECIMAL" and first is None:
            first = relatives.reference
        if got != want:
            yield f"section 6: {codec} of {' '.join(words)}: {data.hex(' ')} is {got}"
    if len(examples) < EXAMPLES or len(seen) < 13:
        yield f"section 6: {len(examples)} examples of {len(seen)} codecs are too few"


# ---- Section 10: time ----

def numbers(line):
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", line)]


def check_times(document):
    """The table of section 10, by the pairs of its example."""
    text = section(document, 10)
    pairs = [(int(ticks.replace(",", "")), int(ns), int(error)) for ticks, ns, error in
             re.findall(r"([\d,]+) ticks are\s(\d+) \+- (\d+)", text)]
    rows = [numbers(line)[:2] for line in text.splitlines() if re.match(r"\| \d", line)]
    if len(pairs) != 3 or len(rows) < 7:
        yield "section 10: no example"
        return
    clock = reader.Clock(pairs, 2 * 10 ** 9)
    for ticks, ns in rows:
        if clock.wall(ticks) != ns:
            yield f"section 10: {ticks} ticks are {clock.wall(ticks)}, not {ns}"


# ---- Sections 14 and 15: files in hexadecimal ----

def dump_of(text):
    """The bytes of a hexadecimal dump with offsets, as (offset, bytes), and its columns without."""
    shown, columns = {}, b""
    for line in text.splitlines():
        offset = re.match(r"^    ([0-9A-F]{4})  (.*)", line)
        if not offset:
            columns += bytes_of(line) if line.startswith("          ") else b""
            continue
        at = int(offset[1], 16)
        zeros = re.match(r"\.\.\. (\d+) zeros", offset[2])
        again = re.match(r"\.\.\. the (\d+) bytes from ([0-9A-F]{4}) on", offset[2])
        if zeros:
            shown[at] = bytes(int(zeros[1]))
        elif again:
            begin = int(again[2], 16)
            joined = b"".join(shown[key] for key in sorted(shown))
            shown[at] = joined[begin:begin + int(again[1])]
        else:
            shown[at] = bytes_of(line)
    return shown, columns


def check_file(document, data):
    """Section 14 shows every byte of a file, and its index decompressed."""
    shown, columns = dump_of(section(document, 14))
    at = 0
    for offset in sorted(shown):
        part = shown[offset]
        if offset != at or data[at:at + len(part)] != part:
            yield f"section 14: at {offset:04X}: not the file's {data[at:at + 16].hex(' ')}"
            return
        at += len(part)
    if at != len(data):
        yield f"section 14: ends at {at:04X}"
    file = reader.File(data)
    frame = reader.sound_frame(data, file.trailer_index, file.uuid)
    _, stored, _, raw = reader.index_of(frame)
    index = conventions.decompress(data[frame.at + 64:frame.at + 64 + stored], raw)
    if columns != index:
        yield f"section 14: the index is {index.hex(' ')}"


def check_block(document, data):
    """Section 15 shows the content of the block of a file."""
    shown = b"".join(map(bytes_of, section(document, 15).splitlines()))
    file = reader.File(data)
    piece, = (piece for piece in file.pieces if piece.what == "block")
    block = conventions.decompress(file.block_data(piece), piece.detail.raw)
    if shown != block:
        yield f"section 15: the content is {block.hex(' ')}"


def problems(document, orders, columns):
    """`orders`, `columns`: the files of sections 14 and 15."""
    yield from check_examples(document)
    yield from check_times(document)
    yield from check_file(document, orders)
    yield from check_block(document, columns)
