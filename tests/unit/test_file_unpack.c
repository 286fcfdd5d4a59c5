/* SPDX-License-Identifier: MIT
 *
 * The decoder's ways to the same result: its inner loops for this processor against the portable
 * ones; columns in pieces against columns at once; and blocks of records alike, which have a way of
 * their own, against the same blocks with a group more that has no record, which go the general
 * way. Sound or damaged, both must say the same.
 */
#include "collector/file/block_decode.h"
#include "collector/file/column_reader.h"
#include "collector/file/shape.h"
#include "tests/unit/file_kit.h"

#include <errno.h>

#define MOST 600

static uint64_t values[MOST];

/* ---- Inner loops ---- */

static uint64_t got[2][MOST];

static void check_same(void)
{
    cr_assert(!memcmp(got[0], got[1], sizeof(got[0])));
}

static void start_from(uint64_t mask)
{
    for (size_t i = 0; i < MOST; i++)
        got[0][i] = got[1][i] = rng() & mask;
}

Test(unpack, same_numbers)
{
    const struct unpack_kernels *const set[] = {&unpack_kernels_portable, unpack_kernels()};
    uint64_t dict[COLUMN_DICT_MAX];

    if (set[0] == set[1])
        cr_skip_test("this machine has the portable loops only");
    rng_seed(1);
    for (size_t i = 0; i < COLUMN_DICT_MAX; i++)
        dict[i] = rng();
    for (unsigned round = 0; round < 5000; round++) {
        const size_t count = rng_below(rng_below(2) ? 12 : MOST);
        const uint64_t base = rng() >> rng_below(64), mask = UINT64_MAX >> rng_below(64);
        const unsigned shift = (unsigned)rng_below(8), bits = 1 + (unsigned)rng_below(7);
        const unsigned entries = 1 + (unsigned)rng_below(COLUMN_DICT_MAX);
        const unsigned codec = COLUMN_DECIMAL + (unsigned)rng_below(2);
        const unsigned exponent = (unsigned)rng_below(COLUMN_EXPONENT_MAX + 1);
        const size_t size = (count * bits + 7) / 8;
        uint8_t *bytes = malloc(count + 1), *packed = malloc(size); /* for ASan: exactly */
        uint64_t sums[2];
        bool found[2];

        for (size_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)rng();
        for (size_t i = 0; i < size; i++)
            packed[i] = (uint8_t)rng();
        for (size_t i = 0; i < MOST; i++)
            values[i] = rng_below(20) ? (uint64_t)((int64_t)rng() >> (10 + rng_below(54))) : rng();
        start_from(UINT64_MAX);
        for (unsigned k = 0; k < 2; k++) {
            set[k]->add_plane(got[k], bytes, count, 8 * shift);
            set[k]->add_bits(got[k], packed, packed + size, count, bits, 8 * shift);
            set[k]->insert(got[k], values, count, mask, (unsigned)__builtin_clzll(mask));
            set[k]->add_decimals(got[k], values, count, codec, exponent);
            sums[k] = set[k]->sum(got[k], count, base);
        }
        cr_assert_eq(sums[0], sums[1]);
        check_same();
        for (unsigned k = 0; k < 2; k++)
            set[k]->fill(got[k], count, base);
        check_same();
        start_from(UINT64_MAX >> (56 + rng_below(8)));
        for (unsigned k = 0; k < 2; k++)
            found[k] = set[k]->look_up(got[k], count, dict, entries);
        cr_assert_eq(found[0], found[1], "%u entries", entries);
        if (found[0])
            check_same();
        free(bytes);
        free(packed);
    }
}

Test(unpack, same_payloads)
{
    const struct unpack_kernels *const set[] = {&unpack_kernels_portable, unpack_kernels()};
    static uint64_t words[KERNEL_PAYLOAD_WORDS][MOST];

    rng_seed(2);
    for (unsigned w = 0; w < KERNEL_PAYLOAD_WORDS; w++)
        for (size_t i = 0; i < MOST; i++)
            words[w][i] = rng();
    for (size_t count = 0; count < 40; count++) {
        uint64_t *word[KERNEL_PAYLOAD_WORDS];

        for (unsigned w = 0; w < KERNEL_PAYLOAD_WORDS; w++)
            word[w] = words[w] + count;
        for (unsigned k = 0; k < 2; k++) {
            uint8_t *to = malloc(count * SHMLOG_SLOT_PAYLOAD + 1);

            set[k]->store_payloads(to, word, count);
            for (size_t i = 0; i < count; i++)
                for (unsigned w = 0; w < KERNEL_PAYLOAD_WORDS; w++)
                    cr_assert(!memcmp(to + i * SHMLOG_SLOT_PAYLOAD + 8 * w, &word[w][i], 8));
            free(to);
        }
    }
}

/* ---- Columns ---- */

/* A column's bytes: `front`, and `back`, which come before those of later columns' at the end. */
struct made_column {
    struct file_buffer front, back;
};

/* Values such as `width` bytes hold, of a kind that is as likely to go into any codec. */
static void random_values(size_t count)
{
    const unsigned kind = (unsigned)rng_below(5), shift = (unsigned)rng_below(64);
    const uint64_t base = rng(), step = rng() >> shift;

    for (size_t i = 0; i < count; i++) {
        double price = (double)(int64_t)(1000 + rng_below(5000)) / 100;

        values[i] = kind == 0   ? base
                    : kind == 1 ? base + i * step
                    : kind == 2 ? base + rng_below(3) * step
                    : kind == 3 ? rng() >> shift
                                : 0;
        if (kind == 4)
            memcpy(&values[i], &price, sizeof(price));
    }
}

/* The way in: one of the encoder's choice, or one that it is told. */
static void make_column(struct made_column *column, size_t count, unsigned width)
{
    static const unsigned codecs[] = {COLUMN_PLANES,  COLUMN_DELTA, COLUMN_DICT,
                                      COLUMN_DECIMAL, COLUMN_RAW,   COLUMN_CONST};
    const unsigned way = (unsigned)rng_below(10);
    struct file_columns columns;
    int r = -EINVAL;

    *column = (struct made_column){0};
    file_columns_init(&columns);
    file_columns_begin(&columns);
    columns.slack = rng_below(2) ? COLUMN_SLACK_FAST : COLUMN_SLACK_THRIFTY;
    random_values(count);
    if (width < 8)
        for (size_t i = 0; i < count; i++)
            values[i] &= (UINT64_C(1) << 8 * width) - 1;
    if (way < 6)
        r = file_columns_put_as(&columns, codecs[way], (unsigned)rng_below(4), values, count, width,
                                &column->front);
    if (r < 0) {
        column->front.size = 0;
        r = (width == 4 || width == 8) && way % 2
                ? file_columns_put_float(&columns, values, count, width, &column->front)
                : file_columns_put(&columns, values, count, &column->front);
    }
    cr_assert_eq(r, 0);
    cr_assert_eq(file_columns_put_tail(&columns, &column->back), 0);
    file_columns_done(&columns);
}

static void put(struct file_buffer *out, const void *bytes, size_t size)
{
    cr_assert_eq(file_buffer_reserve(out, size + 1), 0);
    if (size)
        memcpy(out->data + out->size, bytes, size);
    out->size += size;
}

/* The same column, sound or not, by both sets: the same values, or refused by both. */
Test(unpack, same_refusals)
{
    static uint64_t v[2][MOST], scratch[MOST];
    unsigned sound = 0, refused = 0;

    if (unpack_kernels() == &unpack_kernels_portable)
        cr_skip_test("this machine has the portable loops only");
    rng_seed(5);
    for (unsigned round = 0; round < 10000; round++) {
        const unsigned width = 1 + (unsigned)rng_below(8);
        const size_t count = 1 + rng_below(rng_below(2) ? 12 : MOST);
        struct column_reader reader[2];
        struct made_column column;
        struct bytes_in in;

        make_column(&column, count, width);
        put(&column.front, column.back.data, column.back.size);
        if (rng_below(3))
            column.front.data[rng_below(column.front.size)] ^= (uint8_t)(1u << rng_below(8));
        in = (struct bytes_in){column.front.data, column.front.data + column.front.size, false};
        if (column_reader_open(&reader[0], &in, count, width) == 0) {
            int r[2];

            reader[1] = reader[0];
            reader[1].kernels = &unpack_kernels_portable;
            for (unsigned k = 0; k < 2; k++)
                r[k] = column_reader_take(&reader[k], count, v[k], scratch);
            cr_assert_eq(r[0], r[1], "round %u: %d, portably %d", round, r[0], r[1]);
            for (size_t i = 0; r[0] == 0 && i < count; i++)
                cr_assert(!memcmp(&v[0][i], &v[1][i], width), "value %zu of %zu", i, count);
            sound += r[0] == 0;
            refused += r[0] == -EBADMSG;
        }
        file_buffer_done(&column.front);
        file_buffer_done(&column.back);
    }
    cr_assert(sound > 1000 && refused > 50, "%u sound, %u refused", sound, refused);
}

Test(unpack, columns_in_pieces)
{
    static uint64_t whole[MOST], pieces[MOST], scratch[MOST];

    rng_seed(3);
    for (unsigned round = 0; round < 5000; round++) {
        const unsigned width = 1 + (unsigned)rng_below(8);
        const size_t count = 1 + rng_below(MOST);
        struct column_reader reader;
        struct made_column column;
        struct bytes_in in;
        int r = 0;

        make_column(&column, count, width);
        put(&column.front, column.back.data, column.back.size);
        if (rng_below(2))
            column.front.data[rng_below(column.front.size)] ^= (uint8_t)(1u << rng_below(8));
        in = (struct bytes_in){column.front.data, column.front.data + column.front.size, false};
        if (column_reader_open(&reader, &in, count, width) == 0) {
            in = (struct bytes_in){column.front.data, column.front.data + column.front.size, false};
            for (size_t at = 0, take; r == 0 && at < count; at += take) {
                take = 8 * (1 + rng_below(20));
                take = take < count - at ? take : count - at;
                r = column_reader_take(&reader, take, pieces + at, scratch);
            }
            cr_assert_eq(file_columns_get(&in, count, width, whole, scratch), r);
            for (size_t i = 0; r == 0 && i < count; i++)
                cr_assert(!memcmp(&whole[i], &pieces[i], width), "value %zu of %zu", i, count);
        }
        file_buffer_done(&column.front);
        file_buffer_done(&column.back);
    }
}

/* ---- Blocks ---- */

#define COLUMNS_MAX (4 + FILE_SITE_ARGS_MAX)

struct made_block {
    struct file_shape shape;
    struct made_column column[COLUMNS_MAX];
    unsigned columns;
    uint32_t records;
};

/* Arguments, or a struct whose fields may overlap, most of them such as have the way of their own.
 */
static void random_shape(struct file_shape *shape)
{
    static const uint8_t types[] = {SHMLOG_TYPE_U8,  SHMLOG_TYPE_U16, SHMLOG_TYPE_I32,
                                    SHMLOG_TYPE_U64, SHMLOG_TYPE_F64, SHMLOG_TYPE_F32};
    uint8_t bytes[SHAPE_SIZE_MAX];
    struct bytes_in in = {bytes, bytes + sizeof(bytes), false};
    const unsigned fields = (unsigned)rng_below(7), size = 4 + (unsigned)rng_below(44);
    const bool is_struct = rng_below(2);
    uint8_t *to = bytes;

    *to++ = is_struct ? SHAPE_STRUCT : SHAPE_ARGS;
    *to++ = (uint8_t)fields;
    if (is_struct) {
        *to++ = (uint8_t)(size + 8);
        *to++ = 0;
    }
    for (unsigned f = 0; f < fields; f++) {
        const uint8_t type = types[rng_below(sizeof(types))];
        const unsigned width = file_type_size(type);

        *to++ = type;
        if (is_struct) {
            unsigned offset = (unsigned)rng_below(size);

            if (rng_below(10))
                offset -= offset % width;
            *to++ = (uint8_t)offset;
            *to++ = 0;
            *to++ = (uint8_t)width;
            *to++ = 0;
        }
    }
    cr_assert_eq(file_shape_get(&in, shape), 0);
}

/* Is the column, whatever is in it, as long as its front? */
static bool ends_there(const struct made_column *column, size_t count, unsigned width)
{
    struct file_buffer all = {0};
    struct column_reader reader;
    struct bytes_in in;
    bool there;

    put(&all, column->front.data, column->front.size);
    put(&all, column->back.data, column->back.size);
    in = (struct bytes_in){all.data, all.data + all.size, false};
    there = column_reader_open(&reader, &in, count, width) == 0 &&
            in.at == all.data + column->front.size;
    file_buffer_done(&all);
    return there;
}

/* Flip a bit. Of a column before the place where the general way has one more, of which `width` is
 * given, only such a bit after which the next column begins where it did. */
static void damage(struct made_column *column, size_t count, unsigned width)
{
    struct file_buffer *bytes = rng_below(2) || !column->back.size ? &column->front : &column->back;
    uint8_t *at = bytes->data + rng_below(bytes->size);
    const uint8_t before = *at;

    *at ^= (uint8_t)(1u << rng_below(8));
    if (width && !ends_there(column, count, width))
        *at = before;
}

static void make_block(struct made_block *block)
{
    static const unsigned widths[] = {4, 4, 8, 1}; /* groups, producers, times, extra slots */
    unsigned n = 0;

    random_shape(&block->shape);
    block->records = 2 + (uint32_t)rng_below(rng_below(2) ? 40 : MOST - 1); /* as many as groups */
    for (; n < 4; n++) {
        static const uint8_t zero[2], zero_steps[3] = {COLUMN_DELTA << 4};
        const bool odd = !rng_below(50);

        block->column[n] = (struct made_column){0};
        if (n == 1 || n == 2 || (n == 3 && odd))
            make_column(&block->column[n], block->records, widths[n]);
        else if (odd)
            put(&block->column[n].front, zero_steps, sizeof(zero_steps));
        else
            put(&block->column[n].front, zero, sizeof(zero));
    }
    for (unsigned f = 0; f < block->shape.fields; f++, n++)
        make_column(&block->column[n], block->records, block->shape.field[f].size);
    block->columns = n;
    for (unsigned i = 0; !rng_below(3) && i < 1 + rng_below(3); i++) {
        n = 1 + (unsigned)rng_below(block->columns - 1); /* another group is there, or not */
        damage(&block->column[n], block->records, n < 4 ? widths[n] : 0);
    }
}

/* The content; with a second group, which no record is of, if `general`. */
static void put_content(const struct made_block *block, bool general, struct file_buffer *out)
{
    static const uint8_t empty_group[] = {9, SHAPE_ARGS, 0}, zero[2];
    uint8_t bytes[SHAPE_SIZE_MAX + 2] = {general ? 2 : 1, 5};

    put(out, bytes, (size_t)(file_shape_put(bytes + 2, &block->shape) - bytes));
    if (general)
        put(out, empty_group, sizeof(empty_group));
    for (unsigned n = 0; n < block->columns; n++) {
        put(out, block->column[n].front.data, block->column[n].front.size);
        if (general && n == 3) /* its extra slots */
            put(out, zero, sizeof(zero));
    }
    for (unsigned n = block->columns; n-- > 0;)
        put(out, block->column[n].back.data, block->column[n].back.size);
}

static void compare(const struct file_block *one, const struct file_block *other)
{
    cr_assert_eq(one->records, other->records);
    for (size_t i = 0; i < one->records; i++) {
        const struct file_record *a = &one->record[i], *b = &other->record[i];

        cr_assert(a->seq == b->seq && a->time == b->time && a->site == b->site &&
                      a->producer == b->producer && a->slots == b->slots &&
                      a->payload_size == b->payload_size,
                  "record %zu", i);
        cr_assert(!memcmp(a->payload, b->payload, a->slots * (size_t)SHMLOG_SLOT_PAYLOAD),
                  "record %zu of %zu", i, one->records);
    }
}

static struct file_block decoded[2];

/* Decode it in the way of its own, if it has that, and in the general one. What both say. */
static int decode_both_ways(struct file_block_decoder *decoder, const struct made_block *made)
{
    int r[2];

    for (unsigned general = 0; general < 2; general++) {
        const struct file_block_info info = {
            .first_seq = 1000,
            .records = made->records,
            .slots = made->records,
            .codec = 1,
        };
        struct file_buffer content = {0};

        put_content(made, general, &content);
        r[general] =
            file_block_decode(decoder, &info, content.data, content.size, &decoded[general]);
        file_buffer_done(&content);
    }
    cr_assert_eq(r[0], r[1], "%d, the general way %d", r[0], r[1]);
    compare(&decoded[0], &decoded[1]);
    return r[0];
}

static void block_done(struct made_block *made)
{
    for (unsigned n = 0; n < made->columns; n++) {
        file_buffer_done(&made->column[n].front);
        file_buffer_done(&made->column[n].back);
    }
}

Test(unpack, blocks_both_ways)
{
    struct file_block_decoder *decoder;
    unsigned sound = 0, refused = 0;

    rng_seed(4);
    cr_assert_eq(file_block_decoder_open(&decoder), 0);
    for (unsigned round = 0; round < 6000; round++) {
        static struct made_block made;
        int r;

        make_block(&made);
        r = decode_both_ways(decoder, &made);
        sound += r == 0;
        refused += r == -EBADMSG;
        block_done(&made);
    }
    cr_assert(sound > 1000 && refused > 100, "%u sound, %u refused", sound, refused);
    file_block_done(&decoded[0]);
    file_block_done(&decoded[1]);
    file_block_decoder_close(decoder);
}

/* ---- Blocks of records alike, but for what the way of their own cannot read ---- */

#define PRICES 500

/* All but the fields: one group, one producer, times, no extra slots. */
static void begin_prices(struct made_block *block, unsigned fields)
{
    static const uint8_t zero[2];
    uint8_t bytes[] = {SHAPE_ARGS, (uint8_t)fields, SHMLOG_TYPE_F64, SHMLOG_TYPE_F64};
    struct bytes_in in = {bytes, bytes + 2 + fields, false};

    *block = (struct made_block){.columns = 5, .records = PRICES};
    cr_assert_eq(file_shape_get(&in, &block->shape), 0);
    for (unsigned n = 0; n < 4; n++)
        if (n == 2)
            make_column(&block->column[n], PRICES, 8);
        else
            put(&block->column[n].front, zero, sizeof(zero));
}

/* The second price is told from the first, as the encoder does that: the general way reads it. */
Test(unpack, prices_told_from_others)
{
    static uint64_t price[2][PRICES];
    static struct made_block made;
    struct file_block_decoder *decoder;
    struct file_columns columns;
    struct column_reader reader;
    struct file_buffer all = {0};
    struct bytes_in in;

    rng_seed(6);
    for (size_t i = 0; i < PRICES; i++) {
        const uint64_t ticks = 100000 + rng_below(10000000);
        const double bid = (double)ticks / 100, ask = (double)(ticks + 1 + rng_below(3)) / 100;

        memcpy(&price[0][i], &bid, sizeof(bid));
        memcpy(&price[1][i], &ask, sizeof(ask));
    }
    begin_prices(&made, 2);
    file_columns_init(&columns);
    file_columns_begin(&columns);
    file_columns_begin_group(&columns, NULL, 0, 0);
    for (unsigned f = 0; f < 2; f++)
        cr_assert_eq(file_columns_put_float(&columns, price[f], PRICES, 8, &made.column[4].front),
                     0);
    file_columns_end_group(&columns);
    cr_assert_eq(file_columns_put_tail(&columns, &made.column[4].back), 0);
    file_columns_done(&columns);

    put(&all, made.column[4].front.data, made.column[4].front.size);
    put(&all, made.column[4].back.data, made.column[4].back.size);
    in = (struct bytes_in){all.data, all.data + all.size, false};
    cr_assert_eq(column_reader_open(&reader, &in, PRICES, 8), 0);
    cr_assert_eq(column_reader_open(&reader, &in, PRICES, 8), -ENOTSUP, "nothing to fall back for");
    file_buffer_done(&all);

    cr_assert_eq(file_block_decoder_open(&decoder), 0);
    cr_assert_eq(decode_both_ways(decoder, &made), 0);
    cr_assert_eq(decoded[0].records, PRICES);
    for (size_t i = 0; i < PRICES; i++)
        for (unsigned f = 0; f < 2; f++)
            cr_assert(!memcmp(decoded[0].record[i].payload + made.shape.field[f].offset,
                              &price[f][i], 8),
                      "price %u of record %zu", f, i);
    block_done(&made);
    file_block_done(&decoded[0]);
    file_block_done(&decoded[1]);
    file_block_decoder_close(decoder);
}

/* Told from what is not there: no string, or no price before it. */
Test(unpack, prices_told_from_nothing)
{
    static const struct {
        uint8_t bytes[6];
        size_t size;
    } columns[] = {
        {{COLUMN_KEYED << 4, COLUMN_CONST << 4, 0}, 3},
        {{COLUMN_DECIMAL << 4 | 2, COLUMN_KEYED << 4, COLUMN_CONST << 4, 0, COLUMN_CONST << 4, 0},
         6},
        {{COLUMN_DECIMAL << 4 | 2, COLUMN_RELATED << 4, COLUMN_CONST << 4, 0, COLUMN_CONST << 4, 0},
         6},
    };
    struct file_block_decoder *decoder;

    rng_seed(7);
    cr_assert_eq(file_block_decoder_open(&decoder), 0);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        static struct made_block made;

        begin_prices(&made, 1);
        put(&made.column[4].front, columns[i].bytes, columns[i].size);
        cr_assert_eq(decode_both_ways(decoder, &made), -EBADMSG, "%zu", i);
        block_done(&made);
    }
    file_block_done(&decoded[0]);
    file_block_done(&decoded[1]);
    file_block_decoder_close(decoder);
}
