/* SPDX-License-Identifier: MIT
 *
 * The lines of errors. What a file says is shown with control bytes replaced: the lines go to
 * terminals.
 */
#include "config_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "printable.h"

#define PATH_SHOWN_MAX 256

static void add_line(struct config_errors *errors, char *line) {
    printable_make(line, '?');
    if (errors->count > CONFIG_ERRORS_MAX) {
        free(line);
        return;
    }
    if (errors->count == CONFIG_ERRORS_MAX) {
        free(line);
        line = memory_copy_text("too many errors; the rest is not shown");
    }
    errors->lines = memory_resize(errors->lines, errors->count + 1, sizeof(*errors->lines));
    errors->lines[errors->count++] = line;
}

void config_report_line(struct config_errors *errors, const char *format, ...) {
    char *line = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&line, format, args) < 0)
        line = NULL;
    va_end(args);
    add_line(errors, memory_expect(line));
}

static void append_part(char *text, size_t size, const char *separator, const char *part) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", separator, part);
    printable_make(text + used, '?');
}

static void show_path(const struct config_path *path, char *text, size_t size) {
    *text = '\0';
    for (size_t i = 0; i < path->depth; i++)
        append_part(text, size, i ? "." : "", path->parts[i]);
    if (path->index >= 0) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "[%ld]", path->index);
    }
}

/* ":LINE:COLUMN", or nothing without a text. */
static void show_position(const struct config_source *source, const struct config_path *path,
                          bool is_key, char *text, size_t size) {
    *text = '\0';
    if (!source->text)
        return;
    struct config_position at = config_text_find(source->text, path, is_key);
    snprintf(text, size, ":%u:%u", at.line, at.column);
}

void config_report_place(const struct config_source *source, const struct config_path *path,
                         char *out_text, size_t size) {
    char position[32];
    show_position(source, path, false, position, sizeof(position));
    snprintf(out_text, size, "%s%s", source->name, position);
}

static void report(struct config_errors *errors, const struct config_source *source,
                   const struct config_path *path, bool is_key, const char *format,
                   va_list args) __attribute__((format(printf, 5, 0)));

static void report(struct config_errors *errors, const struct config_source *source,
                   const struct config_path *path, bool is_key, const char *format,
                   va_list args) {
    char shown[PATH_SHOWN_MAX], place[32];
    char *what = NULL;
    /* Finding a position reads the file again; past the bound nobody sees it. */
    if (errors->count > CONFIG_ERRORS_MAX)
        return;
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    memory_expect(what);
    show_path(path, shown, sizeof(shown));
    show_position(source, path, is_key, place, sizeof(place));
    add_line(errors, memory_format("%s%s: %s: %s", source->name, place, shown, what));
    free(what);
}

void config_report_at_value(struct config_errors *errors, const struct config_source *source,
                            const struct config_path *path, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(errors, source, path, false, format, args);
    va_end(args);
}

void config_report_at_key(struct config_errors *errors, const struct config_source *source,
                          const struct config_path *path, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(errors, source, path, true, format, args);
    va_end(args);
}

void config_report_show(const json_t *value, char out_text[CONFIG_SHOWN_MAX]) {
    static const char more[] = "…";
    if (json_is_object(value) || json_is_array(value)) {
        snprintf(out_text, CONFIG_SHOWN_MAX, json_is_object(value) ? "a block" : "a list");
        return;
    }
    char *text = memory_expect(json_dumps(value, JSON_ENCODE_ANY));
    size_t len = strlen(text), room = CONFIG_SHOWN_MAX - sizeof(more);
    if (len > room) {
        while (room > 0 && ((unsigned char)text[room] & 0xC0) == 0x80)
            room--;
        text[room] = '\0';
    }
    snprintf(out_text, CONFIG_SHOWN_MAX, "%s%s", text, len > room ? more : "");
    free(text);
}

void config_errors_done(struct config_errors *errors) {
    for (size_t i = 0; i < errors->count; i++)
        free(errors->lines[i]);
    free(errors->lines);
    *errors = (struct config_errors){0};
}
