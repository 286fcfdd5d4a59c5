/* SPDX-License-Identifier: MIT
 *
 * The command line of shmlog-dump: lists add up, options that do not belong together and values
 * that are none are refused by one line that names them. The whole table is tried.
 */
#include "tools/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

TestSuite(dump_options, .timeout = 120);

static int parse_line(struct options *options, char *message, const char *arguments)
{
    static char words[512];
    char *argv[64] = {"shmlog-dump"};
    int argc = 1;

    snprintf(words, sizeof(words), "%s", arguments);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(argc, argv, 0, options, message, 256);
}

Test(dump_options, command_lines)
{
    static const char *const bad[] = {"",
                                      "--nonsense x",
                                      "--format xml x",
                                      "--level loud x",
                                      "--limit -1 x",
                                      "--fields nope x",
                                      "--cpu a x",
                                      "--grep ( x",
                                      "--since later x",
                                      "--info a b",
                                      "--info --format csv a",
                                      "--fields",
                                      "--count-by level,level x",
                                      "--count-by level --fields site x",
                                      "--set-level x",
                                      "-n 3x x",
                                      "--verify --format json x",
                                      "--set-level debug -c order x",
                                      "--verify --info x",
                                      "--rings --verify x",
                                      "--rings -c order x",
                                      "--follow=yes x",
                                      "-Z x",
                                      "--s x",
                                      "--level off x",
                                      "--since @2 --until @1 x",
                                      "--fields pid,pid x",
                                      "--fields pid --fields pid x",
                                      "--fields pid, x",
                                      "--category a,,b x"};
    struct options options;
    char message[256];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        *message = 0;
        cr_expect_lt(parse_line(&options, message, bad[i]), 0, "%s", bad[i]);
        cr_expect_neq(*message, 0, "%s", bad[i]);
        cr_expect_null(strchr(message, '\n'));
        options_done(&options);
    }
    cr_expect_eq(parse_line(&options, message,
                            "-c order --category a,b -p 1 --pid 2-3,4 -F pid --fields tid,fields.a "
                            "-l debug --level warn -b pid x"),
                 -EINVAL);
    options_done(&options);
    cr_expect_eq(parse_line(&options, message,
                            "-c order --category a,b -p 1 --pid 2-3,4 -F pid --fields tid,fields.a "
                            "-l debug --level warn -g a -g b -s 1 -s 2 x"),
                 0);
    cr_expect_eq(options.filter.category.count, 3);
    cr_expect_str_eq(options.filter.category.glob[2], "b");
    cr_expect_eq(options.filter.site.count, 2);
    cr_expect_eq(options.filter.pid.count, 3);
    cr_expect_eq(options.fields.count, 3);
    cr_expect_str_eq(options.fields.field[2].argument, "a");
    cr_expect_eq(options.cursor.min_level, SHMLOG_WARN, "the last one counts");
    options_done(&options);
    cr_expect_eq(parse_line(&options, message, "--format json -n 3 dir --level warn -g a|b"), 0);
    cr_expect_eq(options.format, PRINT_JSON);
    cr_expect_eq(options.limit, 3);
    cr_expect_eq(options.cursor.min_level, SHMLOG_WARN);
    cr_expect_eq(options.path_count, 1);
    options_done(&options);
    cr_expect_eq(parse_line(&options, message, "--rings --sites trading"), 0);
    cr_expect_eq(options.mode, MODE_INFO);
    cr_expect_eq(options.show, SHOW_RINGS | SHOW_SITES);
    options_done(&options);
}

/* A value that each option takes. */
static const char *good_value(const struct option_row *row)
{
    static const struct {
        const char *argument, *value;
    } values[] = {{"FORMAT", "text"}, {"FIELD", "pid"}, {"TIME", "@1"},     {"LEVEL", "warn"},
                  {"GLOB", "x"},      {"REGEX", "x"},   {"N", "1"},         {"LIST", "1"},
                  {"EXPR", "pid==1"}, {"FILE", "x"},    {"FROM TO", "a b"}, {"ID", "7"}};

    if (!row->argument)
        return NULL;
    if (!strcmp(row->name, "fields") || !strcmp(row->name, "count-by") ||
        !strcmp(row->name, "stats") || !strcmp(row->name, "by"))
        return "tid";
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (!strcmp(values[i].argument, row->argument))
            return values[i].value;
    cr_assert_fail("no value for --%s", row->name);
    return NULL;
}

static size_t put_option(char *line, size_t at, const struct option_row *row, const char *value)
{
    return at +
           (size_t)sprintf(line + at, "--%s%s%s ", row->name, value ? "=" : "", value ? value : "");
}

/* Every option with everything that can be done: taken where it belongs, else refused by a line
 * that names it. */
Test(dump_options, every_option_with_every_action)
{
    unsigned tried = 0;

    for (size_t a = 0; a <= options_table_size; a++) {
        const struct option_row *const action = a < options_table_size ? &options_table[a] : NULL;
        const unsigned does = action ? action->modes : FOR_RECORDS;

        if (action && (action->kind != OPTION_ACTION || !does))
            continue;
        for (size_t i = 0; i < options_table_size; i++) {
            const struct option_row *const row = &options_table[i];
            const bool alone = !action && (row->kind == OPTION_ACTION || row->kind == OPTION_PART);
            const bool fits =
                (row->modes & does || !row->modes || alone) && strcmp(row->name, "by") != 0;

            for (unsigned before = 0; before < 2; before++) {
                char line[256] = "", message[256] = "", name[64];
                struct options options;
                size_t at = 0;
                int r;

                if (before)
                    at = put_option(line, at, row, good_value(row));
                if (action)
                    at = put_option(line, at, action, good_value(action));
                if (!before)
                    at = put_option(line, at, row, good_value(row));
                sprintf(line + at, "x");
                r = parse_line(&options, message, line);
                cr_expect_eq(r, fits ? 0 : -EINVAL, "%s: %s", line, message);
                sprintf(name, "--%s ", row->name);
                cr_expect(fits || strstr(message, name) || strstr(message, "exclude"), "%s: %s",
                          line, message);
                options_done(&options);
                tried++;
            }
        }
    }
    cr_expect_gt(tried, 100);
}

/* No option takes an empty value, or none; each says what it wants. */
Test(dump_options, every_option_with_a_bad_value)
{
    for (size_t i = 0; i < options_table_size; i++) {
        const struct option_row *const row = &options_table[i];
        char line[128], message[256] = "", name[64];
        struct options options;

        sprintf(name, "--%s", row->name);
        if (!row->argument) {
            sprintf(line, "%s=yes x", name);
            cr_expect_eq(parse_line(&options, message, line), -EINVAL, "%s", line);
            cr_expect(strstr(message, "takes no value"), "%s: %s", line, message);
            options_done(&options);
            continue;
        }
        sprintf(line, "%s= x", name);
        cr_expect_eq(parse_line(&options, message, line), -EINVAL, "%s", line);
        cr_expect(strstr(message, name) && strstr(message, "must not be empty"), "%s: %s", line,
                  message);
        options_done(&options);
        cr_expect_eq(parse_line(&options, message, name), -EINVAL, "%s", line);
        cr_expect(strstr(message, name) && strstr(message, "needs a value"), "%s: %s", name,
                  message);
        options_done(&options);
        if (!row->wants)
            continue;
        sprintf(line, "%s=,?! x", name);
        cr_expect_eq(parse_line(&options, message, line), -EINVAL, "%s", line);
        cr_expect(strstr(message, row->wants), "%s: %s", line, message);
        options_done(&options);
    }
}
