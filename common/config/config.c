/* SPDX-License-Identifier: MIT
 *
 * Step one of a configuration: the file alone. Everything that it can be blamed for is reported
 * at once; what depends on the apps is left to config_merge.c.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_check.h"
#include "config_file.h"
#include "config_kind.h"
#include "config_run_dir.h"
#include "config_service.h"
#include "config_value.h"
#include "identity.h"
#include "memory.h"
#include "trusted.h"

/* Fill the members of the instance: from the file where it is right, else the default. */
static void fill_instance(struct config *config) {
    const struct config_table *table = config_table_get(CONFIG_OF_INSTANCE);
    struct config_source source = config_file_source(config);
    for (size_t i = 0; i < table->count; i++) {
        const struct config_row *row = &table->rows[i];
        struct config_layer layer = {&source, config->file ? config->file->text.root : NULL};
        config_layer_store(&layer, 1, row, config);
    }
}

/* Errors about a key at the top. */
static void complain(const struct config *config, const char *name, const char *what,
                     struct config_errors *errors) {
    char buffer[CONFIG_PATH_BUFFER];
    struct config_source source = config_file_source(config);
    struct config_path top = {.index = -1};
    struct config_path path = config_check_path(&top, name, buffer);
    config_report_at_value(errors, &source, &path, "%s", what);
}

static void check_group_alone(const struct config *config, struct config_errors *errors) {
    char what[256];
    if (!*config->group || *config->user)
        return;
    snprintf(what, sizeof(what), "found \"%.64s\"; expected user to be set too", config->group);
    complain(config, "group", what, errors);
}

static void check_trusted_groups(const struct config *config, struct config_errors *errors) {
    struct config_source source = config_file_source(config);
    gid_t gid;
    for (size_t i = 0; i < config->trusted_group_count; i++) {
        struct config_path path = {.parts = {"trusted_groups"}, .depth = 1, .index = (long)i};
        if (i >= TRUSTED_GROUPS_MAX)
            config_report_at_value(errors, &source, &path, "expected at most %d groups",
                                   TRUSTED_GROUPS_MAX);
        else if (identity_find_group(config->trusted_groups[i], &gid) != 0)
            config_report_at_value(
                errors, &source, &path,
                "found \"%.64s\"; expected the name of a group of this machine",
                config->trusted_groups[i]);
    }
}

static void check_log_folder(const struct config *config, struct config_errors *errors) {
    struct stat st;
    char *folder = memory_copy_text(config->log_file);
    char *slash = strrchr(folder, '/');
    if (slash) {
        slash[slash == folder ? 1 : 0] = '\0';
        if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
            char *what = memory_format("found \"%s\"; expected a file in a folder that exists",
                                       config->log_file);
            complain(config, "log.file", what, errors);
            free(what);
        }
    }
    free(folder);
}

/* What is no name of a file but of a descriptor is whatever it is. */
static bool names_descriptor(const char *path) {
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
}

static void check_log_type(const struct config *config, struct config_errors *errors) {
    const char *path = config->log_file;
    struct stat st;
    if (!path[0] || names_descriptor(path) || stat(path, &st) != 0 ||
        (!S_ISDIR(st.st_mode) && !S_ISSOCK(st.st_mode) && !S_ISBLK(st.st_mode)))
        return;
    char *what = memory_format("found \"%s\", %s; expected a file, a FIFO or a terminal", path,
                               S_ISDIR(st.st_mode)    ? "a folder"
                               : S_ISSOCK(st.st_mode) ? "a unix socket"
                                                      : "a block device");
    complain(config, "log.file", what, errors);
    free(what);
}

static void check_apps(const struct config *config, struct config_errors *errors) {
    struct config_source source = config_file_source(config);
    for (size_t i = 1; i < config->app_count; i++) {
        for (size_t j = 0; j < i; j++) {
            struct config_path path = {.parts = {"app"}, .depth = 1, .index = (long)i};
            if (strcmp(config->apps[i], config->apps[j]) == 0)
                config_report_at_value(errors, &source, &path,
                                       "found \"%s\" again; expected each app once",
                                       config->apps[i]);
        }
    }
}

/* From the command line, the file, or the system, in this order. */
static void fill_run_dir(struct config *config, const char *override,
                         struct config_errors *errors) {
    bool is_override = override && *override;
    config->has_default_run_dir = !is_override && !*config->run_dir;
    if (is_override || config->has_default_run_dir) {
        char *cwd = getcwd(NULL, 0);
        free(config->run_dir);
        config->run_dir =
            is_override ? config_value_absolute(override, cwd) : config_run_dir_default();
        free(cwd);
    }
    if (strlen(config->run_dir) <= CONFIG_RUN_DIR_MAX)
        return;
    char *what =
        memory_format("found \"%s\"; expected an absolute path of at most %d bytes, so that "
                      "the sockets in it can be named",
                      config->run_dir, CONFIG_RUN_DIR_MAX);
    if (is_override)
        config_report_line(errors, "--run-dir: %s", what);
    else
        complain(config, "run_dir", what, errors);
    free(what);
}

/* Answers whether its keys may be looked at. */
static bool check_service(const struct config_source *source, const char *name,
                          const json_t *block, struct config_errors *errors) {
    char shown[CONFIG_SHOWN_MAX];
    struct config_path path = config_service_path(name);
    if (!config_service_is_name(name)) {
        config_report_at_key(errors, source, &path,
                             "found this name; expected 1 to %d of a-z, 0-9, \"_\" and \"-\"",
                             CONFIG_NAME_MAX);
        return false;
    }
    if (!json_is_object(block)) {
        config_report_show(block, shown);
        config_report_at_value(errors, source, &path, "found %s; expected a block in { }",
                               shown);
        return false;
    }
    struct config_check check = {
        .scope = CONFIG_OF_SERVICE, .source = source, .base = path, .errors = errors};
    config_check_block(&check, block);
    return true;
}

static void check_services(const struct config *config, struct config_errors *errors) {
    struct config_source source = config_file_source(config);
    const json_t *services = config_file_services(config);
    struct config_path path = {.parts = {"services"}, .depth = 1, .index = -1};
    const char *name;
    json_t *block;
    size_t count = 0;
    char shown[CONFIG_SHOWN_MAX];
    if (services && !json_is_object(services)) {
        config_report_show(services, shown);
        config_report_at_value(errors, &source, &path, "found %s; expected a block in { }",
                               shown);
        return;
    }
    if (json_object_size(services) > CONFIG_SERVICES_MAX) {
        config_report_at_value(errors, &source, &path,
                               "found %zu services; expected at most %d",
                               json_object_size(services), CONFIG_SERVICES_MAX);
        return;
    }
    struct config_draft *drafts = memory_new(CONFIG_SERVICES_MAX * sizeof(*drafts));
    json_object_foreach((json_t *)(uintptr_t)services, name, block) {
        if (!check_service(&source, name, block, errors))
            continue;
        drafts[count].layers[LAYER_FILE] = (struct config_layer){&source, block};
        config_service_build(&drafts[count], name);
        /* No app adds to it. */
        drafts[count].is_complete = drafts[count].service.kind != CONFIG_KIND_APP;
        config_service_check(&drafts[count], errors);
        config_kind_check(&drafts[count], errors);
        count++;
    }
    config_service_check_all(drafts, count, errors);
    while (count > 0)
        config_service_done(&drafts[--count].service);
    free(drafts);
}

bool config_has_builtin(const struct config *config) {
    const char *name;
    json_t *block;
    json_object_foreach((json_t *)(uintptr_t)config_file_services(config), name,
                        block) if (config_kind_is_builtin(block)) return true;
    return false;
}

static void check_keys(const struct config *config, struct config_errors *errors) {
    struct config_source source = config_file_source(config);
    struct config_check check = {.scope = CONFIG_OF_INSTANCE,
                                 .source = &source,
                                 .base = {.index = -1},
                                 .errors = errors};
    config_check_block(&check, config->file->text.root);
}

/* NULL: it cannot be read. */
static struct config *open_file(const char *path, struct config_errors *out_errors) {
    struct config_errors errors = {0};
    struct config *config = memory_new(sizeof(*config));
    if (!path || config_file_open(path, &config->file, &errors) == 0)
        return config;
    config_free(config);
    *out_errors = errors;
    return NULL;
}

/* Takes both. */
static int answer(struct config *config, const struct config_errors *errors,
                  struct config **out_config, struct config_errors *out_errors) {
    if (errors->count == 0) {
        *out_config = config;
        return 0;
    }
    config_free(config);
    *out_errors = *errors;
    return -EINVAL;
}

/* One of another type is not a path to look for. */
static bool has_right_run_dir(const struct config *config) {
    const json_t *given =
        config->file ? json_object_get(config->file->text.root, "run_dir") : NULL;
    return !given || json_is_string(given);
}

int config_read_run_dir(const char *path, struct config **out_config,
                        struct config_errors *out_errors) {
    struct config_errors errors = {0};
    struct config *config = open_file(path, out_errors);
    if (!config)
        return -EINVAL;
    if (!has_right_run_dir(config))
        check_keys(config, &errors);
    fill_instance(config);
    fill_run_dir(config, NULL, &errors);
    return answer(config, &errors, out_config, out_errors);
}

int config_read(const char *path, const char *run_dir, struct config **out_config,
                struct config_errors *out_errors) {
    struct config_errors errors = {0};
    struct config *config = open_file(path, out_errors);
    if (!config)
        return -EINVAL;
    if (config->file) {
        config->path = memory_copy_text(config->file->path);
        check_keys(config, &errors);
    }
    fill_instance(config);
    fill_run_dir(config, run_dir, &errors);
    check_apps(config, &errors);
    check_group_alone(config, &errors);
    check_trusted_groups(config, &errors);
    check_log_folder(config, &errors);
    check_log_type(config, &errors);
    check_services(config, &errors);
    return answer(config, &errors, out_config, out_errors);
}

void config_free(struct config *config) {
    if (!config)
        return;
    const struct config_table *table = config_table_get(CONFIG_OF_INSTANCE);
    for (size_t i = 0; i < table->count; i++)
        config_value_done(&table->rows[i], config);
    for (size_t i = 0; i < config->service_count; i++)
        config_service_done(&config->services[i]);
    free(config->services);
    free(config->path);
    config_file_close(config->file);
    free(config);
}
