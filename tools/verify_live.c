/* SPDX-License-Identifier: MIT
 *
 * The live segment in --verify: what its collector had taken from the rings, and what of that was
 * still on its way, in the outbox, before the files were listed; and how much was produced, after
 * they were read.
 *
 * A record moves from the ring to the outbox and from there to a file, and is never in none of
 * them. So what the collector had taken before the listing, and is neither in the files then read
 * nor was in the outbox, is missing. What it took since then is on its way, too.
 */
#include "logfile/read/outbox_reader.h"
#include "shm/directory.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"
#include "tools/verify_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
    struct account_range *range;
    size_t ranges, room;
};

struct verify_live {
    struct shm_segment *segment;
    uint64_t *taken;         /* for each ring; see struct account_ring */
    struct waiting *waiting; /* for each ring */
    int error;               /* of reading the outbox: what waits in it is not known */
    bool failed;             /* no memory for that */
};

static void live_close(struct verify_live *live)
{
    if (!live)
        return;
    for (uint32_t i = 0; live->waiting && i < live->segment->geometry.rings; i++)
        free(live->waiting[i].range);
    free(live->waiting);
    free(live->taken);
    shm_segment_close(live->segment);
    free(live);
}

static void add_waiting(void *arg, const struct file_piece *piece)
{
    struct verify_live *const live = arg;
    const bool block = piece->kind == FILE_PIECE_BLOCK;
    const uint32_t ring = block ? piece->block.ring : piece->gap.ring;
    struct waiting *waiting;

    if (ring >= live->segment->geometry.rings || (!block && !account_takes_seq(piece->gap.cause)))
        return;
    waiting = &live->waiting[ring];
    if (waiting->ranges == waiting->room) {
        const size_t room = waiting->room ? 2 * waiting->room : 16;
        struct account_range *const grown =
            reallocarray(waiting->range, room, sizeof(*waiting->range));

        if (!grown) {
            live->failed = true;
            return;
        }
        waiting->range = grown;
        waiting->room = room;
    }
    waiting->range[waiting->ranges++] =
        block ? (struct account_range){.first = piece->block.first_seq,
                                       .end = piece->block.first_seq + piece->block.records}
              : (struct account_range){.first = piece->gap.seq - piece->gap.count,
                                       .end = piece->gap.seq,
                                       .lost = true};
}

static int read_outbox(struct verify_live *live)
{
    char path[PATH_MAX + 16];
    int r;

    snprintf(path, sizeof(path), "%s/" SHM_OUTBOX_FILE, live->segment->path);
    r = file_outbox_read(path, live->segment->geometry.uuid, add_waiting, live);
    if (r == -ENOMEM || live->failed)
        return -ENOMEM;
    live->error = r == -ENOENT ? 0 : r; /* no collector has made one yet: none took a record */
    return 0;
}

static int live_ask(struct verify_live *live)
{
    const struct shm_segment *const segment = live->segment;
    const uint32_t rings = segment->geometry.rings;

    live->taken = calloc(rings, sizeof(*live->taken));
    live->waiting = calloc(rings, sizeof(*live->waiting));
    if (!live->taken || !live->waiting)
        return -ENOMEM;
    for (uint32_t i = 0; i < rings; i++)
        if (segment->rings[i].header) /* pairs with the collector's release */
            live->taken[i] = shmlog_load_acquire_(&segment->rings[i].header->tail_seq);
    return read_outbox(live);
}

/* 1: it is there; 0: it is gone. */
static int live_open(const struct file_identity *identity, struct verify_live **ret_live)
{
    struct verify_live *live;
    int r;

    if (!*identity->segment_path)
        return 0;
    live = calloc(1, sizeof(*live));
    if (!live)
        return -ENOMEM;
    r = shm_segment_open(identity->segment_path, false, &live->segment);
    if (r == 0 && memcmp(live->segment->geometry.uuid, identity->segment_uuid, 16) != 0)
        r = -ENOENT;
    if (r < 0) {
        if (live->segment)
            shm_segment_close(live->segment);
        free(live);
        return r == -ENOMEM ? r : 0;
    }
    r = live_ask(live);
    if (r < 0) {
        live_close(live);
        return r;
    }
    *ret_live = live;
    return 1;
}

int verify_ask_segments(struct verify *verify)
{
    const struct fileset *const set = &verify->set;

    for (size_t first = 0, end; first < set->files; first = end) {
        struct verify_live *live = NULL, **grown;
        int r;

        end = fileset_segment_end(set, first);
        r = live_open(&set->file[end - 1].identity, &live);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        grown = reallocarray(verify->live, verify->lives + 1, sizeof(struct verify_live *));
        if (!grown) {
            live_close(live);
            return -ENOMEM;
        }
        verify->live = grown;
        verify->live[verify->lives++] = live;
    }
    return 0;
}

void verify_forget_segments(struct verify *verify)
{
    for (size_t i = 0; i < verify->lives; i++)
        live_close(verify->live[i]);
    free(verify->live);
    verify->live = NULL;
    verify->lives = 0;
}

const struct verify_live *verify_find_live(const struct verify *verify,
                                           const struct file_identity *identity)
{
    for (size_t i = 0; i < verify->lives; i++)
        if (memcmp(verify->live[i]->segment->geometry.uuid, identity->segment_uuid, 16) == 0)
            return verify->live[i];
    return NULL;
}

bool verify_live_shares_none(const struct verify_live *live, uint32_t id)
{
    struct shmlog_producer producer;

    return shm_producer_copy(live->segment, id, &producer) == 0 &&
           (producer.claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_LIVE && !producer.ring &&
           !producer.why;
}

/* What is on its way to a file cannot be told apart from what is missing. */
static void report_unknown(struct verify *verify, const struct verify_live *live,
                           const struct account *account)
{
    const uint64_t taken = live->taken[account->ring];

    if (account->next_seq >= taken)
        return;
    if (live->error == -EACCES)
        fprintf(
            verify->out,
            "note: ring %" PRIu32 ": records %" PRIu64 " to %" PRIu64
            " are in no file; whether they are on their way, only the collector's user may see\n",
            account->ring, account->next_seq, taken - 1);
    else
        verify_account_problem(verify, account,
                               "records %" PRIu64 " to %" PRIu64
                               " are in no file, and the collector's outbox cannot be read: %s",
                               account->next_seq, taken - 1, fileset_strerror(live->error));
}

void verify_close_live(struct verify *verify, const struct verify_live *live,
                       struct account *account)
{
    const struct account_report report = {verify_account_problem, verify};
    const struct shm_segment *const segment = live->segment;
    struct account_ring ring = {0};
    const struct shmlog_ring *header;
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
    ring.taken = shmlog_load_acquire_(&header->tail_seq);
    if (segment->geometry.on_full == SHMLOG_ON_FULL_OVERWRITE) {
        struct shm_ring_reader reader;

        shm_ring_reader_init_oldest(&reader, segment, account->ring);
        ring.oldest = reader.seq;
    }
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        ring.lost[i] = shmlog_load_acquire_(&header->lost[i]);
    if (live->error) {
        report_unknown(verify, live, account);
    } else {
        ring.taken_before = live->taken[account->ring];
        ring.waiting = live->waiting[account->ring].range;
        ring.waits = live->waiting[account->ring].ranges;
    }
    account_close_live(account, &ring, &report);
}
