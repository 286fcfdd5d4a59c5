/* SPDX-License-Identifier: MIT
 *
 * Who logged, where pids say little: after exec, after vfork and exec, when a pid comes round
 * again, in pid namespaces, and as another user. Every program has a producer id of its own;
 * foreign users are kept out.
 */
#include "tests/producer/segment_kit.h"

#include "shm/tables.h"

#include "producer/shmlog.h"

#include <errno.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT "identity"
#define WRITERS 4u

/* What was seen of each writer: the id and the table's entry. */
struct seen {
    uint32_t id[WRITERS];
    uint32_t records[WRITERS];
    struct shmlog_producer entry[WRITERS];
    struct segment_kit *segment;
};

static void see(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct seen *seen = arg;
    const uint32_t writer = segment_kit_u32(slots, SHMLOG_PAYLOAD_ARGS);

    (void)ring;
    KIT_COMPARE(writer, <, WRITERS);
    if (seen->records[writer]++)
        KIT_EQ(seen->id[writer], segment_kit_producer(slots));
    seen->id[writer] = segment_kit_producer(slots);
    KIT_OK(shm_producer_copy(seen->segment->segment, seen->id[writer], &seen->entry[writer]));
}

static void drain(struct segment_kit *segment, struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    seen->segment = segment;
    segment_kit_drain(segment, see, seen);
}

static void log_as(uint32_t writer)
{
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    shmlog_info(log, "writer %u", writer);
    /* not closed: as programs end that crash, or execute another */
}

static void wait_for(pid_t child)
{
    int status;

    KIT_EQ(waitpid(child, &status, 0), child);
    KIT_EQ(status, 0);
}

/* argv of this program once more, to log as a writer and, if it is told so, execute itself again.
 */
static const char **again(const char *first, const char *second)
{
    static const char *argv[5];

    argv[0] = "/proc/self/exe";
    argv[1] = "log";
    argv[2] = first;
    argv[3] = second;
    return argv;
}

static int log_and_exec(char **argv)
{
    log_as((uint32_t)atoi(argv[2]));
    if (argv[3])
        execv("/proc/self/exe", (char **)(uintptr_t)again(argv[3], NULL));
    return 0;
}

static void test_exec(struct segment_kit *segment)
{
    struct seen seen;
    pid_t child = fork();

    KIT_COMPARE(child, >=, 0);
    if (child == 0) {
        execv("/proc/self/exe", (char **)(uintptr_t)again("0", "1"));
        _exit(127);
    }
    wait_for(child);
    drain(segment, &seen);
    KIT_EQ(seen.records[0], 1);
    KIT_EQ(seen.records[1], 1);
    KIT_COMPARE(seen.id[0], !=, seen.id[1]);
    KIT_EQ(seen.entry[0].pid, child);
    KIT_EQ(seen.entry[1].pid, child);
    KIT_COMPARE(seen.entry[0].attachment, !=, seen.entry[1].attachment);
    KIT_EQ(shm_producer_alive(&seen.entry[0]), SHM_DEAD);
    KIT_EQ(shm_producer_alive(&seen.entry[1]), SHM_DEAD);
}

/* The child runs on its parent's memory up to exec, and must not disturb what the parent knows. */
static void test_vfork(struct segment_kit *segment)
{
    const char *const *argv = again("1", NULL);
    struct shmlog *log;
    struct seen seen;
    pid_t child;

    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    shmlog_info(log, "writer %u", 0u);
    child = vfork();
    if (child == 0) {
        execv("/proc/self/exe", (char **)(uintptr_t)argv);
        _exit(127);
    }
    KIT_COMPARE(child, >, 0);
    shmlog_info(log, "writer %u", 0u);
    wait_for(child);
    shmlog_info(log, "writer %u", 0u);
    drain(segment, &seen);
    KIT_EQ(seen.records[0], 3);
    KIT_EQ(seen.records[1], 1);
    KIT_COMPARE(seen.id[0], !=, seen.id[1]);
    KIT_EQ(seen.entry[0].pid, getpid());
    KIT_EQ(seen.entry[1].pid, child);
    KIT_EQ(shm_producer_alive(&seen.entry[0]), SHM_ALIVE);
    KIT_EQ(shm_producer_alive(&seen.entry[1]), SHM_DEAD);
    shmlog_close(log);
}

/* A process with a pid of our choice; -errno where that is not for us. */
static pid_t clone_with_pid(pid_t wanted)
{
    struct clone_args args = {.exit_signal = SIGCHLD,
                              .set_tid = (uint64_t)(uintptr_t)&wanted,
                              .set_tid_size = 1};
    const long r = syscall(SYS_clone3, &args, sizeof(args));

    return r < 0 ? -errno : (pid_t)r;
}

static bool past(void *arg)
{
    return kit_now_ns() > *(uint64_t *)arg;
}

static bool second_has_logged(void *arg)
{
    struct seen *const seen = arg;

    segment_kit_drain(seen->segment, see, seen);
    return seen->records[1] != 0;
}

static void test_pid_reuse(struct segment_kit *segment)
{
    uint64_t later;
    struct seen seen;
    int pipe_[2];
    char byte;
    pid_t first = fork(), second;

    KIT_COMPARE(first, >=, 0);
    if (first == 0) {
        log_as(0);
        _exit(0);
    }
    wait_for(first);
    later = kit_now_ns() + 30000000; /* start times count in hundredths of a second */
    KIT_CHECK(kit_wait(past, &later, 5));
    KIT_EQ(pipe(pipe_), 0);
    second = clone_with_pid(first);
    if (second == -EPERM || second == -ENOSYS || second == -EEXIST) {
        printf("left out: pid reuse: %s\n", strerror(-second));
        segment_kit_drain(segment, NULL, NULL);
        return;
    }
    KIT_COMPARE(second, >=, 0);
    if (second == 0) { /* no libc that asks for the pid: glibc does not know of this child */
        close(pipe_[1]);
        log_as(1);
        (void)!read(pipe_[0], &byte, 1); /* alive until the parent has looked */
        _exit(0);
    }
    close(pipe_[0]);
    KIT_EQ(second, first);
    memset(&seen, 0, sizeof(seen));
    seen.segment = segment;
    KIT_CHECK(kit_wait(second_has_logged, &seen, KIT_PATIENCE));
    KIT_EQ(seen.records[0], 1);
    KIT_EQ(seen.entry[0].pid, seen.entry[1].pid);
    KIT_COMPARE(seen.id[0], !=, seen.id[1]);
    KIT_COMPARE(seen.entry[0].start_time, <, seen.entry[1].start_time);
    KIT_EQ(shm_producer_alive(&seen.entry[0]), SHM_DEAD);
    KIT_EQ(shm_producer_alive(&seen.entry[1]), SHM_ALIVE);
    close(pipe_[1]);
    wait_for(second);
    KIT_EQ(shm_producer_alive(&seen.entry[1]), SHM_DEAD);
}

/* Child of a child, in a pid namespace of its own: pid 1 there. Exit status 77: not allowed. */
static void log_in_namespace(uint32_t writer)
{
    pid_t inner;
    int status;

    if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
        _exit(77);
    inner = fork();
    if (inner == 0) {
        log_as(writer);
        _exit(0);
    }
    _exit(inner > 0 && waitpid(inner, &status, 0) == inner && status == 0 ? 0 : 1);
}

static void test_namespaces(struct segment_kit *segment)
{
    struct seen seen;

    for (uint32_t i = 0; i < 2; i++) {
        pid_t child = fork();
        int status;

        KIT_COMPARE(child, >=, 0);
        if (child == 0)
            log_in_namespace(i);
        KIT_EQ(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            printf("left out: pid namespaces: not allowed here\n");
            return;
        }
        KIT_EQ(status, 0);
    }
    drain(segment, &seen);
    for (uint32_t i = 0; i < 2; i++) {
        KIT_EQ(seen.records[i], 1);
        KIT_EQ(seen.entry[i].pid, 1); /* as it sees itself */
        KIT_COMPARE(seen.entry[i].pid_ns, !=, shm_pid_ns());
        /* from here nobody can say; so its entry is kept */
        KIT_EQ(shm_producer_alive(&seen.entry[i]), SHM_UNKNOWN);
    }
    KIT_COMPARE(seen.id[0], !=, seen.id[1]);
}

/* ---- another user ---- */

#define STRANGER 65533u
#define GROUP 65532u

struct stranger {
    gid_t group;
};

static int attach_as(void *arg)
{
    const struct stranger *stranger = arg;
    struct shmlog *log;
    int r;

    KIT_EQ(setgroups(0, NULL), 0);
    KIT_EQ(setgid(stranger->group), 0);
    KIT_EQ(setuid(STRANGER), 0);
    r = shmlog_open(&log, SEGMENT, NULL);
    if (r < 0)
        return -r;
    shmlog_info(log, "writer %u", 3u);
    shmlog_close(log);
    return 0;
}

static int attach_status(gid_t group)
{
    struct stranger stranger = {group};
    struct kit_process process;

    kit_spawn_function(&process, "stranger", attach_as, &stranger);
    return kit_wait_exit(&process, KIT_PATIENCE);
}

static void give_to_group(const char *file, int mode)
{
    const char *path = kit_text("%s/" SEGMENT "%s%s", kit_shm_dir(), *file ? "/" : "", file);

    KIT_EQ(chown(path, (uid_t)-1, GROUP), 0);
    KIT_EQ(chmod(path, (mode_t)mode), 0);
}

static void test_users(struct segment_kit *segment)
{
    struct seen seen;
    struct stat st;

    KIT_EQ(stat(segment->segment->path, &st), 0);
    KIT_EQ(st.st_mode & 0777, 0750);
    if (geteuid() != 0) {
        printf("left out: another user: only root can be one\n");
        return;
    }
    KIT_EQ(chmod(kit_shm_dir(), 0755), 0);
    KIT_EQ(attach_status(STRANGER), EACCES);
    KIT_EQ(attach_status(GROUP), EACCES); /* as it was made: root's group alone */
    give_to_group("", 0750);
    give_to_group("control", 0660);
    for (uint32_t i = 0; i < segment->segment->geometry.rings; i++)
        give_to_group(kit_text("ring-%03u", i), 0660);
    KIT_EQ(attach_status(STRANGER), EACCES);
    KIT_EQ(attach_status(GROUP), 0);
    drain(segment, &seen);
    KIT_EQ(seen.records[3], 1);
}

int main(int argc, char **argv)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18, .spare_rings = 8};
    struct segment_kit segment;

    if (argc > 2 && strcmp(argv[1], "log") == 0)
        return log_and_exec(argv);
    kit_begin("exec_identity");
    segment_kit_open(&segment, SEGMENT, &params);
    test_exec(&segment);
    test_vfork(&segment);
    test_pid_reuse(&segment);
    test_namespaces(&segment);
    test_users(&segment);
    KIT_EQ(segment_kit_counted(&segment), 0);
    segment_kit_close(&segment);
    return 0;
}
