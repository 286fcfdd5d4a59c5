/* SPDX-License-Identifier: MIT
 *
 * A double is m * 2^e with integers m < 2^53 and e. With e < 0, the decimal asked for is
 * m * 10^places / 2^-e, rounded to nearest, ties to even: the product has at most 83 bits, so all
 * of it is exact in 128.
 */
#include "reader/decimal.h"

bool decimal_put(struct text *out, double value, unsigned places)
{
    uint64_t bits, mantissa, number;
    unsigned biased, down;
    unsigned __int128 scaled;

    memcpy(&bits, &value, sizeof(bits));
    mantissa = bits & ((UINT64_C(1) << 52) - 1);
    biased = (unsigned)(bits >> 52 & 0x7ff);
    if (biased)
        mantissa |= UINT64_C(1) << 52;
    else
        biased = mantissa ? 1 : 1075;
    /* value = mantissa * 2^(biased - 1075) */
    if (biased > 1075 || biased < 1075 - 120)
        return false;
    down = 1075 - biased;
    scaled = (unsigned __int128)mantissa * text_power[places];
    if (down) {
        const unsigned __int128 rest = scaled & (((unsigned __int128)1 << down) - 1);
        const unsigned __int128 half = (unsigned __int128)1 << (down - 1);

        scaled >>= down;
        if (rest > half || (rest == half && scaled & 1))
            scaled++;
    }
    if (scaled >> 63)
        return false;
    number = (uint64_t)scaled;
    if (bits >> 63)
        text_putc(out, '-');
    if (!places) {
        text_u64(out, number);
        return true;
    }
    text_u64(out, number / text_power[places]);
    text_putc(out, '.');
    text_put_digits(out, places, number % text_power[places]);
    return true;
}

/* How many digits before the point, less the zeros after it if it has none. */
static int magnitude_of(double value)
{
    if (value >= 1)
        return (int)text_digits((uint64_t)value);
    return value >= 0.1 ? 0 : value >= 0.01 ? -1 : -2;
}

/* mantissa / 2^down, from 0.001 to 10^15: 2 < down < 63, and the mantissa has 53 bits. */
struct binary {
    uint64_t mantissa;
    unsigned down;
    uint64_t step; /* from one number of its type to the next, in units of the mantissa */
};

/* Round to `places` decimals (<= 19): *ret_number is the digits, at most 17. Does a reader make the
 * same number of it? It does if the decimal is nearer to it than half a step. It is never just half
 * a step away, which would take more digits, nor are shorter steps below powers of two any matter:
 * these have so few digits here that they come out whole. All products have less than 128 bits. */
static bool round_trips(const struct binary *of, unsigned places, uint64_t *ret_number)
{
    const unsigned __int128 one = (unsigned __int128)1 << of->down;
    const unsigned __int128 scaled = (unsigned __int128)of->mantissa * text_power[places];
    const unsigned __int128 rest = scaled & (one - 1);
    const uint64_t number = (uint64_t)(scaled >> of->down);
    const bool up = rest > one / 2 || (rest == one / 2 && number & 1);

    *ret_number = number + up;
    return (up ? one - rest : rest) * 2 < (unsigned __int128)text_power[places] * of->step;
}

static void put_without_zeros(struct text *out, uint64_t number, unsigned places)
{
    for (unsigned zeros = 8; zeros; zeros /= 2)
        while (places >= zeros && number % text_power[zeros] == 0) {
            number /= text_power[zeros];
            places -= zeros;
        }
    text_u64(out, number / text_power[places]);
    if (!places)
        return;
    text_putc(out, '.');
    text_put_digits(out, places, number % text_power[places]);
}

bool decimal_put_shortest(struct text *out, double value, bool single)
{
    const bool negative = __builtin_signbit(value);
    const double size = negative ? -value : value;
    struct binary binary = {.step = single ? UINT64_C(1) << 29 : 1};
    unsigned digits = single ? 6 : 15, last = single ? 9 : 17;
    uint64_t bits, number;
    int magnitude;

    if (size != 0 && !(size >= 0.001 && size < (double)text_power[digits]))
        return false;
    if (negative)
        text_putc(out, '-');
    if (size == (double)(uint64_t)size) {
        text_u64(out, (uint64_t)size);
        return true;
    }
    memcpy(&bits, &size, sizeof(bits));
    binary.mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    binary.down = 1075 - (unsigned)(bits >> 52);
    magnitude = magnitude_of(size);
    while (!round_trips(&binary, (unsigned)((int)digits - magnitude), &number) && digits < last)
        digits++;
    put_without_zeros(out, number, (unsigned)((int)digits - magnitude));
    return true;
}
