/* SPDX-License-Identifier: MIT
 *
 * Doubles as decimals, exactly as printf rounds them, for the values that logs are full of; the
 * others are printf's.
 */
#ifndef READER_DECIMAL_H
#define READER_DECIMAL_H

#include "reader/text.h"

#define DECIMAL_PLACES_MAX 9u

/* `value` with `places` decimals (<= DECIMAL_PLACES_MAX). False, with nothing put, unless it is 0
 * or between 2^-68 and 2^53, sign apart, and its digits without the point are a number below 2^63.
 */
bool decimal_put(struct text *out, double value, unsigned places);

/* The first of %.15g, %.16g and %.17g that reads back as `value`; `single`: the first of %.6g to
 * %.9g that does so as a float, which `value` is. False, with nothing put, unless it is 0 or, sign
 * apart, from 0.001 up to 10^15, or 10^6 for a float. */
bool decimal_put_shortest(struct text *out, double value, bool single);

#endif
