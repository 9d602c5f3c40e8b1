/* SPDX-License-Identifier: MIT
 *
 * Collects what is wrong with a configuration: one line an error, bounded in number and length,
 * each with the place it comes from. Called by config*.c only; readers of the lines include
 * config.h.
 */
#ifndef CREWMAN_CONFIG_REPORT_H
#define CREWMAN_CONFIG_REPORT_H

#include "config.h"
#include "config_text.h"

/* More errors than this end in one line that says so. */
#define CONFIG_ERRORS_MAX 100

/* Where a value was read. Without a text (an app's declaration) errors have no line and column.
 */
struct config_source {
    const char *name;   /* as people know it: the file as given, or the app's path */
    const char *folder; /* relative paths begin here; NULL: leave them */
    const struct config_text *text; /* or NULL */
};

/* One line as it is. */
void config_report_line(struct config_errors *errors, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "NAME:LINE:COLUMN: path: …", at the key or at the value of `path`. */
void config_report_at_value(struct config_errors *errors, const struct config_source *source,
                            const struct config_path *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void config_report_at_key(struct config_errors *errors, const struct config_source *source,
                          const struct config_path *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "NAME:LINE:COLUMN" of the value of `path`, or the bare name. */
void config_report_place(const struct config_source *source, const struct config_path *path,
                         char *out_text, size_t size);

/* A value as an error shows it: JSON, cut to a few dozen letters. */
#define CONFIG_SHOWN_MAX 72
void config_report_show(const json_t *value, char out_text[CONFIG_SHOWN_MAX]);

#endif
