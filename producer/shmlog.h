/* SPDX-License-Identifier: MIT
 *
 * shmlog.h - log into shared memory: one header, libc alone. This page is all that a program needs
 * to know; shmlog(3) has the same with examples, shmlog(7) what is behind it.
 *
 *     #define SHMLOG_IMPLEMENTATION          // in one source file of the program
 *     #include <shmlog.h>
 *
 *     struct shmlog *log;
 *     int r = shmlog_open(&log, "trading", NULL);
 *     if (r < 0)
 *         fprintf(stderr, "no log: %s\n", shmlog_strerror(r));    // goes on; log is NULL
 *     shmlog_info(log, "order %lu px %.2f qty %u side %c", id, px, qty, side);
 *     shmlog_close(log);
 *
 * A log call stores its arguments, as they are, into a ring in shared memory: on x86-64 into that
 * of the core that it runs on, inside a restartable sequence (rseq), elsewhere into a ring that
 * threads share, each holding it for one call. It allocates nothing and enters the kernel only when
 * a thread or a call site logs for the first time, and where it has to wait: under the wait policy
 * for room, in a shared ring for its holder. It works from any thread, from signal handlers and in
 * a forked child; not in a child of vfork(). Arguments are evaluated only if the level is on, for
 * this call or, by a rule (shmlog-ctl(1)), for some other, each once.
 *
 * A NULL log is a segment that is not there: calls are counted, see shmlog_lost(), and otherwise do
 * nothing.
 *
 * Stack: a call with strings or of more than one slot, and the first call of a thread or site,
 * takes up to 5 KiB; so much an alternate signal stack has to have. A shared object that has an
 * implementation of its own, instead of its program's, opens for itself.
 */
#ifndef SHMLOG_H
#define SHMLOG_H
#pragma GCC system_header /* a mistake in a call is reported where it was made, in a few lines */

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus) && __cplusplus < 201703L
#error "shmlog.h needs C++17 or newer"
#endif
#ifdef __cplusplus
extern "C" {
#endif

struct shmlog; /* an attachment to a segment */

#define SHMLOG_OPEN_PARTIAL 2u /* attach even if some rings cannot be mapped */
#define SHMLOG_OPEN_LATER 4u   /* a segment that is not there yet, or not any more, is no error */
#define SHMLOG_OPEN_GUARD 8u   /* survive that a file of the segment is cut short */

struct shmlog_options {
    int wait_ms;              /* how long to wait for the segment; 0 not at all, -1 forever */
    uint32_t flags;           /* SHMLOG_OPEN_* */
    const char *process_name; /* up to 31 bytes are kept; NULL: as in /proc/self/comm */
};

/* Attach to the segment `segment`: a name, looked up in the runtime folder ($SHMLOG_DIR, else
 * /dev/shm/shmlog-UID, then /dev/shm/shmlog), or a path that ends in a name. Maps the segment's
 * rings and registers the calling thread. `options` may be NULL.
 *
 * Returns 0, and *ret_log is to be given to shmlog_close(); or a negative error with *ret_log NULL,
 * for shmlog_strerror(): -ENOENT no such segment; -EACCES, also for a runtime folder that others
 * may write to; -ENOMEM, -EMFILE, -ENFILE, -EAGAIN a limit, -EMFILE also for a fifth attachment at
 * once; -EINVAL a name or flag that there is not; or one of shmlog's own.
 *
 * SHMLOG_OPEN_PARTIAL: rings that cannot be mapped are an error only if none can.
 * SHMLOG_OPEN_LATER: a segment that is not there after wait_ms is no error; see shmlog_poll().
 * SHMLOG_OPEN_GUARD: whoever may write to the segment's files may cut them short, and touching what
 * is gone raises SIGBUS. With the flag a handler of that signal takes the ring (or segment) out of
 * use; records for it are counted as lost. Other SIGBUSes go to the handler that was there before.
 * It is never taken back: a shared object that uses it must not be unloaded.
 *
 * Thread-safe; not for signal handlers. Cost: system calls and the page tables of all rings. */
int shmlog_open(struct shmlog **ret_log, const char *segment, const struct shmlog_options *options);

/* Detach and unmap. No thread may be in, or later make, a call with `log`. NULL is fine. Not for
 * signal handlers. */
void shmlog_close(struct shmlog *log);

/* SHMLOG_OPEN_LATER: attach if the segment is there now, leave it if it was removed or replaced,
 * and take over the level that others have set. To be called by a housekeeping thread of the
 * program, some times a second. Calls without a segment are counted; the next segment is told of
 * them.
 *
 * Returns 0 if `log` is attached now, else the negative error of shmlog_open(); -EINVAL for NULL. A
 * log that was opened without the flag stays attached: 0. Thread-safe (a second thread returns at
 * once); not for signal handlers. Cost: one stat() while attached. */
int shmlog_poll(struct shmlog *log);

/* Returns 0 if `log` is attached, else the error that the last shmlog_poll() met; -EINVAL for NULL.
 * Any thread; async-signal-safe. */
int shmlog_status(struct shmlog *log);

/* Returns a text for an error of shmlog_open(), positive or negative; good until the thread's next
 * call. Any thread, no signal handlers. */
const char *shmlog_strerror(int error);

/* Register the calling thread now rather than in its first log call: some 10 system calls, among
 * them reads of /proc. A second time nothing happens. NULL is fine. Async-signal-safe. */
void shmlog_register_thread(struct shmlog *log);

/* Set the level of the whole segment, for all processes: SHMLOG_TRACE .. SHMLOG_CRITICAL,
 * SHMLOG_OFF. Returns 0; -EINVAL for others and without a segment. Async-signal-safe; calls that
 * run meanwhile may go by the old level. */
int shmlog_set_level(struct shmlog *log, uint32_t level);

/* Returns the records lost so far: of all processes, by all writers of the segment, not those that
 * were overwritten; NULL: calls that this program made without a segment. A sum over all rings.
 * SHMLOG_OPEN_LATER: calls without a segment count as well until the next segment is told of them;
 * if there is none until shmlog_close(), they are added to those of NULL. Async-signal-safe. */
uint64_t shmlog_lost(struct shmlog *log);

/* Returns how many calls of this thread were lost with `log` since it registered. NULL: 0. Any
 * thread; async-signal-safe. */
uint64_t shmlog_thread_lost(struct shmlog *log);

/* Inline, and async-signal-safe:
 *     uint64_t shmlog_now(const struct shmlog *log);
 *         Returns ticks of the segment's clock, for the _at calls; 0 for NULL.
 *     int shmlog_enabled(struct shmlog *log, uint32_t level);
 *         Returns whether the level is on: one load. A NULL log counts the call. */

#ifdef __cplusplus
}
#endif

/* Trading categories. A category is a string literal; any other works as well. */
#define SHMLOG_TRADE "trade"
#define SHMLOG_ORDER "order"
#define SHMLOG_MARKET_DATA "market_data"
#define SHMLOG_RISK "risk"
#define SHMLOG_PORTFOLIO "portfolio"

/* printf-style: (log, "format", up to 16 arguments). The format is a literal, checked by the
 * compiler; neither positional arguments (%1$d) nor %m. Integers, float, double, bool, char,
 * enumerations, bit-fields and pointers are stored as they are. A char * is copied as a string (a
 * NULL one is kept as such), with %.*s or %.Ns as much of it as the precision says; under %p its
 * address is. Any other pointer is an address. C++: also std::string, std::string_view and what has
 * data() and size() like them, enum class (its number), durations and time points of chrono
 * (nanoseconds, %ld), and a class that converts to one of these. A record holds at most 3,572 bytes
 * of arguments; a string that goes beyond is cut and marked as cut. In C an argument with a comma
 * in braces needs parentheses around it. */
#define shmlog_trace(log, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_TRACE, "", 0, 0, format, ##__VA_ARGS__)
#define shmlog_debug(log, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_DEBUG, "", 0, 0, format, ##__VA_ARGS__)
#define shmlog_info(log, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_INFO, "", 0, 0, format, ##__VA_ARGS__)
#define shmlog_warn(log, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_WARN, "", 0, 0, format, ##__VA_ARGS__)
#define shmlog_error(log, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_ERROR, "", 0, 0, format, ##__VA_ARGS__)
#define shmlog_critical(log, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_CRITICAL, "", 0, 0, format, ##__VA_ARGS__)

/* The same with a time of the caller's own, in ticks as from shmlog_now(). */
#define shmlog_trace_at(log, ticks, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_TRACE, "", 1, ticks, format, ##__VA_ARGS__)
#define shmlog_debug_at(log, ticks, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_DEBUG, "", 1, ticks, format, ##__VA_ARGS__)
#define shmlog_info_at(log, ticks, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_INFO, "", 1, ticks, format, ##__VA_ARGS__)
#define shmlog_warn_at(log, ticks, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_WARN, "", 1, ticks, format, ##__VA_ARGS__)
#define shmlog_error_at(log, ticks, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_ERROR, "", 1, ticks, format, ##__VA_ARGS__)
#define shmlog_critical_at(log, ticks, format, ...) \
    SHMLOG_MESSAGE_(log, SHMLOG_CRITICAL, "", 1, ticks, format, ##__VA_ARGS__)

/* printf-style with level (a constant) and category (a literal). */
#define shmlog_log(log, level, category, format, ...) \
    SHMLOG_MESSAGE_(log, level, category, 0, 0, format, ##__VA_ARGS__)
#define shmlog_log_at(log, ticks, level, category, format, ...) \
    SHMLOG_MESSAGE_(log, level, category, 1, ticks, format, ##__VA_ARGS__)

/* printf-style, but not each time: every n-th call of this site (counting from the first), at most
 * one in `ms` milliseconds, only the first. The record has one more argument, `skipped`: calls
 * since the one before that were not logged. Calls whose level is off are not counted. */
#define shmlog_every_n(log, n, level, format, ...) \
    SHMLOG_SOME_(shmlog_turn_, n, log, level, format, ##__VA_ARGS__)
#define shmlog_every_ms(log, ms, level, format, ...) \
    SHMLOG_SOME_(shmlog_due_, ms, log, level, format, ##__VA_ARGS__)
#define shmlog_once(log, level, format, ...) \
    SHMLOG_SOME_(shmlog_turn_, UINT64_MAX, log, level, format, ##__VA_ARGS__)

/* A structured event: (log, level, category, "name", "field", value, "field", value, ...), up to
 * 16 fields. Values as above, and shmlog_text(p, n), shmlog_bytes(p, n). */
#define shmlog_event(log, level, category, name, ...) \
    SHMLOG_EVENT_(log, level, category, 0, 0, name, ##__VA_ARGS__)
#define shmlog_event_at(log, ticks, level, category, name, ...) \
    SHMLOG_EVENT_(log, level, category, 1, ticks, name, ##__VA_ARGS__)

/* A span: something that takes time and belongs to a trace, as the way of an order through several
 * processes. (log, trace, "name", "field", value, ...), up to 14 fields. `trace` is a number that
 * all spans of the trace have, as the order's. Events of category "span"; an end belongs to the
 * newest begin of the same name and trace, in whatever thread or process that was. shmlog-dump
 * --trace shows them as a tree, and any other record with a field `trace` among them. */
#define shmlog_span_begin(log, trace, name, ...)                                                 \
    shmlog_event(log, SHMLOG_INFO, "span", name, "trace", (uint64_t)(trace), "phase", (char)'B', \
                 ##__VA_ARGS__)
#define shmlog_span_end(log, trace, name, ...)                                                   \
    shmlog_event(log, SHMLOG_INFO, "span", name, "trace", (uint64_t)(trace), "phase", (char)'E', \
                 ##__VA_ARGS__)

/* An argument with a name of its own, a literal:
 *
 *     shmlog_info(log, "refused %lu: %s", SHMLOG_NAMED("order_id", o->id), reason);
 *
 * Without it, the name is the last identifier of the expression that stands in no brackets, as `id`
 * in o->id and `get_px` in get_px(a[i]), or argN for the N-th argument; see shmlog(3). It expands
 * to text with the name in it, so that a macro of the user's own may pass a call on. */
#define SHMLOG_NAMED(name, value) ((void)"" name, (value))

/* Counted text or bytes, as a value in a call: shmlog_text(pointer, size), shmlog_bytes(...). */
struct shmlog_text_value {
    const char *data;
    size_t size;
};
struct shmlog_bytes_value {
    const void *data;
    size_t size;
};

/* A raw record: a struct of the user's own, copied as it is. Declared once, at file scope:
 *
 *     struct fill { uint64_t id; double px; uint32_t qty; char sym[8]; };
 *     SHMLOG_RECORD(fill_record, struct fill, SHMLOG_INFO, SHMLOG_TRADE, "fill",
 *                   SHMLOG_FIELD(struct fill, id), SHMLOG_FIELD(struct fill, px),
 *                   SHMLOG_FIELD(struct fill, qty), SHMLOG_FIELD(struct fill, sym));
 *
 * and logged with shmlog_record(log, &fill_record, &fill): a pointer to that struct, however
 * qualified, in C++ also to a class derived from it, of which the base is logged; any other does
 * not compile. Up to 32 fields of plain types, pointers (the address) and char arrays; up to 3,568
 * bytes. Bytes in no field are not kept. */
#define SHMLOG_RECORD(var, type, level, category, name, ...) \
    SHMLOG_RECORD_(var, type, level, category, name, __VA_ARGS__)
#define SHMLOG_FIELD(type, member) SHMLOG_FIELD_(type, member)
#define shmlog_record(log, record, data) SHMLOG_PUT_RECORD_(log, record, data, 1, SHMLOG_NULL_)
#define shmlog_record_at(log, ticks, record, data) \
    SHMLOG_PUT_RECORD_(log, record, data, 1, SHMLOG_TIME_(ticks))

/* A batch: n structs in a row, committed by one store for each 64 slots of them (one by one where
 * that cannot be: in a shared ring, or a full one). `times`: n ticks as from shmlog_now(), or NULL
 * for the time of the call. */
#define shmlog_record_n(log, record, data, times, n) SHMLOG_PUT_RECORD_(log, record, data, n, times)
/* SPDX-License-Identifier: MIT
 *
 * The layout of a segment, written once, for every program that maps one.
 *
 * A segment is a directory of files that processes of one host map: `control` (geometry, level,
 * sites, producers, clock) and one `ring-NNN` per ring. Rings hold 64-byte slots. A record is one
 * log call: 1 to 64 slots in a row. A writer fills the slots and commits with a single store, that
 * of the new head; there is no state between "not there" and "there", so a writer that dies leaves
 * nothing behind that anybody would have to repair.
 *
 * Little-endian, fixed-width, naturally aligned; no pointers, enums, bools or bitfields. Reserved
 * bytes are zero. A reader refuses a segment with an unknown bit in `incompatible` or another
 * `version`; unknown bits in `compatible` are ignored. No build option changes any of it.
 */
#ifndef SHMLOG_LAYOUT_H
#define SHMLOG_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
#define SHMLOG_STATIC_ASSERT_(expr, text) static_assert(expr, text)
/* Not static in C++: an exported function of a module must not use what is its file's alone. */
#define SHMLOG_STATIC_INLINE_ inline __attribute__((visibility("hidden"), unused))
#else
#define SHMLOG_STATIC_ASSERT_(expr, text) _Static_assert(expr, text)
#define SHMLOG_STATIC_INLINE_ static inline __attribute__((unused))
#endif

#define SHMLOG_VERSION_STRING "0.1.0"

/* Version of everything here. */
#define SHMLOG_LAYOUT_VERSION 1u

#define SHMLOG_CONTROL_MAGIC UINT64_C(0x314c54434d4c4853) /* "SHLMCTL1" */
#define SHMLOG_RING_MAGIC UINT64_C(0x314e49524d4c4853)    /* "SHLMRIN1" */

/* Severity of a record, and the segment's threshold. OFF is a threshold only. */
#define SHMLOG_TRACE 0u
#define SHMLOG_DEBUG 1u
#define SHMLOG_INFO 2u
#define SHMLOG_WARN 3u
#define SHMLOG_ERROR 4u
#define SHMLOG_CRITICAL 5u
#define SHMLOG_OFF 6u
/* Records of this level and above are severe: rings keep a reserve for them. */
#define SHMLOG_SEVERE SHMLOG_WARN

/* What a writer does when its ring is full. */
#define SHMLOG_ON_FULL_DROP 1u      /* drop the new record and count it */
#define SHMLOG_ON_FULL_OVERWRITE 2u /* overwrite the oldest: a flight recorder */
#define SHMLOG_ON_FULL_WAIT 3u      /* wait for the reader, up to control.wait_ns, then drop */

/* Why a record is missing. The first four are counted by writers, in ring.lost[]; the next two
 * are found by whoever reads. The rest never got to a ring and are counted in control.lost[]. */
#define SHMLOG_LOST_FULL 0u   /* drop policy: no room */
#define SHMLOG_LOST_WAITED 1u /* wait policy: no room in time */
#define SHMLOG_LOST_NESTED 2u /* a signal handler found its thread in a ring, and no other free */
/* 3: reserved */
#define SHMLOG_LOST_BY_WRITERS 4u  /* causes below this one */
#define SHMLOG_LOST_OVERWRITTEN 4u /* overwritten before it was read */
#define SHMLOG_LOST_DAMAGED 5u     /* its slots did not make sense */
#define SHMLOG_LOST_NO_RING 6u     /* no rseq, and the rings for that were held too long */
#define SHMLOG_LOST_NO_SITE 7u     /* the site table was full */
#define SHMLOG_LOST_CAUSES 8u

/* ---- Slot and record ----
 *
 *   byte  0        4        8                16        20                                   64
 *         +--------+--------+----------------+---------+------------------------------------+
 *   first | seq    | site   | time           | producer| arguments ...                      |
 *         +--------+--------+----------------+---------+------------------------------------+
 *   next  | seq    | site   | arguments go on ...                                           |
 *         +--------+--------+---------------------------------------------------------------+
 *
 *   seq       low 32 bits of the record's number in its ring, the same in all its slots;
 *             the first record of a ring is number 1
 *   site      bits 0-19 site id, bits 20-26 number of slots in the record (1..64), 0 in the slots
 *             after the first; bits 27-31 zero
 *   time      ticks of the segment's clock
 *   producer  id of an entry of the producer table, 0 unknown
 *
 * The payload of a record is the bytes 8..63 of its slots, put together. Arguments begin at
 * payload offset 12: first the fixed area, each value aligned to its size (payload offsets and
 * slot offsets agree on alignment up to 8), then, for each STRING or BYTES argument in order, its
 * bytes, without terminator or padding. A STRING or BYTES argument stands in the fixed area as a
 * 32-bit length word. Raw records hold the user's struct at payload offset 16 instead.
 */
struct shmlog_slot {
    uint32_t seq;
    uint32_t site;
    uint8_t payload[56];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_slot) == 64, "a slot is one cache line");

#define SHMLOG_SLOT_SIZE 64u
#define SHMLOG_SLOT_PAYLOAD 56u
#define SHMLOG_RECORD_SLOTS 64u                                           /* at most, per record */
#define SHMLOG_RECORD_PAYLOAD (SHMLOG_SLOT_PAYLOAD * SHMLOG_RECORD_SLOTS) /* 3,584 bytes */
#define SHMLOG_PAYLOAD_TIME 0u
#define SHMLOG_PAYLOAD_PRODUCER 8u
#define SHMLOG_PAYLOAD_ARGS 12u
#define SHMLOG_PAYLOAD_RAW 16u

#define SHMLOG_SITE_ID_MASK 0xfffffu
/* This number and the 15 after it are no site's in the table. Programs built with an older version
 * bring their sites along in records of these numbers; see shm/inline_site.h. */
#define SHMLOG_SITE_INLINE 0xffff0u
#define SHMLOG_SITE_SLOTS_SHIFT 20
#define SHMLOG_SITE_SLOTS_MASK 0x7fu

/* Length word of a STRING or BYTES argument. */
#define SHMLOG_LENGTH_CUT 0x80000000u  /* cut to fit; the other bits are the length kept */
#define SHMLOG_LENGTH_NULL 0xffffffffu /* the pointer was NULL; no bytes follow */

/* Argument types, as in struct shmlog_site_arg. Sizes in bytes in the fixed area. */
#define SHMLOG_TYPE_BOOL 1u     /* 1 */
#define SHMLOG_TYPE_CHAR 2u     /* 1 */
#define SHMLOG_TYPE_I8 3u       /* 1 */
#define SHMLOG_TYPE_U8 4u       /* 1 */
#define SHMLOG_TYPE_I16 5u      /* 2 */
#define SHMLOG_TYPE_U16 6u      /* 2 */
#define SHMLOG_TYPE_I32 7u      /* 4 */
#define SHMLOG_TYPE_U32 8u      /* 4 */
#define SHMLOG_TYPE_I64 9u      /* 8 */
#define SHMLOG_TYPE_U64 10u     /* 8 */
#define SHMLOG_TYPE_F32 11u     /* 4, IEEE 754 */
#define SHMLOG_TYPE_F64 12u     /* 8, IEEE 754 */
#define SHMLOG_TYPE_POINTER 13u /* 8 */
#define SHMLOG_TYPE_STRING 14u  /* 4: a length word; the bytes follow after the fixed area */
#define SHMLOG_TYPE_BYTES 15u   /* 4: as STRING, not text */
#define SHMLOG_TYPE_TEXT 16u    /* raw records: a char array, ends at its first NUL or its size */
#define SHMLOG_TYPES 17u

/* Records of a ring that its reader found lost, so far. */
struct shmlog_found {
    uint64_t seq;         /* all records before this number are in these counts, or were read */
    uint64_t overwritten; /* records, so far */
    uint64_t damaged;
};

/* ---- Ring file ----
 *
 *   0      struct shmlog_ring, 4096 bytes
 *   4096   control.ring_slots slots
 *
 * Positions are in slots, 64-bit, free-running; masked on use. Each line below is written by one
 * side only, and lines lie 128 bytes apart, since processors fetch them in pairs.
 */
struct shmlog_ring {
    /* 0: identity, written at creation; magic last */
    uint64_t magic;
    uint32_t version;
    uint32_t header_size;
    uint32_t index; /* number of the ring in the segment */
    uint32_t kind;  /* SHMLOG_RING_* */
    uint32_t cpu;   /* CPU rings: the core */
    uint32_t reserved0;
    uint64_t slots;
    uint64_t file_size;
    uint8_t segment_uuid[16];
    uint8_t reserved1[64];
    /* 128: the writers' line, the only shared line that a log call touches beside its slots */
    uint64_t head; /* slots before it are committed; stored with release */
    /* The head may go up to here: a tail once read + slots, less control.reserve_slots; overwrite:
     * UINT64_MAX. What a log call compares; a severe record that finds it reached goes on to
     * limit_severe, which has the reserve in it. */
    uint64_t limit;
    uint32_t busy; /* older programs: the owner is in a call */
    uint32_t reserved8;
    uint64_t limit_severe;
    uint8_t reserved2[96];
    /* 256: doorbell: a head some thousand records ago, a hint for the reader */
    uint64_t doorbell;
    uint8_t reserved3[120];
    /* 384: the reader's line */
    uint64_t tail;     /* slots before it are free; stored with release */
    uint64_t tail_seq; /* number of the first record not yet read; stored before tail */
    /* What the reader found lost, in two copies: that with the larger seq counts, the other one is
     * written next, its seq last. Both before tail_seq moves past what they count. */
    struct shmlog_found found[2];
    uint8_t reserved4[64];
    /* 512: the writers' slow path */
    uint64_t lost[SHMLOG_LOST_CAUSES]; /* records, by cause; atomic adds */
    uint64_t gave_up_tail; /* wait policy: a wait ran out at this tail; ~0 none. No second wait
                              before it moves */
    uint32_t owner;        /* spare rings: SHMLOG_OWNER_SHARED; see there */
    uint32_t reserved9;
    /* Shared rings: the thread that is in a call on it, SHMLOG_HOLDER, 0 none; and the holder that
     * a wait ran out for: no second wait for it. Whoever holds the ring next clears that. */
    uint64_t holder;
    uint64_t held_too_long;
    uint8_t reserved5[32];
    /* 640: where the segment's directory is, written at creation before the magic. A file on a
     * hugetlbfs does not lie in that directory: by this, one that was left behind is known. */
    uint64_t segment_device; /* st_dev of the directory; 0: nothing of this is known */
    char segment_path[1024]; /* absolute, NUL-terminated */
    uint8_t reserved6[120];
    /* 1792: the wait policy's sleepers. A writer stores 1 into waiting, looks for room once more,
     * and sleeps on wakes (a futex). The reader, when it has stored the tail, takes the 1 back,
     * adds to wakes, and wakes some; where more may sleep, it puts the 1 there again. */
    uint32_t waiting;
    uint32_t wakes;
    uint8_t reserved7[2296];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_ring) == 4096, "ring header is one small page");

#define SHMLOG_RING_HEADER 4096u
#define SHMLOG_RING_CPU 1u   /* one per core, written under rseq by any thread on that core */
#define SHMLOG_RING_OWNED 2u /* spare: for threads that cannot use those */
/* The owner of spare rings, which threads share: one writes while it is the ring's `holder`. Spare
 * rings of segments that an older collector made have other owners but for the last: 0, or the id
 * of the producer that claimed it, and are not for this version. */
#define SHMLOG_OWNER_SHARED 0xffff0000u
/* Who holds it: enough to tell whether the thread is still there. Start time 0: unknown. */
#define SHMLOG_HOLDER(tid, pid_ns, start_time)                                \
    (((uint64_t)(tid)&0x3fffffu) << 42 | ((uint64_t)(pid_ns)&0xffffu) << 26 | \
     ((uint64_t)(start_time)&0x3ffffffu))
#define SHMLOG_HOLDER_TID(holder) ((holder) >> 42)

#define SHMLOG_RING_SLOTS_MIN UINT64_C(1024)
#define SHMLOG_RING_SLOTS_MAX (UINT64_C(1) << 30)
#define SHMLOG_RINGS_MAX 2048u
#define SHMLOG_CPUS_MAX 1024u

/* The writer stores the doorbell when its head crosses a multiple of slots >> this. */
#define SHMLOG_DOORBELL_SHIFT 2

/* Which calls are logged, and how often. A rule is for the sites that all of its patterns match (*
 * and ? stand for anything and one byte; an empty pattern matches), the last one for a site counts:
 * its level, and its sampling. */
struct shmlog_rule {
    uint32_t level;   /* SHMLOG_TRACE .. SHMLOG_OFF; SHMLOG_RULE_KEEP: says nothing of it */
    uint32_t one_in;  /* log one call in so many; 0: the rule says nothing of sampling */
    uint64_t gap_ns;  /* and then at most one in so long */
    char process[32]; /* as the producer table has it. All are NUL-terminated */
    char category[40];
    char site[76]; /* file (with or without its folders), function, format or name */
    uint32_t line; /* 0: any */
};
#define SHMLOG_RULE_KEEP 0xffu
#define SHMLOG_RULES_MAX 16u
#define SHMLOG_SKIPPED_ONE_IN 0u
#define SHMLOG_SKIPPED_GAP 1u
#define SHMLOG_SKIPPED_CAUSES 2u

/* ---- Control file ----
 *
 *   struct shmlog_control | ring table | clock pairs | producers | site words | site arena
 */
struct shmlog_control {
    /* 0: identity and geometry, written at creation; magic last */
    uint64_t magic;
    uint32_t version;
    uint32_t header_size; /* 4096 */
    uint32_t slot_size;   /* 64 */
    uint32_t ring_header; /* 4096 */
    uint64_t file_size;
    uint64_t compatible; /* SHMLOG_COMPATIBLE_* */
    uint64_t incompatible;
    uint8_t uuid[16];
    uint64_t created_ns; /* CLOCK_REALTIME */
    uint32_t on_full;    /* SHMLOG_ON_FULL_* */
    uint32_t clock;      /* SHMLOG_CLOCK_* */
    uint64_t clock_hz;   /* nominal; the clock pairs tell better */
    uint64_t wait_ns;
    uint64_t ring_slots; /* the same for all rings; a power of two */
    uint32_t cpu_rings;  /* rings 0 .. cpu_rings-1; see SHMLOG_COMPATIBLE_SEVERE_RINGS */
    uint32_t rings;      /* in all; the others are spare ones */
    uint32_t sites_max;  /* power of two */
    uint32_t producers_max;
    uint32_t clock_pairs; /* power of two */
    uint32_t reserved0;
    uint64_t rings_offset;
    uint64_t clock_offset;
    uint64_t producers_offset;
    uint64_t sites_offset;
    uint64_t arena_offset;
    uint64_t arena_size;
    uint64_t creator_pid_ns; /* inode of the pid namespace of the creator */
    uint32_t reserve_slots;  /* of each ring, that only severe records get; at most a half */
    uint32_t reserved6;
    char name[64]; /* NUL-terminated, for people */
    /* 256: read by all, written seldom */
    uint32_t level;      /* calls below it cost a load and a branch: the lowest that any rule has */
    uint32_t state;      /* SHMLOG_SEGMENT_* */
    uint32_t generation; /* of the rules, even: a change of them adds 2 */
    uint32_t rules; /* how many there are; while there are none, `level` is all there is to it */
    uint32_t base_level;  /* of what no rule is about */
    uint32_t rules_level; /* the lowest level of a rule, SHMLOG_OFF if none has one */
    uint8_t reserved1[104];
    /* 384: registration of sites and producers */
    uint64_t arena_used;
    uint32_t producers_used; /* entries from here on were never used */
    uint8_t reserved2[116];
    /* 512: records that never got to a ring, by SHMLOG_LOST_*; atomic adds */
    uint64_t lost[SHMLOG_LOST_CAUSES];
    uint8_t reserved3[64];
    /* 640: the collector; written by it alone */
    uint32_t collector_pid; /* 0: none */
    uint32_t collector_flags;
    uint64_t collector_start; /* of the process, in clock ticks since boot */
    uint64_t collector_beat;  /* CLOCK_MONOTONIC ns of its last round */
    uint64_t clock_count;     /* pairs ever written; the newest is (clock_count - 1) */
    uint64_t rungs;           /* SHMLOG_RUNG_* bits: what it had to do without */
    /* CLOCK_MONOTONIC ns, like the beat; 0: never, or a collector that does not say */
    uint64_t collector_written; /* when it last had nothing to write, or something was written */
    uint64_t collector_lost;    /* when it last saw the count of lost records grow */
    uint64_t collector_losses;  /* that count, of the whole segment, as it last saw it */
    uint64_t collector_pid_ns;  /* inode of its pid namespace, 0 unknown */
    uint8_t reserved4[56];
    uint64_t stats[64]; /* the collector's counters, see shm/stats.h */
    /* of rings whose files were cut short, which it has left out; by SHMLOG_LOST_* */
    uint64_t collector_lost_rings[SHMLOG_LOST_CAUSES];
    /* 1344: records that sampling left out, by SHMLOG_SKIPPED_*; atomic adds */
    uint64_t skipped[SHMLOG_SKIPPED_CAUSES];
    uint8_t reserved5[48];
    struct shmlog_rule rule[SHMLOG_RULES_MAX]; /* 1408: written before `generation` */
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_control) == 4096, "control header is one small page");

#define SHMLOG_CONTROL_HEADER 4096u
/* Every core has two rings, the second half of cpu_rings being, in the same order of cores, for
 * severe records alone. So nothing less severe overwrites them. */
#define SHMLOG_COMPATIBLE_SEVERE_RINGS (UINT64_C(1) << 0)
/* The last ring at least is a shared one. */
#define SHMLOG_COMPATIBLE_SHARED_RING (UINT64_C(1) << 1)
/* Readers work out the names of arguments: SHMLOG_SITE_FLAG_TEXT. */
#define SHMLOG_COMPATIBLE_TEXT (UINT64_C(1) << 2)
#define SHMLOG_COLLECTOR_STARTING 1u /* collector_flags: not yet at work */
#define SHMLOG_COLLECTOR_FAILING 2u  /* writes fail, and are tried again */
#define SHMLOG_CLOCK_TSC 1u          /* ticks are rdtsc */
#define SHMLOG_CLOCK_MONOTONIC 2u    /* ticks are nanoseconds of CLOCK_MONOTONIC */
#define SHMLOG_SEGMENT_LIVE 1u
#define SHMLOG_SEGMENT_CLOSED 2u /* being removed: do not attach */

/* Plain integers in the layout; these give them the order they need, alike in C and C++. Every
 * acquire says in its place which release it pairs with. */
#define shmlog_load_relaxed_(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define shmlog_load_acquire_(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define shmlog_store_relaxed_(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define shmlog_store_release_(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#endif /* SHMLOG_LAYOUT_H */
/* SPDX-License-Identifier: MIT
 *
 * The layout of a segment, continued: the entries of the tables in its control file.
 */
#ifndef SHMLOG_TABLES_H
#define SHMLOG_TABLES_H

/* A thread of a process that logs. claim is 0 in a free entry, else tid << 32 | SHMLOG_PRODUCER_*;
 * it is claimed with a compare-and-swap and freed by the collector alone: when the slots of all
 * records of a dead thread were overwritten, or earlier if the table gets short, but not before the
 * records were read. Who registers when none is free takes one that is DEAD or LEFT: the living
 * need a name more than the dead. id = use << 16 | (index + 1), a new one at each use of the entry.
 * While the entry is being filled in, its claim alone says whose it is: bits 8-31 are then the low
 * ones of pid_ns, so that an entry whose owner died over it can be told and freed. */
struct shmlog_producer {
    uint64_t claim;
    uint32_t id;
    uint32_t pid; /* as the process itself sees it, in its pid namespace */
    uint32_t tid;
    uint32_t ring;       /* 1 + index of the ring that it owns, 0 none: older programs */
    uint64_t start_time; /* of the thread: field 22 of /proc/PID/task/TID/stat; 0 unknown */
    uint64_t attachment; /* random, one for each shmlog_open() in each process */
    uint64_t pid_ns;     /* inode of its pid namespace, 0 unknown */
    char process[32];    /* NUL-terminated unless full */
    char thread[16];
    uint32_t why;           /* SHMLOG_WHY_*: it logs into spare rings; 0: into those of its cores */
    uint32_t rings_missing; /* rings that its process could not map: SHMLOG_OPEN_PARTIAL */
    uint8_t reserved0[24];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_producer) == 128, "producer entry");
#define SHMLOG_WHY_ASKED 1u         /* older programs: it asked for a ring of its own */
#define SHMLOG_WHY_NO_RSEQ 2u       /* the system has no restartable sequences */
#define SHMLOG_WHY_NO_TSC 3u        /* sequences cannot read the segment's clock */
#define SHMLOG_WHY_ABORTS 4u        /* sequences were aborted again and again, as by a debugger */
#define SHMLOG_WHY_NO_CORE 5u       /* there is no ring for the core that it ran on */
#define SHMLOG_PRODUCER_FILLING 1u  /* claimed, not yet filled in */
#define SHMLOG_PRODUCER_LIVE 2u     /* logs, or may */
#define SHMLOG_PRODUCER_DETACHED 3u /* shmlog_close() was called */
#define SHMLOG_PRODUCER_DEAD 4u     /* the collector found it dead, and has read its records */
#define SHMLOG_PRODUCER_LEFT 5u     /* DETACHED, and the collector has read its records */
#define SHMLOG_PRODUCER_STATE 0xffu /* the bits of a claim that are one of these */
#define SHMLOG_PRODUCER_FILLING_CLAIM(tid, pid_ns) \
    ((uint64_t)(tid) << 32 | ((pid_ns)&0xffffffu) << 8 | SHMLOG_PRODUCER_FILLING)
#define SHMLOG_PRODUCERS_MAX 65535u

/* A site word: 0 free, else hash << 32 | (offset in the arena / 8). The index of the word in the
 * table is the site id, 1 .. sites_max - 1. The bytes at that offset are a site, complete before
 * the word is stored: */
struct shmlog_site {
    uint16_t size;     /* bytes in all, <= SHMLOG_SITE_MAX */
    uint8_t kind;      /* SHMLOG_SITE_* */
    uint8_t level;     /* SHMLOG_TRACE .. SHMLOG_CRITICAL */
    uint16_t flags;    /* SHMLOG_SITE_FLAG_* */
    uint8_t args;      /* number of arguments */
    uint8_t reserved0; /* 0 */
    uint32_t line;
    uint32_t record_size; /* RAW: bytes of the user's struct; else 0 */
    /* struct shmlog_site_arg[args];
     * then NUL-terminated strings: format (events, raw: the name), file, function, category,
     * and what SHMLOG_SITE_FLAG_TEXT says, or one name for each argument */
};
struct shmlog_site_arg {
    uint8_t type; /* SHMLOG_TYPE_* */
    uint8_t flags;
    uint16_t offset; /* RAW: in the struct; else payload offset of the value in the fixed area */
    uint16_t size;   /* bytes in the fixed area or in the struct */
    uint16_t reserved0;
};
#define SHMLOG_SITE_MAX 2048u
/* An attachment adds at most a quarter of the table, and of the arena; of small ones more. What one
 * program registers without end leaves the others theirs. */
#define SHMLOG_SITES_SHARE(sites_max) ((sites_max) / 4 > 64u ? (sites_max) / 4 : 64u)
#define SHMLOG_ARENA_SHARE(size) ((size) / 4 > 16384u ? (size) / 4 : UINT64_C(16384))
#define SHMLOG_SITE_PRINTF 1u    /* a printf-style call */
#define SHMLOG_SITE_EVENT 2u     /* a name, and named fields */
#define SHMLOG_SITE_RAW 3u       /* a struct of the user's own */
#define SHMLOG_SITE_FLAG_MORE 1u /* the text goes on in a later record of the producer */
#define SHMLOG_SITE_FLAG_LINE 2u /* a piece of a line, or a whole one: see shmlog-cat(1) */
/* A second string for each argument follows the names: what the source says, empty if that is the
 * name. */
#define SHMLOG_SITE_FLAG_EXPRESSIONS 4u
#define SHMLOG_SITE_FLAG_INLINE 8u /* its records hold a site each: shm/inline_site.h */
/* In the place of names, one string: the arguments as the source has them (events: names, which are
 * literals, and values in turn), as the preprocessor writes them. Readers make the names of it. */
#define SHMLOG_SITE_FLAG_TEXT 16u
#define SHMLOG_ARGS_MAX 16u
#define SHMLOG_RAW_FIELDS_MAX 32u

/* FNV-1a over the bytes of a site, folded to 32 bits; never 0.
 * (Fowler, Noll, Vo; draft-eastlake-fnv, 64-bit offset basis and prime.) */
SHMLOG_STATIC_INLINE_ uint32_t shmlog_site_hash_(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    h ^= h >> 32;
    return (uint32_t)h ? (uint32_t)h : 1u;
}

#endif /* SHMLOG_TABLES_H */
/* SPDX-License-Identifier: MIT
 *
 * Is a control file one that can be worked with? For all who map one.
 */
#ifndef SHMLOG_CHECK_H
#define SHMLOG_CHECK_H

/* Errors of shmlog_open() beside errno's, returned negative; shmlog_strerror() has the texts. */
#define SHMLOG_ERR_FOREIGN 4001
#define SHMLOG_ERR_OLDER 4002
#define SHMLOG_ERR_NEWER 4003
#define SHMLOG_ERR_GEOMETRY 4004
#define SHMLOG_ERR_UNFINISHED 4005
#define SHMLOG_ERR_CLOSED 4007
#define SHMLOG_ERR_NO_RINGS 4008
#define SHMLOG_ERR_RINGS 4010

SHMLOG_STATIC_INLINE_ int shmlog_power_of_two_(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* A table of `count` items of `width` bytes at `offset`: not before *end, within the file; moves
 * *end behind it. No product overflows: counts are 32-bit or bounded, widths small. */
SHMLOG_STATIC_INLINE_ int shmlog_table_fits_(uint64_t offset, uint64_t count, uint64_t width,
                                             uint64_t file_size, uint64_t *end)
{
    if (offset % 64 != 0 || offset < *end || offset > file_size ||
        count * width > file_size - offset)
        return 0;
    *end = offset + count * width;
    return 1;
}

#define SHMLOG_CLOCK_PAIRS_MAX 65536u
#define SHMLOG_RING_ENTRY_SIZE 64u /* bytes; producers do not look at these two tables */
#define SHMLOG_CLOCK_PAIR_SIZE 32u
#define SHMLOG_ARENA_MAX (UINT64_C(8) << 32) /* what the 32 bits of a site word can point to */
#define SHMLOG_CONTROL_MAX (UINT64_C(1) << 36)

/* Is ring `index` for severe records alone? */
SHMLOG_STATIC_INLINE_ int shmlog_ring_is_severe_(const struct shmlog_control *c, uint32_t index)
{
    return c->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS && index < c->cpu_rings &&
           index >= c->cpu_rings / 2;
}

/* Check a copy of a control file's header against the size of the file, for all who map one: 0 or a
 * -SHMLOG_ERR_*. After 0 all tables lie within the file, in order, and every count is in bounds. */
SHMLOG_STATIC_INLINE_ int shmlog_check_control_(const struct shmlog_control *c, uint64_t file_size)
{
    uint64_t end = SHMLOG_CONTROL_HEADER;

    if (!c->magic)
        return -SHMLOG_ERR_UNFINISHED;
    if (c->magic != SHMLOG_CONTROL_MAGIC)
        return -SHMLOG_ERR_FOREIGN;
    if (c->version < SHMLOG_LAYOUT_VERSION)
        return -SHMLOG_ERR_OLDER;
    if (c->version > SHMLOG_LAYOUT_VERSION || c->incompatible)
        return -SHMLOG_ERR_NEWER;
    if (c->header_size != SHMLOG_CONTROL_HEADER || c->slot_size != SHMLOG_SLOT_SIZE ||
        c->ring_header != SHMLOG_RING_HEADER || c->file_size != file_size ||
        file_size > SHMLOG_CONTROL_MAX || c->on_full < SHMLOG_ON_FULL_DROP ||
        c->on_full > SHMLOG_ON_FULL_WAIT || c->clock < SHMLOG_CLOCK_TSC ||
        c->clock > SHMLOG_CLOCK_MONOTONIC || !shmlog_power_of_two_(c->ring_slots) ||
        c->ring_slots < SHMLOG_RING_SLOTS_MIN || c->ring_slots > SHMLOG_RING_SLOTS_MAX ||
        c->reserve_slots > c->ring_slots / 2 || !c->rings || c->rings > SHMLOG_RINGS_MAX ||
        c->cpu_rings > c->rings ||
        (c->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS
             ? c->cpu_rings % 2 != 0 || c->cpu_rings > 2 * SHMLOG_CPUS_MAX
             : c->cpu_rings > SHMLOG_CPUS_MAX) ||
        (c->compatible & SHMLOG_COMPATIBLE_SHARED_RING && c->cpu_rings == c->rings) ||
        !shmlog_power_of_two_(c->sites_max) || c->sites_max < 2 ||
        c->sites_max > SHMLOG_SITE_ID_MASK + 1 || !c->producers_max ||
        c->producers_max > SHMLOG_PRODUCERS_MAX || !shmlog_power_of_two_(c->clock_pairs) ||
        c->clock_pairs > SHMLOG_CLOCK_PAIRS_MAX || c->arena_size > SHMLOG_ARENA_MAX ||
        !shmlog_table_fits_(c->rings_offset, c->rings, SHMLOG_RING_ENTRY_SIZE, file_size, &end) ||
        !shmlog_table_fits_(c->clock_offset, c->clock_pairs, SHMLOG_CLOCK_PAIR_SIZE, file_size,
                            &end) ||
        !shmlog_table_fits_(c->producers_offset, c->producers_max, sizeof(struct shmlog_producer),
                            file_size, &end) ||
        !shmlog_table_fits_(c->sites_offset, c->sites_max, sizeof(uint64_t), file_size, &end) ||
        !shmlog_table_fits_(c->arena_offset, c->arena_size, 1, file_size, &end))
        return -SHMLOG_ERR_GEOMETRY;
    return 0;
}

#endif /* SHMLOG_CHECK_H */
/* SPDX-License-Identifier: MIT
 *
 * What a process keeps of an attachment, and a thread of each: private memory, not for users.
 */

SHMLOG_STATIC_ASSERT_(sizeof(void *) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                      "shmlog needs 64-bit pointers and little-endian numbers");

#ifdef __cplusplus
#define SHMLOG_NULL_ nullptr
#define SHMLOG_STRUCT_ /* in macros: a struct named as such would be a module's own */
#define SHMLOG_BEGIN_C_ extern "C" {
#define SHMLOG_END_C_ }
#else
#define SHMLOG_NULL_ ((void *)0)
#define SHMLOG_STRUCT_ struct
#define SHMLOG_BEGIN_C_
#define SHMLOG_END_C_
#endif
#define SHMLOG_INLINE_ SHMLOG_STATIC_INLINE_ __attribute__((always_inline))
#define SHMLOG_LIKELY_(x) __builtin_expect(!!(x), 1)
#define SHMLOG_UNLIKELY_(x) __builtin_expect(!!(x), 0)

/* A thread's state, one for each attachment, in thread-local storage. It is the attachment's while
 * `key` is that of the attachment, but for the two lowest bits, which say how the thread logs.
 *
 * A signal handler of the thread may come in at any instruction, and log or register the thread. So
 * registration runs with signals blocked, and what changes later is changed by one store. */
#define SHMLOG_ATTACHMENTS_ 4u /* that a program can have open */
#define SHMLOG_BY_CORE_ 0u     /* into the ring of its core, by sequences */
#define SHMLOG_BY_TURNS_ 1u    /* into shared rings */
#define SHMLOG_NAMELESS_ 2u    /* this bit: the producer table was full */
struct shmlog_thread_ {
    uint64_t key;
    uint32_t producer; /* 0: nameless */
    uint32_t hand;     /* of the shared rings, the one that it looks at first */
    /* The core that it was seen on last, together with the attachment's key (xor), and the core's
     * ring in that attachment. A sequence compares the former instead of looking up its ring, so
     * that the ring's address waits for one load rather than three. */
    uint64_t where;
    struct shmlog_ring *ring;
    uint64_t holder; /* this thread, as the holder of a shared ring */
    uint64_t lost;   /* records of this thread that were not committed */
} __attribute__((aligned(16)));
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_thread_, where) % 16 == 0 &&
                          offsetof(struct shmlog_thread_, ring) ==
                              offsetof(struct shmlog_thread_, where) + 8,
                      "both in one store");

/* What becomes of a site's strings, worked out once, when it is registered. Of texts of their own
 * size the format says nothing. */
struct shmlog_plan_ {
    /* Where rules say that not all calls are logged: one in so many (0: none), at most one in so
     * long; and the state of shmlog_turn_() and shmlog_due_(). */
    uint64_t one_in, gap_ns, turns[2];
    uint16_t end;   /* of the fixed area, in the payload */
    uint16_t count; /* of texts */
    struct {
        uint16_t at;           /* its length word, in the payload */
        uint16_t precision_at; /* %.*s: the int that says how many bytes, in the payload; or 0 */
        uint16_t limit;        /* %.Ns: bytes at most; or SHMLOG_ADDRESS_ */
    } text[SHMLOG_ARGS_MAX];
} __attribute__((aligned(8), may_alias));
#define SHMLOG_NO_LIMIT_ 0xffffu
#define SHMLOG_ADDRESS_ 0xfffeu /* %p: its address, as text */

/* An attachment: private pages, then the control file's mapping, so that the level is one load at a
 * constant offset. */
#define SHMLOG_PAGE_ 65536u /* the largest page size of any machine this runs on */
struct shmlog_local_ {
    uint64_t site_key;     /* 32 bits that name the attachment, odd: see struct shmlog_site_ */
    uint64_t rseq_offset;  /* of a thread's struct rseq, from the thread pointer */
    uint64_t slot_mask;    /* slots in a ring - 1 */
    uint64_t quarter_mask; /* slots between two rings of the doorbell - 1 */
    uint32_t state_at;     /* where a thread's state for this attachment is, in bytes */
    uint32_t entry;        /* and which of them it is */
    uint32_t severe_rings; /* sequences write severe records into rings of their own */
    uint32_t clock;
    uint32_t cpus; /* entries of ring_of_cpu; 0: sequences are not to be used */
    uint64_t wait_ns;
    uint64_t reserve;
    uint32_t on_full;
    uint32_t shared_begin, shared_count; /* the shared rings: indices */
    uint32_t rings_missing;              /* rings that could not be mapped */
    uint32_t owner;                      /* uid of the segment's files */
    uint32_t producer_probe;             /* where the next nameless thread looks for an entry */
    uint64_t control_size, control_dev, control_ino; /* of the control file that is mapped */
    uint64_t pid_ns;
    uint64_t sites_size;         /* bytes that this attachment added to the site arena: its share */
    uint32_t sites;              /* and how many */
    uint32_t guarded;            /* against SIGBUS */
    struct shmlog_plan_ *plans;  /* by site id */
    struct shmlog_later_ *later; /* SHMLOG_OPEN_LATER, in the log that was handed out */
    struct shmlog *next;         /* in later->left */
    struct shmlog_control geometry; /* a bounded copy */
    char process[32];
    struct shmlog_ring *ring_of_cpu[SHMLOG_CPUS_MAX]; /* where a core has no ring: &none */
    /* for severe records: the same, or the ring of their own */
    struct shmlog_ring *severe_of_cpu[SHMLOG_CPUS_MAX];
    struct shmlog_ring *ring[SHMLOG_RINGS_MAX];
    uint64_t ring_map[SHMLOG_RINGS_MAX]; /* bytes mapped of each */
    struct shmlog_ring none;             /* a ring that is always full */
};
struct shmlog {
    /* A page that the kernel zeroes in a forked child (MADV_WIPEONFORK): the child's threads no
     * longer find the key that their state holds, and register anew. */
    uint64_t key; /* random, a multiple of 4, not 0; 0 in a fresh child */
    uint8_t reserved0[SHMLOG_PAGE_ - 8];
    struct shmlog_local_ local;
    uint8_t reserved1[SHMLOG_PAGE_ - sizeof(struct shmlog_local_)];
    struct shmlog_control control; /* shared; the tables follow */
};
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, local) == SHMLOG_PAGE_, "private page");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, control) == 2 * SHMLOG_PAGE_, "control page");

/* A call site: what the compiler knows of it. Its types (C: types[0] is how many, then their codes)
 * and its strings (format, arguments as written, category) follow it; in C++ `types` points to the
 * former. `word` is that of the attachment it was registered in last: id and 1 slot in the upper
 * half, as in the first word of a slot; in the lower its site_key, with the generation of the
 * rules, so that exclusive ors check and clear it. The key is odd; the even number below it says
 * that rules leave calls out, or, with no id, that there was no room. */
struct shmlog_site_ {
    uint64_t word;
    const char *file, *function;
    const uint8_t *types;
    uint32_t line;
    uint8_t kind, level;
    uint16_t flags;
};
#define SHMLOG_NO_SEGMENT_ 1u /* the site_key of a log that stands for others */

/* A kind of raw records. */
struct shmlog_field_ {
    const char *name;
    uint16_t offset, size;
    uint8_t type;
};
struct shmlog_record_site_ {
    SHMLOG_STRUCT_ shmlog_site_ site;
    const char *name, *category;
    const SHMLOG_STRUCT_ shmlog_field_ *fields;
    uint32_t fields_count, size;
};

SHMLOG_BEGIN_C_
extern void shmlog_count_unattached_(void);
extern uint64_t shmlog_monotonic_ns_(void);
/* Functions that are never copied into a call site, not even where they are defined. */
#define SHMLOG_CALLED_ extern __attribute__((noinline))
/* Commit a record: its fixed area as words, from the payload's offset 8 on, of which the first 4
 * bytes are 0 and the rest the arguments, each aligned to its width; 0 behind the last. There are
 * 4, 6 (a slot), or as many as it takes; they may be changed. `texts`: those of its strings, in
 * order; size SHMLOG_TO_NUL_: to the NUL. `ticks`: its time, or NULL: now. */
#define SHMLOG_TO_NUL_ (~(size_t)0)
SHMLOG_CALLED_ void shmlog_put4_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0,
                                 uint64_t w1, uint64_t w2, uint64_t w3);
SHMLOG_CALLED_ void shmlog_put4_at_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0,
                                    uint64_t w1, uint64_t w2, uint64_t w3, uint64_t ticks);
SHMLOG_CALLED_ void shmlog_put_words_(struct shmlog *log, struct shmlog_site_ *site,
                                      uint64_t *words, uint32_t count, const uint64_t *ticks);
SHMLOG_CALLED_ void shmlog_put_texts_(struct shmlog *log, struct shmlog_site_ *site,
                                      uint64_t *words, uint32_t count,
                                      const struct shmlog_text_value *texts, const uint64_t *ticks);
SHMLOG_CALLED_ void shmlog_put_records_(struct shmlog *log, struct shmlog_record_site_ *record,
                                        const void *data, size_t count, const uint64_t *ticks);
/* Is it a call's turn; how many were skipped since the last one that had it? */
extern int shmlog_turn_(uint64_t *state, uint64_t n, unsigned long *ret_skipped);
extern int shmlog_due_(uint64_t *state, uint64_t ms, unsigned long *ret_skipped);
SHMLOG_END_C_

SHMLOG_INLINE_ uint64_t shmlog_tsc_(void)
{
#if defined(__x86_64__)
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
#else
    return 0;
#endif
}
SHMLOG_INLINE_ uint64_t shmlog_now(const struct shmlog *log)
{
    if (!log)
        return 0;
    return SHMLOG_LIKELY_(shmlog_load_relaxed_(&log->local.clock) == SHMLOG_CLOCK_TSC)
               ? shmlog_tsc_()
               : shmlog_monotonic_ns_();
}
SHMLOG_INLINE_ int shmlog_enabled(struct shmlog *log, uint32_t level)
{
    if (SHMLOG_UNLIKELY_(!log)) {
        shmlog_count_unattached_();
        return 0;
    }
    return level >= shmlog_load_relaxed_(&log->control.level);
}
SHMLOG_INLINE_ struct shmlog_text_value shmlog_text(const char *data, size_t size)
{
    struct shmlog_text_value value;
    value.data = data;
    value.size = size;
    return value;
}
SHMLOG_INLINE_ struct shmlog_bytes_value shmlog_bytes(const void *data, size_t size)
{
    struct shmlog_bytes_value value;
    value.data = data;
    value.size = size;
    return value;
}
/* SPDX-License-Identifier: MIT
 *
 * What the calls of C and C++ have in common.
 */
#define SHMLOG_COUNTED_ 16u /* beside a type's code: no char *, or not as it is */
#define SHMLOG_IS_TEXT_(code_) (((code_)&15u) >= SHMLOG_TYPE_STRING)
/* Words that a call gives room to, for a fixed area of so many bytes: one slot's if they do. */
#define SHMLOG_WORDS_(size_, texts_) \
    ((size_) <= 32 && !(texts_) ? 4 : (size_) <= 48 ? 6 : ((size_) + 7) / 8)

#define SHMLOG_NOT_LOGGED_ \
    "shmlog: an argument is not a number, a pointer or a string that can be logged"
#define SHMLOG_NO_LITERAL_ "shmlog: a format, a name and a category are string literals"
#define SHMLOG_AT_MOST_16_ "shmlog: at most 16 arguments"
#define SHMLOG_IN_PAIRS_ "shmlog_event: every field needs a name and a value"
#define SHMLOG_POSITIONAL_ "shmlog: no positional arguments (%1$d) in a format"
#define SHMLOG_ERRNO_ "shmlog: no %m in a format; log errno with %d"
#define SHMLOG_OTHER_STRUCT_ \
    "shmlog_record: the data is not a pointer to the struct that the record was declared with"
#define SHMLOG_CHECK_LEVEL_(level_)                    \
    SHMLOG_STATIC_ASSERT_((level_) <= SHMLOG_CRITICAL, \
                          "the level is a constant, SHMLOG_TRACE .. SHMLOG_CRITICAL")

/* Lets the compiler check a format against its arguments; never called. */
#if defined(__clang__) && !defined(__cplusplus)
/* The first four conversions. */
#define SHMLOG_AT_1_(f) __builtin_strchr(f, '%')
#define SHMLOG_AFTER_(at) ((at) ? __builtin_strchr((at) + 1 + ((at)[1] == '%'), '%') : 0)
#define SHMLOG_AT_2_(f) SHMLOG_AFTER_(SHMLOG_AT_1_(f))
#define SHMLOG_AT_3_(f) SHMLOG_AFTER_(SHMLOG_AT_2_(f))
#define SHMLOG_AT_4_(f) SHMLOG_AFTER_(SHMLOG_AT_3_(f))
#define SHMLOG_IS_M_(at) ((at) && (at)[1] == 'm')
#define SHMLOG_REFUSE_(f)                                                                          \
    __attribute__((diagnose_if(SHMLOG_AT_1_(f) && SHMLOG_AT_1_(f)[1] == '1' &&                     \
                                   SHMLOG_AT_1_(f)[2] == '$',                                      \
                               SHMLOG_POSITIONAL_, "error"),                                       \
                   diagnose_if(SHMLOG_IS_M_(SHMLOG_AT_1_(f)) || SHMLOG_IS_M_(SHMLOG_AT_2_(f)) ||   \
                                   SHMLOG_IS_M_(SHMLOG_AT_3_(f)) || SHMLOG_IS_M_(SHMLOG_AT_4_(f)), \
                               SHMLOG_ERRNO_, "error")))
#else
#define SHMLOG_REFUSE_(f)
#endif
__attribute__((format(printf, 1, 2), unused)) SHMLOG_STATIC_INLINE_ void
shmlog_check_format_(const char *format, ...) SHMLOG_REFUSE_(format);
SHMLOG_STATIC_INLINE_ void shmlog_check_format_(const char *format, ...)
{
    (void)format;
}

/* Not each time: `turn_` says when, and how many calls were skipped before. */
#define SHMLOG_SOME_(turn_, n_, log_, level_, format_, ...)                               \
    do {                                                                                  \
        SHMLOG_STRUCT_ shmlog *const shmlog_m_ = (log_);                                  \
        if (shmlog_enabled(shmlog_m_, (level_))) {                                        \
            static uint64_t shmlog_some_[2];                                              \
            unsigned long shmlog_skipped_;                                                \
            if (turn_(shmlog_some_, (n_), &shmlog_skipped_))                              \
                SHMLOG_MESSAGE_(shmlog_m_, level_, "", 0, 0, format_ " (%lu skipped)",    \
                                ##__VA_ARGS__, SHMLOG_NAMED("skipped", shmlog_skipped_)); \
        }                                                                                 \
    } while (0)

/* A raw record. */
#define SHMLOG_RECORD_(var_, type_, level_, category_, name_, ...)                     \
    SHMLOG_CHECK_LEVEL_(level_);                                                       \
    static const SHMLOG_STRUCT_ shmlog_field_ var_##_fields_[] = {__VA_ARGS__};        \
    SHMLOG_STATIC_ASSERT_(sizeof(var_##_fields_) / sizeof(var_##_fields_[0]) <=        \
                              SHMLOG_RAW_FIELDS_MAX,                                   \
                          "at most 32 fields");                                        \
    SHMLOG_STATIC_ASSERT_(sizeof(type_) <= SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_RAW, \
                          "at most 3,568 bytes");                                      \
    static SHMLOG_RECORD_OF_(type_) var_ __attribute__((unused)) = {                   \
        {{0, __FILE__, "", SHMLOG_NULL_, __LINE__, SHMLOG_SITE_RAW, level_, 0},        \
         "" name_,                                                                     \
         "" category_,                                                                 \
         var_##_fields_,                                                               \
         sizeof(var_##_fields_) / sizeof(var_##_fields_[0]),                           \
         sizeof(type_)} SHMLOG_RECORD_END_}
#define SHMLOG_FIELD_(type_, member_)                                               \
    {                                                                               \
#member_, offsetof(type_, member_), sizeof(SHMLOG_MEMBER_(type_, member_)), \
            sizeof(char[SHMLOG_FIELD_OK_(type_, member_) ? 1 : -1]) *               \
                SHMLOG_FIELD_CODE_(type_, member_)                                  \
    }
/* Is this the type of a field, and of the size that readers expect? Not so: long double, enums of a
 * size of their own, arrays of anything but char, structs. */
#define SHMLOG_FIELD_OK_(type_, member_)                       \
    (SHMLOG_FIELD_CODE_(type_, member_) == SHMLOG_TYPE_TEXT || \
     (SHMLOG_FIELD_CODE_(type_, member_) != 0 &&               \
      sizeof(SHMLOG_MEMBER_(type_, member_)) ==                \
          SHMLOG_WIDTH_OF_(SHMLOG_FIELD_CODE_(type_, member_))))
#define SHMLOG_WIDTH_OF_(code_)                                      \
    ((code_) <= SHMLOG_TYPE_U8                                  ? 1u \
     : (code_) <= SHMLOG_TYPE_U16                               ? 2u \
     : (code_) <= SHMLOG_TYPE_U32 || (code_) == SHMLOG_TYPE_F32 ? 4u \
                                                                : 8u)
/* SPDX-License-Identifier: MIT
 *
 * What a call becomes in C: each argument in a local of its own; its type's code and its place in
 * the fixed area as constants, from _Generic and a struct that is never made; the fixed area in
 * words; the site as a static struct; one call. What depends on the number of arguments is made by
 * the rows at the end, from n down to 1.
 */
/* clang-format off */
#ifndef __cplusplus
/* What has no type of those here, by its class for gcc and clang: 5 is that of pointers, 1 that of
 * integers: gcc's bit-fields, which have types of their own. */
#define SHMLOG_CODE_(x)                                                                            \
    _Generic((x), _Bool: 1, char: 2, signed char: 3, unsigned char: 4, short: 5,                   \
             unsigned short: 6, int: 7, unsigned: 8, long: 9, unsigned long: 10, long long: 9,     \
             unsigned long long: 10, float: 11, double: 12, char *: 14, const char *: 14,          \
             struct shmlog_text_value: SHMLOG_TYPE_STRING | SHMLOG_COUNTED_,                       \
             struct shmlog_bytes_value: SHMLOG_TYPE_BYTES | SHMLOG_COUNTED_,                       \
             default: SHMLOG_CLASS_(x) == 5                     ? SHMLOG_TYPE_POINTER              \
                      : SHMLOG_CLASS_(x) == 1 && sizeof(x) <= 8 ? SHMLOG_BIT_FIELD_                \
                                                                : 0)
#define SHMLOG_CLASS_(x) __builtin_classify_type(_Generic((x), float: 0, default: (x)))
#define SHMLOG_BIT_FIELD_ (SHMLOG_TYPE_I64 | SHMLOG_COUNTED_)

/* What is no literal is reported once, not wherever it is used. */
#define SHMLOG_LITERAL_(x) __builtin_choose_expr(__builtin_constant_p(x), x, "")

/* A value in a local of its own, of the type that arrays and functions decay to. */
#define SHMLOG_HOLD_(i) __extension__ __auto_type shmlog_a##i##_ = ((void)0, (
#define SHMLOG_HELD_ ));
#define SHMLOG_RECORD_END_ , SHMLOG_NULL_
#define SHMLOG_CHECK_FORMAT_(...) SHMLOG_CHECK_FORMAT_X_(__VA_ARGS__)
#ifdef __clang__
#define SHMLOG_CHECK_FORMAT_X_(f, ...) \
    if (0)                             \
        shmlog_check_format_(f, ##__VA_ARGS__);
#else
#define SHMLOG_CHECK_FORMAT_X_(f, ...)                                                           \
    _Static_assert(!__builtin_strstr(SHMLOG_LITERAL_(f), "%1$") ||                               \
                       __builtin_strstr(SHMLOG_LITERAL_(f), "%%1$"), SHMLOG_POSITIONAL_);        \
    _Static_assert(!__builtin_strstr(SHMLOG_LITERAL_(f), "%m") ||                                \
                       __builtin_strstr(SHMLOG_LITERAL_(f), "%%m"), SHMLOG_ERRNO_);              \
    if (0)                                                                                       \
        shmlog_check_format_(f, ##__VA_ARGS__);
/* Where a value is wrong gcc does not declare its local; these keep it from more errors. */
enum shmlog_wrong_ {
    shmlog_a1_ = 1, shmlog_a2_, shmlog_a3_, shmlog_a4_, shmlog_a5_, shmlog_a6_, shmlog_a7_, shmlog_a8_,
    shmlog_a9_, shmlog_a10_, shmlog_a11_, shmlog_a12_, shmlog_a13_, shmlog_a14_, shmlog_a15_, shmlog_a16_
};
#endif
/* What is put into the fixed area: of a text, room for its length. */
#define SHMLOG_PLAIN_(i)                                                                      \
    __extension__ __auto_type shmlog_p##i##_ = __builtin_choose_expr(                          \
        SHMLOG_IS_TEXT_(shmlog_t##i##_), 0u,                                                   \
        __builtin_choose_expr(                                                                 \
            shmlog_t##i##_ == SHMLOG_BIT_FIELD_,                                               \
            __builtin_choose_expr(shmlog_t##i##_ == SHMLOG_BIT_FIELD_, shmlog_a##i##_, 0) + 0LL, \
            shmlog_a##i##_));
#define SHMLOG_CODE_OF_(i) , shmlog_t##i##_ = SHMLOG_CODE_(shmlog_a##i##_)
#define SHMLOG_TYPE_OF_(i) , shmlog_t##i##_
#define SHMLOG_MEMBER_OF_(i) __typeof__(shmlog_p##i##_) v##i;
#define SHMLOG_PLUS_ONE_(i) +1
#define SHMLOG_PASS_(i) , shmlog_a##i##_
#define SHMLOG_AND_LOGGED_(i) && (shmlog_t##i##_ != 0)
#define SHMLOG_OR_TEXT_(i) || SHMLOG_IS_TEXT_(shmlog_t##i##_)
#define SHMLOG_PACK_(i)                                                                       \
    {                                                                                         \
        uint64_t shmlog_b_ = 0;                                                               \
        __builtin_memcpy(&shmlog_b_, &shmlog_p##i##_, SHMLOG_UP_TO_(8, shmlog_p##i##_));    \
        shmlog_w_[offsetof(shmlog_r_, v##i) / 8] |= shmlog_b_ << offsetof(shmlog_r_, v##i) % 8 * 8; \
    }
#define SHMLOG_TEXT_OF_(i)                                                               \
    if (SHMLOG_IS_TEXT_(shmlog_t##i##_))                                                 \
        __builtin_memcpy(&shmlog_x_[shmlog_n_++], &shmlog_a##i##_,                       \
                         SHMLOG_UP_TO_(sizeof(*shmlog_x_), shmlog_a##i##_));
#define SHMLOG_UP_TO_(n, x) (sizeof(x) < (n) ? sizeof(x) : (n))
#define SHMLOG_TO_NUL_OF_(i) {0, SHMLOG_TO_NUL_},

/* A call is BEGIN, the row that holds its values, SEND. */
#define SHMLOG_BEGIN_(log_, level_)                                                           \
    do {                                                                                      \
        struct shmlog *const shmlog_l_ = (log_);                                              \
        if (shmlog_enabled(shmlog_l_, (level_))) {
#define SHMLOG_SEND_(n, check_, kind_, level_, category_, timed_, ticks_, text_, f_)          \
            SHMLOG_CHECK_LEVEL_(level_);                                                      \
            _Static_assert(__builtin_constant_p(f_), SHMLOG_NO_LITERAL_);                     \
            _Static_assert(__builtin_constant_p(category_), SHMLOG_NO_LITERAL_);              \
            enum { shmlog_t0_ = 0 SHMLOG_EACH_##n##_(SHMLOG_PLUS_ONE_) SHMLOG_EACH_##n##_(SHMLOG_CODE_OF_) }; \
            _Static_assert(1 SHMLOG_EACH_##n##_(SHMLOG_AND_LOGGED_), SHMLOG_NOT_LOGGED_);     \
            SHMLOG_EACH_##n##_(SHMLOG_PLAIN_)                                                 \
            typedef struct {                                                                  \
                uint32_t producer;                                                            \
                SHMLOG_EACH_##n##_(SHMLOG_MEMBER_OF_)                                         \
            } shmlog_r_;                                                                      \
            static struct {                                                                   \
                struct shmlog_site_ site;                                                     \
                uint8_t types[shmlog_t0_ + 1];                                                         \
                char format[sizeof(SHMLOG_LITERAL_(f_))];                                     \
                char text[sizeof(text_)];                                                     \
                char category[sizeof(SHMLOG_LITERAL_(category_))];                            \
            } shmlog_s_ __attribute__((aligned(8))) = {{0, __FILE__, __func__, SHMLOG_NULL_, __LINE__, kind_, level_, 0}, \
                           {shmlog_t0_ SHMLOG_EACH_##n##_(SHMLOG_TYPE_OF_)},                           \
                           SHMLOG_LITERAL_(f_), text_, SHMLOG_LITERAL_(category_)};           \
            uint64_t shmlog_w_[SHMLOG_WORDS_(sizeof(shmlog_r_), 0 SHMLOG_EACH_##n##_(SHMLOG_OR_TEXT_))] = {0}; \
            const uint64_t shmlog_k_ = (ticks_);                                              \
            check_(f_ SHMLOG_EACH_##n##_(SHMLOG_PASS_))                                       \
            SHMLOG_EACH_##n##_(SHMLOG_PACK_)                                                  \
            if (0 SHMLOG_EACH_##n##_(SHMLOG_OR_TEXT_)) {                                      \
                struct shmlog_text_value shmlog_x_[shmlog_t0_ + 1] = {                                 \
                    SHMLOG_EACH_##n##_(SHMLOG_TO_NUL_OF_){0, 0}};                             \
                uint32_t shmlog_n_ __attribute__((unused)) = 0;                               \
                SHMLOG_EACH_##n##_(SHMLOG_TEXT_OF_)                                           \
                shmlog_put_texts_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_, \
                                  sizeof(shmlog_w_) / 8, shmlog_x_,                           \
                                  (timed_) ? &shmlog_k_ : SHMLOG_NULL_);                      \
            } else if (sizeof(shmlog_r_) > 32) {                                              \
                shmlog_put_words_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_, \
                                  sizeof(shmlog_w_) / 8, (timed_) ? &shmlog_k_ : SHMLOG_NULL_); \
            } else if (timed_) {                                                              \
                shmlog_put4_at_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_[0], \
                                shmlog_w_[1], shmlog_w_[2], shmlog_w_[3], shmlog_k_);         \
            } else {                                                                          \
                shmlog_put4_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_[0], \
                             shmlog_w_[1], shmlog_w_[2], shmlog_w_[3]);                       \
            }                                                                                 \
        }                                                                                     \
    } while (0)

/* Each macro that an argument passes through costs three lines in a message about it. */
#define SHMLOG_MESSAGE_(log_, level_, category_, timed_, ticks_, format_, ...)                \
    SHMLOG_BEGIN_(log_, level_)                                                               \
    SHMLOG_ROW_(SHMLOG_VALUES_, SHMLOG_COUNT_(format_, ##__VA_ARGS__))(__VA_ARGS__)           \
    SHMLOG_SEND_X_(SHMLOG_COUNT_(format_, ##__VA_ARGS__), SHMLOG_CHECK_FORMAT_,               \
                   SHMLOG_SITE_PRINTF, level_, category_, timed_, ticks_, #__VA_ARGS__, format_)
/* The text of an event is expanded once, so that a macro that names a field is seen as its name. */
#define SHMLOG_EVENT_(log_, level_, category_, timed_, ticks_, name_, ...)                    \
    SHMLOG_BEGIN_(log_, level_)                                                               \
    SHMLOG_ROW_(SHMLOG_FIELDS_, SHMLOG_COUNT_PAIRS_(name_, ##__VA_ARGS__))(__VA_ARGS__)       \
    SHMLOG_SEND_X_(SHMLOG_COUNT_PAIRS_(name_, ##__VA_ARGS__), SHMLOG_NOTHING_,                \
                   SHMLOG_SITE_EVENT, level_, category_, timed_, ticks_,                      \
                   SHMLOG_STRING_(__VA_ARGS__), name_)
#define SHMLOG_SEND_X_(n, ...) SHMLOG_SEND_(n, __VA_ARGS__)
#define SHMLOG_ROW_(table_, n) SHMLOG_ROW_X_(table_, n)
#define SHMLOG_ROW_X_(table_, n) table_##n##_
#define SHMLOG_STRING_(...) #__VA_ARGS__
#define SHMLOG_NOTHING_(...)

/* Rows, by the number of arguments; the last two are for mistakes. */
#define SHMLOG_EACH_0_(M)
#define SHMLOG_EACH_ODD_(M)
#define SHMLOG_EACH_MANY_(M)
#define SHMLOG_EACH_1_(M) M(1)
#define SHMLOG_EACH_2_(M) M(2) SHMLOG_EACH_1_(M)
#define SHMLOG_EACH_3_(M) M(3) SHMLOG_EACH_2_(M)
#define SHMLOG_EACH_4_(M) M(4) SHMLOG_EACH_3_(M)
#define SHMLOG_EACH_5_(M) M(5) SHMLOG_EACH_4_(M)
#define SHMLOG_EACH_6_(M) M(6) SHMLOG_EACH_5_(M)
#define SHMLOG_EACH_7_(M) M(7) SHMLOG_EACH_6_(M)
#define SHMLOG_EACH_8_(M) M(8) SHMLOG_EACH_7_(M)
#define SHMLOG_EACH_9_(M) M(9) SHMLOG_EACH_8_(M)
#define SHMLOG_EACH_10_(M) M(10) SHMLOG_EACH_9_(M)
#define SHMLOG_EACH_11_(M) M(11) SHMLOG_EACH_10_(M)
#define SHMLOG_EACH_12_(M) M(12) SHMLOG_EACH_11_(M)
#define SHMLOG_EACH_13_(M) M(13) SHMLOG_EACH_12_(M)
#define SHMLOG_EACH_14_(M) M(14) SHMLOG_EACH_13_(M)
#define SHMLOG_EACH_15_(M) M(15) SHMLOG_EACH_14_(M)
#define SHMLOG_EACH_16_(M) M(16) SHMLOG_EACH_15_(M)
#define SHMLOG_VALUES_0_(...)
#define SHMLOG_VALUES_1_(x1) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_2_(x2, x1) SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_3_(x3, x2, x1) SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_4_(x4, x3, x2, x1) SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_5_(x5, x4, x3, x2, x1) SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_6_(x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_7_(x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_8_(x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_9_(x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_10_(x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_11_(x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_12_(x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_13_(x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_14_(x14, x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_15_(x15, x14, x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_16_(x16, x15, x14, x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(16) x16 SHMLOG_HELD_ SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_MANY_(...) _Static_assert(0, SHMLOG_AT_MOST_16_); _Pragma("GCC diagnostic ignored \"-Wformat\"")
#define SHMLOG_FIELDS_0_(...)
#define SHMLOG_FIELDS_1_(n1, x1) (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_2_(n2, x2, n1, x1) (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_3_(n3, x3, n2, x2, n1, x1) (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_4_(n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_5_(n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_6_(n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_7_(n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_8_(n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_9_(n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_10_(n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_11_(n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_12_(n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_13_(n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_14_(n14, x14, n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n14); SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_15_(n15, x15, n14, x14, n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n15); SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ (void)("" n14); SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_16_(n16, x16, n15, x15, n14, x14, n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n16); SHMLOG_HOLD_(16) x16 SHMLOG_HELD_ (void)("" n15); SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ (void)("" n14); SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_ODD_(...) _Static_assert(0, SHMLOG_IN_PAIRS_);
#define SHMLOG_FIELDS_MANY_(...) _Static_assert(0, SHMLOG_AT_MOST_16_);
#define SHMLOG_COUNT_(...) SHMLOG_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
    MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
    MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 16, 15, 14, 13, 12, 11, \
    10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define SHMLOG_COUNT_PAIRS_(...) SHMLOG_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, \
    MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 16, ODD, 15, ODD, 14, \
    ODD, 13, ODD, 12, ODD, 11, ODD, 10, ODD, 9, ODD, 8, ODD, 7, ODD, 6, ODD, 5, ODD, 4, ODD, 3, \
    ODD, 2, ODD, 1, ODD, 0, 0)
#define SHMLOG_PICK_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
    a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, \
    a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, pick, ...) pick

/* A field's type: as above, but a char array is text, and a char * only an address. */
#define SHMLOG_MEMBER_(type_, member_) (((const type_ *)0)->member_)
#define SHMLOG_FIELD_CODE_(type_, member_)                                                       \
    _Generic(&((type_ *)0)->member_,                                                             \
        char(*)[sizeof(((type_ *)0)->member_)]: SHMLOG_TYPE_TEXT,                                \
        const char(*)[sizeof(((type_ *)0)->member_)]: SHMLOG_TYPE_TEXT,                          \
        default: SHMLOG_CODE_(SHMLOG_MEMBER_(type_, member_)) == SHMLOG_TYPE_STRING              \
            ? SHMLOG_TYPE_POINTER                                                                \
        : SHMLOG_CODE_(SHMLOG_MEMBER_(type_, member_)) != SHMLOG_TYPE_POINTER                    \
            ? SHMLOG_CODE_(SHMLOG_MEMBER_(type_, member_)) & 15                                  \
        /* arrays decay to pointers; but then their type is another */                           \
        : __builtin_types_compatible_p(__typeof__(((type_ *)0)->member_),                        \
                                       __typeof__(((void)0, ((type_ *)0)->member_)))             \
            ? SHMLOG_TYPE_POINTER                                                                \
            : 0)

#define SHMLOG_RECORD_OF_(type_)                    \
    struct {                                        \
        struct shmlog_record_site_ record;          \
        type_ *type; /* never read */               \
    }
#define SHMLOG_TIME_(ticks_) (&(const uint64_t){(ticks_)})
#define SHMLOG_PUT_RECORD_(log_, record_, data_, count_, times_)                                 \
    do {                                                                                         \
        struct shmlog *const shmlog_l_ = (log_);                                                 \
        __extension__ __auto_type shmlog_r_ = (record_);                                         \
        if (shmlog_enabled(shmlog_l_, shmlog_r_->record.site.level)) {                           \
            __extension__ __auto_type shmlog_d_ = ((void)0, (data_));                            \
            _Static_assert(SHMLOG_POINTS_TO_(shmlog_d_, __typeof__(*shmlog_r_->type)),           \
                           SHMLOG_OTHER_STRUCT_);                                                \
            shmlog_put_records_(shmlog_l_, &shmlog_r_->record,                                   \
                                (const void *)(uintptr_t)shmlog_d_, (count_), (times_));         \
        }                                                                                        \
    } while (0)
#define SHMLOG_POINTS_TO_(x_, type_)                                   \
    (__builtin_types_compatible_p(__typeof__(x_), type_ *) ||          \
     __builtin_types_compatible_p(__typeof__(x_), const type_ *) ||    \
     __builtin_types_compatible_p(__typeof__(x_), volatile type_ *) || \
     __builtin_types_compatible_p(__typeof__(x_), const volatile type_ *))
#endif
/* clang-format on */
/* SPDX-License-Identifier: MIT
 *
 * What a call becomes in C++: a static site and the call of a function template, of which there is
 * one for each list of types, out of line; it puts the values into words. So a call site is small
 * and quick to compile. What is no class is passed by value, so that bit-fields and constants
 * without a definition will do; if a class is among the arguments, all are taken by reference first
 * and made what they are logged as.
 */
#ifdef __cplusplus
template <bool shmlog_b_, class shmlog_t_ = int> struct shmlog_if_ {
};
template <class shmlog_t_> struct shmlog_if_<true, shmlog_t_> {
    typedef shmlog_t_ type;
};

/* The code of a type that is logged as it is; 0: it is not. */
template <class shmlog_t_, bool shmlog_enum_> struct shmlog_plain_ {
    static constexpr uint8_t code = 0;
};
template <class shmlog_t_>
struct shmlog_plain_<shmlog_t_, true> : shmlog_plain_<__underlying_type(shmlog_t_), false> {
};
template <class shmlog_t_> struct shmlog_plain_<shmlog_t_ *, false> {
    static constexpr uint8_t code = SHMLOG_TYPE_POINTER;
};
/* X(type, code) */
#define SHMLOG_PLAIN_TYPES_(X)                                               \
    X(bool, SHMLOG_TYPE_BOOL)                                                \
    X(char, SHMLOG_TYPE_CHAR)                                                \
    X(signed char, SHMLOG_TYPE_I8)                                           \
    X(unsigned char, SHMLOG_TYPE_U8)                                         \
    X(short, SHMLOG_TYPE_I16)                                                \
    X(unsigned short, SHMLOG_TYPE_U16)                                       \
    X(int, SHMLOG_TYPE_I32)                                                  \
    X(unsigned int, SHMLOG_TYPE_U32)                                         \
    X(long, SHMLOG_TYPE_I64)                                                 \
    X(unsigned long, SHMLOG_TYPE_U64)                                        \
    X(long long, SHMLOG_TYPE_I64)                                            \
    X(unsigned long long, SHMLOG_TYPE_U64)                                   \
    X(char16_t, SHMLOG_TYPE_U16)                                             \
    X(char32_t, SHMLOG_TYPE_U32)                                             \
    X(wchar_t, (wchar_t)-1 < (wchar_t)0 ? SHMLOG_TYPE_I32 : SHMLOG_TYPE_U32) \
    X(float, SHMLOG_TYPE_F32)                                                \
    X(double, SHMLOG_TYPE_F64)                                               \
    X(decltype(nullptr), SHMLOG_TYPE_POINTER)                                \
    X(const char *, SHMLOG_TYPE_STRING)                                      \
    X(char *, SHMLOG_TYPE_STRING)                                            \
    X(struct shmlog_text_value, SHMLOG_TYPE_STRING | SHMLOG_COUNTED_)        \
    X(struct shmlog_bytes_value, SHMLOG_TYPE_BYTES | SHMLOG_COUNTED_)
#define SHMLOG_X_(type_, code_)                      \
    template <> struct shmlog_plain_<type_, false> { \
        static constexpr uint8_t code = (code_);     \
    };
SHMLOG_PLAIN_TYPES_(SHMLOG_X_)
#undef SHMLOG_X_
template <class shmlog_t_> struct shmlog_code_ : shmlog_plain_<shmlog_t_, __is_enum(shmlog_t_)> {
};

/* Into what a class converts, if it is one of those types alone. */
#define SHMLOG_X_(type_, code_) type_ shmlog_converted_(type_);
SHMLOG_PLAIN_TYPES_(SHMLOG_X_)
#undef SHMLOG_X_
const volatile void *shmlog_converted_(const volatile void *);

template <class shmlog_t_> struct shmlog_bare_ {
    typedef shmlog_t_ type;
};
template <class shmlog_t_> struct shmlog_bare_<const shmlog_t_> : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> struct shmlog_bare_<volatile shmlog_t_> : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> struct shmlog_bare_<const volatile shmlog_t_> : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> shmlog_t_ &shmlog_make_(); /* in unevaluated operands */
/* The type that a value has when it is passed. What cannot be const is a function. */
template <class shmlog_t_> struct shmlog_const_ {
    static constexpr bool value = false;
};
template <class shmlog_t_> struct shmlog_const_<const shmlog_t_> {
    static constexpr bool value = true;
};
template <class shmlog_t_, bool shmlog_object_ = shmlog_const_<const shmlog_t_>::value>
struct shmlog_passed_ : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> struct shmlog_passed_<shmlog_t_, false> {
    typedef shmlog_t_ *type;
};
template <class shmlog_t_, size_t shmlog_n_> struct shmlog_passed_<shmlog_t_[shmlog_n_], true> {
    typedef shmlog_t_ *type;
};
template <class shmlog_t_, size_t shmlog_n_>
struct shmlog_passed_<const shmlog_t_[shmlog_n_], true> {
    typedef const shmlog_t_ *type;
};

/* A value, as what it is logged as. The last parameter ranks those that may do. */
template <class shmlog_t_, typename shmlog_if_<shmlog_code_<shmlog_t_>::code != 0>::type = 0>
SHMLOG_INLINE_ shmlog_t_ shmlog_value_(shmlog_t_ x, int)
{
    return x;
}
template <class shmlog_t_>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, int)
    -> decltype(shmlog_text(x.data(), x.size()))
{
    return shmlog_text(x.data(), x.size());
}
template <class shmlog_t_>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, int) /* a duration, in nanoseconds */
    -> decltype(static_cast<long>(x.count() * shmlog_t_::period::num / shmlog_t_::period::den))
{
    return static_cast<long>(x.count() *
                             (shmlog_t_::period::num * 1000000000 / shmlog_t_::period::den));
}
template <class shmlog_t_>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, int)
    -> decltype(shmlog_value_(x.time_since_epoch(), 0))
{
    return shmlog_value_(x.time_since_epoch(), 0);
}
template <class shmlog_t_, typename shmlog_if_<__is_class(shmlog_t_)>::type = 0>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, long) -> decltype(shmlog_converted_(x))
{
    return x;
}
template <class shmlog_t_> SHMLOG_INLINE_ int shmlog_value_(const shmlog_t_ &, ...)
{
    static_assert(sizeof(shmlog_t_) == 0, SHMLOG_NOT_LOGGED_);
    return 0;
}

template <class shmlog_t_>
constexpr uint32_t shmlog_width_of_ = SHMLOG_IS_TEXT_(shmlog_code_<shmlog_t_>::code)
                                          ? 4u
                                          : static_cast<uint32_t>(sizeof(shmlog_t_));

/* Where a value goes: `at` is the place behind the one before. */
template <class shmlog_t_>
SHMLOG_INLINE_ void shmlog_pack_(uint64_t *words, uint32_t &at, shmlog_t_ x)
{
    constexpr uint8_t code = shmlog_code_<shmlog_t_>::code;
    constexpr uint32_t width = shmlog_width_of_<shmlog_t_>;
    uint64_t bits = 0;

    at = (at + width - 1) & ~(width - 1);
    if constexpr (!SHMLOG_IS_TEXT_(code) && code != 0)
        memcpy(&bits, &x, sizeof(x));
    words[at / 8] |= bits << at % 8 * 8;
    at += width;
}
template <class shmlog_t_>
SHMLOG_INLINE_ void shmlog_add_text_(struct shmlog_text_value *&to, const shmlog_t_ &x)
{
    if constexpr (shmlog_code_<shmlog_t_>::code == SHMLOG_TYPE_STRING)
        *to++ = shmlog_text(x, SHMLOG_TO_NUL_);
    else if constexpr (SHMLOG_IS_TEXT_(shmlog_code_<shmlog_t_>::code))
        *to++ = shmlog_text(static_cast<const char *>(x.data), x.size);
}
template <class... shmlog_t_> constexpr uint32_t shmlog_area_()
{
    uint32_t at = 4;

    ((at = (at + shmlog_width_of_<shmlog_t_> - 1) / shmlog_width_of_<shmlog_t_> *
               shmlog_width_of_<shmlog_t_> +
           shmlog_width_of_<shmlog_t_>),
     ...);
    return at;
}

/* When: now, or at the caller's time. */
struct shmlog_now_ {
    static constexpr bool timed = false;
    static constexpr uint64_t ticks = 0;
};
struct shmlog_ticks_ {
    static constexpr bool timed = true;
    uint64_t ticks;
};

template <class shmlog_w_, class... shmlog_t_>
__attribute__((noinline, visibility("hidden"))) inline auto
shmlog_send_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when, shmlog_t_... x) ->
    typename shmlog_if_<((shmlog_code_<shmlog_t_>::code != 0) && ...), void>::type
{
    static_assert(sizeof...(shmlog_t_) <= SHMLOG_ARGS_MAX, SHMLOG_AT_MOST_16_);
    static constexpr uint8_t types[] = {sizeof...(shmlog_t_), shmlog_code_<shmlog_t_>::code...};
    constexpr bool texts = (SHMLOG_IS_TEXT_(shmlog_code_<shmlog_t_>::code) || ...);
    constexpr uint32_t size = shmlog_area_<shmlog_t_...>(), count = SHMLOG_WORDS_(size, texts);
    const uint64_t *const ticks = shmlog_w_::timed ? &when.ticks : nullptr;
    uint64_t words[count] = {};
    uint32_t at = 4;

    if (!__atomic_load_n(&site->types, __ATOMIC_RELAXED))
        __atomic_store_n(&site->types, &types[0], __ATOMIC_RELAXED);
    (shmlog_pack_(words, at, x), ...);
    (void)at;
    if constexpr (texts) {
        struct shmlog_text_value text[sizeof...(shmlog_t_)], *to = text;
        (shmlog_add_text_(to, x), ...);
        shmlog_put_texts_(log, site, words, count, text, ticks);
    } else if constexpr (count > 4) {
        shmlog_put_words_(log, site, words, count, ticks);
    } else if constexpr (shmlog_w_::timed) {
        shmlog_put4_at_(log, site, words[0], words[1], words[2], words[3], when.ticks);
    } else {
        shmlog_put4_(log, site, words[0], words[1], words[2], words[3]);
    }
}
template <class shmlog_w_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when,
                                 const shmlog_t_ &...x) ->
    typename shmlog_if_<
        !((shmlog_code_<typename shmlog_passed_<shmlog_t_>::type>::code != 0) && ...), void>::type
{
    shmlog_send_(log, site, when, shmlog_value_(x, 0)...);
}

/* An event: names and values in turn. Each round takes a name away, its value goes to the end. */
template <size_t shmlog_left_, class shmlog_w_, class shmlog_n_, class shmlog_x_,
          class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_fields_(struct shmlog *log, struct shmlog_site_ *site,
                                        shmlog_w_ when, const shmlog_n_ &, const shmlog_x_ &value,
                                        const shmlog_t_ &...rest)
{
    static_assert(shmlog_code_<typename shmlog_passed_<shmlog_n_>::type>::code ==
                      SHMLOG_TYPE_STRING,
                  "shmlog_event: the name of a field is a string literal");
    if constexpr (shmlog_left_ == 1)
        shmlog_send_(log, site, when, rest..., value);
    else
        shmlog_send_fields_<shmlog_left_ - 1>(log, site, when, rest..., value);
}
template <class shmlog_w_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_event_(struct shmlog *log, struct shmlog_site_ *site,
                                       shmlog_w_ when, const shmlog_t_ &...x) ->
    typename shmlog_if_<
        !((shmlog_code_<typename shmlog_passed_<shmlog_t_>::type>::code != 0) && ...), void>::type
{
    static_assert(sizeof...(x) % 2 == 0, SHMLOG_IN_PAIRS_);
    if constexpr (sizeof...(x) % 2 == 0)
        shmlog_send_fields_<sizeof...(x) / 2>(log, site, when, x...);
}
template <class shmlog_w_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_event_(struct shmlog *log, struct shmlog_site_ *site,
                                       shmlog_w_ when, shmlog_t_... x) ->
    typename shmlog_if_<((shmlog_code_<shmlog_t_>::code != 0) && ...), void>::type
{
    static_assert(sizeof...(x) % 2 == 0, SHMLOG_IN_PAIRS_);
    if constexpr (sizeof...(x) == 0)
        shmlog_send_(log, site, when);
    else if constexpr (sizeof...(x) % 2 == 0)
        shmlog_send_fields_<sizeof...(x) / 2>(log, site, when, x...);
}

/* A message: `check` is not called, it lets the compiler check the format against what the values
 * are logged as. */
template <class shmlog_t_> SHMLOG_INLINE_ auto shmlog_checked_(shmlog_t_ x)
{
    if constexpr (__is_enum(shmlog_t_))
        return +static_cast<__underlying_type(shmlog_t_)>(x);
    else if constexpr (shmlog_code_<shmlog_t_>::code == (SHMLOG_TYPE_STRING | SHMLOG_COUNTED_))
        return x.data;
    else
        return x;
}
template <class shmlog_w_, class shmlog_f_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_message_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when,
                                    const shmlog_f_ &check, shmlog_t_... x) ->
    typename shmlog_if_<((shmlog_code_<shmlog_t_>::code != 0) && ...), void>::type
{
    if (0)
        check(shmlog_checked_(x)...);
    shmlog_send_(log, site, when, x...);
}
template <class shmlog_w_, class shmlog_f_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_message_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when,
                                    const shmlog_f_ &check, const shmlog_t_ &...x) ->
    typename shmlog_if_<
        !((shmlog_code_<typename shmlog_passed_<shmlog_t_>::type>::code != 0) && ...), void>::type
{
    shmlog_message_(log, site, when, check, shmlog_value_(x, 0)...);
}

/* What is wrong with a format beyond what the compiler looks at? '$': positional arguments, 'm':
 * %m, 0: nothing. */
constexpr char shmlog_format_fault_(const char *f)
{
    while (*f) {
        if (*f++ != '%')
            continue;
        while ((*f >= ' ' && *f <= '9' && *f != '%' && *f != '$') || *f == 'I')
            f++;
        if (*f == '$' || *f == 'm')
            return *f;
        if (*f == '%')
            f++;
    }
    return 0;
}

template <size_t shmlog_n_> struct shmlog_static_site_ {
    struct shmlog_site_ site;
    char strings[shmlog_n_];
};
/* An argument appears once, or a mistake in it would be reported more than once. */
#define SHMLOG_SEND_(kind_, log_, level_, category_, text_, f_, ...)                             \
    do {                                                                                         \
        shmlog *const shmlog_l_ = (log_);                                                        \
        if (shmlog_enabled(shmlog_l_, (level_))) {                                               \
            SHMLOG_CHECK_LEVEL_(level_);                                                         \
            static shmlog_static_site_<sizeof(f_ "\0" text_ "\0" category_)> shmlog_s_           \
                __attribute__((aligned(8))) = {{0, __FILE__, __func__, nullptr, __LINE__, kind_, \
                                                level_, 0},                                      \
                                               f_ "\0" text_ "\0" category_};                    \
            __VA_ARGS__;                                                                         \
        }                                                                                        \
    } while (0)
#define SHMLOG_WHEN_0_(ticks_) shmlog_now_()
#define SHMLOG_WHEN_1_(ticks_) \
    shmlog_ticks_              \
    {                          \
        (ticks_)               \
    }
#define SHMLOG_MESSAGE_(log_, level_, category_, timed_, ticks_, format_, ...)               \
    SHMLOG_SEND_(SHMLOG_SITE_PRINTF, log_, level_, category_, #__VA_ARGS__, format_,         \
                 SHMLOG_CHECK_FORMAT_(format_) shmlog_message_(                              \
                     shmlog_l_, &shmlog_s_.site, SHMLOG_WHEN_##timed_##_(ticks_),            \
                     [](auto... shmlog_x_) { shmlog_check_format_(format_, shmlog_x_...); }, \
                     ##__VA_ARGS__))
/* The text of an event is expanded once, so that a macro that names a field is seen as its name. */
#define SHMLOG_EVENT_(log_, level_, category_, timed_, ticks_, name_, ...)                       \
    SHMLOG_SEND_(SHMLOG_SITE_EVENT, log_, level_, category_, SHMLOG_STRING_(__VA_ARGS__), name_, \
                 shmlog_send_event_(shmlog_l_, &shmlog_s_.site, SHMLOG_WHEN_##timed_##_(ticks_), \
                                    ##__VA_ARGS__))
#define SHMLOG_STRING_(...) #__VA_ARGS__
#define SHMLOG_CHECK_FORMAT_(f_)                                           \
    static_assert(shmlog_format_fault_("" f_) != '$', SHMLOG_POSITIONAL_); \
    static_assert(shmlog_format_fault_("" f_) != 'm', SHMLOG_ERRNO_);

/* A field's type: as above, but a char array is text, and a char * only an address. */
template <class shmlog_t_>
constexpr uint8_t shmlog_field_code_of_ = shmlog_code_<shmlog_t_>::code == SHMLOG_TYPE_STRING
                                              ? SHMLOG_TYPE_POINTER
                                          : __is_enum(shmlog_t_) || __is_class(shmlog_t_)
                                              ? 0
                                              : shmlog_code_<shmlog_t_>::code;
template <size_t shmlog_n_>
constexpr uint8_t shmlog_field_code_of_<char[shmlog_n_]> = SHMLOG_TYPE_TEXT;
#define SHMLOG_MEMBER_(type_, member_) shmlog_make_<type_>().member_
#define SHMLOG_FIELD_CODE_(type_, member_) \
    shmlog_field_code_of_<shmlog_bare_<decltype(SHMLOG_MEMBER_(type_, member_))>::type>

template <class shmlog_t_> struct shmlog_record_ {
    struct shmlog_record_site_ record;
};
#define SHMLOG_RECORD_OF_(type_) shmlog_record_<type_>
#define SHMLOG_RECORD_END_
struct shmlog_time_ {
    uint64_t ticks;
    operator const uint64_t *() const
    {
        return &ticks;
    }
};
#define SHMLOG_TIME_(ticks_) \
    shmlog_time_             \
    {                        \
        (ticks_)             \
    }
/* The type is the record's alone: `data` has to be a pointer to it, or convert to one. */
template <class shmlog_t_>
SHMLOG_INLINE_ void
shmlog_put_record_(struct shmlog *log, struct shmlog_record_<shmlog_t_> *record,
                   typename shmlog_if_<true, const volatile shmlog_t_ *>::type data, size_t count,
                   const uint64_t *times)
{
    shmlog_put_records_(log, &record->record, const_cast<const shmlog_t_ *>(data), count, times);
}
#define SHMLOG_PUT_RECORD_(log_, record_, data_, count_, times_)                   \
    do {                                                                           \
        shmlog *const shmlog_l_ = (log_);                                          \
        auto *const shmlog_r_ = (record_);                                         \
        if (shmlog_enabled(shmlog_l_, shmlog_r_->record.site.level))               \
            shmlog_put_record_(shmlog_l_, shmlog_r_, (data_), (count_), (times_)); \
    } while (0)
#endif
#endif /* SHMLOG_H */
#if defined(SHMLOG_IMPLEMENTATION) && !defined(SHMLOG_IMPLEMENTED_)
#define SHMLOG_IMPLEMENTED_
/* SPDX-License-Identifier: MIT
 *
 * What the implementation needs of the system. Raw system calls, which -std=c11 does not hide: all
 * that a log call may come to is async-signal-safe and leaves errno as it is.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHMLOG_COLD_ static __attribute__((noinline, cold, unused))
#define SHMLOG_STATIC_ static __attribute__((noinline, unused))

SHMLOG_BEGIN_C_
#if !defined(__cplusplus) && defined(__STRICT_ANSI__) && !defined(_GNU_SOURCE) && \
    !defined(_DEFAULT_SOURCE)
extern long syscall(long number, ...); /* hidden by -std=c11 */
#endif

/* MemorySanitizer does not see what a system call writes. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define SHMLOG_MSAN_ 1
extern void __msan_unpoison(const volatile void *memory, size_t size);
#endif
#endif
SHMLOG_END_C_
SHMLOG_INLINE_ void shmlog_written_(const void *memory, long size)
{
#ifdef SHMLOG_MSAN_
    if (size > 0)
        __msan_unpoison(memory, (size_t)size);
#else
    (void)memory;
    (void)size;
#endif
}

/* A system call with up to 6 arguments, numbers or pointers; its result or a negative errno. */
#define SHMLOG_SYS_(...) SHMLOG_SYS_X_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SHMLOG_SYS_X_(number, a, b, c, d, e, f, ...) \
    shmlog_sys_(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
SHMLOG_COLD_ long shmlog_sys_(long number, long a, long b, long c, long d, long e, long f)
{
    const int saved = errno;
    const long r = syscall(number, a, b, c, d, e, f);
    const long result = r == -1 ? -(long)errno : r;

    errno = saved;
    return result;
}

#define SHMLOG_O_CLOEXEC_ 02000000
#if defined(__aarch64__) || defined(__arm__) || defined(__powerpc__)
#define SHMLOG_O_NOFOLLOW_ 0100000
#else
#define SHMLOG_O_NOFOLLOW_ 0400000
#endif
#define SHMLOG_READ_WRITE_ 3L /* PROT_READ | PROT_WRITE */
#define SHMLOG_MAP_SHARED_ 0x1L
#define SHMLOG_MAP_POPULATE_ 0x8000L
#define SHMLOG_MAP_OWN_ 0x4022L /* MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE */
#define SHMLOG_MAP_FIXED_ 0x10L
#define SHMLOG_MREMAP_ 3L /* MAYMOVE, FIXED */
#define SHMLOG_WIPEONFORK_ 18L
#define SHMLOG_GET_NAME_ 16L /* of prctl() */

/* Map, also over what is there (`at`, MAP_FIXED). Returns 0 or a negative error. */
SHMLOG_COLD_ int shmlog_map_(void *at, uint64_t size, long flags, long fd, void **ret_memory)
{
    const long r = SHMLOG_SYS_(SYS_mmap, at, size, SHMLOG_READ_WRITE_, flags, fd, 0);

    if (r < 0 && r > -4096)
        return (int)r;
    *ret_memory = (void *)(uintptr_t)r;
    return 0;
}

uint64_t shmlog_monotonic_ns_(void)
{
    struct timespec ts;

    ts.tv_sec = 0;
    ts.tv_nsec = 0;
#ifdef CLOCK_MONOTONIC
    clock_gettime(CLOCK_MONOTONIC, &ts);
#else
    SHMLOG_SYS_(SYS_clock_gettime, 1, &ts);
#endif
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

SHMLOG_COLD_ void shmlog_nap_(long us)
{
    struct timespec ts;

    ts.tv_sec = us / 1000000;
    ts.tv_nsec = us % 1000000 * 1000;
    SHMLOG_SYS_(SYS_nanosleep, &ts, 0);
}

SHMLOG_INLINE_ void shmlog_relax_(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* All signals off, and back. But for SIGBUS: raised by an access and blocked, it kills. */
#define SHMLOG_BUS_BIT_ (UINT64_C(1) << (SIGBUS - 1))
SHMLOG_COLD_ uint64_t shmlog_block_signals_(void)
{
    uint64_t all = ~SHMLOG_BUS_BIT_, before = 0;

    SHMLOG_SYS_(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &before, 8);
    shmlog_written_(&before, sizeof(before));
    return before;
}
SHMLOG_COLD_ void shmlog_unblock_signals_(uint64_t before)
{
    SHMLOG_SYS_(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &before, 0, 8);
}

/* A random number for a key: a multiple of 4, not 0. */
SHMLOG_COLD_ uint64_t shmlog_random_(void)
{
    uint64_t r = 0;

    if (SHMLOG_SYS_(SYS_getrandom, &r, sizeof(r), 0) != (long)sizeof(r))
        r = (shmlog_tsc_() ^ shmlog_monotonic_ns_() ^ (uint64_t)SHMLOG_SYS_(SYS_gettid, 0) << 40) *
            UINT64_C(0x9e3779b97f4a7c15);
    shmlog_written_(&r, sizeof(r));
    r &= ~UINT64_C(3);
    return r ? r : 4;
}

/* Read a small file; the bytes read or a negative error. */
SHMLOG_COLD_ long shmlog_read_file_(const char *path, void *buffer, size_t size)
{
    const long fd = SHMLOG_SYS_(SYS_openat, -100 /* AT_FDCWD */, path, SHMLOG_O_CLOEXEC_);
    long n;

    if (fd < 0)
        return fd;
    n = SHMLOG_SYS_(SYS_read, fd, buffer, size);
    shmlog_written_(buffer, n);
    SHMLOG_SYS_(SYS_close, fd);
    return n;
}

/* Start time of a thread: field 22 of its stat file (proc(5)); the name in field 2 may hold
 * anything, so count from its closing parenthesis. 0 where there is no /proc. */
#define SHMLOG_OWN_STAT_ "/proc/thread-self/stat"
SHMLOG_COLD_ uint64_t shmlog_start_time_(const char *stat)
{
    char text[1024];
    const long n = shmlog_read_file_(stat, text, sizeof(text) - 1);
    uint64_t value = 0;
    long i = n - 1;
    int field = 2;

    if (n <= 0)
        return 0;
    text[n] = 0;
    while (i > 0 && text[i] != ')')
        i--;
    for (; text[i] && field < 22; i++)
        field += text[i] == ' ';
    for (; text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    return value;
}

/* lstat(), which -std=c11 hides. 0 or a negative error. */
SHMLOG_COLD_ int shmlog_lstat_(const char *path, struct stat *ret_stat)
{
    const long r = SHMLOG_SYS_(SYS_newfstatat, -100 /* AT_FDCWD */, path, ret_stat,
                               0x100 /* AT_SYMLINK_NOFOLLOW */);

    shmlog_written_(ret_stat, r == 0 ? (long)sizeof(*ret_stat) : 0);
    return (int)r;
}

/* Inode of this process's pid namespace; 0 unknown. */
SHMLOG_COLD_ uint64_t shmlog_pid_ns_(void)
{
    const int saved = errno;
    struct stat st;
    const uint64_t inode = stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;

    errno = saved;
    return inode;
}
/* SPDX-License-Identifier: MIT
 *
 * Threads that log: their entries in the segment's producer table, which say who wrote a record,
 * and their state.
 */

#if defined(__GLIBC__)
#define SHMLOG_TLS_MODEL_ __attribute__((tls_model("initial-exec")))
#else
#define SHMLOG_TLS_MODEL_
#endif
#define SHMLOG_UNREGISTERED_           \
    {                                  \
        1, 0, 0, 0, SHMLOG_NULL_, 0, 0 \
    } /* a key that no attachment has */
static SHMLOG_TLS_MODEL_ __thread struct shmlog_thread_ shmlog_threads_[SHMLOG_ATTACHMENTS_] = {
    SHMLOG_UNREGISTERED_, SHMLOG_UNREGISTERED_, SHMLOG_UNREGISTERED_, SHMLOG_UNREGISTERED_};

/* This thread's state that is, or will be, the attachment's. */
SHMLOG_INLINE_ struct shmlog_thread_ *shmlog_state_(const struct shmlog *log)
{
    return (struct shmlog_thread_ *)(void *)((uint8_t *)shmlog_threads_ + log->local.state_at);
}

SHMLOG_INLINE_ void *shmlog_table_(struct shmlog *log, uint64_t offset)
{
    return (uint8_t *)&log->control + offset;
}
SHMLOG_INLINE_ struct shmlog_producer *shmlog_producers_(struct shmlog *log)
{
    return (struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
}

/* Is private memory in the place of the control file, or was the file written over? What its tables
 * say then holds no longer. To be asked after they were read: what was not gone then was not gone
 * before. */
SHMLOG_INLINE_ int shmlog_control_gone_(const struct shmlog *log)
{
    return shmlog_load_relaxed_(&log->control.magic) != SHMLOG_CONTROL_MAGIC;
}

/* May a thread take the entry? `kept`: also one that is kept for the names of the dead. */
SHMLOG_INLINE_ int shmlog_may_take_(uint64_t claim, int kept)
{
    const uint64_t state = claim & SHMLOG_PRODUCER_STATE;

    return !claim || (kept && state >= SHMLOG_PRODUCER_DEAD && state <= SHMLOG_PRODUCER_LEFT);
}

/* Fill in an entry of the producer table for the calling thread, one from `begin` on and before
 * `end`; its id, 0 if there is none to be taken. */
SHMLOG_COLD_ uint32_t shmlog_take_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                            uint64_t start, uint32_t begin, uint32_t end, int kept)
{
    struct shmlog_producer *const table = shmlog_producers_(log);

    for (uint32_t i = begin; i < end; i++) {
        struct shmlog_producer *const p = &table[i];
        uint64_t before = shmlog_load_relaxed_(&p->claim);
        uint32_t used, id;

        if (!shmlog_may_take_(before, kept))
            continue;
        /* before the claim: whoever dies over it must be found */
        used = shmlog_load_relaxed_(&log->control.producers_used);
        while (used < i + 1 &&
               !__atomic_compare_exchange_n(&log->control.producers_used, &used, i + 1, 1,
                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            ;
        if (!__atomic_compare_exchange_n(&p->claim, &before,
                                         SHMLOG_PRODUCER_FILLING_CLAIM(tid, log->local.pid_ns), 0,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        id = ((shmlog_load_acquire_(&p->id) >> 16) + 1) << 16 | (i + 1);
        if (shmlog_control_gone_(log)) /* an empty table has ids that other threads have */
            return 0;
        p->id = id;
        p->pid = (uint32_t)SHMLOG_SYS_(SYS_getpid, 0);
        p->tid = tid;
        p->ring = 0;
        p->why = 0;
        p->rings_missing = log->local.rings_missing;
        p->start_time = start;
        p->attachment = key;
        p->pid_ns = log->local.pid_ns;
        memcpy(p->process, log->local.process, sizeof(p->process));
        memset(p->thread, 0, sizeof(p->thread));
        SHMLOG_SYS_(SYS_prctl, SHMLOG_GET_NAME_, p->thread);
        /* pairs with the readers' acquire of claim */
        shmlog_store_release_(&p->claim, (uint64_t)tid << 32 | SHMLOG_PRODUCER_LIVE);
        return id;
    }
    return 0;
}

/* The attachment's key, a fresh one if this is the first thread of a forked child that asks. */
SHMLOG_COLD_ uint64_t shmlog_key_(struct shmlog *log)
{
    uint64_t key = shmlog_load_relaxed_(&log->key);

    if (!key) {
        const uint64_t fresh = shmlog_random_();

        shmlog_store_relaxed_(&log->local.pid_ns, shmlog_pid_ns_()); /* a child may have another */
        if (__atomic_compare_exchange_n(&log->key, &key, fresh, 0, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            key = fresh;
    }
    return key;
}

/* Register the thread with an entry from `begin` on and before `end`, unless it has one. */
SHMLOG_COLD_ void shmlog_register_(struct shmlog *log, uint32_t begin, uint32_t end)
{
    struct shmlog_thread_ *const thread = shmlog_state_(log);
    const uint64_t mask = shmlog_block_signals_(), key = shmlog_key_(log);
    const int mine = (thread->key & ~UINT64_C(3)) == key;

    if (!mine || thread->key & SHMLOG_NAMELESS_) {
        const uint32_t tid = (uint32_t)SHMLOG_SYS_(SYS_gettid, 0);
        const uint64_t start = shmlog_start_time_(SHMLOG_OWN_STAT_);
        uint32_t id = shmlog_take_producer_(log, key, tid, start, begin, end, 0);

        if (!id)
            id = shmlog_take_producer_(log, key, tid, start, begin, end, 1);
        if (!mine) {
            memset(thread, 0, sizeof(*thread));
            thread->where = UINT64_MAX;
            thread->holder = SHMLOG_HOLDER(tid, log->local.pid_ns, start);
            thread->hand = tid;
        }
        if (!log->local.cpus)
            thread->ring = SHMLOG_NULL_; /* not before the entry says why it shares one */
        thread->producer = id;
        thread->key = key | (!id               ? SHMLOG_NAMELESS_
                             : log->local.cpus ? SHMLOG_BY_CORE_
                                               : SHMLOG_BY_TURNS_);
    }
    shmlog_unblock_signals_(log->local.guarded ? mask & ~SHMLOG_BUS_BIT_ : mask);
}

/* The thread's state, registered. One that found the table full looks, at each of its calls,
 * whether one of the entries has come free, in turn. */
SHMLOG_STATIC_ struct shmlog_thread_ *shmlog_thread_(struct shmlog *log)
{
    struct shmlog_thread_ *const thread = shmlog_state_(log);
    const uint64_t key = shmlog_load_relaxed_(&log->key);
    uint32_t begin = 0, end = log->local.geometry.producers_max;

    if (SHMLOG_LIKELY_(key && (thread->key == key || thread->key == (key | SHMLOG_BY_TURNS_))))
        return thread;
    if (key && thread->key == (key | SHMLOG_NAMELESS_)) {
        begin = __atomic_fetch_add(&log->local.producer_probe, 1, __ATOMIC_RELAXED) % end;
        end = begin + 1;
        if (!shmlog_may_take_(shmlog_load_relaxed_(&shmlog_producers_(log)[begin].claim), 1) ||
            shmlog_control_gone_(log))
            return thread;
    }
    shmlog_register_(log, begin, end);
    return thread;
}

/* Note in its entry why the thread does not log into the rings of its cores. */
SHMLOG_STATIC_ void shmlog_note_why_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                     uint32_t why)
{
    struct shmlog_producer *const p = &shmlog_producers_(log)[(thread->producer & 0xffffu) - 1];

    if (thread->producer && shmlog_load_relaxed_(&p->why) != why)
        shmlog_store_relaxed_(&p->why, why);
}

/* Sign all threads of the attachment off. In a child that has not logged, none are its own. */
SHMLOG_COLD_ void shmlog_sign_off_(struct shmlog *log)
{
    struct shmlog_producer *const table = shmlog_producers_(log);
    const uint64_t key = log->key;

    for (uint32_t i = 0; key && i < log->local.geometry.producers_max &&
                         i < shmlog_load_relaxed_(&log->control.producers_used);
         i++) {
        const uint64_t claim = shmlog_load_acquire_(&table[i].claim);

        if ((claim & 0xffffffffu) == SHMLOG_PRODUCER_LIVE && table[i].attachment == key)
            shmlog_store_release_(&table[i].claim,
                                  (claim & ~UINT64_C(0xffffffff)) | SHMLOG_PRODUCER_DETACHED);
    }
}
/* SPDX-License-Identifier: MIT
 *
 * A ring that looks full: there is room after all, or the policy decides.
 */

/* No ring gets as far; a damaged one may say so, and sums with it would wrap. */
#define SHMLOG_HEAD_MAX_ (UINT64_C(1) << 62)

/* Was the ring taken out of use since its file was cut short, or was it never there? */
SHMLOG_INLINE_ int shmlog_ring_gone_(const struct shmlog_ring *ring)
{
    return shmlog_load_relaxed_(&ring->magic) != SHMLOG_RING_MAGIC;
}

/* A record without a ring is lost, and counted. */
SHMLOG_COLD_ int shmlog_no_ring_(struct shmlog *log)
{
    __atomic_fetch_add(&log->control.lost[SHMLOG_LOST_NO_RING], 1, __ATOMIC_RELAXED);
    return 0;
}

/* Records that found no room are lost, and counted; what a ring that is gone counts, nobody would
 * see. Release: pairs with the drain's acquire; who sees the count sees the head that was too far
 * ahead, and puts the gap behind the records before it. */
SHMLOG_COLD_ int shmlog_count_full_(struct shmlog *log, struct shmlog_ring *ring, uint32_t cause)
{
    if (shmlog_ring_gone_(ring))
        return shmlog_no_ring_(log);
    __atomic_fetch_add(&ring->lost[cause], 1, __ATOMIC_RELEASE);
    return 0;
}

/* Is there room for `slots` more, going by the tail as it is now, the reserve being only for severe
 * records? The head is read first: if its thread sleeps in between, it is the older of the two, and
 * a ring with room never looks full. */
SHMLOG_INLINE_ int shmlog_has_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                    int severe, uint64_t *ret_tail)
{
    const uint64_t head = shmlog_load_acquire_(&ring->head); /* only to be read before the tail */

    /* pairs with the reader's release: it is done with the slots before it */
    *ret_tail = shmlog_load_acquire_(&ring->tail);
    return head < SHMLOG_HEAD_MAX_ &&
           (int64_t)(head + slots - *ret_tail) <=
               (int64_t)(log->local.slot_mask + 1 - (severe ? 0 : log->local.reserve));
}

/* Sleep until the reader has made room, but not for long: it may be one that does not wake, or end
 * before it does, and the file may be cut meanwhile. Many that wait must not keep the reader from
 * its processor, so none of them polls. */
#define SHMLOG_NAP_NS_ 20000000
SHMLOG_COLD_ void shmlog_sleep_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                int severe)
{
    const uint32_t wakes = shmlog_load_acquire_(&ring->wakes);
    struct timespec ts;
    uint64_t tail;

    ts.tv_sec = 0;
    ts.tv_nsec = SHMLOG_NAP_NS_;
    /* Stored, then looked at the tail; the reader stores the tail, then looks here. One of the two
     * sees the other. */
    __atomic_exchange_n(&ring->waiting, 1, __ATOMIC_SEQ_CST);
    if (!shmlog_has_room_(log, ring, slots, severe, &tail))
        SHMLOG_SYS_(SYS_futex, &ring->wakes, 0 /* FUTEX_WAIT */, wakes, &ts, 0);
}

/* The wait policy: until the ring has room, or no slot came free for wait_ns. A wait that ran out
 * is remembered by its tail: a reader that is gone costs one wait, not one for each call. */
SHMLOG_COLD_ int shmlog_wait_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                   int severe, uint64_t *ret_tail)
{
    uint64_t since = shmlog_monotonic_ns_();
    uint64_t seen = shmlog_load_acquire_(&ring->tail);

    for (uint32_t turn = 0; !shmlog_has_room_(log, ring, slots, severe, ret_tail); turn++) {
        if (*ret_tail != seen) {
            seen = *ret_tail;
            since = shmlog_monotonic_ns_();
        }
        if (shmlog_load_relaxed_(&ring->gave_up_tail) == seen)
            return 0;
        if (turn < 200) {
            shmlog_relax_();
            continue;
        }
        if (log->local.wait_ns != UINT64_MAX &&
            shmlog_monotonic_ns_() - since >= log->local.wait_ns) {
            shmlog_store_relaxed_(&ring->gave_up_tail, seen);
            return 0;
        }
        shmlog_sleep_(log, ring, slots, severe);
    }
    return 1;
}

/* The ring looks full: read its tail. Returns 1: there is room, try again, a severe record by
 * limit_severe; 0: the record is lost, and counted. */
SHMLOG_COLD_ int shmlog_make_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                   int severe)
{
    const int damaged = shmlog_load_relaxed_(&ring->head) >= SHMLOG_HEAD_MAX_;
    uint64_t tail, gone;

    if (shmlog_ring_gone_(ring))
        return shmlog_no_ring_(log);
    if (log->local.on_full == SHMLOG_ON_FULL_OVERWRITE && !damaged) {
        tail = UINT64_MAX - (log->local.slot_mask + 1); /* no limit */
    } else if (!shmlog_has_room_(log, ring, slots, severe, &tail)) {
        if (log->local.on_full != SHMLOG_ON_FULL_WAIT || damaged)
            return shmlog_count_full_(log, ring, SHMLOG_LOST_FULL);
        if (!shmlog_wait_room_(log, ring, slots, severe, &tail))
            return shmlog_count_full_(log, ring, SHMLOG_LOST_WAITED);
    }
    /* Another thread may store an older tail's limit over this one: too low, never too high. */
    tail += log->local.slot_mask + 1;
    shmlog_store_relaxed_(&ring->limit_severe, tail);
    shmlog_store_relaxed_(&ring->limit, tail - (tail == UINT64_MAX ? 0 : log->local.reserve));
    /* Was the file cut before a store, what is there instead got the limit: take it back. */
    gone = shmlog_ring_gone_(ring) ? 0 : UINT64_MAX;
    __atomic_fetch_and(&ring->limit, gone, __ATOMIC_RELAXED);
    __atomic_fetch_and(&ring->limit_severe, gone, __ATOMIC_RELAXED);
    return 1;
}
/* SPDX-License-Identifier: MIT
 *
 * Committing to the ring of a core, x86-64: two restartable sequences (rseq), one for a slot whose
 * words are in registers, one for any number of slots from an image in memory.
 *
 * All threads of a core share its ring, and need no lock for it: the kernel runs a sequence from
 * label 1 to label 2 without anything in between, or, if the thread is preempted, moved to another
 * core or gets a signal, goes on at label 4. So whoever is in a sequence is its ring's only writer,
 * and the store of the head, its last instruction, commits or never happens:
 *
 *     1: if (rseq.cpu_id != the core that the ring is of)  give up
 *        if (no room from ring.head on)                    give up
 *        time = rdtsc                  here, so that time never runs backwards within a ring
 *        slot at head = {number of the slot before + 1, site, time, producer and arguments}
 *        ring.head = head + 1                              this commits
 *     2:
 *
 * See linux/rseq.h for what the kernel expects: a descriptor of 32 bytes, its address stored into
 * rseq_cs before label 1 and cleared behind label 2 (the code may be unloaded later), and a
 * signature in the four bytes before label 4.
 */

#if defined(__x86_64__) && defined(__gnu_linux__)
#define SHMLOG_RSEQ_ 1

/* glibc >= 2.35 registers an area for each thread and says where; weak, so that others link. */
SHMLOG_BEGIN_C_
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
SHMLOG_END_C_

/* clang-format off */
/* Offsets, as text. Those in struct rseq: cpu_id 4, rseq_cs 8. In struct shmlog_ring: */
#define SHMLOG_HEAD_ "128"
#define SHMLOG_LIMIT_ "136"
#define SHMLOG_DOORBELL_ "256"
#define SHMLOG_SLOTS_ "4096" /* behind the header */
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, head) == 128 &&
                          offsetof(struct shmlog_ring, limit) == 136 &&
                          offsetof(struct shmlog_ring, doorbell) == 256 &&
                          sizeof(struct shmlog_ring) == 4096,
                      "offsets above");
#define SHMLOG_LOCAL_(member_) \
    "i"(offsetof(struct shmlog, local) + offsetof(struct shmlog_local_, member_))
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, key) == 0, "where a sequence looks for it");
#define SHMLOG_OF_THREAD_(member_) "i"(offsetof(struct shmlog_thread_, member_))

#ifdef SHMLOG_TEST_NO_RSEQ_CS /* the tests' control: unprotected, it must lose records */
#define SHMLOG_ARM_(rseq_) ""
#else
#define SHMLOG_ARM_(rseq_) "movq %%rax, %%fs:8(" rseq_ ")\n\t"
#endif
#define SHMLOG_DISARM_(rseq_) "movq $0, %%fs:8(" rseq_ ")\n\t"
/* The descriptor, at label 3: version and flags 0; begin, length, where to go on when aborted. */
#define SHMLOG_BEGIN_SEQUENCE_(rseq_)                 \
    ".pushsection .data.rel.ro.shmlog_rseq, \"aw\"\n\t" \
    ".balign 32\n"                                    \
    "3:\n\t"                                          \
    ".long 0, 0\n\t"                                  \
    ".quad 1f, 2f - 1f, 4f\n\t"                       \
    ".popsection\n\t"                                 \
    "leaq 3b(%%rip), %%rax\n\t"                       \
    SHMLOG_ARM_(rseq_)                                \
    "1:\n\t"
/* Label 4: aborted, the kernel has cleared rseq_cs. Label 5: given up. */
#define SHMLOG_END_SEQUENCE_(rseq_) \
    "2:\n\t"                        \
    SHMLOG_DISARM_(rseq_)           \
    ".subsection 1\n\t"             \
    ".byte 0x0f, 0xb9, 0x3d\n\t"    \
    ".long 0x53053053\n"            \
    "4:\n\t"                        \
    "jmp %l[other]\n"               \
    "5:\n\t"                        \
    SHMLOG_DISARM_(rseq_)           \
    "jmp %l[other]\n\t"             \
    ".subsection 0\n\t"

/* With the caller's timestamps, a line is fetched for writing so many bytes ahead of each slot: the
 * reader has had it since the writer's last round. Beside reading the TSC there is time to get it
 * back. Behind the last slot it is a hint for nothing. */
#define SHMLOG_AHEAD_ "prefetchw 1024(%%rdx)\n\t"
#define SHMLOG_READ_TSC_ "rdtsc\n\tshlq $32, %%rdx\n\torq %%rdx, %%rax\n\t"

/* One slot: rcx ring, r11 head, rdx slot, r10 rseq's offset, `seq_` the slot before, then the first
 * word. Where reading the TSC waits for all that came before, and what comes after waits for it,
 * loads that wait for each other cost most: two before it, one after. */
#define SHMLOG_ONE_SLOT_(seq_, seq32_, read_time_, time_, ahead_, words_)                     \
    "movq %c[rseq](%[log]), %%r10\n\t"                                                        \
    SHMLOG_BEGIN_SEQUENCE_("%%r10")                                                           \
    "movq %c[ring](%[thread]), %%rcx\n\t"                                                     \
    "movl %%fs:4(%%r10), %%eax\n\t" /* is it still the core that the ring is of? */           \
    "xorq (%[log]), %%rax\n\t" /* and is the ring of this attachment? */                      \
    "cmpq %c[where](%[thread]), %%rax\n\t"                                                    \
    "jne 5f\n\t"                                                                              \
    "movq " SHMLOG_HEAD_ "(%%rcx), %%r11\n\t" /* is there room? */                            \
    "cmpq " SHMLOG_LIMIT_ "(%%rcx), %%r11\n\t"                                                \
    "jae 5f\n\t"                                                                              \
    "leaq -1(%%r11), %%" seq_ "\n\t"                                                          \
    "andq %c[mask](%[log]), %%" seq_ "\n\t"                                                   \
    "shlq $6, %%" seq_ "\n\t"                                                                 \
    read_time_                                                                                \
    "movq %c[mask](%[log]), %%rdx\n\t"                                                        \
    "andq %%r11, %%rdx\n\t"                                                                   \
    "shlq $6, %%rdx\n\t"                                                                      \
    "movl " SHMLOG_SLOTS_ "(%%rcx,%%" seq_ "), %%" seq32_ "\n\t" /* number of the one before */ \
    "leaq " SHMLOG_SLOTS_ "(%%rcx,%%rdx), %%rdx\n\t"                                          \
    ahead_                                                                                    \
    "incl %%" seq32_ "\n\t"                                                                   \
    "orq %[word], %%" seq_ "\n\t"                                                             \
    "movq %%" seq_ ", (%%rdx)\n\t" /* number and site */                                      \
    "movq " time_ ", 8(%%rdx)\n\t"                                                            \
    words_                                                                                    \
    "incq %%r11\n\t"                                                                          \
    "movq %%r11, " SHMLOG_HEAD_ "(%%rcx)\n\t" /* the commit */                                \
    SHMLOG_END_SEQUENCE_("%%r10")                                                             \
    "testq %%r11, %c[quarter](%[log])\n\t" /* at a quarter of the ring: the doorbell */       \
    "jne 9f\n\t"                                                                              \
    "movq %%r11, " SHMLOG_DOORBELL_ "(%%rcx)\n"                                               \
    "9:\n\t"
#define SHMLOG_FOUR_WORDS_                                                        \
    "movq %[w0], 16(%%rdx)\n\tmovq %[w1], 24(%%rdx)\n\t"                          \
    "movq %[w2], 32(%%rdx)\n\tmovq %[w3], 40(%%rdx)\n\t"                          \
    "movq $0, 48(%%rdx)\n\tmovq $0, 56(%%rdx)\n\t"
#define SHMLOG_SIX_WORDS_ /* as they were stored, for a wider load would wait for the stores */ \
    "movq (%[words]), %%rax\n\tmovq %%rax, 16(%%rdx)\n\t"                        \
    "movq 8(%[words]), %%rax\n\tmovq %%rax, 24(%%rdx)\n\t"                       \
    "movq 16(%[words]), %%rax\n\tmovq %%rax, 32(%%rdx)\n\t"                      \
    "movq 24(%[words]), %%rax\n\tmovq %%rax, 40(%%rdx)\n\t"                      \
    "movq 32(%[words]), %%rax\n\tmovq %%rax, 48(%%rdx)\n\t"                      \
    "movq 40(%[words]), %%rax\n\tmovq %%rax, 56(%%rdx)\n\t"
#define SHMLOG_ONE_SLOT_INPUTS_                                                              \
    [log] "r"(log), [thread] "r"(thread), [word] "r"(word), [rseq] SHMLOG_LOCAL_(rseq_offset), \
        [mask] SHMLOG_LOCAL_(slot_mask), [quarter] SHMLOG_LOCAL_(quarter_mask),              \
        [ring] SHMLOG_OF_THREAD_(ring), [where] SHMLOG_OF_THREAD_(where)
/* The time is the caller's, or is read: that takes one register less, or one more. */
#define SHMLOG_ONE_SLOT_NOW_(words_, ...)                                                   \
    __asm__ goto(SHMLOG_ONE_SLOT_("r9", "r9d", SHMLOG_READ_TSC_, "%%rax", "", words_)       \
                 :                                                                          \
                 : SHMLOG_ONE_SLOT_INPUTS_, __VA_ARGS__                                     \
                 : "memory", "cc", "rax", "rcx", "rdx", "r9", "r10", "r11"                  \
                 : other)
#define SHMLOG_ONE_SLOT_AT_(words_, ...)                                                    \
    __asm__ goto(SHMLOG_ONE_SLOT_("rax", "eax", "", "%[ticks]", SHMLOG_AHEAD_, words_)      \
                 :                                                                          \
                 : SHMLOG_ONE_SLOT_INPUTS_, [ticks] "r"(ticks), __VA_ARGS__                 \
                 : "memory", "cc", "rax", "rcx", "rdx", "r10", "r11"                        \
                 : other)

/* Commit one slot, of four words or six, to the ring of the core that the thread was seen on last.
 * `word`: id and number of slots in the upper half, 0 in the lower. Returns 1; 0 if that is not the
 * core, the ring looks full or the sequence was aborted: nothing happened. */
SHMLOG_INLINE_ int shmlog_commit_four_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                       uint64_t word, uint64_t w0, uint64_t w1, uint64_t w2,
                                       uint64_t w3)
{
    SHMLOG_ONE_SLOT_NOW_(SHMLOG_FOUR_WORDS_, [w0] "r"(w0), [w1] "r"(w1), [w2] "r"(w2), [w3] "r"(w3));
    return 1;
other:
    return 0;
}
SHMLOG_INLINE_ int shmlog_commit_four_at_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                          uint64_t word, uint64_t w0, uint64_t w1, uint64_t w2,
                                          uint64_t w3, uint64_t ticks)
{
    SHMLOG_ONE_SLOT_AT_(SHMLOG_FOUR_WORDS_, [w0] "r"(w0), [w1] "r"(w1), [w2] "r"(w2), [w3] "r"(w3));
    return 1;
other:
    return 0;
}
SHMLOG_INLINE_ int shmlog_commit_six_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                      uint64_t word, const uint64_t *words)
{
    SHMLOG_ONE_SLOT_NOW_(SHMLOG_SIX_WORDS_, [words] "r"(words));
    return 1;
other:
    return 0;
}
SHMLOG_INLINE_ int shmlog_commit_six_at_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                         uint64_t word, const uint64_t *words, uint64_t ticks)
{
    SHMLOG_ONE_SLOT_AT_(SHMLOG_SIX_WORDS_, [words] "r"(words));
    return 1;
other:
    return 0;
}

/* Eight bytes, for so they were mostly stored: a wider load would have to wait for the stores. */
#define SHMLOG_COPY_(at_)                \
    "movq " at_ "(%%rdx), %%r8\n\t"      \
    "movq %%r8, " SHMLOG_SLOTS_ "+" at_ "(%[ring],%%rax)\n\t"

/* Commit `slots` slots that stand whole in `image`, their numbers following that of the slot before
 * `head`, to a core's ring. Returns 1; 0 if this is not that core any more, or the head has moved
 * since it was read: then numbers and times are to be made anew. */
SHMLOG_INLINE_ int shmlog_commit_image_(const struct shmlog *log, struct shmlog_ring *ring,
                                        uint32_t cpu, uint64_t head, const struct shmlog_slot *image,
                                        uint32_t slots)
{
    const uint64_t end = head + slots;

    __asm__ goto(SHMLOG_BEGIN_SEQUENCE_("%[rseq]")
                 "cmpl %[cpu], %%fs:4(%[rseq])\n\t"
                 "jne 5f\n\t"
                 "movq " SHMLOG_HEAD_ "(%[ring]), %%rcx\n\t"
                 "cmpq %[head], %%rcx\n\t"
                 "jne 5f\n\t"
                 "movq %[image], %%rdx\n"
                 "8:\n\t" /* slot by slot, for they may go on at the ring's beginning */
                 "movq %%rcx, %%rax\n\t"
                 "andq %[mask], %%rax\n\t"
                 "shlq $6, %%rax\n\t"
                 SHMLOG_COPY_("0") SHMLOG_COPY_("8") SHMLOG_COPY_("16") SHMLOG_COPY_("24")
                 SHMLOG_COPY_("32") SHMLOG_COPY_("40") SHMLOG_COPY_("48") SHMLOG_COPY_("56")
                 "addq $64, %%rdx\n\t"
                 "incq %%rcx\n\t"
                 "cmpq %[end], %%rcx\n\t"
                 "jne 8b\n\t"
                 "movq %%rcx, " SHMLOG_HEAD_ "(%[ring])\n\t" /* the commit */
                 SHMLOG_END_SEQUENCE_("%[rseq]")
                 :
                 : [rseq] "r"(log->local.rseq_offset), [ring] "r"(ring), [cpu] "r"(cpu),
                   [head] "r"(head), [image] "r"(image), [end] "r"(end),
                   [mask] "r"(log->local.slot_mask)
                 : "memory", "cc", "rax", "rcx", "rdx", "r8"
                 : other);
    return 1;
other:
    return 0;
}

/* clang-format on */

/* The core that this thread is on; a number beyond all cores where rseq is not registered. */
SHMLOG_INLINE_ uint32_t shmlog_this_cpu_(const struct shmlog *log)
{
    uint32_t cpu;

    __asm__ volatile("movl %%fs:4(%1), %0" : "=r"(cpu) : "r"(log->local.rseq_offset));
    return cpu;
}

/* Note the core that the thread is on, and its ring, for its next sequences, in one store: a
 * handler that came in between two would find one core with another one's ring. */
SHMLOG_INLINE_ void shmlog_note_core_(struct shmlog_thread_ *thread, uint64_t where,
                                      struct shmlog_ring *ring)
{
    typedef uint64_t pair __attribute__((vector_size(16), may_alias));
    const pair both = {where, (uintptr_t)ring};

    __asm__ volatile("movaps %1, %0" : "=m"(*(pair *)(void *)&thread->where) : "x"(both));
}
#else
#define SHMLOG_RSEQ_ 0
#endif
/* SPDX-License-Identifier: MIT
 *
 * Committing an image, the slots of one or more records in a row, to a ring: by a sequence to that
 * of the core, or to a shared one, which a thread holds meanwhile. A log call of one slot gets here
 * only where it cannot go straight.
 */

#define SHMLOG_SEVERE_ 1 /* records of SHMLOG_SEVERE or above: the reserve is for them */
#define SHMLOG_TIMED_ 2  /* they have their times */
#define SHMLOG_TRY_ 4    /* if there is no room, do nothing */

SHMLOG_INLINE_ struct shmlog_slot *shmlog_slots_(struct shmlog_ring *ring)
{
    return (struct shmlog_slot *)(void *)((uint8_t *)ring + SHMLOG_RING_HEADER);
}

/* Number the records of an image, following what stands before `head`, and give them their time. */
SHMLOG_INLINE_ void shmlog_stamp_(const struct shmlog *log, struct shmlog_ring *ring, uint64_t head,
                                  struct shmlog_slot *image, uint32_t slots, int flags)
{
    uint32_t seq =
        shmlog_load_relaxed_(&shmlog_slots_(ring)[(head - 1) & log->local.slot_mask].seq);
    const uint64_t now = flags & SHMLOG_TIMED_ ? 0 : shmlog_now(log);
    uint64_t first;

    for (uint32_t i = 0; i < slots; i++) {
        if (image[i].site >> SHMLOG_SITE_SLOTS_SHIFT) { /* a record's first */
            seq++;
            if (!(flags & SHMLOG_TIMED_))
                memcpy(image[i].payload + SHMLOG_PAYLOAD_TIME, &now, sizeof(now));
        }
        first = (uint64_t)image[i].site << 32 | seq;
        memcpy(&image[i], &first, sizeof(first)); /* in one store, for it is loaded as one */
    }
}

/* Ring the doorbell when the head has crossed a quarter of the ring: a plain store after the
 * commit, a hint for the reader. */
SHMLOG_INLINE_ void shmlog_doorbell_(const struct shmlog *log, struct shmlog_ring *ring,
                                     uint64_t head, uint32_t slots)
{
    if (SHMLOG_UNLIKELY_((head & log->local.quarter_mask) + slots > log->local.quarter_mask))
        shmlog_store_release_(&ring->doorbell, head + slots); /* pairs with the drain's acquire */
}

/* Is there room up to the limit that was noted last? */
SHMLOG_INLINE_ int shmlog_room_(const struct shmlog_ring *ring, uint64_t head, uint32_t slots,
                                int severe)
{
    return head + slots <= shmlog_load_relaxed_(severe ? &ring->limit_severe : &ring->limit);
}

#if SHMLOG_RSEQ_
#define SHMLOG_ABORTS_MAX_ 100u /* in a row: then somebody is single-stepping */

/* To a ring of the core's. Returns 1; 0: lost, and counted, or not tried; or why that cannot be,
 * -SHMLOG_WHY_*. A severe record goes by the limit of all first, so that this does not stay behind
 * the tail, unless it goes to a ring that is for severe ones alone. */
SHMLOG_INLINE_ int shmlog_commit_by_core_(struct shmlog *log, struct shmlog_thread_ *thread,
                                          struct shmlog_slot *image, uint32_t slots, int flags)
{
    const int severe = flags & SHMLOG_SEVERE_;
    int beyond = severe && log->local.severe_rings; /* goes by limit_severe */

    for (uint32_t aborts = 0; aborts < SHMLOG_ABORTS_MAX_;) {
        const uint32_t cpu = shmlog_this_cpu_(log);
        struct shmlog_ring *ring;
        uint64_t head;

        if (cpu >= log->local.cpus)
            return -(int)SHMLOG_WHY_NO_CORE;
        ring = shmlog_load_relaxed_(severe ? &log->local.severe_of_cpu[cpu]
                                           : &log->local.ring_of_cpu[cpu]);
        if (ring == &log->local.none)
            return -(int)SHMLOG_WHY_NO_CORE;
        head = shmlog_load_relaxed_(&ring->head);
        if (!shmlog_room_(ring, head, slots, beyond)) {
            if (flags & SHMLOG_TRY_ || !shmlog_make_room_(log, ring, slots, severe))
                return 0;
            beyond = severe;
            continue;
        }
        shmlog_stamp_(log, ring, head, image, slots, flags);
        if (shmlog_commit_image_(log, ring, cpu, head, image, slots)) {
            shmlog_doorbell_(log, ring, head, slots);
            /* not of a nameless one, nor in a state that is by now that of another attachment */
            if (thread->where != (cpu ^ thread->key) && thread->key == log->key &&
                ring == shmlog_load_relaxed_(&log->local.ring_of_cpu[cpu]))
                shmlog_note_core_(thread, cpu ^ log->key, ring);
            return 1;
        }
        aborts++;
    }
    return -(int)SHMLOG_WHY_ABORTS;
}
#endif

/* ---- Shared rings ----
 *
 * A thread holds one for one call: one writer at a time, one final store that commits. Who dies
 * over it leaves nothing but its name in `holder`, and whoever waits finds it gone and takes its
 * place. A holder that is stopped costs the others one wait, then they go by the other rings; where
 * there are none, their records are lost, and counted, until it goes on. */
#define SHMLOG_HOLD_NS_ UINT64_C(100000000)       /* so long one that does not move is waited for */
#define SHMLOG_HOLD_MOST_NS_ UINT64_C(1000000000) /* where each has to wait for many others */
#define SHMLOG_HOLD_SPINS_ 200u
#define SHMLOG_HOLD_NAP_US_ 50

/* Take the ring if `holder` has it, or, for 0, nobody. */
SHMLOG_INLINE_ int shmlog_take_(struct shmlog_ring *ring, uint64_t holder, uint64_t self)
{
    /* pairs with the release of who had it before: its slots, and its head */
    if (!__atomic_compare_exchange_n(&ring->holder, &holder, self, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return 0;
    if (SHMLOG_UNLIKELY_(shmlog_load_relaxed_(&ring->held_too_long)))
        shmlog_store_relaxed_(&ring->held_too_long, 0); /* who was, may be waited for again */
    return 1;
}

/* Has the thread ended, for certain? Of another pid namespace nobody here can tell. */
SHMLOG_COLD_ int shmlog_holder_is_gone_(struct shmlog *log, uint64_t holder)
{
    const uint64_t start = SHMLOG_HOLDER(0, 0, holder);
    uint64_t tid = SHMLOG_HOLDER_TID(holder), now;
    char path[32] = "/proc/", digits[8];
    int n = 0, at = 6;

    if (!log->local.pid_ns ||
        SHMLOG_HOLDER(0, log->local.pid_ns, 0) != (holder & SHMLOG_HOLDER(0, UINT64_MAX, 0)))
        return 0;
    if (SHMLOG_SYS_(SYS_tkill, tid, 0) == -ESRCH)
        return 1;
    do
        digits[n++] = (char)('0' + tid % 10);
    while ((tid /= 10) != 0);
    while (n > 0)
        path[at++] = digits[--n];
    memcpy(path + at, "/stat", 6);
    now = SHMLOG_HOLDER(0, 0, shmlog_start_time_(path));
    return now && start && now != start; /* its number came round again */
}

/* Wait for a ring that somebody else holds. 1: it is this thread's; 0: held for too long. */
SHMLOG_COLD_ int shmlog_wait_turn_(struct shmlog *log, struct shmlog_ring *ring, uint64_t self)
{
    const int waits = log->local.on_full == SHMLOG_ON_FULL_WAIT;
    const uint64_t patience =
        waits && log->local.wait_ns > SHMLOG_HOLD_NS_ ? log->local.wait_ns : SHMLOG_HOLD_NS_;
    uint64_t begun = 0, since = 0, seen = 0;

    for (uint32_t turn = 0; turn < SHMLOG_HOLD_SPINS_; turn++) {
        if (!shmlog_load_relaxed_(&ring->holder) && shmlog_take_(ring, 0, self))
            return 1;
        shmlog_relax_();
    }
    for (;;) {
        const uint64_t holder = shmlog_load_relaxed_(&ring->holder);
        const uint64_t now = shmlog_monotonic_ns_(), head = shmlog_load_relaxed_(&ring->head);

        if ((!holder || shmlog_holder_is_gone_(log, holder)) && shmlog_take_(ring, holder, self))
            return 1;
        begun = begun ? begun : now;
        if (!since || head != seen) { /* others had their turn: nobody is stuck */
            since = now;
            seen = head;
        }
        if (holder && shmlog_load_relaxed_(&ring->held_too_long) == holder)
            return 0;
        if (patience != UINT64_MAX && now - since >= patience) {
            shmlog_store_relaxed_(&ring->held_too_long, holder);
            return 0;
        }
        if (!waits && now - begun >= SHMLOG_HOLD_MOST_NS_)
            return 0;
        shmlog_nap_(SHMLOG_HOLD_NAP_US_);
    }
}

/* Take the ring of a thread that has ended, without waiting; NULL: there is none. */
SHMLOG_COLD_ struct shmlog_ring *shmlog_inherit_(struct shmlog *log, uint64_t self)
{
    for (uint32_t i = 0; i < log->local.shared_count; i++) {
        struct shmlog_ring *const ring =
            shmlog_load_acquire_(&log->local.ring[log->local.shared_begin + i]);
        const uint64_t holder = shmlog_load_relaxed_(&ring->holder);

        if (holder && holder != self && shmlog_holder_is_gone_(log, holder) &&
            shmlog_take_(ring, holder, self))
            return ring;
    }
    return SHMLOG_NULL_;
}

/* Hold a shared ring; NULL: none can be had, which is counted. A signal handler that comes while
 * its thread holds one takes another, but does not wait for it: whoever holds that one may be
 * waiting, in a handler as well, for the ring of this thread. */
SHMLOG_STATIC_ struct shmlog_ring *shmlog_hold_(struct shmlog *log, struct shmlog_thread_ *thread)
{
    const uint32_t count = log->local.shared_count;
    struct shmlog_ring *held = SHMLOG_NULL_, *mine = SHMLOG_NULL_;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t hand = (thread->hand + i) % count;
        struct shmlog_ring *const ring =
            shmlog_load_acquire_(&log->local.ring[log->local.shared_begin + hand]);
        const uint64_t holder = shmlog_load_relaxed_(&ring->holder);

        if (shmlog_ring_gone_(ring))
            continue;
        if (!holder && shmlog_take_(ring, 0, thread->holder)) {
            thread->hand = hand;
            if (!log->local.cpus)
                thread->ring = ring;
            return ring;
        }
        if (holder == thread->holder)
            mine = ring;
        else if (!held)
            held = ring;
    }
    if (mine)
        held = shmlog_inherit_(log, thread->holder);
    else if (held && !shmlog_wait_turn_(log, held, thread->holder))
        held = SHMLOG_NULL_;
    if (held)
        return held;
    if (mine)
        __atomic_fetch_add(&mine->lost[SHMLOG_LOST_NESTED], 1, __ATOMIC_RELEASE);
    else
        shmlog_no_ring_(log);
    return SHMLOG_NULL_;
}

/* Commit to a shared ring that this thread holds, and let go of it. */
SHMLOG_INLINE_ void shmlog_fill_(const struct shmlog *log, struct shmlog_ring *ring, uint64_t head,
                                 struct shmlog_slot *image, uint32_t slots, int flags)
{
    shmlog_stamp_(log, ring, head, image, slots, flags);
#if !defined(__x86_64__) /* which stores in order */
    /* Not to be seen before the head of the record before: a reader that the overwrite policy lets
     * be overtaken judges by the head which slots it may believe. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
    for (uint32_t i = 0; i < slots; i++)
        shmlog_slots_(ring)[(head + i) & log->local.slot_mask] = image[i];
    shmlog_store_release_(&ring->head, head + slots); /* pairs with the readers' acquire of head */
    shmlog_store_release_(&ring->holder, 0);
    shmlog_doorbell_(log, ring, head, slots);
}

/* To a shared ring. 1; 0: lost, and counted. Nobody waits for room while he holds it. */
SHMLOG_STATIC_ int shmlog_commit_by_turns_(struct shmlog *log, struct shmlog_thread_ *thread,
                                           struct shmlog_slot *image, uint32_t slots, int flags)
{
    const int severe = flags & SHMLOG_SEVERE_;
    struct shmlog_ring *ring;
    uint64_t head;
    int beyond = 0;

    for (;;) {
        ring = shmlog_hold_(log, thread);
        if (!ring)
            return 0;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        head = shmlog_load_relaxed_(&ring->head);
        if (shmlog_room_(ring, head, slots, beyond))
            break;
        shmlog_store_release_(&ring->holder, 0);
        if (!shmlog_make_room_(log, ring, slots, severe))
            return 0;
        beyond = severe;
    }
    shmlog_fill_(log, ring, head, image, slots, flags);
    return 1;
}

/* To the shared ring that the thread held last, if nobody holds it and it does not look full. The
 * state is looked at behind the ring: a handler that came in may have made it that of another
 * attachment, with rings of another size; it never becomes this one's again. */
SHMLOG_INLINE_ int shmlog_commit_again_(struct shmlog *log, struct shmlog_thread_ *thread,
                                        struct shmlog_slot *image, uint32_t slots, int flags)
{
    struct shmlog_ring *const ring = shmlog_load_relaxed_(&thread->ring);
    uint64_t head;

    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (!ring || (thread->key & ~UINT64_C(3)) != log->key || !shmlog_take_(ring, 0, thread->holder))
        return 0;
    head = shmlog_load_relaxed_(&ring->head);
    if (!shmlog_room_(ring, head, slots, 0)) {
        shmlog_store_release_(&ring->holder, 0);
        return 0;
    }
    shmlog_fill_(log, ring, head, image, slots, flags);
    return 1;
}

/* Returns 1; 0: lost, and counted. SHMLOG_TRY_: 0 if that would be so, or is not known. */
SHMLOG_INLINE_ int shmlog_commit_(struct shmlog *log, struct shmlog_thread_ *thread,
                                  struct shmlog_slot *image, uint32_t slots, int flags)
{
    uint32_t why = log->local.clock == SHMLOG_CLOCK_TSC ? SHMLOG_WHY_NO_RSEQ : SHMLOG_WHY_NO_TSC;
    int r = -1;

#if SHMLOG_RSEQ_
    if (log->local.cpus) {
        r = shmlog_commit_by_core_(log, thread, image, slots, flags);
        why = (uint32_t)-r;
    }
#endif
    if (flags & SHMLOG_TRY_)
        return r > 0;
    if (r < 0 && !log->local.cpus && shmlog_commit_again_(log, thread, image, slots, flags))
        return 1;
    if (r < 0) {
        shmlog_note_why_(log, thread, why);
        r = shmlog_commit_by_turns_(log, thread, image, slots, flags);
    }
    if (!r)
        __atomic_fetch_add(&thread->lost, 1, __ATOMIC_RELAXED);
    return r;
}
/* SPDX-License-Identifier: MIT
 *
 * Call sites: at its first call in a segment, one is described in the segment's site table, once
 * for all processes, and gets the number by which its records go.
 */

/* Bytes that a value of a type takes in the fixed area. */
SHMLOG_INLINE_ uint32_t shmlog_width_(uint32_t type)
{
    static const uint8_t widths[16] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 4, 4};

    return widths[type & 15];
}

/* Types of a site's arguments, types[0] being how many, and its strings. */
SHMLOG_INLINE_ const uint8_t *shmlog_types_(const struct shmlog_site_ *site)
{
    const uint8_t *const types = __atomic_load_n(&site->types, __ATOMIC_RELAXED);

    return types ? types : (const uint8_t *)(site + 1);
}
SHMLOG_INLINE_ const char *shmlog_strings_(const struct shmlog_site_ *site)
{
    const uint8_t *const types = shmlog_types_(site);
    const uint8_t *const behind = (const uint8_t *)(site + 1);

    return (const char *)(types == behind ? behind + 1 + types[0] : behind);
}
SHMLOG_INLINE_ const struct shmlog_record_site_ *shmlog_raw_(const struct shmlog_site_ *site)
{
    return site->kind == SHMLOG_SITE_RAW ? (const struct shmlog_record_site_ *)(const void *)site
                                         : SHMLOG_NULL_;
}
/* Its format or name (0), arguments as written (1), category (2). */
SHMLOG_COLD_ const char *shmlog_string_(const struct shmlog_site_ *site, int which)
{
    const struct shmlog_record_site_ *const record = shmlog_raw_(site);
    const char *text = record ? "" : shmlog_strings_(site);

    for (int i = 0; i < which && !record; i++)
        text += strlen(text) + 1;
    return !record ? text : which == 0 ? record->name : which == 2 ? record->category : "";
}

/* Work out the plan of a site's strings, from its types and, for a message, its format. Sites that
 * are alike have the same one. */
SHMLOG_COLD_ void shmlog_plan_(struct shmlog_plan_ *plan, const uint8_t *types, const char *f)
{
    uint16_t at[SHMLOG_ARGS_MAX + 1], limit[SHMLOG_ARGS_MAX + 1], precision[SHMLOG_ARGS_MAX + 1];
    uint32_t arg = 1, end = SHMLOG_PAYLOAD_ARGS, positional = 0;

    for (uint32_t i = 1; i <= types[0]; i++) {
        const uint32_t width = shmlog_width_(types[i]);

        at[i] = (uint16_t)((end + width - 1) & ~(width - 1));
        end = at[i] + width;
        limit[i] = SHMLOG_NO_LIMIT_;
        precision[i] = 0;
    }
    while ((f = strchr(f, '%')) != SHMLOG_NULL_ && arg <= types[0]) {
        uint32_t most = SHMLOG_NO_LIMIT_, of = 0;

        for (f++; *f && strchr("-+ #0'I123456789*$", *f); f++) {
            arg += *f == '*';
            positional |= *f == '$';
        }
        if (*f == '.') {
            most = 0;
            for (f++; (*f >= '0' && *f <= '9') || *f == '*'; f++) {
                if (*f == '*')
                    of = arg++;
                else if (most < SHMLOG_RECORD_PAYLOAD) /* beyond that it is as good as none */
                    most = most * 10 + (uint32_t)(*f - '0');
            }
            most = of ? SHMLOG_NO_LIMIT_ : most;
        }
        while (*f && strchr("hlqjzZtL", *f))
            f++;
        if (*f && *f != '%' && *f != 'm' && arg <= types[0]) {
            limit[arg] = (uint16_t)(*f == 'p' ? SHMLOG_ADDRESS_ : most);
            precision[arg] = of ? at[of] : 0;
            arg++;
        }
        f += *f != 0;
    }
    plan->end = (uint16_t)end;
    plan->count = 0;
    for (uint32_t i = 1; i <= types[0]; i++) {
        const uint32_t type = types[i] & 15u;

        if (type < SHMLOG_TYPE_STRING)
            continue;
        plan->text[plan->count].at = at[i];
        plan->text[plan->count].limit = positional ? SHMLOG_ADDRESS_ : limit[i];
        plan->text[plan->count].precision_at = precision[i];
        plan->count++;
    }
}

/* A site as it lies in the arena, being put together. */
struct shmlog_blob_ {
    uint8_t bytes[SHMLOG_SITE_MAX];
    uint32_t size;
};
/* Add a string; what would go beyond `limit` is cut, but for the terminator. */
SHMLOG_COLD_ void shmlog_add_(struct shmlog_blob_ *blob, const char *text, uint32_t limit)
{
    const size_t size = strlen(text), room = limit > blob->size + 1 ? limit - blob->size - 1 : 0;

    memcpy(blob->bytes + blob->size, text, size < room ? size : room);
    blob->size += (uint32_t)(size < room ? size : room);
    blob->bytes[blob->size++] = 0;
}
SHMLOG_COLD_ void shmlog_describe_(struct shmlog_blob_ *blob, struct shmlog_site_ *site,
                                   int by_text)
{
    const struct shmlog_record_site_ *const record = shmlog_raw_(site);
    const uint8_t *const types = record ? SHMLOG_NULL_ : shmlog_types_(site);
    uint32_t offset = SHMLOG_PAYLOAD_ARGS;
    struct shmlog_site head;

    memset(&head, 0, sizeof(head));
    head.kind = site->kind;
    head.level = site->level;
    head.flags = (uint16_t)(site->flags | (by_text && !record ? SHMLOG_SITE_FLAG_TEXT : 0));
    head.args = (uint8_t)(record ? record->fields_count : types[0]);
    head.line = site->line;
    head.record_size = record ? record->size : 0;
    blob->size = sizeof(head);
    for (uint32_t i = 0; i < head.args; i++) {
        struct shmlog_site_arg arg;

        memset(&arg, 0, sizeof(arg));
        if (record) {
            arg.type = record->fields[i].type;
            arg.offset = record->fields[i].offset;
            arg.size = record->fields[i].size;
        } else {
            const uint32_t width = shmlog_width_(types[i + 1]);

            arg.type = types[i + 1] & 15u;
            arg.offset = (uint16_t)((offset + width - 1) & ~(width - 1));
            arg.size = (uint16_t)width;
            offset = arg.offset + width;
        }
        memcpy(blob->bytes + blob->size, &arg, sizeof(arg));
        blob->size += (uint32_t)sizeof(arg);
    }
    /* so far the strings may go: a long one leaves room for the rest */
    shmlog_add_(blob, shmlog_string_(site, 0), 900);
    shmlog_add_(blob, site->file, 1200);
    shmlog_add_(blob, site->function, 1400);
    shmlog_add_(blob, shmlog_string_(site, 2), 1460);
    if (!record && by_text)
        shmlog_add_(blob, shmlog_string_(site, 1), SHMLOG_SITE_MAX);
    for (uint32_t i = 0; (record || !by_text) && i < head.args; i++) {
        char number[6] = {'a', 'r', 'g', (char)('0' + (i + 1) % 10), 0, 0};

        if (i >= 9) {
            number[4] = number[3];
            number[3] = '1';
        }
        shmlog_add_(blob, record ? record->fields[i].name : number,
                    SHMLOG_SITE_MAX - (head.args - i));
    }
    head.size = (uint16_t)blob->size;
    memcpy(blob->bytes, &head, sizeof(head));
}

/* Room in the arena, of the attachment's share; its offset, or -1: there is none. */
SHMLOG_COLD_ int64_t shmlog_arena_room_(struct shmlog *log, uint64_t room)
{
    const struct shmlog_control *const g = &log->local.geometry;
    uint64_t at = shmlog_load_relaxed_(&log->control.arena_used);

    if (shmlog_load_relaxed_(&log->local.sites) >= SHMLOG_SITES_SHARE(g->sites_max) ||
        shmlog_load_relaxed_(&log->local.sites_size) + room > SHMLOG_ARENA_SHARE(g->arena_size))
        return -1;
    __atomic_fetch_add(&log->local.sites, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&log->local.sites_size, room, __ATOMIC_RELAXED);
    do {
        if (at > g->arena_size || g->arena_size - at < room || at % 8 || at / 8 > UINT32_MAX)
            return -1;
    } while (!__atomic_compare_exchange_n(&log->control.arena_used, &at, at + room, 1,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return (int64_t)at;
}

/* Find or add the site in the segment's table. Its word is stored, by compare-and-swap, when its
 * bytes are complete; whoever loses the race to another thread or process with the same site takes
 * theirs. 0: full, or the attachment has had its share. */
SHMLOG_COLD_ uint32_t shmlog_publish_(struct shmlog *log, const struct shmlog_blob_ *blob)
{
    const struct shmlog_control *const g = &log->local.geometry;
    uint64_t *const words = (uint64_t *)shmlog_table_(log, g->sites_offset);
    uint8_t *const arena = (uint8_t *)shmlog_table_(log, g->arena_offset);
    const uint32_t hash = shmlog_site_hash_(blob->bytes, blob->size);
    uint64_t fresh = 0; /* our copy in the arena, once made */

    for (uint32_t probe = 0, i = hash; probe < g->sites_max; probe++, i++) {
        const uint32_t id = i & (g->sites_max - 1);
        uint64_t word, at;

        if (!id || id >= SHMLOG_SITE_INLINE)
            continue;
        word = shmlog_load_acquire_(&words[id]);
        if (!word) {
            if (!fresh) {
                const int64_t room = shmlog_arena_room_(log, (blob->size + 7u) & ~UINT64_C(7));

                if (room < 0)
                    return 0;
                memcpy(arena + room, blob->bytes, blob->size);
                fresh = (uint64_t)hash << 32 | (uint64_t)room / 8;
            }
            /* release: pairs with every reader's acquire of the word */
            if (__atomic_compare_exchange_n(&words[id], &word, fresh, 0, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE))
                return id;
        }
        at = (word & 0xffffffffu) * 8;
        if (word >> 32 == hash && at < g->arena_size && g->arena_size - at >= blob->size &&
            memcmp(arena + at, blob->bytes, blob->size) == 0)
            return id;
    }
    return 0;
}
/* SPDX-License-Identifier: MIT
 *
 * What of a segment is gone: a file was cut short (SHMLOG_OPEN_GUARD), or a log leaves the segment.
 *
 * Private memory is put in the place of what is gone, in one step. In that of a ring all is zero:
 * it looks full to every writer, and its magic is gone, which writers find out where they would
 * count it as full. In that of the control file the level is as it was at first, and the magic is
 * gone, too. Rings go first: as long as one may be written to, the tables that say whose it is are
 * there.
 *
 * The SIGBUS handler touches no shared memory. The signal aborts a restartable sequence; then the
 * ring looks full.
 */

/* struct sigaction and sigaction(), as Linux's C libraries have them and -std=c11 hides them. */
struct shmlog_sigaction_ {
    void (*handler)(int signal, void *info, void *context);
    uint64_t mask[16];
    int flags;
    void (*restorer)(void);
};
extern int shmlog_libc_sigaction_(int signal, const struct shmlog_sigaction_ *action,
                                  struct shmlog_sigaction_ *before) __asm__("sigaction");
#define SHMLOG_SA_FLAGS_ 0x58000004 /* SIGINFO | ONSTACK | RESTART | NODEFER */
#define SHMLOG_SA_NODEFER_ 0x40000000

static struct shmlog *shmlog_logs_[SHMLOG_ATTACHMENTS_]; /* the guarded attachments, by entry */
static uint32_t shmlog_bus_users_;                       /* handlers that look at them */
static uint32_t shmlog_bus_installed_;
static struct shmlog_sigaction_ shmlog_bus_before_;

/* Put private memory, of zeros but for the level, in the place of a mapping. */
SHMLOG_COLD_ int shmlog_replace_(void *memory, uint64_t size, size_t level_at, uint32_t level)
{
    void *fresh;
    int r = shmlog_map_(SHMLOG_NULL_, size, SHMLOG_MAP_OWN_, -1, &fresh);

    if (r == 0) {
        long at;

        if (level) /* else it takes no page of memory */
            memcpy((uint8_t *)fresh + level_at, &level, sizeof(level));
        at = SHMLOG_SYS_(SYS_mremap, fresh, size, size, SHMLOG_MREMAP_, memory);
        r = at < 0 && at > -4096 ? (int)at : 0;
    }
    return r;
}

SHMLOG_COLD_ int shmlog_lose_ring_(struct shmlog *log, uint32_t index)
{
    struct shmlog_ring *const ring = shmlog_load_acquire_(&log->local.ring[index]);

    for (uint32_t i = 0; i < SHMLOG_CPUS_MAX; i++) {
        struct shmlog_ring *const beside = shmlog_load_relaxed_(&log->local.ring_of_cpu[i]);

        if (shmlog_load_relaxed_(&log->local.severe_of_cpu[i]) == ring)
            shmlog_store_release_(&log->local.severe_of_cpu[i],
                                  beside == ring ? &log->local.none : beside);
        if (beside == ring)
            shmlog_store_release_(&log->local.ring_of_cpu[i], &log->local.none);
    }
    return ring == &log->local.none ? 0 : shmlog_replace_(ring, log->local.ring_map[index], 0, 0);
}

/* Without its control file, nobody will read what is in the rings. */
SHMLOG_COLD_ int shmlog_lose_rings_(struct shmlog *log)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < log->local.geometry.rings; i++)
        r = shmlog_lose_ring_(log, i);
    return r;
}
SHMLOG_COLD_ int shmlog_lose_control_(struct shmlog *log)
{
    return shmlog_replace_(&log->control, log->local.control_size,
                           offsetof(struct shmlog_control, level), log->local.geometry.level);
}

/* 1: the address is the attachment's, and the access will not fail again. */
SHMLOG_COLD_ int shmlog_lose_(struct shmlog *log, uintptr_t at)
{
    if (at - (uintptr_t)&log->control < log->local.control_size)
        return shmlog_lose_rings_(log) == 0 && shmlog_lose_control_(log) == 0;
    for (uint32_t i = 0; i < log->local.geometry.rings; i++) {
        struct shmlog_ring *const ring = shmlog_load_acquire_(&log->local.ring[i]);

        if (ring != &log->local.none && at - (uintptr_t)ring < log->local.ring_map[i])
            return shmlog_lose_ring_(log, i) == 0;
    }
    return 0;
}

/* Not ours: what would have happened without us. */
SHMLOG_COLD_ void shmlog_pass_bus_on_(int signal, void *info, void *context, int raised)
{
    const struct shmlog_sigaction_ before = shmlog_bus_before_;
    const uintptr_t handler = (uintptr_t)before.handler;
    struct shmlog_sigaction_ by_default;

    if (handler > 1) { /* neither SIG_DFL nor SIG_IGN */
        const uint64_t bus = before.flags & SHMLOG_SA_NODEFER_ ? 0 : SHMLOG_BUS_BIT_;

        SHMLOG_SYS_(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &bus, 0, 8);
        before.handler(signal, info, context);
    } else if (raised || handler == 0) { /* a raised one cannot be ignored */
        memset(&by_default, 0, sizeof(by_default));
        shmlog_libc_sigaction_(signal, &by_default, SHMLOG_NULL_);
        if (!raised) /* else the access will do so */
            SHMLOG_SYS_(SYS_tgkill, SHMLOG_SYS_(SYS_getpid, 0), SHMLOG_SYS_(SYS_gettid, 0), signal);
    }
}

/* The access that this thread tries again: it may have failed before, and its handler come only
 * after, another thread left the segment. Handlers of other signals, and the calls that they
 * interrupted, may all do so at one address; what still fails after some more is not ours. */
static SHMLOG_TLS_MODEL_ __thread uintptr_t shmlog_bus_at_;
static SHMLOG_TLS_MODEL_ __thread uint32_t shmlog_bus_tries_;
#define SHMLOG_BUS_TRIES_ 100
#define SHMLOG_BUS_ADRERR_ 2 /* si_code: the file has no such page */

SHMLOG_COLD_ void shmlog_on_bus_(int signal, void *info, void *context)
{
    uintptr_t at;
    int code, ours = 0;

    memcpy(&code, (const uint8_t *)info + 8, sizeof(code)); /* si_code */
    memcpy(&at, (const uint8_t *)info + 16, sizeof(at));    /* si_addr */
    __atomic_fetch_add(&shmlog_bus_users_, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; code > 0 && i < SHMLOG_ATTACHMENTS_; i++) {
        struct shmlog *const log = __atomic_load_n(&shmlog_logs_[i], __ATOMIC_SEQ_CST);

        ours |= log && shmlog_lose_(log, at);
    }
    __atomic_fetch_sub(&shmlog_bus_users_, 1, __ATOMIC_SEQ_CST);
    if (ours)
        return;
    shmlog_bus_tries_ = at == shmlog_bus_at_ ? shmlog_bus_tries_ + 1 : 0;
    shmlog_bus_at_ = at;
    if (code == SHMLOG_BUS_ADRERR_ && shmlog_bus_tries_ < SHMLOG_BUS_TRIES_)
        return;
    shmlog_bus_tries_ = 0;
    shmlog_pass_bus_on_(signal, info, context, code > 0);
}

/* Guard an attachment; the first time, put the handler in place, for good. */
SHMLOG_COLD_ void shmlog_guard_(struct shmlog *log)
{
    struct shmlog_sigaction_ ours;

    log->local.guarded = 1;
    __atomic_store_n(&shmlog_logs_[log->local.entry], log, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&shmlog_bus_installed_, 1, __ATOMIC_SEQ_CST))
        return;
    shmlog_libc_sigaction_(SIGBUS, SHMLOG_NULL_, &shmlog_bus_before_);
    ours = shmlog_bus_before_; /* its mask, for it may be called from ours */
    ours.handler = shmlog_on_bus_;
    ours.flags = SHMLOG_SA_FLAGS_;
    shmlog_libc_sigaction_(SIGBUS, &ours, SHMLOG_NULL_);
}

/* Before the attachment is unmapped. */
SHMLOG_COLD_ void shmlog_unguard_(struct shmlog *log)
{
    if (!log->local.guarded)
        return;
    __atomic_store_n(&shmlog_logs_[log->local.entry], (struct shmlog *)SHMLOG_NULL_,
                     __ATOMIC_SEQ_CST);
    /* A handler for another address may be looking at it. It takes microseconds; a child forked
     * meanwhile has a count that nobody takes back. */
    for (int i = 0; i < 100 && __atomic_load_n(&shmlog_bus_users_, __ATOMIC_SEQ_CST); i++)
        shmlog_nap_(1000);
}
/* SPDX-License-Identifier: MIT
 *
 * Attaching to a segment: find its directory, check and map its files, register.
 */

static uint32_t shmlog_entries_; /* the attachments that are open, as bits: of a thread's states */
static uint32_t shmlog_refused_version_; /* of the last segment that was refused for it */

/* /dev/shm is writable by everybody: a folder there counts only if it is `owner`'s (or root's) and
 * nobody else may change it. 0, or -ENOENT, -EACCES. */
SHMLOG_COLD_ int shmlog_trusted_(const char *folder, uint32_t owner)
{
    struct stat st;
    const int r = shmlog_lstat_(folder, &st);

    if (r < 0)
        return r;
    return S_ISDIR(st.st_mode) && (st.st_uid == owner || st.st_uid == 0) && !(st.st_mode & 022)
               ? 0
               : -EACCES;
}

/* The segment's directory: see shm/path.h, which has the same rules for the tools. */
SHMLOG_COLD_ int shmlog_find_segment_(const char *segment, char *ret_path, size_t size)
{
    const char *const folder = getenv("SHMLOG_DIR");
    const char *const slash = segment ? strrchr(segment, '/') : SHMLOG_NULL_;
    const char *const name = slash ? slash + 1 : segment;
    int r = -ENOENT;

    if (!name || !*name || *name == '.' || *name == '-' || strlen(name) > 63)
        return -EINVAL;
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-", *p)))
            return -EINVAL;
    if (slash || (folder && *folder)) {
        const int n = slash ? snprintf(ret_path, size, "%s", segment)
                            : snprintf(ret_path, size, "%s/%s", folder, name);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
    }
    for (int system = 0; system < 2; system++) {
        const uint32_t owner = system ? 0 : (uint32_t)geteuid();
        char base[40] = "/dev/shm/shmlog";
        struct stat st;
        int trusted;

        if (!system)
            snprintf(base, sizeof(base), "/dev/shm/shmlog-%u", owner);
        trusted = shmlog_trusted_(base, owner);
        snprintf(ret_path, size, "%s/%s", base, name);
        if (trusted == 0 && stat(ret_path, &st) == 0)
            return 0;
        trusted = trusted < 0 ? trusted : -errno;
        r = trusted == -ENOENT ? r : trusted;
    }
    return r;
}

/* Open a regular file, to read and write; no link is followed: -ELOOP. */
SHMLOG_COLD_ int shmlog_open_file_(const char *path, struct stat *ret_stat)
{
    /* O_NONBLOCK: a pipe in its place must not hold us up */
    const int fd =
        open(path, O_RDWR | SHMLOG_O_CLOEXEC_ | SHMLOG_O_NOFOLLOW_ | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno == EISDIR || errno == ENXIO ? -SHMLOG_ERR_FOREIGN : -errno;
    if (fstat(fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode)) {
        close(fd);
        return -SHMLOG_ERR_FOREIGN;
    }
    return fd;
}

/* Copy a control file's header. The magic is stored last: read by itself first, it vouches for what
 * is read after it. */
SHMLOG_COLD_ int shmlog_read_control_(int fd, uint64_t file_size, struct shmlog_control *ret_copy)
{
    uint64_t magic = 0;
    long n = SHMLOG_SYS_(SYS_pread64, fd, &magic, sizeof(magic), 0);
    int r;

    memset(ret_copy, 0, sizeof(*ret_copy));
    if (n >= 0)
        n = SHMLOG_SYS_(SYS_pread64, fd, ret_copy, sizeof(*ret_copy), 0);
    if (n < 0)
        return (int)n;
    shmlog_written_(&magic, sizeof(magic));
    shmlog_written_(ret_copy, n);
    ret_copy->magic = magic;
    if (magic == SHMLOG_CONTROL_MAGIC && n != (long)sizeof(*ret_copy))
        return -SHMLOG_ERR_GEOMETRY;
    r = shmlog_check_control_(ret_copy, file_size);
    if (r == -SHMLOG_ERR_OLDER || r == -SHMLOG_ERR_NEWER)
        shmlog_store_relaxed_(&shmlog_refused_version_, ret_copy->version);
    return r;
}

/* Reserve the attachment's addresses, make its private pages, map the control file behind them. */
SHMLOG_COLD_ int shmlog_map_control_(const char *directory, struct shmlog **ret_log)
{
    struct shmlog_control geometry;
    void *memory = SHMLOG_NULL_, *plans = SHMLOG_NULL_;
    struct shmlog *log;
    char path[4096];
    struct stat st;
    uint64_t size;
    int fd, r;

    if (snprintf(path, sizeof(path), "%s/control", directory) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    fd = shmlog_open_file_(path, &st);
    if (fd < 0)
        return fd == -ELOOP ? -SHMLOG_ERR_FOREIGN : fd;
    r = shmlog_read_control_(fd, (uint64_t)st.st_size, &geometry);
    if (r < 0)
        goto out;
    size = (geometry.file_size + SHMLOG_PAGE_ - 1) & ~(uint64_t)(SHMLOG_PAGE_ - 1);
    r = shmlog_map_(SHMLOG_NULL_, 2 * SHMLOG_PAGE_ + size, SHMLOG_MAP_OWN_, -1, &memory);
    if (r < 0)
        goto out;
    log = (struct shmlog *)memory;
    r = shmlog_map_(&log->control, geometry.file_size, SHMLOG_MAP_SHARED_ | SHMLOG_MAP_FIXED_, fd,
                    &memory);
    if (r == 0)
        r = shmlog_map_(SHMLOG_NULL_, geometry.sites_max * sizeof(struct shmlog_plan_),
                        SHMLOG_MAP_OWN_, -1, &plans);
    if (r < 0) {
        SHMLOG_SYS_(SYS_munmap, log, 2 * SHMLOG_PAGE_ + size);
        goto out;
    }
    log->local.geometry = geometry;
    log->local.control_size = size;
    log->local.plans = (struct shmlog_plan_ *)plans;
    log->local.owner = st.st_uid;
    log->local.control_dev = (uint64_t)st.st_dev;
    log->local.control_ino = (uint64_t)st.st_ino;
    *ret_log = log;
out:
    close(fd);
    return r;
}

/* Open the file of ring `index`: a regular file in the segment's directory, or a link to one on a
 * hugetlbfs that has exactly the name that this segment would have given it. */
SHMLOG_COLD_ int shmlog_open_ring_(const struct shmlog *log, const char *directory, uint32_t index,
                                   struct stat *ret_stat)
{
    char path[4096], target[4096], name[80] = "/shmlog-";
    uint64_t fs[32];
    size_t length = strlen(name);
    long n;
    int fd;

    if (snprintf(path, sizeof(path), "%s/ring-%03u", directory, index) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    fd = shmlog_open_file_(path, ret_stat);
    if (fd != -ELOOP)
        return fd;
    n = SHMLOG_SYS_(SYS_readlinkat, -100 /* AT_FDCWD */, path, target, sizeof(target) - 1);
    if (n <= 0 || n >= (long)sizeof(target) - 1)
        return -SHMLOG_ERR_FOREIGN;
    shmlog_written_(target, n);
    target[n] = 0;
    for (int i = 0; i < 16; i++)
        length += (size_t)snprintf(name + length, 3, "%02x", log->local.geometry.uuid[i]);
    length += (size_t)snprintf(name + length, sizeof(name) - length, "-ring-%03u", index);
    if (target[0] != '/' || (size_t)n <= length || strcmp(target + n - (long)length, name) != 0)
        return -SHMLOG_ERR_FOREIGN;
    fd = shmlog_open_file_(target, ret_stat);
    if (fd < 0)
        return fd == -ELOOP ? -SHMLOG_ERR_FOREIGN : fd;
    memset(fs, 0, sizeof(fs)); /* struct statfs begins with the type */
    if (SHMLOG_SYS_(SYS_fstatfs, fd, fs) < 0 || fs[0] != 0x958458f6 /* HUGETLBFS_MAGIC */) {
        close(fd);
        return -SHMLOG_ERR_FOREIGN;
    }
    return fd;
}

/* Is a ring's header that of ring `index` of this segment? */
SHMLOG_COLD_ int shmlog_check_ring_(const struct shmlog *log, const struct shmlog_ring *ring,
                                    uint32_t index, uint64_t map_size)
{
    const struct shmlog_control *const g = &log->local.geometry;
    const int of_cpu = index < g->cpu_rings;

    /* pairs with the release of the magic, which is stored last; so only after it the rest */
    return shmlog_load_acquire_(&ring->magic) == SHMLOG_RING_MAGIC &&
           ring->version == SHMLOG_LAYOUT_VERSION && ring->header_size == SHMLOG_RING_HEADER &&
           ring->index == index && ring->kind == (of_cpu ? SHMLOG_RING_CPU : SHMLOG_RING_OWNED) &&
           ring->slots == g->ring_slots && ring->file_size == map_size &&
           memcmp(ring->segment_uuid, g->uuid, sizeof(g->uuid)) == 0;
}

/* Map ring `index`, if its file is what the control file says; else it stays the ring that is
 * always full. */
SHMLOG_COLD_ int shmlog_map_ring_(struct shmlog *log, const char *directory, uint32_t index)
{
    const struct shmlog_control *const g = &log->local.geometry;
    const uint64_t size = SHMLOG_RING_HEADER + g->ring_slots * SHMLOG_SLOT_SIZE;
    void *memory = SHMLOG_NULL_;
    struct shmlog_ring *ring;
    struct stat st;
    uint32_t cpu;
    int r, sound;
    const int fd = shmlog_open_ring_(log, directory, index, &st);

    if (fd < 0)
        return fd;
    if (st.st_uid != log->local.owner)
        r = -SHMLOG_ERR_FOREIGN;
    else if ((uint64_t)st.st_size < size || (uint64_t)st.st_size - size >= UINT64_C(1) << 30)
        r = -SHMLOG_ERR_GEOMETRY; /* the largest page size: huge pages are mapped whole */
    else
        r = shmlog_map_(SHMLOG_NULL_, (uint64_t)st.st_size,
                        SHMLOG_MAP_SHARED_ | SHMLOG_MAP_POPULATE_, fd, &memory);
    close(fd);
    if (r < 0)
        return r;
    ring = (struct shmlog_ring *)memory;
    /* known to the SIGBUS handler before it is touched */
    log->local.ring_map[index] = (uint64_t)st.st_size;
    shmlog_store_release_(&log->local.ring[index], ring);
    sound = shmlog_check_ring_(log, ring, index, (uint64_t)st.st_size);
    cpu = shmlog_load_relaxed_(&ring->cpu);
    if (!sound || (index < g->cpu_rings && cpu >= SHMLOG_CPUS_MAX)) {
        shmlog_store_release_(&log->local.ring[index], &log->local.none);
        SHMLOG_SYS_(SYS_munmap, memory, st.st_size);
        return -SHMLOG_ERR_GEOMETRY;
    }
    if (index >= g->cpu_rings)
        return 0;
    /* a core's ring for severe records, mapped before the other; where it is missing, that is it */
    if (!shmlog_ring_is_severe_(g, index))
        shmlog_store_relaxed_(&log->local.ring_of_cpu[cpu], ring);
    if (log->local.severe_of_cpu[cpu] == &log->local.none)
        shmlog_store_relaxed_(&log->local.severe_of_cpu[cpu], ring);
    return 0;
}

/* An error of a ring that is one of a limit or a right, and not of its file. */
SHMLOG_INLINE_ int shmlog_is_system_error_(int error)
{
    return error == -EACCES || error == -EPERM || error == -EMFILE || error == -ENFILE ||
           error == -ENOMEM || error == -EAGAIN;
}

/* Map all rings, from the last on: a shared one serves every thread if there is no room for the
 * others. 0; or why not all, or with SHMLOG_OPEN_PARTIAL none, could be mapped. */
SHMLOG_COLD_ int shmlog_map_rings_(struct shmlog *log, const char *directory, uint32_t flags)
{
    const struct shmlog_control *const g = &log->local.geometry;
    uint32_t missing = 0;
    int refused = 0;

    for (uint32_t i = g->rings; i-- > 0;) {
        const int r = shmlog_map_ring_(log, directory, i);

        missing += r < 0;
        if (r < 0 && !shmlog_is_system_error_(refused))
            refused = r;
        /* those that are shared stand in a row, the last one among them */
        if (i >= g->cpu_rings && i + 1 + log->local.shared_count == g->rings &&
            (r < 0 || shmlog_load_relaxed_(&log->local.ring[i]->owner) == SHMLOG_OWNER_SHARED)) {
            log->local.shared_begin = i;
            log->local.shared_count++;
        }
    }
    log->local.rings_missing = missing;
    if (!missing || (missing < g->rings && flags & SHMLOG_OPEN_PARTIAL))
        return 0;
    /* a segment that is being removed loses its rings first */
    if (shmlog_load_acquire_(&log->control.state) != SHMLOG_SEGMENT_LIVE)
        return -SHMLOG_ERR_CLOSED;
    return shmlog_is_system_error_(refused) ? refused
           : missing == g->rings            ? -SHMLOG_ERR_NO_RINGS
                                            : -SHMLOG_ERR_RINGS;
}

SHMLOG_COLD_ void shmlog_init_local_(struct shmlog *log, const struct shmlog_options *options,
                                     uint32_t entry)
{
    struct shmlog_local_ *const local = &log->local;

    /* of this attachment, for it has plans of its own; never SHMLOG_NO_SEGMENT_ */
    local->site_key = (uint32_t)(shmlog_random_() >> 16) | 0x80000001u;
    local->slot_mask = local->geometry.ring_slots - 1;
    local->quarter_mask = (local->geometry.ring_slots >> SHMLOG_DOORBELL_SHIFT) - 1;
    local->clock = local->geometry.clock;
    local->on_full = local->geometry.on_full;
    local->wait_ns = local->geometry.wait_ns;
    local->reserve = local->geometry.reserve_slots;
    local->entry = entry;
    local->state_at = entry * (uint32_t)sizeof(struct shmlog_thread_);
    local->pid_ns = shmlog_pid_ns_();
    for (uint32_t i = 0; i < SHMLOG_CPUS_MAX; i++)
        local->ring_of_cpu[i] = local->severe_of_cpu[i] = &local->none;
    for (uint32_t i = 0; i < SHMLOG_RINGS_MAX; i++)
        local->ring[i] = &local->none;
#if SHMLOG_RSEQ_
    if (&__rseq_size != SHMLOG_NULL_ && &__rseq_offset != SHMLOG_NULL_ && __rseq_size > 0 &&
        local->clock == SHMLOG_CLOCK_TSC) {
        local->rseq_offset = (uint64_t)__rseq_offset;
        local->cpus = SHMLOG_CPUS_MAX;
        local->severe_rings = (local->geometry.compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS) != 0;
    }
#endif
    if (options && options->process_name) {
        snprintf(local->process, sizeof(local->process), "%s", options->process_name);
    } else {
        const long n = shmlog_read_file_("/proc/self/comm", local->process, 31);

        if (n > 0 && local->process[n - 1] == '\n')
            local->process[n - 1] = 0;
    }
}

SHMLOG_COLD_ void shmlog_unmap_(struct shmlog *log)
{
    for (uint32_t i = 0; i < log->local.geometry.rings; i++)
        if (log->local.ring[i] != &log->local.none)
            SHMLOG_SYS_(SYS_munmap, log->local.ring[i], log->local.ring_map[i]);
    if (log->local.plans)
        SHMLOG_SYS_(SYS_munmap, log->local.plans,
                    log->local.geometry.sites_max * sizeof(struct shmlog_plan_));
    SHMLOG_SYS_(SYS_munmap, log, 2 * SHMLOG_PAGE_ + log->local.control_size);
}

/* Give the attachment's entry back; no call will come to it. */
SHMLOG_COLD_ void shmlog_leave_(struct shmlog *log)
{
    shmlog_sign_off_(log);
    shmlog_unguard_(log);
    __atomic_fetch_and(&shmlog_entries_, ~(1u << log->local.entry), __ATOMIC_RELEASE);
}

SHMLOG_COLD_ int shmlog_attach_(const char *directory, const struct shmlog_options *options,
                                struct shmlog **ret_log)
{
    const uint32_t flags = options ? options->flags : 0;
    uint32_t taken = shmlog_load_relaxed_(&shmlog_entries_), entry;
    struct shmlog *log = SHMLOG_NULL_;
    int r;

    do {
        entry = (uint32_t)__builtin_ctz(~taken);
        if (entry >= SHMLOG_ATTACHMENTS_)
            return -EMFILE;
    } while (!__atomic_compare_exchange_n(&shmlog_entries_, &taken, taken | 1u << entry, 1,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    r = shmlog_map_control_(directory, &log);
    if (r < 0) {
        __atomic_fetch_and(&shmlog_entries_, ~(1u << entry), __ATOMIC_RELEASE);
        return r;
    }
    shmlog_init_local_(log, options, entry);
    if (flags & SHMLOG_OPEN_GUARD)
        shmlog_guard_(log);
    r = shmlog_map_rings_(log, directory, flags);
    if (r == 0) {
        /* Let a forked child find `key` 0. A kernel that refuses (before 4.14): its records then go
         * by its parent's name. */
        SHMLOG_SYS_(SYS_madvise, log, SHMLOG_PAGE_, SHMLOG_WIPEONFORK_);
        log->key = shmlog_random_();
        shmlog_register_(log, 0, log->local.geometry.producers_max);
        /* Registered, then looked at the state: the collector closes, then looks for producers. One
         * of the two sees the other. An addition of nothing is a fence that TSan knows, too. */
        if (__atomic_fetch_add(&log->control.state, 0, __ATOMIC_SEQ_CST) != SHMLOG_SEGMENT_LIVE)
            r = -SHMLOG_ERR_CLOSED;
    }
    if (r < 0) {
        shmlog_leave_(log);
        shmlog_unmap_(log);
        return r;
    }
    *ret_log = log;
    return 0;
}
/* SPDX-License-Identifier: MIT
 *
 * Open and close, and logs that attach later (SHMLOG_OPEN_LATER).
 *
 * An attachment never changes: that is what makes a log call safe at any moment. A log that
 * attaches later is none itself: it stands for one attachment after the other, has a site key that
 * is no segment's, and so each call comes to shmlog_find_site_(), which takes the attachment of the
 * moment. One that was left stays mapped until the log is closed, for calls may still be in it; but
 * what it had of the segment is replaced by private memory.
 */

static uint64_t shmlog_unattached_; /* calls without a segment that no segment was told of */

struct shmlog_later_ {
    struct shmlog *current; /* the attachment that calls go to, NULL: none */
    struct shmlog *left;    /* those whose segment is gone */
    uint64_t missed;        /* calls without one, which no segment knows of yet */
    int32_t error;          /* of the last attempt */
    uint32_t busy;          /* a thread is in shmlog_poll(): the pid */
    struct shmlog_options options;
    char process_name[32];
    char segment[4096], control[4096]; /* as given; path of the attachment's control file */
};

/* The attachment behind `log`, NULL if there is none. */
SHMLOG_INLINE_ struct shmlog *shmlog_current_(struct shmlog *log)
{
    /* pairs with the release of shmlog_poll() */
    return log && log->local.later ? shmlog_load_acquire_(&log->local.later->current) : log;
}

SHMLOG_COLD_ void shmlog_miss_(struct shmlog *log, uint64_t records)
{
    __atomic_fetch_add(&log->local.later->missed, records, __ATOMIC_RELAXED);
}
void shmlog_count_unattached_(void)
{
    __atomic_fetch_add(&shmlog_unattached_, 1, __ATOMIC_RELAXED);
}

/* Is it an error of a segment that is not there, or not yet? */
SHMLOG_INLINE_ int shmlog_may_come_(int error)
{
    return error == -ENOENT || error == -SHMLOG_ERR_UNFINISHED || error == -SHMLOG_ERR_CLOSED;
}

/* Is the file where the attachment's control file was another one, or none? What cannot be found
 * out is no reason to leave. */
SHMLOG_COLD_ int shmlog_was_replaced_(const struct shmlog_later_ *later)
{
    const struct shmlog *const log = later->current;
    struct stat st;
    const int r = shmlog_lstat_(later->control, &st);

    if (r < 0)
        return r == -ENOENT || r == -ENOTDIR;
    return (uint64_t)st.st_dev != log->local.control_dev ||
           (uint64_t)st.st_ino != log->local.control_ino ||
           (uint64_t)st.st_size != log->local.geometry.file_size || shmlog_control_gone_(log);
}

/* Rings first: once signed off, a thread's name is another's, and must not get into them. */
SHMLOG_COLD_ void shmlog_leave_segment_(struct shmlog_later_ *later)
{
    struct shmlog *const left = later->current;

    shmlog_store_release_(&later->current, (struct shmlog *)SHMLOG_NULL_);
    if (shmlog_lose_rings_(left) == 0) {
        shmlog_sign_off_(left);
        (void)shmlog_lose_control_(left); /* while it is guarded */
    }
    shmlog_leave_(left);
    left->local.next = later->left;
    later->left = left;
}

SHMLOG_COLD_ int shmlog_attach_now_(struct shmlog *log)
{
    struct shmlog_later_ *const later = log->local.later;
    struct shmlog *fresh = SHMLOG_NULL_;
    char directory[4096];
    int r = shmlog_find_segment_(later->segment, directory, sizeof(directory));

    if (r == 0)
        r = shmlog_attach_(directory, &later->options, &fresh);
    shmlog_store_relaxed_(&later->error, r);
    if (r < 0)
        return r;
    snprintf(later->control, sizeof(later->control), "%.4080s/control", directory);
    shmlog_store_relaxed_(&log->local.clock, fresh->local.clock);
    /* pairs with the acquire of shmlog_current_() */
    shmlog_store_release_(&later->current, fresh);
    return 0;
}

int shmlog_poll(struct shmlog *log)
{
    struct shmlog_later_ *const later = log ? log->local.later : SHMLOG_NULL_;
    const uint32_t pid = (uint32_t)getpid();
    uint32_t busy = later ? shmlog_load_relaxed_(&later->busy) : pid;
    uint64_t missed;

    /* a forked child may have its parent's */
    if (busy == pid || !__atomic_compare_exchange_n(&later->busy, &busy, pid, 0, __ATOMIC_ACQUIRE,
                                                    __ATOMIC_RELAXED))
        return shmlog_status(log);
    if (later->current && shmlog_was_replaced_(later))
        shmlog_leave_segment_(later);
    if (later->current || shmlog_attach_now_(log) == 0) {
        shmlog_store_relaxed_(&log->control.level,
                              shmlog_load_relaxed_(&later->current->control.level));
        missed = __atomic_exchange_n(&later->missed, 0, __ATOMIC_RELAXED);
        __atomic_fetch_add(&later->current->control.lost[SHMLOG_LOST_NO_RING], missed,
                           __ATOMIC_RELAXED);
    }
    shmlog_store_release_(&later->busy, 0);
    return shmlog_status(log);
}

/* A log that stands for others; its own level is the lowest, so that each call is counted. */
SHMLOG_COLD_ int shmlog_make_later_(const char *segment, const struct shmlog_options *options,
                                    struct shmlog **ret_log)
{
    void *memory = SHMLOG_NULL_, *state = SHMLOG_NULL_;
    struct shmlog_later_ *later;
    size_t at = 0;
    int r = shmlog_map_(SHMLOG_NULL_, 3 * SHMLOG_PAGE_, SHMLOG_MAP_OWN_, -1, &memory);

    if (r == 0)
        r = shmlog_map_(SHMLOG_NULL_, sizeof(*later), SHMLOG_MAP_OWN_, -1, &state);
    if (r < 0) {
        if (memory)
            SHMLOG_SYS_(SYS_munmap, memory, 3 * SHMLOG_PAGE_);
        return r;
    }
    later = (struct shmlog_later_ *)state;
    /* it must not depend on where the process goes */
    if (strchr(segment, '/') && *segment != '/' && getcwd(later->segment, 3500)) {
        at = strlen(later->segment);
        later->segment[at++] = '/';
    }
    snprintf(later->segment + at, sizeof(later->segment) - at, "%s", segment);
    later->options = *options;
    if (options->process_name) {
        snprintf(later->process_name, sizeof(later->process_name), "%s", options->process_name);
        later->options.process_name = later->process_name;
    }
    *ret_log = (struct shmlog *)memory;
    (*ret_log)->local.control_size = SHMLOG_PAGE_;
    (*ret_log)->local.site_key = SHMLOG_NO_SEGMENT_;
    (*ret_log)->local.clock = SHMLOG_RSEQ_ ? SHMLOG_CLOCK_TSC : SHMLOG_CLOCK_MONOTONIC;
    (*ret_log)->local.later = later;
    return 0;
}

int shmlog_open(struct shmlog **ret_log, const char *segment, const struct shmlog_options *options)
{
    const uint32_t flags = options ? options->flags : 0;
    const int wait_ms = options ? options->wait_ms : 0;
    const uint64_t since = shmlog_monotonic_ns_();
    struct shmlog *log = SHMLOG_NULL_;
    char directory[4096];
    int r;

    *ret_log = SHMLOG_NULL_;
    if (flags & ~(SHMLOG_OPEN_PARTIAL | SHMLOG_OPEN_LATER | SHMLOG_OPEN_GUARD))
        return -EINVAL;
    r = shmlog_find_segment_(segment, directory, sizeof(directory));
    if (flags & SHMLOG_OPEN_LATER && (r == 0 || shmlog_may_come_(r))) {
        r = shmlog_make_later_(segment, options, &log);
        if (r < 0)
            return r;
    }
    for (;;) {
        if (log)
            r = shmlog_poll(log);
        else if (r == 0)
            r = shmlog_attach_(directory, options, ret_log);
        if (!shmlog_may_come_(r) || wait_ms == 0 ||
            (wait_ms > 0 && shmlog_monotonic_ns_() - since >= (uint64_t)wait_ms * 1000000u))
            break;
        shmlog_nap_(1000);
        if (!log)
            r = shmlog_find_segment_(segment, directory, sizeof(directory));
    }
    if (!log)
        return r;
    if (r < 0 && !shmlog_may_come_(r)) {
        shmlog_close(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

void shmlog_close(struct shmlog *log)
{
    struct shmlog_later_ *const later = log ? log->local.later : SHMLOG_NULL_;
    struct shmlog *const current = shmlog_current_(log);

    if (current) {
        shmlog_leave_(current);
        shmlog_unmap_(current);
    }
    if (!later)
        return;
    while (later->left) {
        struct shmlog *const left = later->left;

        later->left = left->local.next;
        shmlog_unmap_(left);
    }
    __atomic_fetch_add(&shmlog_unattached_, later->missed, __ATOMIC_RELAXED);
    SHMLOG_SYS_(SYS_munmap, later, sizeof(*later));
    shmlog_unmap_(log);
}

int shmlog_status(struct shmlog *log)
{
    int error;

    if (!log)
        return -EINVAL;
    if (shmlog_current_(log))
        return 0;
    error = shmlog_load_relaxed_(&log->local.later->error);
    return error ? error : -ENOENT; /* attached, and gone again, since we looked */
}

void shmlog_register_thread(struct shmlog *log)
{
    log = shmlog_current_(log);
    if (log)
        shmlog_register_(log, 0, log->local.geometry.producers_max);
}

int shmlog_set_level(struct shmlog *log, uint32_t level)
{
    struct shmlog *const current = shmlog_current_(log);

    if (!current || level > SHMLOG_OFF)
        return -EINVAL;
    if (shmlog_load_relaxed_(&current->control.rules)) {
        shmlog_store_relaxed_(&current->control.base_level, level);
        __atomic_fetch_add(&current->control.generation, 2, __ATOMIC_RELEASE);
        if (shmlog_load_relaxed_(&current->control.rules_level) < level)
            level = shmlog_load_relaxed_(&current->control.rules_level);
    }
    shmlog_store_relaxed_(&current->control.level, level);
    shmlog_store_relaxed_(&log->control.level, level);
    return 0;
}

uint64_t shmlog_lost(struct shmlog *log)
{
    uint64_t sum = 0;

    if (!log)
        return shmlog_load_relaxed_(&shmlog_unattached_);
    if (log->local.later)
        sum = shmlog_load_relaxed_(&log->local.later->missed);
    log = shmlog_current_(log);
    for (uint32_t cause = 0; log && cause < SHMLOG_LOST_CAUSES; cause++) {
        sum += shmlog_load_relaxed_(&log->control.lost[cause]);
        for (uint32_t i = 0; i < log->local.geometry.rings; i++)
            sum += shmlog_load_relaxed_(&shmlog_load_relaxed_(&log->local.ring[i])->lost[cause]);
    }
    return sum;
}

uint64_t shmlog_thread_lost(struct shmlog *log)
{
    const struct shmlog_thread_ *thread;

    log = shmlog_current_(log);
    if (!log || !log->key)
        return 0;
    thread = shmlog_state_(log);
    return (thread->key & ~UINT64_C(3)) == log->key ? shmlog_load_relaxed_(&thread->lost) : 0;
}
/* SPDX-License-Identifier: MIT
 *
 * What a call passes on its way to a ring: its site is registered, and the rules have it logged.
 * The word of a site says both for as long as the rules are as they were.
 */

/* Calls that do not log each time: whose turn it is. */
int shmlog_turn_(uint64_t *state, uint64_t n, unsigned long *ret_skipped)
{
    const uint64_t calls = __atomic_fetch_add(&state[0], 1, __ATOMIC_RELAXED);

    *ret_skipped = calls && n ? n - 1 : 0;
    return !n || calls % n == 0;
}

SHMLOG_STATIC_ int shmlog_due_ns_(uint64_t *state, uint64_t ns, unsigned long *ret_skipped)
{
    const uint64_t now = shmlog_monotonic_ns_();
    const uint64_t next = ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
    uint64_t due = shmlog_load_relaxed_(&state[1]);

    if (now < due || !__atomic_compare_exchange_n(&state[1], &due, next, 0, __ATOMIC_RELAXED,
                                                  __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&state[0], 1, __ATOMIC_RELAXED);
        return 0;
    }
    *ret_skipped = __atomic_exchange_n(&state[0], 0, __ATOMIC_RELAXED);
    return 1;
}
int shmlog_due_(uint64_t *state, uint64_t ms, unsigned long *ret_skipped)
{
    return shmlog_due_ns_(state, ms > UINT64_MAX / 1000000 ? UINT64_MAX : ms * 1000000,
                          ret_skipped);
}

/* Does a pattern, with * and ?, match all of a text? */
SHMLOG_COLD_ int shmlog_matches_(const char *pattern, const char *text)
{
    const char *star = SHMLOG_NULL_, *from = text;

    while (*text || *pattern == '*') {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return 0;
        }
    }
    return !*pattern;
}

/* Is the rule, a copy, for the site? */
SHMLOG_COLD_ int shmlog_rule_is_for_(const struct shmlog_rule *rule, const struct shmlog *log,
                                     const struct shmlog_site_ *site)
{
    const char *const slash = strrchr(site->file, '/');

    return (!*rule->process || shmlog_matches_(rule->process, log->local.process)) &&
           (!*rule->category || shmlog_matches_(rule->category, shmlog_string_(site, 2))) &&
           (!rule->line || rule->line == site->line) &&
           (!*rule->site || shmlog_matches_(rule->site, site->file) ||
            (slash && shmlog_matches_(rule->site, slash + 1)) ||
            shmlog_matches_(rule->site, site->function) ||
            shmlog_matches_(rule->site, shmlog_string_(site, 0)));
}

/* Note in the plan of a site what the rules say. Returns whether they leave calls out. Pieces of
 * text are not sampled. */
SHMLOG_COLD_ int shmlog_apply_rules_(const struct shmlog *log, const struct shmlog_site_ *site,
                                     struct shmlog_plan_ *plan)
{
    const uint32_t rules = shmlog_load_relaxed_(&log->control.rules);
    uint32_t level = rules ? shmlog_load_relaxed_(&log->control.base_level) : SHMLOG_TRACE;

    plan->one_in = 1;
    for (uint32_t i = 0; i < rules && i < SHMLOG_RULES_MAX; i++) {
        struct shmlog_rule rule = log->control.rule[i];

        rule.process[31] = rule.category[39] = rule.site[75] = 0;
        if (!shmlog_rule_is_for_(&rule, log, site))
            continue;
        level = rule.level <= SHMLOG_OFF ? rule.level : level;
        if (rule.one_in && !site->flags) {
            plan->one_in = rule.one_in;
            plan->gap_ns = rule.gap_ns;
        }
    }
    if (site->level < level)
        plan->one_in = 0;
    return plan->one_in != 1 || plan->gap_ns;
}

/* Is a call of a site whose calls are not all logged one of those that are? */
SHMLOG_STATIC_ int shmlog_is_sampled_(struct shmlog *log, struct shmlog_plan_ *plan,
                                      uint64_t records)
{
    const uint64_t one_in = shmlog_load_relaxed_(&plan->one_in);
    const uint64_t gap_ns = shmlog_load_relaxed_(&plan->gap_ns);
    const uint32_t cause = gap_ns ? SHMLOG_SKIPPED_GAP : SHMLOG_SKIPPED_ONE_IN;
    unsigned long before;

    if (!one_in)
        return 0;
    if (gap_ns ? shmlog_due_ns_(plan->turns, gap_ns, &before)
               : shmlog_turn_(plan->turns, one_in, &before))
        return 1;
    __atomic_fetch_add(&log->control.skipped[cause], records, __ATOMIC_RELAXED);
    return 0;
}

/* What the lower half of a site's word is while it may go straight: as long as it is of this
 * attachment, and the rules are as they were. Odd. */
SHMLOG_INLINE_ uint64_t shmlog_site_key_(const struct shmlog *log)
{
    return log->local.site_key ^ shmlog_load_relaxed_(&log->control.generation);
}

/* Returns the site's word with the lower half 0, or 1 where rules leave calls out. 0 or 1 in all:
 * there is no room for it in the table, and will be none, or the table is gone. Threads that
 * register the same site store the same. */
SHMLOG_COLD_ uint64_t shmlog_register_site_(struct shmlog *log, struct shmlog_site_ *site)
{
    /* acquire: the rules after it, pairs with the release of who changed them */
    const uint64_t key = log->local.site_key ^ shmlog_load_acquire_(&log->control.generation);
    union {
        struct shmlog_plan_ as_made;
        uint64_t words[sizeof(struct shmlog_plan_) / 8];
    } plan;
    struct shmlog_blob_ blob;
    uint64_t word = 1;
    uint32_t id;

    shmlog_describe_(&blob, site, (log->local.geometry.compatible & SHMLOG_COMPATIBLE_TEXT) != 0);
    id = shmlog_publish_(log, &blob);
    if (shmlog_control_gone_(log)) /* not to be kept for another log of the segment */
        return 0;
    if (id) {
        memset(&plan, 0, sizeof(plan));
        if (site->kind != SHMLOG_SITE_RAW)
            shmlog_plan_(&plan.as_made, shmlog_types_(site),
                         site->kind == SHMLOG_SITE_PRINTF ? shmlog_strings_(site) : "");
        word = (uint64_t)(id | 1u << SHMLOG_SITE_SLOTS_SHIFT) << 32 |
               (uint64_t)shmlog_apply_rules_(log, site, &plan.as_made);
        for (uint32_t i = 0; i < sizeof(plan) / 8; i++) /* another thread may store the same */
            shmlog_store_relaxed_(&((uint64_t *)(void *)&log->local.plans[id])[i], plan.words[i]);
    }
    /* release: the plan before it, pairs with the acquire of shmlog_find_site_() */
    shmlog_store_release_(&site->word, word ^ key);
    return word;
}

/* Where a call goes. */
struct shmlog_target_ {
    struct shmlog *log; /* NULL: nowhere; if it is lost by that, it is counted */
    uint64_t word;      /* of the site there */
};
/* `word`, with the key in it, is not that of a site whose calls are all logged. */
SHMLOG_STATIC_ struct shmlog *shmlog_settle_(struct shmlog *log, struct shmlog_site_ *site,
                                             uint64_t *word, uint64_t records)
{
    if ((uint32_t)*word > 1)
        *word = shmlog_register_site_(log, site);
    if (*word <= 1) {
        __atomic_fetch_add(&log->control.lost[SHMLOG_LOST_NO_SITE], records, __ATOMIC_RELAXED);
        __atomic_fetch_add(&shmlog_thread_(log)->lost, records, __ATOMIC_RELAXED);
        return SHMLOG_NULL_;
    }
    if (!(*word & 1))
        return log;
    *word ^= 1;
    return shmlog_is_sampled_(log, &log->local.plans[*word >> 32 & SHMLOG_SITE_ID_MASK], records)
               ? log
               : SHMLOG_NULL_;
}
/* The site's word is not that of one which goes straight, or the log stands for others. */
SHMLOG_STATIC_ struct shmlog_target_ shmlog_find_site_(struct shmlog *log,
                                                       struct shmlog_site_ *site, uint64_t records)
{
    struct shmlog_target_ to;

    to.log = shmlog_current_(log);
    to.word = 0;
    if (!to.log) {
        shmlog_miss_(log, records);
        return to;
    }
    to.word = shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(to.log);
    if (SHMLOG_UNLIKELY_((uint32_t)to.word != 0))
        to.log = shmlog_settle_(to.log, site, &to.word, records);
    return to;
}
SHMLOG_INLINE_ struct shmlog_target_ shmlog_target_(struct shmlog *log, struct shmlog_site_ *site,
                                                    uint64_t records)
{
    struct shmlog_target_ to;

    to.log = log;
    /* pairs with the release of shmlog_register_site_() */
    to.word = shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(log);
    if (SHMLOG_UNLIKELY_((uint32_t)to.word != 0))
        to = shmlog_find_site_(log, site, records);
    return to;
}
/* SPDX-License-Identifier: MIT
 *
 * What a log call calls: one of four words goes straight into the ring of its core, all else by an
 * image of its slots on the stack.
 */

/* ---- Images ---- */

/* Copy into the payload of an image, over its slots' boundaries. */
SHMLOG_INLINE_ void shmlog_image_put_(struct shmlog_slot *image, uint32_t offset, const void *data,
                                      size_t size)
{
    const uint8_t *from = (const uint8_t *)data;

    for (;;) {
        const uint32_t at = offset % SHMLOG_SLOT_PAYLOAD;
        const size_t part = size < SHMLOG_SLOT_PAYLOAD - at ? size : SHMLOG_SLOT_PAYLOAD - at;

        memcpy(&image[offset / SHMLOG_SLOT_PAYLOAD].payload[at], from, part);
        if (part == size)
            return;
        offset += (uint32_t)part;
        from += part;
        size -= part;
    }
}

/* The fixed area, and zeros behind it up to the end of a slot. No word lies over a boundary. */
SHMLOG_INLINE_ void shmlog_image_words_(struct shmlog_slot *image, const uint64_t *words,
                                        uint32_t count)
{
    uint32_t i = 0, at = 1; /* the payload's first word is the time */

    for (uint32_t slot = 0; i < count || !slot; slot++, at = 0)
        for (; at < 7; at++, i++)
            shmlog_store_relaxed_((uint64_t *)(void *)&image[slot].payload[8 * at],
                                  i < count ? words[i] : 0);
}

/* Fill in the heads of a record's slots; `end`: payload bytes used. How many slots there are. */
SHMLOG_INLINE_ uint32_t shmlog_image_head_(struct shmlog_slot *image, uint32_t end, uint64_t word,
                                           const struct shmlog_thread_ *thread,
                                           const uint64_t *ticks)
{
    const uint32_t slots = (end + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;

    for (uint32_t i = 0; i < slots; i++)
        image[i].site = (uint32_t)(word >> 32) & SHMLOG_SITE_ID_MASK;
    image[0].site |= slots << SHMLOG_SITE_SLOTS_SHIFT;
    memcpy(image[0].payload + SHMLOG_PAYLOAD_PRODUCER, &thread->producer, sizeof(uint32_t));
    if (ticks)
        memcpy(image[0].payload + SHMLOG_PAYLOAD_TIME, ticks, sizeof(*ticks));
    return slots;
}

SHMLOG_INLINE_ int shmlog_flags_(const struct shmlog_site_ *site, const uint64_t *ticks)
{
    return (site->level >= SHMLOG_SEVERE ? SHMLOG_SEVERE_ : 0) | (ticks ? SHMLOG_TIMED_ : 0);
}

SHMLOG_STATIC_ void shmlog_put_image_(struct shmlog_target_ to, const struct shmlog_site_ *site,
                                      struct shmlog_slot *image, uint32_t end,
                                      const uint64_t *ticks)
{
    struct shmlog_thread_ *const thread = shmlog_thread_(to.log);
    const uint32_t slots = shmlog_image_head_(image, end, to.word, thread, ticks);

    shmlog_commit_(to.log, thread, image, slots, shmlog_flags_(site, ticks));
}

/* ---- Calls without strings ---- */

/* One slot, of six words, that cannot go straight. */
SHMLOG_STATIC_ void shmlog_put_slot_(struct shmlog_target_ to, const struct shmlog_site_ *site,
                                     const uint64_t *words, const uint64_t *ticks)
{
    struct shmlog_slot image __attribute__((aligned(8)));

    for (uint32_t i = 0; i < 6; i++) /* in single stores, which are loaded again as such */
        shmlog_store_relaxed_((uint64_t *)(void *)&image.payload[8 + 8 * i], words[i]);
    shmlog_put_image_(to, site, &image, SHMLOG_SLOT_PAYLOAD, ticks);
}

#if SHMLOG_RSEQ_
/* `commit_`, a sequence of its own, is tried where nothing is in the way. `word_` is the site's,
 * with the log's key; `log` and `site` are in scope. */
#define SHMLOG_GOES_STRAIGHT_(word_, commit_)                                                   \
    const struct shmlog_thread_ *const thread = shmlog_state_(log);                             \
    const uint64_t word = word_;                                                                \
                                                                                                \
    if (SHMLOG_LIKELY_((uint32_t)word == 0 && thread->key == shmlog_load_relaxed_(&log->key) && \
                       !(site->level >= SHMLOG_SEVERE && log->local.severe_rings)) &&           \
        SHMLOG_LIKELY_(commit_))                                                                \
    return
#else
#define SHMLOG_GOES_STRAIGHT_(word_, commit_)
#endif

/* A slot; the log is that of an attachment. */
SHMLOG_INLINE_ void shmlog_put_six_to_(struct shmlog_target_ to, struct shmlog_site_ *site,
                                       uint64_t *words, const uint64_t *ticks)
{
    struct shmlog *const log = to.log;

    SHMLOG_GOES_STRAIGHT_(to.word, (words[0] |= thread->producer, ticks)
                                       ? shmlog_commit_six_at_(log, thread, word, words, *ticks)
                                       : shmlog_commit_six_(log, thread, word, words));
    shmlog_put_slot_(to, site, words, ticks);
}
SHMLOG_STATIC_ void shmlog_put_six_(struct shmlog *log, struct shmlog_site_ *site, uint64_t *words,
                                    const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, site, 1);

    if (to.log)
        shmlog_put_six_to_(to, site, words, ticks);
}

/* What cannot go straight; so the others need no place on the stack. */
SHMLOG_STATIC_ void shmlog_put4_anyhow_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0,
                                        uint64_t w1, uint64_t w2, uint64_t w3)
{
    uint64_t words[6] = {w0, w1, w2, w3, 0, 0};

    shmlog_put_six_(log, site, words, SHMLOG_NULL_);
}
SHMLOG_STATIC_ void shmlog_put4_at_anyhow_(struct shmlog *log, struct shmlog_site_ *site,
                                           uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3,
                                           uint64_t ticks)
{
    uint64_t words[6] = {w0, w1, w2, w3, 0, 0};

    shmlog_put_six_(log, site, words, &ticks);
}
void shmlog_put4_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0, uint64_t w1,
                  uint64_t w2, uint64_t w3)
{
    SHMLOG_GOES_STRAIGHT_(shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(log),
                          shmlog_commit_four_(log, thread, word, w0 | thread->producer, w1, w2,
                                              w3));
    shmlog_put4_anyhow_(log, site, w0, w1, w2, w3);
}
void shmlog_put4_at_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0, uint64_t w1,
                     uint64_t w2, uint64_t w3, uint64_t ticks)
{
    SHMLOG_GOES_STRAIGHT_(shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(log),
                          shmlog_commit_four_at_(log, thread, word, w0 | thread->producer, w1, w2,
                                                 w3, ticks));
    shmlog_put4_at_anyhow_(log, site, w0, w1, w2, w3, ticks);
}

SHMLOG_STATIC_ void shmlog_put_many_(struct shmlog *log, struct shmlog_site_ *site,
                                     const uint64_t *words, uint32_t count, const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, site, 1);
    struct shmlog_slot image[(8 + 8 * (SHMLOG_ARGS_MAX + 1)) / SHMLOG_SLOT_PAYLOAD + 1]
        __attribute__((aligned(8)));

    if (!to.log)
        return;
    shmlog_image_words_(image, words, count);
    shmlog_put_image_(to, site, image, 8 + 8 * count, ticks);
}

void shmlog_put_words_(struct shmlog *log, struct shmlog_site_ *site, uint64_t *words,
                       uint32_t count, const uint64_t *ticks)
{
    if (count == 6)
        shmlog_put_six_(log, site, words, ticks);
    else
        shmlog_put_many_(log, site, words, count, ticks);
}

/* ---- Calls with strings ---- */

/* A char * under %p: as printf() writes it. */
SHMLOG_COLD_ struct shmlog_text_value shmlog_address_(const void *address, char *buffer)
{
    char *p = buffer + 18;

    if (!address)
        return shmlog_text("(nil)", 5);
    for (uintptr_t rest = (uintptr_t)address; rest; rest >>= 4)
        *--p = "0123456789abcdef"[rest & 15];
    *--p = 'x';
    *--p = '0';
    return shmlog_text(p, (size_t)(buffer + 18 - p));
}

/* Put texts behind the fixed area, all in one slot; 0: they do not fit, or are not just that. */
SHMLOG_INLINE_ int shmlog_texts_fit_(const struct shmlog_plan_ *plan, uint64_t *words,
                                     const struct shmlog_text_value *texts)
{
    uint8_t *const payload = (uint8_t *)words - 8; /* where the first word has its place */
    const uint32_t count = shmlog_load_relaxed_(&plan->count);
    uint32_t end = shmlog_load_relaxed_(&plan->end);

    for (uint32_t i = 0; i < count; i++) {
        const char *const text = texts[i].data;
        uint32_t n = 0, room = SHMLOG_SLOT_PAYLOAD - end;

        if (!text || shmlog_load_relaxed_(&plan->text[i].limit) != SHMLOG_NO_LIMIT_ ||
            shmlog_load_relaxed_(&plan->text[i].precision_at))
            return 0;
        if (texts[i].size != SHMLOG_TO_NUL_) {
            if (texts[i].size > room)
                return 0;
            n = (uint32_t)texts[i].size;
            memcpy(payload + end, text, n);
        } else { /* mostly short: two calls of libc would take longer */
            while (n < room && text[n]) {
                payload[end + n] = (uint8_t)text[n];
                n++;
            }
            if (n == room && text[n])
                return 0;
        }
        memcpy(payload + shmlog_load_relaxed_(&plan->text[i].at), &n, sizeof(n));
        end += n;
    }
    return 1;
}

/* The same however long they are, and by the format. Returns where the payload ends. */
SHMLOG_STATIC_ uint32_t shmlog_image_texts_(struct shmlog_slot *image,
                                            const struct shmlog_plan_ *plan, const uint64_t *words,
                                            uint32_t count, const struct shmlog_text_value *texts)
{
    const uint32_t zeroed = (count + 7) / 7 * SHMLOG_SLOT_PAYLOAD; /* by shmlog_image_words_() */
    uint32_t end = shmlog_load_relaxed_(&plan->end);
    char hex[18];

    shmlog_image_words_(image, words, count);
    for (uint32_t i = 0; i < shmlog_load_relaxed_(&plan->count); i++) {
        const uint32_t limit = shmlog_load_relaxed_(&plan->text[i].limit);
        const uint32_t precision_at = shmlog_load_relaxed_(&plan->text[i].precision_at);
        const size_t room = SHMLOG_RECORD_PAYLOAD - end;
        struct shmlog_text_value text = texts[i];
        uint32_t length = SHMLOG_LENGTH_NULL, kept;

        if (limit == SHMLOG_ADDRESS_ && text.size == SHMLOG_TO_NUL_)
            text = shmlog_address_(text.data, hex);
        if (text.data || !text.size) {
            if (text.size == SHMLOG_TO_NUL_) {
                size_t most = limit < room ? limit : room + 1;
                const char *nul;

                if (precision_at) {
                    const int32_t precision =
                        (int32_t)(words[precision_at / 8 - 1] >> precision_at % 8 * 8);

                    if (precision >= 0 && (size_t)precision < most)
                        most = (size_t)precision;
                }
                nul = (const char *)memchr(text.data, 0, most);
                text.size = nul ? (size_t)(nul - text.data) : most;
            }
            kept = (uint32_t)(text.size > room ? room : text.size);
            length = text.size > room ? kept | SHMLOG_LENGTH_CUT : kept;
            if (kept)
                shmlog_image_put_(image, end, text.data, kept);
            end += kept;
        }
        shmlog_image_put_(image, shmlog_load_relaxed_(&plan->text[i].at), &length, sizeof(length));
    }
    if (end > zeroed && end % SHMLOG_SLOT_PAYLOAD)
        memset(&image[end / SHMLOG_SLOT_PAYLOAD].payload[end % SHMLOG_SLOT_PAYLOAD], 0,
               SHMLOG_SLOT_PAYLOAD - end % SHMLOG_SLOT_PAYLOAD);
    return end;
}

SHMLOG_STATIC_ void shmlog_put_long_(struct shmlog_target_ to, const struct shmlog_site_ *site,
                                     const struct shmlog_plan_ *plan, const uint64_t *words,
                                     uint32_t count, const struct shmlog_text_value *texts,
                                     const uint64_t *ticks)
{
    struct shmlog_slot image[SHMLOG_RECORD_SLOTS] __attribute__((aligned(8)));
    const uint32_t end = shmlog_image_texts_(image, plan, words, count, texts);

    shmlog_put_image_(to, site, image, end, ticks);
}

void shmlog_put_texts_(struct shmlog *log, struct shmlog_site_ *site, uint64_t *words,
                       uint32_t count, const struct shmlog_text_value *texts, const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, site, 1);
    const struct shmlog_plan_ *plan;

    if (SHMLOG_UNLIKELY_(!to.log))
        return;
    plan = &to.log->local.plans[(to.word >> 32) & SHMLOG_SITE_ID_MASK];
    if (count == 6 && SHMLOG_LIKELY_(shmlog_texts_fit_(plan, words, texts)))
        shmlog_put_six_to_(to, site, words, ticks);
    else
        shmlog_put_long_(to, site, plan, words, count, texts, ticks);
}

/* ---- Raw records ---- */

SHMLOG_STATIC_ void shmlog_put_batch_(struct shmlog *log, struct shmlog_record_site_ *record,
                                      const void *data, size_t count, const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, &record->site, count);
    const uint32_t end = SHMLOG_PAYLOAD_RAW + record->size;
    const uint32_t slots = (end + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
    const int flags = shmlog_flags_(&record->site, ticks);
    struct shmlog_slot image[SHMLOG_RECORD_SLOTS];
    struct shmlog_thread_ *thread;

    if (!to.log)
        return;
    thread = shmlog_thread_(to.log);
    for (size_t done = 0, some; done < count; done += some) {
        some =
            count - done < SHMLOG_RECORD_SLOTS / slots ? count - done : SHMLOG_RECORD_SLOTS / slots;
        for (size_t i = 0; i < some; i++) {
            struct shmlog_slot *const at = image + i * slots;

            memset(at[slots - 1].payload, 0, SHMLOG_SLOT_PAYLOAD);
            memset(at[0].payload + SHMLOG_PAYLOAD_ARGS, 0, 4);
            shmlog_image_put_(at, SHMLOG_PAYLOAD_RAW,
                              (const uint8_t *)data + (done + i) * record->size, record->size);
            shmlog_image_head_(at, end, to.word, thread, ticks ? &ticks[done + i] : ticks);
        }
        if (some > 1 &&
            shmlog_commit_(to.log, thread, image, (uint32_t)some * slots, flags | SHMLOG_TRY_))
            continue;
        for (size_t i = 0; i < some; i++) /* each is committed, or lost and counted, by itself */
            shmlog_commit_(to.log, thread, image + i * slots, slots, flags);
    }
}

void shmlog_put_records_(struct shmlog *log, struct shmlog_record_site_ *record, const void *data,
                         size_t count, const uint64_t *ticks)
{
    uint64_t words[6] = {0, 0, 0, 0, 0, 0};

    if (count == 1 && record->size <= sizeof(words) - 8) {
        memcpy(words + 1, data, record->size);
        shmlog_put_six_(log, &record->site, words, ticks);
    } else {
        shmlog_put_batch_(log, record, data, count, ticks);
    }
}
/* SPDX-License-Identifier: MIT
 *
 * Texts of errors.
 */

/* Both layout versions, and what to do. */
SHMLOG_COLD_ const char *shmlog_version_text_(const char *advice)
{
    static __thread char text[128];

    snprintf(text, sizeof(text), "the segment has layout version %u, this program version %u%s",
             shmlog_load_relaxed_(&shmlog_refused_version_), SHMLOG_LAYOUT_VERSION, advice);
    return text;
}

const char *shmlog_strerror(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return "success";
    case ENOENT:
        return "no such segment: is shmlog-collector running, and $SHMLOG_DIR the same?";
    case EACCES:
    case EPERM:
        return "permission denied: run as the segment's user, or as a member of the group that its "
               "shmlog-collector names with --group; the runtime folder must belong to this user "
               "or root, and nobody else may write to it";
    case ENOMEM:
        return "out of memory or address space (ulimit -v): all rings of the segment are mapped";
    case EAGAIN:
        return "a limit on locked memory (ulimit -l)";
    case EINVAL:
        return "not a segment's name: up to 63 letters, digits, '.', '_' and '-', beginning with "
               "neither '.' nor '-', or a path that ends in such a name; or a flag of "
               "shmlog_open() that this version does not have";
    case EMFILE:
        return "too many open files (ulimit -n), or a program is attached to four segments already";
    case ENAMETOOLONG:
        return "the segment's path is too long";
    case SHMLOG_ERR_FOREIGN:
        return "not a shmlog segment";
    case SHMLOG_ERR_OLDER:
        return shmlog_version_text_(": restart its collector, of this version");
    case SHMLOG_ERR_NEWER:
        return shmlog_load_relaxed_(&shmlog_refused_version_) == SHMLOG_LAYOUT_VERSION
                   ? "the segment has features that this program does not know: rebuild the program"
                   : shmlog_version_text_(": rebuild the program");
    case SHMLOG_ERR_GEOMETRY:
        return "the segment is damaged: its sizes do not add up";
    case SHMLOG_ERR_UNFINISHED:
        return "the segment is not finished: its collector is starting, or died doing so";
    case SHMLOG_ERR_CLOSED:
        return "the segment is being removed by its collector";
    case SHMLOG_ERR_NO_RINGS:
        return "none of the segment's rings can be mapped: its ring files are missing, cut short "
               "or another user's; restart its collector";
    case SHMLOG_ERR_RINGS:
        return "some of the segment's ring files are missing, cut short or another user's: restart "
               "its collector, or open with SHMLOG_OPEN_PARTIAL to go on without them";
    default:
        return strerror(error < 0 ? -error : error);
    }
}
#endif /* SHMLOG_IMPLEMENTATION */
