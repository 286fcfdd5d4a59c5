/* SPDX-License-Identifier: MIT
 *
 * Finding the records in a block's slots, and sorting them into groups of one site.
 */
#include "collector/file/encoder.h"
#include "collector/file/record.h"

#include <errno.h>
#include <stdlib.h>

uint32_t file_encode_meaningful(const struct file_site *site, const struct shmlog_slot *first,
                                unsigned slots)
{
    uint64_t size = SHMLOG_PAYLOAD_ARGS + site->fixed_size;
    uint32_t room = slots * SHMLOG_SLOT_PAYLOAD;

    if (size > room)
        return 0;
    if (!site->strings)
        return (uint32_t)size;
    for (unsigned i = 0; i < site->args; i++) {
        if (site->arg[i].type == SHMLOG_TYPE_STRING || site->arg[i].type == SHMLOG_TYPE_BYTES)
            size += string_size(load32(payload_at(first, site->arg[i].offset)));
    }
    return size <= room ? (uint32_t)size : 0;
}

static int grow_u32(uint32_t **array, size_t count)
{
    uint32_t *grown = realloc(*array, count * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    *array = grown;
    return 0;
}

int file_encode_reserve(struct file_encoder *encoder, size_t records)
{
    uint64_t *value;

    if (records <= encoder->room)
        return 0;
    value = realloc(encoder->value, records * sizeof(*value));
    if (!value)
        return -ENOMEM;
    encoder->value = value;
    if (grow_u32(&encoder->start, records) < 0 || grow_u32(&encoder->group, records) < 0 ||
        grow_u32(&encoder->order, records) < 0)
        return -ENOMEM;
    encoder->room = records;
    return 0;
}

static int reserve_site(struct file_encoder *encoder, uint32_t id)
{
    uint32_t room = encoder->sites_room ? encoder->sites_room : 256;

    if (id < encoder->sites_room)
        return 0;
    while (room <= id)
        room *= 2;
    for (unsigned i = 0; i < 2; i++) {
        if (grow_u32(&encoder->group_of[i], room) < 0)
            return -ENOMEM;
        memset(encoder->group_of[i] + encoder->sites_room, 0,
               (room - encoder->sites_room) * sizeof(uint32_t));
    }
    encoder->sites_room = room;
    return 0;
}

/* ---- Sorting into groups ---- */

static int add_group(struct file_encoder *encoder, uint32_t id, const struct file_site *site)
{
    if (encoder->group_count == encoder->group_room) {
        size_t room = encoder->group_room ? 2 * encoder->group_room : 64;
        struct encode_group *groups = realloc(encoder->groups, room * sizeof(*groups));

        if (!groups)
            return -ENOMEM;
        encoder->groups = groups;
        encoder->group_room = room;
    }
    encoder->groups[encoder->group_count++] = (struct encode_group){.site_id = id, .site = site};
    encoder->group_of[!site][id] = (uint32_t)encoder->group_count;
    return 0;
}

static int find_group(struct file_encoder *encoder, const struct file_block_params *params,
                      const struct shmlog_slot *first, unsigned slots, uint32_t *ret_group)
{
    uint32_t id = first->site & SHMLOG_SITE_ID_MASK;
    const struct file_site *site = params->sites ? file_sites_get(params->sites, id) : NULL;
    int r = reserve_site(encoder, id);

    if (r < 0)
        return r;
    if (site && !file_encode_meaningful(site, first, slots))
        site = NULL;
    if (!encoder->group_of[!site][id]) {
        r = add_group(encoder, id, site);
        if (r < 0)
            return r;
    }
    *ret_group = encoder->group_of[!site][id] - 1;
    encoder->groups[*ret_group].count++;
    return 0;
}

int file_encode_find_records(struct file_encoder *encoder, const struct file_block_params *params)
{
    size_t slot = 0;

    for (size_t i = 0; i < params->records; i++) {
        const struct shmlog_slot *first = params->slots + slot;
        unsigned slots;
        int r;

        if (slot >= params->slot_count)
            return -EINVAL;
        slots = record_slots(first);
        if (!slots || slots > SHMLOG_RECORD_SLOTS || slots > params->slot_count - slot ||
            first->seq != (uint32_t)(params->first_seq + i))
            return -EINVAL;
        encoder->start[i] = (uint32_t)slot;
        r = find_group(encoder, params, first, slots, &encoder->group[i]);
        if (r < 0)
            return r;
        slot += slots;
    }
    return slot == params->slot_count ? 0 : -EINVAL;
}

void file_encode_forget_groups(struct file_encoder *encoder)
{
    for (size_t g = 0; g < encoder->group_count; g++) {
        encoder->group_of[0][encoder->groups[g].site_id] = 0;
        encoder->group_of[1][encoder->groups[g].site_id] = 0;
    }
    encoder->group_count = 0;
}

void file_encode_sort_groups(struct file_encoder *encoder, size_t records)
{
    uint32_t first = 0;

    for (size_t g = 0; g < encoder->group_count; g++) {
        encoder->groups[g].first = first;
        first += encoder->groups[g].count;
        encoder->groups[g].count = 0;
    }
    for (size_t i = 0; i < records; i++) {
        struct encode_group *group = &encoder->groups[encoder->group[i]];

        encoder->order[group->first + group->count++] = encoder->start[i];
    }
}
