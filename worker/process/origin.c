/* SPDX-License-Identifier: MIT
 *
 * See origin.h. Which entry of the run path decides is as in glibc: the first that has the
 * file.
 */
#include "origin.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crewman.h"

/* Up to the last slash. */
static int folder_len(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) : 0;
}

/* `entry` with the app's folder in place of $ORIGIN. Answers whether it has that word; one that
 * is too long is none. */
static bool expand(const char *entry, int len, const char *path, char *out, size_t size) {
    static const char *const words[] = {"$ORIGIN", "${ORIGIN}"};
    bool has_word = false;
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < len;) {
        int skip = 0;
        for (size_t w = 0; w < 2 && !skip; w++)
            if (strncmp(entry + i, words[w], strlen(words[w])) == 0)
                skip = (int)strlen(words[w]);
        int more = skip ? snprintf(out + used, size - used, "%.*s", folder_len(path), path)
                        : snprintf(out + used, size - used, "%c", entry[i]);
        used += (size_t)more;
        if (used >= size)
            return false;
        has_word = has_word || skip;
        i += skip ? skip : 1;
    }
    return has_word;
}

/* The file of that name in the entries of `run_path`, in `out`. False: there is none, or it is
 * in a folder that the loader finds by itself. */
static bool search(const char *run_path, const char *name, const char *path, char *out,
                   size_t size) {
    for (const char *entry = run_path; *entry;) {
        char folder[PATH_MAX];
        int len = (int)strcspn(entry, ":");
        bool is_ours = expand(entry, len, path, folder, sizeof(folder));
        int written = snprintf(out, size, "%s/%s", folder, name);
        if (len > 0 && written > 0 && (size_t)written < size && access(out, F_OK) == 0)
            return is_ours;
        entry += len + (entry[len] == ':');
    }
    return false;
}

static const char *run_path_of(const struct elf_file *file) {
    size_t at = 0;
    const char *path = elf_next_text(file, DT_RUNPATH, &at);
    at = 0;
    return path ? path : elf_next_text(file, DT_RPATH, &at);
}

void origin_find(const struct elf_file *file, const char *path, struct origin *out_origin) {
    const char *run_path = run_path_of(file), *name;
    char found[PATH_MAX];
    size_t at = 0;
    out_origin->count = 0;
    while (run_path && out_origin->count < ORIGIN_MAX &&
           (name = elf_next_text(file, DT_NEEDED, &at))) {
        if (strchr(name, '/') || !search(run_path, name, path, found, sizeof(found)))
            continue;
        char *own_name = strdup(name), *own_path = strdup(found);
        if (own_name && own_path) {
            out_origin->libraries[out_origin->count].name = own_name;
            out_origin->libraries[out_origin->count++].path = own_path;
            continue;
        }
        free(own_name);
        free(own_path);
    }
}

void origin_done(struct origin *origin) {
    for (size_t i = 0; i < origin->count; i++) {
        free(origin->libraries[i].name);
        free(origin->libraries[i].path);
    }
    origin->count = 0;
}

/* Some loaders put addresses in place of offsets into the section that is mapped. */
static const char *soname_of(void *library) {
    const struct link_map *map = NULL;
    const char *texts = NULL;
    size_t at = 0;
    bool has_name = false;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0)
        return "";
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            texts =
                (const char *)(entry->d_un.d_ptr < map->l_addr ? map->l_addr + entry->d_un.d_ptr
                                                               : entry->d_un.d_ptr);
        if (entry->d_tag == DT_SONAME) {
            has_name = true;
            at = entry->d_un.d_val;
        }
    }
    return has_name && texts ? texts + at : "";
}

static int load(const char *name, const char *file, const char *path, char *why, size_t size) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        snprintf(why, size, "%s: %s", path, text ? text : file);
        return CREW_EINVAL;
    }
    if (strcmp(soname_of(library), name) == 0)
        return 0;
    snprintf(
        why, size,
        "%s: %s has the soname \"%s\", expected \"%s\"; link it with -Wl,-soname,%s, or set "
        "\"pin\": false in the config",
        path, file, soname_of(library), name, name);
    return CREW_EINVAL;
}

int origin_load(const struct elf_file *file, const char *path, char *out_why, size_t size) {
    struct origin origin;
    int err = 0;
    origin_find(file, path, &origin);
    for (size_t i = 0; !err && i < origin.count; i++)
        err = load(origin.libraries[i].name, origin.libraries[i].path, path, out_why, size);
    origin_done(&origin);
    return err;
}
