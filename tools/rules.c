/* SPDX-License-Identifier: MIT
 *
 * Rules in words, see rules.h.
 */
#include "tools/rules.h"

#include "reader/level.h"
#include "tools/table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool take_pattern(const char *value, size_t length, char *to, size_t size)
{
    if (!length || length >= size)
        return false;
    memset(to, 0, size);
    memcpy(to, value, length);
    return true;
}

const char *rules_take_process(const char *value, struct shmlog_rule *rule)
{
    return take_pattern(value, strlen(value), rule->process, sizeof(rule->process))
               ? NULL
               : "must have 1 to 31 bytes";
}

const char *rules_take_category(const char *value, struct shmlog_rule *rule)
{
    return take_pattern(value, strlen(value), rule->category, sizeof(rule->category))
               ? NULL
               : "must have 1 to 39 bytes";
}

const char *rules_take_site(const char *value, struct shmlog_rule *rule)
{
    const char *const colon = strrchr(value, ':');
    size_t length = strlen(value);
    unsigned long line = 0;

    if (colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
        errno = 0;
        line = strtoul(colon + 1, NULL, 10);
        if (errno || !line || line > UINT32_MAX)
            return "must end in the number of a line";
        length = (size_t)(colon - value);
    }
    rule->line = (uint32_t)line;
    return take_pattern(value, length, rule->site, sizeof(rule->site)) ? NULL
                                                                       : "must have 1 to 75 bytes";
}

const char *rules_take_one_in(const char *value, struct shmlog_rule *rule)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || !n || n > UINT32_MAX)
        return "must be a number from 1 on";
    rule->one_in = (uint32_t)n;
    rule->gap_ns = 0;
    return NULL;
}

const char *rules_take_per_second(const char *value, struct shmlog_rule *rule)
{
    char *end;
    double n;

    errno = 0;
    n = strtod(value, &end);
    if (*value < '0' || *value > '9' || *end || errno || !isfinite(n) || n < 1e-6 || n > 1e9)
        return "must be a number from 0.000001 to 1000000000";
    rule->one_in = 1;
    rule->gap_ns = (uint64_t)(1e9 / n);
    return NULL;
}

const char *rules_take_all(struct shmlog_rule *rule)
{
    rule->one_in = 1;
    rule->gap_ns = 0;
    return NULL;
}

bool rules_for_all(const struct shmlog_rule *rule)
{
    return !*rule->process && !*rule->category && !*rule->site && !rule->line;
}

static void put_pattern(const char *pattern, struct text *text)
{
    text_putc(text, '\t');
    text_put_plain(text, *pattern ? pattern : "*", *pattern ? strlen(pattern) : 1);
}

static void put_rule(const struct shmlog_rule *rule, struct text *text)
{
    text_printf(text, "%s\t", rule->level <= SHMLOG_OFF ? level_name(rule->level) : "-");
    if (!rule->one_in)
        text_putc(text, '-');
    else if (rule->gap_ns)
        text_printf(text, "%.6g a second", 1e9 / (double)rule->gap_ns);
    else if (rule->one_in > 1)
        text_printf(text, "1 in %" PRIu32, rule->one_in);
    else
        text_puts(text, "all");
    put_pattern(rule->process, text);
    put_pattern(rule->category, text);
    put_pattern(rule->site, text);
    if (rule->line)
        text_printf(text, ":%" PRIu32, rule->line);
    text_putc(text, '\n');
}

void rules_table(const struct shm_segment *segment, struct text *text)
{
    struct shm_rules rules;
    struct shmlog_rule rest = {.one_in = 1};

    shm_rules_read(segment, &rules);
    rest.level = rules.level;
    text_puts(text, "level\tlogged\tprocess\tcategory\tsite\n");
    put_rule(&rest, text);
    for (uint32_t i = 0; i < rules.count; i++)
        put_rule(&rules.rule[i], text);
    table_align(text, 5, 0);
}
