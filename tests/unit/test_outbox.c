/* SPDX-License-Identifier: MIT
 *
 * The outbox: entries come out as they went in, whatever the wrap; a commit is there or not there,
 * wherever it is cut; a damaged file is refused and never trusted.
 */
#include "collector/outbox.h"
#include "tests/unit/segment_kit.h"

#include <errno.h>
#include <fcntl.h>

#define RINGS 3u
#define SIZE OUTBOX_SIZE_MIN
/* Where they lie in the file: see outbox.c. */
#define AT_VERSION 8
#define AT_HEAD 128
#define AT_TAIL 256

static const uint8_t uuid[16] = {1, 2, 3};
static uint64_t state;

TestSuite(outbox, .init = kit_open, .fini = kit_close, .timeout = 120);

static uint64_t chance(uint64_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545f4914f6cdd1d) % below;
}

static void seed(uint64_t value)
{
    const char *const text = getenv("SHMLOG_TEST_SEED");

    state = text ? strtoull(text, NULL, 0) : value;
    fprintf(stderr, "seed %llu\n", (unsigned long long)state);
}

static struct outbox *create(void)
{
    struct outbox *outbox = NULL;

    cr_assert_eq(outbox_create(kit_folder, uuid, RINGS, SIZE, &outbox), 0);
    return outbox;
}

static struct outbox *reopen(struct outbox *outbox)
{
    outbox_close(outbox);
    outbox = NULL;
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), 0);
    return outbox;
}

static const char *file_path(void)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/outbox", kit_folder);
    return path;
}

static void fill(uint8_t *bytes, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number * 31 + i * 7);
}

/* Commit entry `number`: its ledger line and its file state say the number, too. */
static void commit(struct outbox *outbox, uint64_t number, size_t size)
{
    static uint8_t bytes[SIZE];
    const struct outbox_entry entry = {.kind = OUTBOX_ENTRY_DATA,
                                       .size = size,
                                       .file_number = number,
                                       .file_offset = number * 100};
    const struct outbox_file file = {.number = number, .offset = number * 3, .open = number & 1};
    const uint32_t ring = (uint32_t)(number % (RINGS + 1));
    struct file_ledger_entry line = *outbox_ledger(outbox, ring);

    fill(bytes, size, number);
    line.next_seq = number;
    line.written += number;
    outbox_commit(outbox, &entry, bytes, ring, &line, &file);
}

/* The next entry must be `number`. */
static void expect(const struct outbox *outbox, uint64_t *pos, uint64_t number, size_t size)
{
    static uint8_t bytes[SIZE];
    const struct outbox_entry *entry;
    const uint8_t *got;

    cr_assert_eq(outbox_next(outbox, pos, &entry, &got), 1, "entry %llu is missing",
                 (unsigned long long)number);
    cr_assert_eq(entry->file_number, number);
    cr_assert_eq(entry->file_offset, number * 100);
    cr_assert_eq(entry->size, size);
    fill(bytes, size, number);
    cr_assert_eq(memcmp(got, bytes, size), 0);
}

Test(outbox, new_one_is_empty)
{
    struct outbox *outbox = create();
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    uint64_t pos = outbox_tail(outbox);

    cr_assert_eq(outbox_next(outbox, &pos, &entry, &bytes), 0);
    for (uint32_t i = 0; i <= RINGS; i++) {
        cr_assert_eq(outbox_ledger(outbox, i)->next_seq, 1);
        cr_assert_eq(outbox_ledger(outbox, i)->next_pos, 0);
        cr_assert_eq(outbox_ledger(outbox, i)->ring, i < RINGS ? i : UINT32_MAX);
    }
    cr_assert_eq(outbox_file(outbox)->number, 0);
    cr_assert(outbox_is_empty(kit_folder));
    outbox_close(outbox);
}

/* Many laps of entries of all sizes, reopened now and then: everything in order, byte for byte. */
Test(outbox, wraps_and_reopens)
{
    static size_t size[4096];
    struct outbox *outbox = create();
    uint64_t first = 1, next = 1, pos = outbox_tail(outbox), pads = 0;

    seed(20);
    while (next < 4096) {
        const size_t want = chance(8) ? chance(20000) : chance(outbox_max(outbox) + 1);

        if (outbox_has_room(outbox, want)) {
            const uint64_t before = outbox_head(outbox);

            size[next] = want;
            commit(outbox, next, want);
            pads += outbox_head(outbox) - before > want + 128;
            next++;
        } else {
            expect(outbox, &pos, first, size[first]);
            outbox_release(outbox, pos);
            first++;
        }
        if (chance(50) == 0) {
            uint64_t walk;

            outbox = reopen(outbox);
            walk = outbox_tail(outbox);
            for (uint64_t i = first; i < next; i++)
                expect(outbox, &walk, i, size[i]);
            cr_assert_eq(outbox_file(outbox)->number, next - 1);
            cr_assert_eq(outbox_ledger(outbox, (uint32_t)((next - 1) % (RINGS + 1)))->next_seq,
                         next > 1 ? next - 1 : 1);
        }
    }
    cr_assert_gt(outbox_head(outbox), 20 * SIZE);
    cr_assert_gt(pads, 5);
    outbox_close(outbox);
}

Test(outbox, room)
{
    struct outbox *outbox = create();
    uint64_t number = 1, pos;

    cr_assert(outbox_has_room(outbox, outbox_max(outbox)));
    cr_assert(!outbox_has_room(outbox, outbox_max(outbox) + 1));
    cr_assert(!outbox_has_room(outbox, UINT64_MAX - 10));
    while (outbox_has_room(outbox, 1000))
        commit(outbox, number++, 1000);
    cr_assert_gt(outbox_head(outbox) - outbox_tail(outbox), SIZE - 1088);
    cr_assert(!outbox_has_room(outbox, 1000));
    /* an empty one takes the largest entry wherever its head stands */
    for (unsigned i = 0; i < 500; i++) {
        pos = outbox_head(outbox);
        outbox_release(outbox, pos);
        cr_assert(outbox_has_room(outbox, outbox_max(outbox)), "at %llu",
                  (unsigned long long)(pos % SIZE));
        commit(outbox, number++, i % 2 ? 4000 : 70);
    }
    outbox_close(outbox);
}

/* ---- Dying in the middle ---- */

struct image {
    uint8_t *bytes;
    size_t size;
};

static struct image save(void)
{
    struct image image = {0};
    FILE *const f = fopen(file_path(), "re");

    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    image.size = (size_t)ftell(f);
    image.bytes = malloc(image.size);
    rewind(f);
    cr_assert_eq(fread(image.bytes, 1, image.size, f), image.size);
    fclose(f);
    return image;
}

static void restore(const struct image *image)
{
    FILE *const f = fopen(file_path(), "we");

    cr_assert_not_null(f);
    cr_assert_eq(fwrite(image->bytes, 1, image->size, f), image->size);
    fclose(f);
}

/* Whatever part of a commit's stores has happened, without the last one nothing has: the state
 * before is mixed with the one after, by 8-byte words, at random; the head is the old one. What was
 * cut so must not come true later either, when the head passes it. */
Test(outbox, commit_is_all_or_nothing)
{
    struct outbox *outbox = create();

    seed(30);
    for (unsigned round = 0; round < 200; round++) {
        const uint64_t number = 10 * round + 4; /* the cut one's ring: 0 or 2 */
        const uint32_t ring = (uint32_t)(number % (RINGS + 1));
        struct file_ledger_entry line;
        struct outbox_file file;
        struct image before, after;
        uint64_t pos;

        commit(outbox, number - 4,
               chance(3000)); /* the same ring, so that both copies are in use */
        line = *outbox_ledger(outbox, ring);
        file = *outbox_file(outbox);
        before = save();
        commit(outbox, number, chance(3000));
        after = save();
        outbox_close(outbox);

        for (size_t i = 0; i + 8 <= before.size; i += 8)
            if (i != AT_HEAD && (round == 0 || chance(2)))
                memcpy(before.bytes + i, after.bytes + i, 8);
        restore(&before);
        free(before.bytes);
        free(after.bytes);

        cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), 0);
        cr_assert_eq(memcmp(outbox_ledger(outbox, ring), &line, sizeof(line)), 0, "round %u",
                     round);
        cr_assert_eq(memcmp(outbox_file(outbox), &file, sizeof(file)), 0, "round %u", round);
        /* another ring's commits, going on over the position of the cut one */
        for (unsigned i = 0; i < 3; i++) {
            commit(outbox, 1 + 4 * (uint64_t)round, 2000);
            cr_assert_eq(memcmp(outbox_ledger(outbox, ring), &line, sizeof(line)), 0, "round %u",
                         round);
            outbox = reopen(outbox);
            cr_assert_eq(memcmp(outbox_ledger(outbox, ring), &line, sizeof(line)), 0, "round %u",
                         round);
        }
        pos = outbox_head(outbox);
        outbox_release(outbox, pos);
    }
    outbox_close(outbox);
}

/* Its creator may die at any moment: then it is not there, and may be made. */
Test(outbox, unfinished_is_none)
{
    struct outbox *outbox = NULL;
    uint64_t zero = 0;

    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), -ENOENT);
    fclose(fopen(file_path(), "we"));
    cr_assert(outbox_is_empty(kit_folder));
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), -ENOENT, "of size 0");
    outbox_close(create());
    kit_write_at(file_path(), 0, &zero, sizeof(zero));
    cr_assert(outbox_is_empty(kit_folder));
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), -ENOENT, "without magic");
    outbox_close(create());
    outbox_close(reopen(create()));
}

Test(outbox, empty_means_nothing_left_to_do)
{
    struct outbox *outbox = create();

    commit(outbox, 2, 10); /* even: its file is not open */
    cr_assert(!outbox_is_empty(kit_folder));
    outbox_release(outbox, outbox_head(outbox));
    cr_assert(outbox_is_empty(kit_folder));
    commit(outbox, 3, 10);
    outbox_release(outbox, outbox_head(outbox));
    cr_assert(!outbox_is_empty(kit_folder), "a file is still to be sealed");
    outbox_close(outbox);
}

Test(outbox, directory)
{
    struct outbox *outbox = create();
    char long_name[PATH_MAX + 1];

    memset(long_name, 'x', PATH_MAX);
    long_name[PATH_MAX] = 0;
    cr_assert_str_eq(outbox_directory(outbox), "");
    cr_assert_eq(outbox_set_directory(outbox, "/a/long/one"), 0);
    cr_assert_eq(outbox_set_directory(outbox, "/b"), 0);
    cr_assert_eq(outbox_set_directory(outbox, long_name), -ENAMETOOLONG);
    commit(outbox, 1, 100);
    cr_assert_eq(outbox_set_directory(outbox, "/c"), -EBUSY);
    outbox = reopen(outbox);
    cr_assert_str_eq(outbox_directory(outbox), "/b");
    outbox_close(outbox);
}

/* ---- Damage ---- */

Test(outbox, of_another_segment)
{
    const uint8_t other[16] = {9};
    struct outbox *outbox = NULL;

    outbox_close(create());
    cr_assert_eq(outbox_open(kit_folder, other, RINGS, &outbox), -EBADMSG);
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS + 1, &outbox), -EBADMSG);
    cr_assert_eq(truncate(file_path(), 8192), 0);
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), -EBADMSG);
    cr_assert_null(outbox);
}

Test(outbox, of_another_version)
{
    struct outbox *outbox = NULL;
    uint32_t version;
    FILE *f;

    outbox_close(create());
    f = fopen(file_path(), "re");
    cr_assert_not_null(f);
    cr_assert_eq(fseek(f, AT_VERSION, SEEK_SET), 0);
    cr_assert_eq(fread(&version, sizeof(version), 1, f), 1);
    fclose(f);
    version++;
    kit_write_at(file_path(), AT_VERSION, &version, sizeof(version));
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), -EBADMSG);
    version--;
    kit_write_at(file_path(), AT_VERSION, &version, sizeof(version));
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), 0);
    outbox_close(outbox);
}

/* What a tmpfs has no room for is found out now, not by a SIGBUS later. */
Test(outbox, too_small_a_filesystem)
{
    struct outbox *outbox = NULL;

    if (!kit_own_mounts() || mount("none", kit_folder, "tmpfs", 0, "size=512k") < 0)
        return;
    cr_assert_eq(outbox_create(kit_folder, uuid, RINGS, SIZE, &outbox), -ENOSPC);
    cr_assert_null(outbox);
    cr_assert_neq(access(file_path(), F_OK), 0, "left something");
    umount(kit_folder);
}

/* One flipped bit in an entry that waits: found when it is taken over. */
Test(outbox, flipped_bit)
{
    struct outbox *outbox = create();
    struct image image;

    commit(outbox, 1, 500);
    commit(outbox, 2, 500);
    outbox_close(outbox);
    image = save();
    for (size_t bit = 0; bit < 8 * (64 + 500); bit += 3) {
        const size_t at = image.size - SIZE + bit / 8;

        image.bytes[at] ^= (uint8_t)(1 << bit % 8);
        restore(&image);
        image.bytes[at] ^= (uint8_t)(1 << bit % 8);
        outbox = NULL;
        cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), -EBADMSG, "bit %zu", bit);
    }
    restore(&image);
    cr_assert_eq(outbox_open(kit_folder, uuid, RINGS, &outbox), 0);
    outbox_close(outbox);
    free(image.bytes);
}

/* Whatever is in the file: an error, or an outbox that can be walked and written to. */
Test(outbox, scribbles_do_not_crash)
{
    struct outbox *outbox = create();
    struct image clean;
    unsigned opened = 0, refused = 0;

    seed(40);
    for (uint64_t i = 1; i < 300; i++) {
        if (!outbox_has_room(outbox, 9000))
            outbox_release(outbox, outbox_head(outbox));
        commit(outbox, i, chance(9000));
    }
    outbox_close(outbox);
    clean = save();
    for (unsigned round = 0; round < 400; round++) {
        struct image image = {malloc(clean.size), clean.size};
        const size_t header = clean.size - SIZE;

        memcpy(image.bytes, clean.bytes, clean.size);
        for (uint64_t n = 1 + chance(4); n; n--) {
            /* mostly where it hurts: counters and stamps, now and then anywhere */
            const size_t at =
                chance(4) ? chance(3) ? chance(512) : chance(header) : chance(clean.size - 8);
            const uint64_t value = chance(3) ? chance(1 << 22) & ~UINT64_C(63) : chance(UINT64_MAX);

            memcpy(image.bytes + at, &value, chance(2) ? 8 : 1);
        }
        if (chance(10) == 0)
            image.size = chance(image.size);
        restore(&image);
        free(image.bytes);
        (void)outbox_is_empty(kit_folder);
        outbox = NULL;
        if (outbox_open(kit_folder, uuid, RINGS, &outbox) < 0) {
            cr_assert_null(outbox);
            refused++;
            continue;
        }
        opened++;
        for (uint32_t i = 0; i <= RINGS; i++)
            (void)outbox_ledger(outbox, i);
        if (outbox_has_room(outbox, 1000))
            commit(outbox, 5, 1000);
        outbox_close(outbox);
    }
    cr_assert(opened > 10 && refused > 10, "%u opened, %u refused", opened, refused);
    free(clean.bytes);
}

/* One that is to take this one's place: dropped, it leaves nothing; and it does take it. */
Test(outbox, next)
{
    struct outbox *outbox = create(), *next = NULL;
    const uint64_t size = 2 * SIZE;
    char path[128];

    snprintf(path, sizeof(path), "%s/outbox.next", kit_folder);
    commit(outbox, 1, 100);
    cr_assert_eq(outbox_create_next(outbox, kit_folder, size, &next), 0);
    cr_assert_eq(access(path, F_OK), 0);
    outbox_drop_next(next, kit_folder);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_neq(outbox_head(outbox), outbox_tail(outbox));
    cr_assert_eq(outbox_create_next(outbox, kit_folder, size, &next), 0);
    cr_assert_eq(outbox_replace(outbox, next, kit_folder), 0);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(outbox_size(outbox), size);
    cr_assert_eq(outbox_head(outbox), outbox_tail(outbox));
    outbox_close(reopen(outbox));
}

/* Kept for the next collector, also in an outbox that takes this one's place. */
Test(outbox, clock)
{
    const struct steady_clock clock = {.running = true,
                                       .offset_ns = -7,
                                       .step_ns = INT64_MAX,
                                       .stepped_at_ns = 5};
    struct outbox *outbox = create(), *next = NULL;
    struct steady_clock kept = {.offset_ns = 1};
    uint64_t dated = 2;

    cr_assert(!outbox_kept_clock(outbox, &kept, &dated));
    cr_assert_eq(kept.offset_ns, 1);
    cr_assert_eq(dated, 2);
    outbox_keep_clock(outbox, &clock, 44);
    outbox = reopen(outbox);
    cr_assert_eq(outbox_create_next(outbox, kit_folder, SIZE, &next), 0);
    cr_assert_eq(outbox_replace(outbox, next, kit_folder), 0);
    cr_assert(outbox_kept_clock(outbox, &kept, &dated));
    cr_assert(kept.running);
    cr_assert_eq(kept.offset_ns, clock.offset_ns);
    cr_assert_eq(kept.step_ns, clock.step_ns);
    cr_assert_eq(kept.stepped_at_ns, clock.stepped_at_ns);
    cr_assert_eq(dated, 44);
    outbox_close(outbox);
}
