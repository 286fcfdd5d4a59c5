/* SPDX-License-Identifier: MIT
 *
 * Torn files: cut at every byte, every bit flipped, blocks missing, double, in another order and
 * of an older file, pages that never got to the disk in any subset. Demanded of what is read: all
 * but what was hit; damage reported; never a record that did not go in, or out of order.
 *
 * torn [--exhaustive] cuts|flips|blocks|pages; without --exhaustive (or SHMLOG_TEST_TORN=all in the
 * environment) a sample by the seed, and every place where something begins or ends.
 */
#include "logfile/format.h"
#include "tests/kit/kit.h"
#include "tests/torn/whole.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

static struct whole file;
static uint64_t chance;
static bool exhaustive;

/* One in `of` goes into the sample. */
static bool in_sample(unsigned of)
{
    return exhaustive || kit_random_below(&chance, of) == 0;
}

/* Every block that does not touch [begin, end) was read. */
static void check_blocks_but(const struct look *look, size_t begin, size_t end, const char *what)
{
    for (size_t i = 0; i < file.pieces; i++) {
        const struct whole_piece *piece = &file.piece[i];

        if (piece->kind != FILE_KIND_BLOCK || (piece->at < end && piece->end > begin))
            continue;
        if (!look_has_block(look, piece))
            KIT_FAIL("%s %zu..%zu: the block at %zu..%zu is missing", what, begin, end, piece->at,
                     piece->end);
    }
}

/* ---- Cut ---- */

static bool near_an_end(size_t at)
{
    for (size_t i = 0; i < file.pieces; i++)
        if (at + 2 >= file.piece[i].end && at <= file.piece[i].end + 2)
            return true;
    return at < 64;
}

static void check_cut(size_t cut, bool by_list)
{
    uint32_t whole = 0;
    struct look look;

    look_again(by_list, &look);
    if (cut < file.header_end) {
        KIT_CHECK(look.opened == -FILE_ERR_CUT);
        return;
    }
    KIT_EQ(look.opened, 0);
    for (size_t i = 0; i < file.pieces; i++) {
        if (file.piece[i].kind != FILE_KIND_BLOCK || file.piece[i].end > cut)
            continue;
        if (!look_has_block(&look, &file.piece[i]))
            KIT_FAIL("cut at %zu: the block at %zu is missing", cut, file.piece[i].at);
        whole++;
    }
    if (look.records != whole * WHOLE_BLOCK_RECORDS || !look_reports(&look))
        KIT_FAIL("cut at %zu: %u records of %u whole blocks, %s", cut, look.records, whole,
                 look_reports(&look) ? "reported" : "not reported");
    if (look.damaged && look.damage_at > cut)
        KIT_FAIL("cut at %zu, damage at %llu", cut, (unsigned long long)look.damage_at);
}

static void try_cuts(void)
{
    size_t cuts = 0;

    look_write(file.bytes, file.size);
    for (size_t cut = file.size; cut-- > 0;) {
        if (!near_an_end(cut) && !in_sample(16))
            continue;
        look_truncate(cut);
        check_cut(cut, cut % 2);
        if (exhaustive)
            check_cut(cut, !(cut % 2));
        cuts++;
    }
    fprintf(stderr, "cut at %zu of %zu places\n", cuts, file.size);
}

/* ---- Flipped ---- */

static void check_flip(size_t at, unsigned bit, bool by_list)
{
    const struct whole_piece *hit = file.piece;
    struct look look;

    look_again(by_list, &look);
    while (hit->end <= at)
        hit++;
    if (look.opened != 0)
        KIT_FAIL("byte %zu bit %u: %d", at, bit, look.opened);
    if (!look_reports(&look))
        KIT_FAIL("byte %zu bit %u, in a frame of kind %u, by %s: not reported", at, bit, hit->kind,
                 by_list ? "list" : "steps");
    if (look.damaged + look.bad_blocks != 1)
        KIT_FAIL("byte %zu bit %u, in a frame of kind %u, by %s: %u places, %u blocks", at, bit,
                 hit->kind, by_list ? "list" : "steps", look.damaged, look.bad_blocks);
    if (look.damaged && (look.damage_at < hit->at || look.damage_at >= hit->end))
        KIT_FAIL("byte %zu bit %u: reported at %llu", at, bit, (unsigned long long)look.damage_at);
    check_blocks_but(&look, at, at + 1, "flipped");
}

static void try_flips(void)
{
    size_t flips = 0;

    look_write(file.bytes, file.size);
    for (size_t at = 0; at < file.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t byte = (uint8_t)(file.bytes[at] ^ 1u << bit);

            if (!in_sample(64))
                continue;
            look_patch(at, &byte, 1);
            check_flip(at, bit, (at + bit) % 2);
            flips++;
        }
        look_patch(at, &file.bytes[at], 1);
    }
    fprintf(stderr, "%zu of %zu bits flipped\n", flips, 8 * file.size);
}

/* ---- Blocks elsewhere ---- */

struct arrangement {
    uint8_t *bytes;
    size_t size;
};

static void add(struct arrangement *to, const uint8_t *bytes, size_t size)
{
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void add_piece(struct arrangement *to, size_t i)
{
    add(to, file.bytes + file.piece[i].at, file.piece[i].end - file.piece[i].at);
}

/* The n-th block. */
static size_t block_number(const struct whole *whole, unsigned n)
{
    size_t i = 0;

    for (;; i++)
        if (whole->piece[i].kind == FILE_KIND_BLOCK && n-- == 0)
            return i;
}

/* One block is missing; the rest is as it was, the seal too. */
static void try_missing(struct arrangement *a)
{
    for (unsigned n = 0; n < WHOLE_BLOCKS; n++) {
        const struct whole_piece *gone = &file.piece[block_number(&file, n)];
        struct look look;

        a->size = 0;
        add(a, file.bytes, gone->at);
        add(a, file.bytes + gone->end, file.size - gone->end);
        look_write(a->bytes, a->size);
        for (unsigned by_list = 0; by_list < 2; by_list++) {
            look_again(by_list, &look);
            KIT_EQ(look.opened, 0);
            KIT_EQ(look.records, WHOLE_RECORDS - WHOLE_BLOCK_RECORDS);
            KIT_CHECK(look_reports(&look)); /* the trailer tells another size */
        }
    }
}

/* A block of an older file stands where one of this file was to be; and from there on all is of the
 * older file, as in space that is used again. */
static void try_stale(struct arrangement *a, const struct whole *older)
{
    for (unsigned n = 0; n < WHOLE_BLOCKS; n++) {
        size_t i = block_number(&file, n);
        const struct whole_piece *old = &older->piece[block_number(older, n)];
        struct look look;

        a->size = 0;
        add(a, file.bytes, file.piece[i].at);
        add(a, older->bytes + old->at, old->end - old->at);
        add(a, file.bytes + file.piece[i].end, file.size - file.piece[i].end);
        look_write(a->bytes, a->size);
        for (unsigned by_list = 0; by_list < 2; by_list++) {
            look_again(by_list, &look);
            KIT_EQ(look.opened, 0);
            KIT_EQ(look.records, WHOLE_RECORDS - WHOLE_BLOCK_RECORDS);
            KIT_EQ(look.damaged, 1);
            KIT_EQ(look.damage_at, file.piece[i].at);
        }
        a->size = 0;
        add(a, file.bytes, file.piece[i].at);
        add(a, older->bytes + old->at, older->size - old->at);
        look_write(a->bytes, a->size);
        for (unsigned by_list = 0; by_list < 2; by_list++) {
            look_again(by_list, &look);
            KIT_EQ(look.opened, 0);
            KIT_EQ(look.records, n * WHOLE_BLOCK_RECORDS);
            KIT_CHECK(look_reports(&look));
        }
    }
}

/* The pieces before the seal in another order, some of them twice. */
static void arrange(struct arrangement *a, bool doubles, bool with_seal)
{
    size_t order[2 * WHOLE_PIECES_MAX], count = 0;

    for (size_t i = 1; file.piece[i].at < file.seal_begin; i++)
        for (uint64_t times = 1 + (doubles ? kit_random_below(&chance, 2) : 0); times; times--)
            order[count++] = i;
    for (size_t i = count; i > 1; i--) {
        size_t other = kit_random_below(&chance, i), swap = order[i - 1];

        order[i - 1] = order[other];
        order[other] = swap;
    }
    a->size = 0;
    add_piece(a, 0);
    for (size_t i = 0; i < count; i++)
        add_piece(a, order[i]);
    if (with_seal)
        add(a, file.bytes + file.seal_begin, file.size - file.seal_begin);
}

/* With the seal, and nothing double, the index tells the places as they were: what it misleads to
 * is damage. In all other cases every record comes, once, in order. */
static void try_orders(struct arrangement *a)
{
    for (unsigned turn = 0; turn < (exhaustive ? 4000u : 200u); turn++) {
        bool doubles = turn & 1, with_seal = turn & 2;
        struct look look;

        arrange(a, doubles, with_seal);
        look_write(a->bytes, a->size);
        look_by_cursor(&look);
        KIT_EQ(look.opened, 0);
        if (!look_reports(&look) || ((doubles || !with_seal) && look.records != WHOLE_RECORDS))
            KIT_FAIL("pieces in order %u%s%s: %u records, %sreported", turn,
                     doubles ? ", some double" : "", with_seal ? ", sealed" : "", look.records,
                     look_reports(&look) ? "" : "not ");
    }
}

static void try_blocks(void)
{
    struct arrangement a = {.bytes = malloc(3 * file.size)};
    struct whole older;

    KIT_CHECK(a.bytes);
    whole_make(&older, 1, &chance);
    try_missing(&a);
    try_stale(&a, &older);
    try_orders(&a);
    whole_done(&older);
    free(a.bytes);
}

/* ---- Pages that were not written ---- */

/* Pages of the set are zeros, or what an older file had there. */
static void try_pages_of(const size_t *page, size_t count, const struct whole *older)
{
    uint8_t *bytes = malloc(file.size);
    struct look look;

    KIT_CHECK(bytes);
    memcpy(bytes, file.bytes, file.size);
    for (size_t i = 0; i < count; i++) {
        size_t at = page[i] * PAGE, size = file.size - at < PAGE ? file.size - at : PAGE;

        memset(bytes + at, 0, size);
        if (older && at < older->size)
            memcpy(bytes + at, older->bytes + at,
                   older->size - at < size ? older->size - at : size);
    }
    look_write(bytes, file.size);
    for (unsigned by_list = 0; by_list < 2; by_list++) {
        look_again(by_list, &look);
        KIT_EQ(look.opened, 0);
        KIT_CHECK(look_reports(&look));
        for (size_t i = 0; i < file.pieces; i++) {
            const struct whole_piece *piece = &file.piece[i];

            if (piece->kind == FILE_KIND_BLOCK &&
                !memcmp(bytes + piece->at, file.bytes + piece->at, piece->end - piece->at) &&
                !look_has_block(&look, piece))
                KIT_FAIL("%zu pages from %zu %s: the block at %zu is missing", count, page[0],
                         older ? "stale" : "zero", piece->at);
        }
    }
    free(bytes);
}

/* All sets of up to `most` of the pages first..end-1 that begin with those in `page`. The first
 * page of an older file makes it that file, so it is not among them. */
static size_t try_page_sets(size_t *page, size_t count, size_t first, size_t end, size_t most,
                            const struct whole *older)
{
    size_t tried = 0;

    for (size_t next = first; count < most && next < end; next++) {
        page[count] = next;
        if (!older || next > 0) {
            try_pages_of(page, count + 1, older);
            tried += 1 + try_page_sets(page, count + 1, next + 1, end, most, older);
        }
    }
    return tried;
}

static void try_pages(void)
{
    size_t pages = (file.size + PAGE - 1) / PAGE, page[64], tried = 0;
    struct whole older;

    whole_make(&older, 1, &chance);
    for (unsigned stale = 0; stale < 2; stale++) {
        const struct whole *of = stale ? &older : NULL;
        size_t tail = exhaustive ? 12 : 6;

        tried += try_page_sets(page, 0, 0, pages, exhaustive ? 3 : 2, of);
        tried += try_page_sets(page, 0, pages - tail, pages, tail, of);
    }
    fprintf(stderr, "%zu sets of %zu pages\n", tried, pages);
    whole_done(&older);
}

/* ---- Through the program ---- */

static char *dump(int *ret_status)
{
    struct kit_process process;
    const char *const argv[] = {kit_program("tools/shmlog-dump"), look_path(), "--format", "json",
                                NULL};
    char *out, *err;
    size_t size;

    *ret_status = kit_run(&process, argv, NULL);
    out = kit_read_file(process.out, &size);
    err = kit_read_file(process.err, &size);
    if (*ret_status != 0 && (!strstr(err, look_path()) || !strstr(err, ": at ")))
        KIT_FAIL("exit status %d without a place: %s", *ret_status, err);
    free(err);
    return out;
}

/* Each line is one of the whole file's, after the one before it. Rings stand still between cuts, so
 * the order of lines is that of the whole. */
static void check_lines(const char *whole, const char *got)
{
    const char *at = whole;

    while (*got) {
        size_t size = (size_t)(strchr(got, '\n') - got) + 1;

        while (*at && strncmp(at, got, size))
            at = strchr(at, '\n') + 1;
        if (!*at)
            KIT_FAIL("a line that the whole file does not have there: %.*s", (int)size, got);
        at += size;
        got += size;
    }
}

static void try_dump(void)
{
    uint8_t *bytes = malloc(file.size);
    char *whole, *got;
    int status;

    KIT_CHECK(bytes);
    look_write(file.bytes, file.size);
    whole = dump(&status);
    KIT_EQ(status, 0);
    for (unsigned turn = 0; turn < (exhaustive ? 400u : 40u); turn++) {
        size_t at = kit_random_below(&chance, file.size), size = file.size;

        memcpy(bytes, file.bytes, size);
        if (turn % 2)
            size = at;
        else
            bytes[at] ^= (uint8_t)(1u << kit_random_below(&chance, 8));
        look_write(bytes, size);
        got = dump(&status);
        if (status != 1)
            KIT_FAIL("%s at %zu: exit status %d", turn % 2 ? "cut" : "flipped", at, status);
        check_lines(whole, got);
        free(got);
    }
    free(whole);
    free(bytes);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"cuts", try_cuts},
                 {"flips", try_flips},
                 {"blocks", try_blocks},
                 {"pages", try_pages},
                 {"dump", try_dump}};
    const char *all = getenv("SHMLOG_TEST_TORN");
    struct look look;

    exhaustive = all && !strcmp(all, "all");
    if (argc > 2 && !strcmp(argv[1], "--exhaustive")) {
        exhaustive = true;
        argc--;
        argv++;
    }
    if (argc != 2) {
        fprintf(stderr, "usage: torn [--exhaustive] cuts|flips|blocks|pages|dump\n");
        return 2;
    }
    kit_begin("torn");
    chance = kit_seed();
    whole_make(&file, 0, &chance);
    KIT_CHECK(file.size >= 65536);
    look_write(file.bytes, file.size);
    for (unsigned by_list = 0; by_list < 2; by_list++) {
        look_again(by_list, &look);
        KIT_CHECK(look.opened == 0 && !look_reports(&look) && look.sealed);
        KIT_EQ(look.records, WHOLE_RECORDS);
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (!strcmp(argv[1], parts[i].name)) {
            parts[i].run();
            whole_done(&file);
            return 0;
        }
    KIT_FAIL("no such part: %s", argv[1]);
}
