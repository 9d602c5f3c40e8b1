/* SPDX-License-Identifier: MIT
 *
 * See config_memory.h.
 */
#include "config_memory.h"

#include <string.h>

#include "config_process.h"
#include "units.h"

#define MIB ((uint64_t)1024 * 1024)

/* A few clients with the longest message each shall not fill a worker. */
#define MESSAGES_MIN 8

static bool is_first(const struct config_draft *drafts, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (strcmp(config_process_name(&drafts[i].service),
                   config_process_name(&drafts[at].service)) == 0)
            return false;
    return true;
}

void config_memory_settle(struct config_draft *drafts, size_t count, uint64_t machine) {
    uint64_t workers = 0;
    for (size_t i = 0; i < count; i++)
        workers += is_first(drafts, i) ? drafts[i].service.workers : 0;
    uint64_t share = workers > 0 ? machine / 2 / workers : 0;
    uint64_t whole = share / MIB * MIB;
    if (machine > 0 && whole == 0)
        whole = MIB;
    for (size_t i = 0; i < count; i++) {
        struct config_limits *limits = &drafts[i].service.limits;
        if (limits->memory > 0)
            continue;
        limits->memory = whole;
        config_service_render(&drafts[i]);
    }
}

static void compare(const struct config_service *service, const char *key, uint64_t value,
                    struct config_errors *out_warnings) {
    uint64_t memory = service->limits.memory, most = memory / MESSAGES_MIN;
    char shown[32], limit[32], advised[32];
    if (memory == 0 || value <= most)
        return;
    size_format(value, shown, sizeof(shown));
    size_format(memory, limit, sizeof(limit));
    size_format(most, advised, sizeof(advised));
    config_report_line(out_warnings,
                       "services.%s.%s: found %s; expected at most %s, an eighth of "
                       "limits.memory (%s): otherwise a few clients can fill a worker",
                       service->name, key, shown, advised, limit);
}

void config_memory_warn(const struct config *config, struct config_errors *out_warnings) {
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        compare(service, "limits.max_message", service->limits.max_message, out_warnings);
        compare(service, "limits.max_body", service->limits.max_body, out_warnings);
    }
}
