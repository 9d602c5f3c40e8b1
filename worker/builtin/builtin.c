/* SPDX-License-Identifier: MIT
 *
 * See builtin.h.
 */
#include "builtin.h"

/* Files are served before an app is asked (http/static.c); what is no file is not found. */
static const struct crew_service static_service;

static const struct crew_service *const services[CONFIG_KIND_COUNT] = {
    [CONFIG_KIND_STATIC] = &static_service,
};

const struct crew_service *builtin_service(enum config_kind kind) {
    return services[kind];
}
