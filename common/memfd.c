/* SPDX-License-Identifier: MIT
 *
 * See memfd.h.
 */
#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux 6.3; with the sysctl vm.memfd_noexec at 2 nothing else is allowed. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

static int create(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* an older kernel */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int memfd_open(const char *name, mode_t mode) {
    char cut[201];
    snprintf(cut, sizeof(cut), "%s", name);
    int fd = create(cut);
    if (fd < 0 || fchmod(fd, mode) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

int memfd_reopen(int fd) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    return again < 0 ? -errno : again;
}
