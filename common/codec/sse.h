/* SPDX-License-Identifier: MIT
 *
 * Server-Sent Events (WHATWG HTML section 9.2): one event as the bytes of a text/event-stream.
 */
#ifndef CREWMAN_SSE_H
#define CREWMAN_SSE_H

#include <stddef.h>

struct codec_buffer;

/* Members that are NULL, and a retry_ms below 0, are left out. */
struct sse_event {
    const char *event; /* its name */
    const char *id;    /* "" makes the client forget the last one */
    const char *data;  /* `len` bytes; every line end in it begins a new data line */
    size_t len;
    const char *comment; /* clients ignore it: keeps the connection alive */
    long retry_ms;
};

enum sse_error { SSE_REFUSED = -1, SSE_NO_MEMORY = -2 };

/* Append the event to *out. 0; SSE_REFUSED: a line end in event, id or comment; nothing is
 * appended then, nor without memory. */
int sse_encode(const struct sse_event *event, struct codec_buffer **out);

#endif
