/* SPDX-License-Identifier: MIT
 *
 * Lines as columns: see columns.h.
 */
#include "reader/columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"int", "uint", "real", "bool", "time", "string", "bytes"};

/* Which columns the arguments of a call site go to, by its id, which is that of one segment. */
#define SITES 256u
struct site_columns {
    uint32_t segment, id; /* id 0: free */
    uint32_t column[FILE_SITE_ARGS_MAX];
};

struct columns {
    struct field_list fields;
    struct column *column;
    size_t count, room, rows;
    uint32_t of_field[FIELD_LIST_MAX];
    struct site_columns site[SITES];
    struct text cell;
};

static bool is_text(enum column_kind kind)
{
    return kind == COLUMN_STRING || kind == COLUMN_BYTES;
}

static int find(struct columns *columns, const char *name, enum column_kind kind,
                uint32_t *ret_index)
{
    struct column *column;

    for (uint32_t i = 0; i < columns->count; i++)
        if (!strcmp(columns->column[i].name, name) && columns->column[i].kind == kind) {
            *ret_index = i;
            return 0;
        }
    if (columns->count == columns->room) {
        const size_t room = columns->room ? 2 * columns->room : 32;
        struct column *const grown = reallocarray(columns->column, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        columns->column = grown;
        columns->room = room;
    }
    column = &columns->column[columns->count];
    *column = (struct column){.name = strdup(name), .kind = kind};
    if (!column->name)
        return -ENOMEM;
    *ret_index = (uint32_t)columns->count++;
    return 0;
}

/* The column of a name and kind, or of the name with its kind, if the name has another kind. */
static int find_own(struct columns *columns, const char *name, enum column_kind kind,
                    uint32_t *ret_index)
{
    char with_kind[SHMLOG_SITE_MAX + 16];

    for (size_t i = 0; i < columns->count; i++)
        if (!strcmp(columns->column[i].name, name) && columns->column[i].kind != kind) {
            snprintf(with_kind, sizeof(with_kind), "%s_%s", name, kind_names[kind]);
            return find(columns, with_kind, kind, ret_index);
        }
    return find(columns, name, kind, ret_index);
}

static int reserve(struct column *column, size_t rows)
{
    size_t room = column->room ? column->room : 1024;
    uint8_t *valid;
    uint64_t **const values = is_text(column->kind) ? &column->end : &column->fixed, *grown;

    if (rows <= column->room)
        return 0;
    while (room < rows)
        room *= 2;
    valid = realloc(column->valid, room);
    if (!valid)
        return -ENOMEM;
    column->valid = valid;
    grown = reallocarray(*values, room, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    *values = grown;
    column->room = room;
    return 0;
}

/* Nulls up to a row. */
static int fill(struct column *column, size_t rows)
{
    if (reserve(column, rows + 1) < 0)
        return -ENOMEM;
    column->nulls += rows - column->rows;
    for (; column->rows < rows; column->rows++) {
        column->valid[column->rows] = 0;
        if (is_text(column->kind))
            column->end[column->rows] = column->bytes.size;
        else
            column->fixed[column->rows] = 0;
    }
    return 0;
}

static int put_fixed(struct columns *columns, uint32_t index, uint64_t value)
{
    struct column *const column = &columns->column[index];

    if (column->rows > columns->rows) /* two arguments of one name: the first one counts */
        return 0;
    if (fill(column, columns->rows) < 0)
        return -ENOMEM;
    column->valid[column->rows] = 1;
    column->fixed[column->rows++] = value;
    return 0;
}

/* What is not UTF-8 is written as \xHH, byte by byte. */
static void put_utf8(const uint8_t *data, size_t size, struct text *out)
{
    for (size_t i = 0, step; i < size; i += step ? step : 1) {
        step = data[i] < 0x80 ? 1 : text_utf8(data + i, size - i);
        if (step)
            text_put(out, data + i, step);
        else
            text_printf(out, "\\x%02x", data[i]);
    }
}

static int put_text(struct columns *columns, uint32_t index, const void *data, size_t size)
{
    struct column *const column = &columns->column[index];

    if (column->rows > columns->rows)
        return 0;
    if (fill(column, columns->rows) < 0)
        return -ENOMEM;
    if (column->kind == COLUMN_BYTES)
        text_put(&column->bytes, data, size);
    else
        put_utf8(data, size, &column->bytes);
    column->valid[column->rows] = 1;
    column->end[column->rows++] = column->bytes.size;
    return column->bytes.failed ? -ENOMEM : 0;
}

/* ---- Arguments ---- */

static enum column_kind kind_of(const struct file_value *value)
{
    switch (value->type) {
    case SHMLOG_TYPE_I8:
    case SHMLOG_TYPE_I16:
    case SHMLOG_TYPE_I32:
    case SHMLOG_TYPE_I64:
        return COLUMN_INT;
    case SHMLOG_TYPE_F32:
    case SHMLOG_TYPE_F64:
        return COLUMN_REAL;
    case SHMLOG_TYPE_BOOL:
        return COLUMN_BOOL;
    case SHMLOG_TYPE_CHAR:
    case SHMLOG_TYPE_STRING:
    case SHMLOG_TYPE_TEXT:
        return COLUMN_STRING;
    case SHMLOG_TYPE_BYTES:
        return COLUMN_BYTES;
    default:
        return COLUMN_UINT;
    }
}

static int put_value(struct columns *columns, uint32_t index, const struct file_value *value)
{
    if (value->is_null)
        return 0;
    if (value->type == SHMLOG_TYPE_CHAR)
        return put_text(columns, index, &(const uint8_t){(uint8_t)value->u}, 1);
    if (is_text(kind_of(value)))
        return put_text(columns, index, value->data, render_string_size(value));
    return put_fixed(columns, index, value->u);
}

static int find_arguments(struct columns *columns, struct line *line, uint32_t *ret_column)
{
    const struct file_site *const site = line->record.site;

    for (unsigned i = 0; i < site->args; i++) {
        char unnamed[16];
        int r;

        snprintf(unnamed, sizeof(unnamed), "arg%u", i + 1);
        r = find_own(columns, site->name[i] && *site->name[i] ? site->name[i] : unnamed,
                     kind_of(&line->value[i]), &ret_column[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_arguments(struct columns *columns, struct line *line)
{
    const struct cursor_record *const record = &line->record;
    struct site_columns *const at = &columns->site[record->site_id % SITES];
    const unsigned count = line_values(line);
    int r = 0;

    if (!count)
        return 0;
    if (!record->site_id || at->id != record->site_id || at->segment != record->segment) {
        r = find_arguments(columns, line, at->column);
        at->segment = record->segment;
        at->id = r < 0 ? 0 : record->site_id;
    }
    for (unsigned i = 0; i < count && r == 0; i++)
        r = put_value(columns, at->column[i], &line->value[i]);
    return r;
}

/* ---- Fields ---- */

static enum column_kind kind_of_field(enum field_id id)
{
    if (id == FIELD_TIME_NS || id == FIELD_TIME)
        return COLUMN_TIME;
    return field_is_number(id) ? COLUMN_UINT : COLUMN_STRING;
}

static int put_argument(struct columns *columns, const struct field *field, struct line *line)
{
    const int index = line_values(line) ? render_find_key(line->record.site, field->argument) : -1;
    uint32_t column;
    int r;

    if (index < 0)
        return 0;
    r = find_own(columns, field->argument, kind_of(&line->value[index]), &column);
    return r < 0 ? r : put_value(columns, column, &line->value[index]);
}

static int put_field(struct columns *columns, size_t index, struct line *line)
{
    const struct field *const field = &columns->fields.field[index];
    const struct file_value *value;
    struct text *const cell = &columns->cell;

    switch (field->id) {
    case FIELD_FIELDS:
        return put_arguments(columns, line);
    case FIELD_ARGUMENT:
        return put_argument(columns, field, line);
    case FIELD_TIME_NS:
    case FIELD_TIME:
        return put_fixed(columns, columns->of_field[index], (uint64_t)field_time(field, line));
    default:
        break;
    }
    text_clear(cell);
    switch (field_get(field, line, cell, &value, NULL)) {
    case FIELD_NONE:
        return 0;
    case FIELD_NUMBER:
        return put_fixed(columns, columns->of_field[index],
                         text_string(cell) ? strtoull(cell->data, NULL, 10) : 0);
    default:
        return put_text(columns, columns->of_field[index], cell->data, cell->size);
    }
}

int columns_take(struct columns *columns, struct line *line)
{
    int r = 0;

    for (size_t i = 0; i < columns->fields.count && r == 0; i++)
        r = put_field(columns, i, line);
    columns->rows++;
    return r == 0 && columns->cell.failed ? -ENOMEM : r;
}

int columns_open(struct field_list *fields, struct columns **ret_columns)
{
    struct columns *const columns = calloc(1, sizeof(*columns));
    int r = columns ? 0 : -ENOMEM;

    for (size_t i = 0; i < fields->count && r == 0; i++)
        if (fields->field[i].id != FIELD_FIELDS && fields->field[i].id != FIELD_ARGUMENT)
            r = find(columns, fields->field[i].name, kind_of_field(fields->field[i].id),
                     &columns->of_field[i]);
    if (r < 0) {
        columns_close(columns);
        return r;
    }
    columns->fields = *fields;
    *fields = (struct field_list){0};
    *ret_columns = columns;
    return 0;
}

void columns_close(struct columns *columns)
{
    if (!columns)
        return;
    for (size_t i = 0; i < columns->count; i++) {
        free(columns->column[i].name);
        free(columns->column[i].valid);
        free(columns->column[i].fixed);
        free(columns->column[i].end);
        text_done(&columns->column[i].bytes);
    }
    free(columns->column);
    field_list_done(&columns->fields);
    text_done(&columns->cell);
    free(columns);
}

int columns_get(struct columns *columns, struct column **ret_column, size_t *ret_count,
                size_t *ret_rows)
{
    for (size_t i = 0; i < columns->count; i++)
        if (fill(&columns->column[i], columns->rows) < 0)
            return -ENOMEM;
    *ret_column = columns->column;
    *ret_count = columns->count;
    *ret_rows = columns->rows;
    return 0;
}

uint64_t columns_bytes(const struct columns *columns)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < columns->count; i++)
        bytes += columns->column[i].bytes.size;
    return bytes + 9 * columns->rows * columns->count;
}

void columns_clear(struct columns *columns)
{
    for (size_t i = 0; i < columns->count; i++) {
        columns->column[i].rows = columns->column[i].nulls = 0;
        text_clear(&columns->column[i].bytes);
    }
    columns->rows = 0;
}
