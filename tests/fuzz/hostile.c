/* SPDX-License-Identifier: MIT
 *
 * A segment to scribble on: see hostile.h.
 */
#include "tests/fuzz/hostile.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#define POLICIES 3u

static struct hostile hostiles[POLICIES];
static char folder[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void make_folder(void)
{
    if (*folder)
        return;
    snprintf(folder, sizeof(folder), "%s/shmlog-test-%ld-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    FUZZ_CHECK(mkdtemp(folder));
    atexit(remove_folder);
}

static void *memory_of(const struct hostile *h, unsigned i, size_t *ret_size)
{
    if (i == 0) {
        *ret_size = h->segment->map_size;
        return h->segment->control;
    }
    *ret_size = h->segment->rings[i - 1].map_size;
    return h->segment->rings[i - 1].header;
}

static void make(struct hostile *h, uint32_t on_full)
{
    static const uint32_t cpu = 0;
    const struct shm_params params = {
        .name = "fuzz",
        .cpus = &cpu,
        .cpu_count = 1,
        .spare_rings = HOSTILE_RINGS - 1,
        .ring_bytes = SHMLOG_RING_SLOTS_MIN * SHMLOG_SLOT_SIZE,
        .on_full = on_full,
        .wait_ns = 1000,
        .page_kib = 4,
        .sites_max = 16,
        .producers_max = 4,
        .group = -1,
    };
    char path[128], message[256];

    make_folder();
    snprintf(path, sizeof(path), "%s/segment-%u", folder, on_full);
    if (shm_segment_create(path, &params, NULL, &h->segment, message, sizeof(message)) < 0) {
        fprintf(stderr, "%s\n", message);
        abort();
    }
    for (unsigned i = 0; i <= HOSTILE_RINGS; i++) {
        size_t size;
        void *memory = memory_of(h, i, &size);

        h->pristine[i] = fuzz_copy(memory, size);
    }
}

/* The files have their sizes again, whatever a script did. */
static void mend_sizes(const struct hostile *h)
{
    for (unsigned i = 0; i <= HOSTILE_RINGS; i++) {
        char path[PATH_MAX + 32];
        size_t size;

        memory_of(h, i, &size);
        if (i == 0)
            snprintf(path, sizeof(path), "%s/control", h->segment->path);
        else
            snprintf(path, sizeof(path), "%s/ring-%03u", h->segment->path, i - 1);
        FUZZ_CHECK(truncate(path, (off_t)size) == 0);
    }
}

struct hostile *hostile_get(uint32_t on_full)
{
    struct hostile *h = &hostiles[on_full - 1];

    if (!h->segment)
        make(h, on_full);
    mend_sizes(h);
    for (unsigned i = 0; i <= HOSTILE_RINGS; i++) {
        size_t size;
        void *memory = memory_of(h, i, &size);

        memcpy(memory, h->pristine[i], size);
    }
    for (unsigned i = 0; i < HOSTILE_RINGS; i++) {
        h->put_pos[i] = 0;
        h->put_seq[i] = 1;
    }
    return h;
}

/* ---- Steps ---- */

static void store_word(void *memory, uint64_t at, uint64_t value, unsigned width)
{
    typedef uint64_t __attribute__((may_alias)) word64;
    typedef uint32_t __attribute__((may_alias)) word32;

    if (width == 8)
        __atomic_store_n((word64 *)((uint8_t *)memory + (at & ~UINT64_C(7))), value,
                         __ATOMIC_RELEASE);
    else
        __atomic_store_n((word32 *)((uint8_t *)memory + (at & ~UINT64_C(3))), (uint32_t)value,
                         __ATOMIC_RELEASE);
}

static void any_word(struct hostile *h, struct fuzz_in *in, unsigned which)
{
    unsigned width = which & 4 ? 8 : 4;
    uint64_t at = fuzz_take(in, 2) * 4;
    size_t size;
    void *memory = memory_of(h, which % (1 + HOSTILE_RINGS), &size);

    store_word(memory, at % size, fuzz_take(in, width), width);
}

/* A word of the headers, where most of what counts is. */
static void header_word(struct hostile *h, struct fuzz_in *in, unsigned which)
{
    static const uint16_t of_ring[] = {
        offsetof(struct shmlog_ring, head),     offsetof(struct shmlog_ring, limit),
        offsetof(struct shmlog_ring, doorbell), offsetof(struct shmlog_ring, tail),
        offsetof(struct shmlog_ring, tail_seq), offsetof(struct shmlog_ring, lost),
        offsetof(struct shmlog_ring, owner),    offsetof(struct shmlog_ring, gave_up_tail)};
    struct shmlog_ring *ring = h->segment->rings[which % HOSTILE_RINGS].header;
    unsigned choice = (unsigned)fuzz_take(in, 1);
    uint64_t value = fuzz_take(in, choice & 8 ? 8 : 2);

    if (choice & 16) /* near where it was */
        value = shmlog_load_relaxed_((uint64_t *)((uint8_t *)ring + of_ring[choice % 8])) +
                (uint64_t)(int64_t)(int16_t)value;
    store_word(ring, of_ring[choice % 8], value, 8);
}

static void put_records(struct hostile *h, struct fuzz_in *in, unsigned which)
{
    unsigned index = which % HOSTILE_RINGS;
    struct shm_ring *ring = &h->segment->rings[index];
    unsigned choice = (unsigned)fuzz_take(in, 1), count = 1 + choice % 64;
    uint32_t slots = choice & 64 ? 1 + (uint32_t)fuzz_take(in, 1) % SHMLOG_RECORD_SLOTS : 1;
    uint32_t site = (uint32_t)fuzz_take(in, 1) % 18;
    uint32_t producer = (uint32_t)fuzz_take(in, 1);
    uint64_t words[2] = {fuzz_take(in, 8), fuzz_take(in, 8)};

    for (unsigned n = 0; n < count; n++) {
        for (uint32_t s = 0; s < slots; s++) {
            struct shmlog_slot *slot =
                &ring->slots[(h->put_pos[index] + s) & h->segment->slot_mask];

            slot->seq = (uint32_t)h->put_seq[index];
            slot->site = site | (s ? 0 : slots << SHMLOG_SITE_SLOTS_SHIFT);
            words[1] += words[0];
            memcpy(slot->payload, words, sizeof(words));
            memcpy(slot->payload + SHMLOG_PAYLOAD_ARGS, words, sizeof(words));
            if (!s)
                memcpy(slot->payload + SHMLOG_PAYLOAD_PRODUCER, &producer, 4);
        }
        h->put_pos[index] += slots;
        h->put_seq[index]++;
    }
    shmlog_store_release_(&ring->header->head, h->put_pos[index]);
    if (which & 4)
        shmlog_store_release_(&ring->header->doorbell, h->put_pos[index]);
}

static void put_slot(struct hostile *h, struct fuzz_in *in, unsigned which)
{
    unsigned index = which % HOSTILE_RINGS;
    uint64_t pos = h->put_pos[index] - 1 - fuzz_take(in, 1);
    struct shmlog_slot *slot = &h->segment->rings[index].slots[pos & h->segment->slot_mask];

    if (which & 4)
        slot->seq += (uint32_t)(int32_t)(int8_t)fuzz_take(in, 1);
    else
        slot->site = (uint32_t)fuzz_take(in, 4);
}

/* A site with the right hash: from the script, or one with two arguments and the script's types and
 * format. */
static void put_site(struct hostile *h, struct fuzz_in *in, unsigned which)
{
    struct shmlog_control *g = &h->segment->geometry;
    uint32_t id = 1 + (uint32_t)fuzz_take(in, 1) % 15;
    uint8_t bytes[256] = {0};
    struct shmlog_site head = {.args = 1, .level = 2};
    struct shmlog_site_arg arg = {.offset = SHMLOG_PAYLOAD_ARGS};
    size_t size = sizeof(head) + sizeof(arg);
    uint64_t at = 256 * id;
    unsigned kind;

    kind = (unsigned)fuzz_take(in, 1);
    head.kind = (uint8_t)(1 + kind % 2);
    head.flags = kind & 128 ? SHMLOG_SITE_FLAG_TEXT : 0;
    arg.type = (uint8_t)fuzz_take(in, 1);
    arg.size = arg.type >= SHMLOG_TYPE_STRING || arg.type == SHMLOG_TYPE_F32 ? 4 : 1;
    while (size < 200 && fuzz_left(in) && (bytes[size] = (uint8_t)fuzz_take(in, 1)))
        size++;
    size += 5; /* file, function, category and name, or text, are empty */
    head.size = (uint16_t)(which & 2 ? fuzz_take(in, 2) : size);
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), &arg, sizeof(arg));
    if (at + sizeof(bytes) > g->arena_size)
        return;
    memcpy(shm_arena(h->segment) + at, bytes, sizeof(bytes));
    shmlog_store_release_(&shm_site_words(h->segment)[id],
                          (uint64_t)shmlog_site_hash_(bytes, size) << 32 | at / 8);
}

static void put_producer(struct hostile *h, struct fuzz_in *in)
{
    uint32_t index = (uint32_t)fuzz_take(in, 1) % 4;
    struct shmlog_producer *producer = &shm_producers(h->segment)[index];

    producer->id = (uint32_t)fuzz_take(in, 1) << 16 | (index + 1);
    producer->pid = (uint32_t)fuzz_take(in, 1);
    producer->tid = (uint32_t)fuzz_take(in, 1);
    producer->ring = (uint32_t)fuzz_take(in, 1);
    producer->pid_ns = fuzz_take(in, 1);
    for (unsigned i = 0; i < sizeof(producer->process); i++)
        producer->process[i] = (char)fuzz_take(in, 1);
    shmlog_store_release_(&producer->claim, fuzz_take(in, 8));
    __atomic_store_n(&h->segment->control->producers_used, (uint32_t)fuzz_take(in, 1),
                     __ATOMIC_RELEASE);
}

void hostile_resize(struct hostile *h, struct fuzz_in *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1);
    char path[PATH_MAX + 32];

    if (which % 3 == 0)
        snprintf(path, sizeof(path), "%s/control", h->segment->path);
    else
        snprintf(path, sizeof(path), "%s/ring-%03u", h->segment->path, which % 3 - 1);
    FUZZ_CHECK(truncate(path, (off_t)fuzz_take(in, 3)) == 0);
}

void hostile_step(struct hostile *h, struct fuzz_in *in)
{
    unsigned operation = (unsigned)fuzz_take(in, 1), which = operation >> 4;

    switch (operation & 15) {
    case 0:
        any_word(h, in, which);
        break;
    case 1:
    case 2:
        header_word(h, in, which);
        break;
    case 3: /* of the control file's header */
        store_word(h->segment->control, (fuzz_take(in, 1) * 8) % 1024, fuzz_take(in, 8), 8);
        break;
    case 4:
    case 5:
        put_slot(h, in, which);
        break;
    case 6:
        put_site(h, in, which);
        break;
    case 7:
        put_producer(h, in);
        break;
    default:
        put_records(h, in, which);
    }
}
