/* SPDX-License-Identifier: MIT
 *
 * Bearer tokens, see tokens.h.
 */
#include "gateway/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN_MIN 16

static enum role role_of(const char *word)
{
    return !strcmp(word, "read")     ? ROLE_READ
           : !strcmp(word, "ingest") ? ROLE_INGEST
           : !strcmp(word, "admin")  ? ROLE_ADMIN
                                     : ROLE_NONE;
}

/* NULL: it is fine. */
static const char *take_line(struct tokens *tokens, char *line)
{
    char *rest = line, *const role = strtok_r(line, " \t\r\n", &rest);
    char *const token = strtok_r(NULL, " \t\r\n", &rest);
    struct token *grown;

    if (!role || *role == '#')
        return NULL;
    if (role_of(role) == ROLE_NONE)
        return "a line must be ROLE TOKEN, ROLE one of read, ingest, admin";
    if (!token || strlen(token) < TOKEN_MIN || strtok_r(NULL, " \t\r\n", &rest))
        return "a token must be one word of at least 16 characters";
    grown = realloc(tokens->token, (tokens->count + 1) * sizeof(*grown));
    if (!grown)
        return strerror(ENOMEM);
    tokens->token = grown;
    grown[tokens->count].role = role_of(role);
    grown[tokens->count].text = strdup(token);
    if (!grown[tokens->count].text)
        return strerror(ENOMEM);
    tokens->count++;
    return NULL;
}

int tokens_read(const char *path, struct tokens *ret_tokens, char *ret_message, size_t message_size)
{
    FILE *const file = fopen(path, "re");
    char *line = NULL;
    const char *wrong = NULL;
    size_t room = 0;
    unsigned number = 0;
    struct stat st;

    *ret_tokens = (struct tokens){.given = true};
    if (!file || fstat(fileno(file), &st) < 0) {
        const int error = errno;

        snprintf(ret_message, message_size, "%s: %s", path, strerror(error));
        if (file)
            fclose(file);
        return -error;
    }
    if (st.st_mode & S_IRWXO) {
        snprintf(ret_message, message_size, "%s: others may read it; chmod o= it", path);
        fclose(file);
        return -EPERM;
    }
    while (!wrong && getline(&line, &room, file) >= 0) {
        number++;
        wrong = take_line(ret_tokens, line);
    }
    free(line);
    fclose(file);
    if (!wrong)
        return 0;
    snprintf(ret_message, message_size, "%s: line %u: %s", path, number, wrong);
    tokens_done(ret_tokens);
    return -EINVAL;
}

void tokens_done(struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++)
        free(tokens->token[i].text);
    free(tokens->token);
    *tokens = (struct tokens){0};
}

/* No byte of the right one decides when this ends. */
static bool same(const char *given, const char *right)
{
    const size_t size = strlen(given);
    unsigned char differs = size != strlen(right);

    for (size_t i = 0; right[i]; i++)
        differs |= (unsigned char)(right[i] ^ given[i < size ? i : size]);
    return !differs;
}

enum tokens_verdict tokens_allow(const struct tokens *tokens, const char *authorization,
                                 enum role role)
{
    enum role has = ROLE_NONE;

    if (!tokens->given)
        return role == ROLE_READ ? TOKENS_ALLOWED : TOKENS_FORBIDDEN;
    if (!authorization || strncmp(authorization, "Bearer ", 7) != 0)
        return TOKENS_UNKNOWN;
    for (size_t i = 0; i < tokens->count; i++)
        if (same(authorization + 7, tokens->token[i].text))
            has = tokens->token[i].role;
    return has == ROLE_NONE                   ? TOKENS_UNKNOWN
           : has == role || has == ROLE_ADMIN ? TOKENS_ALLOWED
                                              : TOKENS_FORBIDDEN;
}
