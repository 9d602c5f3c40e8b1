/* SPDX-License-Identifier: MIT
 *
 * See daemon.h. Until it is redirected the child keeps the terminal's descriptors: what goes
 * wrong at the start is said there.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "signals.h"

/* In steps: while we were stopped the daemon may have been stopped too, and a pause counts as
 * one step. */
#define STEP_MS    1000
#define SILENCE_MS 15000
/* For a start that is given up, after SIGTERM. */
#define END_MS 10000

static _Noreturn void leave(const char *why, int exit_code) {
    if (why)
        fprintf(stderr, "crewman: %s\n", why);
    _exit(exit_code);
}

/* As poll(). */
static int poll_in_steps(struct pollfd *fds, nfds_t count, int timeout_ms) {
    int found = 0;
    for (int waited = 0; found == 0 && waited < timeout_ms; waited += STEP_MS)
        found = poll(fds, count, STEP_MS);
    return found;
}

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll_in_steps(&one, 1, timeout_ms) == 1;
}

/* Its own parent is still here: the number is nobody else's. */
static _Noreturn void give_up(pid_t pid, const char *why) {
    int process = pidfd_open(pid, 0);
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
    if (process < 0 || !is_readable(process, END_MS))
        kill(pid, SIGKILL);
    leave(why, EXIT_FAILURE);
}

/* Of the signals that are held back those that end a command. */
static int watch_ends(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t ends;
    sigemptyset(&ends);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (!signals_ignores(numbers[i]))
            sigaddset(&ends, numbers[i]);
    return signalfd(-1, &ends, SFD_CLOEXEC);
}

/* Back after a sign of life. What has been said already goes before a signal. */
static void take_report(int fd) {
    unsigned char byte;
    ssize_t got = read(fd, &byte, 1);
    if (got == 0)
        leave("the daemon died while it started", EXIT_FAILURE);
    if (got == 1 && byte != DAEMON_LIVES)
        leave(NULL, byte);
}

static _Noreturn void wait_for_report(int fd, pid_t pid) {
    struct pollfd both[] = {{.fd = fd, .events = POLLIN},
                            {.fd = watch_ends(), .events = POLLIN}};
    for (;;) {
        int count = poll_in_steps(both, 2, SILENCE_MS);
        if (count == 0)
            give_up(pid, "the daemon shows no sign of life; it was not started");
        if (count > 0 && both[0].revents)
            take_report(fd);
        else if (count > 0 && both[1].revents)
            give_up(pid, "interrupted; the instance was not started");
    }
}

int daemon_fork(void) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return -errno;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        int err = errno;
        close(report[0]);
        close(report[1]);
        return -err;
    }
    if (pid > 0) {
        close(report[1]);
        wait_for_report(report[0], pid);
    }
    close(report[0]);
    setsid();
    if (chdir("/") != 0)
        return -errno;
    return report[1];
}

void daemon_drop_input(void) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
}
