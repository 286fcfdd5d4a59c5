/* SPDX-License-Identifier: MIT
 *
 * A line of text as a message, of bytes as they are, for shmlog-cat. With `more`, the thread's next
 * line of the same level goes on with it, and readers put the two together (reader/join.h). What
 * the thread logs in between, in a signal handler say, stays apart.
 */
#ifndef TOOLS_CAT_LINE_H
#define TOOLS_CAT_LINE_H

#include "producer/shmlog.h"

#define CAT_LINE_MAX (SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_ARGS - 4u) /* bytes in one record */

/* `size` is at most CAT_LINE_MAX, or the rest is cut; `level` SHMLOG_TRACE .. SHMLOG_CRITICAL. */
static inline void cat_line(struct shmlog *log, uint32_t level, int more, const char *data,
                            size_t size)
{
    /* Sites are static, and theirs are alike but for level and flags. */
#define CAT_LINE_SITE(level_, flags_)                                                  \
    {                                                                                  \
        {0, __FILE__, "cat_line", NULL, __LINE__, SHMLOG_SITE_PRINTF, level_, flags_}, \
            {1, SHMLOG_TYPE_STRING | SHMLOG_COUNTED_}, "%s\0text\0"                    \
    }
#define CAT_LINE_SITES(flags_)                                                           \
    {                                                                                    \
        CAT_LINE_SITE(0, flags_), CAT_LINE_SITE(1, flags_), CAT_LINE_SITE(2, flags_),    \
            CAT_LINE_SITE(3, flags_), CAT_LINE_SITE(4, flags_), CAT_LINE_SITE(5, flags_) \
    }
    static struct {
        struct shmlog_site_ site;
        uint8_t types[2];
        char strings[sizeof("%s\0text\0")];
    } sites[2][6] = {CAT_LINE_SITES(SHMLOG_SITE_FLAG_LINE),
                     CAT_LINE_SITES(SHMLOG_SITE_FLAG_LINE | SHMLOG_SITE_FLAG_MORE)};
    const struct shmlog_text_value text = shmlog_text(data, size);
    uint64_t words[6] = {0};

    if (shmlog_enabled(log, level))
        shmlog_put_texts_(log, (struct shmlog_site_ *)(void *)&sites[more != 0][level], words, 6,
                          &text, NULL);
}

#endif
