/* SPDX-License-Identifier: MIT
 *
 * Reading the files of a segment in the order in which they were written: decodes every block, and
 * keeps an account per ring.
 */
#include "reader/text.h"
#include "tools/verify_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A piece of the file being read; `excused`: it need not mean a loss. */
static void say_piece(struct verify *verify, bool excused, uint64_t offset, int error,
                      const char *reason)
{
    const char *path = verify->file->path;
    const char *what = fileset_strerror(error);

    if (excused)
        text_say(verify->out, "note: %s: at %" PRIu64 ": %s: %s", path, offset, what, reason);
    else
        verify_problem(verify, "%s: at %" PRIu64 ": %s: %s", path, offset, what, reason);
}

static struct account *find_account(struct verify *verify, uint32_t ring)
{
    for (size_t i = 0; i < verify->accounts; i++)
        if (verify->account[i].ring == ring)
            return &verify->account[i];
    return NULL;
}

static struct account *new_account(struct verify *verify, const struct file_ledger_entry *start)
{
    struct account *grown =
        reallocarray(verify->account, verify->accounts + 1, sizeof(*verify->account));

    if (!grown)
        return NULL;
    verify->account = grown;
    account_begin(&grown[verify->accounts], start);
    return &grown[verify->accounts++];
}

/* A ring that no ledger names: its records begin with number 1. */
static struct account *need_account(struct verify *verify, uint32_t ring)
{
    struct account *account = find_account(verify, ring);
    const struct file_ledger_entry unnamed = {.ring = ring,
                                              .cpu = ~UINT32_C(0),
                                              .kind =
                                                  ring == VERIFY_NO_RING ? 0 : SHMLOG_RING_OWNED,
                                              .next_seq = 1};

    if (account)
        return account;
    account = new_account(verify, &unnamed);
    if (account)
        verify_account_problem(verify, account, "no ledger has this ring");
    return account;
}

/* What is known of a file before its pieces are read. */
struct state {
    struct file_reader *reader;
    bool firm;         /* it has a good seal: all must be there */
    bool follows_firm; /* so has the one before */
    bool last;         /* of the segment */
    bool growing;      /* being written: pieces may be on the disk in another order */
};

static int read_start(struct verify *verify, const struct state *state)
{
    const struct account_report report = {verify_account_problem, verify};
    size_t rings;
    const struct file_ledger_entry *start = file_reader_start(state->reader, &rings);

    for (size_t i = 0; i < rings; i++) {
        struct account *account = find_account(verify, start[i].ring);

        if (account && verify->skipped)
            account_skip(account, &start[i]);
        else if (account)
            account_next_file(account, &start[i], state->follows_firm, &report);
        else if (!new_account(verify, &start[i]))
            return -ENOMEM;
    }
    verify->skipped = false;
    return 0;
}

/* Whether a piece that cannot be read need not mean a loss: in a file without a good seal, what was
 * not known to be on the disk was written again to the next file. The accounts show if not. */
static bool excused(const struct verify *verify, const struct state *state, int error)
{
    if (state->firm)
        return false;
    if (file_reader_sealed_bad(state->reader))
        return true;
    return verify->file->part && (error == -FILE_ERR_CUT || !state->last || state->growing);
}

static int read_block(struct verify *verify, const struct state *state,
                      const struct file_piece *piece)
{
    const struct account_report report = {verify_account_problem, verify};
    struct account *account = need_account(verify, piece->block.ring);
    int r;

    if (!account)
        return -ENOMEM;
    r = file_reader_decode(state->reader, piece, &verify->block);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        say_piece(verify, excused(verify, state, r), piece->offset, r, "a block");
        return 0; /* the account will miss it */
    }
    account_block(account, piece->block.first_seq, verify->block.records, state->firm, &report);
    if (!account->broken) { /* else the next file has it, too, in its place */
        verify_origins(verify, state->reader, account, piece->block.first_seq, &verify->block);
        verify_times(account, piece->block.first_seq, &verify->block);
    }
    return 0;
}

static int read_pieces(struct verify *verify, const struct state *state)
{
    const struct account_report report = {verify_account_problem, verify};
    struct file_piece piece;
    int r;

    file_reader_rewind(state->reader);
    while ((r = file_reader_next(state->reader, &piece)) == 0) {
        switch (piece.kind) {
        case FILE_PIECE_END:
            return 0;
        case FILE_PIECE_BLOCK:
            r = read_block(verify, state, &piece);
            break;
        case FILE_PIECE_GAP: {
            struct account *account = need_account(verify, piece.gap.ring);

            if (account)
                account_gap(account, &piece.gap, state->firm, &report);
            r = account ? 0 : -ENOMEM;
            break;
        }
        case FILE_PIECE_DAMAGED:
            say_piece(verify, excused(verify, state, piece.error), piece.offset, piece.error,
                      piece.reason);
            break;
        case FILE_PIECE_RANGES:
        case FILE_PIECE_OTHER:
            break;
        }
        if (r < 0)
            return r;
    }
    return r;
}

static void read_seal(struct verify *verify, const struct state *state)
{
    const struct account_report report = {verify_account_problem, verify};
    size_t rings;
    const struct file_ledger_entry *end = file_reader_end(state->reader, &rings);

    for (size_t i = 0; state->firm && end && i < rings; i++) {
        struct account *account = need_account(verify, end[i].ring);

        if (account)
            account_seal(account, &end[i], &report);
    }
}

/* Did retention remove the files before the current one? It takes the oldest first, while the
 * segment lives: all that were listed are gone, then. */
static bool older_removed(const struct verify *verify)
{
    const struct fileset_file *file = verify->file;
    const uint8_t *const uuid = file->identity.segment_uuid;

    if (!verify_find_live(verify, &file->identity))
        return false;
    while (file-- > verify->set.file && memcmp(file->identity.segment_uuid, uuid, 16) == 0)
        if (fileset_is_there(file))
            return false;
    return true;
}

/* Segments of one name that wrote into one directory, one after the other, number their files in
 * one row: are those between `previous` and this one files of the others? */
static bool numbered_elsewhere(const struct verify *verify, uint64_t previous)
{
    const struct file_identity *const here = &verify->file->identity;

    if (here->file_number - previous - 1 > verify->set.files)
        return false;
    for (uint64_t number = previous + 1; number < here->file_number; number++) {
        size_t i = 0;

        while (i < verify->set.files && (verify->set.file[i].identity.file_number != number ||
                                         strncmp(verify->set.file[i].identity.segment,
                                                 here->segment, sizeof(here->segment)) != 0))
            i++;
        if (i == verify->set.files)
            return false;
    }
    return true;
}

static void check_number(struct verify *verify, uint64_t previous)
{
    uint64_t number = verify->file->identity.file_number;

    if (number == previous + 1 || (number > previous && numbered_elsewhere(verify, previous)))
        return;
    if (number > previous && older_removed(verify)) {
        verify->removed += number - previous - 1;
        verify->skipped = true;
        return;
    }
    if (number == previous)
        verify_problem(verify, "%s: a second file with number %" PRIu64, verify->file->path,
                       number);
    else
        verify_problem(verify,
                       "%s: file %" PRIu64 " follows file %" PRIu64 ", those between are missing",
                       verify->file->path, number, previous);
}

/* Every file whose name says that it is finished has a seal, and all of it. */
static void check_seal(struct verify *verify, const struct state *state)
{
    if (file_reader_index_lies(state->reader))
        verify_problem(verify, "%s: its index is not that of its pieces", verify->file->path);
    if (state->firm && !verify->file->part && !file_reader_whole(state->reader))
        verify_problem(verify, "%s: its seal has no trailer: cut?", verify->file->path);
    if (state->firm || verify->file->part || file_reader_sealed_bad(state->reader))
        return;
    verify_problem(verify, "%s: it ends without a seal: cut?", verify->file->path);
}

/* All blocks are read, from the front, so that all that the index says of them is compared. */
static int check_index(struct state *state)
{
    const struct file_piece *pieces;
    size_t count;
    int r = file_reader_list(state->reader, &pieces, &count); /* takes in the seal */

    for (size_t i = 0; i < count && r == 0; i++)
        r = file_reader_check_block(state->reader, &pieces[i]);
    return r < 0 ? r : 0;
}

static int keep_seal(const struct state *state, struct verify_last *last)
{
    size_t rings;
    const struct file_ledger_entry *end = file_reader_end(state->reader, &rings);

    if (!state->firm || !end)
        return 0;
    last->seal = calloc(rings + 1, sizeof(*last->seal));
    if (!last->seal)
        return -ENOMEM;
    memcpy(last->seal, end, rings * sizeof(*end));
    last->rings = rings;
    return 0;
}

static int read_file(struct verify *verify, struct state *state, struct verify_last *last)
{
    size_t rings;
    int r;

    free(last->seal); /* of the file before, whatever becomes of this one */
    *last = (struct verify_last){0};
    r = fileset_reader_open(verify->file, &state->reader);

    if (r == 0)
        r = check_index(state);
    if (r == -ENOENT && older_removed(verify)) {
        verify->removed++;
        verify->skipped = true;
        return 0;
    }
    if (r < 0) {
        if (r == -ENOMEM)
            return r;
        verify_problem(verify, "%s: %s", verify->file->path, fileset_strerror(r));
        return 0;
    }
    state->firm = file_reader_end(state->reader, &rings) && !file_reader_sealed_bad(state->reader);
    state->growing = fileset_writer(verify->file, NULL) == FILESET_WRITER_ALIVE;
    r = read_start(verify, state);
    if (r == 0)
        r = read_pieces(verify, state);
    if (r < 0)
        return r;
    verify_clock(verify, state->reader);
    read_seal(verify, state);
    check_seal(verify, state);
    return keep_seal(state, last);
}

int verify_read_files(struct verify *verify, size_t first, size_t end, struct verify_last *ret_last)
{
    bool firm = false;
    int r = 0;

    for (size_t i = first; i < end && r == 0; i++) {
        struct state state = {.follows_firm = firm, .last = i + 1 == end};

        verify->file = &verify->set.file[i];
        if (i > first)
            check_number(verify, verify->set.file[i - 1].identity.file_number);
        r = read_file(verify, &state, ret_last);
        firm = state.firm;
        file_reader_close(state.reader);
    }
    verify->file = NULL;
    return r;
}
