/* SPDX-License-Identifier: MIT
 *
 * See sockets.h.
 */
#include "sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "memory.h"
#include "rights.h"

struct bound {
    int fd;
    bool has_listened; /* what never did is nobody's fault */
};

struct sockets {
    struct listen_address address;
    char *text;            /* as configured, for messages */
    struct unix_name name; /* of a unix socket */
    bool is_per_slot;
    bool is_beside; /* others of ours have what overlaps, or had */
    unsigned refs;
    int backlog;
    struct bound *list;
    unsigned count;
};

/* By name or number; (uid_t)-1 and (gid_t)-1 are "leave". */
static int find_owners(const struct sockets_unix *options, uid_t *out_user, gid_t *out_group) {
    struct account owner = {.uid = (uid_t)-1};
    gid_t group = (gid_t)-1;
    int err = 0;
    if (options->user && options->user[0])
        err = identity_find_user(options->user, &owner);
    if (!err && options->group && options->group[0])
        err = identity_find_group(options->group, &group);
    *out_user = owner.uid;
    *out_group = group;
    return err;
}

int sockets_listen_unix(const char *path, const struct sockets_unix *options,
                        struct unix_name *out_name) {
    uid_t user;
    gid_t group;
    int err = find_owners(options, &user, &group);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    struct unix_name name = UNIX_NAME_NONE;
    err = unix_name_bind(&name, fd, path, options->mode, user, group);
    rights_refuse(fd);
    if (!err && listen(fd, options->backlog) != 0)
        err = -errno;
    if (err) {
        unix_name_remove(&name);
        close(fd);
        return err;
    }
    *out_name = name;
    return fd;
}

static bool is_datagram(const struct sockets *sockets) {
    return listen_is_datagram(sockets->address.protocol);
}

/* Bound, and so ours; listening at once unless it is one of several. */
static int listen_inet(const struct sockets *sockets) {
    int fd = listen_bind(&sockets->address, sockets->is_per_slot || sockets->is_beside);
    bool is_later = sockets->count > 0 || is_datagram(sockets) || sockets->is_beside;
    if (fd < 0 || is_later || listen(fd, sockets->backlog) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

static void add(struct sockets *sockets, int fd) {
    int on = 1;
    /* A worker must not make it deaf to what it chooses. */
    (void)setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
    sockets->list = memory_resize(sockets->list, sockets->count + 1, sizeof(*sockets->list));
    sockets->list[sockets->count++] = (struct bound){.fd = fd};
}

static int explain(const struct sockets *sockets, int err, char *why, size_t size) {
    const char *hint = err == -EADDRINUSE
                           ? " (another process listens there; \"ss -ltnup\" names it to root)"
                       : err == -EEXIST ? " (it is no socket; remove it yourself)"
                       : err == -EACCES ? " (a port below 1024, or the folder, needs root)"
                       : err == -EAFNOSUPPORT ? " (this kernel has no IPv6; use 0.0.0.0)"
                                              : "";
    snprintf(why, size, "cannot listen on %s: %s%s", sockets->text, strerror(-err), hint);
    return err;
}

static int open_unix(struct sockets *sockets, const struct config_service *config) {
    const struct sockaddr_un *address = (const void *)&sockets->address.addr;
    struct sockets_unix options = {.mode = config->socket_mode,
                                   .backlog = sockets->backlog,
                                   .user = config->socket_user,
                                   .group = config->socket_group};
    int fd = sockets_listen_unix(address->sun_path, &options, &sockets->name);
    if (fd < 0)
        return fd;
    add(sockets, fd);
    return 0;
}

static int open_inet(struct sockets *sockets) {
    int fd = listen_inet(sockets);
    if (fd < 0)
        return fd;
    add(sockets, fd);
    return 0;
}

int sockets_grow(struct sockets *sockets, unsigned count, char *out_why, size_t size) {
    while (sockets && sockets->is_per_slot && sockets->count < count) {
        int fd = listen_inet(sockets);
        if (fd < 0)
            return explain(sockets, fd, out_why, size);
        add(sockets, fd);
    }
    return 0;
}

static int open_all(const struct config_service *config, bool is_beside,
                    struct sockets **out_sockets, char *out_why, size_t size) {
    if (config->listen.protocol == LISTEN_NONE) {
        *out_sockets = NULL;
        return 0;
    }
    struct sockets *sockets = memory_new(sizeof(*sockets));
    sockets->refs = 1;
    sockets->name = UNIX_NAME_NONE;
    sockets->address = config->listen;
    sockets->text = memory_copy_text(config->listen_text);
    sockets->backlog = (int)config->backlog;
    sockets->is_per_slot = config->reuse_port && !config->listen.is_unix;
    sockets->is_beside = is_beside;
    int err = config->listen.is_unix ? open_unix(sockets, config) : open_inet(sockets);
    if (err)
        explain(sockets, err, out_why, size);
    else
        err = sockets_grow(sockets, config->workers, out_why, size);
    if (err) {
        sockets_unref(sockets);
        return err;
    }
    *out_sockets = sockets;
    return 0;
}

int sockets_open(const struct config_service *config, struct sockets **out_sockets,
                 char *out_why, size_t size) {
    return open_all(config, false, out_sockets, out_why, size);
}

int sockets_open_beside(const struct config_service *config, struct sockets **out_sockets,
                        char *out_why, size_t size) {
    return open_all(config, true, out_sockets, out_why, size);
}

struct sockets *sockets_ref(struct sockets *sockets) {
    sockets->refs++;
    return sockets;
}

/* Is the path, if it has one, still that of our socket? */
static bool is_reachable(const struct sockets *sockets) {
    const struct sockaddr_un *address = (const void *)&sockets->address.addr;
    return !sockets->address.is_unix || unix_name_is_at(&sockets->name, address->sun_path);
}

bool sockets_fit(const struct sockets *sockets, const struct config_service *config) {
    const struct listen_address *address = &config->listen;
    return address->protocol != LISTEN_NONE && address->is_unix == sockets->address.is_unix &&
           address->len == sockets->address.len &&
           memcmp(&address->addr, &sockets->address.addr, sizeof(address->addr)) == 0 &&
           listen_is_datagram(address->protocol) == is_datagram(sockets) &&
           sockets->is_per_slot == (config->reuse_port && !address->is_unix) &&
           is_reachable(sockets);
}

bool sockets_overlap(const struct sockets *sockets, const struct config_service *config) {
    return !sockets->address.is_unix && listen_overlaps(&sockets->address, &config->listen);
}

void sockets_share(struct sockets *sockets, bool is_on) {
    int value = is_on;
    if (!sockets->is_per_slot && !sockets->address.is_unix)
        for (unsigned i = 0; i < sockets->count; i++)
            (void)setsockopt(sockets->list[i].fd, SOL_SOCKET, SO_REUSEPORT, &value,
                             sizeof(value));
}

static bool is_listening(int fd) {
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value != 0;
}

static bool has_peer(int fd) {
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

bool sockets_wait_for_workers(const struct sockets *sockets) {
    for (unsigned i = 0; sockets->refs == 1 && i < sockets->count; i++)
        if (is_datagram(sockets) ? !has_peer(sockets->list[i].fd)
                                 : is_listening(sockets->list[i].fd))
            return true;
    return false;
}

/* The workers have copies, which they close when they come to it: nobody shall connect to an
 * address meanwhile that is served no more. */
static void stop_listening(const struct sockets *sockets, int fd) {
    if (!is_datagram(sockets))
        (void)shutdown(fd, SHUT_RDWR);
    close(fd);
}

void sockets_shrink(struct sockets *sockets, unsigned count) {
    while (sockets && sockets->is_per_slot && sockets->count > count)
        stop_listening(sockets, sockets->list[--sockets->count].fd);
}

void sockets_unref(struct sockets *sockets) {
    if (!sockets || --sockets->refs > 0)
        return;
    for (unsigned i = 0; i < sockets->count; i++)
        stop_listening(sockets, sockets->list[i].fd);
    unix_name_remove(&sockets->name);
    free(sockets->list);
    free(sockets->text);
    free(sockets);
}

static struct bound *bound_of(const struct sockets *sockets, unsigned slot) {
    return &sockets->list[sockets->is_per_slot && slot < sockets->count ? slot : 0];
}

void sockets_note_listening(struct sockets *sockets, unsigned slot) {
    bound_of(sockets, slot)->has_listened = true;
}

int sockets_get(const struct sockets *sockets, unsigned slot) {
    struct bound *bound = bound_of(sockets, slot);
    bool may_listen = !is_datagram(sockets) && !sockets->is_beside;
    /* Harmless on one that listens. One that has and cannot any more must be noticed. */
    if (may_listen && listen(bound->fd, sockets->backlog) == 0)
        bound->has_listened = true;
    return bound->fd;
}

static enum mend mend_one(const struct sockets *sockets, struct bound *bound) {
    if (is_datagram(sockets))
        return mend_datagram(bound->fd);
    bound->has_listened = bound->has_listened || is_listening(bound->fd);
    return bound->has_listened ? mend_stream(bound->fd, sockets->backlog) : MEND_FINE;
}

enum mend sockets_mend(struct sockets *sockets) {
    enum mend worst = MEND_FINE;
    for (unsigned i = 0; sockets && i < sockets->count; i++) {
        enum mend found = mend_one(sockets, &sockets->list[i]);
        worst = found > worst ? found : worst;
    }
    return worst;
}
