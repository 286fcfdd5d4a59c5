/* SPDX-License-Identifier: MIT
 *
 * Writeback against a store that does as it is told: fails, writes short, completes out of order.
 * What it writes goes into real files, so that in the end they can be compared with what was
 * committed.
 */
#ifndef TESTS_UNIT_WRITEBACK_KIT_H
#define TESTS_UNIT_WRITEBACK_KIT_H

#include "collector/writeback.h"
#include "tests/unit/segment_kit.h"

#include <errno.h>
#include <fcntl.h>

#define MS UINT64_C(1000000)
#define CREATED UINT64_C(1700000000000000000)
#define RECORDS 10u /* of each piece of data */

/* ---- The store ---- */

struct request {
    int fd;
    const uint8_t *data; /* NULL: a sync */
    size_t size;
    uint64_t offset, token;
};

struct fake {
    struct store store;
    struct request request[STORE_DEPTH];
    unsigned requests;
    unsigned writes, syncs;
    /* what it is told */
    size_t short_by_half; /* so many writes write half of it */
    int write_error;      /* until it is 0 again */
    int sync_error;
    bool last_first; /* completes the newest request first */
    bool hold;       /* completes nothing */
    bool hold_syncs; /* completes no sync */
};

static struct fake fake;

static int fake_put(const struct request *request)
{
    if (fake.requests == STORE_DEPTH)
        return -EAGAIN;
    fake.request[fake.requests++] = *request;
    return 0;
}

static int fake_write(struct store *store, int fd, const void *data, size_t size, uint64_t offset,
                      uint64_t token)
{
    (void)store;
    fake.writes++;
    return fake_put(&(struct request){fd, data, size, offset, token});
}

static int fake_sync(struct store *store, int fd, uint64_t token)
{
    (void)store;
    fake.syncs++;
    return fake_put(&(struct request){.fd = fd, .token = token});
}

static int result_of(const struct request *request)
{
    size_t size = request->size;

    if (!request->data)
        return fake.sync_error;
    if (fake.write_error)
        return fake.write_error;
    if (fake.short_by_half && size > 1) {
        fake.short_by_half--;
        size /= 2;
    }
    return (int)pwrite(request->fd, request->data, size, (off_t)request->offset);
}

static int fake_poll(struct store *store, bool wait, struct store_done *ret_done)
{
    unsigned i = fake.last_first && fake.requests ? fake.requests - 1 : 0;

    (void)store;
    (void)wait;
    while (fake.hold_syncs && i < fake.requests && !fake.request[i].data)
        i++;
    if (i >= fake.requests || fake.hold)
        return 0;
    *ret_done = (struct store_done){fake.request[i].token, result_of(&fake.request[i])};
    memmove(&fake.request[i], &fake.request[i + 1],
            (--fake.requests - i) * sizeof(fake.request[0]));
    return 1;
}

static void fake_close(struct store *store)
{
    (void)store;
}

static const struct store_operations fake_operations = {
    .name = "fake",
    .write = fake_write,
    .sync = fake_sync,
    .poll = fake_poll,
    .close = fake_close,
};

/* ---- The rest ---- */

static struct outbox *outbox;
static struct writeback *writeback;
static struct writeback_params params;
static uint64_t stats[64];
static uint64_t now;
static char out[128];
static unsigned said;
static char last_said[512];
static uint64_t offset_of[100]; /* of each file: bytes committed */

static void say(unsigned level, const char *line)
{
    (void)level;
    said++;
    snprintf(last_said, sizeof(last_said), "%s", line);
    fprintf(stderr, "%s\n", line);
}

static void begin(bool durable)
{
    const uint8_t uuid[16] = {1};

    kit_open();
    snprintf(out, sizeof(out), "%s/out", kit_folder);
    cr_assert_eq(mkdir(out, 0700), 0);
    cr_assert_eq(outbox_create(kit_folder, uuid, 1, OUTBOX_SIZE_MIN, &outbox), 0);
    fake.store.operations = &fake_operations;
    params = (struct writeback_params){
        .outbox = outbox,
        .store = &fake.store,
        .directory = out,
        .segment = "t",
        .durable = durable,
        .say = say,
        .stats = stats,
    };
    cr_assert_eq(writeback_open(&params, &writeback), 0);
}

__attribute__((unused)) static void begin_plainly(void)
{
    begin(false);
}

__attribute__((unused)) static void begin_durably(void)
{
    begin(true);
}

__attribute__((unused)) static void end(void)
{
    writeback_close(writeback);
    outbox_close(outbox);
    kit_close();
}

static uint8_t byte_at(uint64_t number, uint64_t offset)
{
    return (uint8_t)(number * 91 + offset * 13 + offset / 256);
}

static void commit(uint64_t number, size_t size, uint32_t kind)
{
    static uint8_t bytes[65536];
    const struct outbox_entry entry = {.kind = kind,
                                       .size = size,
                                       .file_number = number,
                                       .file_created_ns = CREATED,
                                       .file_offset = offset_of[number],
                                       .records = kind == OUTBOX_ENTRY_DATA ? RECORDS : 0};
    const struct outbox_file file = {.number = number};

    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(number, offset_of[number] + i);
    cr_assert(outbox_has_room(outbox, size));
    outbox_commit(outbox, &entry, bytes, 0, NULL, &file);
    offset_of[number] += size;
}

__attribute__((unused)) static void put(uint64_t number, size_t size)
{
    commit(number, size, OUTBOX_ENTRY_DATA);
}

__attribute__((unused)) static void seal(uint64_t number)
{
    commit(number, 100, OUTBOX_ENTRY_SEAL);
}

__attribute__((unused)) static int work(void)
{
    now += MS;
    return writeback_work(writeback, now);
}

/* Until it is all written; the time goes on by a millisecond each round. */
__attribute__((unused)) static void work_all(void)
{
    for (unsigned i = 0; !writeback_idle(writeback); i++) {
        cr_assert_lt(i, 20000, "it never gets done");
        cr_assert_geq(work(), 0);
    }
}

__attribute__((unused)) static const char *path_of(uint64_t number, bool part)
{
    static char path[PATH_MAX];

    cr_assert_eq(writeback_path(out, "t", number, CREATED, part, path, sizeof(path)), 0);
    return path;
}

__attribute__((unused)) static bool exists(uint64_t number, bool part)
{
    return access(path_of(number, part), F_OK) == 0;
}

/* The file is whole, byte for byte. */
__attribute__((unused)) static void check_file(uint64_t number, bool part)
{
    FILE *const f = fopen(path_of(number, part), "re");
    uint64_t size = 0;
    int c;

    cr_assert_not_null(f, "%s", path_of(number, part));
    for (; (c = fgetc(f)) != EOF; size++)
        cr_assert_eq(c, byte_at(number, size), "file %llu at %llu", (unsigned long long)number,
                     (unsigned long long)size);
    cr_assert_eq(size, offset_of[number]);
    fclose(f);
}

#endif
