/* SPDX-License-Identifier: MIT
 *
 * See admin.h. A page is made when the one before has been written, so a slow reader costs one
 * page of memory.
 */
#include "admin.h"

#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "service.h"
#include "worker.h"

#define PAGE_RETRY_MS 10u

struct admin_client {
    struct list in_clients;
    struct worker *worker;
    struct channel *channel;
    uv_timer_t timer;  /* waits for the page before to be gone */
    uint64_t after_id; /* the last connection that was listed */
    bool is_listing;
};

static json_t *address_text(const struct crew_addr *addr) {
    if (addr->family == CREW_ADDR_UNIX)
        return json_sprintf("unix:%s", addr->text);
    if (addr->family == CREW_ADDR_IPV6)
        return json_sprintf("[%s]:%u", addr->text, addr->port);
    return json_sprintf("%s:%u", addr->text, addr->port);
}

static const char *protocol_name(const struct crew_conn *conn) {
    const struct crew_protocol *framing = service_of(conn)->app.protocol;
    if (conn->layer == LAYER_PREFACE)
        return "proxy";
    return framing ? framing->name : conn->protocol->name;
}

static json_t *row_of(const struct crew_conn *conn) {
    struct crew_conn_stats stats;
    struct crew_addr peer, local;
    char id[CREW_ID_TEXT_SIZE];
    crew_conn_stats(conn, &stats);
    crew_conn_peer(conn, &peer);
    crew_conn_local(conn, &local);
    /* An id has 64 bits and a JSON number for many readers 53: it travels as text. */
    return json_pack(
        "{s:o, s:s, s:i, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id",
        json_string(crew_id_text(conn->id, id)), "service", crew_conn_service(conn), "slot",
        (int)service_of(conn)->worker->plan.slot, "protocol", protocol_name(conn), "peer",
        address_text(&peer), "local", address_text(&local), "state", conn_state_name(conn),
        "bytes_in", (json_int_t)stats.bytes_in, "bytes_out", (json_int_t)stats.bytes_out,
        "messages_in", (json_int_t)stats.messages_in, "messages_out",
        (json_int_t)stats.messages_out, "queued", (json_int_t)stats.queued, "idle_ms",
        (json_int_t)stats.idle_ms, "rtt_ms", (json_int_t)stats.rtt_ms, "age_ms",
        (json_int_t)stats.age_ms);
}

/* Who is turned away is none of the service's connections. */
static bool is_shown(const struct crew_conn *conn) {
    return conn->state != CONN_ENDED && !conn->is_turned_away;
}

/* The connections after `after_id`, oldest first; ids grow, so the place in the list is found
 * again. */
static json_t *page_of(struct admin_client *client, bool *out_more) {
    struct conns *conns = &client->worker->conns;
    json_t *page = json_array();
    struct list *node;
    *out_more = false;
    list_each (node, &conns->all) {
        struct crew_conn *conn = list_entry(node, struct crew_conn, in_all);
        if (conn->id <= client->after_id || !is_shown(conn))
            continue;
        if (json_array_size(page) == ADMIN_PAGE) {
            *out_more = true;
            break;
        }
        json_array_append_new(page, row_of(conn));
        client->after_id = conn->id;
    }
    return page;
}

static void on_client_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void drop(struct admin_client *client) {
    struct admin *admin = &client->worker->admin;
    list_remove(&client->in_clients);
    admin->count--;
    channel_close(client->channel);
    uv_close((uv_handle_t *)&client->timer, on_client_closed);
}

static void on_page_time(uv_timer_t *timer);

static void send_page(struct admin_client *client) {
    bool more;
    json_t *page = page_of(client, &more);
    json_t *body = json_pack("{s:o, s:b}", "list", page, "more", more);
    client->is_listing = more;
    if (channel_send(client->channel, message_get(MSG_CONNECTIONS), body, -1) != 0)
        drop(client);
    else if (more)
        uv_timer_start(&client->timer, on_page_time, 0, 0);
}

static void on_page_time(uv_timer_t *timer) {
    struct admin_client *client = timer->data;
    if (channel_is_flushed(client->channel))
        send_page(client);
    else
        uv_timer_start(timer, on_page_time, PAGE_RETRY_MS, 0);
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct admin_client *client = owner;
    (void)body;
    (void)fd;
    if (type->id != MSG_ASK_CONNECTIONS || client->is_listing) {
        drop(client);
        return;
    }
    client->after_id = 0;
    send_page(client);
}

static void on_end(void *owner, const char *reason) {
    if (reason)
        log_debug("admin: %s", reason);
    drop(owner);
}

static const struct channel_events events = {on_message, on_end};

static struct admin_client *open_client(struct worker *worker, int fd) {
    struct admin_client *client = calloc(1, sizeof(*client));
    if (!client) {
        close(fd);
        return NULL;
    }
    client->worker = worker;
    client->channel = channel_open(&worker->loop, fd, MESSAGE_TO_ADMIN, &events, client);
    if (client->channel)
        return client;
    free(client);
    return NULL;
}

void admin_adopt(struct worker *worker, int fd) {
    struct admin *admin = &worker->admin;
    if (fd < 0)
        return;
    if (!admin->is_started || admin->count >= ADMIN_CLIENTS_MAX) {
        close(fd);
        return;
    }
    struct admin_client *client = open_client(worker, fd);
    if (!client)
        return;
    uv_timer_init(&worker->loop, &client->timer);
    client->timer.data = client;
    list_append(&admin->clients, &client->in_clients);
    admin->count++;
}

void admin_start(struct worker *worker) {
    list_init(&worker->admin.clients);
    worker->admin.is_started = true;
}

void admin_stop(struct worker *worker) {
    struct admin *admin = &worker->admin;
    struct list *node, *after;
    admin->is_started = false;
    list_each_safe (node, after, &admin->clients)
        drop(list_entry(node, struct admin_client, in_clients));
}
