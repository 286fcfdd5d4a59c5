/* SPDX-License-Identifier: MIT
 *
 * Log calls of a C++ file, for tests in C.
 */
#ifndef TESTS_UNIT_PRODUCER_CPP_H
#define TESTS_UNIT_PRODUCER_CPP_H

#include "producer/shmlog.h"

struct cpp_base {
    unsigned long id;
};

#ifdef __cplusplus
extern "C" {
#endif
void cpp_commas(struct shmlog *log);
void cpp_types(struct shmlog *log);
void cpp_records(struct shmlog *log);
#ifdef __cplusplus
}
#endif

#endif
