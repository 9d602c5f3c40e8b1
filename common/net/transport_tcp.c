/* SPDX-License-Identifier: MIT
 *
 * Bytes of a stream socket, tcp or unix: straight to the kernel. Owns the descriptor of the
 * connection.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "endpoint.h"
#include "transport.h"

static int start(struct crew_conn *conn) {
    (void)conn;
    return 1;
}

static ssize_t read_socket(struct crew_conn *conn, char *room, size_t size) {
    ssize_t got = recv(conn->fd, room, size, 0);
    if (got >= 0)
        return got;
    return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t taken(ssize_t sent) {
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
}

static ssize_t write_socket(struct crew_conn *conn, const struct iovec *parts, int count,
                            bool has_more) {
    int flags = MSG_NOSIGNAL | (has_more ? MSG_MORE : 0);
    if (count == 1)
        return taken(send(conn->fd, parts[0].iov_base, parts[0].iov_len, flags));
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    return taken(sendmsg(conn->fd, &message, flags));
}

/* At the file's end before `len` there is nothing to be waited for. */
static ssize_t send_file(struct crew_conn *conn, int fd, uint64_t offset, size_t len) {
    off_t at = (off_t)offset;
    ssize_t sent = sendfile(conn->fd, fd, &at, len);
    return sent == 0 ? -EIO : taken(sent);
}

static int interest(struct crew_conn *conn, int before, int wanted) {
    return poller_watch(&conn->endpoint->conns->poller, conn->fd, conn, before, wanted);
}

static int64_t unsent(const struct crew_conn *conn) {
    int left = 0;
    return ioctl(conn->fd, SIOCOUTQ, &left) == 0 ? left : -1;
}

static bool has_unread(const struct crew_conn *conn) {
    int unread = 0;
    ioctl(conn->fd, FIONREAD, &unread);
    return unread > 0;
}

static int pending_error(const struct crew_conn *conn) {
    int error = 0;
    socklen_t len = sizeof(error);
    return getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? -error : -errno;
}

static void shut(struct crew_conn *conn) {
    shutdown(conn->fd, SHUT_WR);
}

/* Out of the poller first: a child process of the app may hold the socket open, and it would go
 * on reporting. */
static void close_socket(struct crew_conn *conn) {
    poller_watch(&conn->endpoint->conns->poller, conn->fd, conn, conn->polled, 0);
    close(conn->fd);
}

static void local(const struct crew_conn *conn, struct crew_addr *out_addr) {
    struct sockaddr_storage storage = {0};
    socklen_t len = sizeof(storage);
    *out_addr = (struct crew_addr){0};
    if (getsockname(conn->fd, (struct sockaddr *)&storage, &len) == 0)
        address_show_sockaddr((struct sockaddr *)&storage, len, out_addr);
}

const struct transport transport_tcp = {
    .name = "tcp",
    .conn_size = sizeof(struct crew_conn),
    .start = start,
    .read = read_socket,
    .write = write_socket,
    .send_file = send_file,
    .interest = interest,
    .unsent = unsent,
    .has_unread = has_unread,
    .error = pending_error,
    .shut = shut,
    .close = close_socket,
    .local = local,
};
