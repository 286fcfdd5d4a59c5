/* SPDX-License-Identifier: MIT
 *
 * What a log call calls: one of four words goes straight into the ring of its core, all else by an
 * image of its slots on the stack.
 */

/* ---- Images ---- */

/* Copy into the payload of an image, over its slots' boundaries. */
SHMLOG_INLINE_ void shmlog_image_put_(struct shmlog_slot *image, uint32_t offset, const void *data,
                                      size_t size)
{
    const uint8_t *from = (const uint8_t *)data;

    for (;;) {
        const uint32_t at = offset % SHMLOG_SLOT_PAYLOAD;
        const size_t part = size < SHMLOG_SLOT_PAYLOAD - at ? size : SHMLOG_SLOT_PAYLOAD - at;

        memcpy(&image[offset / SHMLOG_SLOT_PAYLOAD].payload[at], from, part);
        if (part == size)
            return;
        offset += (uint32_t)part;
        from += part;
        size -= part;
    }
}

/* The fixed area, and zeros behind it up to the end of a slot. No word lies over a boundary. */
SHMLOG_INLINE_ void shmlog_image_words_(struct shmlog_slot *image, const uint64_t *words,
                                        uint32_t count)
{
    uint32_t i = 0, at = 1; /* the payload's first word is the time */

    for (uint32_t slot = 0; i < count || !slot; slot++, at = 0)
        for (; at < 7; at++, i++)
            shmlog_store_relaxed_((uint64_t *)(void *)&image[slot].payload[8 * at],
                                  i < count ? words[i] : 0);
}

/* Fill in the heads of a record's slots; `end`: payload bytes used. How many slots there are. */
SHMLOG_INLINE_ uint32_t shmlog_image_head_(struct shmlog_slot *image, uint32_t end, uint64_t word,
                                           const struct shmlog_thread_ *thread,
                                           const uint64_t *ticks)
{
    const uint32_t slots = (end + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;

    for (uint32_t i = 0; i < slots; i++)
        image[i].site = (uint32_t)(word >> 32) & SHMLOG_SITE_ID_MASK;
    image[0].site |= slots << SHMLOG_SITE_SLOTS_SHIFT;
    memcpy(image[0].payload + SHMLOG_PAYLOAD_PRODUCER, &thread->producer, sizeof(uint32_t));
    if (ticks)
        memcpy(image[0].payload + SHMLOG_PAYLOAD_TIME, ticks, sizeof(*ticks));
    return slots;
}

SHMLOG_INLINE_ int shmlog_flags_(const struct shmlog_site_ *site, const uint64_t *ticks)
{
    return (site->level >= SHMLOG_SEVERE ? SHMLOG_SEVERE_ : 0) | (ticks ? SHMLOG_TIMED_ : 0);
}

SHMLOG_STATIC_ void shmlog_put_image_(struct shmlog_target_ to, const struct shmlog_site_ *site,
                                      struct shmlog_slot *image, uint32_t end,
                                      const uint64_t *ticks)
{
    struct shmlog_thread_ *const thread = shmlog_thread_(to.log);
    const uint32_t slots = shmlog_image_head_(image, end, to.word, thread, ticks);

    shmlog_commit_(to.log, thread, image, slots, shmlog_flags_(site, ticks));
}

/* ---- Calls without strings ---- */

/* One slot, of six words, that cannot go straight. */
SHMLOG_STATIC_ void shmlog_put_slot_(struct shmlog_target_ to, const struct shmlog_site_ *site,
                                     const uint64_t *words, const uint64_t *ticks)
{
    struct shmlog_slot image __attribute__((aligned(8)));

    for (uint32_t i = 0; i < 6; i++) /* in single stores, which are loaded again as such */
        shmlog_store_relaxed_((uint64_t *)(void *)&image.payload[8 + 8 * i], words[i]);
    shmlog_put_image_(to, site, &image, SHMLOG_SLOT_PAYLOAD, ticks);
}

#if SHMLOG_RSEQ_
/* `commit_`, a sequence of its own, is tried where nothing is in the way. `word_` is the site's,
 * with the log's key; `log` and `site` are in scope. */
#define SHMLOG_GOES_STRAIGHT_(word_, commit_)                                                   \
    const struct shmlog_thread_ *const thread = shmlog_state_(log);                             \
    const uint64_t word = word_;                                                                \
                                                                                                \
    if (SHMLOG_LIKELY_((uint32_t)word == 0 && thread->key == shmlog_load_relaxed_(&log->key) && \
                       !(site->level >= SHMLOG_SEVERE && log->local.severe_rings)) &&           \
        SHMLOG_LIKELY_(commit_))                                                                \
    return
#else
#define SHMLOG_GOES_STRAIGHT_(word_, commit_)
#endif

/* A slot; the log is that of an attachment. */
SHMLOG_INLINE_ void shmlog_put_six_to_(struct shmlog_target_ to, struct shmlog_site_ *site,
                                       uint64_t *words, const uint64_t *ticks)
{
    struct shmlog *const log = to.log;

    SHMLOG_GOES_STRAIGHT_(to.word, (words[0] |= thread->producer, ticks)
                                       ? shmlog_commit_six_at_(log, thread, word, words, *ticks)
                                       : shmlog_commit_six_(log, thread, word, words));
    shmlog_put_slot_(to, site, words, ticks);
}
SHMLOG_STATIC_ void shmlog_put_six_(struct shmlog *log, struct shmlog_site_ *site, uint64_t *words,
                                    const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, site, 1);

    if (to.log)
        shmlog_put_six_to_(to, site, words, ticks);
}

/* What cannot go straight; so the others need no place on the stack. */
SHMLOG_STATIC_ void shmlog_put4_anyhow_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0,
                                        uint64_t w1, uint64_t w2, uint64_t w3)
{
    uint64_t words[6] = {w0, w1, w2, w3, 0, 0};

    shmlog_put_six_(log, site, words, SHMLOG_NULL_);
}
SHMLOG_STATIC_ void shmlog_put4_at_anyhow_(struct shmlog *log, struct shmlog_site_ *site,
                                           uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3,
                                           uint64_t ticks)
{
    uint64_t words[6] = {w0, w1, w2, w3, 0, 0};

    shmlog_put_six_(log, site, words, &ticks);
}
void shmlog_put4_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0, uint64_t w1,
                  uint64_t w2, uint64_t w3)
{
    SHMLOG_GOES_STRAIGHT_(shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(log),
                          shmlog_commit_four_(log, thread, word, w0 | thread->producer, w1, w2,
                                              w3));
    shmlog_put4_anyhow_(log, site, w0, w1, w2, w3);
}
void shmlog_put4_at_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0, uint64_t w1,
                     uint64_t w2, uint64_t w3, uint64_t ticks)
{
    SHMLOG_GOES_STRAIGHT_(shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(log),
                          shmlog_commit_four_at_(log, thread, word, w0 | thread->producer, w1, w2,
                                                 w3, ticks));
    shmlog_put4_at_anyhow_(log, site, w0, w1, w2, w3, ticks);
}

SHMLOG_STATIC_ void shmlog_put_many_(struct shmlog *log, struct shmlog_site_ *site,
                                     const uint64_t *words, uint32_t count, const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, site, 1);
    struct shmlog_slot image[(8 + 8 * (SHMLOG_ARGS_MAX + 1)) / SHMLOG_SLOT_PAYLOAD + 1]
        __attribute__((aligned(8)));

    if (!to.log)
        return;
    shmlog_image_words_(image, words, count);
    shmlog_put_image_(to, site, image, 8 + 8 * count, ticks);
}

void shmlog_put_words_(struct shmlog *log, struct shmlog_site_ *site, uint64_t *words,
                       uint32_t count, const uint64_t *ticks)
{
    if (count == 6)
        shmlog_put_six_(log, site, words, ticks);
    else
        shmlog_put_many_(log, site, words, count, ticks);
}

/* ---- Calls with strings ---- */

/* A char * under %p: as printf() writes it. */
SHMLOG_COLD_ struct shmlog_text_value shmlog_address_(const void *address, char *buffer)
{
    char *p = buffer + 18;

    if (!address)
        return shmlog_text("(nil)", 5);
    for (uintptr_t rest = (uintptr_t)address; rest; rest >>= 4)
        *--p = "0123456789abcdef"[rest & 15];
    *--p = 'x';
    *--p = '0';
    return shmlog_text(p, (size_t)(buffer + 18 - p));
}

/* Put texts behind the fixed area, all in one slot; 0: they do not fit, or are not just that. */
SHMLOG_INLINE_ int shmlog_texts_fit_(const struct shmlog_plan_ *plan, uint64_t *words,
                                     const struct shmlog_text_value *texts)
{
    uint8_t *const payload = (uint8_t *)words - 8; /* where the first word has its place */
    const uint32_t count = shmlog_load_relaxed_(&plan->count);
    uint32_t end = shmlog_load_relaxed_(&plan->end);

    for (uint32_t i = 0; i < count; i++) {
        const char *const text = texts[i].data;
        uint32_t n = 0, room = SHMLOG_SLOT_PAYLOAD - end;

        if (!text || shmlog_load_relaxed_(&plan->text[i].limit) != SHMLOG_NO_LIMIT_ ||
            shmlog_load_relaxed_(&plan->text[i].precision_at))
            return 0;
        if (texts[i].size != SHMLOG_TO_NUL_) {
            if (texts[i].size > room)
                return 0;
            n = (uint32_t)texts[i].size;
            memcpy(payload + end, text, n);
        } else { /* mostly short: two calls of libc would take longer */
            while (n < room && text[n]) {
                payload[end + n] = (uint8_t)text[n];
                n++;
            }
            if (n == room && text[n])
                return 0;
        }
        memcpy(payload + shmlog_load_relaxed_(&plan->text[i].at), &n, sizeof(n));
        end += n;
    }
    return 1;
}

/* The same however long they are, and by the format. Returns where the payload ends. */
SHMLOG_STATIC_ uint32_t shmlog_image_texts_(struct shmlog_slot *image,
                                            const struct shmlog_plan_ *plan, const uint64_t *words,
                                            uint32_t count, const struct shmlog_text_value *texts)
{
    const uint32_t zeroed = (count + 7) / 7 * SHMLOG_SLOT_PAYLOAD; /* by shmlog_image_words_() */
    uint32_t end = shmlog_load_relaxed_(&plan->end);
    char hex[18];

    shmlog_image_words_(image, words, count);
    for (uint32_t i = 0; i < shmlog_load_relaxed_(&plan->count); i++) {
        const uint32_t limit = shmlog_load_relaxed_(&plan->text[i].limit);
        const uint32_t precision_at = shmlog_load_relaxed_(&plan->text[i].precision_at);
        const size_t room = SHMLOG_RECORD_PAYLOAD - end;
        struct shmlog_text_value text = texts[i];
        uint32_t length = SHMLOG_LENGTH_NULL, kept;

        if (limit == SHMLOG_ADDRESS_ && text.size == SHMLOG_TO_NUL_)
            text = shmlog_address_(text.data, hex);
        if (text.data || !text.size) {
            if (text.size == SHMLOG_TO_NUL_) {
                size_t most = limit < room ? limit : room + 1;
                const char *nul;

                if (precision_at) {
                    const int32_t precision =
                        (int32_t)(words[precision_at / 8 - 1] >> precision_at % 8 * 8);

                    if (precision >= 0 && (size_t)precision < most)
                        most = (size_t)precision;
                }
                nul = (const char *)memchr(text.data, 0, most);
                text.size = nul ? (size_t)(nul - text.data) : most;
            }
            kept = (uint32_t)(text.size > room ? room : text.size);
            length = text.size > room ? kept | SHMLOG_LENGTH_CUT : kept;
            if (kept)
                shmlog_image_put_(image, end, text.data, kept);
            end += kept;
        }
        shmlog_image_put_(image, shmlog_load_relaxed_(&plan->text[i].at), &length, sizeof(length));
    }
    if (end > zeroed && end % SHMLOG_SLOT_PAYLOAD)
        memset(&image[end / SHMLOG_SLOT_PAYLOAD].payload[end % SHMLOG_SLOT_PAYLOAD], 0,
               SHMLOG_SLOT_PAYLOAD - end % SHMLOG_SLOT_PAYLOAD);
    return end;
}

SHMLOG_STATIC_ void shmlog_put_long_(struct shmlog_target_ to, const struct shmlog_site_ *site,
                                     const struct shmlog_plan_ *plan, const uint64_t *words,
                                     uint32_t count, const struct shmlog_text_value *texts,
                                     const uint64_t *ticks)
{
    struct shmlog_slot image[SHMLOG_RECORD_SLOTS] __attribute__((aligned(8)));
    const uint32_t end = shmlog_image_texts_(image, plan, words, count, texts);

    shmlog_put_image_(to, site, image, end, ticks);
}

void shmlog_put_texts_(struct shmlog *log, struct shmlog_site_ *site, uint64_t *words,
                       uint32_t count, const struct shmlog_text_value *texts, const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, site, 1);
    const struct shmlog_plan_ *plan;

    if (SHMLOG_UNLIKELY_(!to.log))
        return;
    plan = &to.log->local.plans[(to.word >> 32) & SHMLOG_SITE_ID_MASK];
    if (count == 6 && SHMLOG_LIKELY_(shmlog_texts_fit_(plan, words, texts)))
        shmlog_put_six_to_(to, site, words, ticks);
    else
        shmlog_put_long_(to, site, plan, words, count, texts, ticks);
}

/* ---- Raw records ---- */

SHMLOG_STATIC_ void shmlog_put_batch_(struct shmlog *log, struct shmlog_record_site_ *record,
                                      const void *data, size_t count, const uint64_t *ticks)
{
    const struct shmlog_target_ to = shmlog_target_(log, &record->site, count);
    const uint32_t end = SHMLOG_PAYLOAD_RAW + record->size;
    const uint32_t slots = (end + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
    const int flags = shmlog_flags_(&record->site, ticks);
    struct shmlog_slot image[SHMLOG_RECORD_SLOTS];
    struct shmlog_thread_ *thread;

    if (!to.log)
        return;
    thread = shmlog_thread_(to.log);
    for (size_t done = 0, some; done < count; done += some) {
        some =
            count - done < SHMLOG_RECORD_SLOTS / slots ? count - done : SHMLOG_RECORD_SLOTS / slots;
        for (size_t i = 0; i < some; i++) {
            struct shmlog_slot *const at = image + i * slots;

            memset(at[slots - 1].payload, 0, SHMLOG_SLOT_PAYLOAD);
            memset(at[0].payload + SHMLOG_PAYLOAD_ARGS, 0, 4);
            shmlog_image_put_(at, SHMLOG_PAYLOAD_RAW,
                              (const uint8_t *)data + (done + i) * record->size, record->size);
            shmlog_image_head_(at, end, to.word, thread, ticks ? &ticks[done + i] : ticks);
        }
        if (some > 1 &&
            shmlog_commit_(to.log, thread, image, (uint32_t)some * slots, flags | SHMLOG_TRY_))
            continue;
        for (size_t i = 0; i < some; i++) /* each is committed, or lost and counted, by itself */
            shmlog_commit_(to.log, thread, image + i * slots, slots, flags);
    }
}

void shmlog_put_records_(struct shmlog *log, struct shmlog_record_site_ *record, const void *data,
                         size_t count, const uint64_t *ticks)
{
    uint64_t words[6] = {0, 0, 0, 0, 0, 0};

    if (count == 1 && record->size <= sizeof(words) - 8) {
        memcpy(words + 1, data, record->size);
        shmlog_put_six_(log, &record->site, words, ticks);
    } else {
        shmlog_put_batch_(log, record, data, count, ticks);
    }
}
