/* SPDX-License-Identifier: MIT
 *
 * The encoder's inner loops: the set for this machine does what the portable one does, and blocks
 * of records alike, which both take a way of their own, come back as they went in.
 */
#include "logfile/block/decode.h"
#include "logfile/block/encoder.h"
#include "tests/unit/file_kit.h"

#include <errno.h>

#define MOST 300

static uint64_t values[MOST], got[2][8][MOST];

static void need_two_sets(void)
{
    if (file_kernels() == &file_kernels_portable)
        cr_skip_test("this machine has the portable loops only");
}

static const struct file_kernels *set(unsigned k)
{
    return k ? file_kernels() : &file_kernels_portable;
}

static void random_values(size_t count)
{
    const unsigned shift = (unsigned)rng_below(64);
    const uint64_t base = random_bits(SHMLOG_TYPE_U64), width = UINT64_C(1) << rng_below(36);
    const bool close = rng_below(2);

    for (size_t i = 0; i < count; i++)
        if (close)
            values[i] = base + rng_below(width) - width / 2;
        else
            values[i] = rng_below(20) ? rng() >> shift : random_bits(SHMLOG_TYPE_F64);
}

/* Everything that both sets wrote, room beyond the count included. */
static void check_same(void)
{
    cr_assert(!memcmp(got[0], got[1], sizeof(got[0])));
    memset(got, 0x5a, sizeof(got));
}

Test(kernel, same_numbers, .init = need_two_sets)
{
    rng_seed(1);
    memset(got, 0x5a, sizeof(got));
    for (unsigned round = 0; round < 20000; round++) {
        const size_t count = 1 + rng_below(rng_below(2) ? 12 : MOST - 1);
        const uint64_t base = rng() >> rng_below(64);
        const unsigned shift = 8 * (unsigned)rng_below(8);
        const unsigned bits = 1 + (unsigned)rng_below(63), at = (unsigned)rng_below(65 - bits);
        const unsigned codec = COLUMN_DECIMAL + (unsigned)rng_below(2);
        const unsigned exponent = (unsigned)rng_below(COLUMN_EXPONENT_MAX + 1);
        const bool is_signed = rng_below(2);
        struct column_range range[2];
        uint64_t off[2];

        random_values(count);
        for (unsigned k = 0; k < 2; k++) {
            range[k] = set(k)->range(values, count);
            set(k)->extract(got[k][0], values, count, at, bits, is_signed);
            set(k)->plane((uint8_t *)got[k][1], values, count, base, shift);
            set(k)->step_plane((uint8_t *)got[k][2], values, count - 1, base, shift);
            off[k] = set(k)->decimal(values, count, codec, exponent, got[k][3], got[k][4]);
        }
        cr_assert(!memcmp(&range[0], &range[1], sizeof(range[0])), "%zu values", count);
        cr_assert_eq(off[0], off[1]);
        check_same();
    }
}

Test(kernel, same_sequences, .init = need_two_sets)
{
    rng_seed(2);
    for (unsigned round = 0; round < 20000; round++) {
        const size_t count = 1 + rng_below(40), odd = rng_below(count);
        const uint64_t step = rng_below(3) * rng(), first = rng(), mask = rng() | 1;
        const uint64_t bit = UINT64_C(1) << rng_below(64);

        for (size_t i = 0; i < count; i++)
            values[i] = first + i * step;
        cr_assert(set(0)->is_sequence(values, count, step, mask));
        cr_assert(set(1)->is_sequence(values, count, step, mask));
        values[odd] ^= bit;
        if (!odd)
            continue;
        cr_assert_eq(set(0)->is_sequence(values, count, step, mask), !(bit & mask));
        cr_assert_eq(set(1)->is_sequence(values, count, step, mask), !(bit & mask));
    }
}

Test(kernel, same_words, .init = need_two_sets)
{
    static struct shmlog_slot slots[MOST];
    uint32_t order[MOST];

    rng_seed(3);
    for (size_t i = 0; i < sizeof(slots) / 8; i++)
        memcpy((uint8_t *)slots + 8 * i, &(uint64_t){rng()}, 8);
    memset(got, 0x5a, sizeof(got));
    for (unsigned round = 0; round < 2000; round++) {
        const size_t count = rng_below(MOST);
        const unsigned words = 4 + (unsigned)rng_below(5);

        for (size_t i = 0; i < count; i++)
            order[i] = (uint32_t)rng_below(MOST);
        for (unsigned k = 0; k < 2; k++) {
            uint64_t *word[KERNEL_SLOT_WORDS];

            for (unsigned w = 0; w < KERNEL_SLOT_WORDS; w++)
                word[w] = got[k][w];
            set(k)->spread(slots, order, count, words, word);
        }
        for (unsigned w = 0; w < words; w++)
            for (size_t i = 0; i < count; i++)
                cr_assert(!memcmp(&got[0][w][i], (uint8_t *)&slots[order[i]] + 8 * w, 8));
        check_same();
    }
}

/* ---- Blocks of records alike ---- */

static struct file_sites sites;

/* Encode with one set; the bytes, to be freed by file_buffer_done(). */
static int encode(unsigned k, const struct shmlog_slot *slots, size_t slot_count, size_t records,
                  uint64_t first, struct file_buffer *out)
{
    const struct file_block_params params = {
        .first_seq = first,
        .slots = slots,
        .slot_count = slot_count,
        .records = records,
        .sites = &sites,
    };
    struct file_encoder *encoder;
    int r;

    cr_assert_eq(file_encoder_open(&encoder, 1), 0);
    encoder->columns.kernels = set(k);
    r = file_put_block(encoder, &params, out, NULL);
    file_encoder_close(encoder);
    return r;
}

/* As zstd's own program does it: piece by piece, which is stricter than all at once. */
static void decompress(const uint8_t *stored, size_t size, uint8_t *to, size_t raw_size)
{
    ZSTD_DCtx *const zstd = ZSTD_createDCtx();
    ZSTD_inBuffer in = {stored, size, 0};
    ZSTD_outBuffer out = {to, raw_size, 0};
    size_t left;

    cr_assert_eq(ZSTD_getFrameContentSize(stored, size), raw_size);
    do {
        const size_t before = in.pos + out.pos;

        out.size = out.pos + 1000 < raw_size ? out.pos + 1000 : raw_size;
        left = ZSTD_decompressStream(zstd, &out, &in);
        cr_assert(!ZSTD_isError(left), "%s", ZSTD_getErrorName(left));
        cr_assert(!left || in.pos + out.pos > before);
    } while (left);
    cr_assert(in.pos == size && out.pos == raw_size);
    ZSTD_freeDCtx(zstd);
}

static void decode(const struct file_buffer *out, struct file_block *ret_block)
{
    struct file_block_decoder *decoder;
    struct frame_block frame;
    struct file_block_info info;
    uint8_t *raw;

    memcpy(&frame, out->data, sizeof(frame));
    file_block_info_of(&frame, &info);
    raw = malloc(frame.raw_size);
    decompress(out->data + sizeof(frame), frame.stored_size, raw, frame.raw_size);
    cr_assert_eq(file_block_decoder_open(&decoder), 0);
    cr_assert_eq(file_block_decode(decoder, &info, raw, frame.raw_size, ret_block), 0);
    file_block_decoder_close(decoder);
    free(raw);
}

/* The same bytes from both sets, and from them what went in. */
static void round_trip(const struct original *want, const struct shmlog_slot *slots,
                       size_t slot_count, size_t records)
{
    struct file_buffer out[2] = {{0}, {0}};
    struct file_block block = {0};

    for (unsigned k = 0; k < 2; k++)
        cr_assert_eq(encode(k, slots, slot_count, records, want[0].seq, &out[k]), 0);
    cr_assert_eq(out[0].size, out[1].size);
    cr_assert(!memcmp(out[0].data, out[1].data, out[0].size));
    decode(&out[0], &block);
    cr_assert_eq(block.records, records);
    for (size_t i = 0; i < records; i++)
        cr_assert(same_record(&sites, &want[i], &block.record[i]), "record %zu of %zu", i, records);
    file_block_done(&block);
    file_buffer_done(&out[0]);
    file_buffer_done(&out[1]);
}

/* A record of a site, with as many slots as it needs and, if there may be, `more`. */
static void make_record(struct original *record, uint64_t seq, uint32_t site, uint32_t more)
{
    uint32_t size;

    record->seq = seq;
    record->site = site;
    record->time = 1000000 + rng_below(1000);
    record->producer = rng_below(100) ? 7 : 8;
    size = fill_payload(file_sites_get(&sites, site), record);
    record->slots = (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD + more;
    if (record->slots > SHMLOG_RECORD_SLOTS)
        record->slots = SHMLOG_RECORD_SLOTS;
    record->payload_size = record->slots * SHMLOG_SLOT_PAYLOAD;
}

#define ALIKE 200

/* Sites of all kinds; blocks where all records are alike, but for one at times. */
Test(kernel, blocks_of_records_alike)
{
    struct original *want = calloc(ALIKE, sizeof(*want));
    struct shmlog_slot *slots = calloc(ALIKE * (SHMLOG_RECORD_SLOTS + 1), sizeof(*slots));

    rng_seed(4);
    for (uint32_t id = 1; id <= 60; id++) {
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size = id % 4 ? random_arguments_site(bytes) : random_raw_site(bytes);

        cr_assert_eq(file_sites_put(&sites, id, bytes, size), 0);
    }
    for (unsigned round = 0; round < 300; round++) {
        const uint32_t site = 1 + round % 60;
        const size_t records = 1 + rng_below(ALIKE);
        const size_t odd = round % 3 ? ALIKE : rng_below(records);
        const uint64_t first = round % 10 ? rng() >> 8 : UINT32_MAX - rng_below(ALIKE);
        size_t slot = 0;

        for (size_t i = 0; i < records; i++) {
            const bool other = i == odd && round % 2;

            make_record(&want[i], first + i, other ? 1 + site % 60 : site, i == odd && !other);
            put_slots(&want[i], slots + slot);
            slot += want[i].slots;
        }
        round_trip(want, slots, slot, records);
    }
    file_sites_done(&sites);
    free(want);
    free(slots);
}

/* More packed bits than one raw block of zstd has room for. */
Test(kernel, large_packed_block)
{
    static const uint8_t types[] = {SHMLOG_TYPE_U64, SHMLOG_TYPE_U32};
    const size_t records = 40000;
    struct shmlog_slot *slots = calloc(records, sizeof(*slots));
    struct file_buffer out[2] = {{0}, {0}};
    struct file_block block = {0};
    uint8_t bytes[SHMLOG_SITE_MAX];

    rng_seed(5);
    file_sites_put(&sites, 1, bytes, make_printf_site(bytes, SHMLOG_INFO, 2, types));
    for (size_t i = 0; i < records; i++) {
        slots[i].seq = (uint32_t)(1 + i);
        slots[i].site = 1 | 1u << SHMLOG_SITE_SLOTS_SHIFT;
        memcpy(slots[i].payload, &(uint64_t){5000 + 44 * i + rng_below(4)}, 8);
        memcpy(slots[i].payload + 16, &(uint64_t){rng()}, 8);
        memcpy(slots[i].payload + 24, &(uint32_t){(uint32_t)rng()}, 4);
    }
    for (unsigned k = 0; k < 2; k++)
        cr_assert_eq(encode(k, slots, records, records, 1, &out[k]), 0);
    cr_assert_gt(out[0].size, 12 * records);
    cr_assert(out[0].size == out[1].size && !memcmp(out[0].data, out[1].data, out[0].size));
    decode(&out[0], &block);
    for (size_t i = 0; i < records; i++)
        cr_assert(!memcmp(block.record[i].payload, slots[i].payload, 28), "record %zu", i);
    file_block_done(&block);
    file_buffer_done(&out[0]);
    file_buffer_done(&out[1]);
    file_sites_done(&sites);
    free(slots);
}

/* One slot in the middle that is not what all others are. */
Test(kernel, refuses_one_wrong_slot)
{
    static const uint8_t types[] = {SHMLOG_TYPE_U64};
    struct shmlog_slot slots[100] = {{0}};
    struct file_buffer out = {0};
    uint8_t bytes[SHMLOG_SITE_MAX];

    file_sites_put(&sites, 1, bytes, make_printf_site(bytes, SHMLOG_INFO, 1, types));
    for (uint32_t i = 0; i < 100; i++) {
        slots[i].seq = 1 + i;
        slots[i].site = 1 | 1u << SHMLOG_SITE_SLOTS_SHIFT;
    }
    for (uint32_t at = 0; at < 100; at++) {
        const struct shmlog_slot good = slots[at];

        cr_assert_eq(encode(1, slots, 100, 100, 1, &out), 0);
        out.size = 0;
        slots[at].seq ^= 1u << at % 32;
        cr_assert_eq(encode(1, slots, 100, 100, 1, &out), -EINVAL, "slot %u", at);
        slots[at] = good;
        slots[at].site = 1;
        cr_assert_eq(encode(1, slots, 100, 100, 1, &out), -EINVAL, "slot %u", at);
        slots[at] = good;
    }
    file_buffer_done(&out);
    file_sites_done(&sites);
}
