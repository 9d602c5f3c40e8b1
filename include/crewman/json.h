/* SPDX-License-Identifier: MIT
 *
 * Opt-in: JSON in requests, answers and messages, by jansson (https://jansson.readthedocs.io).
 * An app that includes this is compiled with `pkg-config --cflags crewman jansson`; the worker
 * has the library loaded already. What is made is the caller's: json_decref() it.
 */
#ifndef CREWMAN_JSON_H
#define CREWMAN_JSON_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../crewman.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The body of a request as JSON; NULL when it is none, with the place in *out_error (may be
 * NULL). Any value is taken, an object or list or not; a name twice in an object is refused.
 * Workerman: post() of an application/json request. */
static inline json_t *crew_request_json(crew_request *request, json_error_t *out_error) {
    size_t len;
    const char *body = crew_request_body(request, &len);
    return json_loadb(body, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, out_error);
}

/* The same of a message. */
static inline json_t *crew_msg_json(const crew_msg *msg, json_error_t *out_error) {
    return json_loadb(msg->data, msg->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, out_error);
}

/* The whole answer as application/json; `value` is borrowed. As crew_reply(); CREW_EINVAL for a
 * value that cannot be written (NULL, one that holds itself). Workerman: json(). */
static inline int crew_reply_json(crew_request *request, int status, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) /* no status is 0: CREW_EINVAL, and the worker knows that the answer failed */
        return crew_reply(request, 0, NULL, NULL, 0);
    int result = crew_reply(request, status, "application/json", text, strlen(text));
    free(text);
    return result;
}

/* Send it as one message, of text on a WebSocket; `value` is borrowed. As
 * crew_conn_send_text(); CREW_EINVAL for a value that cannot be written. */
static inline int crew_conn_send_json(crew_conn *conn, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) /* NULL with a length: CREW_EINVAL, and the worker knows that it failed */
        return crew_conn_send_text(conn, NULL, 1);
    int result = crew_conn_send_text(conn, text, strlen(text));
    free(text);
    return result;
}

/* Compact JSON text of a value, as long as crew_tmpf()'s; NULL for one that cannot be written.
 * `value` is borrowed. */
static inline const char *crew_json_text(const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = text ? crew_tmpf("%s", text) : NULL;
    free(text);
    return copy;
}

/* A value made as by json_pack(), sent as one message or as the whole answer. CREW_EINVAL for a
 * format that is none, or text that is no UTF-8; else as the functions above.
 *
 *     crew_conn_send_pack(conn, "{s:s, s:i}", "type", "joined", "count", 3); */
static inline int crew_conn_send_pack(crew_conn *conn, const char *format, ...) {
    va_list args;
    va_start(args, format);
    json_t *value = json_vpack_ex(NULL, 0, format, args);
    va_end(args);
    int result = crew_conn_send_json(conn, value);
    json_decref(value);
    return result;
}

static inline int crew_reply_pack(crew_request *request, int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    json_t *value = json_vpack_ex(NULL, 0, format, args);
    va_end(args);
    int result = crew_reply_json(request, status, value);
    json_decref(value);
    return result;
}

#ifdef __cplusplus
}
#endif

#endif
