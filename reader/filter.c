/* SPDX-License-Identifier: MIT
 *
 * Which lines are wanted: cheap tests first, the message rendered only if all else fits.
 */
#include "reader/filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(const char **at, uint32_t *ret_number)
{
    uint64_t number = 0;
    const char *start = *at;

    for (; **at >= '0' && **at <= '9'; ++*at) {
        number = number * 10 + (uint64_t)(**at - '0');
        if (number > UINT32_MAX)
            return false;
    }
    *ret_number = (uint32_t)number;
    return *at != start;
}

int filter_numbers_add(struct filter_numbers *numbers, const char *string)
{
    unsigned count = numbers->count;
    const char *at = string;

    for (;;) {
        struct filter_range range;

        if (!parse_number(&at, &range.first))
            return -EINVAL;
        range.last = range.first;
        if (*at == '-' && (at++, !parse_number(&at, &range.last)))
            return -EINVAL;
        if (range.last < range.first)
            return -EINVAL;
        if (count == FILTER_RANGES_MAX)
            return -ENOBUFS;
        numbers->range[count++] = range;
        if (!*at)
            break;
        if (*at++ != ',')
            return -EINVAL;
    }
    numbers->count = count;
    return 0;
}

static int add_glob(struct filter_globs *globs, const char *glob, size_t size)
{
    char **grown;

    if (!size)
        return -EINVAL;
    grown = reallocarray(globs->glob, globs->count + 1, sizeof(char *));
    if (!grown)
        return -ENOMEM;
    globs->glob = grown;
    globs->glob[globs->count] = strndup(glob, size);
    if (!globs->glob[globs->count])
        return -ENOMEM;
    globs->count++;
    return 0;
}

int filter_globs_add(struct filter_globs *globs, const char *string, bool split)
{
    const size_t before = globs->count;
    int r;

    do {
        const size_t size = split ? strcspn(string, ",") : strlen(string);

        r = add_glob(globs, string, size);
        string += size;
    } while (r == 0 && *string++);
    while (r < 0 && globs->count > before)
        free(globs->glob[--globs->count]);
    return r;
}

static void globs_done(struct filter_globs *globs)
{
    while (globs->count)
        free(globs->glob[--globs->count]);
    free(globs->glob);
    globs->glob = NULL;
}

static bool has_number(const struct filter_numbers *numbers, bool known, uint32_t number)
{
    if (!numbers->count)
        return true;
    for (unsigned i = 0; i < numbers->count && known; i++)
        if (number >= numbers->range[i].first && number <= numbers->range[i].last)
            return true;
    return false;
}

int filter_grep(struct filter *filter, const char *regex, char *ret_message, size_t message_size)
{
    struct pattern *pattern;
    const int r = pattern_open(regex, &pattern, ret_message, message_size);

    if (r < 0)
        return r;
    pattern_close(filter->message);
    filter->message = pattern;
    return 0;
}

void filter_done(struct filter *filter)
{
    pattern_close(filter->message);
    filter->message = NULL;
    query_close(filter->where);
    filter->where = NULL;
    globs_done(&filter->category);
    globs_done(&filter->site);
}

bool filter_site_matches(const char *pattern, const struct cursor_record *record)
{
    const struct file_site *site = record->site;
    char text[SHMLOG_SITE_MAX + 16];
    const char *base;
    uint32_t id;
    const char *at = pattern;

    if (parse_number(&at, &id) && !*at)
        return record->site_id == id;
    if (!site)
        return false;
    if (!fnmatch(pattern, site->format, 0) || !fnmatch(pattern, site->function, 0) ||
        !fnmatch(pattern, site->file, 0))
        return true;
    base = strrchr(site->file, '/');
    base = base ? base + 1 : site->file;
    if (!fnmatch(pattern, base, 0))
        return true;
    snprintf(text, sizeof(text), "%s:%u", base, site->line);
    if (!fnmatch(pattern, text, 0))
        return true;
    snprintf(text, sizeof(text), "%s:%u", site->file, site->line);
    return !fnmatch(pattern, text, 0);
}

static bool site_passes(const struct filter_globs *globs, const struct cursor_record *record)
{
    for (size_t i = 0; i < globs->count; i++)
        if (filter_site_matches(globs->glob[i], record))
            return true;
    return !globs->count;
}

static bool category_passes(const struct filter_globs *globs, const struct cursor_record *record)
{
    for (size_t i = 0; i < globs->count && record->site; i++)
        if (!fnmatch(globs->glob[i], record->site->category, FNM_CASEFOLD))
            return true;
    return !globs->count;
}

/* The message may hold any byte, NUL too: its end is given by its size. */
static bool message_matches(const struct pattern *pattern, struct text *message)
{
    const char *string = text_string(message);

    return string && pattern_matches(pattern, string, message->size);
}

bool filter_passes(struct filter *filter, struct line *line)
{
    const struct cursor_record *record = &line->record;
    const struct shmlog_producer *producer = record->producer;

    if (record->site && record->site->level < filter->min_level)
        return false;
    if (!has_number(&filter->cpu, record->cpu != ~UINT32_C(0), record->cpu))
        return false;
    if (!has_number(&filter->pid, producer, producer ? producer->pid : 0) ||
        !has_number(&filter->tid, producer, producer ? producer->tid : 0))
        return false;
    if (!category_passes(&filter->category, record) || !site_passes(&filter->site, record))
        return false;
    if (filter->message && !message_matches(filter->message, line_message(line)))
        return false;
    return !filter->where || query_passes(filter->where, line);
}

bool filter_is_open(const struct filter *filter)
{
    return !filter->min_level && !filter->category.count && !filter->site.count &&
           !filter->pid.count && !filter->tid.count && !filter->cpu.count && !filter->message &&
           !filter->where;
}
