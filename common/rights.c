/* SPDX-License-Identifier: MIT
 *
 * See rights.h. A look without a receipt (MSG_PEEK) takes one more reference and gives it back:
 * it never has the last.
 */
#include "rights.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Linux 6.16; older headers do not know it. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

void rights_refuse(int fd) {
    int off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

/* The kernel says in the flags what it found no room for. */
ssize_t rights_read(int fd, void *out_data, size_t size) {
    struct iovec part = {out_data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t got = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);
    if (got >= 0 && (message.msg_flags & MSG_CTRUNC))
        return -EPERM;
    if (got > 0)
        got = recv(fd, out_data, (size_t)got, MSG_DONTWAIT);
    return got >= 0 ? got : -errno;
}

static void *close_slowly(void *arg) {
    close((int)(intptr_t)arg);
    return NULL;
}

/* A thread of its own: nothing else is held up by it, and the end of the process ends it. */
static int close_aside(int fd) {
    pthread_attr_t attributes;
    pthread_t thread;
    int err = pthread_attr_init(&attributes);
    if (err)
        return -err;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    err = -pthread_create(&thread, &attributes, close_slowly, (void *)(intptr_t)fd);
    pthread_attr_destroy(&attributes);
    return err;
}

void rights_close(int fd) {
    int unread = 0;
    (void)shutdown(fd, SHUT_RD); /* nothing more comes between the look and the close */
    if (ioctl(fd, FIONREAD, &unread) == 0 && unread == 0)
        close(fd);
    else if (close_aside(fd) != 0)
        close(fd);
}
