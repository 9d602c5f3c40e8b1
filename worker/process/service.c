/* SPDX-License-Identifier: MIT
 *
 * See service.h. Answers the events of its endpoint: who may stay, and who has gone.
 */
#include "service.h"

#include <assert.h>
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "app_handler.h"
#include "handler.h"
#include "places.h"
#include "protocols.h"
#include "proxies.h"
#include "upload.h"
#include "worker.h"

/* Bytes behind an unanswered request that are kept, beside a head. */
#define STASH_SPARE (64u * 1024u)

struct service *service_new(struct worker *worker, const struct service_events *events) {
    struct service *service = calloc(1, sizeof(*service));
    if (!service)
        return NULL;
    service->worker = worker;
    service->events = events;
    service->listener_fd = -1;
    list_init(&service->in_worker);
    return service;
}

void service_free(struct service *service) {
    list_remove(&service->in_worker);
    if (service->own_config)
        config_service_done(service->own_config);
    free(service->own_config);
    free(service);
}

static void enter(struct service *service, enum service_stage stage) {
    assert(stage > service->stage);
    service->stage = stage;
}

/* What waited in a socket of its own at the end of that is served, whatever the limits say. */
static bool has_no_place(struct service *service) {
    if (service->udp.is_open || service->stage > SERVICE_ACCEPTING)
        return false;
    return service->acceptor.is_starved || !places_are_there(service, 0);
}

/* 0; or the HTTP status of its refusal. */
static int judge(struct crew_conn *conn) {
    struct service *service = service_of(conn);
    struct crew_conn *idlest = NULL;
    bool is_full = has_no_place(service);
    if (is_full && !(idlest = reaper_find_idlest(&service->endpoint.reaper))) {
        places_note_turned_away(service);
        return 503;
    }
    int status = admission_connect(conn);
    if (status)
        conns_of(conn)->totals.refused++;
    else if (is_full)
        places_take_of(idlest);
    return status;
}

static enum endpoint_verdict admits(struct crew_conn *conn, int *out_status) {
    struct service *service = service_of(conn);
    int status = judge(conn);
    if (status == 0)
        return ENDPOINT_ADMIT;
    if (service->udp.is_open || !places_may_turn_away(service, 0))
        return ENDPOINT_REFUSE;
    service->worker->room.turned_away++;
    *out_status = status;
    return ENDPOINT_TURN_AWAY;
}

/* A session of udp has no descriptor. */
static void ended(struct crew_conn *conn) {
    struct service *service = service_of(conn);
    struct worker *worker = service->worker;
    admission_leave(conn);
    if (conn->is_turned_away)
        worker->room.turned_away--;
    if (!service->udp.is_open)
        room_give_back(&worker->room);
    score_set(worker->line->connections, (uint32_t)worker->conns.count);
    service->events->conn_ended(worker);
}

static const struct endpoint_ops ops = {.admits = admits, .ended = ended};

static uint32_t message_min(const struct config_limits *limits) {
    uint64_t bytes = (limits->message_timeout_ms * limits->min_rate + 999) / 1000;
    return bytes == 0 ? 1 : bytes < INT32_MAX ? (uint32_t)bytes : INT32_MAX;
}

static void set_settings(struct endpoint_settings *settings,
                         const struct config_service *config) {
    const struct config_limits *limits = &config->limits;
    const struct config_heartbeat *heartbeat = &config->heartbeat;
    bool is_datagram = listen_is_datagram(config->listen.protocol);
    *settings = (struct endpoint_settings){
        .ping_interval_ms = heartbeat->ping_interval_ms,
        .idle_timeout_ms =
            is_datagram ? config->udp_session_timeout_ms : heartbeat->idle_timeout_ms,
        .deadline_ms = {[DEADLINE_HANDSHAKE] = limits->handshake_timeout_ms,
                        [DEADLINE_CLOSE] = limits->close_timeout_ms,
                        [DEADLINE_MESSAGE] = limits->message_timeout_ms,
                        [DEADLINE_KEEP_ALIVE] = limits->keep_alive_ms},
        .send_timeout_ms = limits->send_timeout_ms,
        .auth_timeout_ms = limits->auth_timeout_ms,
        .ping_data = heartbeat->ping_data,
        .client_ping = heartbeat->client_ping,
        .client_pong = heartbeat->client_pong,
        .max_message = (size_t)limits->max_message,
        .message_min = message_min(limits),
        .max_send_buffer = (size_t)limits->max_send_buffer,
        .stash_max = STASH_SPARE + (size_t)limits->header_size,
        .message_rate = limits->message_rate,
    };
}

static int set_up_endpoint(struct service *service) {
    const struct config_service *config = service->config;
    struct endpoint *endpoint = &service->endpoint;
    endpoint->conns = &service->worker->conns;
    endpoint->ops = &ops;
    endpoint->handler = &app_handler;
    endpoint->transport =
        listen_is_datagram(config->listen.protocol) ? &transport_datagram : &transport_tcp;
    endpoint->protocol = protocols_find(config->listen.protocol, service->app.protocol);
    endpoint->preface = config->proxy_protocol ? &proxies_preface : NULL;
    set_settings(&endpoint->settings, config);
    endpoint->state_size = service->app.state_size;
    return endpoint_start(endpoint);
}

static void make_ref(struct service *service) {
    service->settings = json_dumps(service->config->settings, JSON_COMPACT);
    service->ref = (struct crew_service_ref){.size = sizeof(service->ref),
                                             .slot = service->worker->plan.slot,
                                             .name = service->config->name,
                                             .data = service->app.data,
                                             .settings = service->settings};
}

static int start_admission(struct service *service) {
    uint64_t seed = 0;
    if (RAND_bytes((unsigned char *)&seed, sizeof(seed)) != 1)
        return -EIO;
    return admission_init(&service->admission, &service->config->limits, seed);
}

int service_start(struct service *service, char *out_why, size_t size) {
    const struct config_service *config = service->config;
    make_ref(service);
    int err = networks_init(&service->proxies, config->trusted_proxies,
                            config->trusted_proxy_count, out_why, size);
    if (err)
        return err;
    err = start_admission(service);
    if (!err)
        err = set_up_endpoint(service);
    if (err) {
        admission_done(&service->admission);
        snprintf(out_why, size, "cannot set up the event loop: %s", crew_strerror(err));
        return err;
    }
    enter(service, SERVICE_STARTED);
    err = static_open(service, out_why, size);
    return err ? err : cookie_store_open(service, out_why, size);
}

int service_accept(struct service *service) {
    if (service->stage != SERVICE_STARTED)
        return 0;
    if (service->app.on_request && !service->app.on_body)
        upload_check(service->config, &service->worker->http.spills);
    bool is_datagram = listen_is_datagram(service->config->listen.protocol);
    int err = is_datagram ? udp_start(service) : acceptor_start(service);
    if (!err)
        enter(service, SERVICE_ACCEPTING);
    return err;
}

bool service_has_streams(const struct service *service) {
    return endpoint_live(&service->endpoint) > 0 && !service->udp.is_open;
}

static void stop_taking(struct service *service) {
    udp_stop(service);
    acceptor_stop(service);
}

/* The master shares a socket only while another takes its place. */
static bool is_shared_with_another(const struct service *service) {
    int value = 0;
    socklen_t len = sizeof(value);
    return !service->owns_socket && !service->config->reuse_port &&
           getsockopt(service->listener_fd, SOL_SOCKET, SO_REUSEPORT, &value, &len) == 0 &&
           value != 0;
}

void service_stop_accepting(struct service *service, bool is_replaced) {
    if (service->stage != SERVICE_ACCEPTING)
        return;
    enter(service, SERVICE_DRAINING);
    bool hands_over = is_replaced && is_shared_with_another(service);
    if (hands_over)
        acceptor_hand_over(service);
    else if (service->owns_socket)
        acceptor_take_waiting(service);
    if (hands_over || service->owns_socket)
        udp_take_waiting(service);
    stop_taking(service);
}

void service_stop(struct service *service) {
    bool was_started = service->stage != SERVICE_NEW;
    if (service->stage == SERVICE_STOPPED)
        return;
    enter(service, SERVICE_STOPPED);
    networks_done(&service->proxies);
    free(service->settings);
    service->settings = NULL;
    if (!was_started)
        return;
    stop_taking(service);
    udp_done(service);
    endpoint_stop(&service->endpoint);
    cookie_store_close(service);
    static_close(service);
    admission_done(&service->admission);
}
