/* SPDX-License-Identifier: MIT
 *
 * shmlog-gateway: a segment and its log files over HTTP.
 */
#include "gateway/ingest.h"
#include "gateway/search.h"
#include "gateway/service.h"
#include "gateway/tail.h"
#include "producer/shmlog.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRAM "shmlog-gateway"
#define PORT 8780

static const struct http_route routes[] = {
    {"GET", "/health", ROLE_READ, service_health},
    {"GET", "/metrics", ROLE_READ, service_metrics},
    {"GET", "/config", ROLE_READ, service_config},
    {"PUT", "/config/level", ROLE_ADMIN, service_level},
    {"POST", "/ingest", ROLE_INGEST, ingest},
    {"POST", "/simulate", ROLE_ADMIN, ingest_simulated},
    {"POST", "/api/query", ROLE_READ, search_query},
    {"GET", "/api/search", ROLE_READ, search_text},
    {"GET", "/api/tail", ROLE_READ, tail_begin},
    {"GET", "/logs", ROLE_READ, search_logs},
    {"GET", "/logs/recent", ROLE_READ, search_recent},
    {"GET", "/stats", ROLE_READ, search_stats},
};

static const struct option options[] = {
    {"segment", required_argument, NULL, 's'},  {"logs", required_argument, NULL, 'l'},
    {"listen", required_argument, NULL, 'a'},   {"token-file", required_argument, NULL, 't'},
    {"tls-cert", required_argument, NULL, 'c'}, {"tls-key", required_argument, NULL, 'k'},
    {"simulate", no_argument, NULL, 'x'},       {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},        {0},
};

struct arguments {
    struct gateway gateway;
    char address[64];
    uint16_t port;
    const char *token_file, *certificate, *key;
};

static void print_help(void)
{
    puts("usage: " PROGRAM " --segment NAME [OPTION]...\n"
         "\n"
         "Serves a segment and its log files over HTTP, until SIGTERM or SIGINT.\n"
         "\n"
         "  --segment NAME         the segment: a name, or a path that ends in one\n"
         "  --logs DIR             its log files, for queries (without: what its rings hold)\n"
         "  --listen ADDRESS:PORT  a numeric address, [ADDRESS]:PORT for IPv6; port 0 is any\n"
         "                         (127.0.0.1:8780)\n"
         "  --token-file FILE      who may do what: lines of ROLE TOKEN, ROLE read, ingest or\n"
         "                         admin (without: everybody may read, nobody more)\n"
         "  --tls-cert FILE        serve HTTPS, with this certificate,\n"
         "  --tls-key FILE         and its key\n"
         "  --simulate             take POST /simulate, which logs a record over and over\n"
         "  --help                 this text\n"
         "  --version              the version\n"
         "\n"
         "exit status: 0 ended by a signal; 1 a failure; 2 wrong use");
}

__attribute__((format(printf, 1, 2))) static int wrong_use(const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    text_say(stderr, PROGRAM ": %s", message);
    fprintf(stderr, "Try '" PROGRAM " --help'.\n");
    return 2;
}

static bool take_listen(const char *value, struct arguments *arguments)
{
    const char *const colon = strrchr(value, ':');
    const bool bracket = *value == '[' && colon > value && colon[-1] == ']';
    const char *const from = value + bracket;
    const size_t size = colon ? (size_t)(colon - from) - bracket : 0;
    char *end;
    unsigned long port;

    if (!colon || !size || size >= sizeof(arguments->address) || colon[1] < '0' || colon[1] > '9')
        return false;
    port = strtoul(colon + 1, &end, 10);
    memcpy(arguments->address, from, size);
    arguments->address[size] = '\0';
    arguments->port = (uint16_t)port;
    return !*end && port <= 65535;
}

static bool is_local(const char *address)
{
    return !strncmp(address, "127.", 4) || !strcmp(address, "::1");
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
    int letter;

    while ((letter = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (letter) {
        case 's':
            arguments->gateway.segment = optarg;
            break;
        case 'l':
            arguments->gateway.logs = optarg;
            break;
        case 'a':
            if (!take_listen(optarg, arguments))
                return wrong_use("--listen %s: must be ADDRESS:PORT, as 127.0.0.1:8780", optarg);
            break;
        case 't':
            arguments->token_file = optarg;
            break;
        case 'c':
            arguments->certificate = optarg;
            break;
        case 'k':
            arguments->key = optarg;
            break;
        case 'x':
            arguments->gateway.simulate = true;
            break;
        case 'h':
            print_help();
            return 0;
        case 'v':
            puts(PROGRAM " " SHMLOG_VERSION_STRING);
            return 0;
        case ':':
            return wrong_use("%s needs a value", argv[optind - 1]);
        default:
            return wrong_use("%s: no such option", argv[optind - 1]);
        }
    }
    if (optind < argc)
        return wrong_use("%s: not an option", argv[optind]);
    if (!arguments->gateway.segment || !*arguments->gateway.segment)
        return wrong_use("--segment is missing");
    if (!arguments->certificate != !arguments->key)
        return wrong_use("--tls-cert and --tls-key go together");
    if (!is_local(arguments->address) && !arguments->token_file)
        return wrong_use("--listen %s: others than this host could read all; give a --token-file",
                         arguments->address);
    return -1;
}

static char *read_file(const char *path)
{
    FILE *const file = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;
    const ssize_t size = file ? getdelim(&text, &room, '\0', file) : -1;

    if (size < 0) {
        text_say(stderr, PROGRAM ": %s: %s", path, file ? "is empty" : strerror(errno));
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static int serve(struct arguments *arguments)
{
    struct http_params params = {
        .address = arguments->address,
        .port = arguments->port,
        .routes = routes,
        .route_count = sizeof(routes) / sizeof(routes[0]),
        .arg = &arguments->gateway,
    };
    const struct shmlog_options log_options = {.flags = SHMLOG_OPEN_LATER, .process_name = PROGRAM};
    struct tokens tokens = {0};
    char message[1024] = "", *certificate = NULL, *key = NULL;
    struct http *http;
    struct stat st;
    sigset_t ends;
    int r = 0, number;

    if (arguments->token_file)
        r = tokens_read(arguments->token_file, &tokens, message, sizeof(message));
    if (r == 0 && arguments->gateway.logs &&
        (stat(arguments->gateway.logs, &st) < 0 || !S_ISDIR(st.st_mode))) {
        snprintf(message, sizeof(message), "--logs %s: is not a directory; give that of the files",
                 arguments->gateway.logs);
        r = -ENOTDIR;
    }
    if (r == 0 && arguments->certificate) {
        certificate = read_file(arguments->certificate);
        key = certificate ? read_file(arguments->key) : NULL;
        r = key ? 0 : -EIO;
    }
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* in all threads: this one waits for them */
    signal(SIGPIPE, SIG_IGN);
    params.tokens = &tokens;
    params.certificate = certificate;
    params.key = key;
    arguments->gateway.tokens = tokens.given;
    arguments->gateway.tls = certificate != NULL;
    if (r == 0 && tokens.given) { /* without, nobody may ingest; one attached keeps the segment */
        r = shmlog_open(&arguments->gateway.log, arguments->gateway.segment, &log_options);
        if (r < 0)
            snprintf(message, sizeof(message), "%s: %s", arguments->gateway.segment,
                     shmlog_strerror(r));
    }
    if (r == 0)
        r = http_open(&params, &http, message, sizeof(message));
    if (r == 0) {
        fprintf(stderr, PROGRAM ": listening on %s port %u\n" PROGRAM ": ready\n",
                arguments->address, http_port(http));
        sigwait(&ends, &number);
        http_close(http);
    } else if (*message) {
        text_say(stderr, PROGRAM ": %s", message);
    }
    shmlog_close(arguments->gateway.log);
    tokens_done(&tokens);
    free(certificate);
    free(key);
    return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.address = "127.0.0.1", .port = PORT};
    const int status = parse(argc, argv, &arguments);

    return status < 0 ? serve(&arguments) : status;
}
