/* SPDX-License-Identifier: MIT
 *
 * See library.h.
 */
#include "library.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crewman.h"

/* Asked when the loader has failed: its words for that ("file too short") name no remedy. */
static bool is_other_file(const char *path) {
    char magic[4];
    FILE *file = fopen(path, "rbe");
    if (!file)
        return false;
    size_t len = fread(magic, 1, sizeof(magic), file);
    fclose(file);
    return len < sizeof(magic) || memcmp(magic, ELFMAG, sizeof(magic)) != 0;
}

int library_refuse_other(const char *path, char *out_why, size_t size) {
    snprintf(out_why, size, "%s: not a shared object; expected one built by cc -shared -fPIC",
             path);
    return CREW_EINVAL;
}

/* `name` is what was given to the loader, which puts it before its words; people know the path.
 */
static void explain(const char *path, const char *name, const char *text, char *why,
                    size_t size) {
    size_t len = strlen(name);
    if (is_other_file(name)) {
        library_refuse_other(path, why, size);
        return;
    }
    if (!text)
        text = "cannot be loaded";
    if (strncmp(text, name, len) == 0)
        text += len + strspn(text + len, ": ");
    snprintf(why, size, "%s: %s", path, text);
}

/* The name of a copy has our process in it and not "self": debuggers and symbolizers, which are
 * other processes, read what the loader remembers. */
const void *library_open(const char *path, int fd, const char *symbol, const char *macro,
                         char *out_why, size_t size) {
    char copy[48];
    const char *name = fd < 0 ? path : copy;
    snprintf(copy, sizeof(copy), "/proc/%d/fd/%d", (int)getpid(), fd);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        explain(path, name, dlerror(), out_why, size);
        return NULL;
    }
    const void *found = dlsym(library, symbol);
    if (!found)
        snprintf(out_why, size, "%s: exports no %s: is %s() missing?", path, symbol, macro);
    return found;
}

int library_check_abi(const char *path, const char *what, unsigned abi, char *out_why,
                      size_t size) {
    if (abi == CREW_ABI)
        return 0;
    char again[64];
    snprintf(again, sizeof(again), "compile the %s again with its crewman.h", what);
    snprintf(out_why, size,
             "%s: compiled for Crewman ABI %u, this crewman-worker %s has ABI %u: %s", path,
             abi, CREW_VERSION, CREW_ABI, abi < CREW_ABI ? again : "install a newer Crewman");
    return CREW_EINVAL;
}
