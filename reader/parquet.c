/* SPDX-License-Identifier: MIT
 *
 * Columns as a Parquet file: see parquet.h. Numbers of types, fields and encodings are those of
 * parquet.thrift; its structures are written in Thrift's compact protocol.
 */
#include "reader/parquet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define MAGIC "PAR1"
#define ZSTD_LEVEL 1

enum { TYPE_BOOLEAN = 0, TYPE_INT64 = 2, TYPE_DOUBLE = 5, TYPE_BYTE_ARRAY = 6 };
enum { ENCODING_PLAIN = 0, ENCODING_RLE = 3 };
enum { CODEC_ZSTD = 6, PAGE_DATA = 0, OPTIONAL = 1 };

/* Where a column's values of a group are. */
struct chunk {
    uint64_t offset, stored, raw;
    bool there;
};

struct group {
    struct chunk *chunk;
    size_t chunks;
    uint64_t rows;
};

struct parquet {
    FILE *out;
    uint64_t offset;
    struct group *group;
    size_t groups, room;
    struct text page, stored, head;
    ZSTD_CCtx *zstd;
};

/* ---- Thrift ---- */

enum {
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_BYTE = 3,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_STRUCT = 12
};

static void put_varint(struct text *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        text_putc(out, (char)(value | 0x80));
    text_putc(out, (char)value);
}

static void put_zigzag(struct text *out, int64_t value)
{
    put_varint(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* A field begins; *last is the number of the one before in its structure. */
static void put_field(struct text *out, int *last, int number, int type)
{
    text_putc(out, (char)((number - *last) << 4 | type)); /* none is more than 15 further */
    *last = number;
}

static void put_int(struct text *out, int *last, int number, int type, int64_t value)
{
    put_field(out, last, number, type);
    put_zigzag(out, value);
}

static void put_string(struct text *out, const char *string)
{
    put_varint(out, strlen(string));
    text_puts(out, string);
}

static void put_list(struct text *out, int *last, int number, int type, size_t count)
{
    put_field(out, last, number, THRIFT_LIST);
    if (count < 15) {
        text_putc(out, (char)(count << 4 | (size_t)type));
        return;
    }
    text_putc(out, (char)(0xf0 | type));
    put_varint(out, count);
}

static void put_stop(struct text *out)
{
    text_putc(out, 0);
}

/* ---- Pages ---- */

static int write_out(struct parquet *parquet, const struct text *text)
{
    if (text->failed)
        return -ENOMEM;
    errno = 0;
    if (text->size && fwrite(text->data, 1, text->size, parquet->out) != text->size)
        return errno ? -errno : -EIO;
    parquet->offset += text->size;
    return 0;
}

/* Which rows are not null: one run if all are alike, else a bit for each. */
static void put_levels(const struct column *column, size_t rows, struct text *page)
{
    const size_t at = page->size;
    uint32_t size;

    text_put(page, "\0\0\0\0", 4);
    if (!column || !column->nulls || column->nulls == rows) {
        put_varint(page, (uint64_t)rows << 1);
        text_putc(page, column && !column->nulls);
    } else {
        put_varint(page, ((uint64_t)rows + 7) / 8 << 1 | 1);
        for (size_t i = 0; i < rows; i += 8) {
            unsigned bits = 0;

            for (size_t j = i; j < rows && j < i + 8; j++)
                bits |= (unsigned)column->valid[j] << (j - i);
            text_putc(page, (char)bits);
        }
    }
    size = (uint32_t)(page->size - at - 4);
    if (!page->failed)
        memcpy(page->data + at, &size, 4);
}

static void put_bools(const struct column *column, size_t rows, struct text *page)
{
    unsigned bits = 0, count = 0;

    for (size_t i = 0; i < rows; i++) {
        if (!column->valid[i])
            continue;
        bits |= (unsigned)(column->fixed[i] != 0) << count++;
        if (count == 8) {
            text_putc(page, (char)bits);
            bits = count = 0;
        }
    }
    if (count)
        text_putc(page, (char)bits);
}

static void put_strings(const struct column *column, size_t rows, struct text *page)
{
    uint64_t begin = 0;

    for (size_t i = 0; i < rows; begin = column->end[i++]) {
        const uint32_t size = (uint32_t)(column->end[i] - begin);

        if (!column->valid[i])
            continue;
        text_put(page, &size, 4);
        if (size)
            text_put(page, column->bytes.data + begin, size);
    }
}

static void put_values(const struct column *column, size_t rows, struct text *page)
{
    if (column->kind == COLUMN_BOOL)
        put_bools(column, rows, page);
    else if (column->kind == COLUMN_STRING || column->kind == COLUMN_BYTES)
        put_strings(column, rows, page);
    else
        for (size_t i = 0; i < rows; i++)
            if (column->valid[i])
                text_put(page, &column->fixed[i], 8);
}

static int compress(struct parquet *parquet)
{
    const size_t room = ZSTD_compressBound(parquet->page.size);
    size_t size;

    text_clear(&parquet->stored);
    if (parquet->page.failed || !text_reserve(&parquet->stored, room))
        return -ENOMEM;
    size = ZSTD_compressCCtx(parquet->zstd, parquet->stored.data, room, parquet->page.data,
                             parquet->page.size, ZSTD_LEVEL);
    if (ZSTD_isError(size))
        return -ENOMEM;
    parquet->stored.size = size;
    return 0;
}

static void put_page_header(struct parquet *parquet, size_t rows)
{
    struct text *const head = &parquet->head;
    int last = 0, inner = 0;

    text_clear(head);
    put_int(head, &last, 1, THRIFT_I32, PAGE_DATA);
    put_int(head, &last, 2, THRIFT_I32, (int64_t)parquet->page.size);
    put_int(head, &last, 3, THRIFT_I32, (int64_t)parquet->stored.size);
    put_field(head, &last, 5, THRIFT_STRUCT);
    put_int(head, &inner, 1, THRIFT_I32, (int64_t)rows);
    put_int(head, &inner, 2, THRIFT_I32, ENCODING_PLAIN);
    put_int(head, &inner, 3, THRIFT_I32, ENCODING_RLE);
    put_int(head, &inner, 4, THRIFT_I32, ENCODING_RLE);
    put_stop(head);
    put_stop(head);
}

/* A page with a column's values; `column` NULL: nulls. */
static int put_chunk(struct parquet *parquet, const struct column *column, size_t rows,
                     struct chunk *ret_chunk)
{
    const uint64_t offset = parquet->offset;
    int r;

    text_clear(&parquet->page);
    put_levels(column, rows, &parquet->page);
    if (column)
        put_values(column, rows, &parquet->page);
    r = compress(parquet);
    if (r < 0)
        return r;
    put_page_header(parquet, rows);
    *ret_chunk = (struct chunk){
        .offset = offset,
        .stored = parquet->head.size + parquet->stored.size,
        .raw = parquet->head.size + parquet->page.size,
        .there = true,
    };
    r = write_out(parquet, &parquet->head);
    return r < 0 ? r : write_out(parquet, &parquet->stored);
}

int parquet_put(struct parquet *parquet, struct columns *columns)
{
    struct column *column;
    struct group *group;
    size_t count, rows;
    int r = columns_get(columns, &column, &count, &rows);

    if (r < 0 || !rows)
        return r;
    if (parquet->groups == parquet->room) {
        const size_t room = parquet->room ? 2 * parquet->room : 64;
        struct group *const grown = reallocarray(parquet->group, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        parquet->group = grown;
        parquet->room = room;
    }
    group = &parquet->group[parquet->groups];
    *group = (struct group){.chunk = calloc(count + 1, sizeof(*group->chunk)), .rows = rows};
    if (!group->chunk)
        return -ENOMEM;
    parquet->groups++;
    for (; group->chunks < count && r == 0; group->chunks++)
        r = put_chunk(parquet, &column[group->chunks], rows, &group->chunk[group->chunks]);
    columns_clear(columns);
    return r;
}

/* ---- The end ---- */

static int type_of(enum column_kind kind)
{
    switch (kind) {
    case COLUMN_BOOL:
        return TYPE_BOOLEAN;
    case COLUMN_REAL:
        return TYPE_DOUBLE;
    case COLUMN_STRING:
    case COLUMN_BYTES:
        return TYPE_BYTE_ARRAY;
    default:
        return TYPE_INT64;
    }
}

/* SchemaElement.logicalType: STRING, TIMESTAMP in nanoseconds of UTC, or an INTEGER without sign.
 */
static void put_logical_type(struct text *out, int *last, enum column_kind kind)
{
    int choice = 0, inner = 0, unit = 0;

    if (kind != COLUMN_STRING && kind != COLUMN_TIME && kind != COLUMN_UINT)
        return;
    put_field(out, last, 10, THRIFT_STRUCT);
    if (kind == COLUMN_STRING) {
        put_field(out, &choice, 1, THRIFT_STRUCT);
    } else if (kind == COLUMN_TIME) {
        put_field(out, &choice, 8, THRIFT_STRUCT);
        put_field(out, &inner, 1, THRIFT_TRUE);
        put_field(out, &inner, 2, THRIFT_STRUCT);
        put_field(out, &unit, 3, THRIFT_STRUCT);
        put_stop(out);
        put_stop(out);
    } else {
        put_field(out, &choice, 10, THRIFT_STRUCT);
        put_field(out, &inner, 1, THRIFT_BYTE);
        text_putc(out, 64);
        put_field(out, &inner, 2, THRIFT_FALSE);
    }
    put_stop(out);
    put_stop(out);
}

static void put_schema(struct text *out, int *last, const struct column *column, size_t count)
{
    int root = 0;

    put_list(out, last, 2, THRIFT_STRUCT, count + 1);
    put_field(out, &root, 4, THRIFT_BINARY);
    put_string(out, "records");
    put_int(out, &root, 5, THRIFT_I32, (int64_t)count);
    put_stop(out);
    for (size_t i = 0; i < count; i++) {
        int inner = 0;

        put_int(out, &inner, 1, THRIFT_I32, type_of(column[i].kind));
        put_int(out, &inner, 3, THRIFT_I32, OPTIONAL);
        put_field(out, &inner, 4, THRIFT_BINARY);
        put_string(out, column[i].name);
        if (column[i].kind == COLUMN_STRING || column[i].kind == COLUMN_UINT)
            put_int(out, &inner, 6, THRIFT_I32, column[i].kind == COLUMN_STRING ? 0 : 14);
        put_logical_type(out, &inner, column[i].kind);
        put_stop(out);
    }
}

static void put_column_chunk(struct text *out, const struct column *column,
                             const struct chunk *chunk, uint64_t rows)
{
    int last = 0, inner = 0;

    put_int(out, &last, 2, THRIFT_I64, (int64_t)chunk->offset);
    put_field(out, &last, 3, THRIFT_STRUCT);
    put_int(out, &inner, 1, THRIFT_I32, type_of(column->kind));
    put_list(out, &inner, 2, THRIFT_I32, 2);
    put_zigzag(out, ENCODING_PLAIN);
    put_zigzag(out, ENCODING_RLE);
    put_list(out, &inner, 3, THRIFT_BINARY, 1);
    put_string(out, column->name);
    put_int(out, &inner, 4, THRIFT_I32, CODEC_ZSTD);
    put_int(out, &inner, 5, THRIFT_I64, (int64_t)rows);
    put_int(out, &inner, 6, THRIFT_I64, (int64_t)chunk->raw);
    put_int(out, &inner, 7, THRIFT_I64, (int64_t)chunk->stored);
    put_int(out, &inner, 9, THRIFT_I64, (int64_t)chunk->offset);
    put_stop(out);
    put_stop(out);
}

static void put_groups(const struct parquet *parquet, struct text *out, int *last,
                       const struct column *column, size_t count)
{
    put_list(out, last, 4, THRIFT_STRUCT, parquet->groups);
    for (size_t i = 0; i < parquet->groups; i++) {
        const struct group *const group = &parquet->group[i];
        uint64_t raw = 0;
        int inner = 0;

        put_list(out, &inner, 1, THRIFT_STRUCT, count);
        for (size_t j = 0; j < count; j++) {
            put_column_chunk(out, &column[j], &group->chunk[j], group->rows);
            raw += group->chunk[j].raw;
        }
        put_int(out, &inner, 2, THRIFT_I64, (int64_t)raw);
        put_int(out, &inner, 3, THRIFT_I64, (int64_t)group->rows);
        put_stop(out);
    }
}

/* Columns that came later are null in the groups before. */
static int complete(struct parquet *parquet, size_t count)
{
    int r = 0;

    for (size_t i = 0; i < parquet->groups && r == 0; i++) {
        struct group *const group = &parquet->group[i];
        struct chunk *const grown = reallocarray(group->chunk, count + 1, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        group->chunk = grown;
        for (; group->chunks < count && r == 0; group->chunks++)
            r = put_chunk(parquet, NULL, group->rows, &group->chunk[group->chunks]);
    }
    return r;
}

int parquet_end(struct parquet *parquet, struct columns *columns)
{
    struct text end = {0};
    struct column *column;
    size_t count, rows;
    uint64_t all = 0;
    uint32_t size;
    int last = 0, r = columns_get(columns, &column, &count, &rows);

    if (r == 0)
        r = complete(parquet, count);
    if (r < 0)
        return r;
    for (size_t i = 0; i < parquet->groups; i++)
        all += parquet->group[i].rows;
    put_int(&end, &last, 1, THRIFT_I32, 2);
    put_schema(&end, &last, column, count);
    put_int(&end, &last, 3, THRIFT_I64, (int64_t)all);
    put_groups(parquet, &end, &last, column, count);
    put_field(&end, &last, 6, THRIFT_BINARY);
    put_string(&end, "shmlog " SHMLOG_VERSION_STRING);
    put_stop(&end);
    size = (uint32_t)end.size;
    text_put(&end, &size, 4);
    text_puts(&end, MAGIC);
    r = write_out(parquet, &end);
    text_done(&end);
    if (r == 0 && fflush(parquet->out))
        r = errno ? -errno : -EIO;
    return r;
}

int parquet_open(FILE *out, struct parquet **ret_parquet)
{
    struct parquet *const parquet = calloc(1, sizeof(*parquet));

    if (!parquet)
        return -ENOMEM;
    parquet->out = out;
    parquet->zstd = ZSTD_createCCtx();
    if (!parquet->zstd) {
        free(parquet);
        return -ENOMEM;
    }
    /* An error of this write shows again at the next one. */
    parquet->offset = fwrite(MAGIC, 1, strlen(MAGIC), out);
    *ret_parquet = parquet;
    return 0;
}

void parquet_close(struct parquet *parquet)
{
    if (!parquet)
        return;
    for (size_t i = 0; i < parquet->groups; i++)
        free(parquet->group[i].chunk);
    free(parquet->group);
    text_done(&parquet->page);
    text_done(&parquet->stored);
    text_done(&parquet->head);
    ZSTD_freeCCtx(parquet->zstd);
    free(parquet);
}
