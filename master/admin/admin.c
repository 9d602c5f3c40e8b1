/* SPDX-License-Identifier: MIT
 *
 * See admin.h; the messages are listed in docs/control-protocol.md.
 */
#include "admin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "child.h"
#include "instance.h"
#include "log.h"
#include "memory.h"
#include "pool.h"
#include "rights.h"
#include "sockets.h"
#include "status.h"
#include "unix_socket.h"

struct admin_client {
    struct list in_clients;
    struct admin *admin;
    struct channel *channel;
    bool awaits, awaits_end;
};

static void drop(struct admin_client *client) {
    struct admin *admin = client->admin;
    if (client->awaits)
        admin->verbs->gone(admin->owner, client);
    list_remove(&client->in_clients);
    admin->count--;
    channel_close(client->channel);
    free(client);
}

static void say(struct admin_client *client, enum message_id id, json_t *body) {
    if (channel_send(client->channel, message_get(id), body, -1) != 0)
        log_debug("admin: an answer could not be sent");
}

static void answer(struct admin_client *client, const char *why) {
    if (why)
        say(client, MSG_REFUSED, json_pack("{s:o}", "reason", message_text(why)));
    else
        say(client, MSG_DONE, json_object());
}

void admin_answer(struct admin_client *client, const char *why) {
    client->awaits = false;
    answer(client, why);
}

void admin_progress(struct admin_client *client, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say(client, MSG_PROGRESS, json_pack("{s:o}", "text", message_text(text)));
}

static bool is_graceful(const json_t *body) {
    return json_is_true(json_object_get(body, "graceful"));
}

/* One that waits already asks again: it gets a refusal and waits on. The answer may have come
 * by the time that the verb is back. */
static void ask(struct admin_client *client,
                const char *(*verb)(struct admin_client *client, bool is_graceful),
                bool is_graceful) {
    bool did_await = client->awaits;
    client->awaits = true;
    const char *why = verb(client, is_graceful);
    if (!why)
        return;
    client->awaits = did_await;
    answer(client, why);
}

static const char *reopen_logs(struct admin_client *client, bool is_graceful) {
    const struct admin *admin = client->admin;
    (void)is_graceful;
    return admin->verbs->reopen_logs(admin->owner, client);
}

static const char *reload(struct admin_client *client, bool is_graceful) {
    const struct admin *admin = client->admin;
    return admin->verbs->reload(admin->owner, is_graceful, client);
}

/* Neither end stays with us. */
static int join(struct admin_client *client, struct child *child) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    rights_refuse(ends[1]); /* the worker's side: what the CLI gets is from us */
    int err = child_hand_client(child, ends[0]);
    if (!err)
        err = channel_send(client->channel, message_get(MSG_CONNECTED), json_object(), ends[1]);
    close(ends[0]);
    close(ends[1]);
    return err;
}

/* With a worker, that it may ask for its connections. */
static void connect_client(struct admin_client *client, const json_t *body) {
    json_int_t pid = json_integer_value(json_object_get(body, "pid"));
    struct child *child = pool_find_child(client->admin->instance, (int)pid);
    int err = child ? join(client, child) : 0;
    if (!child || err)
        answer(client, err ? uv_strerror(err) : NULL);
}

static void stop(struct admin_client *client, bool graceful) {
    const struct admin *admin = client->admin;
    client->awaits_end = true;
    admin->verbs->stop(admin->owner, graceful);
}

/* One that changes the instance. While we were stopped its client has told people that nothing
 * was done. */
static bool is_void(const struct admin_client *client, const struct message *type) {
    bool changes = type->id == MSG_ASK_STOP || type->id == MSG_ASK_RELOAD ||
                   type->id == MSG_ASK_REOPEN_LOGS;
    if (!changes || !channel_is_left(client->channel))
        return false;
    log_notice("admin: \"%s\" is not done: its client did not wait", type->name);
    return true;
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct admin_client *client = owner;
    const struct admin *admin = client->admin;
    (void)fd;
    if (is_void(client, type))
        return;
    switch (type->id) {
    case MSG_ASK_STATUS:
        say(client, MSG_STATUS, status_make(admin->instance));
        break;
    case MSG_ASK_ROSTER:
        say(client, MSG_ROSTER, status_roster(admin->instance));
        break;
    case MSG_ASK_CONNECT:
        connect_client(client, body);
        break;
    case MSG_ASK_STOP:
        stop(client, is_graceful(body));
        break;
    case MSG_ASK_RELOAD:
        ask(client, reload, is_graceful(body));
        break;
    case MSG_ASK_REOPEN_LOGS:
        ask(client, reopen_logs, false);
        break;
    default:
        answer(client, "the master does not answer that; ask a worker");
    }
}

static void on_end(void *owner, const char *reason) {
    if (reason)
        log_warning("admin: %s", reason);
    drop(owner);
}

static const struct channel_events events = {on_message, on_end};

static struct admin_client *adopt(struct admin *admin, int fd) {
    struct channel *channel;
    struct admin_client *client = memory_new(sizeof(*client));
    client->admin = admin;
    list_init(&client->in_clients);
    channel = channel_open(&admin->instance->loop, fd, MESSAGE_TO_ADMIN, &events, client);
    if (!channel) {
        free(client);
        return NULL;
    }
    client->channel = channel;
    list_append(&admin->clients, &client->in_clients);
    admin->count++;
    return client;
}

/* With a word, which fits into an empty socket. */
static void turn_away(struct admin *admin, int fd, const char *why) {
    struct admin_client *client = adopt(admin, fd);
    if (!client)
        return;
    answer(client, why);
    drop(client);
}

/* The one that waits for an answer is not the one that hangs. Answers whether there was one. */
static bool drop_oldest(struct admin *admin) {
    struct list *node;
    list_each (node, &admin->clients) {
        struct admin_client *client = list_entry(node, struct admin_client, in_clients);
        if (client->awaits || client->awaits_end)
            continue;
        log_warning("admin: too many clients at once; the oldest is dropped");
        drop(client);
        return true;
    }
    return false;
}

static void on_accepted(void *owner, int fd, const struct sockaddr *from, socklen_t len) {
    struct admin *admin = owner;
    (void)from;
    (void)len;
    bool is_full = admin->count >= ADMIN_CLIENTS_MAX;
    if (!unix_socket_is_from(fd, geteuid())) {
        turn_away(admin, fd, "only root and the user that runs the instance may ask");
        return;
    }
    /* While the instance stops, the old ones wait for its end. */
    if (is_full && admin->instance->phase == INSTANCE_STOPPING) {
        turn_away(admin, fd, "the instance is stopping");
        return;
    }
    if (is_full && !drop_oldest(admin))
        turn_away(admin, fd, "too many clients wait for an answer");
    else
        (void)adopt(admin, fd);
}

static void on_turned_away(void *owner, int fd, const struct sockaddr *from, socklen_t len) {
    (void)from;
    (void)len;
    if (unix_socket_is_from(fd, geteuid()))
        turn_away(owner, fd, "the master has no descriptor left");
    else
        close(fd);
}

static void on_starved(void *owner, int error, bool is_news) {
    (void)owner;
    if (is_news)
        log_warning("admin: %s; pausing", uv_strerror(error));
}

static const struct listener_ops listens = {
    .accepted = on_accepted, .turned_away = on_turned_away, .starved = on_starved};

void admin_init(struct admin *admin, struct instance *instance, const struct admin_verbs *verbs,
                void *owner) {
    *admin = (struct admin){
        .instance = instance, .verbs = verbs, .owner = owner, .name = UNIX_NAME_NONE};
    list_init(&admin->clients);
}

int admin_open(struct admin *admin) {
    struct sockets_unix options = {.mode = 0600, .backlog = 16};
    const char *path = instance_path(admin->instance, "admin.sock");
    int fd = sockets_listen_unix(path, &options, &admin->name);
    if (fd < 0)
        return fd;
    int err =
        listener_open(&admin->listener, &admin->instance->loop, NULL, fd, &listens, admin);
    if (err) {
        close(fd);
        unix_name_remove(&admin->name);
    }
    return err;
}

const char *admin_explain(int err) {
    if (err == -EEXIST)
        return "found no socket; remove what is there";
    if (err == -EADDRINUSE)
        return "another process listens there; end it, or remove the file";
    return strerror(-err);
}

void admin_keep_waiting(struct admin *admin) {
    struct list *node;
    list_each (node, &admin->clients) {
        struct admin_client *client = list_entry(node, struct admin_client, in_clients);
        if (client->awaits || client->awaits_end)
            say(client, MSG_WAIT, json_object());
    }
}

bool admin_is_reachable(const struct admin *admin) {
    return admin->listener.is_open &&
           unix_name_is_at(&admin->name, instance_path(admin->instance, "admin.sock"));
}

/* The path goes first: once the socket is closed the next instance may take it as its own. */
void admin_stop(struct admin *admin) {
    if (!admin->listener.is_open)
        return;
    unix_name_remove(&admin->name);
    listener_close(&admin->listener);
}

void admin_close(struct admin *admin) {
    struct list *node, *after;
    admin_stop(admin);
    list_each_safe (node, after, &admin->clients)
        drop(list_entry(node, struct admin_client, in_clients));
}
