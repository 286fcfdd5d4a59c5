/* SPDX-License-Identifier: MIT
 *
 * Columns: every encoding gives back what went in, bit for bit, and no bytes make the decoder read
 * or write outside.
 */
#include "logfile/column/reader.h"
#include "tests/unit/file_kit.h"

#include <errno.h>

#define COUNT 3000

static uint64_t values[COUNT], got[COUNT], scratch[COUNT];

static bool same(const uint64_t *a, const uint64_t *b, size_t count, unsigned width)
{
    uint64_t mask = width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;

    for (size_t i = 0; i < count; i++) {
        if ((a[i] ^ b[i]) & mask) {
            fprintf(stderr, "value %zu: %llx became %llx\n", i, (unsigned long long)a[i],
                    (unsigned long long)b[i]);
            return false;
        }
    }
    return true;
}

/* Decode all of `out`; it must be one column and nothing after. */
static void check_decode(const struct file_buffer *out, size_t count, unsigned width)
{
    struct bytes_in in = {out->data, out->data + out->size, false};

    memset(got, 0xa5, sizeof(got));
    cr_assert_eq(file_columns_get(&in, count, width, got, scratch), 0);
    cr_assert(in.at == in.end && !in.bad);
    cr_assert(same(values, got, count, width));
}

/* Put `count` values with an encoding (COLUMN_CODECS: the cheapest) and check them. Returns the
 * size, or the error. */
static long round_trip(unsigned codec, unsigned parameter, size_t count, unsigned width)
{
    struct file_columns columns;
    struct file_buffer out = {0};
    long r;

    file_columns_init(&columns);
    if (codec == COLUMN_CODECS)
        r = file_columns_put(&columns, values, count, &out);
    else
        r = file_columns_put_as(&columns, codec, parameter, values, count, width, &out);
    if (r == 0)
        r = file_columns_put_tail(&columns, &out);
    if (r == 0) {
        check_decode(&out, count, width);
        cr_assert(codec == COLUMN_CODECS || out.data[0] >> 4 == codec);
        r = (long)out.size;
    }
    file_buffer_done(&out);
    file_columns_done(&columns);
    return r;
}

static long round_trip_float(size_t count, unsigned width)
{
    struct file_columns columns;
    struct file_buffer out = {0};
    long size;

    file_columns_init(&columns);
    cr_assert_eq(file_columns_put_float(&columns, values, count, width, &out), 0);
    cr_assert_eq(file_columns_put_tail(&columns, &out), 0);
    check_decode(&out, count, width);
    size = (long)out.size;
    file_buffer_done(&out);
    file_columns_done(&columns);
    return size;
}

static void fill_doubles(double (*f)(int64_t k), size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double d = f((int64_t)(5871020 + rng_below(200)));

        memcpy(&values[i], &d, sizeof(d));
    }
}

static double divided(int64_t k)
{
    return (double)k / 100;
}

static double multiplied(int64_t k)
{
    return (double)k * 0.01;
}

Test(column, every_codec)
{
    static const size_t counts[] = {1, 2, 3, 7, 8, 9, 255, 1023, 1024, COUNT};

    rng_seed(1);
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        for (unsigned width = 1; width <= 8; width++) {
            uint64_t mask = width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;

            for (size_t i = 0; i < counts[c]; i++)
                values[i] = 7;
            cr_assert_gt(round_trip(COLUMN_CONST, 0, counts[c], width), 0);
            for (unsigned shift = 0; shift < 64; shift += 5) {
                for (size_t i = 0; i < counts[c]; i++)
                    values[i] = rng() >> shift & mask;
                cr_assert_gt(round_trip(COLUMN_PLANES, 0, counts[c], width), 0);
                cr_assert_gt(round_trip(COLUMN_DELTA, 0, counts[c], width), 0);
                cr_assert_gt(round_trip(COLUMN_RAW, 0, counts[c], width), 0);
                cr_assert_gt(round_trip(COLUMN_PACKED, COLUMN_PACKED_VALUES, counts[c], width), 0);
                cr_assert_gt(round_trip(COLUMN_PACKED, COLUMN_PACKED_STEPS, counts[c], width), 0);
                cr_assert_gt(round_trip(COLUMN_CODECS, 0, counts[c], width), 0);
            }
            for (unsigned distinct = 1; distinct <= 256; distinct += 1 + distinct / 3) {
                for (size_t i = 0; i < counts[c]; i++)
                    values[i] = rng_below(distinct) * 0x9e3779b97f4a7c15ull & mask;
                cr_assert_gt(round_trip(COLUMN_DICT, 0, counts[c], width), 0);
                cr_assert_gt(round_trip(COLUMN_PACKED, COLUMN_PACKED_DICT, counts[c], width), 0);
                cr_assert_gt(round_trip(COLUMN_CODECS, 0, counts[c], width), 0);
            }
        }
    }
}

Test(column, refuses_what_does_not_fit)
{
    for (size_t i = 0; i < COUNT; i++)
        values[i] = i * i;
    cr_assert_eq(round_trip(COLUMN_CONST, 0, COUNT, 8), -EINVAL);
    cr_assert_eq(round_trip(COLUMN_DICT, 0, COUNT, 8), -EINVAL);
    cr_assert_eq(round_trip(COLUMN_PACKED, COLUMN_PACKED_DICT, COUNT, 8), -EINVAL);
    cr_assert_eq(round_trip(COLUMN_DECIMAL, 2, COUNT, 2), -EINVAL);
}

Test(column, extremes)
{
    static const uint64_t edge[] = {0, 1, UINT64_MAX, (uint64_t)INT64_MIN, (uint64_t)INT64_MAX};

    rng_seed(2);
    for (unsigned round = 0; round < 2000; round++) {
        size_t count = 1 + rng_below(40);

        for (size_t i = 0; i < count; i++)
            values[i] = edge[rng_below(5)] + rng_below(3) - rng_below(3);
        cr_assert_gt(round_trip(COLUMN_CODECS, 0, count, 8), 0);
        cr_assert_gt(round_trip(COLUMN_DELTA, 0, count, 8), 0);
        cr_assert_gt(round_trip(COLUMN_PLANES, 0, count, 8), 0);
    }
}

Test(column, decimals_become_integers)
{
    rng_seed(3);
    fill_doubles(divided, COUNT);
    cr_assert_lt(round_trip_float(COUNT, 8), COUNT + 64);
    fill_doubles(multiplied, COUNT);
    cr_assert_lt(round_trip_float(COUNT, 8), COUNT + 64);
    for (unsigned exponent = 0; exponent <= COLUMN_EXPONENT_MAX; exponent++) {
        cr_assert_gt(round_trip(COLUMN_DECIMAL, exponent, COUNT, 8), 0);
        cr_assert_gt(round_trip(COLUMN_DECIMAL_MUL, exponent, COUNT, 8), 0);
    }
}

Test(column, sums_of_ticks_stay_small)
{
    double price = 58710.2;

    rng_seed(4);
    for (size_t i = 0; i < COUNT; i++) {
        price += 0.01 * ((double)rng_below(5) - 2);
        memcpy(&values[i], &price, sizeof(price));
    }
    cr_assert_lt(round_trip_float(COUNT, 8), 3 * COUNT);
}

Test(column, floats_bit_for_bit)
{
    rng_seed(5);
    for (unsigned round = 0; round < 500; round++) {
        size_t count = 1 + rng_below(100);

        for (size_t i = 0; i < count; i++)
            values[i] = random_bits(SHMLOG_TYPE_F64);
        round_trip_float(count, 8);
        for (size_t i = 0; i < count; i++)
            values[i] = random_bits(SHMLOG_TYPE_F32) & UINT32_MAX;
        round_trip_float(count, 4);
    }
    for (size_t i = 0; i < COUNT; i++) {
        float f = (float)(int)rng_below(10000) / 100;

        values[i] = 0;
        memcpy(&values[i], &f, sizeof(f));
    }
    cr_assert_lt(round_trip_float(COUNT, 4), 2 * COUNT + 64);
    fill_doubles(divided, COUNT);
    for (size_t i = 0; i < COUNT; i += 50)
        values[i] = UINT64_C(0x7ff8000000000000); /* no price */
    cr_assert_lt(round_trip_float(COUNT, 8), 4 * COUNT);
}

Test(column, hostile_bytes)
{
    uint8_t bytes[400];

    rng_seed(6);
    for (unsigned round = 0; round < 200000; round++) {
        size_t size = rng_below(sizeof(bytes));
        uint8_t *copy;
        struct bytes_in in;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)rng();
        if (size)
            bytes[0] = (uint8_t)(rng_below(COLUMN_CODECS) << 4 | rng_below(9));
        if (size > 1 && bytes[0] >> 4 == COLUMN_PACKED)
            bytes[1] = (uint8_t)rng_below(rng_below(4) ? 20 : 70);
        copy = malloc(size + 1); /* so that a sanitizer sees a read beyond the end */
        copy = realloc(copy, size ? size : 1);
        memcpy(copy, bytes, size);
        in = (struct bytes_in){copy, copy + size, false};
        file_columns_get(&in, rng_below(100), 1 + (unsigned)rng_below(8), got, scratch);
        cr_assert(in.at <= in.end);
        free(copy);
    }
}

/* A dictionary's indices have room for more than it has entries. */
Test(column, index_beyond_the_dictionary)
{
    static const uint8_t good[] = {COLUMN_DICT << 4 | 1, 2, 2, 4, 6, 0x24};
    static const uint8_t bad[] = {COLUMN_DICT << 4 | 1, 2, 2, 4, 6, 0x2c};
    struct bytes_in in = {good, good + sizeof(good), false};

    cr_assert_eq(file_columns_get(&in, 3, 4, got, scratch), 0);
    cr_assert(got[0] == 1 && got[1] == 2 && got[2] == 3);
    in = (struct bytes_in){bad, bad + sizeof(bad), false};
    cr_assert_eq(file_columns_get(&in, 3, 4, got, scratch), -EBADMSG);
}

/* The bytes that docs/format.md shows; a code that the dictionary has no entry for; codes wider
 * than values. */
Test(column, packed_bytes)
{
    static const uint8_t want[] = {0x70, 0x03, 0x14, 0x50, 0x0e};
    static const uint8_t bad[] = {COLUMN_PACKED << 4 | COLUMN_PACKED_DICT, 2, 2, 2, 4, 6, 0x34};
    static const uint8_t wide[12] = {COLUMN_PACKED << 4 | COLUMN_PACKED_VALUES, 65};
    struct file_columns columns;
    struct file_buffer out = {0};
    struct bytes_in in = {bad, bad + sizeof(bad), false};

    memcpy(values, (uint64_t[]){10, 12, 11, 17}, 4 * sizeof(*values));
    file_columns_init(&columns);
    cr_assert_eq(file_columns_put_as(&columns, COLUMN_PACKED, COLUMN_PACKED_VALUES, values, 4, 8,
                                     &out),
                 0);
    cr_assert_eq(file_columns_put_tail(&columns, &out), 0);
    cr_assert(out.size == sizeof(want) && !memcmp(out.data, want, sizeof(want)));
    file_buffer_done(&out);
    file_columns_done(&columns);
    cr_assert_eq(file_columns_get(&in, 2, 4, got, scratch), 0);
    cr_assert(got[0] == 1 && got[1] == 2);
    in = (struct bytes_in){bad, bad + sizeof(bad), false};
    cr_assert_eq(file_columns_get(&in, 3, 4, got, scratch), -EBADMSG);
    in = (struct bytes_in){wide, wide + sizeof(wide), false};
    cr_assert_eq(file_columns_get(&in, 1, 8, got, scratch), -EBADMSG);
}

/* ---- The examples of docs/format.md, but for STRINGS, which is in test_file_strings.c ---- */

/* Bytes at the beginning of a line: pairs of digits, a comment is farther off than two blanks. */
static size_t parse_bytes(const char *line, uint8_t *to)
{
    size_t size = 0, blanks = 0;

    for (line += strspn(line, " "); blanks <= 2; line += 2 + blanks) {
        if (strspn(line, "0123456789ABCDEF") != 2)
            break;
        to[size++] = (uint8_t)strtoul(line, NULL, 16);
        blanks = strspn(line + 2, " ");
    }
    return size;
}

static uint64_t parse_value(const char *word, unsigned width)
{
    const double d = strtod(word, NULL);
    const float f = (float)d;
    uint64_t bits = 0;

    if (!strchr(word, '.'))
        return (uint64_t)strtoll(word, NULL, 10);
    memcpy(&bits, width == 4 ? (const void *)&f : (const void *)&d, width);
    return bits;
}

struct example {
    char name[32];
    unsigned width;
    uint64_t want[4];
    uint8_t bytes[64];
    size_t size;
};

/* The next example of a file, line by line; `line` holds the one that is looked at. */
static bool next_example(FILE *document, char *line, size_t size, struct example *example)
{
    char word[4][32];

    *example = (struct example){0};
    while (sscanf(line, "    %31[A-Z_a-z ], %1u: %31s %31s %31s %31s", example->name,
                  &example->width, word[0], word[1], word[2], word[3]) != 6)
        if (!fgets(line, (int)size, document))
            return false;
    for (unsigned i = 0; i < 4; i++)
        example->want[i] = parse_value(word[i], example->width);
    while (fgets(line, (int)size, document) && !strncmp(line, "        ", 8))
        example->size += parse_bytes(line, example->bytes + example->size);
    return true;
}

Test(column, examples_of_the_document)
{
    static const uint8_t keys[] = {0, 1, 0, 1};
    const char *const source = getenv("SHMLOG_SOURCE");
    struct column_relatives relatives = {.key = {keys}, .keys = {2}};
    uint64_t first[4], reference[4];
    unsigned examples = 0, decimals = 0;
    struct example example;
    char path[512], line[512] = "";
    FILE *document;

    relatives.reference = reference;
    snprintf(path, sizeof(path), "%s/docs/format.md", source ? source : ".");
    document = fopen(path, "re");
    cr_assert_not_null(document, "%s", path);
    while (next_example(document, line, sizeof(line), &example)) {
        struct bytes_in in = {example.bytes, example.bytes + example.size, false};

        if (!strcmp(example.name, "STRINGS"))
            continue;
        if (!strcmp(example.name, "RELATED")) /* to the first DECIMAL */
            memcpy(reference, first, sizeof(first));
        cr_assert_eq(file_columns_get_related(&in, 4, example.width, got, scratch, &relatives), 0,
                     "%s", example.name);
        cr_assert(in.at == in.end && same(example.want, got, 4, example.width), "%s", example.name);
        examples++;
        if (!strcmp(example.name, "DECIMAL") && !decimals++)
            memcpy(first, reference, sizeof(first));
    }
    fclose(document);
    cr_assert_geq(examples, 15);
}

/* Corrections of floats are numbers of 8 bytes, also where they stand as they are, and also where a
 * column is read in pieces. */
Test(column, raw_corrections_of_floats)
{
    uint8_t bytes[4 + 64] = {COLUMN_DECIMAL << 4 | 2, COLUMN_CONST << 4, 0, COLUMN_RAW << 4};
    struct bytes_in in = {bytes, bytes + sizeof(bytes), false};
    struct column_reader reader;

    for (uint64_t i = 0; i < 8; i++)
        memcpy(bytes + 4 + 8 * i, &(uint64_t){i + 1}, 8);
    cr_assert_eq(file_columns_get(&in, 8, 4, got, scratch), 0);
    for (uint64_t i = 0; i < 8; i++)
        cr_assert_eq((uint32_t)got[i], i + 1);
    in = (struct bytes_in){bytes, bytes + sizeof(bytes), false};
    memset(got, 0xa5, sizeof(got));
    cr_assert_eq(column_reader_open(&reader, &in, 8, 4), 0);
    cr_assert_eq(column_reader_take(&reader, 8, got, scratch), 0);
    for (uint64_t i = 0; i < 8; i++)
        cr_assert_eq((uint32_t)got[i], i + 1);
}

/* Columns whose bits come from the end, among others whose bytes do not. */
Test(column, packed_in_order)
{
    static const unsigned codecs[] = {COLUMN_PACKED, COLUMN_PLANES, COLUMN_PACKED, COLUMN_DECIMAL};
    struct file_columns columns;
    struct file_buffer out = {0};
    struct bytes_in in;

    file_columns_init(&columns);
    for (unsigned pass = 0; pass < 2; pass++) {
        rng_seed(7);
        for (unsigned c = 0; c < 4; c++) {
            for (size_t i = 0; i < COUNT; i++)
                values[i] = rng_below(1000 + c);
            if (codecs[c] == COLUMN_DECIMAL) /* its integers are packed */
                fill_doubles(divided, COUNT);
            if (pass) {
                memset(got, 0xa5, sizeof(got));
                cr_assert_eq(file_columns_get(&in, COUNT, 8, got, scratch), 0);
                cr_assert(same(values, got, COUNT, 8));
            } else {
                cr_assert_eq(file_columns_put_as(&columns, codecs[c],
                                                 codecs[c] == COLUMN_DECIMAL ? 2 : 0, values, COUNT,
                                                 8, &out),
                             0);
            }
        }
        if (!pass)
            cr_assert_eq(file_columns_put_tail(&columns, &out), 0);
        in = (struct bytes_in){out.data, out.data + out.size, false};
    }
    file_buffer_done(&out);
    file_columns_done(&columns);
}
