/* SPDX-License-Identifier: MIT
 *
 * An app that tries to change its own pinned copy before anybody else runs: its constructor
 * opens what leads to it and writes there. What came of it stands in the file that GRABS names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crewman.h"

static int try_to_write(int fd) {
    if (pwrite(fd, "x", 1, 0) == 1 || ftruncate(fd, 0) == 0)
        return 1;
    return mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED;
}

static void grab(FILE *out, int fd) {
    char name[64], target[256] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (readlink(name, target, sizeof(target) - 1) < 0 || !strstr(target, "/memfd:grabs"))
        return;
    int again = open(name, O_RDWR);
    fprintf(out, "%s\n",
            try_to_write(fd) || (again >= 0 && try_to_write(again)) ? "changed" : "refused");
    if (again >= 0)
        close(again);
}

__attribute__((constructor)) static void grab_all(void) {
    const char *path = getenv("GRABS");
    FILE *out = path ? fopen(path, "ae") : NULL;
    if (!out)
        return;
    for (int fd = 0; fd < 256; fd++)
        grab(out, fd);
    fclose(out);
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    crew_conn_send(conn, msg->data, msg->len);
}

CREW_APP({.name = "probe", .on_message = on_message})
