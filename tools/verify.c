/* SPDX-License-Identifier: MIT
 *
 * Proving that nothing is missing: when the files are read, the live segment, or else the last
 * seal, is asked how much there should be.
 */
#include "tools/verify.h"
#include "shm/ring_reader.h"
#include "tools/info.h"
#include "tools/target.h"
#include "tools/verify_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void close_by_ring(struct verify *verify, const struct shm_segment *segment,
                          struct account *account)
{
    const struct account_report report = {verify_account_problem, verify};
    struct account_ring ring = {0};
    const struct shmlog_ring *header;
    struct shm_ring_reader reader;
    uint64_t head;

    if (account->ring == VERIFY_NO_RING) {
        for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
            ring.lost[i] = shmlog_load_acquire_(&segment->control->lost[i]);
        account_close_live(account, &ring, &report);
        return;
    }
    if (account->ring >= segment->geometry.rings || !segment->rings[account->ring].header) {
        verify_account_problem(verify, account,
                               "the ring cannot be read any more, so it is not known how "
                               "much it produced");
        return;
    }
    header = segment->rings[account->ring].header;
    ring.newest = shm_ring_head_seq(segment, account->ring, account->next_seq, &head);
    ring.oldest = shmlog_load_acquire_(&header->tail_seq);
    if (segment->geometry.on_full == SHMLOG_ON_FULL_OVERWRITE) {
        shm_ring_reader_init_oldest(&reader, segment, account->ring);
        if (account->next_seq >= ring.oldest) /* else the collector has read further than that */
            ring.oldest = reader.seq;
    } else {
        ring.oldest = 0; /* what was read and is not in a file yet is in the collector's outbox */
    }
    if (ring.oldest > ring.newest + 1)
        ring.oldest = ring.newest + 1;
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        ring.lost[i] = shmlog_load_acquire_(&header->lost[i]);
    account_close_live(account, &ring, &report);
}

static void close_by_seal(struct verify *verify, const struct verify_last *last,
                          struct account *account)
{
    const struct account_report report = {verify_account_problem, verify};

    for (size_t i = 0; i < last->rings; i++)
        if (last->seal[i].ring == account->ring) {
            account_close_sealed(account, last->seal[i].produced, &report);
            return;
        }
    verify_account_problem(verify, account, "the last seal does not have this ring");
}

/* The account cannot be closed: what was found stands for what was produced. */
static void close_unproven(struct account *account)
{
    if (account->proven)
        return;
    account->dropped = account_lost(account);
    account->produced = account->written + account->dropped;
}

static struct shm_segment *open_live(const struct file_identity *identity)
{
    struct shm_segment *segment;

    if (!*identity->segment_path || shm_segment_open(identity->segment_path, false, &segment) < 0)
        return NULL;
    if (memcmp(segment->geometry.uuid, identity->segment_uuid, 16)) {
        shm_segment_close(segment);
        return NULL;
    }
    return segment;
}

static void close_accounts(struct verify *verify, const struct file_identity *identity,
                           const struct verify_last *last)
{
    const struct account_report report = {verify_account_problem, verify};
    struct shm_segment *segment = open_live(identity);

    if (!segment && !last->seal)
        verify_problem(verify,
                       "segment %s: the last file is not sealed and the segment is gone, so it is "
                       "not known how much was produced",
                       identity->segment);
    else if (!segment && verify->begun)
        verify_problem(
            verify,
            "segment %s: the segment is gone, so it is not known what was to go into the "
            "file that was only just begun",
            identity->segment);
    for (size_t i = 0; i < verify->accounts; i++) {
        struct account *account = &verify->account[i];

        if (!segment || !verify->growing) /* else it is in the collector's hands */
            account_end(account, &report);
        if (segment)
            close_by_ring(verify, segment, account);
        else if (last->seal)
            close_by_seal(verify, last, account);
        close_unproven(account);
    }
    shm_segment_close(segment);
}

/* ---- The table ---- */

static int compare_accounts(const void *a, const void *b)
{
    const struct account *one = a, *two = b;

    return one->ring < two->ring ? -1 : one->ring > two->ring;
}

static bool is_idle(const struct account *account)
{
    return !account->produced && !account->written && !account->dropped && !account->missing;
}

static void print_account(struct verify *verify, const struct account *account)
{
    char ring[16] = "-", cpu[16] = "-";
    bool any = false;

    if (account->ring != VERIFY_NO_RING)
        snprintf(ring, sizeof(ring), "%" PRIu32, account->ring);
    if (account->kind == SHMLOG_RING_CPU)
        snprintf(cpu, sizeof(cpu), "%" PRIu32, account->cpu);
    fprintf(verify->out, "%5s %5s %14" PRIu64 " %14" PRIu64 " %12" PRIu64 " %12" PRIu64, ring, cpu,
            account->produced, account->written, account->dropped, account->in_ring);
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        if (account->lost[i]) {
            fprintf(verify->out, "%s %" PRIu64 " %s", any ? "," : " ", account->lost[i],
                    info_cause(i));
            any = true;
        }
    if (account->dropped > account_lost(account))
        fprintf(verify->out, "%s %" PRIu64 " not yet in a gap record", any ? "," : " ",
                account->dropped - account_lost(account));
    fputc('\n', verify->out);
}

static void print_table(struct verify *verify, const struct file_identity *identity, size_t files)
{
    size_t idle = 0;
    uint64_t before = 0;

    fprintf(verify->out, "segment %s on %s: %zu file%s\n", identity->segment, identity->host, files,
            files == 1 ? "" : "s");
    fprintf(verify->out, "%5s %5s %14s %14s %12s %12s\n", "ring", "cpu", "produced", "written",
            "dropped", "in ring");
    qsort(verify->account, verify->accounts, sizeof(*verify->account), compare_accounts);
    for (size_t i = 0; i < verify->accounts; i++) {
        const struct account *account = &verify->account[i];

        before += account->before;
        verify->produced += account->produced;
        verify->written += account->written;
        verify->dropped += account->dropped;
        verify->in_ring += account->in_ring;
        if (is_idle(account))
            idle++;
        else
            print_account(verify, account);
    }
    if (idle)
        fprintf(verify->out, "%zu more rings, without a record\n", idle);
    if (before)
        fprintf(verify->out, "%" PRIu64 " of the records written are in files no longer here\n",
                before);
}

static int verify_segment(struct verify *verify, size_t first, size_t end)
{
    const struct file_identity *identity = &verify->set.file[end - 1].identity;
    struct verify_last last = {0};
    int r;

    verify->accounts = 0;
    verify->clock_seen = 0;
    r = verify_read_files(verify, first, end, &last);
    if (r == 0) {
        close_accounts(verify, identity, &last);
        if (verify->accounts)
            print_table(verify, identity, end - first);
        verify_print_times(verify, identity);
    }
    free(last.seal);
    return r;
}

static void refuse(void *arg, const char *path, int error)
{
    static const char part[] = ".part";
    struct verify *verify = arg;
    const size_t size = strlen(path), part_size = sizeof(part) - 1;

    if (error == -FILE_ERR_CUT && size > part_size && !strcmp(path + size - part_size, part)) {
        fprintf(verify->out, "note: %s: only just begun, its header is not whole\n", path);
        verify->begun++;
        return;
    }
    verify_problem(verify, "%s: %s", path, fileset_strerror(error));
}

int verify(const char *const *paths, size_t count, FILE *out, FILE *err, char *ret_message,
           size_t message_size)
{
    struct verify verify = {.out = out, .err = err};
    int r = fileset_open(paths, count, refuse, &verify, &verify.set);

    if (r == 0 && !verify.set.files) {
        snprintf(ret_message, message_size, "%s: no log files to verify", paths[0]);
        r = -ENOENT;
    } else if (r < 0) {
        snprintf(ret_message, message_size, "%s", strerror(-r));
    }
    for (size_t first = 0, end; r == 0 && first < verify.set.files; first = end) {
        end = fileset_segment_end(&verify.set, first);
        r = verify_segment(&verify, first, end);
        if (r < 0)
            snprintf(ret_message, message_size, "%s: %s", verify.set.file[first].path,
                     fileset_strerror(r));
    }
    if (r == 0) {
        fprintf(out,
                "produced=%" PRIu64 " written=%" PRIu64 " dropped=%" PRIu64 " in_ring=%" PRIu64
                "\n",
                verify.produced, verify.written, verify.dropped, verify.in_ring);
        r = verify.problems ? 1 : 0;
    }
    file_block_done(&verify.block);
    free(verify.account);
    fileset_done(&verify.set);
    return r;
}
