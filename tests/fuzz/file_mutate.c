/* SPDX-License-Identifier: MIT
 *
 * Changing a log file piece by piece; see file_mutate.h.
 */
#include "tests/fuzz/file_mutate.h"

#include "logfile/format.h"
#include "tests/fuzz/fuzz.h"

#include <zstd.h>

#define PIECES_MAX 128u
#define CONTENT_MAX (64u << 10) /* of a zstd frame that is changed inside */

struct piece {
    size_t at, frame, size; /* the skippable frame, and with the zstd frame after it */
    uint8_t kind;
};

struct work {
    uint8_t *data;
    size_t size, max_size;
    uint64_t random;
    struct piece piece[PIECES_MAX];
    size_t pieces;
};

static uint64_t random_below(struct work *w, uint64_t bound)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return bound ? (z ^ z >> 31) % bound : 0;
}

/* ---- Pieces ---- */

static size_t stored_after(const struct work *w, size_t at, uint8_t kind)
{
    struct frame_block block;
    struct frame_index index;

    if (kind == FILE_KIND_BLOCK) {
        memcpy(&block, w->data + at, sizeof(block));
        return block.stored_size;
    }
    if (kind != FILE_KIND_INDEX)
        return 0;
    memcpy(&index, w->data + at, sizeof(index));
    return index.stored_size;
}

/* Find the pieces, by their heads alone. */
static void find_pieces(struct work *w)
{
    static const uint32_t magic = FILE_MAGIC;

    w->pieces = 0;
    for (size_t at = 0; w->pieces < PIECES_MAX && at + FILE_FRAME_MIN <= w->size;) {
        struct piece *piece = &w->piece[w->pieces];
        const uint8_t *hit = memmem(w->data + at, w->size - at, &magic, sizeof(magic));
        struct frame_head head;
        size_t stored;

        if (!hit || w->size - (size_t)(hit - w->data) < sizeof(head))
            return;
        at = (size_t)(hit - w->data);
        memcpy(&head, w->data + at, sizeof(head));
        *piece = (struct piece){.at = at, .frame = file_frame_size(&head), .kind = head.kind};
        if (!piece->frame || piece->frame > w->size - at) {
            at++;
            continue;
        }
        stored = stored_after(w, at, head.kind);
        piece->size = piece->frame;
        if (stored <= w->size - at - piece->frame)
            piece->size += stored;
        at += piece->size;
        w->pieces++;
    }
}

static struct piece *any_piece(struct work *w)
{
    return &w->piece[random_below(w, w->pieces)];
}

/* What a frame of a kind of many sizes says of its contents: as much as there is room for. A frame
 * that says anything else is refused before anything in it is looked at. */
static void fit(struct work *w, const struct piece *piece)
{
    uint8_t *frame = w->data + piece->at;
    struct frame_identity identity;
    struct frame_head head;
    struct frame_site site;

    memcpy(&head, frame, sizeof(head));
    if (head.kind == FILE_KIND_SITE && piece->frame >= sizeof(site) + sizeof(uint64_t)) {
        size_t room = piece->frame - sizeof(site) - sizeof(uint64_t);

        memcpy(&site, frame, sizeof(site));
        if (((site.size + 7u) & ~7u) != room)
            site.size = (uint16_t)room;
        memcpy(frame, &site, sizeof(site));
    }
    if ((head.kind == FILE_KIND_HEADER || head.kind == FILE_KIND_LEDGER) &&
        piece->frame >= sizeof(identity) + sizeof(uint64_t)) {
        size_t room = piece->frame - sizeof(identity) - sizeof(uint64_t);

        memcpy(&identity, frame, sizeof(identity));
        identity.rings = (uint32_t)(room / sizeof(struct file_ledger_entry));
        memcpy(frame, &identity, sizeof(identity));
    }
}

static void seal(struct work *w, const struct piece *piece)
{
    if (random_below(w, 8))
        fit(w, piece);
    file_frame_seal(w->data + piece->at, piece->frame);
}

/* Replace `gone` bytes at `at`; false if that does not fit. */
static bool splice(struct work *w, size_t at, size_t gone, const uint8_t *bytes, size_t size)
{
    if (w->size - gone + size > w->max_size)
        return false;
    memmove(w->data + at + size, w->data + at + gone, w->size - at - gone);
    if (size)
        memcpy(w->data + at, bytes, size);
    w->size += size - gone;
    return true;
}

/* Let the trailer point to ledger and index where they are now. */
static void mend_trailer(struct work *w)
{
    struct frame_trailer trailer;
    const struct piece *last;

    find_pieces(w);
    if (!w->pieces || w->piece[w->pieces - 1].kind != FILE_KIND_TRAILER ||
        w->piece[w->pieces - 1].frame != sizeof(trailer))
        return;
    last = &w->piece[w->pieces - 1];
    memcpy(&trailer, w->data + last->at, sizeof(trailer));
    for (size_t i = 0; i < w->pieces; i++) {
        if (w->piece[i].kind == FILE_KIND_LEDGER)
            trailer.ledger_offset = w->piece[i].at;
        if (w->piece[i].kind == FILE_KIND_INDEX)
            trailer.index_offset = w->piece[i].at;
    }
    trailer.file_size = w->size;
    memcpy(w->data + last->at, &trailer, sizeof(trailer));
    seal(w, last);
}

/* ---- Changes ---- */

/* Bytes of a frame from `from` on, as many as before. */
static void change_frame(struct work *w, const struct piece *piece, size_t from)
{
    size_t room = piece->frame - sizeof(uint64_t) - from;

    if (room)
        LLVMFuzzerMutate(w->data + piece->at + from, room, room);
    seal(w, piece);
}

/* One number of a frame becomes one that means something, or nearly. */
static void change_number(struct work *w, const struct piece *piece)
{
    const uint64_t told[] = {0,
                             1,
                             UINT64_MAX,
                             w->size,
                             any_piece(w)->at,
                             piece->at,
                             piece->size,
                             INT64_MAX,
                             (uint64_t)1 << 32,
                             FILE_BLOCK_RAW_MAX,
                             FILE_STORED_MAX,
                             FILE_BLOCK_SLOTS_MAX,
                             FILE_INDEX_ENTRIES_MAX,
                             FILE_LEDGER_MAX};
    uint64_t value = told[random_below(w, sizeof(told) / sizeof(told[0]))];
    size_t body = piece->frame - sizeof(struct frame_head) - sizeof(uint64_t);
    size_t width = random_below(w, 2) ? 4 : 8, at;

    value += random_below(w, 4) ? 0 : random_below(w, 5) - 2;
    if (body < width)
        return;
    at = piece->at + sizeof(struct frame_head) + random_below(w, body / width) * width;
    memcpy(w->data + at, &value, width);
    seal(w, piece);
}

/* The content of the zstd frame behind a frame; its head is put right. */
static void change_content(struct work *w, const struct piece *piece)
{
    static uint8_t content[CONTENT_MAX], stored[ZSTD_COMPRESSBOUND(CONTENT_MAX)];
    const uint8_t *data = w->data + piece->at + piece->frame;
    size_t old = piece->size - piece->frame;
    size_t raw = ZSTD_decompress(content, sizeof(content), data, old), size;

    if (ZSTD_isError(raw))
        return;
    raw = LLVMFuzzerMutate(content, raw, sizeof(content));
    size = ZSTD_compress(stored, sizeof(stored), content, raw, 1);
    if (ZSTD_isError(size) || !splice(w, piece->at + piece->frame, old, stored, size))
        return;
    if (piece->kind == FILE_KIND_BLOCK) {
        struct frame_block block;

        memcpy(&block, w->data + piece->at, sizeof(block));
        block.stored_size = (uint32_t)size;
        block.raw_size = (uint32_t)raw;
        block.data_hash = XXH64(stored, size, 0);
        memcpy(w->data + piece->at, &block, sizeof(block));
    } else {
        struct frame_index index;

        memcpy(&index, w->data + piece->at, sizeof(index));
        index.stored_size = (uint32_t)size;
        index.raw_size = (uint32_t)raw;
        index.data_hash = XXH64(stored, size, 0);
        memcpy(w->data + piece->at, &index, sizeof(index));
    }
    seal(w, piece);
}

/* The bytes of a site, and all sizes with them. */
static void change_site(struct work *w, const struct piece *piece)
{
    uint8_t frame[sizeof(struct frame_site) + SHMLOG_SITE_MAX + 16] = {0};
    struct frame_site site;
    size_t size;
    uint16_t told;

    memcpy(&site, w->data + piece->at, sizeof(site));
    if (sizeof(site) + site.size > piece->frame || site.size > SHMLOG_SITE_MAX)
        return;
    memcpy(frame + sizeof(site), w->data + piece->at + sizeof(site), site.size);
    site.size = told = (uint16_t)LLVMFuzzerMutate(frame + sizeof(site), site.size, SHMLOG_SITE_MAX);
    if (random_below(w, 8) && site.size >= sizeof(struct shmlog_site))
        memcpy(frame + sizeof(site), &told, sizeof(told));
    size = sizeof(site) + ((site.size + 7u) & ~7u) + sizeof(uint64_t);
    site.head.size = (uint32_t)(size - 8);
    memset(frame + sizeof(site) + site.size, 0, sizeof(frame) - sizeof(site) - site.size);
    memcpy(frame, &site, sizeof(site));
    file_frame_seal(frame, size);
    splice(w, piece->at, piece->frame, frame, size);
}

/* A line of a header or ledger goes, or comes twice. */
static void change_lines(struct work *w, const struct piece *piece)
{
    const size_t line = sizeof(struct file_ledger_entry), begin = sizeof(struct frame_identity);
    struct piece changed = *piece;
    struct frame_head head;
    uint8_t copy[sizeof(struct file_ledger_entry)];
    size_t lines, at;

    if (piece->frame < begin + sizeof(uint64_t) + line)
        return;
    lines = (piece->frame - begin - sizeof(uint64_t)) / line;
    at = piece->at + begin + random_below(w, lines) * line;
    memcpy(copy, w->data + at, line);
    if (random_below(w, 2)) {
        splice(w, at, line, NULL, 0);
        changed.frame -= line;
    } else {
        at = piece->at + begin + random_below(w, lines + 1) * line;
        if (!splice(w, at, 0, copy, line))
            return;
        changed.frame += line;
    }
    memcpy(&head, w->data + piece->at, sizeof(head));
    head.size = (uint32_t)(changed.frame - 8);
    memcpy(w->data + piece->at, &head, sizeof(head));
    seal(w, &changed);
}

/* A piece goes, comes twice, or goes elsewhere. */
static void move_piece(struct work *w, const struct piece *piece)
{
    uint8_t *copy = fuzz_copy(w->data + piece->at, piece->size);
    uint64_t choice = random_below(w, 3);
    size_t to;

    if (choice != 0)
        splice(w, piece->at, piece->size, NULL, 0);
    if (choice != 1) {
        const struct piece *before = any_piece(w);

        to = before->at;
        if (choice == 2 && to > piece->at)
            to -= piece->size;
        splice(w, to < w->size ? to : w->size, 0, copy, piece->size);
    }
    free(copy);
}

static void change_piece(struct work *w)
{
    struct piece *piece = any_piece(w);

    switch (random_below(w, 8)) {
    case 0:
        change_frame(w, piece, offsetof(struct frame_head, kind));
        break;
    case 1:
        change_frame(w, piece, sizeof(struct frame_head));
        break;
    case 2:
        change_number(w, piece);
        break;
    case 3:
        move_piece(w, piece);
        break;
    default:
        if (piece->kind == FILE_KIND_SITE)
            change_site(w, piece);
        else if (piece->size > piece->frame)
            change_content(w, piece);
        else if ((piece->kind == FILE_KIND_HEADER || piece->kind == FILE_KIND_LEDGER) &&
                 random_below(w, 2))
            change_lines(w, piece);
        else
            change_frame(w, piece, sizeof(struct frame_head));
    }
}

size_t file_mutate(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct work w = {.data = data, .size = size, .max_size = max_size, .random = seed};

    find_pieces(&w);
    if (!w.pieces || !random_below(&w, 8))
        return LLVMFuzzerMutate(data, size, max_size);
    for (uint64_t times = 1 + random_below(&w, 3); times; times--) {
        change_piece(&w);
        find_pieces(&w);
        if (!w.pieces)
            break;
    }
    if (random_below(&w, 8))
        mend_trailer(&w);
    if (!random_below(&w, 32))
        w.size = 1 + random_below(&w, w.size);
    return w.size ? w.size : 1;
}
