/* SPDX-License-Identifier: MIT
 *
 * How --verify reports a problem.
 */
#include "reader/text.h"
#include "tools/verify_state.h"

#include <inttypes.h>
#include <stdarg.h>

void verify_problem(struct verify *verify, const char *format, ...)
{
    struct text text = {0};
    va_list args;

    verify->problems++;
    fflush(verify->out);
    va_start(args, format);
    text_vprintf(&text, format, args);
    va_end(args);
    text_say(verify->err, "problem: %.*s", (int)text.size, text.data ? text.data : "");
    text_done(&text);
}

void verify_account_problem(void *arg, const struct account *account, const char *format, ...)
{
    struct verify *verify = arg;
    char text[256], ring[32] = "outside rings";
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (account->ring != VERIFY_NO_RING)
        snprintf(ring, sizeof(ring), "ring %" PRIu32, account->ring);
    if (verify->file)
        verify_problem(verify, "%s: %s: %s", verify->file->path, ring, text);
    else
        verify_problem(verify, "%s: %s", ring, text);
}
