/* SPDX-License-Identifier: MIT
 *
 * Making a whole file: see whole.h.
 */
#include "tests/torn/whole.h"

#include "logfile/format.h"
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITES 4u
#define SLOTS_MOST 4u /* of a record */

static uint64_t digest[WHOLE_RINGS][WHOLE_RECORDS + 1]; /* of the records that went in */

/* ---- Making ---- */

struct making {
    struct whole *whole;
    struct file_encoder *encoder;
    struct file_index *index;
    struct file_sites sites;
    struct file_identity identity;
    struct file_buffer out;
    uint32_t next_seq[WHOLE_RINGS];
    uint64_t next_pos[WHOLE_RINGS];
    uint64_t *random;
    bool original; /* its digests are kept */
};

static uint64_t digest_of(uint64_t seq, uint32_t site, uint32_t producer, const uint8_t *payload,
                          size_t size)
{
    const uint64_t head[] = {seq, site, producer, size};

    return XXH64(payload, size, XXH64(head, sizeof(head), 0));
}

/* Note the pieces that `out` has from `begin` on. */
static void piece_done(struct making *m, size_t begin)
{
    for (size_t at = begin; at < m->out.size;) {
        struct whole_piece *piece = &m->whole->piece[m->whole->pieces];
        struct frame_block block;
        struct frame_head head;
        size_t frame, size;

        KIT_CHECK(m->whole->pieces++ < WHOLE_PIECES_MAX);
        KIT_OK(file_piece_frame(m->out.data + at, m->out.size - at, &head, &frame, &size));
        *piece = (struct whole_piece){.at = at, .end = at + size, .kind = head.kind};
        if (head.kind == FILE_KIND_BLOCK) {
            memcpy(&block, m->out.data + at, sizeof(block));
            piece->ring = block.ring;
            piece->first_seq = (uint32_t)block.first_seq;
        }
        at += size;
    }
}

static void piece_put(struct making *m, size_t begin)
{
    KIT_OK(file_index_add(m->index, begin, m->out.data + begin, m->out.size - begin));
    piece_done(m, begin);
}

/* Sites: numbers; a string and bytes; an event of small numbers; a struct. */
static void put_site(struct making *m, uint32_t id)
{
    static const uint8_t types[SITES][4] = {
        {SHMLOG_TYPE_U64, SHMLOG_TYPE_F64, SHMLOG_TYPE_U32, SHMLOG_TYPE_CHAR},
        {SHMLOG_TYPE_U64, SHMLOG_TYPE_STRING, SHMLOG_TYPE_BYTES, SHMLOG_TYPE_I32},
        {SHMLOG_TYPE_I64, SHMLOG_TYPE_I16, SHMLOG_TYPE_U8, SHMLOG_TYPE_BOOL},
        {SHMLOG_TYPE_U64, SHMLOG_TYPE_U64, SHMLOG_TYPE_U64, SHMLOG_TYPE_U64},
    };
    uint8_t bytes[SHMLOG_SITE_MAX] = {0};
    struct shmlog_site head = {.level = (uint8_t)(id % 6), .args = 4, .line = 10 * id};
    size_t at = sizeof(head), begin = m->out.size;
    uint32_t end = SHMLOG_PAYLOAD_ARGS;

    head.kind = id == 4 ? SHMLOG_SITE_RAW : id == 3 ? SHMLOG_SITE_EVENT : SHMLOG_SITE_PRINTF;
    head.record_size = id == 4 ? 32 : 0;
    for (unsigned i = 0; i < 4; i++) {
        struct shmlog_site_arg arg = {.type = types[id - 1][i]};

        arg.size = (uint16_t)file_type_size(arg.type);
        end = (end + arg.size - 1) & ~(arg.size - 1u);
        arg.offset = (uint16_t)(id == 4 ? 8 * i : end);
        end += arg.size;
        memcpy(bytes + at, &arg, sizeof(arg));
        at += sizeof(arg);
    }
    at += (size_t)snprintf((char *)bytes + at, 256, "site %u: %%s%cfile.c%cfunction%ccategory%u",
                           id, 0, 0, 0, id) +
          1;
    for (unsigned i = 0; i < 4; i++)
        at += (size_t)snprintf((char *)bytes + at, 8, "a%u", i) + 1;
    head.size = (uint16_t)at;
    memcpy(bytes, &head, sizeof(head));
    KIT_OK(file_sites_put(&m->sites, id, bytes, at));
    KIT_OK(file_put_site(m->encoder, m->identity.file_uuid, id, bytes, at, &m->out));
    piece_put(m, begin);
}

/* A record's payload, zeros where nothing is said: so it comes out as it went in, byte for byte.
 * Its size. */
static uint32_t make_payload(struct making *m, uint32_t site_id, uint32_t seq,
                             uint8_t payload[SLOTS_MOST * SHMLOG_SLOT_PAYLOAD])
{
    const struct file_site *site = file_sites_get(&m->sites, site_id);
    uint32_t base = site->kind == SHMLOG_SITE_RAW ? SHMLOG_PAYLOAD_RAW : 0;
    uint32_t end = SHMLOG_PAYLOAD_ARGS + site->fixed_size;
    uint64_t time = UINT64_C(1000000) * seq + kit_random_below(m->random, 1000);
    uint32_t producer = 65537;

    memset(payload, 0, SLOTS_MOST * SHMLOG_SLOT_PAYLOAD);
    memcpy(payload + SHMLOG_PAYLOAD_TIME, &time, 8);
    memcpy(payload + SHMLOG_PAYLOAD_PRODUCER, &producer, 4);
    for (unsigned i = 0; i < site->args; i++) {
        uint64_t bits = kit_random(m->random);

        if (site->arg[i].type == SHMLOG_TYPE_STRING || site->arg[i].type == SHMLOG_TYPE_BYTES) {
            bits = kit_random_below(m->random, 60);
            for (uint64_t b = 0; b < bits; b++)
                payload[end++] = (uint8_t)kit_random(m->random);
        }
        memcpy(payload + base + site->arg[i].offset, &bits, site->arg[i].size);
    }
    return end;
}

static void put_block(struct making *m, uint32_t ring)
{
    static struct shmlog_slot slots[WHOLE_BLOCK_RECORDS * SLOTS_MOST];
    struct file_block_params params = {
        .ring = ring,
        .first_seq = m->next_seq[ring],
        .first_pos = m->next_pos[ring],
        .slots = slots,
        .records = WHOLE_BLOCK_RECORDS,
        .sites = &m->sites,
    };
    size_t begin = m->out.size;

    memcpy(params.file_uuid, m->identity.file_uuid, 16);
    for (unsigned i = 0; i < WHOLE_BLOCK_RECORDS; i++) {
        uint32_t site = 1 + (uint32_t)kit_random_below(m->random, SITES);
        uint8_t payload[SLOTS_MOST * SHMLOG_SLOT_PAYLOAD];
        uint32_t seq = m->next_seq[ring]++;
        uint32_t size = make_payload(m, site, seq, payload);
        uint32_t count = (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;

        for (uint32_t s = 0; s < count; s++) {
            struct shmlog_slot *slot = &slots[params.slot_count++];

            slot->seq = seq;
            slot->site = site | (s ? 0 : count << SHMLOG_SITE_SLOTS_SHIFT);
            memcpy(slot->payload, payload + s * SHMLOG_SLOT_PAYLOAD, SHMLOG_SLOT_PAYLOAD);
        }
        if (m->original)
            digest[ring][seq] = digest_of(seq, site, 65537, payload, size);
    }
    m->next_pos[ring] += params.slot_count;
    KIT_OK(file_put_block(m->encoder, &params, &m->out, NULL));
    piece_put(m, begin);
}

static void put_clock(struct making *m, uint64_t ticks)
{
    struct shmlog_clock_pair pair = {.ticks = ticks, .realtime_ns = 5 * ticks, .error_ns = 20};
    size_t begin = m->out.size;

    KIT_OK(file_put_clock(m->encoder, m->identity.file_uuid, &pair, &m->out));
    piece_put(m, begin);
}

static void put_producer(struct making *m, uint32_t id)
{
    struct shmlog_producer producer = {.id = id, .pid = 77, .tid = 78, .process = "gateway"};
    size_t begin = m->out.size;

    KIT_OK(file_put_producer(m->encoder, m->identity.file_uuid, &producer, &m->out));
    piece_put(m, begin);
}

static void put_gap(struct making *m, uint32_t ring)
{
    struct file_gap gap = {.ring = ring,
                           .cause = SHMLOG_LOST_FULL,
                           .count = 1000 + ring,
                           .seq = m->next_seq[ring],
                           .pos = m->next_pos[ring]};
    size_t begin = m->out.size;

    memcpy(gap.file_uuid, m->identity.file_uuid, 16);
    KIT_OK(file_put_gap(m->encoder, &gap, &m->out));
    piece_put(m, begin);
}

static void put_pieces(struct making *m)
{
    put_clock(m, 1000);
    for (uint32_t id = 1; id <= 3; id++)
        put_producer(m, id << 16 | 1);
    for (uint32_t id = 1; id <= SITES; id++)
        put_site(m, id);
    for (unsigned i = 0; i < WHOLE_BLOCKS; i++) {
        if (i % 6 == 3)
            put_gap(m, i % WHOLE_RINGS);
        if (i % 8 == 7)
            put_clock(m, 1000 + UINT64_C(100000000) * i);
        put_block(m, i % WHOLE_RINGS);
    }
}

void whole_make(struct whole *ret_whole, unsigned number, uint64_t *random)
{
    struct file_ledger_entry ledger[WHOLE_RINGS] = {{0}};
    struct making m = {.whole = ret_whole, .random = random, .original = number == 0};

    *ret_whole = (struct whole){0};
    m.identity = (struct file_identity){
        .file_number = 1 + number,
        .created_ns = 1700000000000000000,
        .clock_hz = 200000000,
        .clock = SHMLOG_CLOCK_TSC,
        .on_full = SHMLOG_ON_FULL_DROP,
        .ring_slots = 16384,
        .host = "tokyo-7",
        .segment = "trading",
    };
    memset(m.identity.file_uuid, (int)(0x11 + number), 16);
    memset(m.identity.segment_uuid, 0x77, 16);
    KIT_OK(file_encoder_open(&m.encoder, 1));
    KIT_OK(file_index_open(&m.index));
    for (uint32_t i = 0; i < WHOLE_RINGS; i++) {
        ledger[i] =
            (struct file_ledger_entry){.ring = i, .cpu = i, .kind = SHMLOG_RING_CPU, .next_seq = 1};
        m.next_seq[i] = 1;
    }
    KIT_OK(file_put_header(m.encoder, &m.identity, ledger, WHOLE_RINGS, &m.out));
    piece_put(&m, 0);
    ret_whole->header_end = m.out.size;
    put_pieces(&m);
    ret_whole->seal_begin = m.out.size;
    for (uint32_t i = 0; i < WHOLE_RINGS; i++)
        ledger[i].next_seq = m.next_seq[i];
    KIT_OK(file_put_seal(m.encoder, &m.identity, ledger, WHOLE_RINGS, m.index, m.out.size, false,
                         1800000000000000000, &m.out));
    piece_done(&m, ret_whole->seal_begin);
    ret_whole->bytes = m.out.data;
    ret_whole->size = m.out.size;
    file_encoder_close(m.encoder);
    file_index_close(m.index);
    file_sites_done(&m.sites);
}

void whole_done(struct whole *whole)
{
    free(whole->bytes);
    *whole = (struct whole){0};
}

bool whole_has(uint32_t ring, uint64_t seq, uint32_t site, uint32_t producer,
               const uint8_t *payload, size_t size)
{
    return ring < WHOLE_RINGS && seq >= 1 && seq <= WHOLE_RECORDS &&
           digest[ring][seq] == digest_of(seq, site, producer, payload, size);
}
