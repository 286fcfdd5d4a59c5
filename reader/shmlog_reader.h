/* SPDX-License-Identifier: MIT
 *
 * shmlog_reader.h - read what was logged by shmlog: a live segment, log files, directories of them.
 * shmlog_reader(3) has the same with examples.
 *
 *     struct shmlog_reader_options options = {.where = "level >= warn && order_id == 12345"};
 *     const struct shmlog_reader_record *record;
 *     struct shmlog_reader *reader;
 *     char message[256];
 *     int r = shmlog_reader_open(&reader, (const char *const[]){"/var/log/shmlog"}, 1, &options,
 *                                message, sizeof(message));
 *     if (r < 0)
 *         errx(1, "%s", message);
 *     while ((r = shmlog_reader_next(reader, &record)) > 0)
 *         printf("%lld %s\n", (long long)record->time_ns, shmlog_reader_message(reader, NULL));
 *     shmlog_reader_close(reader);
 *
 * Records come in the order of time, of all rings and segments; a long text that was logged in
 * parts comes as one record. Whatever the files and segments hold, a reader does not crash, and its
 * memory is bounded: damage is told and costs what is damaged.
 *
 * A reader belongs to one thread at a time; several readers do not disturb each other. Nothing here
 * is for signal handlers. The library prints nothing and ends no process. Reading a live segment
 * installs a handler of SIGBUS, which is for files of the segment that are cut short and passes
 * others on to the handler before it.
 */
#ifndef SHMLOG_READER_H
#define SHMLOG_READER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shmlog_reader;

/* Go on with new records: a segment, from what its collector has not taken on, or, with since_ns,
 * from all that is there, and the next one of its name when it is gone; files and directories while
 * they are written. */
#define SHMLOG_READER_FOLLOW 1u

/* What a reader tells beside records. */
#define SHMLOG_READER_DAMAGE 1 /* something cannot be read */
#define SHMLOG_READER_LOST 2   /* `records` were lost on their way to the files, and why */
#define SHMLOG_READER_MISSED 3 /* live: `records` were overwritten before this reader came */
#define SHMLOG_READER_CHANGE 4 /* a segment is gone, waited for, or there */
#define SHMLOG_READER_NO_FIELD \
    5 /* no record passed, and none has a field that the condition names */

struct shmlog_reader_notice {
    int kind;         /* SHMLOG_READER_DAMAGE .. */
    const char *text; /* one line, good until the callback returns */
    uint64_t records; /* LOST, MISSED */
};

/* Zero it, and set what differs. */
struct shmlog_reader_options {
    uint32_t flags;     /* SHMLOG_READER_FOLLOW */
    uint32_t min_level; /* 0 trace .. 5 critical */
    int64_t since_ns;   /* CLOCK_REALTIME; 0: no bound */
    int64_t until_ns;   /* the last one; 0: no bound */
    const char *where;  /* a condition, see shmlog-query(7); NULL: all records */
    /* Files: the text that shmlog_reader_position() gave, to go on from there; "" to begin with all
     * records. NULL: there is no position. */
    const char *position;
    void (*notice)(void *arg, const struct shmlog_reader_notice *notice); /* NULL: nobody listens */
    void *arg;
};

/* What is known of a record beside its values. Strings are "" where they are not known. All of it
 * is good until the reader's next call of shmlog_reader_next(). */
struct shmlog_reader_record {
    int64_t time_ns; /* CLOCK_REALTIME */
    uint64_t seq;    /* within its ring */
    uint32_t ring;
    int32_t cpu; /* -1: a shared ring's */
    uint32_t pid, tid;
    uint32_t level; /* 0 trace .. 5 critical */
    uint32_t line;
    const char *level_name, *category, *file, *function;
    const char *site; /* its format, or the name of the event */
    const char *process, *thread, *host, *segment;
    uint32_t parts; /* records that it was logged in */
    uint32_t flags; /* SHMLOG_READER_CUT .. */
};
#define SHMLOG_READER_CUT 1u        /* a string was cut to fit */
#define SHMLOG_READER_UNFINISHED 2u /* the end of a long text never came */
#define SHMLOG_READER_BAD 4u        /* the values do not fit the site */

/* Kinds of values. */
#define SHMLOG_READER_NULL 0 /* a NULL string */
#define SHMLOG_READER_INT 1
#define SHMLOG_READER_UINT 2
#define SHMLOG_READER_DOUBLE 3
#define SHMLOG_READER_BOOL 4    /* in `u` */
#define SHMLOG_READER_CHAR 5    /* in `i` */
#define SHMLOG_READER_POINTER 6 /* in `u` */
#define SHMLOG_READER_STRING 7  /* any bytes, no NUL at the end */
#define SHMLOG_READER_BYTES 8

struct shmlog_reader_value {
    const char *name;
    int kind;
    union {
        int64_t i;
        uint64_t u;
        double f;
    };
    const char *data; /* STRING, BYTES */
    size_t size;
};

/* Open what the paths stand for: the name or path of one segment, or files and directories of them.
 * `options` may be NULL. What it points to is copied.
 *
 * Returns 0 and *ret_reader; a negative errno with one line in `message` (may be NULL): -ENOENT
 * nothing there, -EINVAL a mistake in the condition (the line says the column) or the position,
 * -EACCES, -ENOMEM and others of the system. Cost: of files, their indexes are read. */
int shmlog_reader_open(struct shmlog_reader **ret_reader, const char *const *paths, size_t count,
                       const struct shmlog_reader_options *options, char *message,
                       size_t message_size);
/* NULL is fine. */
void shmlog_reader_close(struct shmlog_reader *reader);

/* Returns 1 and *ret_record; 0 at the end; -EAGAIN if there is none for now, after a pause of up to
 * 50 ms (FOLLOW): call again; another negative errno ends reading. Cost: some hundred nanoseconds;
 * the values, the message and JSON are made when they are asked for. */
int shmlog_reader_next(struct shmlog_reader *reader,
                       const struct shmlog_reader_record **ret_record);

/* Of the record that shmlog_reader_next() gave last, good until its next call: */

/* Returns its values, *ret_count of them; NULL and 0 if it has none. */
const struct shmlog_reader_value *shmlog_reader_values(struct shmlog_reader *reader,
                                                       size_t *ret_count);
/* Returns its text, as the program would have printed it, with a NUL behind; it may hold any byte.
 * `ret_size` may be NULL. NULL: no memory. */
const char *shmlog_reader_message(struct shmlog_reader *reader, size_t *ret_size);
/* Returns one JSON object, as a line of shmlog-dump --format json, without a newline. NULL: no
 * memory. */
const char *shmlog_reader_json(struct shmlog_reader *reader, size_t *ret_size);

/* The Arrow C data interface, as arrow.apache.org/docs/format/CDataInterface.html defines it. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *schema);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *array);
    void *private_data;
};
#endif

/* The next records as columns: up to `max` of those whose site matches `site`, a pattern as for
 * shmlog-dump --site; NULL: of all. `fields` is a list as for --fields, in which `fields` stands
 * for a column for each argument; NULL: "time_ns,level,site,process,thread,pid,tid,fields".
 *
 * Returns how many there are, in a struct array that is to be released; 0 at the end, with nothing
 * to be released; -EAGAIN if there are none for now (FOLLOW); -EINVAL a field that there is not;
 * -ENOMEM; others of reading. Memory: the columns, twice for a moment. */
int64_t shmlog_reader_arrow(struct shmlog_reader *reader, const char *site, const char *fields,
                            size_t max, struct ArrowSchema *ret_schema,
                            struct ArrowArray *ret_array);

/* The position behind the record that was given last, with `position` in the options: a text of
 * some lines, to be freed with free(). Kept together with what was made of the records, by one
 * write or one transaction, it lets a reader that begins again go on exactly there, after any kill.
 * Returns 0; -EINVAL without a position; -ENOMEM. */
int shmlog_reader_position(struct shmlog_reader *reader, char **ret_text);

/* A condition, to be asked of records of any reader; the reader's own (`where`) is better where all
 * records have to pass it, since it skips what cannot. One thread at a time. */
struct shmlog_query;
/* `now` in the condition is the time of the call. Returns 0 and *ret_query; -EINVAL with a line in
 * `message` (may be NULL) that says the column; -ENOMEM. */
int shmlog_query_compile(struct shmlog_query **ret_query, const char *where, char *message,
                         size_t message_size);
/* Returns whether the record that shmlog_reader_next() gave last passes. */
int shmlog_query_passes(struct shmlog_query *query, struct shmlog_reader *reader);
void shmlog_query_close(struct shmlog_query *query); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
