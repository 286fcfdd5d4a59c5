/* SPDX-License-Identifier: MIT
 *
 * The journal: see journal.h. Every piece is put together in `buffer` and committed as one entry of
 * the outbox; nothing of it exists before that commit, so a full outbox only means "later".
 */
#include "collector/breakdown.h"
#include "collector/journal_parts.h"

#include "logfile/block/record.h"
#include "shm/clock.h"
#include "shm/guard.h"
#include "shm/ring_reader.h"
#include "shm/stats.h"
#include "shm/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

uint64_t journal_realtime_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void copy_text(char *to, size_t size, const char *from)
{
    const size_t n = strnlen(from, size - 1);

    memcpy(to, from, n);
    memset(to + n, 0, size - n);
}

int journal_open(const struct journal_params *params, struct journal **ret_journal)
{
    const struct shmlog_control *const g = &params->segment->geometry;
    struct journal *const j = calloc(1, sizeof(*j));
    int r = -ENOMEM;

    if (!j)
        return -ENOMEM;
    j->p = *params;
    j->site_in_file = calloc(JOURNAL_SITE_WORDS, sizeof(uint64_t));
    j->producer_in_file = calloc(g->producers_max, sizeof(uint32_t));
    j->ledger = calloc(g->rings + 1, sizeof(*j->ledger));
    if (j->site_in_file && j->producer_in_file && j->ledger)
        r = file_encoder_open(&j->encoder, params->zstd_level);
    if (r == 0)
        r = file_index_open(&j->index);
    if (r < 0) {
        journal_close(j);
        return r;
    }
    j->file = *outbox_file(params->outbox);
    memcpy(j->identity.segment_uuid, g->uuid, 16);
    j->identity.clock_hz = g->clock_hz;
    j->identity.clock = g->clock;
    j->identity.on_full = g->on_full;
    j->identity.ring_slots = g->ring_slots;
    j->identity.file_number = j->file.number;
    j->identity.created_ns = j->file.created_ns;
    memcpy(j->identity.file_uuid, j->file.uuid, 16);
    gethostname(j->identity.host, sizeof(j->identity.host) - 1);
    copy_text(j->identity.segment, sizeof(j->identity.segment), params->segment_name);
    copy_text(j->identity.segment_path, sizeof(j->identity.segment_path), params->segment->path);
    *ret_journal = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    file_encoder_close(j->encoder);
    file_index_close(j->index);
    file_buffer_done(&j->buffer);
    file_sites_done(&j->sites);
    free(j->site_in_file);
    free(j->producer_in_file);
    free(j->ledger);
    free(j);
}

bool journal_is_open(const struct journal *j)
{
    return j->file.open;
}

/* Full: by size, or because the index would no longer fit into the outbox. */
static bool is_full(const struct journal *j)
{
    return j->pieces * INDEX_ENTRY > outbox_max(j->p.outbox) / 2 ||
           (j->p.rotate_bytes && j->file.offset >= j->p.rotate_bytes);
}

bool journal_due(const struct journal *j, uint64_t now_realtime_ns)
{
    if (!j->file.open || !j->has_records)
        return false;
    return is_full(j) || (j->p.rotate_ns && now_realtime_ns - j->file.created_ns >= j->p.rotate_ns);
}

/* The ledger as committed, with what the rings say was produced. */
struct file_ledger_entry *journal_ledger(struct journal *j)
{
    const struct shm_segment *const segment = j->p.segment;
    const uint32_t rings = segment->geometry.rings;

    for (uint32_t i = 0; i <= rings; i++) {
        struct file_ledger_entry *const line = &j->ledger[i];
        const uint64_t *lost = segment->control->lost;

        *line = *outbox_ledger(j->p.outbox, i);
        if (i == rings) {
            line->ring = UINT32_MAX;
            line->node = line->node_wanted = -1;
            line->produced = 0;
            if (shm_guard_lost(&segment->control_lost)) /* nothing more can be said of it */
                lost = line->lost;
        } else {
            const struct shm_ring *const ring = &segment->rings[i];

            line->ring = i;
            line->cpu = ring->entry.cpu;
            line->kind = ring->entry.kind;
            line->page_kib = ring->entry.page_kib;
            line->node = ring->entry.node;
            line->node_wanted = ring->entry.node_wanted;
            if (!ring->header) { /* refused: nothing more can be said of it */
                line->produced = line->next_seq - 1;
                for (uint32_t cause = 0; cause < SHMLOG_LOST_BY_WRITERS; cause++)
                    line->produced += line->lost[cause];
                continue;
            }
            line->produced = shm_ring_head_seq(segment, i, line->next_seq, &(uint64_t){0});
            lost = ring->header->lost;
        }
        for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
            line->produced += shmlog_load_relaxed_(&lost[cause]);
    }
    return j->ledger;
}

/* Commit what is in the buffer as one entry of the file. */
static int commit(struct journal *j, uint32_t kind, uint32_t ring,
                  const struct file_ledger_entry *line)
{
    struct outbox_entry entry = {
        .kind = kind,
        .size = j->buffer.size,
        .file_number = j->file.number,
        .file_created_ns = j->file.created_ns,
        .file_offset = j->file.offset,
        .records = line ? line->written - outbox_ledger(j->p.outbox, ring)->written : 0,
    };
    struct outbox_file file = j->file;
    int r;

    if (!outbox_has_room(j->p.outbox, j->buffer.size)) {
        j->p.stats[SHM_STAT_outbox_waits]++;
        return -EAGAIN;
    }
    file.offset += j->buffer.size;
    if (kind == OUTBOX_ENTRY_SEAL) {
        file.open = 0;
    } else {
        r = file_index_add(j->index, j->file.offset, j->buffer.data, j->buffer.size);
        if (r < 0)
            return r;
    }
    outbox_commit(j->p.outbox, &entry, j->buffer.data, ring, line, &file);
    j->file = file;
    j->pieces++;
    return 0;
}

void journal_forget_dictionary(struct journal *j)
{
    memset(j->site_in_file, 0, JOURNAL_SITE_WORDS * sizeof(uint64_t));
    memset(j->producer_in_file, 0, j->p.segment->geometry.producers_max * sizeof(uint32_t));
    memset(j->pair_in_file, 0, sizeof(j->pair_in_file));
    j->clock_looked = 0;
    j->last_site = 0;
    j->last_producer = 0;
}

/* ---- The clock ---- */

const struct shmlog_clock_pair *journal_clock(struct journal *j, uint64_t first, uint64_t last,
                                              size_t *ret_begin, size_t *ret_end)
{
    const uint64_t count = shmlog_load_relaxed_(&j->p.segment->control->clock_count);

    /* without its control file, the segment's last word holds */
    if (count != j->clock_count && !shm_guard_lost(&j->p.segment->control_lost)) {
        j->clock_count = count;
        j->pairs = shm_clock_read(j->p.segment, j->pair, SHM_CLOCK_PAIRS);
    }
    shm_clock_needed(j->pair, j->pairs, j->identity.clock_hz, first, last, ret_begin, ret_end);
    return j->pair;
}

/* Those of a range that the file has not, into the buffer. */
static int put_pairs(struct journal *j, size_t begin, size_t end)
{
    int r = 0;

    for (size_t i = begin; r == 0 && i < end; i++) {
        const struct shmlog_clock_pair *const pair = &j->pair[i];
        uint64_t *const in_file = &j->pair_in_file[(pair->seq / 2 - 1) % SHM_CLOCK_PAIRS];

        if (*in_file == pair->seq)
            continue;
        r = file_put_clock(j->encoder, j->file.uuid, pair, &j->buffer);
        *in_file = pair->seq;
    }
    return r;
}

/* The pairs around the moments when the clock was set, for --verify to find. */
static int put_steps(struct journal *j)
{
    int64_t by_ns;
    int r = 0;

    for (size_t i = j->pairs; r == 0 && i-- > 1 && j->pair[i].ticks > j->clock_looked;)
        if (shm_clock_between(&j->pair[i - 1], &j->pair[i], j->identity.clock_hz, &by_ns) ==
            SHM_CLOCK_SET)
            r = put_pairs(j, i - 1, i + 1);
    if (r == 0 && j->pairs)
        j->clock_looked = j->pair[j->pairs - 1].ticks;
    return r;
}

/* The pairs that records with times from `first` to `last` need, as far as the file has them not.
 */
static int put_clock(struct journal *j, uint64_t first, uint64_t last)
{
    size_t begin, end;
    int r;

    (void)journal_clock(j, first, last, &begin, &end);
    r = put_steps(j);
    return r < 0 ? r : put_pairs(j, begin, end);
}

/* 16 bytes that no other file has. A disk that fails is no time to end for want of random numbers:
 * where there are none, they are of the segment, the file's number, the time and the process. */
static void put_uuid(const struct journal *j, struct outbox_file *file)
{
    const struct {
        uint64_t number, created_ns, pid;
    } of = {.number = file->number, .created_ns = file->created_ns, .pid = (uint64_t)getpid()};
    XXH128_hash_t hash;

    if (getrandom(file->uuid, 16, GRND_NONBLOCK) == 16)
        return;
    hash = XXH3_128bits_withSeed(&of, sizeof(of), XXH64(j->identity.segment_uuid, 16, 0));
    memcpy(file->uuid, &hash, 16);
}

void journal_new_file(const struct journal *j, uint64_t number, struct outbox_file *ret_file,
                      struct file_identity *ret_identity)
{
    struct outbox_file file = {.number = number, .created_ns = journal_realtime_ns(), .open = 1};

    put_uuid(j, &file);
    *ret_identity = j->identity;
    ret_identity->file_number = file.number;
    ret_identity->created_ns = file.created_ns;
    memcpy(ret_identity->file_uuid, file.uuid, 16);
    *ret_file = file;
}

int journal_begin(struct journal *j)
{
    const uint32_t rings = j->p.segment->geometry.rings;
    const struct outbox_file before = j->file;
    int r;

    if (j->file.open)
        return 0;
    journal_new_file(j, (before.number > j->p.newest_file ? before.number : j->p.newest_file) + 1,
                     &j->file, &j->identity);
    j->buffer.size = 0;
    file_index_clear(j->index);
    journal_forget_dictionary(j);
    r = file_put_header(j->encoder, &j->identity, journal_ledger(j), rings + 1, &j->buffer);
    if (r == 0)
        r = put_clock(j, UINT64_MAX, UINT64_MAX);
    if (r == 0)
        r = commit(j, OUTBOX_ENTRY_DATA, 0, NULL);
    if (r < 0) {
        j->file = before;
        return r;
    }
    j->has_records = false;
    j->pieces = 1;
    j->p.stats[SHM_STAT_files]++;
    j->p.stats[SHM_STAT_file_number] = j->file.number;
    return 0;
}

int journal_site(struct journal *j, uint32_t id, const struct file_site **ret_site)
{
    const struct file_site *site = file_sites_get(&j->sites, id);
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size;
    int r = 0;

    if (!site && shm_site_copy(j->p.segment, id, bytes, &size) == 0) {
        r = file_sites_put(&j->sites, id, bytes, size);
        site = file_sites_get(&j->sites, id);
    }
    if (r < 0 && r != -EBADMSG)
        return r;
    *ret_site = r < 0 ? NULL : site;
    return 0;
}

/* Put a site into the file, if it is one: damaged records may carry any number, also one that will
 * be a site's later. */
static int put_site(struct journal *j, uint32_t id)
{
    const struct file_site *site;
    int r;

    if (j->site_in_file[id / 64] & UINT64_C(1) << id % 64)
        return 0;
    r = journal_site(j, id, &site);
    if (r < 0 || !site)
        return r;
    r = file_put_site(j->encoder, j->file.uuid, id, site->bytes, site->size, &j->buffer);
    if (r == 0)
        j->site_in_file[id / 64] |= UINT64_C(1) << id % 64;
    return r;
}

static int put_producer(struct journal *j, uint32_t id)
{
    const uint32_t index = (id & 0xffff) - 1;
    struct shmlog_producer producer;
    int r;

    if (!id || index >= j->p.segment->geometry.producers_max || j->producer_in_file[index] == id ||
        shm_producer_copy(j->p.segment, id, &producer) < 0)
        return 0;
    r = file_put_producer(j->encoder, j->file.uuid, &producer, &j->buffer);
    if (r == 0)
        j->producer_in_file[index] = id;
    return r;
}

static uint64_t time_of(const struct shmlog_slot *slot)
{
    uint64_t time;

    memcpy(&time, slot->payload + SHMLOG_PAYLOAD_TIME, sizeof(time));
    return time;
}

/* Out with the entries in the buffer if there are many. */
static int spill(struct journal *j)
{
    int r;

    if (j->buffer.size <= DICTIONARY_MAX)
        return 0;
    r = commit(j, OUTBOX_ENTRY_DATA, 0, NULL);
    j->buffer.size = 0;
    return r;
}

/* Dictionary entries for one more pair of site and producer. */
static int put_entries(struct journal *j, uint32_t site, uint32_t producer)
{
    int r = put_site(j, site);

    if (r == 0)
        r = put_producer(j, producer);
    if (r == 0)
        r = spill(j);
    if (r == 0) {
        j->last_site = site;
        j->last_producer = producer;
    }
    return r;
}

/* Dictionary entries for what the batch mentions and the file has not. Many of them, as at the
 * beginning of a file, go ahead of the block, so that an entry of the outbox stays small. They are
 * marked as being in the file at once; on failure the marks are taken back. */
static int put_dictionary(struct journal *j, const struct journal_batch *batch)
{
    uint64_t first = UINT64_MAX, last = 0;
    int r;

    for (size_t i = 0; i < batch->slot_count;) {
        const uint32_t word = batch->slots[i].site;
        const uint32_t site = word & SHMLOG_SITE_ID_MASK;
        const uint32_t slots = word >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;
        const uint32_t producer = record_producer(&batch->slots[i]);

        if (site != j->last_site || producer != j->last_producer) {
            r = put_entries(j, site, producer);
            if (r < 0)
                return r;
        }
        do { /* one like the one before it, mostly */
            const uint64_t time = time_of(&batch->slots[i]);

            first = time < first ? time : first;
            last = time > last ? time : last;
            i += slots ? slots : 1;
        } while (i < batch->slot_count && batch->slots[i].site == word &&
                 record_producer(&batch->slots[i]) == producer);
    }
    r = put_clock(j, first, last);
    return r < 0 ? r : spill(j);
}

/* A file to put the next piece into: this one, or a new one if it is full. */
static int make_ready(struct journal *j)
{
    if (j->file.open && j->has_records && is_full(j)) {
        const int r = journal_seal(j);

        if (r < 0)
            return r;
    }
    return journal_begin(j);
}

int journal_block(struct journal *j, const struct journal_batch *batch,
                  const struct file_ledger_entry *line)
{
    struct file_block_params params = {
        .ring = batch->ring,
        .first_seq = batch->first_seq,
        .first_pos = batch->first_pos,
        .slots = batch->slots,
        .slot_count = batch->slot_count,
        .records = batch->records,
        .sites = &j->sites,
    };
    int r = make_ready(j);

    if (r < 0)
        return r;
    if (!outbox_has_room(j->p.outbox, batch->slot_count * SHMLOG_SLOT_SIZE + JOURNAL_ROOM)) {
        j->p.stats[SHM_STAT_outbox_waits]++;
        return -EAGAIN; /* before the work of encoding it */
    }
    j->buffer.size = 0;
    memcpy(params.file_uuid, j->file.uuid, 16);
    r = put_dictionary(j, batch);
    if (r == 0)
        r = file_put_block(j->encoder, &params, &j->buffer, NULL);
    if (r == 0)
        r = commit(j, OUTBOX_ENTRY_DATA, batch->ring, line);
    if (r < 0) {
        journal_forget_dictionary(j); /* entries twice in a file do no harm, missing ones would */
        return r;
    }
    j->has_records = true;
    j->p.stats[SHM_STAT_blocks]++;
    j->p.stats[SHM_STAT_records] += batch->records;
    j->p.stats[SHM_STAT_slot_bytes] += batch->slot_count * SHMLOG_SLOT_SIZE;
    if (j->p.breakdown)
        breakdown_add(j->p.breakdown, j->p.segment, &j->sites, batch->slots, batch->slot_count);
    return 0;
}

int journal_gap(struct journal *j, struct file_gap *gap, const struct file_ledger_entry *line)
{
    int r = make_ready(j);

    if (r < 0)
        return r;
    j->buffer.size = 0;
    memcpy(gap->file_uuid, j->file.uuid, 16);
    r = file_put_gap(j->encoder, gap, &j->buffer);
    if (r == 0)
        r = commit(j, OUTBOX_ENTRY_DATA,
                   gap->ring == UINT32_MAX ? j->p.segment->geometry.rings : gap->ring, line);
    if (r < 0)
        return r;
    j->has_records = true;
    j->p.stats[SHM_STAT_gaps]++;
    j->p.stats[SHM_STAT_dropped] += gap->count;
    return 0;
}

static int put_seal(struct journal *j, const struct file_index *index)
{
    j->buffer.size = 0;
    return file_put_seal(j->encoder, &j->identity, journal_ledger(j),
                         j->p.segment->geometry.rings + 1, index, j->file.offset, false,
                         journal_realtime_ns(), &j->buffer);
}

int journal_seal(struct journal *j)
{
    int r;

    if (!j->file.open)
        return 0;
    /* the last word on the clock: an entry of its own, for the index */
    j->buffer.size = 0;
    r = put_clock(j, UINT64_MAX, UINT64_MAX);
    if (r == 0 && j->buffer.size)
        r = commit(j, OUTBOX_ENTRY_DATA, 0, NULL);
    if (r < 0) {
        journal_forget_dictionary(j);
        return r;
    }
    r = put_seal(j, j->index);
    if (r == 0 && j->buffer.size > outbox_max(j->p.outbox)) /* readers do without an index */
        r = put_seal(j, NULL);
    if (r == 0)
        r = commit(j, OUTBOX_ENTRY_SEAL, 0, NULL);
    return r;
}
