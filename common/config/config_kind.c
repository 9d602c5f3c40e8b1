/* SPDX-License-Identifier: MIT
 *
 * See config_kind.h. One row a kind: a new one is a row here, a member of enum config_kind,
 * its name in config_table.c and a row in worker/builtin/builtin.c.
 */
#include "config_kind.h"

#include <string.h>

static const char *name_of(int kind) {
    return config_table_find(CONFIG_OF_SERVICE, "kind")->words[kind];
}

bool config_kind_is_builtin(const json_t *block) {
    const char *kind = json_string_value(json_object_get(block, "kind"));
    return kind && strcmp(kind, name_of(CONFIG_KIND_APP)) != 0;
}

static void check_static(const struct config_draft *draft, struct config_errors *errors) {
    const struct config_service *service = &draft->service;
    if (service->listen.protocol != LISTEN_HTTP)
        config_service_complain(draft, "listen", errors,
                                "an http address, as kind is \"static\"");
    if (!*service->files.root)
        config_service_complain(draft, "static.root", errors,
                                "a folder, as kind is \"static\"");
}

static void (*const checks[CONFIG_KIND_COUNT])(const struct config_draft *draft,
                                               struct config_errors *errors) = {
    [CONFIG_KIND_STATIC] = check_static,
};

void config_kind_check(const struct config_draft *draft, struct config_errors *errors) {
    int kind = draft->service.kind;
    if (kind == CONFIG_KIND_APP)
        return;
    if (*draft->service.app)
        config_service_complain(draft, "app", errors, "no app, as kind is \"%s\"",
                                name_of(kind));
    checks[kind](draft, errors);
}
