/* SPDX-License-Identifier: MIT
 *
 * Decimals as floating-point values: what k / 10^e and k * 10^-e are.
 */
#include "logfile/column/column.h"

const double column_power[COLUMN_EXPONENT_MAX + 1] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
};

/* 1 / column_power, rounded: what a tick size of 0.01 is in a program. */
const double column_fraction[COLUMN_EXPONENT_MAX + 1] = {
    1e0,  1e-1, 1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,
    1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15,
};

uint64_t file_column_decimal(int64_t k, unsigned codec, unsigned exponent, unsigned width)
{
    double d = codec == COLUMN_DECIMAL ? (double)k / column_power[exponent]
                                       : (double)k * column_fraction[exponent];
    uint64_t bits;

    if (width == 4) {
        float f = (float)d;
        uint32_t low;

        memcpy(&low, &f, sizeof(low));
        return low;
    }
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}
