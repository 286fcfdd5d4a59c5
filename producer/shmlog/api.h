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
