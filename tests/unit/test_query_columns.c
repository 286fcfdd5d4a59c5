/* SPDX-License-Identifier: MIT
 *
 * Conditions judged by columns against the same ones on each record: random conditions, over blocks
 * of random sites with columns of all kinds. What passes must be among what is chosen, byte for
 * byte as it comes without choosing.
 */
#include "tests/unit/file_kit.h"
#include "tests/unit/cursor_kit.h"
#include "reader/wanted.h"

#include <math.h>

#define SITES 4u
#define ARGS 7u
#define NAMES 9u
#define RECORDS 900u
#define CONDITIONS 60u
#define NOW INT64_C(1795594028000000000)

TestSuite(query_columns, .init = setup, .fini = teardown);

/* How the values of an argument go. */
enum manner { FEW, ODD, WALK, NEAR, WILD, MANNERS };

struct column {
    enum manner manner;
    uint64_t walk[3]; /* of each key */
};

static struct file_site site[SITES];
static struct column column[SITES][ARGS];
static struct line line;
static unsigned key;    /* of the record: its FEW strings */
static uint64_t nearby; /* the last WALK in it */

static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
static const char *const texts[] = {"",      "B",    "S", "AAPL",
                                    "AAPL ", "MSFT", "7", "a longer text than others"};
static const int64_t integers[] = {0,
                                   1,
                                   -1,
                                   2,
                                   5,
                                   7,
                                   66,
                                   100,
                                   -128,
                                   255,
                                   INT32_MAX,
                                   INT32_MIN,
                                   INT64_MAX,
                                   INT64_MIN,
                                   INT64_C(1) << 53,
                                   (INT64_C(1) << 53) + 1,
                                   INT64_C(1) << 31,
                                   INT64_C(1) << 62,
                                   3037000500};
static const double reals[] = {0,     -0.0,   1,      -1,     0.1,    5,       7,      100.25,
                               1e300, -1e300, 0x1p53, 0x1p62, 0x1p63, -0x1p63, 0x1p64, 1e-300};
#define ANY_OF(array) (array)[rng_below(sizeof(array) / sizeof((array)[0]))]

/* ---- Sites and records ---- */

/* Of a struct, in which fields may overlap, or arguments. */
static size_t random_site(uint8_t *bytes, uint32_t id)
{
    static const uint8_t types[] = {SHMLOG_TYPE_BOOL,   SHMLOG_TYPE_CHAR,   SHMLOG_TYPE_I8,
                                    SHMLOG_TYPE_U8,     SHMLOG_TYPE_I16,    SHMLOG_TYPE_U16,
                                    SHMLOG_TYPE_I32,    SHMLOG_TYPE_U32,    SHMLOG_TYPE_I64,
                                    SHMLOG_TYPE_U64,    SHMLOG_TYPE_F32,    SHMLOG_TYPE_F64,
                                    SHMLOG_TYPE_F64,    SHMLOG_TYPE_F64,    SHMLOG_TYPE_POINTER,
                                    SHMLOG_TYPE_STRING, SHMLOG_TYPE_STRING, SHMLOG_TYPE_BYTES};
    const bool raw = rng_below(3) == 0, overlap = rng_below(3) == 0;
    struct shmlog_site head = {.kind = raw ? SHMLOG_SITE_RAW : SHMLOG_SITE_EVENT,
                               .level = (uint8_t)rng_below(SHMLOG_CRITICAL + 1),
                               .args = ARGS,
                               .line = id};
    uint32_t end = raw ? 0 : SHMLOG_PAYLOAD_ARGS;
    size_t size = sizeof(head) + ARGS * sizeof(struct shmlog_site_arg);
    const unsigned first = (unsigned)rng_below(NAMES);

    for (unsigned i = 0; i < ARGS; i++) {
        const enum manner manner = (enum manner)rng_below(MANNERS);
        const bool text = raw && rng_below(8) == 0;
        const bool price = (manner == WALK || manner == NEAR) && rng_below(2);
        const uint8_t type = text    ? SHMLOG_TYPE_TEXT
                             : price ? SHMLOG_TYPE_F64
                                     : types[rng_below(sizeof(types) - (raw ? 3 : 0))];
        const unsigned width = text ? 1 + (unsigned)rng_below(20) : file_type_size(type);
        struct shmlog_site_arg arg = {.type = type, .size = (uint16_t)width};

        arg.offset = (uint16_t)(text ? end : (end + width - 1) / width * width);
        if (overlap && raw && i)
            arg.offset = (uint16_t)(text || rng_below(2) ? arg.offset : 0);
        end = arg.offset + width > end ? arg.offset + width : end;
        memcpy(bytes + sizeof(head) + i * sizeof(arg), &arg, sizeof(arg));
        column[id - 1][i] =
            (struct column){manner,
                            {10000 + rng_below(9), 90000 + rng_below(9), 5000 + rng_below(9)}};
    }
    head.record_size = (uint16_t)(raw ? end : 0);
    size += (size_t)sprintf((char *)bytes + size, "site %u", id) + 1;
    for (unsigned i = 0; i < 3; i++)
        size += (size_t)sprintf((char *)bytes + size, "%s", i == 2 ? "market" : "f") + 1;
    for (unsigned i = 0; i < ARGS; i++)
        size += (size_t)sprintf((char *)bytes + size, "%s", names[(first + i) % NAMES]) + 1;
    head.size = (uint16_t)size;
    memcpy(bytes, &head, sizeof(head));
    return size;
}

static uint64_t bits_of(double value, unsigned width)
{
    const float single = (float)value;
    uint64_t bits = 0;

    if (width == sizeof(single))
        memcpy(&bits, &single, sizeof(single));
    else
        memcpy(&bits, &value, sizeof(value));
    return bits;
}

static uint64_t random_number(struct column *at, uint8_t type, unsigned width)
{
    const bool is_real = type == SHMLOG_TYPE_F32 || type == SHMLOG_TYPE_F64;
    uint64_t steps;

    switch (at->manner) {
    case FEW:
        steps = 5 + rng_below(3);
        return is_real ? bits_of((double)steps, width) : steps;
    case ODD:
        if (is_real && rng_below(5) == 0)
            return bits_of(rng_below(2) ? (double)NAN : (double)INFINITY, width);
        return is_real ? bits_of(ANY_OF(reals), width) : (uint64_t)ANY_OF(integers);
    case NEAR:
        steps = nearby + rng_below(3);
        break;
    case WALK:
        nearby = steps = at->walk[key] += rng_below(5) - 2;
        break;
    default:
        return rng();
    }
    return is_real ? bits_of((double)(int64_t)steps / 100, width) : steps;
}

static size_t put_random_string(uint8_t *to, const struct column *at, uint32_t *ret_word)
{
    char wild[24];
    const char *text = at->manner == WILD  ? wild
                       : at->manner == FEW ? texts[3 + key]
                                           : ANY_OF(texts);

    snprintf(wild, sizeof(wild), "%llx", (unsigned long long)rng());
    *ret_word = rng_below(9) || at->manner == FEW ? (uint32_t)strlen(text) : SHMLOG_LENGTH_NULL;
    if (*ret_word == SHMLOG_LENGTH_NULL)
        return 0;
    memcpy(to, text, *ret_word);
    if (rng_below(9) == 0 && *ret_word)
        *ret_word |= SHMLOG_LENGTH_CUT;
    return strlen(text);
}

/* A record of one of the sites, as if at that time. */
static void put_record(uint32_t id, uint64_t time)
{
    const struct file_site *const of = &site[id - 1];
    const bool raw = of->kind == SHMLOG_SITE_RAW;
    uint8_t payload[SHMLOG_RECORD_PAYLOAD] = {0};
    size_t end = SHMLOG_PAYLOAD_ARGS + of->fixed_size;

    key = (unsigned)rng_below(3);
    for (unsigned i = 0; i < of->args; i++) {
        uint8_t *const to = payload + (raw ? SHMLOG_PAYLOAD_RAW : 0) + of->arg[i].offset;
        struct column *const at = &column[id - 1][i];
        uint32_t word;
        uint64_t value;

        if (of->arg[i].type == SHMLOG_TYPE_TEXT) {
            for (unsigned b = 0; b < of->arg[i].size && rng_below(6); b++)
                to[b] = (uint8_t)('A' + rng_below(3));
        } else if (of->arg[i].type == SHMLOG_TYPE_STRING || of->arg[i].type == SHMLOG_TYPE_BYTES) {
            end += put_random_string(payload + end, at, &word);
            memcpy(to, &word, sizeof(word));
        } else {
            value = random_number(at, of->arg[i].type, of->arg[i].size);
            memcpy(to, &value, of->arg[i].size);
        }
    }
    log_kit_record(&slots, id, time, 65537, payload + SHMLOG_PAYLOAD_ARGS,
                   end - SHMLOG_PAYLOAD_ARGS);
}

/* A block of records of all sites, or of one. */
static void put_random_block(uint32_t ring, uint64_t time)
{
    const uint32_t only = rng_below(3) ? 0 : 1 + (uint32_t)rng_below(SITES);

    log_kit_slots_begin(&slots, file.ledger[ring].next_seq, 0);
    for (size_t i = 1 + rng_below(RECORDS); i && slots.slots + 8 < 4096; i--)
        put_record(only ? only : 1 + (uint32_t)rng_below(SITES), time += rng_below(100));
    log_kit_put_block(&file, ring, &slots);
}

static void make_file(void)
{
    uint8_t bytes[SHMLOG_SITE_MAX];

    log_kit_ledger_begin(ledger);
    log_kit_file_begin(&file, 1, 1, ledger);
    log_kit_put_producer(&file, 65537, 100, "one");
    for (uint32_t id = 1; id <= SITES; id++) {
        const size_t size = random_site(bytes, id), before = file.buffer.size;

        cr_assert_eq(file_site_parse(bytes, size, &site[id - 1]), 0);
        cr_assert_eq(file_put_site(file.encoder, file.identity.file_uuid, id, bytes, size,
                                   &file.buffer),
                     0);
        cr_assert_eq(file_sites_put(&file.sites, id, bytes, size), 0);
        log_kit_added(&file, before);
    }
    for (unsigned i = 0; i < 4; i++) {
        if (rng_below(4) == 0)
            log_kit_put_gap(&file, i % 2, SHMLOG_LOST_FULL, 1 + rng_below(5));
        put_random_block(i % 2, 5000 + 20000 * (i / 2));
    }
    log_kit_seal(&file, false);
    end("a.shmlog");
}

/* ---- Conditions ---- */

static void put_condition(struct text *out, unsigned depth);

static void put_value(struct text *out, unsigned depth)
{
    static const char *const signs[] = {"+", "-", "*", "/", "%"};

    switch (rng_below(depth ? 9 : 6)) {
    case 0:
        text_printf(out, "%lld", (long long)ANY_OF(integers));
        break;
    case 1:
        text_printf(out, "%.17g", rng_below(2) ? ANY_OF(reals) : (double)rng_below(3000) / 100);
        break;
    case 2:
        text_printf(out, "'%s'", ANY_OF(texts));
        break;
    case 6:
        text_printf(out, "-");
        put_value(out, depth - 1);
        break;
    case 7:
    case 8:
        text_printf(out, "(");
        put_value(out, depth - 1);
        text_printf(out, " %s ", ANY_OF(signs));
        put_value(out, depth - 1);
        text_printf(out, ")");
        break;
    default:
        text_printf(out, "%s", rng_below(20) ? ANY_OF(names) : rng_below(2) ? "seq" : "line");
    }
}

static void put_list(struct text *out)
{
    text_printf(out, " %s (", rng_below(2) ? "in" : "not in");
    for (unsigned i = 1 + (unsigned)rng_below(3); i; i--) {
        put_value(out, 0);
        text_printf(out, i > 1 ? ", " : ")");
    }
}

static void put_condition(struct text *out, unsigned depth)
{
    static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};

    switch (rng_below(depth ? 9 : 6)) {
    case 0:
        put_value(out, 1);
        put_list(out);
        break;
    case 1:
        text_printf(out, "%s %s '%s'", ANY_OF(names), rng_below(2) ? "=~" : "!~",
                    rng_below(2) ? "^A" : "[7B]");
        break;
    case 2:
        if (rng_below(2))
            text_printf(out, "%s", ANY_OF(names));
        else
            text_printf(out, rng_below(2) ? "level >= warn" : "has(%s)", ANY_OF(names));
        break;
    case 6:
        text_printf(out, "!(");
        put_condition(out, depth - 1);
        text_printf(out, ")");
        break;
    case 7:
    case 8:
        text_printf(out, "(");
        put_condition(out, depth - 1);
        text_printf(out, rng_below(2) ? " && " : " || ");
        put_condition(out, depth - 1);
        text_printf(out, ")");
        break;
    default:
        put_value(out, 2);
        text_printf(out, " %s ", ANY_OF(signs));
        put_value(out, 2);
    }
}

/* One that compiles, and its text. */
static struct query *random_query(struct text *out)
{
    struct query *query;
    char message[256];
    int r;

    do {
        text_clear(out);
        put_condition(out, (unsigned)rng_below(4));
        r = query_compile(text_string(out), NOW, &query, message, sizeof(message));
    } while (r == -EINVAL);
    cr_assert_eq(r, 0);
    return query;
}

/* ---- Blocks ---- */

static uint64_t passed, chosen, looked_at;

static bool is_same(const struct file_record *a, const struct file_record *b)
{
    return a->seq == b->seq && a->time == b->time && a->site == b->site &&
           a->producer == b->producer && a->slots == b->slots &&
           a->payload_size == b->payload_size && !memcmp(a->payload, b->payload, a->payload_size);
}

static bool record_passes(struct query *query, const struct cursor_record *like,
                          const struct file_record *record)
{
    struct cursor_record of = *like;

    of.time_ns = (int64_t)record->time;
    of.seq = record->seq;
    of.site_id = record->site;
    of.site = &site[record->site - 1];
    of.producer_id = record->producer;
    of.payload = record->payload;
    of.payload_size = record->payload_size;
    line_set(&line, &of);
    return query_passes(query, &line);
}

static void check_block(struct file_reader *reader, const struct file_piece *piece,
                        struct query *query, const char *text)
{
    static struct file_block whole, some;
    struct wanted wanted = {.where = query, .reader = reader, .like = {.host = "testhost"}};
    const struct file_choice choice = {wanted_choose, &wanted};
    size_t at = 0;

    cr_assert_eq(file_reader_decode(reader, piece, &whole), 0);
    cr_assert_eq(file_reader_decode_chosen(reader, piece, &choice, &some), 0);
    for (size_t i = 0; i < whole.records; i++) {
        const bool passes = record_passes(query, &wanted.like, &whole.record[i]);
        const bool is_chosen = at < some.records && some.record[at].seq == whole.record[i].seq;

        cr_assert(is_chosen || !passes, "%s: record %llu is left out", text,
                  (unsigned long long)whole.record[i].seq);
        cr_assert(!is_chosen || is_same(&whole.record[i], &some.record[at]), "%s", text);
        at += is_chosen;
        passed += passes;
        chosen += is_chosen;
    }
    cr_assert_eq(at, some.records, "%s: records that are none of the block", text);
    looked_at += whole.records;
}

static void check_file(const char *path)
{
    const struct file_piece *pieces;
    struct file_reader *reader;
    struct text text = {0};
    size_t count;

    cr_assert_eq(file_reader_open(path, &reader), 0);
    cr_assert_eq(file_reader_list(reader, &pieces, &count), 0);
    for (unsigned i = 0; i < CONDITIONS; i++) {
        struct query *const query = random_query(&text);

        for (size_t p = 0; p < count; p++)
            if (pieces[p].kind == FILE_PIECE_BLOCK)
                check_block(reader, &pieces[p], query, text_string(&text));
        query_close(query);
    }
    text_done(&text);
    file_reader_close(reader);
}

Test(query_columns, blocks)
{
    char path[128];

    rng_seed(20261125);
    snprintf(path, sizeof(path), "%s/a.shmlog", directory);
    for (unsigned i = 0; i < 60; i++) {
        make_file();
        check_file(path);
    }
    line_done(&line);
    fprintf(stderr, "%llu records: %llu pass, %llu chosen\n", (unsigned long long)looked_at,
            (unsigned long long)passed, (unsigned long long)chosen);
    cr_expect(passed > looked_at / 50, "what passes is worth the look");
    cr_expect(chosen - passed < (looked_at - passed) / 2, "most of what does not pass is left out");
}

/* What was lost before a record that does not pass was lost then, not before the next that does. */
Test(query_columns, losses)
{
    static const struct log_kit_site numbers = {.kind = SHMLOG_SITE_EVENT,
                                                .level = SHMLOG_INFO,
                                                .format = "number",
                                                .args = 1,
                                                .type = {SHMLOG_TYPE_I32},
                                                .name = {"id"}};
    const char *const paths[] = {directory};
    struct cursor_options options = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
    struct cursor_record record;
    struct cursor *cursor;
    char message[256] = "";

    log_kit_file_begin(&file, 1, 1, ledger);
    log_kit_put_site(&file, 1, &numbers);
    for (int32_t id = 1; id <= 30; id++) {
        if (id % 10 == 1)
            log_kit_slots_begin(&slots, file.ledger[0].next_seq, 0);
        log_kit_record(&slots, 1, 1000 + (uint64_t)id, 65537, &id, sizeof(id));
        if (id % 10 == 0)
            log_kit_put_block(&file, 0, &slots);
        if (id == 10)
            log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 5);
    }
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_assert_eq(query_compile("id in (15, 25)", NOW, &options.where, message, sizeof(message)), 0);
    cr_assert_eq(cursor_open(paths, 1, &options, &cursor, message, sizeof(message)), 0);
    for (uint64_t want = 1011; want <= 1020; want++) { /* all, where something was lost */
        cr_assert_eq(cursor_next(cursor, &record), 1);
        cr_expect_eq(record.ticks, want);
        cr_expect_eq(record.lost_ticks, 1011);
    }
    cr_assert_eq(cursor_next(cursor, &record), 1);
    cr_expect_eq(record.ticks, 1025);
    cr_expect_eq(record.lost_ticks, 1011);
    cr_expect_eq(cursor_next(cursor, &record), 0);
    cursor_close(cursor);
    query_close(options.where);
}
