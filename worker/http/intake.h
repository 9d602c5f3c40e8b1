/* SPDX-License-Identifier: MIT
 *
 * A request on its way in, whatever version of HTTP it comes by: what its head asks for, and
 * where its body goes: to the app in pieces, into memory as a whole, or apart into the fields
 * and files of a form. The wire (protocol_http.c) reads the bytes, watches over their deadlines
 * and calls this with what they mean: head; of a body begin, data, trailers, end. Where one of
 * these calls the app the request may be gone when it returns: the wire knows whether it is.
 */
#ifndef CREWMAN_INTAKE_H
#define CREWMAN_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crew_request;
struct http_field;

enum intake {
    INTAKE_REFUSED,
    INTAKE_HANDSHAKE, /* it is for a WebSocket */
    INTAKE_PLAIN
};

/* The head has been read. By the rules of its version a body follows it or not, and it asks for
 * a WebSocket or not. Without a body it is to be dispatched next. */
enum intake intake_head(struct crew_request *request, bool has_body, bool asks_for_websocket);

/* Before its body. False: that cannot be taken, and the request is refused. One that
 * is_streaming_body then is to be dispatched next. */
bool intake_begin(struct crew_request *request);

/* The largest body that it may have; the wire holds it to that. */
uint64_t intake_bound(const struct crew_request *request);

/* The next bytes of the body, and a field behind it (borrowed). Answers whether the wire may
 * go on. The bytes stay where they lie when they are the whole body: see exchange_keep(). */
bool intake_data(struct crew_request *request, char *data, size_t len);
bool intake_trailer(struct crew_request *request, const struct http_field *trailer);

/* The body is complete; what was not dispatched yet is. */
void intake_end(struct crew_request *request);

/* For a request that owes_last_piece: on_body is called for the end of no body. */
void intake_end_of_none(struct crew_request *request);

/* What came of a form that is refused is of no more use, while the answer may take its time.
 */
void intake_drop(struct crew_request *request);

#endif
