/* SPDX-License-Identifier: MIT
 *
 * The body of a request and where it goes: to the app in pieces, into memory as a whole, or
 * apart into the fields and files of a form. Called by protocol_http.c, which owns the
 * exchange.
 */
#ifndef CREWMAN_PROTOCOL_HTTP_BODY_H
#define CREWMAN_PROTOCOL_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>

struct crew_conn;
struct crew_request;

/* The head has come and announces a body: refuse it, or say that it may come. */
void protocol_http_body_begin(struct crew_conn *conn, struct crew_request *request);

/* Consume from *data, *len; the request is dispatched at its end. Answers whether the caller
 * may go on. */
bool protocol_http_body_receive(struct crew_conn *conn, struct crew_request *request,
                                char **data, size_t *len);

/* A request without a body that is not answered yet: on_body is called for its end. */
void protocol_http_body_none(struct crew_conn *conn, struct crew_request *request);

#endif
