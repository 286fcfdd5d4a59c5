/* SPDX-License-Identifier: MIT
 *
 * Records as a Parquet file: see export.h.
 */
#include "tools/export.h"
#include "reader/parquet.h"

#include <errno.h>
#include <stdlib.h>

#define GROUP_ROWS 131072u
#define GROUP_BYTES (UINT64_C(64) << 20)
#define LOOK_EVERY 1024u /* rows between two looks at the bytes: a power of two */

struct export
{
    struct answer answer; /* first */
    struct columns *columns;
    struct parquet *parquet;
    size_t rows;
};

static int put_group(struct export *export)
{
    export->rows = 0;
    return parquet_put(export->parquet, export->columns);
}

static int export_take(struct answer *answer, struct line *line)
{
    struct export *const export = (struct export *)answer;
    const int r = columns_take(export->columns, line);

    if (r < 0)
        return r;
    export->rows++;
    if (export->rows < GROUP_ROWS &&
        (export->rows & (LOOK_EVERY - 1) || columns_bytes(export->columns) < GROUP_BYTES))
        return 0;
    return put_group(export);
}

/* A group is written when it is full: small ones would make a bad file. */
static int export_flush(struct answer *answer)
{
    return 0;
}

static int export_end(struct answer *answer)
{
    struct export *const export = (struct export *)answer;
    const int r = put_group(export);

    return r < 0 ? r : parquet_end(export->parquet, export->columns);
}

static void export_close(struct answer *answer)
{
    struct export *const export = (struct export *)answer;

    parquet_close(export->parquet);
    columns_close(export->columns);
    free(export);
}

int export_open(struct field_list *fields, FILE *out, struct answer **ret_answer)
{
    struct export *const export = calloc(1, sizeof(*export));
    int r = export ? 0 : -ENOMEM;

    if (!fields->count)
        field_list_all(fields);
    if (r == 0)
        r = columns_open(fields, &export->columns);
    if (r == 0)
        r = parquet_open(out, &export->parquet);
    if (r < 0) {
        if (export)
            export_close(&export->answer);
        return r;
    }
    export->answer = (struct answer){.take = export_take,
                                     .flush = export_flush,
                                     .end = export_end,
                                     .close = export_close};
    *ret_answer = &export->answer;
    return 0;
}
