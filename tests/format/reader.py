# SPDX-License-Identifier: MIT
"""Read shmlog files as docs/format.md describes them.

This is written from the document alone and shares no code with logfile: where the two
disagree, one of them or the document has a bug. It is made to be compared with the document, not to
be fast: it names the section of the document whose rules it applies, and raises Damaged for whatever
the document calls damage or an error.
"""
import collections
import functools
import struct

from content import Site, column, decode_block
from conventions import Bytes, Cut, Damaged, Refused, decompress, need, text, xxh64

# ---- Section 3: frames ----

HEADER, SITE, PRODUCER, CLOCK, BLOCK, GAP, LEDGER, INDEX, TRAILER = range(1, 10)
MAGIC, TAG, VERSION = 0x184D2A5C, 0x664C4853, 1
FIXED = {PRODUCER: 168, CLOCK: 64, BLOCK: 112, GAP: 88, INDEX: 64, TRAILER: 80}
NO_RING = 0xFFFFFFFF

Frame = collections.namedtuple("Frame", "at kind version uuid bytes")
Identity = collections.namedtuple(
    "Identity", "segment_uuid number begun sealed hz ring_slots clock on_full flags host segment "
    "segment_path ledger")
Ledger = collections.namedtuple(
    "Ledger", "ring core kind page_kib node node_wanted next_seq next_pos produced written lost")
Producer = collections.namedtuple("Producer", "pid tid process thread")
Block = collections.namedtuple(
    "Block", "first_seq first_pos time_min time_max sites data_hash ring records slots stored raw "
    "levels codec")
Gap = collections.namedtuple("Gap", "ring cause count seq pos time_before time_after")


def frame_size(data, at, uuid):
    """The whole size by the head of a frame of the file; 0: no frame can begin like this."""
    magic, size, tag, kind, version, _, its_uuid = struct.unpack_from("<IIIBBH16s", data, at)
    size += 8
    if magic != MAGIC or tag != TAG or not 40 <= size <= 262144:
        return 0
    if uuid is not None and (its_uuid != uuid or version != VERSION):
        return 0
    return 0 if version == VERSION and FIXED.get(kind, size) != size else size


def sound_frame(data, at, uuid, largest=262144):
    """The sound frame at an offset. `uuid` None: of any file, and of any version."""
    if at + 32 > len(data):
        raise Cut("the file ends within the head of a frame")
    size = frame_size(data, at, uuid)
    need(0 < size <= largest, "no frame begins here")
    if at + size > len(data):
        raise Cut("the file ends within a frame")
    frame = data[at:at + size]
    need(xxh64(frame[:-8]) == int.from_bytes(frame[-8:], "little"), "checksum of a frame")
    kind, version = frame[12], frame[13]
    if version == VERSION and kind in (HEADER, LEDGER):
        need(size >= 512, "size of a ledger")
        rings, = struct.unpack_from("<I", frame, 112)
        need(rings <= 2049 and size == 512 + 120 * rings, "size of a ledger")
    if version == VERSION and kind == SITE:
        need(size >= 48, "size of a site")
        site_size, = struct.unpack_from("<H", frame, 36)
        need(site_size <= 2048 and size == 48 + (site_size + 7) // 8 * 8, "size of a site")
    return Frame(at, kind, version, frame[16:32], frame)


def identity_of(frame):
    """What HEADER and LEDGER say."""
    incompatible, = struct.unpack_from("<Q", frame.bytes, 40)
    if incompatible:
        raise Refused("uses features of the file format that this program does not know")
    (segment_uuid, number, begun, sealed, hz, ring_slots, clock, on_full, rings, flags, host, segment,
     path) = struct.unpack_from("<16s5Q2I2I64s64s256s", frame.bytes, 48)
    ledger = []
    for i in range(rings):
        entry = struct.unpack_from("<4I2i4Q8Q", frame.bytes, 504 + 120 * i)
        ledger.append(Ledger(*entry[:10], entry[10:]))
    return Identity(segment_uuid, number, begun, sealed, hz, ring_slots, clock, on_full, flags,
                    text(host), text(segment), text(path), ledger)


def producer_of(frame):
    return Producer(*struct.unpack_from("<II", frame.bytes, 44), text(frame.bytes[80:112]),
                    text(frame.bytes[112:128]))


def block_of(frame):
    block = Block(*struct.unpack_from("<6Q5I2B", frame.bytes, 32))
    need(block.ring <= 2047 and 1 <= block.records <= block.slots <= 64 * block.records and
         block.slots <= 524288 and block.time_min <= block.time_max and
         block.stored <= 96 << 20 and block.raw <= 64 << 20, "limits of a block")
    return block


def gap_of(frame):
    gap = Gap(*struct.unpack_from("<2I5Q", frame.bytes, 32))
    need((gap.ring <= 2047 or gap.ring == NO_RING) and gap.cause <= 7, "limits of a gap")
    return gap


def index_of(frame):
    """Hash and size of the data, entries, size decompressed."""
    data_hash, entries, stored, raw = struct.unpack_from("<Q3I", frame.bytes, 32)
    need(entries <= 4194304 and stored <= 96 << 20 and raw <= 160 * entries + 65536,
         "limits of an index")
    return data_hash, stored, entries, raw


# ---- Section 8: the index ----

def decode_index(content, entries):
    """Of each entry: kind, offset, size; Block (without the hash), Gap, or None."""
    c = Bytes(content)
    kinds, offsets, sizes = (column(c, entries, w) for w in (1, 8, 8))

    def table(kind, widths):
        return zip(*[column(c, kinds.count(kind), w) for w in widths])

    blocks = [Block(first_seq, first_pos, time_min, time_max, sites, 0, ring, records, slots, stored,
                    raw, levels, codec)
              for (ring, first_seq, first_pos, records, slots, time_min, time_max, sites, stored, raw,
                   levels, codec) in table(BLOCK, (4, 8, 8, 4, 4, 8, 8, 8, 4, 4, 1, 1))]
    gaps = [Gap(*row) for row in table(GAP, (4, 4, 8, 8, 8, 8, 8))]
    need(c.at == c.end, "bytes after the index")
    of_kind = {BLOCK: iter(blocks), GAP: iter(gaps)}
    return [(kind, offset, size, next(of_kind[kind]) if kind in of_kind else None)
            for kind, offset, size in zip(kinds, offsets, sizes)]


# ---- Section 9: pieces ----

# what: "block", "gap", "damaged", "cut", or "other"; detail: Block, Gap, Frame
Piece = collections.namedtuple("Piece", "what at size detail")


class File:
    """A file: what it says of itself, its pieces, and its dictionary."""

    def __init__(self, data):
        self.data = data
        self.identity = self.start = self.end = self.uuid = None
        self.begin, self.seal, self.trailer_index = 0, None, 0
        self.sites, self.producers, self.pairs = {}, {}, {}
        self.identify()
        if not self.identity:
            self.pieces  # a LEDGER on the way may have it

    @functools.cached_property
    def pieces(self):
        return list(self.walk())

    # -- Which file it is --

    def identify(self):
        header = self.probe(0, None)
        if header and header.version != VERSION:
            raise Refused(f"format version {header.version}, this program reads version {VERSION}")
        if header and header.kind == HEADER:
            self.uuid = header.uuid
            self.identity = identity_of(header)
            self.start = self.identity.ledger
            self.begin = len(header.bytes)
        self.read_seal()
        if self.uuid is None:
            self.uuid = self.first_uuid()

    def first_uuid(self):
        at = self.search(1, min(1 << 20, len(self.data)), None)
        if at is not None:
            frame = sound_frame(self.data, at, None)
            if frame.version != VERSION:
                raise Refused(f"format version {frame.version}, this program reads version {VERSION}")
            return frame.uuid
        start = self.data[:32]
        if start.strip(b"\0") == b"":
            raise Cut("nothing was written yet")
        magic, tag = struct.pack("<I", MAGIC), struct.pack("<I", TAG)
        if not magic.startswith(start[:4]) or not tag.startswith(start[8:12]):
            raise Refused("not a shmlog file")
        sound_frame(self.data, 0, None)  # says how it is not sound
        raise Damaged("another frame instead of a header")

    def probe(self, at, uuid):
        """The sound frame at an offset, or None."""
        try:
            return sound_frame(self.data, at, uuid)
        except Damaged:
            return None

    def read_seal(self):
        """The TRAILER, if it may be used; LEDGER and the repeats."""
        trailer = self.probe(len(self.data) - 80, self.uuid) if len(self.data) >= 80 else None
        if not trailer or trailer.kind != TRAILER or trailer.version != VERSION:
            return
        at, index, size = struct.unpack_from("<3Q", trailer.bytes, 32)
        ledger = self.probe(at, trailer.uuid) if size == len(self.data) else None
        if not ledger or ledger.kind != LEDGER:
            return
        identity = identity_of(ledger)
        if self.uuid is None:
            self.uuid, self.identity = trailer.uuid, identity
        self.end, self.seal, self.trailer_index = identity.ledger, at, index
        at += len(ledger.bytes)
        while True:
            frame = self.probe(at, self.uuid)
            if not frame or frame.kind in (INDEX, TRAILER):
                break
            self.note(frame)
            at += len(frame.bytes)

    # -- From the front --

    def walk(self):
        at, block, after = self.begin, None, None
        while at < len(self.data):
            try:
                piece = self.piece_at(at)
            except Damaged as error:
                if block and after == at and xxh64(self.block_data(block)) != block.detail.data_hash:
                    found = self.search(block.at + 112, at, self.uuid)
                    block = None
                    if found is not None:
                        at = found
                        continue
                piece = self.damage(at, error)
                if piece is None:
                    return
            if piece.what == "block":
                block, after = piece, piece.at + piece.size
            yield piece
            at = piece.at + piece.size

    def piece_at(self, at):
        frame = sound_frame(self.data, at, self.uuid)
        size, what, detail = len(frame.bytes), "other", frame
        try:
            if frame.kind == BLOCK:
                what, detail = "block", block_of(frame)
                size += detail.stored
            elif frame.kind == GAP:
                what, detail = "gap", gap_of(frame)
            elif frame.kind == INDEX:
                data_hash, stored, _, _ = index_of(frame)
                size += stored
            if at + size > len(self.data):
                raise Cut("the file ends within data")
            if frame.kind == INDEX:
                need(xxh64(self.data[at + 64:at + size]) == data_hash, "hash of the index")
        except Damaged as error:
            error.piece = size
            raise
        self.note(frame)
        return Piece(what, at, size, detail)

    def note(self, frame):
        """Take in what a frame of the dictionary says, or a LEDGER on the way."""
        if frame.kind == SITE:
            site_id, size = struct.unpack_from("<IH", frame.bytes, 32)
            try:
                if site_id < 1 << 20 and site_id not in self.sites:
                    self.sites[site_id] = Site(frame.bytes[40:40 + size])
            except Damaged:
                pass  # of an unknown site
        elif frame.kind == PRODUCER:
            producer_id, = struct.unpack_from("<I", frame.bytes, 40)
            if producer_id:
                self.producers[producer_id] = producer_of(frame)
        elif frame.kind == CLOCK:
            ticks, ns, error = struct.unpack_from("<3Q", frame.bytes, 32)
            self.pairs.setdefault(ticks, (ticks, ns, error))
        elif frame.kind == LEDGER and self.end is None:
            try:
                identity = identity_of(frame)
            except Refused:
                if self.identity:
                    return  # HEADER does not say that the file uses them
                raise
            self.end = identity.ledger
            self.identity = self.identity or identity

    def damage(self, at, error):
        """What stands at an offset where no piece begins: None, if only zeros do."""
        rest = self.data[at:].rstrip(b"\0")
        if not rest:
            return None
        found = self.search(at + 1, len(self.data), self.uuid)
        if self.seal is not None and at < self.seal and (found is None or found > self.seal):
            found = self.seal
        if found is not None:
            return Piece("damaged", at, found - at, str(error))
        wanted = error.piece
        if not wanted and at + 32 <= len(self.data):
            wanted = frame_size(self.data, at, self.uuid)
        if len(rest) < (wanted or 32):
            return Piece("cut", at, len(rest), str(error))
        return Piece("damaged", at, len(rest), str(error))

    def search(self, begin, end, uuid):
        """The first sound frame of at most 4,096 bytes that begins there."""
        magic = struct.pack("<I", MAGIC)
        at = self.data.find(magic, begin)
        while 0 <= at < end:
            try:
                sound_frame(self.data, at, uuid, 4096)
                return at
            except Damaged:
                at = self.data.find(magic, at + 1)
        return None

    # -- Data --

    def block_data(self, piece):
        return self.data[piece.at + 112:piece.at + piece.size]

    def records(self, piece):
        """The records of a block; Damaged or Cut."""
        block, data = piece.detail, self.block_data(piece)
        need(block.codec == 1, "codec of a block")
        if xxh64(data) != block.data_hash:
            if data[-1:] == b"\0" and not self.data[piece.at + piece.size:].strip(b"\0"):
                raise Cut("data ends in space that nothing was written to")
            raise Damaged("hash of a block")
        return decode_block(block, decompress(data, block.raw))

    # -- Section 8: through the index --

    def index(self):
        """The entries of the index; None if there is none; Damaged if it is not sound."""
        if not self.trailer_index or not self.begin:
            return None
        frame = sound_frame(self.data, self.trailer_index, self.uuid)
        need(frame.kind == INDEX, "the index")
        data_hash, stored, entries, raw = index_of(frame)
        data = self.data[frame.at + 64:frame.at + 64 + stored]
        need(entries <= len(self.data) // 40 and xxh64(data) == data_hash, "hash of the index")
        rows = decode_index(decompress(data, raw), entries)
        at = self.begin
        for _, offset, size, _ in rows:
            need(offset == at and size, "a hole in the index")
            at += size
        need(at == self.seal, "a hole in the index")
        return rows

    def clock(self):
        return Clock(self.pairs.values(), self.identity.hz if self.identity else 0)

    def seek(self, since, until):
        """The records of a range of wall time, as (ring, record), through the index alone."""
        rows = self.index()
        for kind, at, _, _ in rows:
            if kind in (SITE, PRODUCER, CLOCK):
                self.note(sound_frame(self.data, at, self.uuid))
        clock = self.clock()
        for kind, at, size, row in rows:
            if kind != BLOCK or clock.wall(row.time_min) > until or clock.wall(row.time_max) < since:
                continue
            block = block_of(sound_frame(self.data, at, self.uuid))
            need(block._replace(data_hash=0) == row, "the index lies")
            for record in self.records(Piece("block", at, size, block)):
                if since <= clock.wall(record.time) <= until:
                    yield block.ring, record

    def core(self, ring):
        for entry in self.start or self.end or ():
            if entry.ring == ring and entry.kind == 1:
                return entry.core
        return None


# ---- Section 10: time ----

def divide(a, b):
    """Of integers, toward zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


class Clock:
    def __init__(self, pairs, hz):
        self.pairs = sorted((ticks, min(ns, (1 << 63) - 1), error) for ticks, ns, error in pairs)
        self.hz = hz

    def by_rate(self, pair, ticks):
        return pair[1] + (divide((ticks - pair[0]) * 10 ** 9, self.hz) if self.hz else 0)

    def agree(self, a, b):
        apart = abs(self.by_rate(a, b[0]) - b[1])
        return not self.hz or apart <= abs(b[1] - a[1]) // 1000 + a[2] // 2 + b[2] // 2 + 1000

    def measured(self, number):
        if number == 0:
            return False
        a, b = self.pairs[number - 1:number + 1]
        return b[0] - a[0] >= self.hz // 10 and a[1] < b[1] and self.agree(a, b)

    def line(self, number, ticks):
        b = self.pairs[number]
        if not self.measured(number):
            return self.by_rate(b, ticks)
        a = self.pairs[number - 1]
        return b[1] + divide((ticks - b[0]) * (b[1] - a[1]), b[0] - a[0])

    def wall(self, ticks):
        """Nanoseconds since 1970, 0 unknown."""
        if not self.pairs:
            return 0
        number = max(sum(pair[0] + self.hz // 10 <= ticks for pair in self.pairs) - 1, 0)
        ns = self.line(number, ticks)
        if self.measured(number):
            begin = self.pairs[number][0] + self.hz // 10
            least = self.line(number - 1, begin)
            if least - self.line(number, begin) <= 50_000_000:
                ns = max(ns, least)
        return max(min(ns, (1 << 63) - 1), -(1 << 63))
