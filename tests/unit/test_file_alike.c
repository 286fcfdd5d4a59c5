/* SPDX-License-Identifier: MIT
 *
 * Blocks of records alike, which have a way of their own, against the same blocks with a group more
 * that has no record, which go the general way. Sound or damaged, both must say the same.
 */
#include "logfile/block/decode.h"
#include "logfile/column/reader.h"
#include "logfile/block/shape.h"
#include "tests/unit/column_kit.h"

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

Test(alike, both_ways)
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
Test(alike, prices_told_from_others)
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
Test(alike, prices_told_from_nothing)
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
