# SPDX-License-Identifier: MIT
"""Read what was logged by shmlog: live segments, log files, directories of them.

    import shmlog
    for record in shmlog.open("/var/log/shmlog").where("level >= warn && order_id == 12345"):
        print(record.time_ns, record.process, record.message, record.fields)

    table = shmlog.open("/var/log/shmlog").columns("fill*")     # NumPy arrays by field
    frame = shmlog.open("/var/log/shmlog").to_pandas("fill*")

It stands on libshmlog-reader, by ctypes; $SHMLOG_READER_LIBRARY names another file than the system's.
"""
import ctypes
import errno
import os

__all__ = ["open", "Reader", "Record", "Error", "Query"]
__version__ = "0.1.0"

LEVELS = ("trace", "debug", "info", "warn", "error", "critical")
FOLLOW = 1
_MESSAGE = 4096
_NULL, _INT, _UINT, _DOUBLE, _BOOL, _CHAR, _POINTER, _STRING, _BYTES = range(9)


class Error(Exception):
    """What could not be read, and why, in one line; `errno` as in the library."""

    def __init__(self, message, number):
        super().__init__(message)
        self.errno = number


class _Notice(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("text", ctypes.c_char_p), ("records", ctypes.c_uint64)]


_NOTICE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(_Notice))


class _Options(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint32), ("min_level", ctypes.c_uint32), ("since_ns", ctypes.c_int64),
                ("until_ns", ctypes.c_int64), ("where", ctypes.c_char_p), ("position", ctypes.c_char_p),
                ("notice", _NOTICE), ("arg", ctypes.c_void_p)]


class _Record(ctypes.Structure):
    _fields_ = [("time_ns", ctypes.c_int64), ("seq", ctypes.c_uint64), ("ring", ctypes.c_uint32),
                ("cpu", ctypes.c_int32), ("pid", ctypes.c_uint32), ("tid", ctypes.c_uint32),
                ("level", ctypes.c_uint32), ("line", ctypes.c_uint32), ("level_name", ctypes.c_char_p),
                ("category", ctypes.c_char_p), ("file", ctypes.c_char_p), ("function", ctypes.c_char_p),
                ("site", ctypes.c_char_p), ("process", ctypes.c_char_p), ("thread", ctypes.c_char_p),
                ("host", ctypes.c_char_p), ("segment", ctypes.c_char_p), ("parts", ctypes.c_uint32),
                ("flags", ctypes.c_uint32)]


class _Number(ctypes.Union):
    _fields_ = [("i", ctypes.c_int64), ("u", ctypes.c_uint64), ("f", ctypes.c_double)]


class _Value(ctypes.Structure):
    _anonymous_ = ("number",)
    _fields_ = [("name", ctypes.c_char_p), ("kind", ctypes.c_int), ("number", _Number), ("data", ctypes.c_void_p),
                ("size", ctypes.c_size_t)]


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


_Schema._fields_ = [("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
                    ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64),
                    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))), ("dictionary", ctypes.c_void_p),
                    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))), ("private_data", ctypes.c_void_p)]
_Array._fields_ = [("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
                   ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
                   ("buffers", ctypes.POINTER(ctypes.c_void_p)), ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
                   ("dictionary", ctypes.c_void_p), ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))),
                   ("private_data", ctypes.c_void_p)]


def _load():
    library = ctypes.CDLL(os.environ.get("SHMLOG_READER_LIBRARY", "libshmlog-reader.so.0"))
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    for name, result, arguments in (
            ("reader_open", ctypes.c_int, [ctypes.POINTER(pointer), ctypes.POINTER(text), size,
                                           ctypes.POINTER(_Options), text, size]),
            ("reader_close", None, [pointer]),
            ("reader_next", ctypes.c_int, [pointer, ctypes.POINTER(ctypes.POINTER(_Record))]),
            ("reader_values", ctypes.POINTER(_Value), [pointer, ctypes.POINTER(size)]),
            ("reader_message", pointer, [pointer, ctypes.POINTER(size)]),
            ("reader_json", pointer, [pointer, ctypes.POINTER(size)]),
            ("reader_arrow", ctypes.c_int64, [pointer, text, text, size, ctypes.POINTER(_Schema),
                                              ctypes.POINTER(_Array)]),
            ("reader_position", ctypes.c_int, [pointer, ctypes.POINTER(pointer)]),
            ("query_compile", ctypes.c_int, [ctypes.POINTER(pointer), text, text, size]),
            ("query_passes", ctypes.c_int, [pointer, pointer]),
            ("query_close", None, [pointer])):
        function = getattr(library, f"shmlog_{name}")
        function.restype, function.argtypes = result, arguments
    return library


_library = _load()
_libc = ctypes.CDLL(None)
_libc.free.argtypes = [ctypes.c_void_p]


def _text(value):
    return value.decode("utf-8", "backslashreplace") if value else ""


class Record:
    """One record: time_ns, seq, ring, cpu (None: a shared ring's), pid, tid, level, category, file, line, function,
    site (its format or event name), process, thread, host, segment; message, fields and json are made when they are
    asked for, so long as the reader stands on the record."""

    def __init__(self, reader, raw):
        self._reader, self._raw, self._turn = reader, raw, reader._turn
        self.time_ns, self.seq, self.ring, self.pid, self.tid = raw.time_ns, raw.seq, raw.ring, raw.pid, raw.tid
        self.cpu = raw.cpu if raw.cpu >= 0 else None

    level = property(lambda self: _text(self._now().level_name))
    category = property(lambda self: _text(self._now().category))
    file = property(lambda self: _text(self._now().file))
    line = property(lambda self: self._now().line)
    function = property(lambda self: _text(self._now().function))
    site = property(lambda self: _text(self._now().site))
    process = property(lambda self: _text(self._now().process))
    thread = property(lambda self: _text(self._now().thread))
    host = property(lambda self: _text(self._now().host))
    segment = property(lambda self: _text(self._now().segment))

    def _now(self):
        if self._turn != self._reader._turn:
            raise Error("the reader is past this record: ask for its parts before the next one", errno.ESTALE)
        return self._raw

    def _bytes(self, function):
        self._now()
        size = ctypes.c_size_t()
        at = function(self._reader._handle, ctypes.byref(size))
        if not at:
            raise MemoryError
        return ctypes.string_at(at, size.value)

    @property
    def message(self):
        """Its text, as the program would have printed it."""
        return _text(self._bytes(_library.shmlog_reader_message))

    @property
    def json(self):
        """One object, as a line of shmlog-dump --format json."""
        return self._bytes(_library.shmlog_reader_json).decode()

    @property
    def fields(self):
        """A dict of its values by name."""
        self._now()
        count = ctypes.c_size_t()
        values = _library.shmlog_reader_values(self._reader._handle, ctypes.byref(count))
        return {values[i].name.decode(): _python(values[i]) for i in range(count.value)}

    def __repr__(self):
        return f"<shmlog.Record {self.time_ns} ring {self.ring} seq {self.seq}>"


def _python(value):
    kind = value.kind
    if kind == _INT:
        return value.i
    if kind in (_UINT, _POINTER):
        return value.u
    if kind == _DOUBLE:
        return value.f
    if kind == _BOOL:
        return bool(value.u)
    if kind == _CHAR:
        return chr(value.u & 0xff)
    if kind == _NULL:
        return None
    data = ctypes.string_at(value.data, value.size) if value.size else b""
    return data if kind == _BYTES else data.decode("utf-8", "backslashreplace")


_TYPES = {"l": "int64", "L": "uint64", "g": "float64", "tsn:UTC": "datetime64[ns]"}


def _buffer(array, index, size):
    return ctypes.string_at(array.buffers[index], size) if size else b""


def _numpy(numpy, form, array):
    """A copy of an Arrow array: (values, which are there)."""
    count = array.length
    there = numpy.ones(count, dtype=bool)
    if array.null_count:
        bits = numpy.frombuffer(_buffer(array, 0, (count + 7) // 8), dtype="uint8")
        there = numpy.unpackbits(bits, bitorder="little")[:count].astype(bool)
    if form in _TYPES:
        return numpy.frombuffer(_buffer(array, 1, 8 * count), dtype=_TYPES[form]).copy(), there
    if form == "b":
        bits = numpy.frombuffer(_buffer(array, 1, (count + 7) // 8), dtype="uint8")
        return numpy.unpackbits(bits, bitorder="little")[:count].astype(bool), there
    ends = numpy.frombuffer(_buffer(array, 1, 8 * (count + 1)), dtype="int64")
    data = _buffer(array, 2, int(ends[-1]))
    values, known, begin = numpy.empty(count, dtype=object), {}, 0
    for i, end in enumerate(ends[1:].tolist()):
        if there[i]:
            value = data[begin:end]
            if form == "Z":
                values[i] = value
            elif len(value) > 64:
                values[i] = value.decode()
            else:  # most texts come again
                text = known.get(value)
                if text is None:
                    if len(known) > 65536:
                        known.clear()
                    text = known[value] = value.decode()
                values[i] = text
        begin = end
    return values, there


def _join(numpy, pieces, length):
    """Pieces of a column, each at its place; where there is none, it has no values."""
    values = numpy.zeros(length, dtype=pieces[0][1][0].dtype)
    there = numpy.zeros(length, dtype=bool)
    if values.dtype == object:
        values[:] = None
    for at, (piece, present) in pieces:
        values[at:at + len(piece)], there[at:at + len(piece)] = piece, present
    if there.all() or values.dtype == object:
        return values
    if values.dtype == "float64":
        values[~there] = numpy.nan
        return values
    return numpy.ma.masked_array(values, mask=~there)


def _pandas(column):
    """Masked numbers as floats with NaN, as pandas has them."""
    return column.astype("float64").filled(float("nan")) if hasattr(column, "filled") else column


class Query:
    """A condition to be asked of records: `query.passes(record)`."""

    def __init__(self, where):
        message, handle = ctypes.create_string_buffer(_MESSAGE), ctypes.c_void_p()
        r = _library.shmlog_query_compile(ctypes.byref(handle), where.encode(), message, _MESSAGE)
        if r < 0:
            raise Error(_text(message.value), -r)
        self._handle = handle

    def passes(self, record):
        record._now()
        return bool(_library.shmlog_query_passes(self._handle, record._reader._handle))

    def __del__(self):
        if getattr(self, "_handle", None):
            _library.shmlog_query_close(self._handle)


class Reader:
    """What is to be read; it is opened when its records are asked for. Iterates over records; with follow(), over None
    as well, whenever there is none for now."""

    def __init__(self, *paths):
        self._paths = [os.fsencode(path) for path in paths]
        self._options = {}
        self._where, self._handle, self._turn, self._notice = [], None, 0, None

    def _with(self, **options):
        if self._handle:
            raise Error("the reader is open already", errno.EBUSY)
        self._options.update(options)
        return self

    def where(self, expr):
        """Records for which this is so, see shmlog-query(7); several conditions must all be."""
        self._with()
        self._where.append(expr)
        return self

    def since(self, time_ns):
        return self._with(since_ns=time_ns)

    def until(self, time_ns):
        return self._with(until_ns=time_ns)

    def level(self, name):
        return self._with(min_level=LEVELS.index(name))

    def follow(self):
        """Go on with new records."""
        return self._with(flags=FOLLOW)

    def start(self, position=""):
        """Of files: go on at a position() of an earlier reader; "" begins, and makes position() work."""
        return self._with(position=position.encode())

    def notice(self, function):
        """function(kind, text, records) is told of damage, losses and changes."""
        return self._with(notice=function)

    def __enter__(self):
        return self._open()

    def __exit__(self, *_):
        self.close()

    def _open(self):
        if self._handle:
            return self
        options, message, handle = dict(self._options), ctypes.create_string_buffer(_MESSAGE), ctypes.c_void_p()
        told = options.pop("notice", None)
        if told:
            self._notice = _NOTICE(lambda _, notice: told(notice[0].kind, _text(notice[0].text), notice[0].records))
            options["notice"] = self._notice
        if self._where:
            options["where"] = " && ".join(f"({expr})" for expr in self._where).encode()
        paths = (ctypes.c_char_p * len(self._paths))(*self._paths)
        r = _library.shmlog_reader_open(ctypes.byref(handle), paths, len(self._paths),
                                        ctypes.byref(_Options(**options)), message, _MESSAGE)
        if r < 0:
            raise Error(_text(message.value), -r)
        self._handle = handle
        return self

    def __iter__(self):
        self._open()
        raw = ctypes.POINTER(_Record)()
        while True:
            self._turn += 1
            r = _library.shmlog_reader_next(self._handle, ctypes.byref(raw))
            if r == 0:
                return
            if r == -errno.EAGAIN:
                yield None
                continue
            if r < 0:
                raise Error(os.strerror(-r), -r)
            yield Record(self, raw.contents)

    def _batches(self, site, fields, rows):
        """Record batches as (schema, array) of the Arrow C data interface, which the caller releases."""
        self._open()
        while True:
            schema, array = _Schema(), _Array()
            self._turn += 1
            count = _library.shmlog_reader_arrow(self._handle, site.encode() if site else None,
                                                 fields.encode() if fields else None, rows, ctypes.byref(schema),
                                                 ctypes.byref(array))
            if count == 0 or count == -errno.EAGAIN:
                return
            if count < 0:
                raise Error(f"columns {fields}: {os.strerror(-count)}", -count)
            yield schema, array

    def columns(self, site=None, fields="time_ns,pid,tid,fields", rows=1 << 20):
        """All records whose site matches, as for shmlog-dump --site, as a dict of NumPy arrays by field. `fields` is a
        list as for --fields, in which `fields` stands for all arguments. Numbers with records that have none are
        masked arrays; texts are arrays of objects."""
        import numpy  # pylint: disable=import-outside-toplevel
        parts, length = {}, 0
        for schema, array in self._batches(site, fields, rows):
            for i in range(array.n_children):
                name = schema.children[i][0].name.decode()
                parts.setdefault(name, []).append(
                    (length, _numpy(numpy, schema.children[i][0].format.decode(), array.children[i][0])))
            length += array.length
            array.release(ctypes.byref(array))
            schema.release(ctypes.byref(schema))
        return {name: _join(numpy, pieces, length) for name, pieces in parts.items()}

    def to_pandas(self, site=None, fields="time_ns,pid,tid,fields"):
        """The same as a pandas.DataFrame."""
        import pandas  # pylint: disable=import-outside-toplevel
        return pandas.DataFrame({name: _pandas(column)
                                 for name, column in self.columns(site, fields).items()})

    def to_arrow(self, site=None, fields=None, rows=1 << 20):
        """The same as a list of pyarrow.RecordBatch, without a copy."""
        import pyarrow  # pylint: disable=import-outside-toplevel
        return [pyarrow.RecordBatch._import_from_c(ctypes.addressof(array), ctypes.addressof(schema))
                for schema, array in self._batches(site, fields, rows)]

    def position(self):
        """A text, behind the last record, for start()."""
        text = ctypes.c_void_p()
        r = _library.shmlog_reader_position(self._handle, ctypes.byref(text)) if self._handle else -errno.EINVAL
        if r < 0:
            raise Error("there is no position: call start() first, then read", -r)
        try:
            return ctypes.string_at(text).decode()
        finally:
            _libc.free(text)

    def close(self):
        if self._handle:
            _library.shmlog_reader_close(self._handle)
        self._handle = None
        self._turn += 1

    def __del__(self):
        self.close()


def open(*paths):  # pylint: disable=redefined-builtin
    """What the paths stand for: one segment by name or path, or files and directories of them."""
    return Reader(*paths)
