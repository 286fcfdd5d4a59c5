/* SPDX-License-Identifier: MIT
 *
 * The segment's health, numbers and levels, see service.h.
 */
#include "gateway/service.h"

#include "reader/level.h"
#include "reader/target.h"
#include "shm/metrics.h"
#include "tools/health.h"
#include "tools/info.h"
#include "tools/rules.h"

#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct shm_segment *open_segment(const struct gateway *gateway, bool writable,
                                        char *ret_message, size_t message_size)
{
    struct shm_segment *segment;

    return target_open_segment(gateway->segment, writable, &segment, ret_message, message_size) == 0
               ? segment
               : NULL;
}

/* ---- Health ---- */

static void put_down(const char *reason, struct http_reply *reply)
{
    reply->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    text_puts(&reply->body, "{\"live\":true,\"ready\":false,\"reasons\":[");
    text_put_json(&reply->body, reason, strlen(reason), NULL);
    text_puts(&reply->body, "],\"segment\":null}\n");
}

/* Ready: what is logged gets into files, or stays in the rings of a flight recorder. */
static bool is_ready(const struct health *health)
{
    return health_status(health) == 0 || health->recorder ||
           shm_health_has_collector(health->segment.state);
}

static void put_health(const struct shm_segment *segment, struct http_reply *reply)
{
    struct health health;
    struct text reason = {0}, object = {0};

    health_look(segment, &health);
    health_put_reason(&health, &reason);
    info_json_health(segment, &health, &object);
    reply->status = is_ready(&health) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    text_printf(&reply->body, "{\"live\":true,\"ready\":%s,\"reasons\":[",
                is_ready(&health) ? "true" : "false");
    if (reason.size && health_status(&health) != 0)
        text_put_json(&reply->body, reason.data, reason.size, NULL);
    text_puts(&reply->body, "],\"segment\":");
    text_put(&reply->body, object.data, object.size ? object.size - 1 : 0); /* the newline */
    text_puts(&reply->body, "}\n");
    text_done(&reason);
    text_done(&object);
}

void service_health(void *arg, const struct http_request *request, struct http_reply *reply)
{
    char message[PATH_MAX + 256];
    struct shm_segment *const segment = open_segment(arg, false, message, sizeof(message));

    if (segment)
        put_health(segment, reply);
    else
        put_down(message, reply);
    shm_segment_close(segment);
}

/* ---- Metrics ---- */

void service_metrics(void *arg, const struct http_request *request, struct http_reply *reply)
{
    char message[PATH_MAX + 256], *data = NULL;
    struct shm_segment *const segment = open_segment(arg, false, message, sizeof(message));
    size_t size = 0;
    FILE *const to = open_memstream(&data, &size);

    if (!to) {
        http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", strerror(ENOMEM));
        shm_segment_close(segment);
        return;
    }
    shm_metrics_head(to, "segment_up", "gauge", "1 if the gateway can read the segment.");
    fprintf(to, "shmlog_segment_up %d\n", segment != NULL);
    if (segment)
        shm_metrics_put(segment, to);
    if (fclose(to) == 0)
        text_put(&reply->body, data, size);
    free(data);
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
    shm_segment_close(segment);
}

/* ---- Levels ---- */

static void put_pattern(const char *key, const char *pattern, struct text *body)
{
    if (!*pattern)
        return;
    text_printf(body, ",\"%s\":", key);
    text_put_json(body, pattern, strlen(pattern), NULL);
}

static void put_rules(const struct shm_segment *segment, struct text *body)
{
    struct shm_rules rules;

    shm_rules_read(segment, &rules);
    text_printf(body, ",\"level\":\"%s\",\"rules\":[", level_name(rules.level));
    for (uint32_t i = 0; i < rules.count; i++) {
        const struct shmlog_rule *const rule = &rules.rule[i];

        text_printf(body, "%s{\"level\":", i ? "," : "");
        if (rule->level <= SHMLOG_OFF)
            text_printf(body, "\"%s\"", level_name(rule->level));
        else
            text_puts(body, "null");
        put_pattern("process", rule->process, body);
        put_pattern("category", rule->category, body);
        put_pattern("site", rule->site, body);
        if (rule->line)
            text_printf(body, ",\"line\":%u", rule->line);
        if (rule->gap_ns)
            text_printf(body, ",\"per_second\":%.9g", 1e9 / (double)rule->gap_ns);
        else if (rule->one_in)
            text_printf(body, ",\"one_in\":%u", rule->one_in);
        text_putc(body, '}');
    }
    text_putc(body, ']');
}

void service_config(void *arg, const struct http_request *request, struct http_reply *reply)
{
    const struct gateway *const gateway = arg;
    char message[PATH_MAX + 256];
    struct shm_segment *const segment = open_segment(gateway, false, message, sizeof(message));
    struct text *const body = &reply->body;

    text_puts(body, "{\"version\":\"" SHMLOG_VERSION_STRING "\",\"segment\":");
    text_put_json(body, gateway->segment, strlen(gateway->segment), NULL);
    text_puts(body, ",\"logs\":");
    if (gateway->logs)
        text_put_json(body, gateway->logs, strlen(gateway->logs), NULL);
    else
        text_puts(body, "null");
    text_printf(body, ",\"tokens\":%s,\"tls\":%s", gateway->tokens ? "true" : "false",
                gateway->tls ? "true" : "false");
    if (segment)
        put_rules(segment, body);
    text_puts(body, "}\n");
    shm_segment_close(segment);
}

/* NULL: taken; else what is wrong, for which *ret_key is to be named. */
static const char *take_rule(json_t *body, struct shmlog_rule *rule, const char **ret_key)
{
    const char *key;
    json_t *value;

    *rule = (struct shmlog_rule){.level = SHMLOG_RULE_KEEP};
    json_object_foreach(body, key, value)
    {
        const char *const text = json_string_value(value);
        const char *wants;

        *ret_key = key;
        if (!text)
            return "must be a text";
        wants = !strcmp(key, "level")
                    ? level_parse(text, &rule->level) == 0 ? NULL : LEVEL_OR_OFF_WANTED
                : !strcmp(key, "process")  ? rules_take_process(text, rule)
                : !strcmp(key, "category") ? rules_take_category(text, rule)
                : !strcmp(key, "site")     ? rules_take_site(text, rule)
                                           : "there is no such key";
        if (wants)
            return wants;
    }
    *ret_key = "level";
    return rule->level == SHMLOG_RULE_KEEP ? "is missing" : NULL;
}

static void set_level(const struct gateway *gateway, const struct shmlog_rule *rule,
                      struct http_reply *reply)
{
    char message[PATH_MAX + 256];
    struct shm_segment *const segment = open_segment(gateway, true, message, sizeof(message));
    uint32_t before;
    int r;

    if (!segment) {
        http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", message);
        return;
    }
    r = rules_for_all(rule) ? shm_rules_set_level(segment, rule->level, &before)
                            : shm_rules_set(segment, rule);
    shm_segment_close(segment);
    if (r == -ENOSPC)
        http_error(reply, MHD_HTTP_CONFLICT,
                   "there are %u rules already; shmlog-ctl unset removes some", SHMLOG_RULES_MAX);
    else if (r < 0)
        http_error(reply, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s", strerror(-r));
    else
        service_config((void *)gateway, NULL, reply);
}

void service_level(void *arg, const struct http_request *request, struct http_reply *reply)
{
    json_error_t error;
    json_t *const body =
        json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &error);
    struct shmlog_rule rule;
    const char *key = "", *wrong;

    if (!json_is_object(body)) {
        http_error(reply, MHD_HTTP_BAD_REQUEST, "the body must be an object%s%s", body ? "" : ": ",
                   body ? "" : error.text);
    } else if ((wrong = take_rule(body, &rule, &key)) != NULL) {
        http_error(reply, MHD_HTTP_BAD_REQUEST, "%s: %s", key, wrong);
    } else {
        set_level(arg, &rule, reply);
    }
    json_decref(body);
}
