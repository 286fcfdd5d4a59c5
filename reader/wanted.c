/* SPDX-License-Identifier: MIT
 *
 * Which blocks of a file may have records that pass: see wanted.h.
 */
#include "reader/wanted.h"
#include "logfile/ranges.h"
#include "reader/join.h"

/* May records of the site pass, of a block of which these are the ranges? */
static bool may_pass(const struct wanted *wanted, uint32_t id, const struct file_ranges *ranges)
{
    struct cursor_record like = wanted->like;

    if (id >= SHMLOG_SITE_INLINE) /* its records bring others along */
        return true;
    like.site_id = id;
    like.site = file_sites_get(file_reader_sites(wanted->reader), id);
    return query_may_pass(wanted->where, &like, ranges);
}

uint64_t wanted_sites(const struct wanted *wanted)
{
    const struct file_sites *const sites = file_reader_sites(wanted->reader);
    uint64_t bits = 0;

    if (!wanted->where || may_pass(wanted, 0, NULL))
        return UINT64_MAX; /* a site that is in no dictionary may have any bit */
    for (uint32_t id = 0; (id = file_sites_next(sites, id)) != 0;)
        if (may_pass(wanted, id, NULL))
            bits |= UINT64_C(1) << id % 64;
    return bits;
}

bool wanted_by_ranges(const struct wanted *wanted, const struct file_piece *block,
                      const struct file_piece *ranges)
{
    struct file_ranges of;
    bool may = false;

    if (file_reader_ranges(wanted->reader, ranges, &of) < 0)
        return true;
    if (of.ring != block->block.ring || of.first_seq != block->block.first_seq)
        may = true;
    for (size_t i = 0; i < of.sites && !may; i++)
        may = may_pass(wanted, of.site[i], &of);
    file_ranges_done(&of);
    return may;
}

enum file_chosen wanted_choose(void *arg, struct file_group *group, uint8_t *ret_wanted)
{
    const struct wanted *const wanted = arg;
    struct cursor_record like = wanted->like;

    like.site_id = group->site;
    like.site = file_sites_get(file_reader_sites(wanted->reader), group->site);
    /* A long text is judged when it is whole; a record that brings its site along, by that. */
    if (group->site >= SHMLOG_SITE_INLINE ||
        (like.site && (like.site->flags & SHMLOG_SITE_FLAG_INLINE || join_takes(like.site))))
        return FILE_CHOSEN_ALL;
    return query_choose(wanted->where, &like, group, ret_wanted);
}
