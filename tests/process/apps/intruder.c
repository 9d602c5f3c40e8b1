/* SPDX-License-Identifier: MIT
 *
 * An app that turns on the process that has started it, in the way that a message names. It
 * answers with its pid before.
 */
#include <arpa/inet.h>
#include <crewman.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL 3

/* From now on each signal stops us, and our parent is told. */
static void be_traced(void) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGWINCH);
}

/* By a process of our own that never looks at what happens to us, and says its pid. */
static void be_held(void) {
    pid_t us = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    if (fork() != 0)
        return;
    if (ptrace(PTRACE_SEIZE, us, NULL, NULL) == 0)
        fprintf(stderr, "held by %d\n", (int)getpid());
    for (int fd = 0; fd < 64; fd++)
        close(fd);
    for (;;)
        pause();
}

/* Whoever closes the last descriptor of it waits for an hour: nobody reads what it has sent. */
static int make_slow_to_close(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger hour = {1, 3600};
    socklen_t len = sizeof(address);
    static char bytes[65536];
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
        connect(fd, (struct sockaddr *)&address, len) != 0 || accept(listener, NULL, NULL) < 0)
        return -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof(hour));
    return fd;
}

static void hand_over(void) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    int fd = make_slow_to_close();
    struct iovec part = {"\0\0\0\0", 4}; /* a frame of nothing: it is no message */
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    bool is_sent = sendmsg(CONTROL, &message, 0) == 4;
    fprintf(stderr, "handed over: %s\n", is_sent ? "yes" : "no");
    if (is_sent)
        close(fd);
}

static const struct {
    const char *word;
    void (*act)(void);
} ways[] = {{"traced", be_traced}, {"held", be_held}, {"hand", hand_over}};

static void on_message(crew_conn *conn, const crew_msg *msg) {
    crew_conn_sendf(conn, "%d", (int)getpid());
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (msg->len == strlen(ways[i].word) && memcmp(msg->data, ways[i].word, msg->len) == 0)
            ways[i].act();
}

CREW_APP({
    .name = "intruder",
    .listen = "text://127.0.0.1:2396",
    .on_message = on_message,
})
