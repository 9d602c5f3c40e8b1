/* SPDX-License-Identifier: MIT
 *
 * The files of a form for the app: crew_request_file() and the crew_file_… functions of
 * crewman.h. Reads what upload.c has gathered; owns nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "crewman.h"
#include "request.h"
#include "sized.h"
#include "spill.h"
#include "upload.h"

#define SAVE_ATTEMPTS 8

int crew_request_file_sized(crew_request *request, const char *name, size_t index,
                            struct crew_file *out_file, size_t size) {
    const struct upload_part *part =
        request && request->upload ? upload_first(request->upload) : NULL;
    for (; part; part = part->next) {
        if (!part->is_file || (name && strcmp(part->name, name) != 0) || index-- > 0)
            continue;
        struct crew_file file = {.name = part->name,
                                 .file_name = part->file_name,
                                 .type = part->type,
                                 .size = part->size,
                                 .data = part->data ? part->data->data : NULL,
                                 .fd = part->spill ? part->spill->fd : -1,
                                 .offset = part->offset};
        sized_copy(out_file, size, &file, sizeof(file));
        return 0;
    }
    return CREW_ENOENT;
}

static struct crew_file file_of(const struct crew_file *given, size_t size) {
    struct crew_file file;
    sized_copy(&file, sizeof(file), given, size);
    return file;
}

static long read_file(const struct crew_file *file, uint64_t offset, void *out_data,
                      size_t len) {
    if (offset >= file->size)
        return 0;
    if (len > file->size - offset)
        len = (size_t)(file->size - offset);
    if (len > LONG_MAX)
        len = LONG_MAX;
    if (file->data) {
        memcpy(out_data, file->data + offset, len);
        return (long)len;
    }
    ssize_t count;
    do
        count = pread(file->fd, out_data, len, (off_t)(file->offset + offset));
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (long)count;
}

long crew_file_read_sized(const struct crew_file *given, size_t size, uint64_t offset,
                          void *out_data, size_t len) {
    struct crew_file file = file_of(given, size);
    return read_file(&file, offset, out_data, len);
}

/* A name beside `path` that is free; whoever looks at `path` never sees half a file. It is not
 * made of the other one, which may be as long as a name can be. */
static int save_beside(const struct crew_file *file, const char *path, char *beside,
                       size_t size) {
    int error = -EEXIST;
    const char *slash = strrchr(path, '/');
    int folder_len = slash ? (int)(slash - path) + 1 : 0;
    for (int attempt = 0; attempt < SAVE_ATTEMPTS && error == -EEXIST; attempt++) {
        uint64_t number;
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return -errno;
        int len = snprintf(beside, size, "%.*s.crewman-%016llx", folder_len, path,
                           (unsigned long long)number);
        if (len < 0 || (size_t)len >= size)
            return -ENAMETOOLONG;
        error = file->data ? spill_save_bytes(file->data, (size_t)file->size, beside)
                           : spill_save(file->fd, file->offset, file->size, beside);
    }
    return error;
}

int crew_file_save_sized(const struct crew_file *given, size_t size, const char *path) {
    char beside[PATH_MAX];
    struct crew_file file = file_of(given, size);
    int error = save_beside(&file, path, beside, sizeof(beside));
    if (error)
        return error;
    if (rename(beside, path) == 0)
        return 0;
    error = -errno;
    unlink(beside);
    return error;
}
