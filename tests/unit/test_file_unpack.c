/* SPDX-License-Identifier: MIT
 *
 * The decoder's ways to the same values: its inner loops for this processor against the portable
 * ones; columns in pieces against columns at once. Sound or damaged, both must say the same.
 */
#include "logfile/column/reader.h"
#include "tests/unit/column_kit.h"

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
