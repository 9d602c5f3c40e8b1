/* SPDX-License-Identifier: MIT
 *
 * See library.h.
 */
#include "library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const void *library_open(const char *path, const char *symbol, const char *macro, char *out_why,
                         size_t size) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        bool names_path = text && strncmp(text, path, strlen(path)) == 0;
        snprintf(out_why, size, "%s%s%s", names_path ? "" : path, names_path ? "" : ": ",
                 text ? text : "cannot be loaded");
        return NULL;
    }
    const void *found = dlsym(library, symbol);
    if (!found)
        snprintf(out_why, size, "%s: exports no %s: is %s() missing?", path, symbol, macro);
    return found;
}
