/* SPDX-License-Identifier: MIT
 *
 * Changing a log file so that the change is not stopped by the first checksum: frames are resealed,
 * contents of blocks compressed again, the trailer put right.
 */
#ifndef TESTS_FUZZ_FILE_MUTATE_H
#define TESTS_FUZZ_FILE_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Change `data` in place, up to `max_size` bytes; the new size. The same seed does the same. */
size_t file_mutate(uint8_t *data, size_t size, size_t max_size, unsigned seed);

#endif
