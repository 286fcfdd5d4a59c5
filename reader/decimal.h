/* SPDX-License-Identifier: MIT
 *
 * Doubles as decimals with a fixed number of places, exactly as printf's %.Nf rounds them, for the
 * values that logs are full of; the others are printf's.
 */
#ifndef READER_DECIMAL_H
#define READER_DECIMAL_H

#include "reader/text.h"

#define DECIMAL_PLACES_MAX 9u

/* `value` with `places` decimals (<= DECIMAL_PLACES_MAX). False, with nothing put, unless it is 0
 * or between 2^-68 and 2^53, sign apart, and its digits without the point are a number below 2^63.
 */
bool decimal_put(struct text *out, double value, unsigned places);

#endif
