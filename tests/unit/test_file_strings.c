/* SPDX-License-Identifier: MIT
 *
 * Groups whose strings are few: dictionaries, and the values told from them and from each other,
 * come back as they went in, and hostile ones do no harm.
 */
#include "logfile/block/decode.h"
#include "logfile/column/column.h"
#include "tests/unit/file_kit.h"

#include <errno.h>
#include <zstd.h>

#define RECORDS 1500
#define STRINGS 700 /* more than a dictionary has room for */

static struct file_encoder *encoder;
static struct file_sites sites;
static struct original *want;
static struct shmlog_slot *slots;

static void open_all(void)
{
    static const uint8_t types[] = {SHMLOG_TYPE_U64, SHMLOG_TYPE_STRING, SHMLOG_TYPE_F64,
                                    SHMLOG_TYPE_F64, SHMLOG_TYPE_I32,    SHMLOG_TYPE_BYTES};
    uint8_t bytes[SHMLOG_SITE_MAX];

    cr_assert_eq(file_encoder_open(&encoder, 1), 0);
    cr_assert_eq(file_sites_put(&sites, 1, bytes, make_printf_site(bytes, SHMLOG_INFO, 6, types)),
                 0);
    want = calloc(RECORDS, sizeof(*want));
    slots = calloc(RECORDS * 8, sizeof(*slots));
}

static void close_all(void)
{
    file_encoder_close(encoder);
    file_sites_done(&sites);
    free(want);
    free(slots);
}

/* String number `which` of a set: its length word, and its bytes. */
static uint32_t make_string(unsigned which, unsigned longest, uint8_t *ret_bytes)
{
    const uint32_t size = which % 29 == 28 || longest < 4 ? 0 : longest - which % 3;

    if (which % 31 == 30)
        return SHMLOG_LENGTH_NULL;
    for (uint32_t i = 0; i < size; i++)
        ret_bytes[i] = (uint8_t)(which >> i % 2 * 8 ^ i / 2 * 37);
    return which % 5 == 4 ? size | SHMLOG_LENGTH_CUT : size;
}

struct kind {
    unsigned strings[2]; /* different ones, of each argument */
    unsigned longest;
    bool sloppy; /* some values are out of line */
};

/* Prices and amounts walk for each string, the second price is near the first. */
static size_t make_records(const struct kind *kind, size_t records, uint64_t first)
{
    static int64_t price[STRINGS], amount[STRINGS];
    size_t slot = 0;

    for (unsigned s = 0; s < STRINGS; s++) {
        price[s] = 1000 + 1713 * (int64_t)s;
        amount[s] = 0;
    }
    for (size_t i = 0; i < records; i++) {
        const unsigned s = (unsigned)rng_below(kind->strings[0]);
        struct original *r = &want[i];
        uint32_t size = 56, word;
        double px, px2;

        memset(r, 0, sizeof(*r));
        r->seq = first + i;
        r->site = 1;
        r->producer = 7;
        r->time = 1000000 + 50 * i;
        price[s] += (int64_t)rng_below(7) - 3;
        amount[s] += (int64_t)rng_below(21) - 10;
        px = (double)price[s] / 100;
        px2 = (double)(price[s] + 1 + (int64_t)rng_below(2)) / 100;
        if (kind->sloppy && !rng_below(20))
            px = rng_below(2) ? __builtin_nan("") : 1e300;
        memcpy(r->payload, &r->time, 8);
        memcpy(r->payload + 8, &r->producer, 4);
        memcpy(r->payload + 16, &(uint64_t){1000 + i}, 8);
        memcpy(r->payload + 32, &px, 8);
        memcpy(r->payload + 40, &px2, 8);
        memcpy(r->payload + 48, &(int32_t){(int32_t)amount[s]}, 4);
        word = make_string(s, kind->longest, r->payload + size);
        memcpy(r->payload + 24, &word, 4);
        size += word == SHMLOG_LENGTH_NULL ? 0 : word & ~SHMLOG_LENGTH_CUT;
        word = make_string((unsigned)rng_below(kind->strings[1]), kind->longest, r->payload + size);
        memcpy(r->payload + 52, &word, 4);
        size += word == SHMLOG_LENGTH_NULL ? 0 : word & ~SHMLOG_LENGTH_CUT;
        r->slots = (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
        r->payload_size = r->slots * SHMLOG_SLOT_PAYLOAD;
        put_slots(r, slots + slot);
        slot += r->slots;
    }
    return slot;
}

/* The content of a block, to be freed, and what its head says. */
static uint8_t *encode(size_t slot_count, size_t records, struct file_block_info *ret_info)
{
    const struct file_block_params params = {
        .first_seq = want[0].seq,
        .slots = slots,
        .slot_count = slot_count,
        .records = records,
        .sites = &sites,
    };
    struct file_buffer out = {0};
    struct frame_block frame;
    uint8_t *raw;

    cr_assert_eq(file_put_block(encoder, &params, &out, NULL), 0);
    memcpy(&frame, out.data, sizeof(frame));
    file_block_info_of(&frame, ret_info);
    raw = malloc(frame.raw_size);
    cr_assert_eq(ZSTD_decompress(raw, frame.raw_size, out.data + sizeof(frame), frame.stored_size),
                 frame.raw_size);
    file_buffer_done(&out);
    return raw;
}

static int decode(const struct file_block_info *info, const uint8_t *raw, size_t size,
                  struct file_block *block)
{
    struct file_block_decoder *decoder;
    int r;

    cr_assert_eq(file_block_decoder_open(&decoder), 0);
    r = file_block_decode(decoder, info, raw, size, block);
    file_block_decoder_close(decoder);
    return r;
}

static double round_trip(const struct kind *kind, size_t records)
{
    struct file_block block = {0};
    struct file_block_info info;
    const size_t slot_count = make_records(kind, records, 1 + rng_below(1000));
    uint8_t *raw = encode(slot_count, records, &info);

    cr_assert_eq(decode(&info, raw, info.raw_size, &block), 0);
    cr_assert_eq(block.records, records);
    for (size_t i = 0; i < records; i++)
        cr_assert(same_record(&sites, &want[i], &block.record[i]),
                  "record %zu of %zu, %u and %u strings up to %u", i, records, kind->strings[0],
                  kind->strings[1], kind->longest);
    file_block_done(&block);
    free(raw);
    return (double)info.stored_size / (double)records;
}

Test(strings, round_trips, .init = open_all, .fini = close_all)
{
    static const unsigned few[] = {1, 2, 16, 47, 256, 257, STRINGS};
    static const unsigned longest[] = {0, 7, 8, 9, 60, 64, 65, 120};

    rng_seed(1);
    for (unsigned round = 0; round < 400; round++) {
        const struct kind kind = {{few[rng_below(7)], few[rng_below(7)]},
                                  longest[rng_below(8)],
                                  rng_below(2)};

        round_trip(&kind, rng_below(3) ? 1 + rng_below(RECORDS) : 1 + rng_below(80));
    }
}

/* A price of a known symbol has log2(7) bits of news, the other one 1, the amount log2(21), the
 * symbol 4, the bytes 1: some 13.2 bits. */
Test(strings, size, .init = open_all, .fini = close_all)
{
    const struct kind kind = {{16, 2}, 6, false};
    double size;

    rng_seed(2);
    size = round_trip(&kind, RECORDS);
    fprintf(stderr, "strings: %.3f bytes a record\n", size);
    cr_assert_lt(size, 2.4);
}

/* Any byte of a content changed, or the content cut: an error or other values, and nothing read or
 * written beyond (under ASan). */
Test(strings, hostile_contents, .init = open_all, .fini = close_all)
{
    const struct kind kind = {{4, 3}, 10, false};
    struct file_block block = {0};
    struct file_block_info info;
    uint8_t *raw, *copy;
    size_t slot_count;
    unsigned bad = 0, rounds = 20000;

    rng_seed(3);
    slot_count = make_records(&kind, 80, 1);
    raw = encode(slot_count, 80, &info);
    for (unsigned round = 0; round < rounds; round++) {
        const size_t size = rng_below(4) ? info.raw_size : rng_below(info.raw_size);
        int r;

        copy = malloc(size ? size : 1);
        memcpy(copy, raw, size);
        for (uint64_t n = rng_below(3); size && n < 3; n++)
            copy[rng_below(size)] = (uint8_t)(rng_below(2) ? rng() : 0x80 + rng_below(0x30));
        r = decode(&info, copy, size, &block);
        cr_assert(r == 0 || r == -EBADMSG);
        bad += r < 0;
        free(copy);
    }
    cr_assert(bad > rounds / 4 && bad < rounds);
    file_block_done(&block);
    free(raw);
}

/* The bytes that docs/format.md shows, within a content of four records of one string. */
Test(strings, bytes)
{
    static const uint8_t good[] = {1,    1,    1,    1,    14,  0, 0,   0,    0,
                                   0,    0,    0,    0, /* one slot */
                                   0x80, 2,    2,    'A',  'B', 1, 'C', 0xff, 0xff,
                                   0xff, 0xff, 0x0f, 0x11, 0,   0, 1,   0,    2};
    const struct file_block_info info = {.records = 4,
                                         .slots = 4,
                                         .raw_size = sizeof(good),
                                         .codec = FILE_CODEC_COLUMNS};
    static const uint32_t words[] = {2, 1, 2, SHMLOG_LENGTH_NULL};
    static const char *const text[] = {"AB", "C", "AB", ""};
    struct file_block block = {0};
    uint8_t bytes[sizeof(good)];

    cr_assert_eq(decode(&info, good, sizeof(good), &block), 0);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert(!memcmp(block.record[i].payload + 12, &words[i], 4));
        cr_assert(!memcmp(block.record[i].payload + 16, text[i], strlen(text[i])));
    }
    memcpy(bytes, good, sizeof(good));
    bytes[sizeof(good) - 1] = 3; /* beyond the dictionary */
    cr_assert_eq(decode(&info, bytes, sizeof(good), &block), -EBADMSG);
    memcpy(bytes, good, sizeof(good));
    bytes[24] = 0x1f; /* a length word of more than 32 bits */
    cr_assert_eq(decode(&info, bytes, sizeof(good), &block), -EBADMSG);
    bytes[24] = 0x0f;
    bytes[13] = 0x81; /* a parameter that is none */
    cr_assert_eq(decode(&info, bytes, sizeof(good), &block), -EBADMSG);
    file_block_done(&block);
}

static int get(const uint8_t *bytes, size_t size, uint64_t *ret_v,
               struct column_relatives *relatives)
{
    struct bytes_in in = {bytes, bytes + size, false};
    uint64_t scratch[4];

    return file_columns_get_related(&in, 4, 8, ret_v, scratch, relatives);
}

Test(strings, related_bytes)
{
    static const uint8_t keyed[] = {0x90, 0xe8, 7, 0xb4, 1, 0x11, 0, 0, 0, 3, 1};
    static const uint8_t other[] = {0x91, 0xe8, 7, 0xb4, 1, 0x11, 0, 0, 0, 3, 1};
    static const uint8_t within[] = {0x90, 0xe8, 7, 0xb4, 1, 0x90, 0, 0, 0, 0};
    static const uint8_t decimal[] = {0x40, 0x11, 0, 1, 2, 3, 4, 0, 0};
    static const uint8_t related[] = {0x40, 0xa0, 0x11, 0, 4, 3, 2, 1, 0, 0};
    static const uint8_t parameter[] = {0x40, 0xa1, 0x11, 0, 4, 3, 2, 1, 0, 0};
    static const uint8_t bare[] = {0xa0, 0x11, 0, 4, 3, 2, 1};
    static const uint64_t want_keyed[] = {500, 90, 503, 91};
    static const double five = 5;
    static const uint8_t index[] = {0, 1, 0, 1};
    uint64_t v[4], reference[4];
    struct column_relatives relatives = {.key = {index}, .keys = {2}, .reference = reference};

    cr_assert_eq(get(keyed, sizeof(keyed), v, &relatives), 0);
    cr_assert(!memcmp(v, want_keyed, sizeof(v)));
    for (size_t cut = 0; cut < sizeof(keyed); cut++)
        cr_assert_eq(get(keyed, cut, v, &relatives), -EBADMSG);
    cr_assert_eq(get(keyed, sizeof(keyed), v, NULL), -EBADMSG);
    cr_assert_eq(get(other, sizeof(other), v, &relatives), -EBADMSG);
    cr_assert_eq(get(within, sizeof(within), v, &relatives), -EBADMSG);
    cr_assert_eq(get(related, sizeof(related), v, &relatives), -EBADMSG);
    cr_assert_eq(get(decimal, sizeof(decimal), v, &relatives), 0);
    cr_assert_eq(get(related, sizeof(related), v, &relatives), 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert(!memcmp(&v[i], &five, 8));
    cr_assert_eq(get(parameter, sizeof(parameter), v, &relatives), -EBADMSG);
    cr_assert_eq(get(bare, sizeof(bare), v, &relatives), -EBADMSG);
    cr_assert_eq(get(related, sizeof(related), v, NULL), -EBADMSG);
}

/* A group may have no record, and its columns may name each other all the same. */
Test(strings, keyed_without_records, .init = open_all, .fini = close_all)
{
    static const uint8_t good[] = {2,    1, 1,    0, 2, 1,   2, 14,
                                   10,   0, 0,    0, 0, 0,   0,    /* tables */
                                   0,    0,                        /* the first group */
                                   0,    0, 0x80, 0, 1, 'A', 0, 0, /* sizes of the other */
                                   0x90, 6, 0,    0};              /* its values */
    const struct file_block_info info = {.records = 2,
                                         .slots = 2,
                                         .raw_size = sizeof(good),
                                         .codec = FILE_CODEC_COLUMNS};
    struct file_block block = {0};

    cr_assert_eq(decode(&info, good, sizeof(good), &block), 0);
    cr_assert(block.records == 2 && block.record[0].site == 1);
    file_block_done(&block);
}
