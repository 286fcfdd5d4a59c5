/* SPDX-License-Identifier: MIT
 *
 * Counting the gaps of a file without a good seal as far as the next file's ledger does.
 */
#include "reader/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct file_ledger_entry *line_of(const struct file_ledger_entry *entry, size_t rings,
                                               uint32_t ring)
{
    if (ring < rings && entry[ring].ring == ring) /* mostly */
        return &entry[ring];
    for (size_t i = rings; i-- > 0;) /* the segment's own line is the last one */
        if (entry[i].ring == ring)
            return &entry[i];
    return NULL;
}

int tally_init(struct tally *tally, const struct file_reader *reader,
               const struct file_reader *next)
{
    size_t rings;
    const struct file_ledger_entry *start = file_reader_start(reader, &rings);

    *tally = (struct tally){.rings = rings};
    if (!next || !start || (file_reader_end(reader, &rings) && !file_reader_sealed_bad(reader)))
        return 0;
    tally->next = file_reader_start(next, &tally->next_rings);
    if (!tally->next)
        return 0;
    tally->counted = calloc(tally->rings + 1, sizeof(*tally->counted));
    if (!tally->counted)
        return -ENOMEM;
    memcpy(tally->counted, start, tally->rings * sizeof(*start));
    return 0;
}

void tally_done(struct tally *tally)
{
    free(tally->counted);
    *tally = (struct tally){0};
}

bool tally_counts(struct tally *tally, const struct file_gap *gap)
{
    const struct file_ledger_entry *counted, *next;
    uint64_t *lost;

    if (!tally->counted || gap->cause >= SHMLOG_LOST_CAUSES)
        return true;
    counted = line_of(tally->counted, tally->rings, gap->ring);
    next = line_of(tally->next, tally->next_rings, gap->ring);
    if (!counted || !next)
        return true;
    lost = &tally->counted[counted - tally->counted].lost[gap->cause];
    *lost += gap->count;
    return *lost <= next->lost[gap->cause];
}
