/* SPDX-License-Identifier: MIT
 *
 * See handshake.h. In this order: the RFC's rules, the allowed origins, permessage-deflate, the
 * app's on_handshake, the 101.
 */
#include "handshake.h"

#include "accept_key.h"
#include "app_handler.h"
#include "conn_state.h"
#include "cookie_session.h"
#include "exchange.h"
#include "http1.h"
#include "log.h"
#include "request.h"
#include "service.h"
#include "ws.h"
#include "ws_extensions.h"
#include "ws_handshake.h"

#define RESPONSE_MAX 16384u

/* RFC 6455 section 10.2. A client that sends no Origin is no browser, and could send any. */
static bool is_origin_allowed(const struct crew_conn *conn,
                              const struct crew_request *request) {
    const struct config_websocket *config = &service_of(conn)->config->websocket;
    const struct http_field *origin = http_head_find(&request->head, "origin");
    if (config->origin_count == 0 || !origin)
        return true;
    for (size_t i = 0; i < config->origin_count; i++)
        if (http_slice_equals(origin->value, config->origins[i]))
            return true;
    return false;
}

/* 0, or the status to refuse with. */
static int negotiate(struct crew_conn *conn, struct crew_request *request,
                     struct ws_deflate_terms *out_terms, char *response, int *out_len) {
    const struct config_websocket *config = &service_of(conn)->config->websocket;
    struct ws_deflate_policy policy = {.server_keeps_context = config->deflate_context,
                                       .client_keeps_context = config->deflate_context,
                                       .server_bits = 15,
                                       .client_bits = 15};
    *out_len = 0;
    if (!config->deflate)
        return 0;
    int len = ws_extensions_negotiate(&request->head, &policy, out_terms, response);
    if (len < 0)
        return -len;
    *out_len = len;
    return 0;
}

static int ask_app(struct crew_conn *conn, struct crew_request *request) {
    int status = app_handler_handshake(conn, request);
    if (status == 0 || (status >= 400 && status <= 599))
        return status;
    log_warning("on_handshake answered %d; expected 0 or a status from 400 to 599", status);
    return 500;
}

static void accept_it(struct crew_conn *conn, struct crew_request *request,
                      const struct http_slice *key, const struct ws_deflate_terms *terms,
                      const char *extensions, int extensions_len) {
    char accept[ACCEPT_KEY_SIZE], head[RESPONSE_MAX];
    if (accept_key_make(key->data, key->len, accept) != 0) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return;
    }
    long len = http1_make_upgrade(request, accept, extensions, (size_t)extensions_len, head,
                                  sizeof(head));
    if (len < 0) {
        exchange_refuse(request, 500, "the answer to the handshake cannot be sent");
        return;
    }
    admission_stay(request);
    protocol_websocket_begin(conn, extensions_len > 0 ? terms : NULL, head, (size_t)len);
}

void handshake_answer(struct crew_conn *conn, struct crew_request *request) {
    struct ws_deflate_terms terms;
    struct http_slice key;
    const char *why = "";
    char extensions[WS_EXTENSIONS_RESPONSE_MAX];
    int extensions_len;
    request->is_handshake = true;
    int status = ws_handshake_check(&request->head, &key, &why);
    if (!status && !is_origin_allowed(conn, request)) {
        status = 403;
        why = "this origin is not allowed";
    }
    if (!status) {
        status = negotiate(conn, request, &terms, extensions, &extensions_len);
        why = "malformed Sec-WebSocket-Extensions";
    }
    if (!status) {
        status = ask_app(conn, request);
        why = "refused";
    }
    if (!status && conn->state <= CONN_OPEN && cookie_session_commit(request) != 0) {
        status = 500;
        why = "the session cannot be kept";
    }
    if (conn->state > CONN_OPEN)
        return; /* closed by the app */
    if (status)
        exchange_refuse(request, status, why);
    else
        accept_it(conn, request, &key, &terms, extensions, extensions_len);
}
