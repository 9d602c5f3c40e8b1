/* SPDX-License-Identifier: MIT
 *
 * See runtime.h. A runtime is trusted as an app is: it is code of the same process.
 */
#include "runtime.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "library.h"
#include "printable.h"
#include "sized.h"

/* What the first header of this ABI had. */
#define RUNTIME_SIZE_MIN (offsetof(struct crew_runtime, version))
#define EXTENSION_MAX    16u

const char *runtime_extension(const char *path) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name || strcmp(dot, ".so") == 0 || strstr(name, ".so."))
        return NULL;
    size_t len = strlen(dot + 1);
    return len > 0 && len <= EXTENSION_MAX && strspn(dot + 1, letters) == len ? dot + 1 : NULL;
}

/* The compiler of a source that is given in place of its app; NULL of another file. */
static const char *compiler_of(const char *extension) {
    static const struct {
        const char *extension, *compiler;
    } sources[] = {{"c", "cc"}, {"cc", "c++"}, {"cpp", "c++"}, {"cxx", "c++"}};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (strcmp(extension, sources[i].extension) == 0)
            return sources[i].compiler;
    return NULL;
}

/* The runtime `file` is not there. */
static void explain_missing(const char *path, const char *extension, const char *file,
                            char *why, size_t size) {
    const char *compiler = compiler_of(extension);
    int stem = (int)(strlen(path) - strlen(extension) - 1);
    if (compiler)
        snprintf(why, size,
                 "%s: not a shared object; build it: %s -shared -fPIC %s $(pkg-config --cflags "
                 "crewman) -o %.*s.so",
                 path, compiler, path, stem, path);
    else
        snprintf(
            why, size,
            "%s: found no runtime for \".%s\"; expected %s: install it, or set \"runtimes\" "
            "in the config to the folder that it is in",
            path, extension, file);
}

static int find(const char *path, const char *folder, char *file, char *why, size_t size) {
    const char *extension = runtime_extension(path);
    int len =
        snprintf(file, PATH_MAX, "%s/%s.so", *folder ? folder : CREWMAN_RUNTIMES, extension);
    if (access(path, F_OK) != 0) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        return CREW_EINVAL;
    }
    if (len > 0 && len < PATH_MAX && access(file, F_OK) == 0)
        return 0;
    explain_missing(path, extension, file, why, size);
    return CREW_EINVAL;
}

static int check(const struct crew_runtime *runtime, const char *file, char *why, size_t size) {
    if (runtime->magic != CREW_RUNTIME_MAGIC || runtime->size < RUNTIME_SIZE_MIN)
        snprintf(why, size, "%s: crew_runtime is no runtime of Crewman: use CREW_RUNTIME()",
                 file);
    else if (library_check_abi(file, "runtime", runtime->abi, why, size) != 0)
        return CREW_EINVAL;
    else if (!runtime->load || !runtime->describe)
        snprintf(why, size, "%s: the runtime has no load or no describe", file);
    else
        return 0;
    return CREW_EINVAL;
}

/* Its line for people, made one: it goes to terminals. */
static void explain(const char *path, const char *text, int error, char *why, size_t size) {
    snprintf(why, size, "%s", text);
    if (!*text)
        snprintf(why, size, "%s: its runtime answered %d (%s)", path, error,
                 crew_strerror(error));
    for (char *at = why; *at; at++)
        if (*at == '\n' || *at == '\r' || *at == '\t')
            *at = ' ';
    printable_make(why, '?');
}

int runtime_load(const char *path, const char *folder, const struct crew_app **out_app,
                 char *out_why, size_t size) {
    char file[PATH_MAX], text[1024] = "";
    struct crew_runtime runtime;
    int err = find(path, folder, file, out_why, size);
    if (err)
        return err;
    const struct crew_runtime *found =
        library_open(file, -1, "crew_runtime", "CREW_RUNTIME", out_why, size);
    if (!found || check(found, file, out_why, size) != 0)
        return CREW_EINVAL;
    sized_copy(&runtime, sizeof(runtime), found, found->size);
    err = runtime.load(path, text, sizeof(text));
    if (err < 0) {
        explain(path, text, err, out_why, size);
        return CREW_EINVAL;
    }
    const struct crew_app *app = runtime.describe();
    if (!app) {
        snprintf(out_why, size, "%s: its runtime describes no services; expected one or more",
                 path);
        return CREW_EINVAL;
    }
    *out_app = app;
    return 0;
}
