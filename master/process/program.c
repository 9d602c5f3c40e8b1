/* SPDX-License-Identifier: MIT
 *
 * See program.h. The name that is executed leads through our own folder in /proc and not
 * through /proc/self: a script's interpreter opens it again, after its own descriptor is
 * closed.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"

/* Of our own program, with the slash; "" when nobody says: then PATH decides. */
static void find_folder(char *folder, size_t size) {
    ssize_t len = readlink("/proc/self/exe", folder, size - 1);
    folder[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[1] = '\0';
    else
        folder[0] = '\0';
}

/* A process that may not be looked into has a folder in /proc that its children cannot use. */
static bool can_be_held(const struct program *program) {
    return prctl(PR_GET_DUMPABLE) == 1 && access(program->held_path, X_OK) == 0;
}

static int hold(struct program *program) {
    program->fd = open(program->path, O_PATH | O_CLOEXEC);
    if (program->fd < 0)
        return -errno;
    snprintf(program->held_path, sizeof(program->held_path), "/proc/%d/fd/%d", (int)getpid(),
             program->fd);
    if (can_be_held(program))
        return 0;
    if (access(program->path, X_OK) != 0) {
        int err = -errno;
        close(program->fd);
        return err;
    }
    log_warning("%s: cannot be executed through /proc; it is started by its path",
                program->path);
    close(program->fd);
    program->fd = -1;
    return 0;
}

int programs_open(struct programs *programs, char *out_why, size_t size) {
    static const char *const names[PROGRAM_COUNT] = {[PROGRAM_WORKER] = "crewman-worker"};
    char folder[PATH_MAX];
    find_folder(folder, sizeof(folder));
    for (size_t i = 0; i < PROGRAM_COUNT; i++)
        programs->list[i] =
            (struct program){.path = memory_format("%s%s", folder, names[i]), .fd = -1};
    for (size_t i = 0; i < PROGRAM_COUNT && folder[0]; i++) {
        int err = hold(&programs->list[i]);
        if (!err)
            continue;
        snprintf(out_why, size, "%s: %s; expected it beside crewman", programs->list[i].path,
                 strerror(-err));
        programs->list[i].fd = -1;
        programs_close(programs);
        return err;
    }
    return 0;
}

void programs_close(struct programs *programs) {
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        struct program *program = &programs->list[i];
        if (program->fd >= 0)
            close(program->fd);
        free(program->path);
        *program = (struct program){.fd = -1};
    }
}

const char *program_file(const struct program *program, bool is_pinned) {
    return is_pinned && program->fd >= 0 ? program->held_path : program->path;
}
