/* SPDX-License-Identifier: MIT
 *
 * Who may do what: bearer tokens, each with a role.
 */
#ifndef GATEWAY_TOKENS_H
#define GATEWAY_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

/* Whoever may read may not ingest, nor the other way; admins may all. */
enum role { ROLE_NONE, ROLE_READ, ROLE_INGEST, ROLE_ADMIN };

struct tokens {
    struct token {
        enum role role;
        char *text;
    } * token;
    size_t count;
    bool given; /* there is a file of them; without one everybody may read, and nobody more */
};

/* Lines of `ROLE TOKEN`, ROLE read, ingest or admin; # begins a comment. The file must not be open
 * to others than its owner and group. 0; negative errno with a line in ret_message. */
int tokens_read(const char *path, struct tokens *ret_tokens, char *ret_message,
                size_t message_size);
void tokens_done(struct tokens *tokens);

enum tokens_verdict { TOKENS_ALLOWED, TOKENS_UNKNOWN, TOKENS_FORBIDDEN };

/* May whoever sends this Authorization header (NULL: none) do what takes `role`? Takes as long for
 * a wrong token as for a right one. */
enum tokens_verdict tokens_allow(const struct tokens *tokens, const char *authorization,
                                 enum role role);

#endif
