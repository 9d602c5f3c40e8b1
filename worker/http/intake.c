/* SPDX-License-Identifier: MIT
 *
 * See intake.h.
 */
#include "intake.h"

#include <inttypes.h>

#include "app_handler.h"
#include "exchange.h"
#include "http_wire.h"
#include "log.h"
#include "proxies.h"
#include "request.h"
#include "service.h"
#include "upload.h"
#include "worker.h"

static bool is_for_websocket(const struct service *service, bool asks) {
    bool has_pages = service->app.on_request || service->files.is_on;
    bool is_websocket = service->config->listen.protocol == LISTEN_WEBSOCKET;
    if (is_websocket && !has_pages)
        return true;
    return asks && (service->app.on_message || is_websocket);
}

static bool is_within_limits(struct crew_request *request, bool is_handshake) {
    const char *why;
    int status = admission_request(request, is_handshake, &why);
    if (status)
        exchange_refuse(request, status, why);
    return status == 0;
}

enum intake intake_head(struct crew_request *request, bool has_body, bool asks_for_websocket) {
    const struct service *service = service_of(request->conn);
    bool is_handshake = is_for_websocket(service, asks_for_websocket);
    if (service->proxies.count > 0 && !proxies_read_head(request->conn, &request->head))
        return INTAKE_REFUSED;
    if (service->admission.counts_requests && !is_within_limits(request, is_handshake))
        return INTAKE_REFUSED;
    int status = http_target_parse(&request->head, &request->target);
    if (status < 0) {
        exchange_refuse(request, -status,
                        status == -501 ? "this is no proxy: CONNECT is not implemented"
                                       : "the request target is malformed");
        return INTAKE_REFUSED;
    }
    request->is_parsed = true;
    if (request->head.has_other_expectation) {
        exchange_refuse(request, 417, "this expectation cannot be met");
        return INTAKE_REFUSED;
    }
    request->is_head_only = request->head.method_id == HTTP_HEAD;
    request->is_body_over = !has_body;
    request->owes_last_piece = !has_body && service->app.on_body;
    return is_handshake ? INTAKE_HANDSHAKE : INTAKE_PLAIN;
}

static struct spills *spills_of(const struct crew_request *request) {
    return &service_of(request->conn)->worker->http.spills;
}

static void log_upload(const struct crew_request *request, const struct upload_fault *fault) {
    uint64_t count = news_add(&spills_of(request)->news, conns_now(conns_of(request->conn)));
    const struct config_service *config = service_of(request->conn)->config;
    if (count > 0)
        log_warning("service \"%s\": http.upload_dir %s: %s; uploads that could not be kept "
                    "since the last line: %" PRIu64,
                    config->name, config->http.upload_dir, crew_strerror(fault->error), count);
}

static void refuse_upload(struct crew_request *request, const struct upload_fault *fault) {
    bool is_ours = fault->status >= 500 && fault->error != CREW_ENOMEM;
    if (is_ours)
        log_upload(request, fault);
    request->wire->refuse(request, fault->status, fault->error, fault->text);
}

/* Whether the body can be taken. */
static bool begin_upload(struct crew_request *request) {
    struct upload_fault fault;
    const struct service *service = service_of(request->conn);
    if (service->app.on_body || !service->app.on_request)
        return true;
    if (upload_begin(&request->head, service->config, spills_of(request), &request->upload,
                     &fault) >= 0)
        return true;
    refuse_upload(request, &fault);
    return false;
}

uint64_t intake_bound(const struct crew_request *request) {
    const struct config_service *config = service_of(request->conn)->config;
    return request->upload ? upload_bound(config) : config->limits.max_body;
}

bool intake_begin(struct crew_request *request) {
    if (!begin_upload(request))
        return false;
    if (request->head.content_length >= 0 &&
        (uint64_t)request->head.content_length > intake_bound(request)) {
        exchange_refuse(request, 413, "body too large"); /* instead of 100, not after it */
        return false;
    }
    request->is_streaming_body = service_of(request->conn)->app.on_body != NULL;
    return true;
}

static void deliver_piece(struct crew_request *request, const char *data, size_t len,
                          bool is_last) {
    if (request->reply != REPLY_DONE)
        app_handler_body(request->conn, request, data, len, is_last);
}

/* A body that is there in one piece stays where it lies; the pieces of others are gathered. */
static bool take_piece(struct crew_request *request, char *data, size_t len) {
    bool is_whole =
        request->head.content_length >= 0 && len == (uint64_t)request->head.content_length;
    if (is_whole) {
        request->body_data = data;
        request->body_len = len;
        return true;
    }
    if (!codec_buffer_append(&request->gathered, data, len, (size_t)intake_bound(request))) {
        request->wire->abandon(request, CREW_ENOMEM);
        return false;
    }
    request->body_data = request->gathered->data;
    request->body_len = request->gathered->len;
    return true;
}

/* A form with parts is taken apart as it comes. */
static bool take_upload(struct crew_request *request, const char *data, size_t len) {
    struct upload_fault fault;
    if (upload_take(request->upload, data, len, &fault) == 0)
        return true;
    refuse_upload(request, &fault);
    return false;
}

bool intake_data(struct crew_request *request, char *data, size_t len) {
    if (!request->is_streaming_body)
        return request->upload ? take_upload(request, data, len)
                               : take_piece(request, data, len);
    deliver_piece(request, data, len, false);
    return true;
}

bool intake_trailer(struct crew_request *request, const struct http_field *trailer) {
    int status = request_add_trailer(request, trailer);
    if (status)
        exchange_refuse(request, status, status == 431 ? "too many trailers" : "out of memory");
    return status == 0;
}

void intake_end(struct crew_request *request) {
    struct upload_fault fault;
    request->is_body_over = true;
    if (request->upload && upload_finish(request->upload, &fault) != 0)
        refuse_upload(request, &fault);
    else if (request->is_streaming_body)
        deliver_piece(request, "", 0, true);
    else
        exchange_dispatch(request);
}

void intake_end_of_none(struct crew_request *request) {
    request->owes_last_piece = false;
    deliver_piece(request, "", 0, true);
}

void intake_drop(struct crew_request *request) {
    if (request->is_dispatched)
        return;
    upload_free(request->upload);
    request->upload = NULL;
    request->form_pairs = NULL; /* they lay in it */
    request->has_form_pairs = true;
}
