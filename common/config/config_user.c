/* SPDX-License-Identifier: MIT
 *
 * See config_user.h. A group belongs to the user beside it: one from another place is not mixed
 * in.
 */
#include "config_user.h"

#include <stdint.h>
#include <stdlib.h>

#include "config_file.h"
#include "config_kind.h"
#include "identity.h"
#include "memory.h"

static void refuse(const struct config_source *source, const char *service, const char *key,
                   const char *name, struct config_errors *errors) {
    struct config_path path = config_service_path(service);
    path.parts[path.depth++] = key;
    config_report_at_value(errors, source, &path,
                           "found \"%s\", which is root; expected another %s: only the config "
                           "file may ask for root",
                           name, key);
}

/* A name that does not exist has been reported already. */
void config_user_check_declared(const struct config_source *source, const char *service,
                                const json_t *block, struct config_errors *errors) {
    const char *user = json_string_value(json_object_get(block, "user"));
    const char *group = json_string_value(json_object_get(block, "group"));
    bool has_group = group && *group;
    struct account account;
    gid_t gid;
    if (user && *user && identity_find_user(user, &account) == 0 &&
        (account.uid == 0 || (account.is_known && account.gid == 0 && !has_group)))
        refuse(source, service, "user", user, errors);
    if (has_group && identity_find_group(group, &gid) == 0 && gid == 0)
        refuse(source, service, "group", group, errors);
}

/* A mere number has no group of its own. */
static bool lacks_group(const char *user, const char *group) {
    struct account account;
    return *user && !*group && identity_find_user(user, &account) == 0 && !account.is_known;
}

static void replace(char **text, const char *with) {
    free(*text);
    *text = memory_copy_text(with);
}

static bool is_in_file(const struct config_draft *draft, const char *key, const char *value) {
    return *value && config_service_origin(draft, key) == LAYER_FILE;
}

void config_user_resolve(struct config_draft *draft, const struct config *config,
                         struct config_errors *errors) {
    struct config_service *service = &draft->service;
    bool has_user = is_in_file(draft, "user", service->user);
    bool has_group = is_in_file(draft, "group", service->group);
    if (!has_user && *config->user) {
        replace(&service->user, config->user);
        if (!has_group)
            replace(&service->group, config->group);
    } else if (has_user && !has_group) {
        replace(&service->group, "");
    }
    if (*service->group && !*service->user)
        config_service_complain(draft, "group", errors, "user to be set too");
    if (lacks_group(service->user, service->group))
        config_service_complain(draft, "user", errors,
                                "group to be set too, as this user has no account here");
    config_service_render(draft);
}

static const char *text_of(const json_t *block, const char *key) {
    const char *text = json_string_value(json_object_get(block, key));
    return text ? text : "";
}

void config_describing_user(const struct config *config, const char **out_user,
                            const char **out_group) {
    const char *name;
    json_t *block;
    const json_t *first = NULL;
    *out_user = config->user;
    *out_group = config->group;
    if (*config->user)
        return;
    json_object_foreach((json_t *)(uintptr_t)config_file_services(config), name, block) {
        if (config_kind_is_builtin(block))
            continue;
        if (!*text_of(block, "user"))
            return;
        if (!first)
            first = block;
    }
    if (lacks_group(text_of(first, "user"), text_of(first, "group")))
        return; /* that will be said */
    *out_user = text_of(first, "user");
    *out_group = text_of(first, "group");
}
