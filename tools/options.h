/* SPDX-License-Identifier: MIT
 *
 * The command line of shmlog-dump. One table makes the parser and --help; a test holds the man page
 * to it.
 *
 * Rules for all options: one that does not belong to what is to be done is a mistake; lists may be
 * given several times, and add up; of other options given several times, the last one counts; no
 * value is empty.
 */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include "reader/cursor.h"
#include "reader/filter.h"
#include "tools/rows.h"

enum mode {
    MODE_RECORDS,
    MODE_INFO,
    MODE_HEALTH,
    MODE_VERIFY,
    MODE_SET_LEVEL,
    MODE_HELP,
    MODE_VERSION
};

/* Parts of --info. */
#define SHOW_SEGMENT 1u
#define SHOW_RINGS 2u
#define SHOW_PRODUCERS 4u
#define SHOW_SITES 8u
#define SHOW_COLLECTOR 16u
#define SHOW_ALL 31u

#define FOR_RECORDS (1u << MODE_RECORDS)
#define FOR_INFO (1u << MODE_INFO)
#define FOR_HEALTH (1u << MODE_HEALTH)
#define FOR_VERIFY (1u << MODE_VERIFY)
#define FOR_SET_LEVEL (1u << MODE_SET_LEVEL)

enum option_kind {
    OPTION_ACTION, /* says what is to be done; without one: records */
    OPTION_PART,   /* --info, and what of it */
    OPTION_FLAG,
    OPTION_VALUE,
    OPTION_PAIR, /* two values */
    OPTION_LIST,
};

struct option_row {
    int id;
    char letter;
    const char *name;
    const char *argument; /* NULL: none */
    enum option_kind kind;
    unsigned modes;    /* FOR_*: what it belongs to */
    const char *wants; /* of an argument: what it must be; NULL: there is more to say than that */
    const char *help;
};
extern const struct option_row options_table[];
extern const size_t options_table_size;

struct options {
    enum mode mode;
    unsigned show;
    uint32_t set_level;
    enum print_format format;
    struct cursor_options cursor; /* bounds and follow */
    struct filter filter;
    struct field_list fields; /* chosen ones; empty: all */
    struct field_list count_by, stats, by;
    const char *where; /* the text of filter.where */
    bool traced;
    uint64_t trace;                        /* one trace is asked for */
    const char *latency_from, *latency_to; /* NULL: not asked for */
    uint64_t tail, context;                /* 0: not asked for */
    const char *position_file;             /* NULL: none */
    bool limited;
    uint64_t limit;
    const char *const *paths;
    size_t path_count;
};

/* 0, or -EINVAL with one line in ret_message: what is wrong. options_done() in either case. */
int options_parse(int argc, char **argv, int64_t now_ns, struct options *ret_options,
                  char *ret_message, size_t message_size);
void options_done(struct options *options);
void options_print_help(FILE *out);

#endif
