/* SPDX-License-Identifier: MIT
 *
 * Conditions on records: see query.h.
 */
#include "reader/query.h"
#include "reader/query_node.h"
#include "reader/render.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int query_compile(const char *text, int64_t now_ns, struct query **ret_query, char *ret_message,
                  size_t message_size)
{
    struct query *query = calloc(1, sizeof(*query));
    int r = query ? query_parse(query, text, now_ns, ret_message, message_size) : -ENOMEM;

    if (r == 0)
        r = query_check(query, now_ns, ret_message, message_size);
    if (r < 0) {
        query_close(query);
        return r;
    }
    *ret_query = query;
    return 0;
}

static void site_free(struct query_site *site)
{
    if (site)
        free(site->format);
    free(site);
}

void query_close(struct query *query)
{
    struct query_node *node;

    if (!query)
        return;
    while ((node = query->made)) {
        query->made = node->made_before;
        pattern_close(node->pattern);
        free(node);
    }
    for (unsigned i = 0; i < query->name_count; i++) {
        free(query->names[i].name);
        free(query->names[i].nearest);
    }
    for (unsigned i = 0; i < QUERY_SITES; i++)
        site_free(query->site[i]);
    free(query->strings);
    free(query->step);
    free(query->line);
    free(query);
}

/* ---- Names ---- */

#define NAME_MAX_COMPARED 64u

/* Letters to put in, take out or change (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
    const size_t size_a = strlen(a), size_b = strlen(b);
    unsigned row[NAME_MAX_COMPARED + 1];

    if (size_a > NAME_MAX_COMPARED || size_b > NAME_MAX_COMPARED)
        return NAME_MAX_COMPARED;
    for (unsigned j = 0; j <= size_b; j++)
        row[j] = j;
    for (unsigned i = 1; i <= size_a; i++) {
        unsigned corner = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= size_b; j++) {
            const unsigned change = corner + (a[i - 1] != b[j - 1]);
            unsigned least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            corner = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[size_b];
}

static void compare_name(struct query_name *name, const char *other)
{
    const unsigned far = distance(name->name, other);
    char *copy;

    if (name->nearest && far >= name->distance)
        return;
    copy = strdup(other);
    if (!copy)
        return;
    free(name->nearest);
    name->nearest = copy;
    name->distance = far;
}

/* Where the arguments of the names are, and for names that nobody has had yet, what is near. */
static void find_names(struct query *query, const struct file_site *file_site,
                       struct query_site *site)
{
    for (unsigned i = 0; i < query->name_count; i++) {
        struct query_name *const name = &query->names[i];

        site->index[i] = file_site ? (int16_t)render_find_key(file_site, name->name) : -1;
        name->found = name->found || site->index[i] >= 0;
        for (unsigned j = 0; file_site && !name->found && j < file_site->args; j++)
            if (file_site->name[j] && *file_site->name[j])
                compare_name(name, file_site->name[j]);
    }
}

bool query_has_stranger(const struct query *query, char *ret_message, size_t message_size)
{
    for (unsigned i = 0; i < query->name_count && query->sites; i++) {
        struct query_name name = query->names[i];
        const char *nearest = name.nearest;
        unsigned far = nearest ? name.distance : NAME_MAX_COMPARED;

        if (name.found)
            continue;
        for (unsigned j = 0; j < QUERY_METAS; j++)
            if (distance(name.name, query_metas[j].name) < far) {
                nearest = query_metas[j].name;
                far = distance(name.name, nearest);
            }
        if (nearest && 2 * far <= strlen(name.name) + 1)
            snprintf(ret_message, message_size, "no record has a field '%s'; the nearest is '%s'",
                     name.name, nearest);
        else
            snprintf(ret_message, message_size, "no record has a field '%s'", name.name);
        return true;
    }
    return false;
}

/* ---- Records ---- */

static bool is_of(const struct query_site *site, const struct cursor_record *record)
{
    const struct file_site *const from = record->site;

    return site->segment == record->segment && site->id == record->site_id &&
           site->line == (from ? from->line : 0) && site->args == (from ? from->args : 0) &&
           !strcmp(site->format, from ? from->format : "");
}

const struct query_site *query_site_of(struct query *query, const struct cursor_record *record)
{
    struct query_site **const slot = &query->site[record->site_id % QUERY_SITES];
    const struct file_site *const from = record->site;
    struct query_site *site = *slot;

    if (site && is_of(site, record))
        return site;
    *slot = NULL;
    site_free(site);
    site = calloc(1, sizeof(*site));
    if (!site)
        return NULL;
    site->format = strdup(from ? from->format : "");
    if (!site->format) {
        free(site);
        return NULL;
    }
    site->segment = record->segment;
    site->id = record->site_id;
    site->line = from ? from->line : 0;
    site->args = from ? from->args : 0;
    find_names(query, from, site);
    site->verdict = query_value_of(query->root, site, record, NULL);
    query->sites += from != NULL;
    *slot = site;
    return site;
}

bool query_passes(struct query *query, struct line *line)
{
    const struct query_site *const site = query_site_of(query, &line->record);
    struct query_value value;

    if (!site)
        return false;
    value = site->verdict;
    if (value.kind == QUERY_UNKNOWN)
        value = query_value_of(query->root, site, &line->record, line);
    return value.kind == QUERY_TRUTH && value.integer;
}

/* ---- Bounds ---- */

static void narrow_time(enum query_op op, int64_t ns, struct cursor_options *options)
{
    if ((op == QUERY_GE || op == QUERY_GT || op == QUERY_EQ) && ns > options->since_ns)
        options->since_ns = ns;
    if ((op == QUERY_LE || op == QUERY_LT || op == QUERY_EQ) && ns < options->until_ns)
        options->until_ns = ns;
}

static void narrow(const struct query_node *node, struct cursor_options *options)
{
    const struct query_node *meta = node->left, *constant = node->right;
    enum query_op op = node->op;
    __int128 limit;

    if (op == QUERY_AND) {
        narrow(node->left, options);
        narrow(node->right, options);
    }
    if (op < QUERY_EQ || op > QUERY_GE || op == QUERY_NE)
        return;
    if (meta->op == QUERY_CONSTANT) {
        meta = node->right;
        constant = node->left;
        op = query_turned(op);
    }
    if (meta->op != QUERY_META || constant->op != QUERY_CONSTANT ||
        constant->value.kind != QUERY_INTEGER)
        return;
    limit = constant->value.integer;
    if ((meta->meta == QUERY_META_TIME || meta->meta == QUERY_META_TIME_NS) && limit >= INT64_MIN &&
        limit <= INT64_MAX)
        narrow_time(op, (int64_t)limit, options);
    if (meta->meta == QUERY_META_LEVEL && (op == QUERY_GE || op == QUERY_GT || op == QUERY_EQ) &&
        limit > options->min_level && limit <= SHMLOG_CRITICAL)
        options->min_level = (uint32_t)limit;
}

void query_narrow(const struct query *query, struct cursor_options *options)
{
    narrow(query->root, options);
}
