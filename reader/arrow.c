/* SPDX-License-Identifier: MIT
 *
 * Columns by the Arrow C data interface: see arrow.h.
 */
#include "reader/arrow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NULLABLE 2 /* ARROW_FLAG_NULLABLE */
#define BUFFERS 3  /* validity; values or offsets; bytes */

static const char *format_of(enum column_kind kind)
{
    static const char *const formats[] = {
        [COLUMN_INT] = "l",        [COLUMN_UINT] = "L",   [COLUMN_REAL] = "g",  [COLUMN_BOOL] = "b",
        [COLUMN_TIME] = "tsn:UTC", [COLUMN_STRING] = "U", [COLUMN_BYTES] = "Z",
    };

    return formats[kind];
}

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release)
            schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    free((char *)(uintptr_t)schema->name);
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release)
            array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    free(array->children);
    for (int64_t i = 0; i < array->n_buffers; i++)
        free((void *)(uintptr_t)array->buffers[i]);
    free(array->buffers);
    array->release = NULL;
}

/* A bit for each row whose number is not zero; `wide`: eight bytes a row, else one. */
static uint8_t *bits_of(const void *from, bool wide, size_t rows)
{
    uint8_t *const bits = calloc(rows / 8 + 1, 1);

    for (size_t i = 0; bits && i < rows; i++)
        if (wide ? ((const uint64_t *)from)[i] != 0 : ((const uint8_t *)from)[i] != 0)
            bits[i / 8] |= (uint8_t)(1u << i % 8);
    return bits;
}

static void *copy_of(const void *from, size_t size)
{
    void *const copy = malloc(size + 1);

    if (copy && size)
        memcpy(copy, from, size);
    return copy;
}

static uint64_t *offsets_of(const struct column *column)
{
    uint64_t *const offsets = malloc((column->rows + 1) * sizeof(*offsets));

    if (!offsets)
        return NULL;
    offsets[0] = 0;
    if (column->rows)
        memcpy(offsets + 1, column->end, column->rows * sizeof(*offsets));
    return offsets;
}

/* False: no memory. */
static bool fill_array(const struct column *column, struct ArrowArray *array)
{
    const bool text = column->kind == COLUMN_STRING || column->kind == COLUMN_BYTES;

    *array = (struct ArrowArray){.length = (int64_t)column->rows,
                                 .null_count = (int64_t)column->nulls,
                                 .buffers = calloc(BUFFERS, sizeof(void *)),
                                 .release = release_array};
    if (!array->buffers)
        return false;
    array->n_buffers = text ? 3 : 2;
    if (column->nulls)
        array->buffers[0] = bits_of(column->valid, false, column->rows);
    if (text) {
        array->buffers[1] = offsets_of(column);
        array->buffers[2] = copy_of(column->bytes.data, column->bytes.size);
    } else if (column->kind == COLUMN_BOOL) {
        array->buffers[1] = bits_of(column->fixed, true, column->rows);
    } else {
        array->buffers[1] = copy_of(column->fixed, column->rows * sizeof(*column->fixed));
    }
    return (!column->nulls || array->buffers[0]) && array->buffers[1] &&
           (!text || array->buffers[2]);
}

static bool fill_schema(const struct column *column, struct ArrowSchema *schema)
{
    *schema = (struct ArrowSchema){.format = format_of(column->kind),
                                   .name = strdup(column->name),
                                   .flags = NULLABLE,
                                   .release = release_schema};
    return schema->name;
}

static bool fill_children(const struct column *column, size_t count, struct ArrowSchema *schema,
                          struct ArrowArray *array)
{
    schema->children = calloc(count + 1, sizeof(struct ArrowSchema *));
    array->children = calloc(count + 1, sizeof(struct ArrowArray *));
    array->buffers = calloc(1, sizeof(void *));
    if (!schema->children || !array->children || !array->buffers)
        return false;
    array->n_buffers = 1;
    for (size_t i = 0; i < count; i++) {
        schema->children[i] = calloc(1, sizeof(struct ArrowSchema));
        array->children[i] = calloc(1, sizeof(struct ArrowArray));
        schema->n_children += schema->children[i] != NULL;
        array->n_children += array->children[i] != NULL;
        if (!schema->children[i] || !array->children[i] ||
            !fill_schema(&column[i], schema->children[i]) ||
            !fill_array(&column[i], array->children[i]))
            return false;
    }
    return true;
}

int arrow_export(struct columns *columns, struct ArrowSchema *ret_schema,
                 struct ArrowArray *ret_array)
{
    struct ArrowSchema schema = {.format = "+s", .name = strdup(""), .release = release_schema};
    struct ArrowArray array = {.release = release_array};
    struct column *column;
    size_t count, rows;

    if (!schema.name || columns_get(columns, &column, &count, &rows) < 0 ||
        !fill_children(column, count, &schema, &array)) {
        release_schema(&schema);
        release_array(&array);
        return -ENOMEM;
    }
    array.length = (int64_t)rows;
    *ret_schema = schema;
    *ret_array = array;
    return 0;
}
