/* SPDX-License-Identifier: MIT
 *
 * Where the cookie sessions of a service are kept: in the memory of this worker, or in a folder
 * that all its workers share. A session is a JSON object of strings under an id; it ends when
 * it was not used for session.lifetime. Two requests that change one session at the same time
 * both have their changes kept, and one that has been ended meanwhile does not come back. Used
 * by cookie_session.c only.
 */
#ifndef CREWMAN_COOKIE_STORE_H
#define CREWMAN_COOKIE_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "cookie_census.h"
#include "cookie_changes.h"
#include "cookie_sweep.h"
#include "folder.h"
#include "idmap.h"
#include "list.h"
#include "news.h"

#define COOKIE_ID_LEN 32u /* of [A-Za-z0-9_-]: 192 random bits */

struct service;
struct config_session;
struct cookie_store;

/* What both stores can do. 0 or a negative error; CREW_ENOENT: there is no such session. */
struct cookie_store_ops {
    /* *out_data is the caller's own copy. Counts as a use. */
    int (*load)(struct cookie_store *store, const char *id, json_t **out_data);
    /* `client`: the address_key() of who it is for. */
    int (*create)(struct cookie_store *store, uint64_t client, const char *id,
                  const json_t *data);
    /* CREW_ETOOBIG: with what others have set meanwhile it would pass session.max_size. */
    int (*change)(struct cookie_store *store, const char *id,
                  const struct cookie_changes *changes);
    /* The same, and from now on it has another id; the old one is worth nothing any more. */
    int (*move)(struct cookie_store *store, const char *id, const char *new_id,
                const struct cookie_changes *changes);
    int (*remove)(struct cookie_store *store, const char *id);
    /* Forget some of what has expired: a bounded piece of work. True: there is much of it. */
    bool (*sweep)(struct cookie_store *store);
    void (*close)(struct cookie_store *store);
};

struct cookie_store {
    const struct cookie_store_ops *ops; /* NULL: not open */
    const struct config_session *config;
    uv_timer_t sweeper;
    struct idmap sessions; /* memory: by the first bits of the id */
    struct cookie_census census;
    struct folder folder; /* file */
    int dir;              /* file: its descriptor, in an operation */
    int workers;          /* file: that share it */
    struct cookie_sweep files;
    struct news news; /* of its errors */
};

/* The session services of a worker; `out_why` says why not. */
int cookie_store_open(struct service *service, char *out_why, size_t size);
void cookie_store_close(struct service *service);

/* cookie_store_memory.c, cookie_store_file.c */
extern const struct cookie_store_ops cookie_store_memory, cookie_store_file;

#endif
