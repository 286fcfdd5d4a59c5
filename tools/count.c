/* SPDX-License-Identifier: MIT
 *
 * Counting lines by the values of fields: an open-addressing table of values, which are those of
 * all fields in a row, each with its size before it.
 */
#include "tools/count.h"
#include "reader/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (UINT64_C(128) << 20) /* of values; half as much again while the table grows */
#define VALUE_COST 32                    /* of memory for a value, beside its bytes */

struct entry {
    uint8_t *value;
    size_t size;
    uint64_t hash;
    uint64_t lines;
};

/* Where the lines of a call site were counted last. */
struct recent {
    const struct file_site *site;
    const struct shmlog_producer *producer;
    uint32_t site_id, producer_id, segment;
    int64_t time; /* rounded */
    struct entry *entry;
};
#define RECENT 64u

struct count {
    const struct field_list *fields;
    size_t step; /* index of the first rounded time, which rows are sorted by; or how many fields */
    struct entry *entry;
    size_t room, used; /* room is a power of two */
    uint64_t bytes;    /* of values */
    uint64_t left_out;
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

int count_open(const struct field_list *fields, struct count **ret_count)
{
    struct count *count = calloc(1, sizeof(*count));

    if (!count)
        return -ENOMEM;
    count->fields = fields;
    count->alike = true;
    for (size_t i = 0; i < fields->count; i++)
        count->alike = count->alike && is_alike(&fields->field[i]);
    while (count->step < fields->count && !fields->field[count->step].step_ns)
        count->step++;
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
    memset(count->recent, 0, sizeof(count->recent));
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
static struct entry *find(const struct count *count, uint64_t hash)
{
    const struct text *const cell = &count->cell;

    for (size_t at = hash & (count->room - 1);; at = (at + 1) & (count->room - 1)) {
        struct entry *const entry = &count->entry[at];

        if (is_free(entry) || (entry->hash == hash && entry->size == cell->size &&
                               !memcmp(entry->value, cell->data, cell->size)))
            return entry;
    }
}

static int add(struct count *count, uint64_t hash)
{
    const struct text *const cell = &count->cell;
    struct entry *entry;

    if (2 * count->used >= count->room && grow(count) < 0)
        return -ENOMEM;
    entry = find(count, hash);
    entry->value = malloc(cell->size);
    if (!entry->value)
        return -ENOMEM;
    memcpy(entry->value, cell->data, cell->size);
    entry->size = cell->size;
    entry->hash = hash;
    entry->lines = 1;
    count->bytes += cell->size + VALUE_COST;
    count->used++;
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
static struct recent *find_recent(struct count *count, const struct line *line, bool *ret_same)
{
    const struct cursor_record *const record = &line->record;
    struct recent *const at = &count->recent[record->site_id % RECENT];
    const struct recent now = {
        .site = record->site,
        .producer = record->producer,
        .site_id = record->site_id,
        .producer_id = record->producer_id,
        .segment = record->segment,
        .time = count->step < count->fields->count
                    ? field_time(&count->fields->field[count->step], line)
                    : 0,
        .entry = at->entry,
    };

    *ret_same = at->entry && at->site == now.site && at->producer == now.producer &&
                at->site_id == now.site_id && at->producer_id == now.producer_id &&
                at->segment == now.segment && at->time == now.time;
    *at = now;
    return at;
}

int count_line(struct count *count, struct line *line)
{
    struct recent *recent = NULL;
    struct entry *entry;
    bool same = false;
    uint64_t hash;

    if (count->alike)
        recent = find_recent(count, line, &same);
    if (same) {
        recent->entry->lines++;
        return 0;
    }
    if (recent)
        recent->entry = NULL;

    text_clear(&count->cell);
    for (size_t i = 0; i < count->fields->count; i++)
        put_value(&count->fields->field[i], line, &count->cell);
    if (count->cell.failed || line->message.failed)
        return -ENOMEM;
    hash = hash_of(&count->cell);
    entry = find(count, hash);
    if (is_free(entry) && has_room(count, count->cell.size))
        return add(count, hash);
    if (is_free(entry))
        count->left_out++;
    else
        entry->lines++;
    if (recent && !is_free(entry))
        recent->entry = entry;
    return 0;
}

uint64_t count_left_out(const struct count *count)
{
    return count->left_out;
}

/* The next value of an entry; NULL: the lines have not got the field. */
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

static int64_t time_of(const struct entry *entry, size_t field)
{
    const uint8_t *at = entry->value, *value = NULL;
    uint32_t size;
    int64_t ns = 0;

    for (size_t i = 0; i <= field; i++)
        value = next_value(&at, &size);
    memcpy(&ns, value, sizeof(ns));
    return ns;
}

static int compare_values(const struct entry *one, const struct entry *two, size_t fields)
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
    const struct entry *one = *(const struct entry *const *)a;
    const struct entry *two = *(const struct entry *const *)b;
    const struct count *const count = arg;

    if (count->step < count->fields->count) {
        const int64_t time = time_of(one, count->step), other = time_of(two, count->step);

        if (time != other)
            return time < other ? -1 : 1;
    }
    if (one->lines != two->lines)
        return one->lines > two->lines ? -1 : 1;
    return compare_values(one, two, count->fields->count);
}

/* The next value of an entry as text; false: there is none. */
static bool take_text(const struct field *field, const uint8_t **at, struct text *text)
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

static void put_json(const struct count *count, const struct entry *entry, struct text *cell,
                     struct text *row)
{
    const uint8_t *at = entry->value;

    text_putc(row, '{');
    for (size_t i = 0; i < count->fields->count; i++) {
        const struct field *const field = &count->fields->field[i];
        const char *const name = count->fields->count > 1 ? field->name : "value";

        text_put_json(row, name, strlen(name), NULL);
        text_putc(row, ':');
        if (!take_text(field, &at, cell))
            text_puts(row, "null");
        else if (is_number(field))
            text_put(row, cell->data, cell->size);
        else
            text_put_json(row, cell->data, cell->size, NULL);
        text_putc(row, ',');
    }
    text_puts(row, "\"count\":");
    text_u64(row, entry->lines);
    text_puts(row, "}\n");
}

static void put_entry(const struct count *count, const struct entry *entry,
                      enum print_format format, struct text *cell, struct text *row)
{
    const uint8_t *at = entry->value;

    if (format == PRINT_JSON) {
        put_json(count, entry, cell, row);
        return;
    }
    if (format == PRINT_TEXT)
        text_u64(row, entry->lines);
    for (size_t i = 0; i < count->fields->count; i++) {
        const bool there = take_text(&count->fields->field[i], &at, cell);

        if (format == PRINT_CSV) {
            text_put_csv(row, cell->data, cell->size);
            text_putc(row, ',');
            continue;
        }
        text_putc(row, '\t');
        if (there)
            text_put_plain(row, cell->data, cell->size);
        else
            text_putc(row, '-');
    }
    if (format == PRINT_CSV) {
        text_u64(row, entry->lines);
        text_putc(row, '\r');
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
    qsort_r(sorted, n, sizeof(*sorted), compare, count);
    if (format == PRINT_CSV) {
        for (size_t i = 0; i < count->fields->count; i++) {
            text_put_csv(&row, count->fields->field[i].name, strlen(count->fields->field[i].name));
            text_putc(&row, ',');
        }
        text_puts(&row, "count\r\n");
    }
    for (size_t i = 0; i < n; i++)
        put_entry(count, sorted[i], format, &count->cell, &row);
    if (row.failed)
        r = -ENOMEM;
    else if (row.size && fwrite(row.data, 1, row.size, out) != row.size)
        r = errno ? -errno : -EIO;
    text_done(&row);
    free(sorted);
    return r;
}
