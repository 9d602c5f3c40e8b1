/* SPDX-License-Identifier: MIT
 *
 * See config_process.h. User and group are one value: they come from the same place.
 */
#include "config_process.h"

#include <assert.h>
#include <string.h>

#include "config_value.h"

const char *config_process_name(const struct config_service *service) {
    return *service->process ? service->process : service->name;
}

static const char *process_of(const struct config_draft *draft) {
    return config_process_name(&draft->service);
}

static bool is_together(const struct config_draft *a, const struct config_draft *b) {
    return strcmp(process_of(a), process_of(b)) == 0;
}

/* One thing to agree in. */
struct rule {
    const char *key; /* where a complaint stands */
    bool (*is_given)(const struct config_draft *draft, const struct config *config,
                     const char *key);
    const char *const *keys; /* the members that are compared and copied; ends with NULL */
};

static bool is_said(const struct config_draft *draft, const struct config *config,
                    const char *key) {
    (void)config;
    return config_service_origin(draft, key) != LAYER_DEFAULT;
}

/* Beside a user of the instance an app's does not count. */
static bool is_user_said(const struct config_draft *draft, const struct config *config,
                         const char *key) {
    unsigned from = config_service_origin(draft, key);
    return *draft->service.user &&
           (from == LAYER_FILE || (from != LAYER_DEFAULT && !*config->user));
}

static const char *const workers[] = {"workers", NULL};
static const char *const identity[] = {"user", "group", NULL};
static const char *const reloadable[] = {"reloadable", NULL};
static const char *const memory[] = {"limits.memory", NULL};

static const struct rule rules[] = {{"workers", is_said, workers},
                                    {"user", is_user_said, identity},
                                    {"reloadable", is_said, reloadable},
                                    {"limits.memory", is_said, memory}};

static json_t *value_of(const struct config_draft *draft, const char *key) {
    return config_value_render(config_table_find(CONFIG_OF_SERVICE, key), &draft->service);
}

static bool is_equal(const struct config_draft *a, const struct config_draft *b,
                     const struct rule *rule) {
    bool same = true;
    for (const char *const *key = rule->keys; *key; key++) {
        json_t *one = value_of(a, *key), *other = value_of(b, *key);
        same = same && json_equal(one, other);
        json_decref(one);
        json_decref(other);
    }
    return same;
}

static void copy(struct config_draft *to, const struct config_draft *from,
                 const struct rule *rule) {
    for (const char *const *key = rule->keys; *key; key++) {
        const struct config_row *row = config_table_find(CONFIG_OF_SERVICE, *key);
        struct config_value value;
        char why[256];
        long index;
        json_t *json = value_of(from, *key);
        int rc = config_value_parse(row, json, &value, &index, why, sizeof(why));
        assert(rc == 0);
        if (rc == 0)
            config_value_store(row, &value, NULL, &to->service);
        json_decref(json);
    }
    config_service_render(to);
}

static void refuse(const struct config_draft *draft, const struct config_draft *first,
                   const struct rule *rule, struct config_errors *errors) {
    char shown[CONFIG_SHOWN_MAX], place[256];
    json_t *value = value_of(first, rule->key);
    config_report_show(value, shown);
    json_decref(value);
    config_service_place(first, rule->key, place, sizeof(place));
    config_service_complain(draft, rule->key, errors,
                            "%s, as services.%s in the same process \"%s\" has it (%s)", shown,
                            first->service.name, process_of(first), place);
}

/* The first that gives the value decides; those that give none take it over. */
static void settle_rule(struct config_draft *drafts, size_t count, size_t first,
                        const struct rule *rule, const struct config *config,
                        struct config_errors *errors) {
    const struct config_draft *decides = NULL;
    for (size_t i = first; i < count; i++) {
        if (!is_together(&drafts[i], &drafts[first]) ||
            !rule->is_given(&drafts[i], config, rule->key))
            continue;
        if (!decides)
            decides = &drafts[i];
        else if (!is_equal(&drafts[i], decides, rule))
            refuse(&drafts[i], decides, rule, errors);
    }
    for (size_t i = first; decides && i < count; i++)
        if (is_together(&drafts[i], &drafts[first]) &&
            !rule->is_given(&drafts[i], config, rule->key))
            copy(&drafts[i], decides, rule);
}

/* Built-in kinds go with any app. The complaint stands where the process is named. */
static void check_app(const struct config_draft *draft, const struct config_draft *first,
                      struct config_errors *errors) {
    const char *app = draft->service.app, *other = first->service.app;
    if (!*app || !*other || strcmp(app, other) == 0)
        return;
    bool is_named = *draft->service.process;
    config_service_complain(is_named ? draft : first, "process", errors,
                            "services of one app in a process: services.%s is of %s, "
                            "services.%s of %s",
                            first->service.name, other, draft->service.name, app);
}

static bool is_first(const struct config_draft *drafts, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (is_together(&drafts[i], &drafts[at]))
            return false;
    return true;
}

void config_process_settle(struct config_draft *drafts, size_t count,
                           const struct config *config, struct config_errors *errors) {
    for (size_t first = 0; first < count; first++) {
        if (!is_first(drafts, first))
            continue;
        for (size_t i = first + 1; i < count; i++)
            if (is_together(&drafts[i], &drafts[first]))
                check_app(&drafts[i], &drafts[first], errors);
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
            settle_rule(drafts, count, first, &rules[i], config, errors);
    }
}
