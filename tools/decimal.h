/* SPDX-License-Identifier: MIT
 *
 * Doubles as decimals with a fixed number of places, exactly as printf's %.Nf rounds them, for the
 * values that logs are full of; the others are printf's.
 */
#ifndef TOOLS_DECIMAL_H
#define TOOLS_DECIMAL_H

#include "tools/text.h"

#define DECIMAL_PLACES_MAX 9u

/* `value` with `places` decimals (<= DECIMAL_PLACES_MAX). False, with nothing put, if it is not
 * finite, or has more than 19 digits, or so many binary places that 128 bits do not hold it. */
bool decimal_put(struct text *out, double value, unsigned places);

#endif
