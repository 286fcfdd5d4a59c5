/* SPDX-License-Identifier: MIT
 *
 * Output of shmlog-dump: see output.h.
 */
#include "tools/output.h"
#include "reader/fileset.h"
#include "reader/text.h"

#include <errno.h>
#include <stdio.h>

#define PROGRAM "shmlog-dump"

void output_complain(const char *message)
{
    fflush(stdout);
    text_say(stderr, PROGRAM ": %s", message);
}

int output_flush(void)
{
    if (fflush(stdout) == 0)
        return 0;
    return errno ? -errno : -EIO;
}

int output_status(int r)
{
    if (r == -EPIPE)
        return EXIT_WELL;
    if (r < 0) {
        fprintf(stderr, PROGRAM ": %s\n", fileset_strerror(r));
        return EXIT_BAD;
    }
    return EXIT_WELL;
}
