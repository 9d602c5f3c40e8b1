/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 on a connection: its bytes in, one exchange at a time, in order; and the door to
 * WebSocket. It reads heads and bodies and knows when the connection goes on or ends; what a
 * request is for is intake.c's, who answers it exchange.c's, how an answer leaves http1.c's.
 * Both `http` and `websocket` services begin here: what they answer to an upgrade, and to a
 * request without one, depends on which callbacks the app has.
 */
#ifndef CREWMAN_PROTOCOL_HTTP_H
#define CREWMAN_PROTOCOL_HTTP_H

#include <stdint.h>

#include "exchange.h"
#include "failed_answer.h"
#include "http_date.h"
#include "protocol.h"
#include "spill.h"

struct crew_conn;
struct crew_request;

/* What all HTTP connections of a worker share. */
struct http_shared {
    struct exchanges exchanges;
    struct failed_answers failed_answers;
    struct spills spills;
    char date[HTTP_DATE_LEN + 1]; /* the Date field's value, of this second */
    uint64_t date_s;
};

extern const struct protocol protocol_http;

void protocol_http_shared_init(struct http_shared *shared);
void protocol_http_shared_done(struct http_shared *shared);

/* The exchange that waits for its answer, or NULL. */
struct crew_request *protocol_http_request(const struct crew_conn *conn);

#endif
