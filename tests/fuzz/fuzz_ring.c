/* SPDX-License-Identifier: MIT
 *
 * The ring reader over a ring in memory that a script scribbles on between its reads.
 *
 * Input: policy, start and ring size in the first byte, then steps: an operation each. Whatever the
 * ring holds, a read moves the cursor by what it says, records are whole and numbered in a row, and
 * reading a ring that stands still comes to an end.
 */
#include "shm/ring_reader.h"
#include "tests/fuzz/fuzz.h"

#define BATCH_MIN (2 * SHMLOG_RECORD_SLOTS)
#define BATCH (BATCH_MIN + 32)
#define STEPS_MAX 100u

static struct shmlog_ring *header;
static struct shmlog_slot *slots;
static struct shm_ring ring;
static struct shm_segment segment;
static uint64_t put_pos, put_seq;

static void prepare(void)
{
    if (!header) {
        header = aligned_alloc(4096, SHMLOG_RING_HEADER);
        FUZZ_CHECK(header);
    }
    memset(header, 0, sizeof(*header));
    header->tail_seq = 1;
    segment.rings = &ring;
    segment.geometry.rings = 1;
    ring.header = header;
    put_pos = 0;
    put_seq = 1;
}

/* The smallest there is, or a quarter of it: less to clear and read. The slots end where their
 * memory does. */
static void choose_size(bool large)
{
    static struct shmlog_slot *of_size[2];
    const size_t count = large ? SHMLOG_RING_SLOTS_MIN : SHMLOG_RING_SLOTS_MIN / 4;

    if (!of_size[large])
        of_size[large] = aligned_alloc(64, count * sizeof(*slots));
    FUZZ_CHECK(of_size[large]);
    slots = ring.slots = of_size[large];
    memset(slots, 0, count * sizeof(*slots));
    segment.geometry.ring_slots = count;
    segment.slot_mask = count - 1;
}

static struct shmlog_slot *slot_at(uint64_t pos)
{
    return &slots[pos & segment.slot_mask];
}

/* A record as writers put it, at the place where the one before ended. */
static void put_record(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct shmlog_slot *slot = slot_at(put_pos + i);

        slot->seq = (uint32_t)put_seq;
        slot->site = 7u | (i ? 0 : count << SHMLOG_SITE_SLOTS_SHIFT);
    }
    put_pos += count;
    put_seq++;
}

static void start(struct shm_ring_reader *reader, unsigned choice, struct fuzz_in *in)
{
    switch (choice % 4) {
    case 0:
        shm_ring_reader_init(reader, &segment, 0, header->tail, header->tail_seq);
        break;
    case 1:
        shm_ring_reader_init_oldest(reader, &segment, 0);
        break;
    case 2:
        shm_ring_reader_init_kept(reader, &segment, 0);
        break;
    default:
        shm_ring_reader_init(reader, &segment, 0, fuzz_take(in, 8), fuzz_take(in, 8));
    }
}

static void check_records(const struct shm_read *read, const struct shmlog_slot *buffer)
{
    size_t at = 0;

    for (size_t i = 0; i < read->records; i++) {
        uint32_t count = buffer[at].site >> SHMLOG_SITE_SLOTS_SHIFT;

        FUZZ_CHECK(count >= 1 && count <= SHMLOG_RECORD_SLOTS && count <= read->slots - at);
        for (uint32_t s = 0; s < count; s++)
            FUZZ_CHECK(buffer[at + s].seq == (uint32_t)(read->first_seq + i));
        at += count;
    }
    FUZZ_CHECK(at == read->slots);
}

/* One read; false if there was nothing. */
static bool read_once(struct shm_ring_reader *reader, uint64_t upto, size_t max)
{
    static struct shmlog_slot *buffer;
    const struct shm_ring_reader before = *reader;
    struct shm_read read;

    if (!buffer)
        buffer = aligned_alloc(64, BATCH * sizeof(*buffer));
    FUZZ_CHECK(buffer);
    shm_ring_read(reader, upto, buffer, max, &read);
    switch (read.kind) {
    case SHM_READ_NONE:
        FUZZ_CHECK(reader->pos == before.pos && reader->seq == before.seq);
        return false;
    case SHM_READ_RECORDS:
        FUZZ_CHECK(read.first_pos == before.pos && read.first_seq == before.seq);
        FUZZ_CHECK(read.records && read.slots <= max);
        FUZZ_CHECK(reader->pos == before.pos + read.slots);
        FUZZ_CHECK(reader->seq == before.seq + read.records);
        check_records(&read, buffer);
        break;
    case SHM_READ_LOST:
        FUZZ_CHECK(read.first_pos == before.pos && read.first_seq == before.seq);
        FUZZ_CHECK(read.lost && reader->seq - before.seq >= read.lost);
        FUZZ_CHECK(reader->pos != before.pos || reader->seq != before.seq);
        FUZZ_CHECK(read.cause == SHMLOG_LOST_OVERWRITTEN || read.cause == SHMLOG_LOST_DAMAGED);
        break;
    default:
        FUZZ_CHECK(!"a kind of result");
    }
    return true;
}

/* The ring stands still: reading it ends. A slot may be passed and then its record's number. */
static void read_all(struct shm_ring_reader *reader)
{
    uint64_t head = shm_ring_head(header);
    uint64_t reads = 0;

    while (read_once(reader, head, BATCH))
        FUZZ_CHECK(++reads <= 2 * segment.geometry.ring_slots + 2);
}

static uint64_t *word_of(unsigned choice)
{
    uint64_t *const words[] = {&header->head, &header->tail, &header->tail_seq, &header->doorbell};

    return words[choice % 4];
}

static void step(struct shm_ring_reader *reader, struct fuzz_in *in)
{
    unsigned operation = (unsigned)fuzz_take(in, 1);
    unsigned argument = operation >> 3;
    struct shmlog_slot *slot;
    uint64_t head;

    switch (operation & 7) {
    case 0: /* records, committed */
        for (unsigned i = 0; i <= argument; i++)
            put_record(1);
        header->head = put_pos;
        break;
    case 1:
        put_record(argument ? 2 * argument + 2 : 64);
        header->head = put_pos;
        break;
    case 2: /* a slot's own words */
        slot = slot_at(put_pos - argument);
        slot->seq = (uint32_t)fuzz_take(in, 4);
        slot->site = (uint32_t)fuzz_take(in, 4);
        break;
    case 3: /* a little besides what they were */
        slot = slot_at(put_pos - 1 - argument);
        if (argument & 1)
            slot->seq += (uint32_t)(int32_t)(int8_t)fuzz_take(in, 1);
        else
            slot->site ^= 1u << (fuzz_take(in, 1) & 31);
        break;
    case 4:
        *word_of(argument) += argument & 4 ? (uint64_t)(int64_t)(int16_t)fuzz_take(in, 2)
                                           : (uint64_t)(int64_t)(int8_t)fuzz_take(in, 1);
        break;
    case 5:
        *word_of(argument) = fuzz_take(in, 8);
        break;
    case 6:
        if (argument & 1) { /* as the collector: the slots are free */
            header->tail_seq = reader->seq;
            header->tail = reader->pos;
        }
        read_once(reader, argument & 2 ? shm_ring_head(header) : shm_ring_doorbell(header),
                  BATCH_MIN + (argument & 4 ? BATCH - BATCH_MIN : argument >> 3));
        break;
    default:
        if (argument & 1) {
            put_pos += fuzz_take(in, 4);
            put_seq += fuzz_take(in, 4);
        } else if (argument & 2) {
            put_pos = header->head;
            put_seq = reader->seq;
        } else {
            shm_ring_head_seq(&segment, 0, fuzz_take(in, 8), &head);
            start(reader, argument >> 2, in);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    struct shm_ring_reader reader;
    unsigned first;

    prepare();
    first = (unsigned)fuzz_take(&in, 1);
    segment.geometry.on_full = 1 + (first & 3) % 3;
    choose_size(first >> 5 == 7);
    start(&reader, first >> 2, &in);
    for (unsigned steps = 0; fuzz_left(&in) && steps < STEPS_MAX; steps++)
        step(&reader, &in);
    read_all(&reader);
    start(&reader, 2, &in);
    read_all(&reader);
    return 0;
}
