/* SPDX-License-Identifier: MIT
 *
 * The crew_conn_send… functions of crewman.h: one message to a connection. Checks arguments;
 * the work is done by the connection's protocol. Over HTTP a message is an answer, and one that
 * does not come as far as that is noted here.
 */
#include "conn.h"
#include "failed_answer.h"
#include "protocol_http.h"
#include "wire_frame.h"

static enum crew_msg_type kind_in_use(const struct crew_conn *conn) {
    return conn->last_was_binary ? CREW_MSG_BINARY : CREW_MSG_TEXT;
}

/* Over HTTP it was to be the answer to the request that waits. Answers `error`. */
static int refuse(const crew_conn *conn, int error) {
    return failed_answer_note_error(protocol_http_request(conn), error);
}

/* A protocol notes by itself what fails in it: each message goes through here. */
static int send_as(crew_conn *conn, const void *data, size_t len, enum crew_msg_type type) {
    if (len > PTRDIFF_MAX) /* a negative number that became a length */
        return refuse(conn, CREW_ETOOBIG);
    if (!data) {
        if (len > 0)
            return refuse(conn, CREW_EINVAL);
        data = "";
    }
    return conn->protocol->send(conn, data, len, type);
}

int crew_conn_send(crew_conn *conn, const void *data, size_t len) {
    return conn ? send_as(conn, data, len, kind_in_use(conn)) : CREW_ENOENT;
}

int crew_conn_send_text(crew_conn *conn, const void *data, size_t len) {
    return conn ? send_as(conn, data, len, CREW_MSG_TEXT) : CREW_ENOENT;
}

int crew_conn_send_binary(crew_conn *conn, const void *data, size_t len) {
    return conn ? send_as(conn, data, len, CREW_MSG_BINARY) : CREW_ENOENT;
}

int crew_conn_send_frame(crew_conn *conn, crew_frame *frame) {
    if (!conn)
        return CREW_ENOENT;
    if (!frame)
        return refuse(conn, CREW_ENOENT);
    if (conn->protocol->send_frame)
        return conn->protocol->send_frame(conn, frame);
    return send_as(conn, frame->plain->data, frame->plain->len, frame->type);
}
