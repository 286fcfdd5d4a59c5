/* SPDX-License-Identifier: MIT
 *
 * Proving that nothing is missing: when the files are read, the live segment, or else the last
 * seal, is asked how much there should be.
 */
#include "tools/verify.h"
#include "tools/info.h"
#include "reader/text.h"
#include "tools/verify_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIST_TURNS 8
#define NEWER_TURNS 16

struct paths {
    const char *const *path;
    size_t count;
};

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

static void close_accounts(struct verify *verify, const struct file_identity *identity,
                           const struct verify_last *last)
{
    const struct account_report report = {verify_account_problem, verify};
    const struct verify_live *const live = verify_find_live(verify, identity);

    if (!live && !last->seal)
        verify_problem(verify,
                       "segment %s: the last file is not sealed and the segment is gone, so it is "
                       "not known how much was produced",
                       identity->segment);
    else if (!live && verify->begun)
        verify_problem(
            verify,
            "segment %s: the segment is gone, so it is not known what was to go into the "
            "file that was only just begun",
            identity->segment);
    for (size_t i = 0; i < verify->accounts; i++) {
        struct account *account = &verify->account[i];

        if (!live) /* else it may be in the collector's hands */
            account_end(account, &report);
        if (live)
            verify_close_live(verify, live, account);
        else if (last->seal)
            close_by_seal(verify, last, account);
        close_unproven(account);
    }
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
                    shm_losses_name(i));
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

    text_say(verify->out, "segment %s on %s: %zu file%s", identity->segment, identity->host, files,
             text_plural(files));
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
        if (!is_idle(account))
            print_account(verify, account);
        else if (account->ring != VERIFY_NO_RING) /* the segment's own line is no ring */
            idle++;
    }
    if (idle)
        fprintf(verify->out, "%zu more ring%s, without a record\n", idle, text_plural(idle));
    if (before)
        fprintf(verify->out, "%" PRIu64 " of the records written are in files no longer here\n",
                before);
}

static void refuse_nothing(void *arg, const char *path, int error)
{
}

/* Does a file of a live segment seem to be missing between two others? */
static bool has_hole(const struct verify *verify)
{
    for (size_t i = 1; i < verify->set.files; i++) {
        const struct file_identity *const one = &verify->set.file[i - 1].identity;
        const struct file_identity *const two = &verify->set.file[i].identity;

        if (memcmp(one->segment_uuid, two->segment_uuid, 16) == 0 &&
            two->file_number - one->file_number > 1 && verify_find_live(verify, two))
            return true;
    }
    return false;
}

/* Files of a listing that cannot be read. */
struct refused {
    struct refused *next;
    int error;
    char path[];
};

struct refusals {
    struct refused *first;
    bool failed; /* no memory for one */
};

static void keep_refused(void *arg, const char *path, int error)
{
    struct refusals *refusals = arg;
    struct refused **at = &refusals->first, *refused;

    while (*at)
        at = &(*at)->next;
    refused = calloc(1, sizeof(*refused) + strlen(path) + 1);
    refusals->failed |= !refused;
    if (!refused)
        return;
    refused->error = error;
    strcpy(refused->path, path);
    *at = refused;
}

static void forget_refused(struct refusals *refusals)
{
    while (refusals->first) {
        struct refused *const next = refusals->first->next;

        free(refusals->first);
        refusals->first = next;
    }
}

/* A file that is renamed while the directory is read may be seen under neither name: it is by a
 * later look, when newer files are of no interest. Of those that were removed meanwhile, some may
 * have been seen. */
static int fill_holes(struct verify *verify, const struct paths *paths)
{
    int r = 0;

    for (unsigned turn = 0; r == 0 && turn < LIST_TURNS && has_hole(verify); turn++) {
        struct fileset later;

        r = fileset_open(paths->path, paths->count, refuse_nothing, NULL, &later);
        if (r < 0)
            break;
        r = fileset_fill(&verify->set, &later);
        fileset_done(&later);
        fileset_forget_removed(&verify->set);
    }
    return r;
}

/* List the files as verify->set; with `refusals`, note those that cannot be read. All that were
 * listed may have been removed before they were looked at: then once more. */
static int list_whole(struct verify *verify, const struct paths *paths, struct refusals *refusals)
{
    int r = 0;

    for (unsigned turn = 0; r == 0 && turn < LIST_TURNS && !verify->set.files; turn++) {
        if (refusals)
            forget_refused(refusals);
        fileset_done(&verify->set);
        r = fileset_open(paths->path, paths->count, refusals ? keep_refused : refuse_nothing,
                         refusals, &verify->set);
        if (r == 0)
            r = fill_holes(verify, paths);
    }
    if (r < 0)
        fileset_done(&verify->set);
    return r;
}

/* Retention has removed all files that were left to read: go on with those that came since. */
static int read_newer_files(struct verify *verify, const struct paths *paths,
                            const struct file_identity *identity, struct verify_last *last)
{
    const struct fileset before = verify->set;
    uint64_t number = identity->file_number;
    int r = 0;

    for (unsigned turn = 0; r == 0 && verify->skipped && turn < NEWER_TURNS; turn++) {
        size_t first = 0, end;

        verify->set = (struct fileset){0};
        r = list_whole(verify, paths, NULL);
        if (r < 0)
            break;
        while (first < verify->set.files &&
               (memcmp(verify->set.file[first].identity.segment_uuid, identity->segment_uuid, 16) !=
                    0 ||
                verify->set.file[first].identity.file_number <= number))
            first++;
        if (first < verify->set.files) {
            end = fileset_segment_end(&verify->set, first);
            number = verify->set.file[end - 1].identity.file_number;
            r = verify_read_files(verify, first, end, last);
        }
        fileset_done(&verify->set);
    }
    verify->set = before;
    return r;
}

static int verify_segment(struct verify *verify, const struct paths *paths, size_t first,
                          size_t end)
{
    const struct file_identity *identity = &verify->set.file[end - 1].identity;
    struct verify_last last = {0};
    int r;

    verify->accounts = 0;
    verify->clock_seen = verify->clock_first = 0;
    verify->skipped = false;
    verify->removed = 0;
    r = verify_read_files(verify, first, end, &last);
    if (r == 0)
        r = read_newer_files(verify, paths, identity, &last);
    if (r == 0) {
        close_accounts(verify, identity, &last);
        if (verify->accounts)
            print_table(verify, identity, end - first);
        if (verify->removed)
            fprintf(verify->out, "note: retention removed %" PRIu64 " file%s read\n",
                    verify->removed,
                    verify->removed == 1 ? " before it was" : "s before they were");
        verify_print_times(verify, identity);
        verify_print_origins(verify, identity);
    }
    free(last.seal);
    return r;
}

static void report_refused(struct verify *verify, const struct refused *refused)
{
    static const char part[] = ".part";

    for (; refused; refused = refused->next) {
        const size_t size = strlen(refused->path), part_size = sizeof(part) - 1;

        if (refused->error == -FILE_ERR_CUT && size > part_size &&
            !strcmp(refused->path + size - part_size, part)) {
            text_say(verify->out, "note: %s: only just begun, its header is not whole",
                     refused->path);
            verify->begun++;
        } else {
            verify_problem(verify, "%s: %s", refused->path, fileset_strerror(refused->error));
        }
    }
}

/* List the files. A collector moves records from rings to its outbox and on to files, and rotates:
 * whoever asks in this order sees each record somewhere. */
static int list_files(struct verify *verify, const struct paths *paths)
{
    struct refusals refusals = {0};
    int r = list_whole(verify, paths, NULL);

    if (r == 0)
        r = verify_ask_segments(verify);
    fileset_done(&verify->set);
    if (r == 0)
        r = list_whole(verify, paths, &refusals);
    report_refused(verify, refusals.first);
    forget_refused(&refusals);
    return r == 0 && refusals.failed ? -ENOMEM : r;
}

int verify(const char *const *path, size_t count, FILE *out, FILE *err, char *ret_message,
           size_t message_size)
{
    const struct paths paths = {path, count};
    struct verify verify = {.out = out, .err = err};
    int r = list_files(&verify, &paths);

    if (r == 0 && !verify.set.files) {
        snprintf(ret_message, message_size,
                 "%s: no log files to verify; a collector's --output directory has them", path[0]);
        r = -ENOENT;
    } else if (r < 0) {
        snprintf(ret_message, message_size, "%s", strerror(-r));
    }
    for (size_t first = 0, end; r == 0 && first < verify.set.files; first = end) {
        end = fileset_segment_end(&verify.set, first);
        r = verify_segment(&verify, &paths, first, end);
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
    verify_forget_segments(&verify);
    file_block_done(&verify.block);
    free(verify.account);
    fileset_done(&verify.set);
    return r;
}
