/* SPDX-License-Identifier: MIT
 *
 * The calls of producer_cpp.cpp, with what only C++ has: what comes out of them.
 */
#include "tests/unit/producer_kit.h"

#include "tests/unit/producer_cpp.h"

static void open_all(void)
{
    struct shm_params params = kit_producer_params();

    kit_attach(&params);
}

TestSuite(producer_cpp, .init = open_all, .fini = kit_detach);

static void expect_name(unsigned i, const char *name)
{
    cr_assert_str_eq(kit_site.name[i], name);
}

/* Commas that are no call's, for C++; temporaries live until the record is stored. */
Test(producer_cpp, commas)
{
    cpp_commas(logger);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.args, 4);
    expect(0, SHMLOG_TYPE_I32, 4);
    expect(1, SHMLOG_TYPE_I32, 7);
    expect(2, SHMLOG_TYPE_I32, 7);
    expect_text(3, "a temporary that is too long for a string's own bytes", 53, false);
    expect_name(0, "both");
    expect_name(1, "b");
    expect_name(2, "arg3");
    expect_name(3, "c_str");
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_I32, 4);
    expect(1, SHMLOG_TYPE_I32, 6);
    expect(2, SHMLOG_TYPE_I32, 8);
    expect_name(2, "lambda");
}

Test(producer_cpp, types)
{
    cpp_types(logger);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_U8, 2);
    cr_assert_eq(kit_value[1].u, 1);
    expect(2, SHMLOG_TYPE_I64, (uint64_t)-7);
    expect(3, SHMLOG_TYPE_I32, (uint64_t)-3);
    expect(4, SHMLOG_TYPE_F64, f64(1.25));
    expect(5, SHMLOG_TYPE_POINTER, 0);
    expect(6, SHMLOG_TYPE_I32, 'x');
    expect_text(7, "array", 5, false);
    expect(8, SHMLOG_TYPE_U16, 9);
    expect(9, SHMLOG_TYPE_BOOL, 1);
    cr_assert(kit_take());
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(kit_site.arg[i].type, SHMLOG_TYPE_POINTER, "argument %u", i);
        cr_assert_neq(kit_value[i].u, 1, "argument %u", i);
    }
    expect(2, SHMLOG_TYPE_POINTER, (uintptr_t)cpp_types);
    expect(3, SHMLOG_TYPE_POINTER, (uintptr_t)cpp_types);
    expect(5, SHMLOG_TYPE_I32, 5);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_I32, 5);
}

Test(producer_cpp, records)
{
    cpp_records(logger);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert(kit_take());
        cr_assert_eq(kit_site.kind, SHMLOG_SITE_RAW);
        expect(0, SHMLOG_TYPE_U64, 77);
    }
}
