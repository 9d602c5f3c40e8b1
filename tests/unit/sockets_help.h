/* SPDX-License-Identifier: MIT
 *
 * What the tests of listening sockets share: a service on a free port, a folder for paths, and
 * clients. The test includes cmocka.h before.
 */
#ifndef CREWMAN_TESTS_SOCKETS_HELP_H
#define CREWMAN_TESTS_SOCKETS_HELP_H

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sockets.h"

#define PATIENCE_MS 20000

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static char folder[64], path[96], why[256];

static inline int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_sockets.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/x.sock", folder);
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static char none[] = "";

static inline struct config_service service_on(char *text, unsigned workers) {
    struct config_service service = {.listen_text = text,
                                     .workers = workers,
                                     .backlog = 16,
                                     .socket_mode = 0640,
                                     .socket_user = none,
                                     .socket_group = none};
    assert_int_equal(listen_parse(text, &service.listen, why, sizeof(why)), 0);
    return service;
}

static inline in_port_t port_of(int fd) {
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static inline bool is_listening(int fd) {
    int value = 0;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len), 0);
    return value != 0;
}

static inline struct sockets *open_service(const struct config_service *service) {
    struct sockets *sockets = NULL;
    if (sockets_open(service, &sockets, why, sizeof(why)) != 0)
        fail_msg("%s", why);
    assert_non_null(sockets);
    return sockets;
}

static inline struct sockets *open_beside(const struct config_service *service) {
    struct sockets *sockets = NULL;
    if (sockets_open_beside(service, &sockets, why, sizeof(why)) != 0)
        fail_msg("%s", why);
    return sockets;
}

static inline int bind_to(uint32_t host, in_port_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A free port, bound by somebody else for as long as the descriptor lives. Below those that the
 * kernel gives to connections of other programs meanwhile, and free on every address. */
static inline int take_port(char *text, size_t size) {
    static unsigned tries;
    for (int fd; tries < 5000;) {
        in_port_t port = (in_port_t)(22000 + ((unsigned)getpid() * 31 + tries++) % 8000);
        if ((fd = bind_to(INADDR_ANY, port)) < 0)
            continue;
        close(fd);
        if ((fd = bind_to(INADDR_LOOPBACK, port)) < 0)
            continue;
        assert_int_equal(listen(fd, 1), 0);
        snprintf(text, size, "tcp://127.0.0.1:%d", port);
        return fd;
    }
    fail_msg("%s", "no free port");
    return -1;
}

static inline int connect_to_path(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, strlen(path));
    int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
    close(fd);
    return result;
}

static inline int dial(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(strrchr(text, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The kernel may hand it over later than it tells its sender. */
static inline bool gets_something(int fd) {
    struct pollfd awaited = {.fd = fd, .events = POLLIN};
    return poll(&awaited, 1, PATIENCE_MS) == 1;
}

/* Does this one get the connection that somebody makes? */
static inline bool takes(int fd, const char *text) {
    int client = dial(text);
    (void)gets_something(fd);
    int served = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (served >= 0)
        close(served);
    close(client);
    return served >= 0;
}

#endif
