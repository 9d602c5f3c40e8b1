/* SPDX-License-Identifier: MIT
 *
 * How much of a service one client address may have: connections at a time
 * (max_connections_per_address), new connections and requests a second. Who the client is: the
 * peer, or whom a trusted proxy names, never the proxy itself. What a proxy says comes with the
 * connection (PROXY protocol) or with each request; one connection of a proxy carries many
 * clients, so theirs are counted for one exchange each, or until the end of their WebSocket.
 * Must not know of bytes, nor refuse anybody itself: it answers the HTTP status. Called by
 * service.c and by the files of http/.
 */
#ifndef CREWMAN_ADMISSION_H
#define CREWMAN_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "news.h"
#include "peers.h"
#include "rates.h"

struct config_limits;
struct crew_conn;
struct crew_request;

struct admission {
    struct peers peers;
    struct rates handshakes, requests;
    bool counts_requests; /* false: admission_request() has nothing to do */
    struct news over_connections, over_handshakes, over_requests;
};

/* 0, or a negative error; admission_done() also after that. */
int admission_init(struct admission *admission, const struct config_limits *limits,
                   uint64_t seed);
void admission_done(struct admission *admission);

/* A connection whose peer is known. 0; or 429, and nothing is counted. */
int admission_connect(struct crew_conn *conn);

/* It has ended: the other end of that. */
void admission_leave(struct crew_conn *conn);

/* The head of a request has been read, and who its client is. 0; or 429 with a line for it, and
 * the request is to be refused. */
int admission_request(struct crew_request *request, bool is_handshake, const char **out_why);

/* It is over; or it becomes a WebSocket, whose client stays for as long as that. Nothing to do
 * for one that is not counted. */
void admission_release(struct crew_request *request);
void admission_stay(struct crew_request *request);

#endif
