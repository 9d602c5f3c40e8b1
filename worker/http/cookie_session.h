/* SPDX-License-Identifier: MIT
 *
 * The cookie session of one request: found by its cookie when it is first asked for, changed in
 * memory, stored and announced just before the answer's head is made. Owned by its request.
 */
#ifndef CREWMAN_COOKIE_SESSION_H
#define CREWMAN_COOKIE_SESSION_H

#include <jansson.h>
#include <stdbool.h>

#include "cookie_store.h"

struct crew_request;

struct cookie_session {
    char id[COOKIE_ID_LEN + 1];     /* "": it has none yet */
    char old_id[COOKIE_ID_LEN + 1]; /* to be ended, or "" */
    json_t *data;                   /* as this request sees it */
    json_t *changes;                /* what this request has changed: strings, or null */
    bool is_cleared, is_stored, is_changed, is_over;
    bool is_regenerated;
};

/* NULL without memory, or (out_error) when the store cannot be read. */
struct cookie_session *cookie_session_of(struct crew_request *request, int *out_error);
void cookie_session_free(struct cookie_session *session);

/* `value` NULL forgets it. 0 or a negative error; CREW_ESTATE once the answer has begun. */
int cookie_session_set(struct crew_request *request, struct cookie_session *session,
                       const char *name, const char *value);
int cookie_session_clear(struct crew_request *request, struct cookie_session *session);
int cookie_session_regenerate(struct crew_request *request, struct cookie_session *session);

/* Store it, and add the cookie to the answer that is about to begin. A negative error is
 * answered once; the answer after that goes without the session. */
int cookie_session_commit(struct crew_request *request);

#endif
