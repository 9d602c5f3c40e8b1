/* SPDX-License-Identifier: MIT
 *
 * See admin.h; the messages are listed in docs/control-protocol.md.
 */
#include "admin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "master.h"
#include "memory.h"
#include "reload.h"
#include "sockets.h"
#include "status.h"

struct admin_client {
    struct list in_clients;
    struct master *master;
    struct channel *channel;
};

static void drop(struct admin_client *client) {
    reload_forget_client(client->master, client);
    list_remove(&client->in_clients);
    client->master->admin.count--;
    channel_close(client->channel);
    free(client);
}

static void say(struct admin_client *client, enum message_id id, json_t *body) {
    if (channel_send(client->channel, message_get(id), body, -1) != 0)
        log_debug("admin: an answer could not be sent");
}

void admin_answer(struct admin_client *client, const char *why) {
    if (why)
        say(client, MSG_REFUSED, json_pack("{s:s}", "reason", why));
    else
        say(client, MSG_DONE, json_object());
}

void admin_progress(struct admin_client *client, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say(client, MSG_PROGRESS, json_pack("{s:s}", "text", text));
}

static bool is_graceful(const json_t *body) {
    return json_is_true(json_object_get(body, "graceful"));
}

static void reopen_logs(struct admin_client *client) {
    int err = master_reopen_logs(client->master);
    admin_answer(client, err ? uv_strerror(err) : NULL);
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct admin_client *client = owner;
    struct master *master = client->master;
    (void)fd;
    switch (type->id) {
    case MSG_ASK_STATUS:
        say(client, MSG_STATUS, status_make(master));
        break;
    case MSG_ASK_ROSTER:
        say(client, MSG_ROSTER, status_roster(master));
        break;
    case MSG_ASK_STOP:
        master_stop(master, is_graceful(body));
        break;
    case MSG_ASK_RELOAD:
        reload_start(master, is_graceful(body), client);
        break;
    case MSG_ASK_REOPEN_LOGS:
        reopen_logs(client);
        break;
    default:
        admin_answer(client, "the master does not answer that; ask a worker");
    }
}

static void on_end(void *owner, const char *reason) {
    if (reason)
        log_warning("admin: %s", reason);
    drop(owner);
}

static const struct channel_events events = {on_message, on_end};

static bool may_ask(int fd) {
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

static struct admin_client *adopt(struct master *master, int fd) {
    struct channel *channel;
    struct admin_client *client = memory_new(sizeof(*client));
    client->master = master;
    list_init(&client->in_clients);
    channel = channel_open(&master->loop, fd, MESSAGE_TO_ADMIN, &events, client);
    if (!channel) {
        free(client);
        return NULL;
    }
    client->channel = channel;
    list_append(&master->admin.clients, &client->in_clients);
    master->admin.count++;
    return client;
}

/* With a word, which fits into an empty socket. */
static void turn_away(struct master *master, int fd, const char *why) {
    struct admin_client *client = adopt(master, fd);
    if (!client)
        return;
    admin_answer(client, why);
    drop(client);
}

/* The one that waits for a reload is not the one that hangs. */
static void drop_oldest(struct master *master) {
    struct list *node;
    list_each (node, &master->admin.clients) {
        struct admin_client *client = list_entry(node, struct admin_client, in_clients);
        if (reload_is_for(master, client))
            continue;
        log_warning("admin: too many clients at once; the oldest is dropped");
        drop(client);
        return;
    }
}

static void on_readable(uv_poll_t *handle, int status, int happened) {
    struct master *master = handle->data;
    (void)happened;
    int fd =
        status < 0 ? -1 : accept4(master->admin.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        uv_poll_stop(handle); /* no descriptor is left: admin_watch() tries again */
    if (fd < 0)
        return;
    bool is_full = master->admin.count >= ADMIN_CLIENTS_MAX;
    if (!may_ask(fd)) {
        turn_away(master, fd, "only root and the user that runs the instance may ask");
        return;
    }
    /* While the instance stops, the old ones wait for its end. */
    if (is_full && master->phase == MASTER_STOPPING) {
        turn_away(master, fd, "the instance is stopping");
        return;
    }
    if (is_full)
        drop_oldest(master);
    (void)adopt(master, fd);
}

void admin_watch(struct master *master) {
    if (master->admin.fd >= 0)
        uv_poll_start(&master->admin.poll, UV_READABLE, on_readable);
}

int admin_open(struct master *master) {
    struct admin *admin = &master->admin;
    struct sockets_unix options = {.mode = 0600, .backlog = 16};
    int fd = sockets_listen_unix(master_path(master, "admin.sock"), &options);
    if (fd < 0)
        return fd;
    admin->fd = fd;
    uv_poll_init(&master->loop, &admin->poll, fd);
    admin->poll.data = master;
    return uv_poll_start(&admin->poll, UV_READABLE, on_readable);
}

/* The path goes first: once the socket is closed the next instance may take it as its own. */
void admin_stop(struct master *master) {
    struct admin *admin = &master->admin;
    if (admin->fd < 0)
        return;
    unlink(master_path(master, "admin.sock"));
    uv_close((uv_handle_t *)&admin->poll, NULL);
    close(admin->fd);
    admin->fd = -1;
}

void admin_close(struct master *master) {
    struct list *node, *after;
    admin_stop(master);
    list_each_safe (node, after, &master->admin.clients)
        drop(list_entry(node, struct admin_client, in_clients));
}
