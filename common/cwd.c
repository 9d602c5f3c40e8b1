/* SPDX-License-Identifier: MIT
 *
 * See cwd.h.
 */
#include "cwd.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

/* "/a/./b", "/a/..": what they mean changes with the links before them. */
static bool has_dots(const char *path) {
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t len = strcspn(part, "/");
        if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return true;
    }
    return false;
}

static bool is_here(const char *path) {
    struct stat named, here;
    return stat(path, &named) == 0 && stat(".", &here) == 0 && named.st_dev == here.st_dev &&
           named.st_ino == here.st_ino;
}

char *cwd_name(void) {
    const char *path = getenv("PWD");
    if (path && path[0] == '/' && !has_dots(path) && is_here(path))
        return memory_copy_text(path);
    return getcwd(NULL, 0);
}
