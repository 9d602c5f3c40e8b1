/* SPDX-License-Identifier: MIT
 *
 * See unix_socket.h.
 */
#include "unix_socket.h"

#include <errno.h>
#include <string.h>

int unix_socket_address(const char *path, struct sockaddr_un *out_address) {
    size_t len = strlen(path);
    if (len >= sizeof(out_address->sun_path))
        return -ENAMETOOLONG;
    *out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out_address->sun_path, path, len);
    return 0;
}

int unix_socket_peer(int fd, struct ucred *out_peer) {
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return -errno;
    *out_peer = peer;
    return 0;
}

bool unix_socket_is_from(int fd, uid_t user) {
    struct ucred peer = {.uid = (uid_t)-1};
    return unix_socket_peer(fd, &peer) == 0 && (peer.uid == 0 || peer.uid == user);
}
