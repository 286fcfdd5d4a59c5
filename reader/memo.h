/* SPDX-License-Identifier: MIT
 *
 * Texts that are the same for all records of a site, a producer or a ring, made once for many
 * records.
 *
 * A text serves only what it was made of, which is compared by all its bytes, for ids are those of
 * one segment, and what they stand for may change. So there are a thousand of each kind at most,
 * whatever files hold.
 */
#ifndef READER_MEMO_H
#define READER_MEMO_H

#include "reader/cursor.h"
#include "reader/text.h"

enum memo_of { MEMO_SITE, MEMO_PRODUCER, MEMO_PLACE /* ring, core, host and segment */ };

#define MEMO_PIECES 64u
struct memo_piece {
    uint32_t at, size; /* in the text */
    bool invalid;      /* as of text_put_json() */
};

/* All texts of one site, producer or place, in pieces. */
struct memo {
    void *of; /* a copy of what they were made of */
    size_t of_size;
    struct text text;
    struct memo_piece piece[MEMO_PIECES];
};

#define MEMO_SLOTS 1024u
struct memos {
    struct memo *slot[MEMO_SLOTS]; /* zeroed at first */
};

/* The memo of the record's site, producer or place; NULL: that is unknown, or there is no memory.
 * *ret_new: it is empty, and to be filled. */
struct memo *memo_find(struct memos *memos, enum memo_of of, const struct cursor_record *record,
                       bool *ret_new);
void memos_done(struct memos *memos);

/* A piece begins, is put into memo->text, and ends. */
static inline void memo_begin(struct memo *memo, size_t piece)
{
    memo->piece[piece] = (struct memo_piece){.at = (uint32_t)memo->text.size};
}
static inline void memo_end(struct memo *memo, size_t piece, bool invalid)
{
    memo->piece[piece].size = (uint32_t)memo->text.size - memo->piece[piece].at;
    memo->piece[piece].invalid = invalid;
}

static inline void memo_put(const struct memo *memo, size_t piece, struct text *out, bool *invalid)
{
    if (memo->text.failed)
        out->failed = true;
    else if (memo->piece[piece].size) /* else there may be no text yet */
        text_put(out, memo->text.data + memo->piece[piece].at, memo->piece[piece].size);
    if (memo->piece[piece].invalid && invalid)
        *invalid = true;
}

#endif
