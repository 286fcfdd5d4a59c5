# SPDX-License-Identifier: MIT
"""Section 1 of docs/format.md: numbers, texts, hashes; and zstd, which is RFC 8878."""
import ctypes
import struct

MASK = (1 << 64) - 1


class Damaged(Exception):
    """Bytes that the document calls unsound or an error."""

    piece = 0  # size of the piece that should stand there, if that is known


class Cut(Damaged):
    """As Damaged, but the end of the file is the reason."""


class Refused(Exception):
    """A file that a reader of this version must not read."""


def need(condition, what):
    if not condition:
        raise Damaged(what)


def xxh64(data):
    """XXH64 with seed 0."""
    p1, p2, p3, p4, p5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                          0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)

    def rotate(x, r):
        return (x << r | x >> (64 - r)) & MASK

    def mix(lane, word):
        return rotate((lane + word * p2) & MASK, 31) * p1 & MASK

    size, at = len(data), 0
    if size >= 32:
        lanes = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        a, b, c, d = lanes
        whole = size // 32 * 32
        for w0, w1, w2, w3 in struct.iter_unpack("<4Q", data[:whole]):
            a, b, c, d = mix(a, w0), mix(b, w1), mix(c, w2), mix(d, w3)
        h = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) & MASK
        for lane in (a, b, c, d):
            h = ((h ^ mix(0, lane)) * p1 + p4) & MASK
        at = whole
    else:
        h = p5
    h = (h + size) & MASK
    while at + 8 <= size:
        word, = struct.unpack_from("<Q", data, at)
        h = (rotate(h ^ mix(0, word), 27) * p1 + p4) & MASK
        at += 8
    if at + 4 <= size:
        word, = struct.unpack_from("<I", data, at)
        h = (rotate(h ^ word * p1 & MASK, 23) * p2 + p3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * p5 & MASK, 11) * p1 & MASK
    h = (h ^ h >> 33) * p2 & MASK
    h = (h ^ h >> 29) * p3 & MASK
    return h ^ h >> 32


def signed(value, bits=64):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def text(field):
    """Text in N bytes: NUL-terminated unless it fills them."""
    return field.split(b"\0", 1)[0]


class Bytes:
    """The content of a block or an index: taken from the front, codes of PACKED from the back."""

    def __init__(self, data):
        self.data, self.at, self.end = data, 0, len(data)

    def take(self, size):
        need(size <= self.end - self.at, "the content ends early")
        self.at += size
        return self.data[self.at - size:self.at]

    def take_last(self, size):
        need(size <= self.end - self.at, "no bytes left for the codes")
        self.end -= size
        return self.data[self.end:self.end + size]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return int.from_bytes(self.take(2), "little")

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                need(value <= MASK, "a number of more than 64 bits")
                return value
        raise Damaged("a number of more than 10 bytes")

    def svarint(self):
        u = self.varint()
        return u >> 1 ^ -(u & 1) & MASK


# ---- zstd: RFC 8878 is another document ----

_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
for _name in ("ZSTD_findFrameCompressedSize", "ZSTD_decompress"):
    getattr(_zstd, _name).restype = ctypes.c_size_t


def decompress(frame, size):
    """Exactly one ordinary frame, which says that its content has `size` bytes."""
    source, stored = ctypes.c_char_p(frame), ctypes.c_size_t(len(frame))
    out = ctypes.create_string_buffer(max(size, 1))
    need(_zstd.ZSTD_getFrameContentSize(source, stored) == size, "content size of the data")
    need(_zstd.ZSTD_findFrameCompressedSize(source, stored) == len(frame), "size of the data")
    need(_zstd.ZSTD_decompress(out, ctypes.c_size_t(size), source, stored) == size, "the data")
    return out.raw[:size]
