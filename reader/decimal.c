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
