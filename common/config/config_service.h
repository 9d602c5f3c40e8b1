/* SPDX-License-Identifier: MIT
 *
 * One service while its configuration is put together: the layers it comes from (the file, the
 * app's own config, the app's descriptor, defaults), which of them won for each key, and the
 * checks that concern more than one key. Called by config*.c only.
 */
#ifndef CREWMAN_CONFIG_SERVICE_H
#define CREWMAN_CONFIG_SERVICE_H

#include "config_check.h"
#include "config_layer.h"

enum { LAYER_FILE, LAYER_APP, LAYER_DESCRIPTOR, LAYER_COUNT, LAYER_DEFAULT = LAYER_COUNT };

struct config_draft {
    struct config_service service;
    struct config_layer layers[LAYER_COUNT];
    unsigned char origins[CONFIG_ROWS_MAX]; /* LAYER_… a row */
    bool is_complete; /* false: apps may still add to it, so only what the file alone decides is
                         wrong */
};

/* Fill draft->service from draft->layers, all of which config_check_block() has passed. Freed
 * with config_service_done(&draft->service). */
void config_service_build(struct config_draft *draft, const char *name);

/* The LAYER_… that the value of a key comes from. */
unsigned config_service_origin(const struct config_draft *draft, const char *path);

/* The app that serves it, absolute; copied. */
void config_service_set_app(struct config_draft *draft, const char *app);

/* Make `effective` what the members are now. */
void config_service_render(struct config_draft *draft);

/* "found VALUE; expected …" at the value of `path` in the layer that won. */
void config_service_complain(const struct config_draft *draft, const char *path,
                             struct config_errors *errors, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "NAME:LINE:COLUMN" of that value, or the bare name of an app. */
void config_service_place(const struct config_draft *draft, const char *path, char *out_text,
                          size_t size);

/* Report what does not fit together, within one and among all. */
void config_service_check(const struct config_draft *draft, struct config_errors *errors);
void config_service_check_all(const struct config_draft *drafts, size_t count,
                              struct config_errors *errors);

/* The path of a service's block. */
struct config_path config_service_path(const char *name);

/* True when it is [a-z0-9_-]{1,32}. */
bool config_service_is_name(const char *name);

#endif
