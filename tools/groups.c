/* SPDX-License-Identifier: MIT
 *
 * Lines by the values of fields: an open-addressing table of values, which are those of all fields
 * in a row, each with its size before it.
 */
#include "tools/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (UINT64_C(128) << 20) /* of groups; half as much again while the table grows */
#define VALUE_COST 32                    /* of memory for a group, beside its bytes */

/* Where the lines of a call site were put last. */
struct recent {
    const struct file_site *site;
    const struct shmlog_producer *producer;
    uint32_t site_id, producer_id, segment;
    int64_t time; /* rounded */
    struct group *group;
};
#define RECENT 64u

struct groups {
    const struct field_list *fields;
    size_t step; /* index of the first rounded time, which rows are sorted by; or how many fields */
    size_t cost;
    struct group *group;
    size_t room, used; /* room is a power of two */
    uint64_t bytes;    /* of values */
    struct text cell;
    bool alike; /* lines of one site, producer and rounded time have the same values */
    struct recent recent[RECENT];
};

/* Do all lines of one site, producer and rounded time have the same value? */
static bool is_alike(const struct field *field)
{
    enum memo_of of;

    return field->step_ns != 0 || (field_is_of(field, &of) && of != MEMO_PLACE);
}

static bool is_free(const struct group *group)
{
    return !group->lines;
}

/* Half of the table stays free. */
static bool has_room(const struct groups *groups, size_t size)
{
    const size_t room = 2 * groups->used >= groups->room ? 2 * groups->room : groups->room;

    return room * sizeof(*groups->group) + groups->bytes + size + VALUE_COST + groups->cost <=
           MEMORY_MAX;
}

static int grow(struct groups *groups)
{
    size_t room = 2 * groups->room;
    struct group *grown = calloc(room, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    for (size_t i = 0; i < groups->room; i++) {
        size_t at = groups->group[i].hash & (room - 1);

        if (is_free(&groups->group[i]))
            continue;
        while (!is_free(&grown[at]))
            at = (at + 1) & (room - 1);
        grown[at] = groups->group[i];
    }
    free(groups->group);
    memset(groups->recent, 0, sizeof(groups->recent));
    groups->group = grown;
    groups->room = room;
    return 0;
}

static uint64_t hash_of(const struct text *cell)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < cell->size; i++)
        hash = (hash ^ (uint8_t)cell->data[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

/* The value of `cell`: its group, or the free one where it belongs. */
static struct group *find(const struct groups *groups, uint64_t hash)
{
    const struct text *const cell = &groups->cell;

    for (size_t at = hash & (groups->room - 1);; at = (at + 1) & (groups->room - 1)) {
        struct group *const group = &groups->group[at];

        if (is_free(group) || (group->hash == hash && group->size == cell->size &&
                               (!cell->size || !memcmp(group->value, cell->data, cell->size))))
            return group;
    }
}

static int add(struct groups *groups, uint64_t hash, struct group **ret_group)
{
    const struct text *const cell = &groups->cell;
    struct group *group;

    if (2 * groups->used >= groups->room && grow(groups) < 0)
        return -ENOMEM;
    group = find(groups, hash);
    group->value = malloc(cell->size + 1); /* an empty one is a value, too */
    if (!group->value)
        return -ENOMEM;
    if (cell->size)
        memcpy(group->value, cell->data, cell->size);
    group->size = cell->size;
    group->hash = hash;
    group->lines = 1;
    groups->bytes += cell->size + VALUE_COST + groups->cost;
    groups->used++;
    *ret_group = group;
    return 0;
}

/* Behind its size, SIZE_NONE if the line has not got it; a rounded time as the number that it is.
 */
#define SIZE_NONE UINT32_MAX
static void put_value(const struct field *field, struct line *line, struct text *cell)
{
    const size_t at = cell->size;
    uint32_t size = 0;

    text_put(cell, &size, sizeof(size));
    if (field->step_ns) {
        const int64_t ns = field_time(field, line);

        text_put(cell, &ns, sizeof(ns));
    } else if (!print_flat(field, line, cell)) {
        size = SIZE_NONE;
    }
    if (cell->failed)
        return;
    if (size != SIZE_NONE)
        size = (uint32_t)(cell->size - at - sizeof(size));
    memcpy(cell->data + at, &size, sizeof(size));
}

/* The place for a line like others, and whether it is the place of such. */
static struct recent *find_recent(struct groups *groups, const struct line *line, bool *ret_same)
{
    const struct cursor_record *const record = &line->record;
    struct recent *const at = &groups->recent[record->site_id % RECENT];
    const struct recent now = {
        .site = record->site,
        .producer = record->producer,
        .site_id = record->site_id,
        .producer_id = record->producer_id,
        .segment = record->segment,
        .time = groups->step < groups->fields->count
                    ? field_time(&groups->fields->field[groups->step], line)
                    : 0,
        .group = at->group,
    };

    *ret_same = at->group && at->site == now.site && at->producer == now.producer &&
                at->site_id == now.site_id && at->producer_id == now.producer_id &&
                at->segment == now.segment && at->time == now.time;
    *at = now;
    return at;
}

int groups_take(struct groups *groups, struct line *line, struct group **ret_group)
{
    struct recent *recent = NULL;
    struct group *group;
    bool same = false;
    uint64_t hash;
    int r = 0;

    if (groups->alike)
        recent = find_recent(groups, line, &same);
    if (same) {
        *ret_group = recent->group;
        recent->group->lines++;
        return 0;
    }
    if (recent)
        recent->group = NULL;

    text_clear(&groups->cell);
    for (size_t i = 0; i < groups->fields->count; i++)
        put_value(&groups->fields->field[i], line, &groups->cell);
    if (groups->cell.failed || line->message.failed)
        return -ENOMEM;
    hash = hash_of(&groups->cell);
    group = find(groups, hash);
    if (!is_free(group)) {
        group->lines++;
        if (recent)
            recent->group = group;
        *ret_group = group;
        return 0;
    }
    *ret_group = NULL;
    if (has_room(groups, groups->cell.size))
        r = add(groups, hash, ret_group);
    return r;
}

/* The next value of a group; NULL: the lines have not got the field. */
static const uint8_t *next_value(const uint8_t **at, uint32_t *ret_size)
{
    const uint8_t *const value = *at + sizeof(*ret_size);

    memcpy(ret_size, *at, sizeof(*ret_size));
    if (*ret_size == SIZE_NONE) {
        *ret_size = 0;
        *at = value;
        return NULL;
    }
    *at = value + *ret_size;
    return value;
}

static int64_t time_of(const struct group *group, size_t field)
{
    const uint8_t *at = group->value, *value = NULL;
    uint32_t size;
    int64_t ns = 0;

    for (size_t i = 0; i <= field; i++)
        value = next_value(&at, &size);
    memcpy(&ns, value, sizeof(ns));
    return ns;
}

static int compare_values(const struct group *one, const struct group *two, size_t fields)
{
    const uint8_t *a = one->value, *b = two->value;

    for (size_t i = 0; i < fields; i++) {
        uint32_t size_a, size_b;
        const uint8_t *const value_a = next_value(&a, &size_a);
        const uint8_t *const value_b = next_value(&b, &size_b);
        const size_t shorter = size_a < size_b ? size_a : size_b;
        const int order = shorter ? memcmp(value_a, value_b, shorter) : 0;

        if (order)
            return order;
        if (size_a != size_b)
            return size_a < size_b ? -1 : 1;
        if (!value_a != !value_b)
            return value_a ? 1 : -1;
    }
    return 0;
}

/* By rounded time, then by lines, then by the values. */
static int compare(const void *a, const void *b, void *arg)
{
    const struct group *one = *(const struct group *const *)a;
    const struct group *two = *(const struct group *const *)b;
    const struct groups *const groups = arg;

    if (groups->step < groups->fields->count) {
        const int64_t time = time_of(one, groups->step), other = time_of(two, groups->step);

        if (time != other)
            return time < other ? -1 : 1;
    }
    if (one->lines != two->lines)
        return one->lines > two->lines ? -1 : 1;
    return compare_values(one, two, groups->fields->count);
}

bool groups_next(const struct field *field, const uint8_t **at, struct text *text)
{
    uint32_t size;
    const uint8_t *const value = next_value(at, &size);
    int64_t ns;

    text_clear(text);
    if (!value)
        return false;
    if (field->step_ns) {
        memcpy(&ns, value, sizeof(ns));
        text_put_time(text, ns, NULL);
    } else {
        text_put(text, value, size);
    }
    return true;
}

static void put_json(const struct groups *groups, const struct group *group, const char *single,
                     struct text *row)
{
    const uint8_t *at = group->value;
    struct text cell = {0};

    for (size_t i = 0; i < groups->fields->count; i++) {
        const struct field *const field = &groups->fields->field[i];
        const char *const name = single && groups->fields->count == 1 ? single : field->name;

        text_put_json(row, name, strlen(name), NULL);
        text_putc(row, ':');
        if (!groups_next(field, &at, &cell))
            text_puts(row, "null");
        else if (field_is_number(field->id))
            text_put(row, cell.data, cell.size);
        else
            text_put_json(row, cell.data, cell.size, NULL);
        text_putc(row, ',');
    }
    row->failed |= cell.failed;
    text_done(&cell);
}

void groups_put(const struct groups *groups, const struct group *group, enum print_format format,
                const char *single, struct text *row)
{
    const uint8_t *at = group->value;
    struct text cell = {0};

    if (format == PRINT_JSON) {
        put_json(groups, group, single, row);
        return;
    }
    for (size_t i = 0; i < groups->fields->count; i++) {
        const bool there = groups_next(&groups->fields->field[i], &at, &cell);

        if (format == PRINT_CSV) {
            text_put_csv(row, cell.data, cell.size);
            text_putc(row, ',');
            continue;
        }
        if (i)
            text_putc(row, '\t');
        if (there)
            text_put_plain(row, cell.data, cell.size);
        else
            text_putc(row, '-');
    }
    row->failed |= cell.failed;
    text_done(&cell);
}

size_t groups_fields(const struct groups *groups)
{
    return groups->fields->count;
}

void groups_put_names(const struct groups *groups, enum print_format format, struct text *row)
{
    for (size_t i = 0; i < groups->fields->count; i++) {
        const char *const name = groups->fields->field[i].name;

        if (format == PRINT_CSV)
            text_put_csv(row, name, strlen(name));
        else
            text_put_plain(row, name, strlen(name));
        text_putc(row, format == PRINT_CSV ? ',' : '\t');
    }
}

struct group **groups_sorted(const struct groups *groups, size_t *ret_count)
{
    struct group **const sorted = calloc(groups->used + 1, sizeof(struct group *));
    size_t count = 0;

    for (size_t i = 0; sorted && i < groups->room; i++)
        if (!is_free(&groups->group[i]))
            sorted[count++] = &groups->group[i];
    if (sorted)
        qsort_r(sorted, count, sizeof(struct group *), compare, (void *)(uintptr_t)groups);
    *ret_count = count;
    return sorted;
}

int groups_open(const struct field_list *fields, size_t cost, struct groups **ret_groups)
{
    struct groups *const groups = calloc(1, sizeof(*groups));

    if (!groups)
        return -ENOMEM;
    groups->fields = fields;
    groups->cost = cost;
    groups->alike = true;
    for (size_t i = 0; i < fields->count; i++)
        groups->alike = groups->alike && is_alike(&fields->field[i]);
    while (groups->step < fields->count && !fields->field[groups->step].step_ns)
        groups->step++;
    groups->room = 64;
    groups->group = calloc(groups->room, sizeof(*groups->group));
    if (!groups->group) {
        free(groups);
        return -ENOMEM;
    }
    *ret_groups = groups;
    return 0;
}

void groups_close(struct groups *groups)
{
    if (!groups)
        return;
    for (size_t i = 0; i < groups->room; i++)
        free(groups->group[i].value);
    free(groups->group);
    text_done(&groups->cell);
    free(groups);
}
