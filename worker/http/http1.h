/* SPDX-License-Identifier: MIT
 *
 * The wire of HTTP/1: heads, chunks and runs of files as bytes on a connection (RFC 9112). What
 * is answered is decided in reply.c; what comes in is protocol_http.c's, whose table of the
 * wire these functions fill.
 */
#ifndef CREWMAN_HTTP1_H
#define CREWMAN_HTTP1_H

#include <stdbool.h>

#include "http_wire.h"

struct crew_conn;

int http1_check_head(struct crew_request *request, const struct reply_head *head);
int http1_send_head(struct crew_request *request, const struct reply_head *head,
                    const void *body, size_t len);
int http1_send_piece(struct crew_request *request, const void *data, size_t len);
int http1_send_end(struct crew_request *request);
int http1_send_bytes(struct crew_request *request, const void *data, size_t len);
int http1_send_file(struct crew_request *request, struct source *source, uint64_t offset,
                    size_t len);
int http1_flush(struct crew_request *request);
void http1_abandon(struct crew_request *request, int error);

/* Of a `websocket` service: from its first plain request on the connection is an HTTP one, and
 * what the app had sent for the WebSocket to come is void. Harmless again, and on any other. */
void http1_begin_plain(struct crew_conn *conn);

/* The body may come: 100. */
void http1_send_continue(struct crew_conn *conn);

/* An answer of the server's own, the last of its connection; `has_body` false: to HEAD. */
void http1_send_error(struct crew_conn *conn, int status, const char *text, bool has_body);

/* The head of a 101 for a WebSocket; `accept` and `extensions` (length 0: none) are the
 * handshake's. Its length, or negative when it cannot be made. */
long http1_make_upgrade(const struct crew_request *request, const char *accept,
                        const char *extensions, size_t extensions_len, char *out, size_t size);

#endif
