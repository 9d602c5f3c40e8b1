/* SPDX-License-Identifier: MIT
 *
 * See holder.h. First the numbers of the sockets that are bound there, from the kernel's
 * tables; then who has a descriptor of one.
 */
#include "holder.h"

#include <dirent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "printable.h"
#include "process.h"

#define SOCKETS_MAX 64u /* with reuse_port an address has many */
/* A reload asks, in the master's loop: a million connections of our own must not stop it. What
 * listens stands first in the kernel's table of streams, and low among the descriptors of a
 * process. */
#define LINES_MAX    65536u
#define EACH_MAX     1024u
#define LOOKS_MAX    65536u
#define TCP_LISTENS  0x0au
#define UNIX_LISTENS 0x10000u

struct search {
    const struct listen_address *address;
    uint64_t sockets[SOCKETS_MAX];
    unsigned socket_count;
    pid_t *pids;
    unsigned pid_count;
    unsigned looks; /* at processes and descriptors */
};

static void add_socket(struct search *search, uint64_t number) {
    if (search->socket_count < SOCKETS_MAX && number != 0)
        search->sockets[search->socket_count++] = number;
}

static unsigned port_of(const struct listen_address *address) {
    /* sin_port and sin6_port lie at the same place. */
    return ntohs(((const struct sockaddr_in *)&address->addr)->sin_port);
}

/* "sl: ADDRESS:PORT PEER:PORT STATE queues timer retransmits uid timeout INODE …" */
static void read_inet_line(struct search *search, const char *line) {
    unsigned port, state;
    uint64_t inode;
    bool is_datagram = listen_is_datagram(search->address->protocol);
    if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %" SCNu64,
               &port, &state, &inode) == 3 &&
        port == port_of(search->address) && (is_datagram || state == TCP_LISTENS))
        add_socket(search, inode);
}

/* "Num RefCount Protocol Flags Type St INODE PATH" */
static void read_unix_line(struct search *search, const char *line) {
    const struct sockaddr_un *address = (const void *)&search->address->addr;
    unsigned flags;
    uint64_t inode;
    int path = 0;
    if (sscanf(line, "%*s %*s %*s %x %*s %*s %" SCNu64 " %n", &flags, &inode, &path) == 2 &&
        path > 0 && (flags & UNIX_LISTENS) && strcmp(line + path, address->sun_path) == 0)
        add_socket(search, inode);
}

static void read_table(struct search *search, const char *path,
                       void (*read_line)(struct search *search, const char *line)) {
    char line[512];
    FILE *file = fopen(path, "re");
    for (unsigned i = 0; file && i < LINES_MAX && fgets(line, sizeof(line), file); i++) {
        line[strcspn(line, "\n")] = '\0';
        read_line(search, line);
    }
    if (file)
        fclose(file);
}

static void find_sockets(struct search *search) {
    if (search->address->is_unix) {
        read_table(search, "/proc/net/unix", read_unix_line);
    } else if (listen_is_datagram(search->address->protocol)) {
        read_table(search, "/proc/net/udp", read_inet_line);
        read_table(search, "/proc/net/udp6", read_inet_line);
    } else {
        read_table(search, "/proc/net/tcp", read_inet_line);
        read_table(search, "/proc/net/tcp6", read_inet_line);
    }
}

/* "socket:[123]"; 0: it is none. */
static uint64_t socket_of(int folder, const char *name) {
    char link[64];
    uint64_t number;
    ssize_t len = readlinkat(folder, name, link, sizeof(link) - 1);
    link[len > 0 ? len : 0] = '\0';
    return sscanf(link, "socket:[%" SCNu64 "]", &number) == 1 ? number : 0;
}

/* Ours are in nobody's way, and our workers have them too. */
static void forget_own(struct search *search) {
    const struct dirent *entry;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && (entry = readdir(folder))) {
        uint64_t number = socket_of(dirfd(folder), entry->d_name);
        for (unsigned i = 0; i < search->socket_count; i++)
            if (search->sockets[i] == number)
                search->sockets[i--] = search->sockets[--search->socket_count];
    }
    if (folder)
        closedir(folder);
}

static bool is_wanted(const struct search *search, int folder, const char *name) {
    uint64_t number = socket_of(folder, name);
    for (unsigned i = 0; i < search->socket_count; i++)
        if (search->sockets[i] == number)
            return true;
    return false;
}

static bool has_one(struct search *search, pid_t pid) {
    char path[64];
    const struct dirent *entry;
    bool is_holder = false;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    search->looks++;
    for (unsigned i = 0; folder && !is_holder && i < EACH_MAX && (entry = readdir(folder));
         i++) {
        is_holder = is_wanted(search, dirfd(folder), entry->d_name);
        search->looks++;
    }
    if (folder)
        closedir(folder);
    return is_holder;
}

static void find_processes(struct search *search) {
    const struct dirent *entry;
    DIR *folder = opendir("/proc");
    while (folder && search->pid_count < HOLDERS_MAX && search->looks < LOOKS_MAX &&
           (entry = readdir(folder))) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && pid != getpid() && has_one(search, pid))
            search->pids[search->pid_count++] = pid;
    }
    if (folder)
        closedir(folder);
}

unsigned holder_find(const struct listen_address *address, pid_t *out_pids) {
    struct search search = {.address = address, .pids = out_pids};
    find_sockets(&search);
    forget_own(&search);
    if (search.socket_count > 0)
        find_processes(&search);
    return search.pid_count;
}

static void read_name(pid_t pid, char *name, size_t size) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(name, (int)size, file))
        snprintf(name, size, "a process");
    if (file)
        fclose(file);
    name[strcspn(name, "\n")] = '\0';
    printable_make(name, '?');
}

static int put_holder(char *text, size_t size, pid_t pid, bool is_first) {
    char name[64];
    read_name(pid, name, sizeof(name));
    int len = snprintf(text, size, "%s%s, pid %d", is_first ? "" : "; ", name, (int)pid);
    if (len > 0 && (size_t)len < size && process_is_stopped(pid))
        len += snprintf(
            text + len, size - (size_t)len,
            ", which is stopped: continue it (kill -CONT %d) or end it (kill -KILL %d)",
            (int)pid, (int)pid);
    return len;
}

bool holder_explain(const struct listen_address *address, const char *text, char *out_why,
                    size_t size) {
    pid_t pids[HOLDERS_MAX];
    unsigned count = holder_find(address, pids);
    if (count == 0)
        return false;
    size_t len = (size_t)snprintf(out_why, size,
                                  "cannot listen on %s: Address already in use by ", text);
    for (unsigned i = 0; i < count && len < size; i++)
        len += (size_t)put_holder(out_why + len, size - len, pids[i], i == 0);
    return true;
}
