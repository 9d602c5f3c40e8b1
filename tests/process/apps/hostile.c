/* SPDX-License-Identifier: MIT
 *
 * An app that spoils the listening socket, which it shares with the other workers, in the way
 * that a message names. Everything else it sends back; "pid" is answered with who serves. Files
 * in the folder that HOSTILE names hold it up as long as they are there: "describe" while it is
 * described, "start" in on_worker_start; and "die" ends one worker there.
 */
#include <crewman.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FDS 64

static bool is_shared(int fd) {
    int value = 0;
    socklen_t len = sizeof(value);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) != 0)
        return false;
    if (value == SOCK_DGRAM)
        return true;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value != 0;
}

static void shut(int fd) {
    shutdown(fd, SHUT_RDWR);
}

static void disconnect(int fd) {
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    connect(fd, &nobody, sizeof(nobody));
}

/* The socket of one peer: of itself, from which nothing comes. */
static void connect_to_itself(int fd) {
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    if (getsockname(fd, (struct sockaddr *)&own, &len) == 0)
        connect(fd, (struct sockaddr *)&own, len);
}

static void make_it_wait(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static const struct {
    const char *word;
    void (*spoil)(int fd);
} ways[] = {{"shut", shut},
            {"disconnect", disconnect},
            {"connect", connect_to_itself},
            {"wait", make_it_wait}};

static const char *file_of(const char *name) {
    static char path[4096];
    const char *folder = getenv("HOSTILE");
    snprintf(path, sizeof(path), "%s/%s", folder ? folder : "/nowhere", name);
    return path;
}

static void wait_while(const char *name) {
    static const struct timespec nap = {.tv_nsec = 10000000};
    while (access(file_of(name), F_OK) == 0)
        nanosleep(&nap, NULL);
}

static bool is_described(void) {
    char line[512] = "";
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t len = file ? fread(line, 1, sizeof(line) - 1, file) : 0;
    if (file)
        fclose(file);
    return memmem(line, len, "--describe", strlen("--describe")) != NULL;
}

__attribute__((constructor)) static void hold_up(void) {
    if (is_described())
        wait_while("describe");
}

static int on_worker_start(const struct crew_service_ref *service) {
    (void)service;
    wait_while("start");
    if (unlink(file_of("die")) == 0)
        _exit(3);
    return 0;
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    if (msg->len == 3 && memcmp(msg->data, "pid", 3) == 0) {
        crew_conn_sendf(conn, "%d", (int)getpid());
        return;
    }
    crew_conn_send(conn, msg->data, msg->len);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (msg->len == strlen(ways[i].word) && memcmp(msg->data, ways[i].word, msg->len) == 0)
            for (int fd = 3; fd < FDS; fd++)
                if (is_shared(fd))
                    ways[i].spoil(fd);
}

CREW_APP({
    .name = "hostile",
    .listen = "text://127.0.0.1:2395",
    .on_worker_start = on_worker_start,
    .on_message = on_message,
})
