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

static void explain(const char *path, const char *text, char *why, size_t size) {
    bool names_path = text && strncmp(text, path, strlen(path)) == 0;
    if (is_other_file(path))
        snprintf(why, size, "%s: not a shared object; expected one built by cc -shared -fPIC",
                 path);
    else
        snprintf(why, size, "%s%s%s", names_path ? "" : path, names_path ? "" : ": ",
                 text ? text : "cannot be loaded");
}

const void *library_open(const char *path, const char *symbol, const char *macro, char *out_why,
                         size_t size) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        explain(path, dlerror(), out_why, size);
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
