/* SPDX-License-Identifier: MIT
 *
 * Finding the records in a block's slots, and sorting them into groups of one site.
 */
#include "logfile/block/encoder.h"
#include "logfile/block/record.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

uint32_t file_encode_needed(const struct encode_group *group, const struct shmlog_slot *first)
{
    uint64_t size = group->fixed_end;

    for (unsigned i = 0; i < group->strings; i++)
        size += string_size(load32((const uint8_t *)first + group->length_at[i]));
    return (uint32_t)((size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD);
}

/* Is a record of so many slots as its site says? Then the group understands it. */
static inline bool fits(const struct encode_group *group, const struct shmlog_slot *first,
                        unsigned slots)
{
    return slots >= group->fit && (!group->strings || file_encode_needed(group, first) <= slots);
}

static int grow_u32(uint32_t **array, size_t count)
{
    uint32_t *grown = realloc(*array, count * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    *array = grown;
    return 0;
}

static int grow_u8(uint8_t **array, size_t count)
{
    uint8_t *grown = realloc(*array, count);

    if (!grown)
        return -ENOMEM;
    *array = grown;
    return 0;
}

static int grow_u64(uint64_t **array, size_t count)
{
    uint64_t *grown = realloc(*array, count * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    *array = grown;
    return 0;
}

int file_encode_reserve(struct file_encoder *encoder, size_t records)
{
    int r = 0;

    if (records <= encoder->room)
        return 0;
    for (unsigned w = 0; r == 0 && w < KERNEL_SLOT_WORDS; w++)
        r = grow_u64(&encoder->word[w], records);
    if (r < 0 || grow_u64(&encoder->value, records) < 0 || grow_u32(&encoder->start, records) < 0 ||
        grow_u32(&encoder->group, records) < 0 || grow_u32(&encoder->order, records) < 0 ||
        grow_u32(&encoder->count_up, records) < 0 || grow_u8(&encoder->key, records) < 0 ||
        grow_u8(&encoder->index, records) < 0 || grow_u32(&encoder->string_at, records) < 0)
        return -ENOMEM;
    for (size_t i = encoder->room; i < records; i++)
        encoder->count_up[i] = (uint32_t)i;
    encoder->room = records;
    return 0;
}

void file_encode_spread(struct encode *e, const uint32_t *order, size_t count, uint32_t slot,
                        unsigned words)
{
    if (e->spread_order == order && e->spread_slot == slot && e->spread_words >= words)
        return;
    e->encoder->columns.kernels->spread(e->slots + slot, order, count, words, e->encoder->word);
    e->spread_order = order;
    e->spread_slot = slot;
    e->spread_words = words;
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

/* What a record of a site needs to be understood. */
static struct encode_group describe(uint32_t id, const struct file_site *site)
{
    struct encode_group group = {.site_id = id, .site = site};

    if (!site)
        return group;
    group.fixed_end = SHMLOG_PAYLOAD_ARGS + site->fixed_size;
    for (unsigned i = 0; site->strings && i < site->args; i++) {
        if (site->arg[i].type == SHMLOG_TYPE_STRING || site->arg[i].type == SHMLOG_TYPE_BYTES)
            group.length_at[group.strings++] =
                (uint16_t)(site->arg[i].offset / SHMLOG_SLOT_PAYLOAD * sizeof(struct shmlog_slot) +
                           offsetof(struct shmlog_slot, payload) +
                           site->arg[i].offset % SHMLOG_SLOT_PAYLOAD);
    }
    group.fit = (group.fixed_end + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
    return group;
}

static int add_group(struct file_encoder *encoder, const struct encode_group *group)
{
    if (encoder->group_count == encoder->group_room) {
        size_t room = encoder->group_room ? 2 * encoder->group_room : 64;
        struct encode_group *groups = realloc(encoder->groups, room * sizeof(*groups));

        if (!groups)
            return -ENOMEM;
        encoder->groups = groups;
        encoder->group_room = room;
    }
    encoder->groups[encoder->group_count++] = *group;
    encoder->group_of[!group->site][group->site_id] = (uint32_t)encoder->group_count;
    return 0;
}

/* The group of a record, whatever it is. */
static int find_group(struct file_encoder *encoder, const struct file_block_params *params,
                      const struct shmlog_slot *first, unsigned slots, uint32_t *ret_group)
{
    uint32_t id = first->site & SHMLOG_SITE_ID_MASK;
    struct encode_group group =
        describe(id, params->sites ? file_sites_get(params->sites, id) : NULL);
    int r = reserve_site(encoder, id);

    if (r < 0)
        return r;
    if (group.site && !fits(&group, first, slots))
        group = describe(id, NULL);
    if (!encoder->group_of[!group.site][id]) {
        r = add_group(encoder, &group);
        if (r < 0)
            return r;
    }
    *ret_group = encoder->group_of[!group.site][id] - 1;
    return 0;
}

/* That of a record like others before, which is understood; UINT32_MAX if it is not. */
static inline uint32_t known_group(const struct file_encoder *encoder,
                                   const struct shmlog_slot *first, unsigned slots)
{
    const uint32_t id = first->site & SHMLOG_SITE_ID_MASK;
    const uint32_t index = id < encoder->sites_room ? encoder->group_of[0][id] - 1 : UINT32_MAX;

    if (index == UINT32_MAX)
        return UINT32_MAX;
    return fits(&encoder->groups[index], first, slots) ? index : UINT32_MAX;
}

/* Sort the records by group, each group's in their order. */
static void sort_groups(struct encode *e)
{
    struct file_encoder *encoder = e->encoder;
    uint32_t *at = encoder->order;

    for (size_t g = 0; g < encoder->group_count; g++) {
        encoder->groups[g].order = at;
        at += encoder->groups[g].count;
        encoder->groups[g].count = 0;
    }
    for (size_t i = 0; i < e->records; i++) {
        struct encode_group *group = &encoder->groups[encoder->group[i]];

        encoder->order[group->order - encoder->order + group->count++] = encoder->start[i];
    }
}

/* All records are of one slot, one site without strings, and one group: what most blocks of a busy
 * ring are. Then their slots are spread. 0: they are not. */
static int find_alike(struct encode *e, const struct file_block_params *params)
{
    struct file_encoder *encoder = e->encoder;
    const uint32_t site = params->slots[0].site;
    const size_t last = e->records - 1;
    const struct file_site *known;
    unsigned words = KERNEL_SLOT_WORDS;
    uint32_t group;
    int r;

    if (e->slot_count != e->records || record_slots(params->slots) != 1 ||
        params->slots[last].site != site || params->slots[last / 2].site != site)
        return 0;
    r = find_group(encoder, params, params->slots, 1, &group);
    if (r < 0)
        return r;
    known = encoder->groups[group].site;
    if (known && known->strings)
        return 0;
    if (known)
        words = 1 + (SHMLOG_PAYLOAD_ARGS + known->fixed_size + 7) / 8;
    file_encode_spread(e, encoder->count_up, e->records, 0, words < 4 ? 4 : words);
    /* Where the numbers wrap within the block, the last head is not of the sequence. */
    if (encoder->word[0][0] != ((uint64_t)site << 32 | (uint32_t)params->first_seq) ||
        !encoder->columns.kernels->is_sequence(encoder->word[0], e->records, 1, UINT64_MAX))
        return 0;
    encoder->groups[group].count = encoder->groups[group].slots = (uint32_t)e->records;
    encoder->groups[group].order = e->start = encoder->count_up;
    return 1;
}

static int find_each(struct encode *e, const struct file_block_params *params)
{
    struct file_encoder *encoder = e->encoder;
    size_t slot = 0;

    for (size_t i = 0; i < e->records; i++) {
        const struct shmlog_slot *first = e->slots + slot;
        unsigned slots;
        uint32_t group;

        if (slot >= e->slot_count)
            return -EINVAL;
        slots = record_slots(first);
        if (slots - 1 >= SHMLOG_RECORD_SLOTS || slots > e->slot_count - slot ||
            first->seq != (uint32_t)(params->first_seq + i))
            return -EINVAL;
        encoder->start[i] = (uint32_t)slot;
        group = known_group(encoder, first, slots);
        if (group == UINT32_MAX) {
            int r = find_group(encoder, params, first, slots, &group);

            if (r < 0)
                return r;
        }
        encoder->group[i] = group;
        encoder->groups[group].count++;
        encoder->groups[group].slots += slots;
        slot += slots;
    }
    if (slot != e->slot_count)
        return -EINVAL;
    e->start = encoder->start;
    sort_groups(e);
    return 0;
}

void file_encode_forget_groups(struct file_encoder *encoder)
{
    for (size_t g = 0; g < encoder->group_count; g++) {
        encoder->group_of[0][encoder->groups[g].site_id] = 0;
        encoder->group_of[1][encoder->groups[g].site_id] = 0;
    }
    encoder->group_count = 0;
}

int file_encode_find_records(struct encode *e, const struct file_block_params *params)
{
    int r = find_alike(e, params);

    if (r != 0)
        return r < 0 ? r : 0;
    file_encode_forget_groups(e->encoder);
    return find_each(e, params);
}
