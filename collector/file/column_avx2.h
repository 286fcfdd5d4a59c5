/* SPDX-License-Identifier: MIT
 *
 * The inner loops with AVX2.
 */
#ifndef COLLECTOR_FILE_COLUMN_AVX2_H
#define COLLECTOR_FILE_COLUMN_AVX2_H

#include "collector/file/column_kernel.h"

/* NULL where the processor, or the compiler's target, has none. */
const struct file_kernels *file_kernels_avx2(void);

#endif
