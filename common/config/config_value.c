/* SPDX-License-Identifier: MIT
 *
 * What a value may be follows from its type; how it is kept, shown and freed from the storage
 * of that type. Strings hold no NUL: jansson refuses it.
 */
#include "config_value.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_expect.h"
#include "config_report.h"
#include "listen.h"
#include "memory.h"
#include "units.h"

/* How the member of a type lies in its struct, and so how it is copied, shown and freed. */
enum storage {
    STORED_BOOL,
    STORED_32,
    STORED_64,
    STORED_WORD,
    STORED_TEXT,
    STORED_LIST,
    STORED_OBJECT
};

static const enum storage storages[] = {
    [CONFIG_BOOL] = STORED_BOOL,     [CONFIG_COUNT] = STORED_32,
    [CONFIG_DURATION] = STORED_64,   [CONFIG_SIZE] = STORED_64,
    [CONFIG_STRING] = STORED_TEXT,   [CONFIG_PATH] = STORED_TEXT,
    [CONFIG_PATHS] = STORED_LIST,    [CONFIG_STRINGS] = STORED_LIST,
    [CONFIG_USER] = STORED_TEXT,     [CONFIG_GROUP] = STORED_TEXT,
    [CONFIG_MODE] = STORED_32,       [CONFIG_WORD] = STORED_WORD,
    [CONFIG_LISTEN] = STORED_TEXT,   [CONFIG_WORKERS] = STORED_32,
    [CONFIG_LABEL] = STORED_TEXT,    [CONFIG_NAME] = STORED_TEXT,
    [CONFIG_OBJECT] = STORED_OBJECT, [CONFIG_MEMORY] = STORED_64,
};

_Static_assert(sizeof(storages) / sizeof(*storages) == CONFIG_OBJECT + 1, "one for each type");

static void *member(const struct config_row *row, void *object) {
    return (char *)object + row->offset;
}

static const void *const_member(const struct config_row *row, const void *object) {
    return (const char *)object + row->offset;
}

char *config_value_absolute(const char *path, const char *folder) {
    if (!folder || path[0] == '/' || path[0] == '\0')
        return memory_copy_text(path);
    return memory_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
}

uint32_t config_value_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    int count = CPU_COUNT(&set);
    if (count > CONFIG_WORKERS_MAX)
        return CONFIG_WORKERS_MAX;
    return count < 1 ? 1 : (uint32_t)count;
}

static bool in_range(const struct config_row *row, uint64_t number) {
    return (number == 0 && row->zero_is_off) || (number >= row->min && number <= row->max);
}

static int parse_number(const struct config_row *row, const json_t *json, uint64_t *out) {
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return -EINVAL;
    *out = (uint64_t)json_integer_value(json);
    return in_range(row, *out) ? 0 : -EINVAL;
}

static int parse_unit(const struct config_row *row, const json_t *json,
                      int (*parse)(const char *, uint64_t *), uint64_t *out) {
    if (!json_is_string(json))
        return -EINVAL;
    int rc = parse(json_string_value(json), out);
    return rc == 0 && !in_range(row, *out) ? -ERANGE : rc;
}

static int parse_duration(const struct config_row *row, const json_t *json, uint64_t *out) {
    /* A number has no unit; only of nothing it does not matter. */
    if (json_is_integer(json) && json_integer_value(json) == 0)
        return parse_number(row, json, out);
    return parse_unit(row, json, duration_parse, out);
}

static int parse_size(const struct config_row *row, const json_t *json, uint64_t *out) {
    return json_is_integer(json) ? parse_number(row, json, out)
                                 : parse_unit(row, json, size_parse, out);
}

static int parse_mode(const struct config_row *row, const json_t *json, uint64_t *out) {
    const char *text = json_string_value(json);
    uint64_t mode = 0;
    size_t digits = text ? strspn(text, "01234567") : 0;
    if (digits == 0 || digits > 4 || text[digits] != '\0')
        return -EINVAL;
    for (; *text; text++)
        mode = mode * 8 + (uint64_t)(*text - '0');
    *out = mode;
    return in_range(row, mode) ? 0 : -EINVAL;
}

static int parse_word(const struct config_row *row, const json_t *json, uint64_t *out) {
    const char *text = json_string_value(json);
    for (size_t i = 0; text && row->words[i]; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *out = i;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_workers(const struct config_row *row, const json_t *json, uint64_t *out) {
    if (!json_is_string(json))
        return parse_number(row, json, out);
    if (strcmp(json_string_value(json), "auto") != 0)
        return -EINVAL;
    *out = config_value_cpus();
    return 0;
}

static int parse_memory(const struct config_row *row, const json_t *json, uint64_t *out) {
    if (!json_is_string(json) || strcmp(json_string_value(json), "auto") != 0)
        return parse_size(row, json, out);
    *out = 0;
    return 0;
}

/* Lines that are shown on terminals: no C0 or C1 control characters, U+0000 to U+001F and
 * U+007F to U+009F. JSON has been checked for UTF-8. */
static bool has_control(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0))
            return true;
    return false;
}

bool config_value_is_of_name(const char *text) {
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

static int parse_text(const struct config_row *row, const json_t *json, const char **out) {
    const char *text = json_string_value(json);
    if (!text || strlen(text) > config_expect_longest(row))
        return -EINVAL;
    if (row->type == CONFIG_LABEL && has_control(text))
        return -EINVAL;
    if (row->type == CONFIG_NAME && !config_value_is_of_name(text))
        return -EINVAL;
    *out = text;
    return 0;
}

static int parse_list(const json_t *json, long *out_index) {
    size_t i;
    json_t *item;
    if (json_is_string(json))
        return json_string_length(json) > 0 ? 0 : -EINVAL;
    if (!json_is_array(json))
        return -EINVAL;
    json_array_foreach(json, i, item) {
        if (json_string_length(item) == 0 || json_string_length(item) > CONFIG_STRING_MAX) {
            *out_index = (long)i;
            return -EINVAL;
        }
    }
    return 0;
}

static int parse_scalar(const struct config_row *row, const json_t *json, uint64_t *out) {
    switch (row->type) {
    case CONFIG_BOOL:
        *out = json_is_true(json);
        return json_is_boolean(json) ? 0 : -EINVAL;
    case CONFIG_COUNT:
        return parse_number(row, json, out);
    case CONFIG_DURATION:
        return parse_duration(row, json, out);
    case CONFIG_SIZE:
        return parse_size(row, json, out);
    case CONFIG_MODE:
        return parse_mode(row, json, out);
    case CONFIG_WORD:
        return parse_word(row, json, out);
    case CONFIG_WORKERS:
        return parse_workers(row, json, out);
    case CONFIG_MEMORY:
        return parse_memory(row, json, out);
    default:
        return -EINVAL;
    }
}

static int parse(const struct config_row *row, const json_t *json, struct config_value *value,
                 long *out_index) {
    switch (storages[row->type]) {
    case STORED_TEXT:
        return parse_text(row, json, &value->text);
    case STORED_LIST:
        value->list = json;
        return parse_list(json, out_index);
    case STORED_OBJECT:
        value->list = json;
        return json_is_object(json) ? 0 : -EINVAL;
    default:
        return parse_scalar(row, json, &value->number);
    }
}

int config_value_parse(const struct config_row *row, const json_t *json,
                       struct config_value *out_value, long *out_index, char *out_why,
                       size_t size) {
    struct config_value value = {0};
    long index = -1;
    if (parse(row, json, &value, &index) < 0) {
        const json_t *culprit = index < 0 ? json : json_array_get(json, (size_t)index);
        config_expect_explain(row, culprit, out_why, size);
        *out_index = index;
        return -EINVAL;
    }
    if (row->type == CONFIG_LISTEN) {
        struct listen_address address;
        char shown[CONFIG_SHOWN_MAX], expected[256];
        if (listen_parse(value.text, &address, expected, sizeof(expected)) < 0) {
            config_report_show(json, shown);
            snprintf(out_why, size, "found %s; %s", shown, expected);
            *out_index = -1;
            return -EINVAL;
        }
    }
    *out_value = value;
    return 0;
}

static void store_list(const struct config_row *row, const json_t *list, const char *folder,
                       void *object) {
    size_t count = json_is_array(list) ? json_array_size(list) : 1;
    char **items = count ? memory_new(count * sizeof(*items)) : NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(list) ? json_array_get(list, i) : list;
        items[i] = config_value_absolute(json_string_value(item), folder);
    }
    *(char ***)member(row, object) = items;
    *(size_t *)(void *)((char *)object + row->count_offset) = count;
}

void config_value_store(const struct config_row *row, const struct config_value *value,
                        const char *folder, void *object) {
    void *place = member(row, object);
    bool is_path = row->type == CONFIG_PATH || row->type == CONFIG_PATHS;
    const char *base = is_path ? folder : NULL;
    config_value_done(row, object);
    switch (storages[row->type]) {
    case STORED_BOOL:
        *(bool *)place = value->number != 0;
        break;
    case STORED_32:
        *(uint32_t *)place = (uint32_t)value->number;
        break;
    case STORED_64:
        *(uint64_t *)place = value->number;
        break;
    case STORED_WORD:
        *(int *)place = (int)value->number;
        break;
    case STORED_TEXT:
        *(char **)place = config_value_absolute(value->text, base);
        break;
    case STORED_LIST:
        store_list(row, value->list, base, object);
        break;
    case STORED_OBJECT:
        *(json_t **)place = memory_expect(json_deep_copy(value->list));
        break;
    }
}

static json_t *render_32(const struct config_row *row, uint32_t number) {
    char text[16];
    if (row->type != CONFIG_MODE)
        return json_integer(number);
    snprintf(text, sizeof(text), "%04o", number);
    return json_string(text);
}

static json_t *render_64(const struct config_row *row, uint64_t number) {
    char text[32];
    if (row->type == CONFIG_MEMORY && number == 0)
        return json_string("auto");
    if (row->type == CONFIG_DURATION)
        duration_format(number, text, sizeof(text));
    else
        size_format(number, text, sizeof(text));
    return json_string(text);
}

/* Strings came from JSON or the system; what is no UTF-8 (a path from the environment) is shown
 * as "?". */
static json_t *render_string(const char *text) {
    json_t *json = json_string(text ? text : "");
    return json ? json : json_string("?");
}

static json_t *render_list(const struct config_row *row, const void *object) {
    char *const *items = *(char *const *const *)const_member(row, object);
    size_t count = *(const size_t *)(const void *)((const char *)object + row->count_offset);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, render_string(items[i]));
    return list;
}

static json_t *render(const struct config_row *row, const void *object) {
    const void *place = const_member(row, object);
    switch (storages[row->type]) {
    case STORED_BOOL:
        return json_boolean(*(const bool *)place);
    case STORED_32:
        return render_32(row, *(const uint32_t *)place);
    case STORED_64:
        return render_64(row, *(const uint64_t *)place);
    case STORED_WORD:
        return json_string(row->words[*(const int *)place]);
    case STORED_TEXT:
        return render_string(*(char *const *)place);
    case STORED_LIST:
        return render_list(row, object);
    case STORED_OBJECT:
        return json_incref(*(json_t *const *)place);
    }
    return NULL;
}

json_t *config_value_render(const struct config_row *row, const void *object) {
    return memory_expect(render(row, object));
}

static void free_list(const struct config_row *row, void *object) {
    char ***items = member(row, object);
    size_t *count = (void *)((char *)object + row->count_offset);
    for (size_t i = 0; i < *count; i++)
        free((*items)[i]);
    free(*items);
    *items = NULL;
    *count = 0;
}

void config_value_done(const struct config_row *row, void *object) {
    void *place = member(row, object);
    switch (storages[row->type]) {
    case STORED_TEXT:
        free(*(char **)place);
        *(char **)place = NULL;
        break;
    case STORED_LIST:
        free_list(row, object);
        break;
    case STORED_OBJECT:
        json_decref(*(json_t **)place);
        *(json_t **)place = NULL;
        break;
    default:
        break;
    }
}
