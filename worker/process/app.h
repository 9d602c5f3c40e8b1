/* SPDX-License-Identifier: MIT
 *
 * The app: a shared object, or a file that a runtime runs, loaded once and never unloaded,
 * checked before anything in it is called.
 */
#ifndef CREWMAN_APP_H
#define CREWMAN_APP_H

#include <jansson.h>
#include <stddef.h>

#include "crewman.h"

/* Where an app comes from. */
struct app_source {
    const char *path;     /* a shared object, or what a runtime runs */
    int copy_fd;          /* of the pinned copy, which stays open for good; -1: by its path */
    const char *runtimes; /* their folder; "": that of the installation */
};

/* Load it and check its descriptor: magic, ABI, sizes, names. 0 and the descriptor (borrowed,
 * for good), or CREW_EINVAL with a line for people that names the file and both versions where
 * they differ. */
int app_load(const struct app_source *source, const struct crew_app **out_app, char *out_why,
             size_t size);

/* Copy the service of that name, and its protocol if it has one, to which the service points
 * then; fields that the app's header did not have yet are zero. CREW_ENOENT without one. */
int app_service(const struct crew_app *app, const char *name, struct crew_service *out_service,
                struct crew_protocol *out_protocol);

/* Its name and state_size. 0, or CREW_EINVAL with a line that names the service. */
int app_check_service(const struct crew_service *service, char *out_why, size_t size);

/* Its config text as an object, a new reference; {} without one. NULL with a line that names
 * the service. */
json_t *app_read_config(const struct crew_service *service, char *out_why, size_t size);

/* What crewman-worker --describe prints: {"v", "abi", "version", "services": [...]}, a new
 * reference. NULL with a line when a service's config text is no JSON object. */
json_t *app_describe(const struct crew_app *app, const char *path, char *out_why, size_t size);

#endif
