/* SPDX-License-Identifier: MIT
 *
 * The `static` block of a service: files below one folder, answered before on_request is asked.
 * Nothing outside of that folder can be reached, whatever the path or the symbolic links say:
 * the kernel sees to it (openat2(2), RESOLVE_BENEATH).
 */
#ifndef CREWMAN_STATIC_H
#define CREWMAN_STATIC_H

#include <stdbool.h>
#include <stddef.h>

#include "folder.h"

struct crew_conn;
struct crew_request;
struct service;

struct static_files {
    bool is_on;
    struct folder folder;
    int root; /* its descriptor while a request is answered, or a negative errno number */
};

/* Open the folder that the plan names; without one it is off. Negative with a line for people
 * when it cannot be served from. */
int static_open(struct service *service, char *out_why, size_t size);
void static_close(struct service *service);

/* Answer the request if there is a file for it, or with 404 or 405 when nobody else could.
 * False: it is the app's, and nothing was sent. */
bool static_answer(struct crew_conn *conn, struct crew_request *request);

#endif
