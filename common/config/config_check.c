/* SPDX-License-Identifier: MIT
 *
 * The walk over a block. It descends only where the table has a group, so its depth is the
 * table's.
 */
#include "config_check.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config_expect.h"
#include "config_value.h"
#include "identity.h"

const json_t *config_check_lookup(const json_t *block, const char *path) {
    char part[CONFIG_PATH_BUFFER];
    while (block && *path) {
        size_t len = strcspn(path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)len, path);
        block = json_object_get(block, part);
        path += path[len] == '.' ? len + 1 : len;
    }
    return block;
}

struct config_path config_check_path(const struct config_path *base, const char *path,
                                     char buffer[CONFIG_PATH_BUFFER]) {
    struct config_path whole = *base;
    snprintf(buffer, CONFIG_PATH_BUFFER, "%s", path);
    for (char *part = buffer; part;) {
        char *dot = strchr(part, '.');
        if (dot)
            *dot++ = '\0';
        assert(whole.depth < CONFIG_TEXT_DEPTH_MAX);
        whole.parts[whole.depth++] = part;
        part = dot;
    }
    return whole;
}

/* Is there such a one? */
static bool is_account(const struct config_row *row, const char *text) {
    struct account account;
    gid_t group;
    if (row->type == CONFIG_USER)
        return !*text || identity_find_user(text, &account) == 0;
    return row->type != CONFIG_GROUP || !*text || identity_find_group(text, &group) == 0;
}

static void check_value(const struct config_check *check, const struct config_row *row,
                        struct config_path *path, const json_t *json) {
    struct config_value value;
    char why[512];
    int err = config_value_parse(row, json, &value, &path->index, why, sizeof(why));
    if (err)
        config_report_at_value(check->errors, check->source, path, "%s", why);
    path->index = -1;
    if (err || is_account(row, value.text))
        return;
    config_expect_explain(row, json, why, sizeof(why));
    config_report_at_value(check->errors, check->source, path, "%s", why);
}

/* What to say about an unknown key beyond that. */
static void advise(const struct config_check *check, const char *group, const char *key,
                   char *out_text, size_t size) {
    char buffer[CONFIG_PATH_BUFFER];
    size_t dot = strcspn(key, ".");
    const char *meant = config_table_suggest(check->scope, group, key, buffer, sizeof(buffer));
    *out_text = '\0';
    if (key[dot] && config_table_find(check->scope, key))
        snprintf(out_text, size, "; expected \"%.*s\": { \"%s\": … }", (int)dot, key,
                 key + dot + 1);
    else if (meant)
        snprintf(out_text, size, "; did you mean \"%s\"?", meant);
}

static void refuse_key(const struct config_check *check, const char *group,
                       const struct config_path *path) {
    char advice[CONFIG_PATH_BUFFER + 64];
    advise(check, group, path->parts[path->depth - 1], advice, sizeof(advice));
    config_report_at_key(check->errors, check->source, path, "unknown key%s", advice);
}

/* A key that has another name now; false: it is none. */
static bool refuse_old(const struct config_check *check, const char *name,
                       const struct config_path *path) {
    const struct config_row *row = config_table_find_renamed(check->scope, name);
    if (row)
        config_report_at_key(check->errors, check->source, path,
                             "found a key of an earlier version; its name is now \"%s\"",
                             row->path);
    return row != NULL;
}

static bool is_elsewhere(const struct config_check *check, const char *path) {
    return check->scope == CONFIG_OF_INSTANCE && strcmp(path, "services") == 0;
}

static void check_group(const struct config_check *check, const char *group,
                        struct config_path *path, const json_t *block);

static void check_entry(const struct config_check *check, const char *group, const char *name,
                        struct config_path *path, const json_t *json) {
    char shown[CONFIG_SHOWN_MAX];
    const struct config_row *row = config_table_find(check->scope, name);
    if (row && row->file_only && check->is_declared) {
        config_report_at_key(check->errors, check->source, path,
                             "found a key that only a config file may have");
    } else if (row) {
        check_value(check, row, path, json);
    } else if (config_table_has_group(check->scope, name)) {
        if (json_is_object(json)) {
            check_group(check, name, path, json);
            return;
        }
        config_report_show(json, shown);
        config_report_at_value(check->errors, check->source, path,
                               "found %s; expected a block in { }", shown);
    } else if (!is_elsewhere(check, name) && !refuse_old(check, name, path)) {
        refuse_key(check, group, path);
    }
}

static void check_group(const struct config_check *check, const char *group,
                        struct config_path *path, const json_t *block) {
    const char *key;
    json_t *json;
    /* jansson iterates without changing the object. */
    json_object_foreach((json_t *)(uintptr_t)block, key, json) {
        char name[CONFIG_PATH_BUFFER];
        int len = snprintf(name, sizeof(name), "%s%s%s", group, *group ? "." : "", key);
        if (check->errors->count > CONFIG_ERRORS_MAX)
            return;
        assert(path->depth < CONFIG_TEXT_DEPTH_MAX);
        path->parts[path->depth++] = key;
        /* A name that had to be cut, or with a dot of its own, is none of ours. */
        if (len < 0 || (size_t)len >= sizeof(name) || strchr(key, '.') || *key == '\0')
            refuse_key(check, group, path);
        else
            check_entry(check, group, name, path, json);
        path->depth--;
    }
}

void config_check_block(const struct config_check *check, const json_t *block) {
    struct config_path path = check->base;
    check_group(check, "", &path, block);
}
