/* SPDX-License-Identifier: MIT
 *
 * See config_run_dir.h. $XDG_RUNTIME_DIR counts as its specification wants it: an absolute
 * path of a folder that is ours. su leaves that of another user, cron leaves none, and a logout
 * removes the folder.
 */
#include "config_run_dir.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "memory.h"
#include "unix_socket.h"

#define OF_ROOT    "/run/crewman"
#define CANDIDATES 3

static bool is_our_folder(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid();
}

static bool is_usable(const char *runtime) {
    return runtime && runtime[0] == '/' && strlen(runtime) + 8 <= CONFIG_RUN_DIR_MAX &&
           is_our_folder(runtime);
}

/* Does anybody listen there? One that has no place for us does too. */
static bool is_answered(const char *run_dir) {
    struct sockaddr_un address;
    char *path = memory_format("%s/admin.sock", run_dir);
    int err = unix_socket_address(path, &address);
    free(path);
    int fd = err ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool is_there =
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
    close(fd);
    return is_there;
}

/* The first is the one that a new instance takes. */
static void list_candidates(char *out_paths[CANDIDATES]) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    size_t count = 0;
    if (is_usable(runtime))
        out_paths[count++] = memory_format("%s/crewman", runtime);
    out_paths[count++] = memory_format("/tmp/crewman-%u", (unsigned)geteuid());
    out_paths[count++] = memory_format("/run/user/%u/crewman", (unsigned)geteuid());
    while (count < CANDIDATES)
        out_paths[count++] = NULL;
}

char *config_run_dir_default(void) {
    char *paths[CANDIDATES];
    size_t found = 0;
    if (geteuid() == 0)
        return memory_copy_text(OF_ROOT);
    list_candidates(paths);
    while (found < CANDIDATES && paths[found] &&
           !(is_our_folder(paths[found]) && is_answered(paths[found])))
        found++;
    char *path = memory_copy_text(found < CANDIDATES && paths[found] ? paths[found] : paths[0]);
    for (size_t i = 0; i < CANDIDATES; i++)
        free(paths[i]);
    return path;
}

void config_run_dir_keep(struct config *config, const struct config *before) {
    if (!config->has_default_run_dir || !before->has_default_run_dir)
        return;
    free(config->run_dir);
    config->run_dir = memory_copy_text(before->run_dir);
}

const char *config_run_dir_hint(const char *run_dir) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0 || strncmp(run_dir, "/tmp/crewman-", 13) != 0)
        return NULL;
    if (!runtime || !*runtime)
        return "XDG_RUNTIME_DIR is not set here";
    return is_usable(runtime) ? NULL : "XDG_RUNTIME_DIR names no folder of this user";
}
