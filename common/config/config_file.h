/* SPDX-License-Identifier: MIT
 *
 * The file that a struct config was read from, kept for as long as errors may need a position
 * in it. Called by config*.c only.
 */
#ifndef CREWMAN_CONFIG_FILE_H
#define CREWMAN_CONFIG_FILE_H

#include "config_report.h"

struct config_file {
    char *name;   /* as it was given */
    char *path;   /* absolute */
    char *folder; /* of `path` */
    struct config_text text;
};

/* Read and parse. -EINVAL with a line added to out_errors. */
int config_file_open(const char *name, struct config_file **out_file,
                     struct config_errors *out_errors);
/* NULL is allowed. */
void config_file_close(struct config_file *file);

/* Where errors of this config come from; valid as long as the config is. */
struct config_source config_file_source(const struct config *config);

/* The block of services in the file, or NULL. */
const json_t *config_file_services(const struct config *config);

#endif
