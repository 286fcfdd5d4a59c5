/* SPDX-License-Identifier: MIT
 *
 * Rows with tabs between their cells, as columns for people.
 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include "reader/text.h"

/* Pad the cells so that columns stand under each other, two blanks apart: the first `left` of them
 * aligned left, the next `right` ones, numbers, right; then left again. */
void table_align(struct text *rows, size_t left, size_t right);

#endif
