/* SPDX-License-Identifier: MIT
 *
 * Sites and producers read from a segment that may hold anything.
 */
#include "tests/unit/segment_kit.h"

#include "shm/tables.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* What is out stays where it is. */
_Static_assert(offsetof(struct shmlog_ring, head) == 128, "");
_Static_assert(offsetof(struct shmlog_ring, limit_severe) == 152, "");
_Static_assert(offsetof(struct shmlog_ring, doorbell) == 256, "");
_Static_assert(offsetof(struct shmlog_ring, tail) == 384, "");
_Static_assert(offsetof(struct shmlog_ring, lost) == 512, "");
_Static_assert(offsetof(struct shmlog_ring, waiting) == 1792, "");
_Static_assert(offsetof(struct shmlog_control, name) == 192, "");
_Static_assert(offsetof(struct shmlog_control, level) == 256, "");
_Static_assert(offsetof(struct shmlog_control, generation) == 264, "");
_Static_assert(offsetof(struct shmlog_control, arena_used) == 384, "");
_Static_assert(offsetof(struct shmlog_control, lost) == 512, "");
_Static_assert(offsetof(struct shmlog_control, collector_pid) == 640, "");
_Static_assert(offsetof(struct shmlog_control, stats) == 768, "");
_Static_assert(offsetof(struct shmlog_control, skipped) == 1344, "");
_Static_assert(offsetof(struct shmlog_control, rule) == 1408, "");
_Static_assert(sizeof(struct shmlog_rule) == 168, "");
_Static_assert(sizeof(struct shmlog_site) == 16, "");
_Static_assert(sizeof(struct shmlog_site_arg) == 8, "");
_Static_assert(offsetof(struct shmlog_producer, why) == 96, "");
_Static_assert(offsetof(struct shmlog_producer, rings_missing) == 100, "");

static struct shm_segment *s;

static void open_tables(void)
{
    struct shm_params params = kit_params();

    kit_open();
    s = kit_create(&params);
}

static void close_tables(void)
{
    shm_segment_close(s);
    kit_close();
}

TestSuite(tables, .init = open_tables, .fini = close_tables, .timeout = 120);

static void put_site(uint32_t id, uint32_t offset, uint16_t size)
{
    uint8_t bytes[SHMLOG_SITE_MAX] = {0};
    struct shmlog_site head = {.size = size, .kind = SHMLOG_SITE_PRINTF, .line = id};

    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, &head, sizeof(head));
    memcpy(shm_arena(s) + offset, bytes, size);
    shm_site_words(s)[id] = (uint64_t)shmlog_site_hash_(bytes, size) << 32 | offset / 8;
}

Test(tables, sites)
{
    uint8_t site[SHMLOG_SITE_MAX];
    size_t size = 0;
    uint32_t end = (uint32_t)s->geometry.arena_size;

    cr_assert_eq(shm_site_copy(s, 0, site, &size), -ENOENT);
    cr_assert_eq(shm_site_copy(s, 3, site, &size), -ENOENT);
    cr_assert_eq(shm_site_copy(s, s->geometry.sites_max, site, &size), -ENOENT);
    cr_assert_eq(shm_site_copy(s, UINT32_MAX, site, &size), -ENOENT);
    put_site(3, 64, 100);
    cr_assert_eq(shm_site_copy(s, 3, site, &size), 0);
    cr_assert_eq(size, 100);
    cr_assert_eq(memcmp(site, shm_arena(s) + 64, 100), 0);
    put_site(4, end - SHMLOG_SITE_MAX, SHMLOG_SITE_MAX);
    cr_assert_eq(shm_site_copy(s, 4, site, &size), 0);
    cr_assert_eq(size, SHMLOG_SITE_MAX);
    put_site(5, end - 16, 16);
    cr_assert_eq(shm_site_copy(s, 5, site, &size), 0);
}

/* Those that records of older programs bring along stand in no table: one for each level. */
Test(tables, sites_brought_along)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    struct shmlog_site site;
    size_t size;

    for (uint32_t level = 0; level <= SHMLOG_CRITICAL; level++) {
        cr_assert_eq(shm_site_copy(s, SHMLOG_SITE_INLINE + level, bytes, &size), 0);
        memcpy(&site, bytes, sizeof(site));
        cr_assert_eq(site.size, size);
        cr_assert_eq(site.level, level);
        cr_assert_eq(site.flags, SHMLOG_SITE_FLAG_INLINE);
        cr_assert_eq(site.args, 2);
    }
    for (uint32_t id = SHMLOG_SITE_INLINE + SHMLOG_OFF; id <= SHMLOG_SITE_ID_MASK; id++)
        cr_assert_eq(shm_site_copy(s, id, bytes, &size), -ENOENT);
}

/* The text of a call becomes names; the hash is of the bytes that lie there. */
Test(tables, site_with_text)
{
    static const char strings[] = "format\0file\0function\0category\0o->id";
    static const char names[] = "format\0file\0function\0category\0id\0o->id";
    const size_t at = sizeof(struct shmlog_site) + sizeof(struct shmlog_site_arg);
    struct shmlog_site head = {.size = (uint16_t)(at + sizeof(strings)),
                               .kind = SHMLOG_SITE_PRINTF,
                               .flags = SHMLOG_SITE_FLAG_TEXT,
                               .args = 1};
    uint8_t *const bytes = shm_arena(s) + 64, site[SHMLOG_SITE_MAX];
    size_t size;

    memset(bytes, 0, at);
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + at, strings, sizeof(strings));
    shm_site_words(s)[3] = (uint64_t)shmlog_site_hash_(bytes, head.size) << 32 | 64 / 8;
    cr_assert_eq(shm_site_copy(s, 3, site, &size), 0);
    cr_assert_eq(size, at + sizeof(names));
    cr_assert_eq(memcmp(site + at, names, sizeof(names)), 0);
    memcpy(&head, site, sizeof(head));
    cr_assert_eq(head.size, size);
    cr_assert_eq(head.flags, SHMLOG_SITE_FLAG_EXPRESSIONS);
    bytes[at + sizeof(strings) - 2] ^= 1;
    cr_assert_eq(shm_site_copy(s, 3, site, &size), -EBADMSG, "another text");
}

Test(tables, damaged_sites)
{
    uint8_t site[SHMLOG_SITE_MAX] = {7};
    size_t size = 1234;
    uint32_t end = (uint32_t)s->geometry.arena_size;
    uint16_t wrong[] = {0, 15, 2049, 65535};

    put_site(3, 64, 100);
    shm_arena(s)[64 + 50] ^= 1;
    cr_assert_eq(shm_site_copy(s, 3, site, &size), -EBADMSG, "another content");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(shm_arena(s) + 64, &wrong[i], 2);
        cr_assert_eq(shm_site_copy(s, 3, site, &size), -EBADMSG, "size %u", wrong[i]);
    }
    shm_site_words(s)[4] = UINT64_C(1) << 32 | (end - 8) / 8;
    cr_assert_eq(shm_site_copy(s, 4, site, &size), -EBADMSG, "its head is past the end");
    shm_site_words(s)[4] = UINT64_MAX;
    cr_assert_eq(shm_site_copy(s, 4, site, &size), -EBADMSG);
    cr_assert_geq(s->geometry.file_size - s->geometry.arena_offset, end + 48, "no room to try");
    put_site(5, end - 16, 64);
    cr_assert_eq(shm_site_copy(s, 5, site, &size), -EBADMSG, "sound, but past the end");
    cr_assert_eq(site[0], 7, "untouched on failure");
    cr_assert_eq(size, 1234);
}

static struct shmlog_producer self(void)
{
    struct shmlog_producer p = {
        .claim = (uint64_t)gettid() << 32 | SHMLOG_PRODUCER_LIVE,
        .id = 1u << 16 | 6,
        .pid = (uint32_t)getpid(),
        .tid = (uint32_t)gettid(),
        .start_time = shm_thread_start((uint32_t)getpid(), (uint32_t)gettid()),
        .pid_ns = shm_pid_ns(),
    };

    return p;
}

Test(tables, producers)
{
    struct shmlog_producer copy = {.pid = 1}, p = self();

    cr_assert_eq(shm_producer_copy(s, p.id, &copy), -ENOENT);
    cr_assert_eq(copy.pid, 1, "untouched on failure");
    shm_producers(s)[5] = p;
    cr_assert_eq(shm_producer_copy(s, p.id, &copy), 0);
    cr_assert_eq(memcmp(&copy, &p, sizeof(p)), 0);
    cr_assert_eq(shm_producer_copy(s, 2u << 16 | 6, &copy), -ENOENT, "another use of the entry");
    cr_assert_eq(shm_producer_copy(s, 0, &copy), -ENOENT);
    cr_assert_eq(shm_producer_copy(s, UINT32_MAX, &copy), -ENOENT);
    cr_assert_eq(shm_producer_copy(s, 1u << 16 | 65, &copy), -ENOENT, "past the table");
    cr_assert_eq(shm_producer_at(s, 5, &copy), 0);
    cr_assert_eq(shm_producer_at(s, 4, &copy), 0);
    cr_assert_eq(copy.claim, 0);
    cr_assert_eq(shm_producer_at(s, 64, &copy), -EINVAL);
    shm_producers(s)[5].claim = (p.claim & ~UINT64_C(0xffffffff)) | SHMLOG_PRODUCER_FILLING;
    cr_assert_eq(shm_producer_copy(s, p.id, &copy), -ENOENT, "not filled in yet");
    s->control->producers_used = 9;
    cr_assert_eq(shm_producers_used(s), 9);
    s->control->producers_used = UINT32_MAX;
    cr_assert_eq(shm_producers_used(s), 64);
}

Test(tables, alive)
{
    struct shmlog_producer p = self();

    cr_assert_neq(p.start_time, 0);
    cr_assert_eq(shm_producer_alive(&p), SHM_ALIVE);
    p.start_time++;
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD, "the tid is another's by now");
    p.start_time = 0;
    cr_assert_eq(shm_producer_alive(&p), SHM_ALIVE, "start time unknown");
    p.pid_ns++;
    cr_assert_eq(shm_producer_alive(&p), SHM_UNKNOWN);
    p.pid_ns = 0;
    cr_assert_eq(shm_producer_alive(&p), SHM_UNKNOWN);
    p = self();
    p.pid = p.tid = 0x7ffffff0;
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
    p.pid = p.tid = UINT32_MAX;
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
    p.pid = p.tid = 0;
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
    cr_assert_eq(shm_thread_start(0x7ffffff0, 0x7ffffff0), 0);
}

static void *tell_and_end(void *arg)
{
    *(struct shmlog_producer *)arg = self();
    return NULL;
}

Test(tables, a_thread_that_ended_is_dead)
{
    struct shmlog_producer p;
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, tell_and_end, &p), 0);
    pthread_join(thread, NULL);
    cr_assert_neq(p.tid, p.pid);
    while (shm_producer_alive(&p) == SHM_ALIVE) /* joined is a moment before gone */
        usleep(1000);
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
}

/* A child that stands by until it is killed, or the test ends before. */
static pid_t fork_paused(void)
{
    const pid_t parent = getpid();
    const pid_t child = fork();

    cr_assert_geq(child, 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        _exit(1);
    }
    return child;
}

Test(tables, a_zombie_is_dead)
{
    struct shmlog_producer p = self();
    pid_t child = fork_paused();

    p.pid = p.tid = (uint32_t)child;
    p.start_time = shm_thread_start(p.pid, p.tid);
    cr_assert_eq(shm_producer_alive(&p), SHM_ALIVE);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
}

/* Of an entry not yet filled in, the claim has to tell. */
Test(tables, who_died_registering_is_dead)
{
    struct shmlog_producer p = {0};
    pid_t child = fork_paused();

    p.claim = SHMLOG_PRODUCER_FILLING_CLAIM((uint32_t)child, shm_pid_ns());
    cr_assert_eq(shm_producer_alive(&p), SHM_ALIVE);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_eq(shm_producer_alive(&p), SHM_DEAD);
    p.claim = SHMLOG_PRODUCER_FILLING_CLAIM((uint32_t)child, shm_pid_ns() + 1);
    cr_assert_eq(shm_producer_alive(&p), SHM_UNKNOWN, "of another namespace");
    p.claim = SHMLOG_PRODUCER_FILLING_CLAIM((uint32_t)child, 0);
    cr_assert_eq(shm_producer_alive(&p), SHM_UNKNOWN, "of an unknown namespace");
}

Test(tables, in_use)
{
    struct shmlog_producer p = self();

    cr_assert_not(shm_segment_in_use(s));
    shm_producers(s)[5] = p;
    cr_assert_not(shm_segment_in_use(s), "beyond what was ever used");
    s->control->producers_used = 6;
    cr_assert(shm_segment_in_use(s));
    shm_producers(s)[5].claim = (p.claim & ~UINT64_C(0xffffffff)) | SHMLOG_PRODUCER_DETACHED;
    cr_assert_not(shm_segment_in_use(s));
    shm_producers(s)[5].claim = p.claim;
    shm_producers(s)[5].pid_ns++;
    cr_assert(shm_segment_in_use(s), "of another namespace: perhaps alive");
    shm_producers(s)[5].claim = UINT64_C(0x7ffffff0) << 32 | SHMLOG_PRODUCER_FILLING;
    cr_assert_not(shm_segment_in_use(s), "died while registering");
}
