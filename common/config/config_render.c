/* SPDX-License-Identifier: MIT
 *
 * Rendering, and what a reload compares. Both go through the table, so a new key is in them at
 * once.
 */
#include "config_render.h"

#include <stdio.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_service.h"
#include "config_value.h"
#include "memory.h"

/* Steals `value`. */
static void set_nested(json_t *block, const char *path, json_t *value) {
    char part[CONFIG_PATH_BUFFER];
    size_t len = strcspn(path, ".");
    snprintf(part, sizeof(part), "%.*s", (int)len, path);
    if (path[len] == '\0') {
        json_object_set_new(block, part, value);
        return;
    }
    json_t *group = json_object_get(block, part);
    if (!group) {
        group = memory_expect(json_object());
        json_object_set_new(block, part, group);
    }
    set_nested(group, path + len + 1, value);
}

json_t *config_render_block(enum config_scope scope, const void *object) {
    const struct config_table *table = config_table_get(scope);
    json_t *block = memory_expect(json_object());
    for (size_t i = 0; i < table->count; i++)
        set_nested(block, table->rows[i].path, config_value_render(&table->rows[i], object));
    return block;
}

json_t *config_effective(const struct config *config) {
    json_t *whole = config_render_block(CONFIG_OF_INSTANCE, config);
    json_t *services = memory_expect(json_object());
    for (size_t i = 0; i < config->service_count; i++)
        json_object_set(services, config->services[i].name, config->services[i].effective);
    json_object_set_new(whole, "services", services);
    return whole;
}

static size_t compare_row(const struct config_row *row, const void *old, const void *new,
                          const struct config_source *source, const struct config_path *base,
                          struct config_errors *out_errors) {
    char before[CONFIG_SHOWN_MAX], after[CONFIG_SHOWN_MAX], buffer[CONFIG_PATH_BUFFER];
    json_t *a = config_value_render(row, old), *b = config_value_render(row, new);
    bool differs = !json_equal(a, b);
    if (differs) {
        struct config_path path = config_check_path(base, row->path, buffer);
        config_report_show(a, before);
        config_report_show(b, after);
        config_report_at_value(out_errors, source, &path,
                               "found %s; expected %s, as only a restart can change it", after,
                               before);
    }
    json_decref(a);
    json_decref(b);
    return differs;
}

static size_t compare_service(const struct config_service *old,
                              const struct config_service *new,
                              const struct config_source *source,
                              struct config_errors *out_errors) {
    const struct config_table *table = config_table_get(CONFIG_OF_SERVICE);
    struct config_path base = config_service_path(new->name);
    bool same_socket = strcmp(old->listen_text, new->listen_text) == 0;
    size_t conflicts = 0;
    for (size_t i = 0; i < table->count; i++) {
        enum config_reload reload = table->rows[i].reload;
        if (reload == CONFIG_RELOAD_NEVER || (reload == CONFIG_RELOAD_SOCKET && same_socket))
            conflicts += compare_row(&table->rows[i], old, new, source, &base, out_errors);
    }
    return conflicts;
}

size_t config_reload_conflicts(const struct config *old, const struct config *new,
                               struct config_errors *out_errors) {
    const struct config_table *table = config_table_get(CONFIG_OF_INSTANCE);
    struct config_source source = config_file_source(new);
    struct config_path top = {.index = -1};
    size_t conflicts = 0;
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].reload == CONFIG_RELOAD_NEVER)
            conflicts += compare_row(&table->rows[i], old, new, &source, &top, out_errors);
    for (size_t i = 0; i < old->service_count; i++)
        for (size_t j = 0; j < new->service_count; j++)
            if (strcmp(old->services[i].name, new->services[j].name) == 0)
                conflicts +=
                    compare_service(&old->services[i], &new->services[j], &source, out_errors);
    return conflicts;
}
