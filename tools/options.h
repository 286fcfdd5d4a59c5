/* SPDX-License-Identifier: MIT
 *
 * The command line of shmlog-dump. One table makes the parser and --help; a test holds the man page
 * to it.
 */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include "tools/cursor.h"
#include "tools/filter.h"
#include "tools/print.h"

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

struct options {
    enum mode mode;
    unsigned show;
    uint32_t set_level;
    enum print_format format;
    bool format_given;
    struct cursor_options cursor; /* bounds and follow */
    struct filter filter;
    struct field_list fields; /* chosen ones; empty: all */
    struct field_list count_by;
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
