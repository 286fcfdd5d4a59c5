/* SPDX-License-Identifier: MIT
 *
 * The fields of a line by name: for --fields, --count-by and the keys of JSON and CSV.
 */
#ifndef READER_FIELD_H
#define READER_FIELD_H

#include "reader/line.h"

/* X(NAME, "name"): in the order in which JSON and CSV have them */
#define FIELDS(X)           \
    X(TIME_NS, "time_ns")   \
    X(LEVEL, "level")       \
    X(SITE, "site")         \
    X(CATEGORY, "category") \
    X(FILE, "file")         \
    X(LINE, "line")         \
    X(FUNCTION, "function") \
    X(PID, "pid")           \
    X(TID, "tid")           \
    X(PROCESS, "process")   \
    X(THREAD, "thread")     \
    X(CPU, "cpu")           \
    X(RING, "ring")         \
    X(SEQ, "seq")           \
    X(MESSAGE, "message")   \
    X(FIELDS, "fields")     \
    X(HOST, "host")         \
    X(SEGMENT, "segment")

enum field_id {
#define X(id, name) FIELD_##id,
    FIELDS(X)
#undef X
        FIELD_ALL,          /* number of those above */
    FIELD_TIME = FIELD_ALL, /* the time for people */
    FIELD_ARGUMENT,         /* fields.NAME: one argument */
};

struct field {
    enum field_id id;
    const char *name;     /* as given: the key */
    const char *argument; /* ARGUMENT: its name, in `name`, which the list owns */
    int64_t step_ns;      /* TIME, as `time:1m`: rounded down to it; 0: as it is */
};

#define FIELD_LIST_MAX 64
struct field_list {
    struct field field[FIELD_LIST_MAX];
    size_t count;
};

/* All fields that JSON and CSV have by default. */
void field_list_all(struct field_list *ret_list);
/* Add those of a `LIST`, names with commas between, to a list that is zero at first. -EINVAL:
 * ret_message says which one is unknown, or there already; -ENOMEM. */
int field_list_add(struct field_list *list, const char *string, char *ret_message,
                   size_t message_size);
void field_list_done(struct field_list *list);

/* The same, and a name that is none of those above is that of an argument. */
int field_list_add_arguments(struct field_list *list, const char *string, char *ret_message,
                             size_t message_size);
/* Is its value the same for all records of a site, a producer, or a place? */
bool field_is_of(const struct field *field, enum memo_of *ret_of);

/* What kind of value a line has in the field. */
enum field_kind {
    FIELD_NONE,   /* it has none: null in JSON, empty elsewhere */
    FIELD_NUMBER, /* appended to `out` as digits */
    FIELD_STRING, /* appended to `out` as it is, unescaped */
    FIELD_JSON,   /* appended to `out` as JSON */
    FIELD_VALUE,  /* an argument: see *ret_value */
};
/* The time of a line as the field has it. */
int64_t field_time(const struct field *field, const struct line *line);
/* Is its value a whole number without a sign, but for time_ns? */
bool field_is_number(enum field_id id);
/* Its value as a number; false: it is none, or there is none. */
bool field_number(const struct field *field, struct line *line, double *ret_number);
enum field_kind field_get(const struct field *field, struct line *line, struct text *out,
                          const struct file_value **ret_value, bool *invalid);

#endif
