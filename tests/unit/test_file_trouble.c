/* SPDX-License-Identifier: MIT
 *
 * Files written and read while each call that can fail does: an error comes back, what was there
 * stays usable, nothing leaks, and no wrong record comes out.
 */
#include "tests/unit/file_whole.h"
#include "tests/unit/trouble.h"
#include "reader/cursor.h"

#include <errno.h>

/* ---- Reading ---- */

struct outcome {
    int error;
    unsigned records, damaged;
};

static int read_piece(struct file_reader *reader, const struct file_piece *piece,
                      struct file_block *block, struct outcome *o)
{
    int r = 0;

    if (piece->kind == FILE_PIECE_DAMAGED)
        o->damaged++;
    if (piece->kind == FILE_PIECE_BLOCK)
        r = file_reader_decode(reader, piece, block);
    for (size_t i = 0; r == 0 && piece->kind == FILE_PIECE_BLOCK && i < block->records; i++) {
        const struct file_record *record = &block->record[i];

        cr_assert(record->seq >= 1 && record->seq <= RECORDS);
        cr_assert(same_record(&sites, &original[block->info.ring][record->seq], record));
        o->records++;
    }
    return r;
}

static int read_pieces(struct file_reader *reader, bool by_list, struct file_block *block,
                       struct outcome *o)
{
    const struct file_piece *list;
    struct file_piece piece;
    size_t count;
    int r = 0;

    if (by_list) {
        r = file_reader_list(reader, &list, &count);
        for (size_t i = 0; r == 0 && i < count; i++)
            r = read_piece(reader, &list[i], block, o);
        return r;
    }
    do {
        r = file_reader_next(reader, &piece);
        if (r == 0)
            r = read_piece(reader, &piece, block, o);
    } while (r == 0 && piece.kind != FILE_PIECE_END);
    return r;
}

static struct outcome read_all(bool by_list)
{
    struct outcome o = {0};
    struct file_block block = {0};
    struct file_reader *reader;

    o.error = file_reader_open(path, &reader);
    if (o.error < 0)
        return o;
    o.error = read_pieces(reader, by_list, &block, &o);
    file_block_done(&block);
    file_reader_close(reader);
    return o;
}

static void try_reading(bool by_list)
{
    const unsigned files = trouble_open_files();
    struct outcome result;
    bool failed = true;
    uint64_t n;

    for (n = 1; failed; n++) {
        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        result = read_all(by_list);
        failed = trouble_disarm();
        cr_assert_eq(trouble_open_files(), files);
        cr_assert_leq(result.records, RECORDS);
        if (result.error == 0 && failed) /* then it could do without, and says so or lost nothing */
            cr_assert(result.records == RECORDS || result.damaged, "call %llu, %s",
                      (unsigned long long)n, trouble_call());
        cr_assert(failed || (result.error == 0 && result.records == RECORDS && !result.damaged));
    }
    fprintf(stderr, "%llu calls failed in turn\n", (unsigned long long)n - 2);
    cr_assert_gt(n, 5);
}

Test(trouble, reading_step_by_step, .init = make_file, .fini = drop_file)
{
    try_reading(false);
}

Test(trouble, reading_by_the_list, .init = make_file, .fini = drop_file)
{
    try_reading(true);
}

/* Without its last bytes the seal is gone: the list is made by a scan. */
Test(trouble, reading_a_cut_file, .init = make_file, .fini = drop_file)
{
    write_file(path, out.data, seal_begin);
    try_reading(true);
}

/* ---- The cursor ---- */

static void forget_damage(void *arg, const char *where, uint64_t offset, int error,
                          const char *reason)
{
    (void)where, (void)offset, (void)error, (void)reason;
    ++*(unsigned *)arg;
}

static int walk(unsigned *ret_records, unsigned *damaged)
{
    const struct cursor_options options = {.since_ns = INT64_MIN,
                                           .until_ns = INT64_MAX,
                                           .on_damage = forget_damage,
                                           .arg = damaged};
    const char *const paths[] = {path};
    struct cursor_record record;
    struct cursor *cursor;
    char message[256] = "";
    int r = cursor_open(paths, 1, &options, &cursor, message, sizeof(message));

    *ret_records = 0;
    if (r < 0) {
        cr_assert_neq(message[0], 0, "error %d without a word", r);
        return r;
    }
    while ((r = cursor_next(cursor, &record)) > 0)
        ++*ret_records;
    cursor_close(cursor);
    return r;
}

Test(trouble, cursor, .init = make_file, .fini = drop_file)
{
    const unsigned files = trouble_open_files();
    bool failed = true;

    for (uint64_t n = 1; failed; n++) {
        unsigned records, damaged = 0;
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = walk(&records, &damaged);
        failed = trouble_disarm();
        cr_assert_eq(trouble_open_files(), files);
        cr_assert(r < 0 || damaged || records == RECORDS, "call %llu, %s: %u records",
                  (unsigned long long)n, trouble_call(), records);
        cr_assert(failed || (r == 0 && records == RECORDS && !damaged));
    }
}

/* ---- Writing ---- */

static int write_block(struct file_encoder *writer, struct file_buffer *to)
{
    struct shmlog_slot slots[BLOCK_RECORDS * 8];
    struct file_block_params params = {
        .ring = 0, .first_seq = 1, .slots = slots, .records = BLOCK_RECORDS, .sites = &sites};

    for (unsigned i = 1; i <= BLOCK_RECORDS; i++) {
        put_slots(&original[0][i], slots + params.slot_count);
        params.slot_count += original[0][i].slots;
    }
    return file_put_block(writer, &params, to, NULL);
}

static int write_some(struct file_buffer *to)
{
    struct file_index *index = NULL;
    struct file_encoder *writer;
    int r = file_encoder_open(&writer, 1);

    if (r < 0)
        return r;
    r = file_index_open(&index);
    if (r == 0)
        r = file_put_header(writer, &identity, ledger, ledger_rings, to);
    if (r == 0)
        r = write_block(writer, to);
    if (r == 0)
        r = file_index_add(index, 0, to->data, to->size);
    if (r == 0)
        r = file_put_seal(writer, &identity, ledger, ledger_rings, index, to->size, false, 1, to);
    file_encoder_close(writer);
    file_index_close(index);
    return r;
}

Test(trouble, writing, .init = make_file, .fini = drop_file)
{
    struct file_buffer whole = {0};
    bool failed = true;

    cr_assert_eq(write_some(&whole), 0);
    for (uint64_t n = 1; failed; n++) {
        struct file_buffer to = {0};
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = write_some(&to);
        failed = trouble_disarm();
        cr_assert(failed ? r == -ENOMEM : r == 0, "call %llu, %s: %d", (unsigned long long)n,
                  trouble_call(), r);
        cr_assert(r < 0 || (to.size == whole.size && !memcmp(to.data, whole.data, to.size)));
        file_buffer_done(&to);
    }
    file_buffer_done(&whole);
}
