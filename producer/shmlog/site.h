/* SPDX-License-Identifier: MIT
 *
 * Call sites: at its first call in a segment, one is described in the segment's site table, once
 * for all processes, and gets the number by which its records go.
 */

/* Bytes that a value of a type takes in the fixed area. */
SHMLOG_INLINE_ uint32_t shmlog_width_(uint32_t type)
{
    static const uint8_t widths[16] = {0, 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 4, 4};

    return widths[type & 15];
}

/* Types of a site's arguments, types[0] being how many, and its strings. */
SHMLOG_INLINE_ const uint8_t *shmlog_types_(const struct shmlog_site_ *site)
{
    const uint8_t *const types = __atomic_load_n(&site->types, __ATOMIC_RELAXED);

    return types ? types : (const uint8_t *)(site + 1);
}
SHMLOG_INLINE_ const char *shmlog_strings_(const struct shmlog_site_ *site)
{
    const uint8_t *const types = shmlog_types_(site);
    const uint8_t *const behind = (const uint8_t *)(site + 1);

    return (const char *)(types == behind ? behind + 1 + types[0] : behind);
}
SHMLOG_INLINE_ const struct shmlog_record_site_ *shmlog_raw_(const struct shmlog_site_ *site)
{
    return site->kind == SHMLOG_SITE_RAW ? (const struct shmlog_record_site_ *)(const void *)site
                                         : SHMLOG_NULL_;
}
/* Its format or name (0), arguments as written (1), category (2). */
SHMLOG_COLD_ const char *shmlog_string_(const struct shmlog_site_ *site, int which)
{
    const struct shmlog_record_site_ *const record = shmlog_raw_(site);
    const char *text = record ? "" : shmlog_strings_(site);

    for (int i = 0; i < which && !record; i++)
        text += strlen(text) + 1;
    return !record ? text : which == 0 ? record->name : which == 2 ? record->category : "";
}

/* Work out the plan of a site's strings, from its types and, for a message, its format. Sites that
 * are alike have the same one. */
SHMLOG_COLD_ void shmlog_plan_(struct shmlog_plan_ *plan, const uint8_t *types, const char *f)
{
    uint16_t at[SHMLOG_ARGS_MAX + 1], limit[SHMLOG_ARGS_MAX + 1], precision[SHMLOG_ARGS_MAX + 1];
    uint32_t arg = 1, end = SHMLOG_PAYLOAD_ARGS, positional = 0;

    for (uint32_t i = 1; i <= types[0]; i++) {
        const uint32_t width = shmlog_width_(types[i]);

        at[i] = (uint16_t)((end + width - 1) & ~(width - 1));
        end = at[i] + width;
        limit[i] = SHMLOG_NO_LIMIT_;
        precision[i] = 0;
    }
    while ((f = strchr(f, '%')) != SHMLOG_NULL_ && arg <= types[0]) {
        uint32_t most = SHMLOG_NO_LIMIT_, of = 0;

        for (f++; *f && strchr("-+ #0'I123456789*$", *f); f++) {
            arg += *f == '*';
            positional |= *f == '$';
        }
        if (*f == '.') {
            most = 0;
            for (f++; (*f >= '0' && *f <= '9') || *f == '*'; f++) {
                if (*f == '*')
                    of = arg++;
                else if (most < SHMLOG_RECORD_PAYLOAD) /* beyond that it is as good as none */
                    most = most * 10 + (uint32_t)(*f - '0');
            }
            most = of ? SHMLOG_NO_LIMIT_ : most;
        }
        while (*f && strchr("hlqjzZtL", *f))
            f++;
        if (*f && *f != '%' && *f != 'm' && arg <= types[0]) {
            limit[arg] = (uint16_t)(*f == 'p' ? SHMLOG_ADDRESS_ : most);
            precision[arg] = of ? at[of] : 0;
            arg++;
        }
        f += *f != 0;
    }
    plan->end = (uint16_t)end;
    plan->count = 0;
    for (uint32_t i = 1; i <= types[0]; i++) {
        const uint32_t type = types[i] & 15u;

        if (type < SHMLOG_TYPE_STRING)
            continue;
        plan->text[plan->count].at = at[i];
        plan->text[plan->count].limit = positional ? SHMLOG_ADDRESS_ : limit[i];
        plan->text[plan->count].precision_at = precision[i];
        plan->count++;
    }
}

/* A site as it lies in the arena, being put together. */
struct shmlog_blob_ {
    uint8_t bytes[SHMLOG_SITE_MAX];
    uint32_t size;
};
/* Add a string; what would go beyond `limit` is cut, but for the terminator. */
SHMLOG_COLD_ void shmlog_add_(struct shmlog_blob_ *blob, const char *text, uint32_t limit)
{
    const size_t size = strlen(text), room = limit > blob->size + 1 ? limit - blob->size - 1 : 0;

    memcpy(blob->bytes + blob->size, text, size < room ? size : room);
    blob->size += (uint32_t)(size < room ? size : room);
    blob->bytes[blob->size++] = 0;
}
SHMLOG_COLD_ void shmlog_describe_(struct shmlog_blob_ *blob, struct shmlog_site_ *site,
                                   int by_text)
{
    const struct shmlog_record_site_ *const record = shmlog_raw_(site);
    const uint8_t *const types = record ? SHMLOG_NULL_ : shmlog_types_(site);
    uint32_t offset = SHMLOG_PAYLOAD_ARGS;
    struct shmlog_site head;

    memset(&head, 0, sizeof(head));
    head.kind = site->kind;
    head.level = site->level;
    head.flags = (uint16_t)(site->flags | (by_text && !record ? SHMLOG_SITE_FLAG_TEXT : 0));
    head.args = (uint8_t)(record ? record->fields_count : types[0]);
    head.line = site->line;
    head.record_size = record ? record->size : 0;
    blob->size = sizeof(head);
    for (uint32_t i = 0; i < head.args; i++) {
        struct shmlog_site_arg arg;

        memset(&arg, 0, sizeof(arg));
        if (record) {
            arg.type = record->fields[i].type;
            arg.offset = record->fields[i].offset;
            arg.size = record->fields[i].size;
        } else {
            const uint32_t width = shmlog_width_(types[i + 1]);

            arg.type = types[i + 1] & 15u;
            arg.offset = (uint16_t)((offset + width - 1) & ~(width - 1));
            arg.size = (uint16_t)width;
            offset = arg.offset + width;
        }
        memcpy(blob->bytes + blob->size, &arg, sizeof(arg));
        blob->size += (uint32_t)sizeof(arg);
    }
    /* so far the strings may go: a long one leaves room for the rest */
    shmlog_add_(blob, shmlog_string_(site, 0), 900);
    shmlog_add_(blob, site->file, 1200);
    shmlog_add_(blob, site->function, 1400);
    shmlog_add_(blob, shmlog_string_(site, 2), 1460);
    if (!record && by_text)
        shmlog_add_(blob, shmlog_string_(site, 1), SHMLOG_SITE_MAX);
    for (uint32_t i = 0; (record || !by_text) && i < head.args; i++) {
        char number[6] = {'a', 'r', 'g', (char)('0' + (i + 1) % 10), 0, 0};

        if (i >= 9) {
            number[4] = number[3];
            number[3] = '1';
        }
        shmlog_add_(blob, record ? record->fields[i].name : number,
                    SHMLOG_SITE_MAX - (head.args - i));
    }
    head.size = (uint16_t)blob->size;
    memcpy(blob->bytes, &head, sizeof(head));
}

/* Room in the arena, of the attachment's share; its offset, or -1: there is none. */
SHMLOG_COLD_ int64_t shmlog_arena_room_(struct shmlog *log, uint64_t room)
{
    const struct shmlog_control *const g = &log->local.geometry;
    uint64_t at = shmlog_load_relaxed_(&log->control.arena_used);

    if (shmlog_load_relaxed_(&log->local.sites) >= SHMLOG_SITES_SHARE(g->sites_max) ||
        shmlog_load_relaxed_(&log->local.sites_size) + room > SHMLOG_ARENA_SHARE(g->arena_size))
        return -1;
    __atomic_fetch_add(&log->local.sites, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&log->local.sites_size, room, __ATOMIC_RELAXED);
    do {
        if (at > g->arena_size || g->arena_size - at < room || at % 8 || at / 8 > UINT32_MAX)
            return -1;
    } while (!__atomic_compare_exchange_n(&log->control.arena_used, &at, at + room, 1,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return (int64_t)at;
}

/* Find or add the site in the segment's table. Its word is stored, by compare-and-swap, when its
 * bytes are complete; whoever loses the race to another thread or process with the same site takes
 * theirs. 0: full, or the attachment has had its share. */
SHMLOG_COLD_ uint32_t shmlog_publish_(struct shmlog *log, const struct shmlog_blob_ *blob)
{
    const struct shmlog_control *const g = &log->local.geometry;
    uint64_t *const words = (uint64_t *)shmlog_table_(log, g->sites_offset);
    uint8_t *const arena = (uint8_t *)shmlog_table_(log, g->arena_offset);
    const uint32_t hash = shmlog_site_hash_(blob->bytes, blob->size);
    uint64_t fresh = 0; /* our copy in the arena, once made */

    for (uint32_t probe = 0, i = hash; probe < g->sites_max; probe++, i++) {
        const uint32_t id = i & (g->sites_max - 1);
        uint64_t word, at;

        if (!id || id >= SHMLOG_SITE_INLINE)
            continue;
        word = shmlog_load_acquire_(&words[id]);
        if (!word) {
            if (!fresh) {
                const int64_t room = shmlog_arena_room_(log, (blob->size + 7u) & ~UINT64_C(7));

                if (room < 0)
                    return 0;
                memcpy(arena + room, blob->bytes, blob->size);
                fresh = (uint64_t)hash << 32 | (uint64_t)room / 8;
            }
            /* release: pairs with every reader's acquire of the word */
            if (__atomic_compare_exchange_n(&words[id], &word, fresh, 0, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE))
                return id;
        }
        at = (word & 0xffffffffu) * 8;
        if (word >> 32 == hash && at < g->arena_size && g->arena_size - at >= blob->size &&
            memcmp(arena + at, blob->bytes, blob->size) == 0)
            return id;
    }
    return 0;
}
