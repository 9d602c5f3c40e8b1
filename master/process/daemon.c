/* SPDX-License-Identifier: MIT
 *
 * See daemon.h. Until it is redirected the child keeps the terminal's descriptors: what goes
 * wrong at the start is said there.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static _Noreturn void wait_for_report(int fd) {
    unsigned char byte = 1;
    ssize_t got;
    do
        got = read(fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1) {
        fputs("crewman: the daemon died while it started\n", stderr);
        byte = 1;
    }
    _exit(byte);
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
        wait_for_report(report[0]);
    }
    close(report[0]);
    setsid();
    if (chdir("/") != 0)
        return -errno;
    return report[1];
}

void daemon_redirect(int log_fd) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    fflush(NULL);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
}
