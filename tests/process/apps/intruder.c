/* SPDX-License-Identifier: MIT
 *
 * An app that turns on the process that has started it, in the way that a message names. It
 * answers with its pid before.
 */
#include <crewman.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <unistd.h>

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

static const struct {
    const char *word;
    void (*act)(void);
} ways[] = {{"traced", be_traced}, {"held", be_held}};

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
