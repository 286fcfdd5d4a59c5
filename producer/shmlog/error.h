/* SPDX-License-Identifier: MIT
 *
 * Texts of errors.
 */

/* Both layout versions, and what to do. */
SHMLOG_COLD_ const char *shmlog_version_text_(const char *advice)
{
    static __thread char text[128];

    snprintf(text, sizeof(text), "the segment has layout version %u, this program version %u%s",
             shmlog_load_relaxed_(&shmlog_refused_version_), SHMLOG_LAYOUT_VERSION, advice);
    return text;
}

const char *shmlog_strerror(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return "success";
    case ENOENT:
        return "no such segment: is shmlog-collector running, and $SHMLOG_DIR the same?";
    case EACCES:
    case EPERM:
        return "permission denied: run as the segment's user, or as a member of the group that its "
               "shmlog-collector names with --group; the runtime folder must belong to this user "
               "or root, and nobody else may write to it";
    case ENOMEM:
        return "out of memory or address space (ulimit -v): all rings of the segment are mapped";
    case EAGAIN:
        return "a limit on locked memory (ulimit -l)";
    case EINVAL:
        return "not a segment's name: up to 63 letters, digits, '.', '_' and '-', beginning with "
               "neither '.' nor '-', or a path that ends in such a name; or a flag of "
               "shmlog_open() that this version does not have";
    case EMFILE:
        return "too many open files (ulimit -n), or a program is attached to four segments already";
    case ENAMETOOLONG:
        return "the segment's path is too long";
    case SHMLOG_ERR_FOREIGN:
        return "not a shmlog segment";
    case SHMLOG_ERR_OLDER:
        return shmlog_version_text_(": restart its collector, of this version");
    case SHMLOG_ERR_NEWER:
        return shmlog_load_relaxed_(&shmlog_refused_version_) == SHMLOG_LAYOUT_VERSION
                   ? "the segment has features that this program does not know: rebuild the program"
                   : shmlog_version_text_(": rebuild the program");
    case SHMLOG_ERR_GEOMETRY:
        return "the segment is damaged: its sizes do not add up";
    case SHMLOG_ERR_UNFINISHED:
        return "the segment is not finished: its collector is starting, or died doing so";
    case SHMLOG_ERR_CLOSED:
        return "the segment is being removed by its collector";
    case SHMLOG_ERR_NO_RINGS:
        return "none of the segment's rings can be mapped: its ring files are missing, cut short "
               "or another user's; restart its collector";
    case SHMLOG_ERR_RINGS:
        return "some of the segment's ring files are missing, cut short or another user's: restart "
               "its collector, or open with SHMLOG_OPEN_PARTIAL to go on without them";
    default:
        return strerror(error < 0 ? -error : error);
    }
}
