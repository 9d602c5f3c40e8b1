/* SPDX-License-Identifier: MIT
 *
 * See http1_refusal.h. A callback of the app may answer, or end the connection, in between.
 */
#include "http1_refusal.h"

#include "conn_close.h"
#include "http1.h"
#include "intake.h"
#include "request.h"

void http1_refusal_send(struct crew_conn *conn, int status, const char *text) {
    const struct crew_request *request = conn->as.http.request;
    http1_begin_plain(conn);
    http1_send_error(conn, status, text, !request || request->head.method_id != HTTP_HEAD);
}

void http1_refusal_turn_away(struct crew_conn *conn, int status) {
    http1_refusal_send(conn, status,
                       status == 429 ? "too many connections from this address; try again later"
                                     : "too many connections; try again later");
}

void http1_refusal_begin(struct crew_conn *conn, int status, int error, const char *text) {
    struct crew_request *request = conn->as.http.request;
    if (request) {
        request->closes_after = true; /* and so says an answer that the app gives in on_error */
        if (request->is_parsed && !request->is_handshake)
            http1_begin_plain(conn);
    }
    conn_report(conn, error, text);
    if (conn->state > CONN_OPEN)
        return;
    bool is_there = request && conn->as.http.request == request;
    bool has_answer = request && (!is_there || request->reply != REPLY_NONE);
    if (!has_answer)
        http1_refusal_send(conn, status, text);
    if (is_there)
        intake_drop(request);
    conn_finish(conn, conn_reason_of(error));
}

void http1_refusal_goodbye(struct crew_conn *conn, int code, const char *text) {
    const struct crew_request *request = conn->as.http.request;
    bool is_refusal = conn->state == CONN_OPENING || code < 1000;
    if (is_refusal && (!request || request->reply == REPLY_NONE))
        http1_refusal_send(conn, code < 1000 ? code : 503, text ? text : "going away");
}
