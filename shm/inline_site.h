/* SPDX-License-Identifier: MIT
 *
 * Records of older programs that bring their site along, since there was no room for it in the
 * table. Segments that such programs log into have them, and files.
 */
#ifndef SHM_INLINE_SITE_H
#define SHM_INLINE_SITE_H

#include "producer/shmlog/tables.h"

/* The site SHMLOG_SITE_INLINE + level, 0 .. SHMLOG_CRITICAL. It is in no table, and the same
 * everywhere. Its records are of sites that could not be registered. They have two BYTES arguments:
 * such a site, as it would lie in the arena, and the payload that the record would have, from
 * SHMLOG_PAYLOAD_ARGS on. Readers show that record. */
#define INLINE_SITE_STRINGS "unregistered\0\0\0shmlog\0site\0arguments"
#define INLINE_SITE_SIZE \
    (sizeof(struct shmlog_site) + 2 * sizeof(struct shmlog_site_arg) + sizeof(INLINE_SITE_STRINGS))
static inline uint32_t shm_inline_site(uint32_t id, uint8_t *ret_site)
{
    uint8_t *at = ret_site;
    struct shmlog_site head;

    memset(&head, 0, sizeof(head));
    head.size = (uint16_t)INLINE_SITE_SIZE;
    head.kind = SHMLOG_SITE_EVENT;
    head.level = (uint8_t)(id - SHMLOG_SITE_INLINE);
    head.flags = SHMLOG_SITE_FLAG_INLINE;
    head.args = 2;
    memcpy(at, &head, sizeof(head));
    at += sizeof(head);
    for (uint32_t i = 0; i < 2; i++) {
        struct shmlog_site_arg arg;

        memset(&arg, 0, sizeof(arg));
        arg.type = SHMLOG_TYPE_BYTES;
        arg.offset = (uint16_t)(SHMLOG_PAYLOAD_ARGS + 4 * i);
        arg.size = 4;
        memcpy(at, &arg, sizeof(arg));
        at += sizeof(arg);
    }
    memcpy(at, INLINE_SITE_STRINGS, sizeof(INLINE_SITE_STRINGS));
    return (uint32_t)INLINE_SITE_SIZE;
}

#endif
