/* SPDX-License-Identifier: MIT
 *
 * Reading and reckoning; see ledger.h.
 */
#include "tests/death/ledger.h"

#include "collector/census.h"
#include "shm/tables.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

static struct ledger *the_ledger;

/* The census asks the outbox how far each ring is in files; here, how far it was read. */
const struct file_ledger_entry *outbox_ledger(const struct outbox *outbox, uint32_t ring)
{
    static struct file_ledger_entry entry;

    (void)outbox;
    entry.next_pos = the_ledger->kit.reader[ring].pos;
    return &entry;
}

void ledger_open(struct ledger *l, const char *name, const struct segment_kit_params *params)
{
    memset(l, 0, sizeof(*l));
    segment_kit_open(&l->kit, name, params);
    KIT_EQ(l->kit.segment->geometry.ring_slots, RING_SLOTS);
    KIT_OK(census_open(l->kit.segment, NULL, &l->census));
    l->page =
        mmap(NULL, sizeof(*l->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(l->page != MAP_FAILED);
    the_ledger = l;
}

void ledger_close(struct ledger *l)
{
    census_close(l->census);
    munmap(l->page, sizeof(*l->page));
    segment_kit_close(&l->kit);
}

/* ---- Records ---- */

/* The payload of a record, in one piece. */
static void payload_of(const struct shmlog_slot *slots, uint8_t *ret_payload)
{
    const uint32_t count = slots->site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;

    for (uint32_t i = 0; i < count; i++)
        memcpy(ret_payload + (size_t)i * SHMLOG_SLOT_PAYLOAD, slots[i].payload,
               SHMLOG_SLOT_PAYLOAD);
}

/* Number and kind of a record; fails the test unless it is whole. */
static enum kind kind_of(const struct shmlog_slot *slots, uint64_t *ret_number)
{
    uint8_t payload[SHMLOG_RECORD_PAYLOAD] = {0};
    char text[LONG_TEXT + 1];
    uint64_t number, check;
    uint32_t length = 0, at = 32, copies;

    payload_of(slots, payload);
    memcpy(&number, payload + 16, sizeof(number));
    memcpy(&check, payload + 24, sizeof(check));
    check ^= CHECK_OF(number, 0);
    if (check >= KINDS)
        KIT_FAIL("a torn record: number %" PRIu64 ", kind %" PRIx64, number, check);
    if (check == KIND_RAW_LONG)
        length = RAW_TEXT;
    if (check == KIND_SHORT || check == KIND_LONG) {
        memcpy(&length, payload + at, sizeof(length));
        KIT_EQ(length, check == KIND_SHORT ? SHORT_TEXT : LONG_TEXT);
        at += (uint32_t)sizeof(length);
    }
    text_of(number, length, text);
    if (memcmp(payload + at, text, length) != 0)
        KIT_FAIL("a torn record: number %" PRIu64 ", text of %u bytes", number, length);
    copies = check == KIND_WIDE ? WIDE_NUMBERS : check == KIND_SIX ? SIX_NUMBERS : 0;
    for (uint32_t i = 0; i < copies; i++)
        if (memcmp(payload + at + i * sizeof(number), &number, sizeof(number)) != 0)
            KIT_FAIL("a torn record: number %" PRIu64 ", copy %u of it", number, i);
    *ret_number = number;
    return (enum kind)check;
}

static void take(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct ledger *const l = arg;
    uint64_t number;
    const enum kind kind = kind_of(slots, &number);
    const enum stream stream = kind == KIND_NESTED   ? STREAM_NESTED
                               : kind == KIND_THREAD ? STREAM_THREAD
                               : kind == KIND_OTHER  ? STREAM_OTHER
                                                     : STREAM_MAIN;

    if (number <= l->last[stream])
        KIT_FAIL("ring %u: record %" PRIu64 " of kind %d after %" PRIu64, ring, number, (int)kind,
                 l->last[stream]);
    if (kind == KIND_PART) {
        l->parts++;
        return;
    }
    if (!l->apart) /* nothing comes in between */
        KIT_EQ(l->parts, kind == KIND_BATCH ? BATCH - 1 : 0);
    l->parts = 0;
    l->holes[stream] += number - l->last[stream] - 1;
    l->last[stream] = number;
    l->last_site = slots->site & SHMLOG_SITE_ID_MASK;
}

void ledger_drain(struct ledger *l)
{
    segment_kit_drain(&l->kit, take, l);
    if (!l->apart)
        KIT_EQ(l->parts, 0);
}

bool ledger_settle(struct ledger *l, enum stream stream, uint64_t number)
{
    const bool there = l->last[stream] == number;

    KIT_COMPARE(l->last[stream], <=, number);
    if (!there && number) {
        KIT_EQ(l->last[stream], number - 1);
        l->last[stream] = number;
    }
    return there;
}

bool ledger_slots_hold(const struct ledger *l, uint32_t ring, uint64_t number)
{
    const struct shm_ring *const r = &l->kit.segment->rings[ring];
    const uint64_t head = shm_ring_head(r->header);
    const uint32_t count = r->slots[head & (RING_SLOTS - 1)].site >> SHMLOG_SITE_SLOTS_SHIFT;
    struct shmlog_slot slots[SHMLOG_RECORD_SLOTS];
    uint64_t got;

    if (count == 0 || count > SHMLOG_RECORD_SLOTS)
        return false;
    for (uint32_t i = 0; i < count; i++)
        slots[i] = r->slots[(head + i) & (RING_SLOTS - 1)];
    memcpy(&got, slots[0].payload + 16, sizeof(got));
    return got == number && (kind_of(slots, &got), got == number);
}

/* ---- The dead, and sites ---- */

uint32_t ledger_why(const struct ledger *l)
{
    struct shmlog_producer producer;
    uint32_t why = 0;

    for (uint32_t i = 0; i < l->kit.segment->geometry.producers_max; i++) {
        KIT_OK(shm_producer_at(l->kit.segment, i, &producer));
        if (producer.claim && producer.why > why)
            why = producer.why;
    }
    return why;
}

void ledger_bury(struct ledger *l)
{
    struct shmlog_producer producer;

    for (unsigned i = 0; i < 4; i++)
        census_work(l->census);
    for (uint32_t i = 0; i < l->kit.segment->geometry.producers_max; i++) {
        KIT_OK(shm_producer_at(l->kit.segment, i, &producer));
        if (!producer.claim)
            continue;
        if ((producer.claim & SHMLOG_PRODUCER_STATE) < SHMLOG_PRODUCER_DETACHED)
            KIT_FAIL("entry %u is not known to be a dead producer's: claim %" PRIx64, i,
                     producer.claim);
        shm_producers(l->kit.segment)[i].claim = 0; /* as when its records are overwritten */
    }
}

void ledger_forget_sites(struct ledger *l)
{
    struct shm_segment *const s = l->kit.segment;

    memset(shm_site_words(s), 0, s->geometry.sites_max * sizeof(uint64_t));
    s->control->arena_used = 0;
}

void ledger_check_site(const struct ledger *l, const char *format)
{
    uint8_t site[SHMLOG_SITE_MAX];
    struct shmlog_site head;
    size_t size = 0;

    KIT_OK(shm_site_copy(l->kit.segment, l->last_site, site, &size));
    memcpy(&head, site, sizeof(head));
    KIT_STR_EQ((const char *)site + sizeof(head) + head.args * sizeof(struct shmlog_site_arg),
               format);
}
