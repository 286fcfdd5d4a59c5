/* SPDX-License-Identifier: MIT
 *
 * The command line of shmlog-dump.
 */
#include "tools/options.h"
#include "tools/level.h"
#include "tools/when.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* X(ID, letter or 0, "name", "ARGUMENT" or NULL, "help") in the order of --help. */
#define OPTIONS(X)                                                                                \
    X(FORMAT, 'f', "format", "FORMAT", "text (default), json (a line each) or csv")               \
    X(FIELDS, 'F', "fields", "LIST", "print these fields only: names with commas between")        \
    X(SINCE, 'S', "since", "TIME", "records from then on: 2026-11-21T02:09:10.5, @SECONDS, -10m") \
    X(UNTIL, 'U', "until", "TIME", "records up to then")                                          \
    X(LEVEL, 'l', "level", "LEVEL", "records of this level and above")                            \
    X(CATEGORY, 'c', "category", "GLOB", "records of matching categories")                        \
    X(SITE, 's', "site", "GLOB", "records of sites by format, function, FILE, FILE:LINE or id")   \
    X(PID, 'p', "pid", "LIST", "records of these processes, as 7 or 0-3,8")                       \
    X(TID, 't', "tid", "LIST", "records of these threads")                                        \
    X(CPU, 'C', "cpu", "LIST", "records from the rings of these cores")                           \
    X(GREP, 'g', "grep", "REGEX", "records whose message matches this extended regex")            \
    X(COUNT_BY, 'b', "count-by", "FIELD", "no records, but how many there are by this field")     \
    X(FOLLOW, 0, "follow", NULL, "go on with new records of a segment until it is gone")          \
    X(LIMIT, 'n', "limit", "N", "stop after N records")                                           \
    X(INFO, 'i', "info", NULL, "what a segment is: geometry, rings, producers, sites, collector") \
    X(RINGS, 0, "rings", NULL, "of --info, the rings")                                            \
    X(PRODUCERS, 0, "producers", NULL, "of --info, the producers")                                \
    X(SITES, 0, "sites", NULL, "of --info, the sites")                                            \
    X(HEALTH, 0, "health", NULL, "one line on how a segment does; exit status 0, 1 or 2")         \
    X(VERIFY, 'V', "verify", NULL, "check files, and that no record is missing unaccounted")      \
    X(SET_LEVEL, 0, "set-level", "LEVEL", "change the level of a running segment")                \
    X(HELP, 'h', "help", NULL, "this text")                                                       \
    X(VERSION, 0, "version", NULL, "the version")

enum option_id {
    OPTION_FIRST = 256,
#define X(id, letter, name, argument, help) OPTION_##id,
    OPTIONS(X)
#undef X
};

static const struct option_row {
    int id;
    char letter;
    const char *name, *argument, *help;
} rows[] = {
#define X(id, letter, name, argument, help) {OPTION_##id, letter, name, argument, help},
    OPTIONS(X)
#undef X
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

void options_print_help(FILE *out)
{
    fputs("usage: shmlog-dump [OPTION]... SEGMENT | FILE... | DIRECTORY...\n"
          "       shmlog-dump --info SEGMENT\n"
          "       shmlog-dump --health SEGMENT\n"
          "       shmlog-dump --verify DIRECTORY | FILE...\n"
          "       shmlog-dump --set-level LEVEL SEGMENT\n"
          "\n"
          "Prints the log records of a live segment, without consuming them, or of log files, in\n"
          "the order of time.\n"
          "\n",
          out);
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &rows[i];
        char left[40], letter[8] = "    ";

        if (row->letter)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        fprintf(out, "  %-24s %s\n", left, row->help);
    }
    fputs("\n"
          "exit status: 0 all well; 1 a failure, or something is damaged or does not balance;\n"
          "             2 wrong use\n"
          "--health:    0 working; 1 stalled or losing; 2 no collector, no segment, wrong use\n",
          out);
}

static int parse_limit(const char *string, uint64_t *ret_limit)
{
    char *end;

    errno = 0;
    if (*string < '0' || *string > '9')
        return -EINVAL;
    *ret_limit = strtoull(string, &end, 10);
    return errno || *end ? -EINVAL : 0;
}

static int parse_format(const char *string, enum print_format *ret_format)
{
    static const char *const names[] = {"text", "json", "csv"};

    for (size_t i = 0; i < 3; i++)
        if (!strcmp(string, names[i])) {
            *ret_format = (enum print_format)i;
            return 0;
        }
    return -EINVAL;
}

static void show(struct options *options, unsigned part)
{
    options->mode = MODE_INFO;
    options->show |= part;
}

/* Options that choose what is printed of records. 0; -EINVAL, ret_message may stay empty. */
static int set_record_option(struct options *options, int id, const char *argument, int64_t now_ns,
                             char *ret_message, size_t message_size)
{
    switch (id) {
    case OPTION_FORMAT:
        options->format_given = true;
        return parse_format(argument, &options->format);
    case OPTION_FIELDS:
        field_list_done(&options->fields);
        return field_list_parse(argument, &options->fields, ret_message, message_size);
    case OPTION_COUNT_BY:
        field_list_done(&options->count_by);
        return field_list_parse(argument, &options->count_by, ret_message, message_size);
    case OPTION_SINCE:
        return when_parse(argument, now_ns, &options->cursor.since_ns);
    case OPTION_UNTIL:
        return when_parse(argument, now_ns, &options->cursor.until_ns);
    case OPTION_LEVEL:
        return level_parse(argument, &options->cursor.min_level);
    case OPTION_CATEGORY:
        options->filter.category = argument;
        return 0;
    case OPTION_SITE:
        options->filter.site = argument;
        return 0;
    case OPTION_PID:
        return filter_numbers_parse(argument, &options->filter.pid);
    case OPTION_TID:
        return filter_numbers_parse(argument, &options->filter.tid);
    case OPTION_CPU:
        return filter_numbers_parse(argument, &options->filter.cpu);
    case OPTION_GREP:
        filter_done(&options->filter);
        return filter_grep(&options->filter, argument, ret_message, message_size);
    case OPTION_FOLLOW:
        options->cursor.follow = true;
        return 0;
    default:
        options->limited = true;
        return parse_limit(argument, &options->limit);
    }
}

static int set_option(struct options *options, int id, const char *argument, int64_t now_ns,
                      char *ret_message, size_t message_size)
{
    switch (id) {
    case OPTION_INFO:
        show(options, 0);
        return 0;
    case OPTION_RINGS:
        show(options, SHOW_RINGS);
        return 0;
    case OPTION_PRODUCERS:
        show(options, SHOW_PRODUCERS);
        return 0;
    case OPTION_SITES:
        show(options, SHOW_SITES);
        return 0;
    case OPTION_HEALTH:
        options->mode = MODE_HEALTH;
        return 0;
    case OPTION_VERIFY:
        options->mode = MODE_VERIFY;
        return 0;
    case OPTION_SET_LEVEL:
        options->mode = MODE_SET_LEVEL;
        return level_parse(argument, &options->set_level);
    case OPTION_HELP:
        options->mode = MODE_HELP;
        return 0;
    case OPTION_VERSION:
        options->mode = MODE_VERSION;
        return 0;
    default:
        return set_record_option(options, id, argument, now_ns, ret_message, message_size);
    }
}

/* What getopt_long() wants, from the table. */
static void make_getopt(struct option longs[ROWS + 1], char letters[2 * ROWS + 2])
{
    size_t at = 0;

    letters[at++] = ':'; /* no messages of its own: a missing argument returns ':' */
    for (size_t i = 0; i < ROWS; i++) {
        longs[i] = (struct option){rows[i].name, rows[i].argument ? required_argument : no_argument,
                                   NULL, rows[i].id};
        if (!rows[i].letter)
            continue;
        letters[at++] = rows[i].letter;
        if (rows[i].argument)
            letters[at++] = ':';
    }
    longs[ROWS] = (struct option){0};
    letters[at] = 0;
}

static const struct option_row *row_of(int c)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].id == c || (rows[i].letter && rows[i].letter == c))
            return &rows[i];
    return NULL;
}

static int check(const struct options *options, char *ret_message, size_t message_size)
{
    const char *wrong = NULL;

    if (options->mode == MODE_HELP || options->mode == MODE_VERSION)
        return 0;
    if (!options->path_count)
        wrong = "what to read? a segment, files, or a directory is missing";
    else if ((options->mode == MODE_INFO || options->mode == MODE_HEALTH ||
              options->mode == MODE_SET_LEVEL) &&
             options->path_count > 1)
        wrong = "one segment at a time";
    else if (options->mode == MODE_INFO && options->format == PRINT_CSV)
        wrong = "--info prints text or json";
    else if (options->mode == MODE_HEALTH && options->format == PRINT_CSV)
        wrong = "--health prints text or json";
    else if (options->mode == MODE_VERIFY && options->format_given)
        wrong = "--verify prints text only";
    else if (options->count_by.count > 1)
        wrong = "--count-by takes one field";
    else if (options->count_by.count && options->fields.count)
        wrong = "--count-by and --fields exclude each other";
    if (!wrong)
        return 0;
    snprintf(ret_message, message_size, "%s", wrong);
    return -EINVAL;
}

static int parse(int argc, char **argv, int64_t now_ns, struct options *options, char *ret_message,
                 size_t message_size)
{
    struct option longs[ROWS + 1];
    char letters[2 * ROWS + 2];
    int c;

    make_getopt(longs, letters);
    optind = 0; /* from the start, also when called again */
    while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct option_row *row = row_of(c);
        int r;

        if (!row) {
            snprintf(ret_message, message_size,
                     c == ':' ? "%s wants an argument" : "%s: unknown or ambiguous option",
                     argv[optind - 1]);
            return -EINVAL;
        }
        *ret_message = 0;
        r = set_option(options, row->id, optarg, now_ns, ret_message, message_size);
        if (r == 0)
            continue;
        if (*ret_message) {
            char *reason = strdup(ret_message);

            snprintf(ret_message, message_size, "--%s: %s", row->name, reason ? reason : "");
            free(reason);
        } else {
            snprintf(ret_message, message_size, "--%s: '%s' is not a %s it knows", row->name,
                     optarg, row->argument);
        }
        return r;
    }
    options->paths = (const char *const *)argv + optind;
    options->path_count = (size_t)(argc - optind);
    return check(options, ret_message, message_size);
}

int options_parse(int argc, char **argv, int64_t now_ns, struct options *ret_options,
                  char *ret_message, size_t message_size)
{
    int r;

    *ret_options = (struct options){
        .cursor = {.since_ns = INT64_MIN, .until_ns = INT64_MAX, .min_level = SHMLOG_TRACE},
    };
    r = parse(argc, argv, now_ns, ret_options, ret_message, message_size);
    if (ret_options->mode == MODE_INFO && !ret_options->show)
        ret_options->show = SHOW_ALL;
    return r;
}

void options_done(struct options *options)
{
    field_list_done(&options->fields);
    field_list_done(&options->count_by);
    filter_done(&options->filter);
}
