/* SPDX-License-Identifier: MIT
 *
 * A whole log file, as shmlog-dump takes it: stepping through, by the list, decoding, and then
 * through the cursor to text, JSON or CSV, and --verify.
 *
 * The input is the file. Stepping has to get to the end of it; pieces lie inside the file.
 */
#include "logfile/ranges.h"
#include "logfile/read/reader.h"
#include "tests/fuzz/file_mutate.h"
#include "tests/fuzz/fuzz.h"
#include "tools/count.h"
#include "tools/export.h"
#include "tools/latency.h"
#include "tools/rows.h"
#include "tools/stats.h"
#include "reader/join.h"
#include "reader/query.h"
#include "reader/print.h"
#include "tools/verify.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static char path[64];
static int fd = -1;
static FILE *sink;

static void prepare(void)
{
    if (sink)
        return;
    fd = memfd_create("file", MFD_CLOEXEC);
    sink = fopen("/dev/null", "we");
    FUZZ_CHECK(fd >= 0 && sink);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

static bool is_file_error(int r)
{
    return r == -FILE_ERR_DAMAGED || r == -FILE_ERR_CUT;
}

static void take_piece(struct file_reader *reader, const struct file_piece *piece, size_t size,
                       struct file_block *block)
{
    FUZZ_CHECK(piece->offset <= size && piece->size <= size - piece->offset);
    if (piece->kind == FILE_PIECE_DAMAGED)
        FUZZ_CHECK(piece->size && piece->reason && is_file_error(piece->error));
    if (piece->kind == FILE_PIECE_RANGES) {
        struct file_ranges ranges;

        if (file_reader_ranges(reader, piece, &ranges) == 0)
            file_ranges_done(&ranges);
    }
    if (piece->kind == FILE_PIECE_BLOCK) {
        int r = file_reader_decode(reader, piece, block);

        FUZZ_CHECK(r == 0 ? block->records : is_file_error(r) && !block->records);
    }
}

/* As others do that read pieces. */
static void read_pieces(size_t size)
{
    const struct file_piece *list;
    struct file_block block = {0};
    struct file_reader *reader;
    struct file_piece piece;
    size_t count, steps = 0;

    if (file_reader_open(path, &reader) < 0)
        return;
    do {
        FUZZ_CHECK(file_reader_next(reader, &piece) == 0);
        take_piece(reader, &piece, size, &block);
        FUZZ_CHECK(++steps <= size + 2);
    } while (piece.kind != FILE_PIECE_END);
    FUZZ_CHECK(file_reader_list(reader, &list, &count) == 0);
    for (size_t i = 0; i < count; i++)
        take_piece(reader, &list[i], size, &block);
    file_block_done(&block);
    file_reader_close(reader);
}

static int next_record(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

static void on_damage(void *arg, const char *where, uint64_t offset, int error, const char *reason)
{
    FUZZ_CHECK(where && error < 0);
}

static void on_gap(void *arg, const struct file_gap *gap)
{
}

/* One of the answers of shmlog-dump. */
static struct answer *open_answer(unsigned choice, struct field_list *by)
{
    const enum print_format format = (enum print_format)(choice % 3);
    struct rows_params rows = {.format = format, .fields = by, .out = sink};
    struct answer *answer = NULL;
    char message[256];

    switch (choice / 3 % 8) {
    case 2:
        FUZZ_CHECK(export_open(by, sink, &answer) == 0);
        break;
    case 3:
        FUZZ_CHECK(field_list_add(by, "site", message, sizeof(message)) == 0);
        FUZZ_CHECK(count_open(by, format, sink, &answer) == 0);
        break;
    case 4:
        FUZZ_CHECK(field_list_add_arguments(by, "id,arg1,px", message, sizeof(message)) == 0);
        FUZZ_CHECK(stats_open(by, by, format, sink, &answer) == 0);
        break;
    case 5:
        FUZZ_CHECK(latency_open("*order*", "*", by, format, sink, &answer) == 0);
        break;
    default:
        rows.tail = choice / 3 % 8 == 6 ? 3 : 0;
        rows.context = choice / 3 % 8 == 7 ? 2 : 0;
        FUZZ_CHECK(rows_open(&rows, &answer) == 0);
    }
    return answer;
}

static void take_lines(struct cursor *cursor, struct answer *answer)
{
    struct line line = {0};
    struct join *join;
    unsigned lines = 0;
    int r;

    FUZZ_CHECK(join_open(next_record, cursor, &(struct join_options){0}, &join) == 0);
    while ((r = join_next(join, &line)) > 0) {
        const bool passes = !answer->pass_over || lines++ % 7 == 0;

        FUZZ_CHECK((passes ? answer->take : answer->pass_over)(answer, &line) == 0);
    }
    FUZZ_CHECK(r == 0 && answer->end(answer) == 0);
    line_done(&line);
    join_close(join);
}

/* As shmlog-dump does. */
static void dump(unsigned choice)
{
    static const char *const conditions[] = {
        "id > 5 && px * 2 <= 1e6",
        "(qty + id) % 3 == 1 || side == 'B'",
        "text =~ 'a' || arg1 != 7",
        "!(id < 100) && symbol in ('BTCUSDT', 'x')",
        "has(px) && px < 64000 || level >= error",
    };
    struct position position = {0};
    struct query *where = NULL;
    struct cursor_options options = {
        .since_ns = INT64_MIN,
        .until_ns = INT64_MAX,
        .tail = choice % 5 == 4 ? choice % 11 : 0,
        .position = choice % 7 == 6 ? &position : NULL,
        .on_damage = on_damage,
        .on_gap = on_gap,
    };
    const char *const paths[] = {path};
    struct field_list by = {0};
    struct answer *answer;
    struct cursor *cursor;
    char message[256] = "";

    if (choice % 3 == 2) {
        FUZZ_CHECK(query_compile(conditions[choice / 3 % 5], 0, &where, message, sizeof(message)) ==
                   0);
        query_narrow(where, &options);
        options.where = where;
    }
    if (cursor_open(paths, 1, &options, &cursor, message, sizeof(message)) < 0) {
        position_done(&position);
        query_close(where);
        return;
    }
    answer = open_answer(choice, &by);
    take_lines(cursor, answer);
    answer->close(answer);
    field_list_done(&by);
    cursor_close(cursor);
    position_done(&position);
    query_close(where);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *const paths[] = {path};
    char message[256];
    unsigned choice = (unsigned)size;

    prepare();
    for (size_t i = size > 64 ? size - 64 : 0; i < size; i++)
        choice = choice * 31 + data[i];
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    read_pieces(size);
    dump(choice);
    if (choice % 8 == 0)
        verify(paths, 1, sink, sink, message, sizeof(message));
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return file_mutate(data, size, max_size, seed);
}
