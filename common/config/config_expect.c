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

void config_expect_describe(const struct config_row *row, char *out_text, size_t size) {
    switch (row->type) {
    case CONFIG_BOOL:
        snprintf(out_text, size, "true or false");
        break;
    case CONFIG_COUNT:
        describe_range(row, "a number", format_number, out_text, size);
        break;
    case CONFIG_DURATION:
        describe_range(row, "a duration like \"30s\",", duration_format, out_text, size);
        break;
    case CONFIG_SIZE:
        describe_range(row, "a size like \"64k\",", size_format, out_text, size);
        break;
    case CONFIG_STRING:
        snprintf(out_text, size, "a string of at most %zu bytes", config_expect_longest(row));
        break;
    case CONFIG_LISTEN:
        snprintf(out_text, size, "an address like \"websocket://0.0.0.0:8282\"");
        break;
    case CONFIG_PATH:
        snprintf(out_text, size, "a path in a string");
        break;
    case CONFIG_PATHS:
        snprintf(out_text, size, "a path or a list of paths");
        break;
    case CONFIG_STRINGS:
        snprintf(out_text, size, "a string or a list of strings");
        break;
    case CONFIG_USER:
        snprintf(out_text, size, "the name of a user of this machine");
        break;
    case CONFIG_GROUP:
        snprintf(out_text, size, "the name of a group of this machine");
        break;
    case CONFIG_MODE:
        snprintf(out_text, size, "an octal mode in a string, like \"0660\"");
        break;
    case CONFIG_WORD:
        describe_words(row, out_text, size);
        break;
    case CONFIG_LABEL:
        snprintf(out_text, size, "a line of at most %zu bytes", config_expect_longest(row));
        break;
    case CONFIG_NAME:
        snprintf(out_text, size, "at most %zu of a-z, 0-9, \"_\" and \"-\"",
                 config_expect_longest(row));
        break;
    case CONFIG_OBJECT:
        snprintf(out_text, size, "an object in { }");
        break;
    case CONFIG_WORKERS:
        describe_range(row, "a number", format_number, out_text, size);
        snprintf(out_text + strlen(out_text), size - strlen(out_text), ", or \"auto\"");
        break;
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
