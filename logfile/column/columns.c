/* SPDX-License-Identifier: MIT
 *
 * What columns share while a content is written: scratch, places to begin a zstd block, the group.
 */
#include "logfile/column/kernel.h"

#include <errno.h>
#include <stdlib.h>

void file_columns_init(struct file_columns *columns)
{
    *columns = (struct file_columns){.kernels = file_kernels(), .slack = COLUMN_SLACK_FAST};
    file_columns_cost_init(columns);
}

static void free_work(struct file_columns *columns)
{
    free(columns->work);
    free(columns->work2);
    free(columns->work3);
    free(columns->group.reference);
    free(columns->codes);
    columns->work = columns->work2 = columns->work3 = columns->group.reference = NULL;
    columns->group.has_reference = false;
    columns->codes = NULL;
    columns->room = 0;
}

void file_columns_done(struct file_columns *columns)
{
    free_work(columns);
    free(columns->tail);
    columns->tail = NULL;
    columns->tail_size = columns->tail_room = 0;
}

void file_columns_begin(struct file_columns *columns)
{
    columns->cuts = 0;
    columns->tail_size = 0;
}

int file_columns_reserve(struct file_columns *columns, size_t count)
{
    if (count <= columns->room)
        return 0;
    free_work(columns);
    columns->work = malloc(count * sizeof(*columns->work));
    columns->work2 = malloc(count * sizeof(*columns->work2));
    columns->work3 = malloc(count * sizeof(*columns->work3));
    columns->group.reference = malloc(count * sizeof(*columns->group.reference));
    columns->codes = malloc(count);
    if (!columns->work || !columns->work2 || !columns->work3 || !columns->group.reference ||
        !columns->codes) {
        free_work(columns);
        return -ENOMEM;
    }
    columns->room = count;
    return 0;
}

void file_columns_cut(struct file_columns *columns, const struct file_buffer *out)
{
    if (columns->cuts < COLUMN_CUTS_MAX)
        columns->cut[columns->cuts++] = out->size;
}

void file_columns_begin_group(struct file_columns *columns, const uint8_t *keys, uint32_t key_count,
                              unsigned key_argument)
{
    columns->group.open = true;
    columns->group.keys = keys;
    columns->group.key_count = key_count;
    columns->group.key_argument = key_argument;
    columns->group.has_reference = false;
}

void file_columns_end_group(struct file_columns *columns)
{
    columns->group.open = false;
    columns->group.keys = NULL;
    columns->group.has_reference = false;
}
