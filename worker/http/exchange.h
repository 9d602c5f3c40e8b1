/* SPDX-License-Identifier: MIT
 *
 * The exchanges of a worker, whatever version of HTTP they came by: their memory, their ids,
 * the way to the app, and refusals. An exchange belongs to its wire (http_wire.h), which asks
 * for it at the first byte of a head and gives it up behind the answer. Must not know how many
 * a connection has, nor what that connection is about to read.
 */
#ifndef CREWMAN_EXCHANGE_H
#define CREWMAN_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "idmap.h"

struct crew_conn;
struct crew_request;
struct http_wire;
struct worker;

struct exchanges {
    struct crew_request *spare; /* the next request uses it: most end inside their callback */
    struct idmap requests;      /* those whose id was asked for, while they wait */
    uint64_t last_id;           /* low part of the last one that was given out */
};

void exchange_table_init(struct exchanges *exchanges);
void exchange_table_done(struct exchanges *exchanges);

/* With its head empty and ready for as many fields as the configuration allows. NULL without
 * memory. */
struct crew_request *exchange_new(struct crew_conn *conn, const struct http_wire *wire);

/* No connection waits for its answer any more. The app may hold it in its hand still, when it
 * has been answered just now: it is gone once no callback runs. */
void exchange_free(struct crew_request *request);

/* May the app ask for it, and answer? Not for the wire, which knows the ones that it has. */
bool exchange_is_waiting(const struct crew_request *request);

/* Its id, from now on in the table; never used again, also not by a connection. 0 without
 * memory, or when the request is over and nobody has asked before. */
uint64_t exchange_id(struct crew_request *request);

/* The waiting exchange of that id, or NULL. */
struct crew_request *exchange_find(const struct worker *worker, uint64_t id);

/* Answer it with a file, or hand it to the app. It may have been answered, and so be gone, when
 * this returns. */
void exchange_dispatch(struct crew_request *request);

/* What the app does not answer now must not lie in buffers that others will use. */
void exchange_keep(struct crew_request *request);

/* An error that the server answers itself. */
void exchange_refuse(struct crew_request *request, int status, const char *text);

#endif
