/* SPDX-License-Identifier: MIT
 *
 * Arguments: each type with its edge values goes through a log call, a segment and the readers, and
 * comes out as it was.
 */
#include "tests/unit/producer_kit.h"

#include "tools/cat_line.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <sys/mman.h>

static void open_all(void)
{
    struct shm_params params = kit_producer_params();

    kit_attach(&params);
}

TestSuite(producer_args, .init = open_all, .fini = kit_detach);

Test(producer_args, small_integers)
{
    for (int i = 0; i < 2; i++)
        shmlog_event(logger, SHMLOG_INFO, "c", "small", "b", (_Bool)i, "c", (char)(i ? 'z' : 0),
                     "i8", (signed char)(i ? INT8_MIN : INT8_MAX), "u8",
                     (unsigned char)(i ? UINT8_MAX : 0), "i16", (short)(i ? INT16_MIN : INT16_MAX),
                     "u16", (unsigned short)(i ? UINT16_MAX : 0));
    for (int i = 0; i < 2; i++) {
        cr_assert(kit_take());
        expect(0, SHMLOG_TYPE_BOOL, (uint64_t)i);
        expect(1, SHMLOG_TYPE_CHAR, i ? 'z' : 0);
        expect(2, SHMLOG_TYPE_I8, (uint64_t)(int64_t)(i ? INT8_MIN : INT8_MAX));
        expect(3, SHMLOG_TYPE_U8, i ? UINT8_MAX : 0);
        expect(4, SHMLOG_TYPE_I16, (uint64_t)(int64_t)(i ? INT16_MIN : INT16_MAX));
        expect(5, SHMLOG_TYPE_U16, i ? UINT16_MAX : 0);
        cr_assert_str_eq(kit_site.name[4], "i16");
    }
}

Test(producer_args, integers)
{
    enum side { BUY, SELL } side = SELL;
    const volatile int qualified = -7;

    shmlog_info(logger, "%d %d %u %ld %lu %lld %llu", INT_MIN, INT_MAX, UINT_MAX, LONG_MIN,
                ULONG_MAX, LLONG_MIN, ULLONG_MAX);
    shmlog_info(logger, "%zu %zd %d %u %d %s", sizeof(int), (ssize_t)-1, (pid_t)-2, side, qualified,
                "x");
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_I32, (uint64_t)INT_MIN);
    expect(1, SHMLOG_TYPE_I32, INT_MAX);
    expect(2, SHMLOG_TYPE_U32, UINT_MAX);
    expect(3, SHMLOG_TYPE_I64, (uint64_t)LONG_MIN);
    expect(4, SHMLOG_TYPE_U64, ULONG_MAX);
    expect(5, SHMLOG_TYPE_I64, (uint64_t)LLONG_MIN);
    expect(6, SHMLOG_TYPE_U64, ULLONG_MAX);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_U64, sizeof(int));
    expect(1, SHMLOG_TYPE_I64, UINT64_MAX);
    expect(2, SHMLOG_TYPE_I32, (uint64_t)-2);
    expect(3, SHMLOG_TYPE_U32, SELL);
    expect(4, SHMLOG_TYPE_I32, (uint64_t)-7);
    expect_text(5, "x", 1, false);
}

Test(producer_args, floats)
{
    static const double numbers[] = {0.0,     -0.0,         1.5,      DBL_MAX,
                                     DBL_MIN, DBL_TRUE_MIN, INFINITY, -INFINITY};

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        shmlog_info(logger, "%f %f", numbers[i], (double)(float)numbers[i]);
        cr_assert(kit_take());
        expect(0, SHMLOG_TYPE_F64, f64(numbers[i]));
        expect(1, SHMLOG_TYPE_F64, f64((double)(float)numbers[i]));
    }
    shmlog_event(logger, SHMLOG_INFO, "c", "float", "f", -FLT_MAX, "nan", (double)NAN);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.arg[0].type, SHMLOG_TYPE_F32);
    cr_assert_eq(kit_value[0].f, (double)-FLT_MAX);
    cr_assert(isnan(kit_value[1].f));
}

/* What _Generic does not know: gcc's bit-fields have types of their own. */
Test(producer_args, unusual_types)
{
    const struct {
        int small : 3;
        unsigned flags : 5;
        long long wide : 40;
        unsigned long long wider : 48;
        _Bool on : 1;
    } bits = {-2, 31, -5000000000, 5000000000, 1};
    _Atomic int atomic = -9;
    const volatile signed char qualified = -3;

    shmlog_event(logger, SHMLOG_INFO, "c", "n", "small", bits.small, "flags", bits.flags, "wide",
                 bits.wide, "wider", bits.wider, "on", bits.on, "atomic", atomic, "qualified",
                 qualified);
    shmlog_info(logger, "%d %u", bits.small, bits.flags);
    cr_assert(kit_take());
    expect_number(0, -2);
    expect_number(1, 31);
    expect_number(2, -5000000000);
    expect_number(3, 5000000000);
    expect_number(4, 1);
    expect(5, SHMLOG_TYPE_I32, (uint64_t)-9);
    expect(6, SHMLOG_TYPE_I8, (uint64_t)-3);
    cr_assert(kit_take());
    expect_number(0, -2);
    expect_number(1, 31);
}

/* Beside others, which have their places all the same. */
Test(producer_args, bit_field_between)
{
    struct {
        int c : 5;
    } b = {-3};

    shmlog_info(logger, "%d %d %d", 1, b.c, 7);
    shmlog_event(logger, SHMLOG_INFO, "c", "n", "a", (char)1, "b", b.c, "c", (char)7, "d", "text");
    for (unsigned i = 0; i < 2; i++) {
        cr_assert(kit_take());
        expect_number(0, 1);
        expect_number(1, -3);
        expect_number(2, 7);
    }
    expect_text(3, "text", 4, false);
}

static int calls;

static int call(void)
{
    return ++calls;
}

/* Each argument is evaluated once, in order, and only if the level is on. */
Test(producer_args, evaluated_once)
{
    shmlog_info(logger, "%d %d %s", call(), call(), (call(), "x"));
    shmlog_event(logger, SHMLOG_INFO, "c", "n", "a", call(), "b", call());
    cr_assert_eq(calls, 5);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_I32, 1);
    expect(1, SHMLOG_TYPE_I32, 2);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_I32, 4);
    expect(1, SHMLOG_TYPE_I32, 5);
    cr_assert_eq(shmlog_set_level(logger, SHMLOG_ERROR), 0);
    shmlog_info(logger, "%d", call());
    cr_assert_eq(calls, 5);
}

/* A format that the compiler's check lets pass: no pointer is followed, whatever it points to. */
Test(producer_args, positional)
{
    const char *volatile const nowhere = (const char *)1;

    shmlog_info(logger, "%%1$ %1$p", nowhere);
    shmlog_info(logger, "%%1$ %2$s %1$p", nowhere, "text");
    cr_assert(kit_take());
    expect_text(0, "0x1", 3, false);
    cr_assert(kit_take());
    expect_text(0, "0x1", 3, false);
    cr_assert_eq(kit_value[1].data[1], 'x');
}

static void function(void)
{
}

Test(producer_args, pointers)
{
    int here;
    const volatile void *const there = &here;

    shmlog_info(logger, "%p %p %s", (void *)&here, (void *)NULL, "text");
    shmlog_event(logger, SHMLOG_INFO, "c", "n", "volatile", there, "function", (void *)function);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_POINTER, (uintptr_t)&here);
    expect(1, SHMLOG_TYPE_POINTER, 0);
    expect_text(2, "text", 4, false);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_POINTER, (uintptr_t)&here);
    expect(1, SHMLOG_TYPE_POINTER, (uintptr_t)function);
}

/* Of a char * under %p the address, as text; what it points to is not looked at. */
Test(producer_args, address_of_a_string)
{
    static const char text[] = "pointed to";
    const char *volatile const null = NULL, *volatile const wild = (const char *)UINTPTR_MAX;
    char address[32];
    const int size = snprintf(address, sizeof(address), "%p", (const void *)text);

    shmlog_info(logger, "%p %s %20p", text, text, (char *)text);
    shmlog_info(logger, "%p|%p|%.*s", null, wild, 3, "abcd");
    cr_assert(kit_take());
    expect_text(0, address, (size_t)size, false);
    expect_text(1, text, sizeof(text) - 1, false);
    expect_text(2, address, (size_t)size, false);
    cr_assert(kit_take());
    expect_text(0, "(nil)", 5, false);
    expect_text(1, "0xffffffffffffffff", 18, false);
    expect_text(3, "abc", 3, false);
}

Test(producer_args, strings)
{
    const char *volatile null = NULL;
    char unterminated[4] = {'a', 'b', 'c', 'd'};

    shmlog_info(logger, "%s|%s|%s", "", null, "end");
    shmlog_info(logger, "%.*s|%.2s|%.s|%-10s|%*d", 3, unterminated, unterminated, unterminated,
                "wide", 5, 6);
    shmlog_info(logger, "%.*s|%s", -1, "negative: all of it", "z");
    cr_assert(kit_take());
    expect_text(0, "", 0, false);
    cr_assert(kit_value[1].is_null);
    expect_text(2, "end", 3, false);
    cr_assert(kit_take());
    expect_text(1, "abc", 3, false);
    expect_text(2, "ab", 2, false);
    expect_text(3, "", 0, false);
    expect_text(4, "wide", 4, false);
    expect(5, SHMLOG_TYPE_I32, 5);
    expect(6, SHMLOG_TYPE_I32, 6);
    cr_assert(kit_take());
    expect_text(1, "negative: all of it", 19, false);
}

/* Precisions beyond any record, among them those that would wrap in 16 bits. */
Test(producer_args, precisions)
{
    static const char text[] = "0123456789";

    shmlog_info(logger, "%.3572s|%.65533s|%.65534s|%.65535s|%.65540s|%.99999s|%.4294967298s", text,
                text, text, text, text, text, text);
    cr_assert(kit_take());
    for (unsigned i = 0; i < 7; i++)
        expect_text(i, text, 10, false);
}

/* No byte is read beyond what the precision says: the next one would be a fault. */
Test(producer_args, unterminated)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *const end =
        (char *)mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) +
        page;

    cr_assert_eq(mprotect(end, page, PROT_NONE), 0);
    memset(end - page, 'e', page);
    for (int size = 0; size <= 100; size++) {
        shmlog_info(logger, "%.*s", size, end - size);
        shmlog_event(logger, SHMLOG_INFO, "", "n", "text", shmlog_text(end - size, (size_t)size));
        cr_assert(kit_take());
        expect_text(1, end - size, (size_t)size, false);
        cr_assert(kit_take());
        expect_text(0, end - size, (size_t)size, false);
    }
    shmlog_info(logger, "%.4s|%.0s|%.s|%.50s", end - 4, end, end, end - 50);
    cr_assert(kit_take());
    expect_text(0, "eeee", 4, false);
    expect_text(1, "", 0, false);
    expect_text(2, "", 0, false);
    expect_text(3, end - 50, 50, false);
}

/* One slot up to its last byte, then two, and so on; what is behind is zero. */
Test(producer_args, slots_of_a_string)
{
    static char text[400];

    memset(text, 't', sizeof(text) - 1);
    for (size_t size = 0; size < sizeof(text); size++) {
        const size_t end = SHMLOG_PAYLOAD_ARGS + 4 + size;
        const char *const at = text + sizeof(text) - 1 - size;

        shmlog_info(logger, "%s", at);
        shmlog_info(logger, "%.5000s", at);
        shmlog_event(logger, SHMLOG_INFO, "", "n", "bytes", shmlog_bytes(at, size));
        for (unsigned i = 0; i < 3; i++) {
            cr_assert(kit_take());
            cr_assert_eq(record_slots(kit_slots),
                         (end + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD);
            cr_assert_eq(kit_value[0].size, size);
            cr_assert_eq(memcmp(kit_value[0].data, at, size), 0);
            for (size_t k = end; k < record_slots(kit_slots) * SHMLOG_SLOT_PAYLOAD; k++)
                cr_assert_eq(kit_payload[k], 0);
        }
    }
}

/* Two of them: each may be the one that does not fit. */
Test(producer_args, slots_of_two_strings)
{
    static const char text[] = "a text of some length, of which the end is taken";
    const size_t room = SHMLOG_SLOT_PAYLOAD - SHMLOG_PAYLOAD_ARGS - 8;

    for (size_t first = 0; first <= room + 1; first++) {
        for (size_t sum = room; sum <= room + 1; sum++) {
            const size_t second = first < sum ? sum - first : 0;
            const char *const a = text + sizeof(text) - 1 - first;
            const char *const b = text + sizeof(text) - 1 - second;

            shmlog_info(logger, "%s%s", a, b);
            cr_assert(kit_take());
            cr_assert_eq(record_slots(kit_slots), 1 + (first + second > room));
            expect_text(0, a, first, false);
            expect_text(1, b, second, false);
        }
    }
}

Test(producer_args, long_strings)
{
    static char text[5000];
    /* a record's payload without its head, a length word, and a number before it */
    const size_t room = SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_ARGS - 4 - 4;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    for (size_t size = room - 2; size <= room + 2; size++) {
        const char kept = text[size];

        text[size] = 0;
        shmlog_info(logger, "%d %s", (int)size, text);
        text[size] = kept;
        cr_assert(kit_take());
        expect(0, SHMLOG_TYPE_I32, size);
        expect_text(1, text, size < room ? size : room, size > room);
        cr_assert_eq(record_slots(kit_slots), SHMLOG_RECORD_SLOTS);
    }
    /* what the first leaves is the second's */
    shmlog_info(logger, "%.3000s %.3000s %s", text, text, text);
    cr_assert(kit_take());
    expect_text(0, text, 3000, false);
    expect_text(1, text, SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_ARGS - 12 - 3000, true);
    expect_text(2, text, 0, true);
}

/* Strings of each length at each place in a slot. */
Test(producer_args, every_length)
{
    static char text[200];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('A' + i % 26);
    for (int size = 0; size < 200; size++) {
        shmlog_info(logger, "%.*s|%c|%.*s|%f", size, text, 'x', 199 - size, text, (double)size);
        cr_assert(kit_take());
        expect_text(1, text, (size_t)size, false);
        expect(2, SHMLOG_TYPE_I32, 'x');
        expect_text(4, text, (size_t)(199 - size), false);
        expect(5, SHMLOG_TYPE_F64, f64(size));
    }
}

Test(producer_args, counted)
{
    static const uint8_t bytes[] = {0, 1, 0xff, 0};

    shmlog_event(logger, SHMLOG_WARN, SHMLOG_RISK, "counted", "text", shmlog_text("a\0b", 3),
                 "bytes", shmlog_bytes(bytes, 4), "empty", shmlog_text(NULL, 0), "none",
                 shmlog_bytes(NULL, 4));
    cr_assert(kit_take());
    expect_text(0, "a\0b", 3, false);
    cr_assert_eq(kit_site.arg[1].type, SHMLOG_TYPE_BYTES);
    cr_assert_eq(kit_value[1].size, 4);
    cr_assert_eq(memcmp(kit_value[1].data, bytes, 4), 0);
    expect_text(2, "", 0, false);
    cr_assert(kit_value[3].is_null);
    cr_assert_str_eq(kit_site.category, "risk");
}

Test(producer_args, sixteen)
{
    shmlog_info(logger, "%d %ld %c %f %d %ld %s %d %d %d %d %d %d %d %d %d", 1, 2L, 3, 4.0, 5, 6L,
                "seven", 8, 9, 10, 11, 12, 13, 14, 15, 16);
    shmlog_event(logger, SHMLOG_INFO, "c", "n", "1", (char)1, "2", 2L, "3", (char)3, "4", 4L, "5",
                 (char)5, "6", 6L, "7", (char)7, "8", 8L, "9", (char)9, "10", 10L, "11", (char)11,
                 "12", 12L, "13", (char)13, "14", 14L, "15", (char)15, "16", 16L);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.args, 16);
    expect_text(6, "seven", 5, false);
    expect(15, SHMLOG_TYPE_I32, 16);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.args, 16);
    for (unsigned i = 0; i < 16; i++)
        expect(i, i % 2 ? SHMLOG_TYPE_I64 : SHMLOG_TYPE_CHAR, i + 1);
}

/* The fixed area takes 4 words, 5 or 6, which is a slot; or 7, 13 and 14: two slots, and three. */
#define FIELDS_3 "1", 1ul, "2", 2ul, "3", 3ul
#define FIELDS_6 FIELDS_3, "4", 4ul, "5", 5ul, "6", 6ul
#define FIELDS_12 FIELDS_6, "7", 7ul, "8", 8ul, "9", 9ul, "10", 10ul, "11", 11ul, "12", 12ul
#define LOG_FIELDS(...)                                        \
    shmlog_event(logger, SHMLOG_INFO, "", "n", ##__VA_ARGS__); \
    shmlog_event_at(logger, 99, SHMLOG_WARN, "", "n", ##__VA_ARGS__)

static void expect_fields(unsigned count, unsigned in_slots)
{
    for (unsigned timed = 0; timed < 2; timed++) {
        cr_assert(kit_take());
        cr_assert_eq(kit_site.args, count);
        cr_assert_eq(record_slots(kit_slots), in_slots);
        cr_assert_eq(load64(kit_payload) == 99, timed);
        for (unsigned i = 0; i < count; i++)
            expect(i, SHMLOG_TYPE_U64, i + 1);
    }
}

Test(producer_args, words)
{
    LOG_FIELDS();
    LOG_FIELDS(FIELDS_3);
    LOG_FIELDS(FIELDS_3, "4", 4ul);
    LOG_FIELDS(FIELDS_3, "4", 4ul, "5", 5ul);
    LOG_FIELDS(FIELDS_6);
    LOG_FIELDS(FIELDS_12);
    LOG_FIELDS(FIELDS_12, "13", 13ul);
    LOG_FIELDS(FIELDS_12, "13", 13ul, "14", 14ul, "15", 15ul, "16", 16ul);
    expect_fields(0, 1);
    expect_fields(3, 1);
    expect_fields(4, 1);
    expect_fields(5, 1);
    expect_fields(6, 2);
    expect_fields(12, 2);
    expect_fields(13, 3);
    expect_fields(16, 3);
}

/* What goes into the first word, before the values of eight bytes. */
Test(producer_args, first_word)
{
    shmlog_info(logger, "%d %f %f %f %f %f", 1, 2.0, 3.0, 4.0, 5.0, 6.0);
    shmlog_info(logger, "%d %f %f %f %f %f %d", 1, 2.0, 3.0, 4.0, 5.0, 6.0, 7);
    cr_assert(kit_take());
    cr_assert_eq(record_slots(kit_slots), 1);
    expect(0, SHMLOG_TYPE_I32, 1);
    expect(5, SHMLOG_TYPE_F64, f64(6.0));
    cr_assert(kit_take());
    cr_assert_eq(record_slots(kit_slots), 2);
    expect(5, SHMLOG_TYPE_F64, f64(6.0));
    expect(6, SHMLOG_TYPE_I32, 7);
}

Test(producer_args, lines)
{
    static char text[CAT_LINE_MAX + 1];

    memset(text, 'x', sizeof(text));
    cat_line(logger, SHMLOG_INFO, 0, NULL, 0);
    cat_line(logger, SHMLOG_INFO, 1, text, CAT_LINE_MAX);
    cat_line(logger, SHMLOG_INFO, 0, text, CAT_LINE_MAX + 1);
    cr_assert(kit_take());
    expect_text(0, "", 0, false);
    cr_assert_eq(kit_site.flags, SHMLOG_SITE_FLAG_LINE);
    cr_assert(kit_take());
    expect_text(0, text, CAT_LINE_MAX, false);
    cr_assert_eq(kit_site.flags, SHMLOG_SITE_FLAG_LINE | SHMLOG_SITE_FLAG_MORE);
    cr_assert(kit_take());
    expect_text(0, text, CAT_LINE_MAX, true);
}

Test(producer_args, callers_time)
{
    shmlog_info_at(logger, 12345, "at %d", 1);
    shmlog_info_at(logger, 12346, "at %s", "a string that does not fit into the first slot of it");
    shmlog_event_at(logger, 12347, SHMLOG_INFO, "c", "n", "x", 1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(kit_take());
        cr_assert_eq(load64(kit_payload + SHMLOG_PAYLOAD_TIME), 12345 + i);
    }
}

/* ---- raw records ---- */

struct fill {
    uint64_t id;
    double px;
    uint32_t qty;
    char sym[8];
};
SHMLOG_RECORD(fill_record, struct fill, SHMLOG_WARN, SHMLOG_TRADE, "fill",
              SHMLOG_FIELD(struct fill, id), SHMLOG_FIELD(struct fill, px),
              SHMLOG_FIELD(struct fill, qty), SHMLOG_FIELD(struct fill, sym));

struct largest {
    char text[SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_RAW];
};
SHMLOG_RECORD(largest_record, struct largest, SHMLOG_INFO, "", "largest",
              SHMLOG_FIELD(struct largest, text));

static int evaluated;

static struct fill *evaluate(struct fill *fill)
{
    evaluated++;
    return fill;
}

Test(producer_args, raw)
{
    struct fill fill = {.id = 7, .px = 1.25, .qty = 300, .sym = "ABCDEFG"};
    static struct largest largest;

    memset(&largest, 'y', sizeof(largest));
    shmlog_record(logger, &fill_record, evaluate(&fill));
    shmlog_record_at(logger, 99, &largest_record, &largest);
    cr_assert_eq(evaluated, 1);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.kind, SHMLOG_SITE_RAW);
    cr_assert_str_eq(kit_site.format, "fill");
    expect(0, SHMLOG_TYPE_U64, 7);
    expect(1, SHMLOG_TYPE_F64, f64(1.25));
    expect(2, SHMLOG_TYPE_U32, 300);
    cr_assert_eq(kit_value[3].type, SHMLOG_TYPE_TEXT);
    cr_assert_eq(memcmp(kit_value[3].data, "ABCDEFG", 7), 0);
    cr_assert(kit_take());
    cr_assert_eq(record_slots(kit_slots), SHMLOG_RECORD_SLOTS);
    cr_assert_eq(memcmp(kit_payload + SHMLOG_PAYLOAD_RAW, &largest, sizeof(largest)), 0);
    cr_assert_eq(load64(kit_payload), 99);

    /* arguments are evaluated only if the level is on */
    cr_assert_eq(shmlog_set_level(logger, SHMLOG_ERROR), 0);
    shmlog_record(logger, &fill_record, evaluate(&fill));
    cr_assert_eq(evaluated, 1);
    cr_assert_not(kit_take());
}

/* Each type of field, qualified ones and pointers to what is not known here among them. */
struct unknown;
struct fields {
    const uint64_t id;
    struct unknown *next;
    const char *name;
    void (*call)(void);
    float ratio;
    enum { BUY, SELL } side;
    unsigned char flag;
    const char code[3];
};
SHMLOG_RECORD(fields_record, struct fields, SHMLOG_INFO, "", "fields",
              SHMLOG_FIELD(struct fields, id), SHMLOG_FIELD(struct fields, next),
              SHMLOG_FIELD(struct fields, name), SHMLOG_FIELD(struct fields, call),
              SHMLOG_FIELD(struct fields, ratio), SHMLOG_FIELD(struct fields, side),
              SHMLOG_FIELD(struct fields, flag), SHMLOG_FIELD(struct fields, code));

Test(producer_args, raw_fields)
{
    static const char name[] = "only its address";
    const struct fields fields = {1, NULL, name, function, 0.5f, SELL, 255, {'a', 'b', 0}};

    shmlog_record(logger, &fields_record, &fields);
    cr_assert(kit_take());
    expect(0, SHMLOG_TYPE_U64, 1);
    expect(1, SHMLOG_TYPE_POINTER, 0);
    expect(2, SHMLOG_TYPE_POINTER, (uintptr_t)name);
    expect(3, SHMLOG_TYPE_POINTER, (uintptr_t)function);
    cr_assert_eq(kit_site.arg[4].type, SHMLOG_TYPE_F32);
    cr_assert_eq(kit_value[4].f, 0.5);
    expect(5, SHMLOG_TYPE_U32, SELL);
    expect(6, SHMLOG_TYPE_U8, 255);
    cr_assert_eq(kit_value[7].type, SHMLOG_TYPE_TEXT);
    cr_assert_eq(kit_value[7].size, 2);
}
