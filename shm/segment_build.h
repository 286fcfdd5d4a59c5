/* SPDX-License-Identifier: MIT
 *
 * Between finding a place for a segment and building it there. Not for use outside of shm/.
 */
#ifndef SHM_SEGMENT_BUILD_H
#define SHM_SEGMENT_BUILD_H

#include "shm/segment.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the one line of explanation goes. */
struct shm_message {
    char *text;
    size_t size;
};

/* Say what failed, with the error's text; returns the error. The first message is the one that
 * counts: it was said where most is known. */
int shm_message(const struct shm_message *message, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Add what to do about it. */
void shm_message_hint(const struct shm_message *message, const char *text);

/* Mode and group (-1: as it is) of a file or directory, whatever the umask. */
static inline int shm_set_access(int fd, mode_t mode, int group)
{
    if (group >= 0 && fchown(fd, (uid_t)-1, (gid_t)group) < 0)
        return -errno;
    return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* Build everything and take over `fd`, the control file. On error nothing is left, the directory
 * included. */
int shm_segment_build(const char *path, int directory, int fd, const struct shm_params *params,
                      struct shmlog_control *plan, const struct shm_message *message,
                      struct shm_segment **ret_segment);

#endif
