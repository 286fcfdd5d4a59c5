/* SPDX-License-Identifier: MIT
 *
 * Records that bring their site along; see inlined.h.
 */
#include "reader/inlined.h"

#include <string.h>

/* The site that the first argument holds. One that is of such records itself would have no end, and
 * by the level of another one the record would not have been chosen. */
static bool take_site(const struct file_value *value, unsigned level, struct file_site *ret_site)
{
    return value->type == SHMLOG_TYPE_BYTES && !value->is_null &&
           file_site_parse(value->data, value->size, ret_site) == 0 && ret_site->level == level &&
           !(ret_site->flags & SHMLOG_SITE_FLAG_INLINE);
}

void inlined_take_out(struct inlined *inlined, struct cursor_record *record)
{
    struct file_value value[FILE_SITE_ARGS_MAX];
    const struct file_site *const outer = record->site;

    if (!outer || !(outer->flags & SHMLOG_SITE_FLAG_INLINE) || outer->args != 2 ||
        file_site_values(outer, record->payload, record->payload_size, value) < 0 ||
        !take_site(&value[0], outer->level, &inlined->site) || value[1].type != SHMLOG_TYPE_BYTES ||
        value[1].is_null || value[1].size > SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_ARGS)
        return;
    memcpy(inlined->payload, record->payload, SHMLOG_PAYLOAD_ARGS); /* time and producer */
    if (value[1].size)
        memcpy(inlined->payload + SHMLOG_PAYLOAD_ARGS, value[1].data, value[1].size);
    record->site_id = 0;
    record->site = &inlined->site;
    record->payload = inlined->payload;
    record->payload_size = SHMLOG_PAYLOAD_ARGS + value[1].size;
}
