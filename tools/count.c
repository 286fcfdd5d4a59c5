/* SPDX-License-Identifier: MIT
 *
 * Counting lines by the value of a field: an open-addressing table of values.
 */
#include "tools/count.h"
#include "reader/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (UINT64_C(128) << 20) /* of values; half as much again while the table grows */
#define VALUE_COST 32                    /* of memory for a value, beside its bytes */

struct entry {
    uint8_t *value; /* NULL: free, unless `none` */
    size_t size;
    uint64_t hash;
    uint64_t lines;
    bool none;   /* lines without the field */
    bool number; /* printed unquoted in JSON */
};

struct count {
    struct field field;
    struct entry *entry;
    size_t room, used; /* room is a power of two */
    uint64_t bytes;    /* of values */
    uint64_t left_out;
    struct text cell;
};

int count_open(const struct field *field, struct count **ret_count)
{
    struct count *count = calloc(1, sizeof(*count));

    if (!count)
        return -ENOMEM;
    count->field = *field;
    count->room = 64;
    count->entry = calloc(count->room, sizeof(*count->entry));
    if (!count->entry) {
        free(count);
        return -ENOMEM;
    }
    *ret_count = count;
    return 0;
}

void count_close(struct count *count)
{
    if (!count)
        return;
    for (size_t i = 0; i < count->room; i++)
        free(count->entry[i].value);
    free(count->entry);
    text_done(&count->cell);
    free(count);
}

static bool is_free(const struct entry *entry)
{
    return !entry->lines;
}

/* Half of the table stays free. */
static bool has_room(const struct count *count, size_t size)
{
    const size_t room = 2 * count->used >= count->room ? 2 * count->room : count->room;

    return room * sizeof(*count->entry) + count->bytes + size + VALUE_COST <= MEMORY_MAX;
}

static int grow(struct count *count)
{
    size_t room = 2 * count->room;
    struct entry *grown = calloc(room, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    for (size_t i = 0; i < count->room; i++) {
        size_t at = count->entry[i].hash & (room - 1);

        if (is_free(&count->entry[i]))
            continue;
        while (!is_free(&grown[at]))
            at = (at + 1) & (room - 1);
        grown[at] = count->entry[i];
    }
    free(count->entry);
    count->entry = grown;
    count->room = room;
    return 0;
}

static uint64_t hash_of(const struct text *cell)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < cell->size; i++)
        hash = (hash ^ (uint8_t)cell->data[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

static bool is_number(const struct field *field)
{
    switch (field->id) {
    case FIELD_TIME_NS:
    case FIELD_LINE:
    case FIELD_PID:
    case FIELD_TID:
    case FIELD_CPU:
    case FIELD_RING:
    case FIELD_SEQ:
        return true;
    default:
        return false;
    }
}

/* The value of `cell`: its entry, or the free one where it belongs. */
static struct entry *find(const struct count *count, bool none, uint64_t hash)
{
    const struct text *const cell = &count->cell;

    for (size_t at = hash & (count->room - 1);; at = (at + 1) & (count->room - 1)) {
        struct entry *const entry = &count->entry[at];

        if (is_free(entry) ||
            (entry->hash == hash && entry->none == none && entry->size == cell->size &&
             (!cell->size || !memcmp(entry->value, cell->data, cell->size))))
            return entry;
    }
}

static int add(struct count *count, bool none, uint64_t hash)
{
    const struct text *const cell = &count->cell;
    struct entry *entry;

    if (2 * count->used >= count->room && grow(count) < 0)
        return -ENOMEM;
    entry = find(count, none, hash);
    entry->value = malloc(cell->size + 1);
    if (!entry->value)
        return -ENOMEM;
    if (cell->size)
        memcpy(entry->value, cell->data, cell->size);
    entry->size = cell->size;
    entry->hash = hash;
    entry->none = none;
    entry->number = is_number(&count->field);
    entry->lines = 1;
    count->bytes += cell->size + VALUE_COST;
    count->used++;
    return 0;
}

int count_line(struct count *count, struct line *line)
{
    struct entry *entry;
    bool none;
    uint64_t hash;

    text_clear(&count->cell);
    none = !print_flat(&count->field, line, &count->cell);
    if (count->cell.failed || line->message.failed)
        return -ENOMEM;
    hash = hash_of(&count->cell);
    entry = find(count, none, hash);
    if (is_free(entry) && has_room(count, count->cell.size))
        return add(count, none, hash);
    if (is_free(entry))
        count->left_out++;
    else
        entry->lines++;
    return 0;
}

uint64_t count_left_out(const struct count *count)
{
    return count->left_out;
}

static int compare(const void *a, const void *b)
{
    const struct entry *one = *(const struct entry *const *)a;
    const struct entry *two = *(const struct entry *const *)b;
    size_t shorter = one->size < two->size ? one->size : two->size;
    int order;

    if (one->lines != two->lines)
        return one->lines > two->lines ? -1 : 1;
    order = memcmp(one->value, two->value, shorter);
    if (order)
        return order;
    return one->size < two->size ? -1 : one->size > two->size;
}

static void put_entry(const struct entry *entry, enum print_format format, struct text *row)
{
    switch (format) {
    case PRINT_TEXT:
        text_u64(row, entry->lines);
        text_putc(row, '\t');
        if (entry->none)
            text_putc(row, '-');
        else
            text_put_plain(row, entry->value, entry->size);
        break;
    case PRINT_JSON:
        text_puts(row, "{\"value\":");
        if (entry->none)
            text_puts(row, "null");
        else if (entry->number)
            text_put(row, entry->value, entry->size);
        else
            text_put_json(row, entry->value, entry->size, NULL);
        text_puts(row, ",\"count\":");
        text_u64(row, entry->lines);
        text_putc(row, '}');
        break;
    case PRINT_CSV:
        text_put_csv(row, entry->value, entry->size);
        text_putc(row, ',');
        text_u64(row, entry->lines);
        text_putc(row, '\r');
        break;
    }
    text_putc(row, '\n');
}

int count_print(struct count *count, enum print_format format, FILE *out)
{
    const struct entry **sorted = calloc(count->used + 1, sizeof(*sorted));
    struct text row = {0};
    size_t n = 0;
    int r = 0;

    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < count->room; i++)
        if (!is_free(&count->entry[i]))
            sorted[n++] = &count->entry[i];
    qsort(sorted, n, sizeof(*sorted), compare);
    if (format == PRINT_CSV) {
        text_put_csv(&row, count->field.name, strlen(count->field.name));
        text_puts(&row, ",count\r\n");
    }
    for (size_t i = 0; i < n; i++)
        put_entry(sorted[i], format, &row);
    if (row.failed)
        r = -ENOMEM;
    else if (row.size && fwrite(row.data, 1, row.size, out) != row.size)
        r = errno ? -errno : -EIO;
    text_done(&row);
    free(sorted);
    return r;
}
