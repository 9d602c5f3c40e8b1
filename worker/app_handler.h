/* SPDX-License-Identifier: MIT
 *
 * The one place where the app's code is entered and left. app_handler is what the endpoints of
 * services in C are given (handler.h of common/net); the functions are for what only a worker
 * knows: requests, framings of the app's own, timers, the life of the process. Each notes which
 * callback of which service runs.
 *
 * The exception: visitors of headers, fields and session values (api_request.c, api_session.c)
 * are called where they are asked for. They run inside the app's own call and see nothing of
 * the worker but texts, so that the callback that is noted already says enough.
 */
#ifndef CREWMAN_APP_HANDLER_H
#define CREWMAN_APP_HANDLER_H

#include <stdbool.h>
#include <stddef.h>

#include "crewman.h"
#include "handler.h"

struct crew_conn;
struct service;
struct worker;

extern const struct handler app_handler;

/* Callbacks of a service that may be missing: then 0 and no effect. */
int app_handler_worker_start(struct service *service);
void app_handler_worker_drain(struct service *service, int reason);
void app_handler_worker_stop(struct service *service);
int app_handler_handshake(struct crew_conn *conn, struct crew_request *request);
void app_handler_request(struct crew_conn *conn, struct crew_request *request);
void app_handler_body(struct crew_conn *conn, struct crew_request *request, const char *data,
                      size_t len, bool is_last);

/* A framing of the app's own; input must be there. */
ptrdiff_t app_handler_input(struct crew_conn *conn, const char *data, size_t len);
int app_handler_decode(struct crew_conn *conn, char *package, size_t len, crew_msg *message);
int app_handler_encode(struct crew_conn *conn, const void *data, size_t len,
                       enum crew_msg_type type, struct crew_out *out);
void app_handler_framing_connect(struct crew_conn *conn);
void app_handler_framing_close(struct crew_conn *conn);

/* Keep a pointer of the app's in `place`, on the connection or a request of it; what lay there
 * is given to its destructor, unless it is the same. Dropping keeps none. */
void app_handler_set_data(struct crew_conn *conn, struct app_data *place,
                          struct app_data given);
void app_handler_drop_data(struct crew_conn *conn, struct app_data *place);

/* A visitor of crew_conn_each(), for the service that runs now, whosever connection it is. */
int app_handler_visit(struct crew_conn *conn, int (*visit)(crew_conn *conn, void *arg),
                      void *arg);

/* `service` had set the timer; NULL: no service, at the start of the process. */
void app_handler_tick(struct worker *worker, struct service *service,
                      void (*tick)(crew_timer timer, void *arg), crew_timer timer, void *arg);

/* A timer that ends with its connection. */
void app_handler_conn_tick(struct crew_conn *conn,
                           void (*tick)(crew_conn *conn, crew_timer timer), crew_timer timer);

#endif
