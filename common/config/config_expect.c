/* SPDX-License-Identifier: MIT
 *
 * The sentences about what a key takes, made from its row.
 */
#include "config_expect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_report.h"
#include "nearest.h"
#include "units.h"

size_t config_expect_longest(const struct config_row *row) {
    return row->max > 0 ? row->max : CONFIG_STRING_MAX;
}

static void describe_range(const struct config_row *row, const char *noun,
                           void (*format)(uint64_t, char *, size_t), char *out_text,
                           size_t size) {
    char min[32], max[32];
    format(row->min, min, sizeof(min));
    format(row->max, max, sizeof(max));
    snprintf(out_text, size, "%s from %s to %s%s", noun, min, max,
             row->zero_is_off ? ", or 0 (off)" : "");
}

static void format_number(uint64_t number, char *out_text, size_t size) {
    snprintf(out_text, size, "%" PRIu64, number);
}

static void describe_words(const struct config_row *row, char *out_text, size_t size) {
    size_t used = 0;
    *out_text = '\0';
    for (const char *const *word = row->words; *word && used < size; word++) {
        const char *separator = word == row->words ? "" : word[1] ? ", " : " or ";
        int n = snprintf(out_text + used, size - used, "%s\"%s\"", separator, *word);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Of the types that need no number of their row. */
static const char *const fixed[] = {
    [CONFIG_BOOL] = "true or false",
    [CONFIG_LISTEN] = "an address like \"websocket://0.0.0.0:8282\"",
    [CONFIG_PATH] = "a path in a string",
    [CONFIG_PATHS] = "a path or a list of paths",
    [CONFIG_STRINGS] = "a string or a list of strings",
    [CONFIG_USER] = "the name or the number of a user, in quotes",
    [CONFIG_GROUP] = "the name or the number of a group, in quotes",
    [CONFIG_MODE] = "an octal mode in a string, like \"0660\"",
    [CONFIG_OBJECT] = "an object in { }",
};

static void describe_length(const struct config_row *row, char *out_text, size_t size) {
    const char *format = row->type == CONFIG_LABEL  ? "a line of at most %zu bytes"
                         : row->type == CONFIG_NAME ? "at most %zu of a-z, 0-9, \"_\" and \"-\""
                                                    : "a string of at most %zu bytes";
    snprintf(out_text, size, format, config_expect_longest(row));
}

void config_expect_describe(const struct config_row *row, char *out_text, size_t size) {
    switch (row->type) {
    case CONFIG_COUNT:
        describe_range(row, "a number", format_number, out_text, size);
        break;
    case CONFIG_DURATION:
        describe_range(row, "a duration like \"30s\",", duration_format, out_text, size);
        break;
    case CONFIG_SIZE:
        describe_range(row, "a size like \"64k\",", size_format, out_text, size);
        break;
    case CONFIG_MEMORY:
        describe_range(row, "a size like \"256m\",", size_format, out_text, size);
        snprintf(out_text + strlen(out_text), size - strlen(out_text), ", or \"auto\"");
        break;
    case CONFIG_WORD:
        describe_words(row, out_text, size);
        break;
    case CONFIG_STRING:
    case CONFIG_LABEL:
    case CONFIG_NAME:
        describe_length(row, out_text, size);
        break;
    case CONFIG_WORKERS:
        describe_range(row, "a number", format_number, out_text, size);
        snprintf(out_text + strlen(out_text), size - strlen(out_text), ", or \"auto\"");
        break;
    default:
        snprintf(out_text, size, "%s", fixed[row->type]);
    }
}

void config_expect_explain(const struct config_row *row, const json_t *json, char *out_why,
                           size_t size) {
    char shown[CONFIG_SHOWN_MAX], expected[256];
    config_report_show(json, shown);
    config_expect_describe(row, expected, sizeof(expected));
    snprintf(out_why, size, "found %s; expected %s", shown, expected);
    if (row->type != CONFIG_WORD || !json_is_string(json))
        return;
    struct nearest nearest;
    nearest_init(&nearest, json_string_value(json));
    for (const char *const *word = row->words; *word; word++)
        nearest_offer(&nearest, *word);
    size_t used = strlen(out_why);
    if (nearest.best)
        snprintf(out_why + used, size - used, "; did you mean \"%s\"?", nearest.best);
}
