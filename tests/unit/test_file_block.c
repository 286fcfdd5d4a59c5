/* SPDX-License-Identifier: MIT
 *
 * Blocks: whatever records go in come out, value by value; and how small they get.
 */
#include "logfile/ranges.h"
#include "logfile/block/decode.h"
#include "tests/unit/file_kit.h"

#include <errno.h>
#include <zstd.h>

#define SITES 24
#define RECORDS 600

static struct file_encoder *encoder;
static struct file_buffer out;
static struct file_sites sites;
static const uint8_t uuid[16] = {1, 2, 3};

static void open_all(void)
{
    cr_assert_eq(file_encoder_open(&encoder, 1), 0);
}

static void close_all(void)
{
    file_encoder_close(encoder);
    file_buffer_done(&out);
    file_sites_done(&sites);
}

static int put(const struct shmlog_slot *slots, size_t slot_count, size_t records,
               uint64_t first_seq, struct file_block_summary *ret_summary)
{
    struct file_block_params params = {
        .ring = 3,
        .first_seq = first_seq,
        .first_pos = 1000,
        .slots = slots,
        .slot_count = slot_count,
        .records = records,
        .sites = &sites,
    };

    memcpy(params.file_uuid, uuid, 16);
    return file_put_block(encoder, &params, &out, ret_summary);
}

static unsigned ranges_seen; /* that had something to say */

static bool is_within(const struct file_range *range, const struct file_value *value)
{
    switch (range->kind) {
    case FILE_RANGE_SIGNED:
        return value->i >= (int64_t)range->min && value->i <= (int64_t)range->max;
    case FILE_RANGE_UNSIGNED:
        return value->u >= range->min && value->u <= range->max;
    case FILE_RANGE_REAL:
        return value->f >= (double)range->least && value->f <= (double)range->most;
    default:
        return range->strings & file_string_bit(value->data, value->size);
    }
}

static void check_record(const struct file_ranges *ranges, const struct file_record *record)
{
    const struct file_site *const site = file_sites_get(&sites, record->site);
    struct file_value value[FILE_SITE_ARGS_MAX];
    bool listed = false;

    for (size_t i = 0; i < ranges->sites; i++)
        listed = listed || ranges->site[i] == record->site;
    cr_assert(listed);
    if (!site || file_site_values(site, record->payload, record->payload_size, value) < 0)
        return;
    for (size_t i = 0; i < ranges->count; i++) {
        const struct file_range *const range = &ranges->range[i];

        if (range->site != record->site)
            continue;
        cr_assert_lt(range->argument, site->args);
        cr_assert(is_within(range, &value[range->argument]), "site %u, argument %u, kind %u",
                  record->site, range->argument, range->kind);
        ranges_seen++;
    }
}

/* Behind a block: nothing, or its ranges, in which all of its records are. */
static void check_ranges(size_t begin, const struct file_block *block)
{
    struct file_ranges ranges;

    if (begin == out.size)
        return;
    cr_assert(file_frame_sound(out.data + begin, out.size - begin));
    cr_assert_eq(file_ranges_get(out.data + begin, out.size - begin, &ranges), 0);
    cr_assert_eq(ranges.ring, block->info.ring);
    cr_assert_eq(ranges.first_seq, block->info.first_seq);
    for (size_t i = 0; i < block->records; i++)
        check_record(&ranges, &block->record[i]);
    for (size_t size = 0; size < out.size - begin; size++) { /* cut anywhere it is refused */
        struct file_ranges cut;
        uint8_t *const copy = malloc(size + 1);

        memcpy(copy, out.data + begin, size);
        cr_assert_neq(file_ranges_get(copy, size, &cut), 0);
        free(copy);
    }
    file_ranges_done(&ranges);
}

/* Decode the block at the end of `out`, from `begin` on. */
static void decode(size_t begin, struct file_block *ret_block)
{
    struct file_block_decoder *decoder;
    struct file_block_info info;
    struct frame_block frame;
    uint8_t *raw;

    memcpy(&frame, out.data + begin, sizeof(frame));
    file_block_info_of(&frame, &info);
    cr_assert(file_block_info_valid(&info));
    cr_assert(file_frame_sound(out.data + begin, sizeof(frame)));
    cr_assert_leq(begin + sizeof(frame) + frame.stored_size, out.size);
    raw = malloc(frame.raw_size);
    cr_assert_eq(ZSTD_decompress(raw, frame.raw_size, out.data + begin + sizeof(frame),
                                 frame.stored_size),
                 frame.raw_size);
    cr_assert_eq(file_block_decoder_open(&decoder), 0);
    cr_assert_eq(file_block_decode(decoder, &info, raw, frame.raw_size, ret_block), 0);
    file_block_decoder_close(decoder);
    free(raw);
    check_ranges(begin + sizeof(frame) + frame.stored_size, ret_block);
}

/* Records of random sites, known (ids 1..SITES) and unknown, some that do not fit their site. */
static void random_record(struct original *record)
{
    const struct file_site *site;
    uint32_t size = (uint32_t)rng_below(SHMLOG_RECORD_PAYLOAD - 12) + 12;

    record->site = (uint32_t)rng_below(SITES + 2);
    record->time = rng_below(2) ? rng() : 1000000 + rng_below(1000);
    record->producer = (uint32_t)rng_below(3);
    site = file_sites_get(&sites, record->site);
    if (site) {
        size = fill_payload(site, record);
    } else {
        for (uint32_t i = 12; i < SHMLOG_RECORD_PAYLOAD; i++)
            record->payload[i] = i < size ? (uint8_t)rng() : 0;
        memcpy(record->payload, &record->time, 8);
        memcpy(record->payload + 8, &record->producer, 4);
    }
    record->slots = (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
    if (!rng_below(10) && record->slots < SHMLOG_RECORD_SLOTS)
        record->slots += 1;
    if (!rng_below(10) && record->slots > 1)
        record->slots -= 1; /* shorter than its site says */
    record->payload_size = record->slots * SHMLOG_SLOT_PAYLOAD;
}

Test(block, random_round_trips, .init = open_all, .fini = close_all)
{
    struct original *want = calloc(RECORDS, sizeof(*want));
    struct shmlog_slot *slots = calloc(RECORDS * SHMLOG_RECORD_SLOTS, sizeof(*slots));
    struct file_block block = {0};

    rng_seed(1);
    for (uint32_t id = 1; id <= SITES; id++) {
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size = id % 4 ? random_arguments_site(bytes) : random_raw_site(bytes);

        cr_assert_eq(file_sites_put(&sites, id, bytes, size), 0);
    }
    for (unsigned round = 0; round < 60; round++) {
        size_t records = round % 2 ? RECORDS : 1 + rng_below(5);
        uint64_t first = round == 7 ? UINT32_MAX - 100u : rng() >> 8;
        size_t slot = 0, begin = out.size;

        for (size_t i = 0; i < records; i++) {
            want[i].seq = first + i;
            random_record(&want[i]);
            put_slots(&want[i], slots + slot);
            slot += want[i].slots;
        }
        cr_assert_eq(put(slots, slot, records, first, NULL), 0);
        decode(begin, &block);
        cr_assert_eq(block.records, records);
        for (size_t i = 0; i < records; i++)
            cr_assert(same_record(&sites, &want[i], &block.record[i]),
                      "round %u record %zu site %u", round, i, want[i].site);
    }
    cr_assert_gt(ranges_seen, 1000);
    file_block_done(&block);
    free(want);
    free(slots);
}

Test(block, largest_record, .init = open_all, .fini = close_all)
{
    static const uint8_t types[] = {SHMLOG_TYPE_STRING};
    uint8_t bytes[SHMLOG_SITE_MAX];
    struct shmlog_slot slots[SHMLOG_RECORD_SLOTS];
    struct original want = {.seq = 1, .site = 1, .slots = SHMLOG_RECORD_SLOTS};
    struct file_block block = {0};
    uint32_t word = SHMLOG_RECORD_PAYLOAD - 16;

    rng_seed(2);
    file_sites_put(&sites, 1, bytes, make_printf_site(bytes, 0, 1, types));
    for (size_t i = 12; i < sizeof(want.payload); i++)
        want.payload[i] = (uint8_t)rng();
    memcpy(want.payload + 12, &word, sizeof(word));
    want.payload_size = SHMLOG_RECORD_PAYLOAD;
    put_slots(&want, slots);
    cr_assert_eq(put(slots, SHMLOG_RECORD_SLOTS, 1, 1, NULL), 0);
    decode(0, &block);
    cr_assert(same_record(&sites, &want, &block.record[0]));
    cr_assert_eq(block.record[0].payload_size, SHMLOG_RECORD_PAYLOAD);
    file_block_done(&block);
}

/* Bytes of a struct that no field covers, and those of a text after its end, come back as zeros;
 * fields that share bytes do not disturb each other. */
Test(block, struct_bytes, .init = open_all, .fini = close_all)
{
    static const struct shmlog_site_arg fields[] = {
        {SHMLOG_TYPE_TEXT, 0, 0, 8, 0},   {SHMLOG_TYPE_U32, 0, 12, 4, 0},
        {SHMLOG_TYPE_TEXT, 0, 16, 24, 0}, {SHMLOG_TYPE_U64, 0, 16, 8, 0},
        {SHMLOG_TYPE_TEXT, 0, 40, 11, 0}, {SHMLOG_TYPE_I64, 0, 37, 8, 0},
    };
    struct shmlog_site head = {.kind = SHMLOG_SITE_RAW, .args = 6, .record_size = 60};
    struct original record = {.seq = 1, .site = 1, .slots = 2, .payload_size = 112};
    uint8_t bytes[SHMLOG_SITE_MAX], want[76] = {0}, *in = record.payload + 16;
    struct shmlog_slot slots[2];
    struct file_block block = {0};

    memset(record.payload, 0xaa, sizeof(record.payload));
    memcpy(in, "BTC\0xxxx", 8);
    memcpy(in + 16, "ab\0defghijklmnopqrstuvwx", 24);
    memcpy(in + 40, "0123456\0xyz", 12);
    memcpy(want, record.payload, 12);
    memcpy(want + 16, "BTC", 3);
    memset(want + 16 + 12, 0xaa, 4);
    memcpy(want + 16 + 16, in + 16, 8); /* the U64 in full, not the text's rest */
    memcpy(want + 16 + 37, in + 37, 8);
    memcpy(want + 16 + 40, "0123456", 7);
    record.time = 0xaaaaaaaaaaaaaaaa;
    record.producer = 0xaaaaaaaa;
    put_slots(&record, slots);
    cr_assert_eq(file_sites_put(&sites, 1, bytes, make_site(bytes, head, fields, "a struct")), 0);
    cr_assert_eq(put(slots, 2, 1, 1, NULL), 0);
    decode(0, &block);
    cr_assert_eq(block.record[0].payload_size, sizeof(want));
    cr_assert(!memcmp(block.record[0].payload, want, sizeof(want)));
    file_block_done(&block);
}

Test(block, refuses_slots_that_are_no_records, .init = open_all, .fini = close_all)
{
    struct shmlog_slot slots[4] = {{0}};
    struct original one = {.seq = 9, .site = 5, .slots = 2};

    put_slots(&one, slots);
    one.seq = 10;
    put_slots(&one, slots + 2);
    cr_assert_eq(put(slots, 4, 2, 9, NULL), 0);
    out.size = 0;
    cr_assert_eq(put(slots, 4, 2, 8, NULL), -EINVAL, "another number");
    cr_assert_eq(put(slots, 3, 2, 9, NULL), -EINVAL, "cut off");
    cr_assert_eq(put(slots, 4, 1, 9, NULL), -EINVAL, "too many slots");
    cr_assert_eq(put(slots, 4, 3, 9, NULL), -EINVAL, "too few slots");
    cr_assert_eq(put(slots, 4, 0, 9, NULL), -EINVAL, "nothing");
    slots[0].site = 5;
    cr_assert_eq(put(slots, 4, 2, 9, NULL), -EINVAL, "no slot count");
    slots[0].site = 5 | 65u << SHMLOG_SITE_SLOTS_SHIFT;
    cr_assert_eq(put(slots, 4, 2, 9, NULL), -EINVAL, "wild slot count");
    cr_assert_eq(out.size, 0);
}

/* Bytes of a content changed at random: refused or decoded, never out of bounds. */
Test(block, hostile_content, .init = open_all, .fini = close_all)
{
    struct original *want = calloc(40, sizeof(*want));
    struct shmlog_slot *slots = calloc(40 * SHMLOG_RECORD_SLOTS, sizeof(*slots));
    struct file_block_decoder *decoder;
    struct file_block block = {0};
    unsigned refused = 0;

    rng_seed(3);
    cr_assert_eq(file_block_decoder_open(&decoder), 0);
    for (uint32_t id = 1; id <= SITES; id++) {
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size = id % 4 ? random_arguments_site(bytes) : random_raw_site(bytes);

        file_sites_put(&sites, id, bytes, size);
    }
    for (unsigned round = 0; round < 100; round++) {
        struct file_block_info info = {.codec = FILE_CODEC_COLUMNS};
        struct frame_block frame;
        size_t slot = 0;
        uint8_t *raw;

        out.size = 0;
        for (size_t i = 0; i < 40; i++) {
            want[i].seq = 1 + i;
            random_record(&want[i]);
            put_slots(&want[i], slots + slot);
            slot += want[i].slots;
        }
        cr_assert_eq(put(slots, slot, 40, 1, NULL), 0);
        memcpy(&frame, out.data, sizeof(frame));
        raw = malloc(frame.raw_size);
        info.records = frame.records;
        info.slots = frame.slots;
        info.raw_size = frame.raw_size;
        for (unsigned flip = 0; flip < 200; flip++) {
            size_t size = rng_below(8) ? frame.raw_size : rng_below(frame.raw_size);
            uint8_t *copy = malloc(size ? size : 1);

            ZSTD_decompress(raw, frame.raw_size, out.data + sizeof(frame), frame.stored_size);
            for (unsigned n = (unsigned)rng_below(3) + 1; n; n--)
                raw[rng_below(rng_below(2) ? 400 : frame.raw_size)] = (uint8_t)rng();
            memcpy(copy, raw, size);
            refused += file_block_decode(decoder, &info, copy, size, &block) < 0;
            free(copy);
        }
        free(raw);
    }
    cr_assert_gt(refused, 1000);
    file_block_decoder_close(decoder);
    file_block_done(&block);
    free(want);
    free(slots);
}

/* ---- Sizes ---- */

#define ORDERS 4096
#define ORDER_BLOCKS 20

/* "order %lu px %.2f qty %u side %c": bytes a record when calls are so far apart. */
static double order_stream(uint64_t (*apart)(void))
{
    static const uint8_t types[] = {SHMLOG_TYPE_U64, SHMLOG_TYPE_F64, SHMLOG_TYPE_U32,
                                    SHMLOG_TYPE_CHAR};
    static const uint32_t quantities[] = {1, 2, 5, 10, 50, 100};
    static struct shmlog_slot slots[ORDERS];
    uint64_t time = 1234567890123, id = 1000;
    int64_t ticks = 5871020;
    uint8_t bytes[SHMLOG_SITE_MAX];

    file_sites_put(&sites, 1, bytes, make_printf_site(bytes, SHMLOG_INFO, 4, types));
    for (unsigned b = 0; b < ORDER_BLOCKS; b++) {
        uint64_t first = 1 + (uint64_t)b * ORDERS;

        for (size_t i = 0; i < ORDERS; i++) {
            struct original order = {.seq = first + i, .site = 1, .slots = 1};
            uint32_t quantity = quantities[rng_below(6)];
            double price;

            time += apart();
            id++;
            ticks += (int64_t)rng_below(5) - 2;
            price = (double)ticks / 100;
            memcpy(order.payload, &time, 8);
            memcpy(order.payload + 16, &id, 8);
            memcpy(order.payload + 24, &price, 8);
            memcpy(order.payload + 32, &quantity, 4);
            order.payload[36] = rng_below(2) ? 'B' : 'S';
            put_slots(&order, &slots[i]);
        }
        cr_assert_eq(put(slots, ORDERS, ORDERS, first, NULL), 0);
    }
    return (double)out.size / (ORDERS * ORDER_BLOCKS);
}

/* Ticks of 0.5 ns: about 30 ns apart, now and then an interruption. */
static uint64_t back_to_back(void)
{
    return 50 + 2 * rng_below(12) + (rng_below(100) ? 0 : rng_below(2000));
}

/* About 2 us apart, some 100 ns of jitter. */
static uint64_t paced(void)
{
    return 3900 + rng_below(64) + rng_below(64) + rng_below(64);
}

Test(block, size_of_orders_back_to_back, .init = open_all, .fini = close_all)
{
    double size;

    rng_seed(4);
    size = order_stream(back_to_back);
    fprintf(stderr, "orders back to back: %.3f bytes a record (zstd 1, blocks of 4096)\n", size);
    cr_assert_lt(size, 1.8);
}

Test(block, size_of_orders_paced, .init = open_all, .fini = close_all)
{
    double size;

    rng_seed(5);
    size = order_stream(paced);
    fprintf(stderr, "orders paced: %.3f bytes a record (zstd 1, blocks of 4096)\n", size);
    cr_assert_lt(size, 2.0);
}

/* A made-up line of market data. */
static uint32_t make_line(char *to, uint64_t *time, int64_t *price)
{
    int size;
    unsigned levels = 4 + (unsigned)rng_below(40);

    *time += rng_below(100000);
    *price += (int64_t)rng_below(21) - 10;
    size = sprintf(to,
                   "%llu {\"stream\":\"btcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\","
                   "\"E\":%llu,\"s\":\"BTCUSDT\",\"b\":[",
                   (unsigned long long)*time, (unsigned long long)(*time / 1000000));
    for (unsigned i = 0; i < levels; i++)
        size += sprintf(to + size, "%s[\"%lld.%02u\",\"%u.%03u\"]", i ? "," : "",
                        (long long)(*price - (int64_t)i), (unsigned)rng_below(100) / 10 * 10,
                        (unsigned)rng_below(3), (unsigned)rng_below(1000));
    size += sprintf(to + size, "]}}");
    return (uint32_t)size;
}

Test(block, size_of_text, .init = open_all, .fini = close_all)
{
    static const uint8_t types[] = {SHMLOG_TYPE_STRING};
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t room = 16384, slot = 0, records = 0, text_size = 0, plain_size;
    struct shmlog_slot *slots = calloc(room, sizeof(*slots));
    char *text = malloc(4u << 20);
    uint64_t time = 1723161255030314667, first = 1;
    int64_t price = 61800;
    void *plain;

    rng_seed(6);
    file_encoder_close(encoder);
    cr_assert_eq(file_encoder_open(&encoder, 3), 0);
    file_sites_put(&sites, 1, bytes, make_printf_site(bytes, SHMLOG_INFO, 1, types));
    while (text_size < 3u << 20) {
        struct original line = {.seq = first + records, .time = time / 2, .site = 1};
        uint32_t size = make_line((char *)line.payload + 16, &time, &price);

        memcpy(line.payload, &line.time, 8);
        memcpy(line.payload + 12, &size, 4);
        memcpy(text + text_size, line.payload + 16, size);
        text_size += size;
        text[text_size++] = '\n';
        line.slots = (16 + size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
        put_slots(&line, slots + slot);
        slot += line.slots;
        records++;
        if (slot + SHMLOG_RECORD_SLOTS > room) {
            cr_assert_eq(put(slots, slot, records, first, NULL), 0);
            first += records;
            slot = records = 0;
        }
    }
    if (records)
        cr_assert_eq(put(slots, slot, records, first, NULL), 0);
    plain = malloc(ZSTD_compressBound(text_size));
    plain_size = ZSTD_compress(plain, ZSTD_compressBound(text_size), text, text_size, 3);
    fprintf(stderr, "text of %zu bytes: %zu in blocks of 1 MiB, %zu by zstd -3 as one: %.3f\n",
            text_size, out.size, plain_size, (double)out.size / (double)plain_size);
    cr_assert_lt(out.size, plain_size + plain_size / 10);
    free(plain);
    free(text);
    free(slots);
}
