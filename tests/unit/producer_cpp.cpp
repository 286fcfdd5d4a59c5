/* SPDX-License-Identifier: MIT
 *
 * Calls with what only C++ has; test_producer_cpp.c looks at what comes out.
 */
#include "tests/unit/producer_cpp.h"

#include <atomic>
#include <string>

namespace
{
enum class side : unsigned char { buy = 1, sell };
enum plain { first, second };

struct pair {
    int a, b;
    int small : 3;
    static const int constant = 5; /* has no definition: beside plain values it needs none */
};
struct price {
    operator double() const
    {
        return 1.25;
    }
};

template <class A, class B> int both(int x)
{
    return x + static_cast<int>(sizeof(A) + sizeof(B));
}

int throws_nothing(int) noexcept
{
    return 1;
}
int takes_more(const char *, ...)
{
    return 1;
}
} // namespace

void cpp_commas(struct shmlog *log)
{
    int quantity = 4;

    shmlog_info(
        log, "%d %d %d %s", both<char, short>(1), pair{6, 7, 0}.b,
        [=, &quantity](int a, int b) { return a + b + quantity; }(1, 2),
        std::string("a temporary that is too long for a string's own bytes").c_str());
    shmlog_event(log, SHMLOG_INFO, "c", "commas", "both", both<char, char>(2), "pair",
                 pair{6, 7, 0}.a, "lambda", [] { return 8; }());
}

void cpp_types(struct shmlog *log)
{
    std::atomic<long> atomic{-7};
    const pair bits{1, 2, -3};
    char array[] = "array";
    const volatile unsigned short qualified = 9;

    shmlog_event(log, SHMLOG_INFO, "c", "types", "scoped", side::sell, "plain", second, "atomic",
                 atomic, "bits", bits.small, "class", price(), "null", nullptr, "wide", L'x',
                 "array", array, "qualified", qualified, "bool", true);
    shmlog_event(log, SHMLOG_INFO, "c", "pointers", "nothing", throws_nothing, "more", takes_more,
                 "function", cpp_types, "function_pointer", &cpp_types, "object", &bits, "constant",
                 pair::constant);
    shmlog_info(log, "%d", pair::constant);
}

struct derived : cpp_base {
    int more;
};
SHMLOG_RECORD(base_record, cpp_base, SHMLOG_INFO, "c", "base", SHMLOG_FIELD(cpp_base, id));

void cpp_records(struct shmlog *log)
{
    derived object;
    const volatile cpp_base *qualified = &object;

    object.id = 77;
    shmlog_record(log, &base_record, &object);
    shmlog_record(log, &base_record, qualified);
}
