/* SPDX-License-Identifier: MIT
 *
 * The command line of shmlog-dump.
 */
#include "tools/options.h"
#include "reader/level.h"
#include "reader/when.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_WANTED "must be a list of numbers, as 7 or 0-3,8"

/* X(ID, letter or 0, "name", "ARGUMENT" or NULL, KIND, modes, what the argument must be, "help") in
 * the order of --help. */
#define OPTIONS(X)                                                                            \
    X(FORMAT, 'f', "format", "FORMAT", VALUE, FOR_RECORDS | FOR_INFO | FOR_HEALTH,            \
      "must be one of text, json, csv, parquet, chrome",                                      \
      "text (default), json (a line each), csv, parquet or chrome")                           \
    X(FIELDS, 'F', "fields", "LIST", LIST, FOR_RECORDS, NULL,                                 \
      "print these fields only: names with commas between")                                   \
    X(SINCE, 'S', "since", "TIME", VALUE, FOR_RECORDS, WHEN_WANTED,                           \
      "records from then on: 2026-11-21T02:09:10.5, @SECONDS, -10m")                          \
    X(UNTIL, 'U', "until", "TIME", VALUE, FOR_RECORDS, WHEN_WANTED, "records up to then")     \
    X(LEVEL, 'l', "level", "LEVEL", VALUE, FOR_RECORDS, LEVEL_WANTED,                         \
      "records of this level and above")                                                      \
    X(CATEGORY, 'c', "category", "LIST", LIST, FOR_RECORDS,                                   \
      "must be patterns with commas between, none of them empty",                             \
      "records of matching categories, as order or order,risk*")                              \
    X(SITE, 's', "site", "GLOB", LIST, FOR_RECORDS, NULL,                                     \
      "records of sites by format, function, FILE, FILE:LINE or id")                          \
    X(PID, 'p', "pid", "LIST", LIST, FOR_RECORDS, NUMBERS_WANTED,                             \
      "records of these processes, as 7 or 0-3,8")                                            \
    X(TID, 't', "tid", "LIST", LIST, FOR_RECORDS, NUMBERS_WANTED, "records of these threads") \
    X(CPU, 'C', "cpu", "LIST", LIST, FOR_RECORDS, NUMBERS_WANTED,                             \
      "records from the rings of these cores")                                                \
    X(GREP, 'g', "grep", "REGEX", VALUE, FOR_RECORDS, NULL,                                   \
      "records whose message matches this extended regex")                                    \
    X(WHERE, 'w', "where", "EXPR", VALUE, FOR_RECORDS, NULL,                                  \
      "records for which this is so, as level >= warn && px > 10")                            \
    X(COUNT_BY, 'b', "count-by", "LIST", VALUE, FOR_RECORDS, NULL,                            \
      "no records, but how many there are by these fields, as time:1m,level")                 \
    X(STATS, 0, "stats", "LIST", VALUE, FOR_RECORDS, NULL,                                    \
      "no records, but what the numbers in these fields are like")                            \
    X(LATENCY, 0, "latency", "FROM TO", PAIR, FOR_RECORDS, NULL,                              \
      "no records, but how long it takes from one site to another, as for --site")            \
    X(BY, 0, "by", "LIST", VALUE, FOR_RECORDS, NULL,                                          \
      "of --stats: for each value; of --latency: what both records have alike")               \
    X(TRACE, 0, "trace", "ID", VALUE, FOR_RECORDS, "must be a number, as 12345 or 0x3039",    \
      "no records, but the spans of this trace and what is in them, as a tree")               \
    X(TAIL, 0, "tail", "N", VALUE, FOR_RECORDS, "must be a number from 1 to 1000000",         \
      "the last N records")                                                                   \
    X(CONTEXT, 0, "context", "N", VALUE, FOR_RECORDS, "must be a number from 1 to 1000000",   \
      "N records before and after each one that passes, too")                                 \
    X(FOLLOW, 0, "follow", NULL, FLAG, FOR_RECORDS, NULL,                                     \
      "go on with new records: of a segment and the next of its name, or of files")           \
    X(POSITION_FILE, 0, "position-file", "FILE", VALUE, FOR_RECORDS, NULL,                    \
      "of files: go on where the run before stopped, as FILE says; keep it there")            \
    X(LIMIT, 'n', "limit", "N", VALUE, FOR_RECORDS, "must be a number of records",            \
      "stop after N records")                                                                 \
    X(INFO, 'i', "info", NULL, ACTION, FOR_INFO, NULL,                                        \
      "what a segment is: geometry, rings, producers, sites, collector; or a file")           \
    X(RINGS, 0, "rings", NULL, PART, FOR_INFO, NULL, "of --info, the rings")                  \
    X(PRODUCERS, 0, "producers", NULL, PART, FOR_INFO, NULL, "of --info, the producers")      \
    X(SITES, 0, "sites", NULL, PART, FOR_INFO, NULL, "of --info, the sites")                  \
    X(HEALTH, 0, "health", NULL, ACTION, FOR_HEALTH, NULL,                                    \
      "one line on how a segment does; exit status 0, 1 or 2")                                \
    X(VERIFY, 'V', "verify", NULL, ACTION, FOR_VERIFY, NULL,                                  \
      "check files, and that no record is missing unaccounted")                               \
    X(SET_LEVEL, 0, "set-level", "LEVEL", ACTION, FOR_SET_LEVEL, LEVEL_OR_OFF_WANTED,         \
      "change the level of a running segment")                                                \
    X(HELP, 'h', "help", NULL, ACTION, 0, NULL, "this text")                                  \
    X(VERSION, 0, "version", NULL, ACTION, 0, NULL, "the version")

enum option_id {
    OPTION_FIRST = 256,
#define X(id, letter, name, argument, kind, modes, wants, help) OPTION_ID_##id,
    OPTIONS(X)
#undef X
};

const struct option_row options_table[] = {
#define X(id, letter, name, argument, kind, modes, wants, help) \
    {OPTION_ID_##id, letter, name, argument, OPTION_##kind, modes, wants, help},
    OPTIONS(X)
#undef X
};
#define ROWS (sizeof(options_table) / sizeof(options_table[0]))
const size_t options_table_size = ROWS;

void options_print_help(FILE *out)
{
    fputs("usage: shmlog-dump [OPTION]... SEGMENT | FILE... | DIRECTORY...\n"
          "       shmlog-dump --info SEGMENT | FILE\n"
          "       shmlog-dump --health SEGMENT\n"
          "       shmlog-dump --verify DIRECTORY | FILE...\n"
          "       shmlog-dump --set-level LEVEL SEGMENT\n"
          "\n"
          "Prints the log records of a live segment, without consuming them, or of log files, in\n"
          "the order of time.\n"
          "\n",
          out);
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &options_table[i];
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

static int parse_trace(const char *string, uint64_t *ret_trace)
{
    char *end;

    errno = 0;
    if (*string < '0' || *string > '9')
        return -EINVAL;
    *ret_trace = strtoull(string, &end, 0);
    return errno || *end ? -EINVAL : 0;
}

static int parse_rows(const char *string, uint64_t *ret_rows)
{
    uint64_t rows;
    int r = parse_limit(string, &rows);

    if (r < 0 || !rows || rows > ROWS_HELD_MAX)
        return -EINVAL;
    *ret_rows = rows;
    return 0;
}

static int parse_format(const char *string, enum print_format *ret_format)
{
    static const char *const names[] = {"text", "json", "csv", "parquet", "chrome"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(string, names[i])) {
            *ret_format = (enum print_format)i;
            return 0;
        }
    return -EINVAL;
}

/* A level that records can have. */
static int parse_level(const char *string, uint32_t *ret_level)
{
    uint32_t level;
    int r = level_parse(string, &level);

    if (r == 0 && level > SHMLOG_CRITICAL)
        return -EINVAL;
    if (r == 0)
        *ret_level = level;
    return r;
}

static void show(struct options *options, unsigned part)
{
    if (options->mode == MODE_RECORDS)
        options->mode = MODE_INFO;
    options->show |= part;
}

/* Options that choose what is printed of records. 0; -EINVAL, ret_message may stay empty. */
static int set_record_option(struct options *options, int id, const char *argument, int64_t now_ns,
                             char *ret_message, size_t message_size)
{
    switch (id) {
    case OPTION_ID_FORMAT:
        return parse_format(argument, &options->format);
    case OPTION_ID_FIELDS:
        return field_list_add(&options->fields, argument, ret_message, message_size);
    case OPTION_ID_COUNT_BY:
        field_list_done(&options->count_by);
        return field_list_add(&options->count_by, argument, ret_message, message_size);
    case OPTION_ID_SINCE:
        return when_parse(argument, now_ns, &options->cursor.since_ns);
    case OPTION_ID_UNTIL:
        return when_parse(argument, now_ns, &options->cursor.until_ns);
    case OPTION_ID_LEVEL:
        return parse_level(argument, &options->cursor.min_level);
    case OPTION_ID_CATEGORY:
        return filter_globs_add(&options->filter.category, argument, true);
    case OPTION_ID_SITE:
        return filter_globs_add(&options->filter.site, argument, false);
    case OPTION_ID_PID:
        return filter_numbers_add(&options->filter.pid, argument);
    case OPTION_ID_TID:
        return filter_numbers_add(&options->filter.tid, argument);
    case OPTION_ID_CPU:
        return filter_numbers_add(&options->filter.cpu, argument);
    case OPTION_ID_GREP:
        return filter_grep(&options->filter, argument, ret_message, message_size);
    case OPTION_ID_WHERE:
        query_close(options->filter.where);
        options->filter.where = NULL;
        options->where = argument;
        return query_compile(argument, now_ns, &options->filter.where, ret_message, message_size);
    case OPTION_ID_STATS:
        field_list_done(&options->stats);
        return field_list_add_arguments(&options->stats, argument, ret_message, message_size);
    case OPTION_ID_BY:
        field_list_done(&options->by);
        return field_list_add_arguments(&options->by, argument, ret_message, message_size);
    case OPTION_ID_LATENCY:
        options->latency_from = argument;
        return 0;
    case OPTION_ID_TRACE:
        options->traced = true;
        return parse_trace(argument, &options->trace);
    case OPTION_ID_TAIL:
        return parse_rows(argument, &options->tail);
    case OPTION_ID_CONTEXT:
        return parse_rows(argument, &options->context);
    case OPTION_ID_POSITION_FILE:
        options->position_file = argument;
        return 0;
    case OPTION_ID_FOLLOW:
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
    case OPTION_ID_INFO:
        show(options, 0);
        return 0;
    case OPTION_ID_RINGS:
        show(options, SHOW_RINGS);
        return 0;
    case OPTION_ID_PRODUCERS:
        show(options, SHOW_PRODUCERS);
        return 0;
    case OPTION_ID_SITES:
        show(options, SHOW_SITES);
        return 0;
    case OPTION_ID_HEALTH:
        options->mode = MODE_HEALTH;
        return 0;
    case OPTION_ID_VERIFY:
        options->mode = MODE_VERIFY;
        return 0;
    case OPTION_ID_SET_LEVEL:
        options->mode = MODE_SET_LEVEL;
        return level_parse(argument, &options->set_level);
    case OPTION_ID_HELP:
        options->mode = MODE_HELP;
        return 0;
    case OPTION_ID_VERSION:
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
        longs[i] = (struct option){options_table[i].name,
                                   options_table[i].argument ? required_argument : no_argument,
                                   NULL, options_table[i].id};
        if (!options_table[i].letter)
            continue;
        letters[at++] = options_table[i].letter;
        if (options_table[i].argument)
            letters[at++] = ':';
    }
    longs[ROWS] = (struct option){0};
    letters[at] = 0;
}

static const struct option_row *row_of(int c)
{
    for (size_t i = 0; i < ROWS; i++)
        if (options_table[i].id == c || (options_table[i].letter && options_table[i].letter == c))
            return &options_table[i];
    return NULL;
}

/* Why getopt_long() took an option for wrong: ':' or '?'. */
static void say_wrong_option(int c, const char *word, char *ret_message, size_t message_size)
{
    const struct option_row *row = optopt ? row_of(optopt) : NULL;

    if (row)
        snprintf(ret_message, message_size, "--%s %s", row->name,
                 c == ':' ? "needs a value" : "takes no value");
    else if (optopt)
        snprintf(ret_message, message_size, "-%c: no such option", optopt);
    else
        snprintf(ret_message, message_size, "%s: no such option, or short for several", word);
}

static void say_wrong_value(const struct option_row *row, const char *value, int error,
                            char *ret_message, size_t message_size)
{
    char *reason = *ret_message ? strdup(ret_message) : NULL;

    snprintf(ret_message, message_size, "--%s %s: %s", row->name, *value ? value : "''",
             reason                   ? reason
             : error == -ENOBUFS      ? "too many of them"
             : error == -ENOMEM       ? strerror(ENOMEM)
             : !*value || !row->wants ? "must not be empty"
                                      : row->wants);
    free(reason);
}

/* What was given, by the number of its row. */
struct given {
    bool option[ROWS];
    const struct option_row *action; /* the one that says what is to be done */
};

/* HELP and VERSION go before all. */
static int note_given(struct given *given, const struct option_row *row, char *ret_message,
                      size_t message_size)
{
    given->option[row - options_table] = true;
    if (row->kind != OPTION_ACTION || !row->modes)
        return 0;
    if (given->action && given->action != row) {
        snprintf(ret_message, message_size, "--%s and --%s exclude each other", given->action->name,
                 row->name);
        return -EINVAL;
    }
    given->action = row;
    return 0;
}

/* Does each option belong to what is to be done? */
static int check_given(const struct options *options, const struct given *given, char *ret_message,
                       size_t message_size)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *const row = &options_table[i];

        if (!given->option[i] || row->modes & 1u << options->mode)
            continue;
        if (given->action)
            snprintf(ret_message, message_size, "--%s does not apply to --%s", row->name,
                     given->action->name);
        else /* a part of --info, without it */
            snprintf(ret_message, message_size, "--%s does not apply to --info", row->name);
        return -EINVAL;
    }
    return 0;
}

/* What excludes each other among options of records. */
static const char *check_records(const struct options *options)
{
    const bool counts = options->count_by.count, stats = options->stats.count;
    const bool answer = counts || stats || options->latency_from || options->traced;

    if (counts && options->fields.count)
        return "--count-by and --fields exclude each other";
    if (counts + stats + (options->latency_from != NULL) + options->traced > 1)
        return "one of --count-by, --stats, --latency and --trace at a time";
    if (answer && options->fields.count)
        return "--fields is for records: it does not go with --stats, --latency and --trace";
    if (options->by.count && !stats && !options->latency_from)
        return "--by belongs to --stats or --latency";
    if (options->tail && options->context)
        return "--tail and --context exclude each other";
    if (answer && (options->tail || options->context))
        return "--tail and --context are for records";
    if (options->format >= PRINT_PARQUET && (answer || options->tail || options->context))
        return "--format parquet and chrome are for all records that pass";
    if (options->format >= PRINT_PARQUET && options->position_file)
        return "--position-file goes with --format text, json or csv";
    if (options->format == PRINT_CHROME && options->fields.count)
        return "--format chrome has fields of its own, without --fields";
    if (options->traced && options->format == PRINT_CSV)
        return "--trace prints text or json";
    if (options->tail && options->limited)
        return "--tail and --limit exclude each other";
    if (options->position_file && options->tail)
        return "--position-file and --tail exclude each other";
    return NULL;
}

static int check(const struct options *options, const struct given *given, char *ret_message,
                 size_t message_size)
{
    const char *wrong = NULL;

    if (options->mode == MODE_HELP || options->mode == MODE_VERSION)
        return 0;
    if (check_given(options, given, ret_message, message_size) < 0)
        return -EINVAL;
    for (size_t i = 0; i < options->path_count; i++)
        if (!*options->paths[i])
            wrong = "'' is no name of a segment, file or directory";
    if (!options->path_count)
        wrong = "what to read? a segment, files, or a directory is missing";
    else if ((options->mode == MODE_INFO || options->mode == MODE_HEALTH ||
              options->mode == MODE_SET_LEVEL) &&
             options->path_count > 1)
        wrong = "one segment at a time";
    else if (options->mode == MODE_INFO && options->format >= PRINT_CSV)
        wrong = "--info prints text or json";
    else if (options->mode == MODE_HEALTH && options->format >= PRINT_CSV)
        wrong = "--health prints text or json";
    else
        wrong = check_records(options);
    if (wrong)
        ;
    else if (options->cursor.since_ns > options->cursor.until_ns)
        wrong = "--since is later than --until";
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
    struct given given = {0};
    int c;

    make_getopt(longs, letters);
    optind = 0; /* from the start, also when called again */
    while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct option_row *row = c == ':' || c == '?' ? NULL : row_of(c);
        int r;

        *ret_message = 0;
        if (!row) {
            say_wrong_option(c, argv[optind - 1], ret_message, message_size);
            return -EINVAL;
        }
        r = row->argument && !*optarg
                ? -EINVAL
                : set_option(options, row->id, optarg, now_ns, ret_message, message_size);
        if (r < 0) {
            say_wrong_value(row, optarg, r, ret_message, message_size);
            return -EINVAL;
        }
        if (row->kind == OPTION_PAIR) {
            if (optind >= argc || !*argv[optind] || *argv[optind] == '-') {
                snprintf(ret_message, message_size, "--%s needs two values", row->name);
                return -EINVAL;
            }
            options->latency_to = argv[optind++];
        }
        r = note_given(&given, row, ret_message, message_size);
        if (r < 0)
            return r;
        if (options->mode == MODE_HELP || options->mode == MODE_VERSION)
            return 0;
    }
    options->paths = (const char *const *)argv + optind;
    options->path_count = (size_t)(argc - optind);
    return check(options, &given, ret_message, message_size);
}

/* Only records of the trace: blocks without any are skipped. */
static int add_trace(struct options *options, int64_t now_ns, char *ret_message,
                     size_t message_size)
{
    const size_t room = (options->where ? strlen(options->where) : 0) + 64;
    char *const both = malloc(room);
    int r = -ENOMEM;

    query_close(options->filter.where);
    options->filter.where = NULL;
    if (both) {
        snprintf(both, room, options->where ? "trace == %llu && (%s)" : "trace == %llu",
                 (unsigned long long)options->trace, options->where);
        r = query_compile(both, now_ns, &options->filter.where, ret_message, message_size);
    }
    free(both);
    return r;
}

/* What the cursor may leave out. With --context nothing that is only not what was asked for: it may
 * stand beside that. */
static void set_bounds(struct options *options)
{
    if (options->context) {
        options->filter.min_level = options->cursor.min_level;
        options->cursor.min_level = SHMLOG_TRACE;
        return;
    }
    if (options->filter.where)
        query_narrow(options->filter.where, &options->cursor);
    options->cursor.where = options->filter.where;
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
    if (r == 0 && ret_options->traced)
        r = add_trace(ret_options, now_ns, ret_message, message_size);
    if (r == 0)
        set_bounds(ret_options);
    return r;
}

void options_done(struct options *options)
{
    field_list_done(&options->fields);
    field_list_done(&options->count_by);
    field_list_done(&options->stats);
    field_list_done(&options->by);
    filter_done(&options->filter);
}
