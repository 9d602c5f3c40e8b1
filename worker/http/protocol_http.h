/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 on a connection: requests in, one exchange at a time, in order; and the door to
 * WebSocket. Both `http` and `websocket` services begin here: what they answer to an upgrade,
 * and to a request without one, depends on which callbacks the app has.
 */
#ifndef CREWMAN_PROTOCOL_HTTP_H
#define CREWMAN_PROTOCOL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "crewman.h"
#include "idmap.h"
#include "protocol.h"

struct crew_conn;
struct crew_request;
struct worker;

/* What all HTTP connections of a worker share. */
struct http_shared {
    struct crew_request *spare; /* the next request uses it: most end inside their callback */
    struct idmap requests;      /* those whose id was asked for, while they wait */
    uint64_t last_id;           /* low part of the last one that was given out */
    char date[30];              /* the Date field's value, of this second */
    uint64_t date_s;
};

extern const struct protocol protocol_http;

void protocol_http_shared_init(struct http_shared *shared);
void protocol_http_shared_done(struct http_shared *shared);

/* The exchange that waits for its answer, or NULL. */
struct crew_request *protocol_http_request(const struct crew_conn *conn);

/* Its id, from now on in the table; never used again, also not by a connection. 0 without
 * memory, or when the request is over and nobody has asked before. */
uint64_t protocol_http_id(struct crew_request *request);

/* The waiting exchange of that id, or NULL. */
struct crew_request *protocol_http_find(const struct worker *worker, uint64_t id);

/* An error that the server answers itself, and the end of the connection. */
void protocol_http_refuse(struct crew_conn *conn, int status, const char *text);

/* The same for a reason that the status does not tell: CREW_E… or a negative errno. */
void protocol_http_refuse_for(struct crew_conn *conn, int status, int error, const char *text);

/* For protocol_http_body.c. */

/* Is it still this one that waits? Any callback may have answered it or ended the connection.
 */
bool protocol_http_is_current(const struct crew_conn *conn, const struct crew_request *request);

/* Hand it to the app. */
void protocol_http_dispatch(struct crew_conn *conn, struct crew_request *request);

/* What the app does not answer now must not lie in buffers that others will use. */
void protocol_http_keep(struct crew_conn *conn, struct crew_request *request);

#endif
