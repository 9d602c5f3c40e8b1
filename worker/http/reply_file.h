/* SPDX-License-Identifier: MIT
 *
 * A file as the answer to a request: validators, conditions, ranges, and the bytes by
 * conn_write_file(). Which file it is, and who may see it, is decided by the callers: the app
 * through crew_reply_file(), static.c.
 */
#ifndef CREWMAN_REPLY_FILE_H
#define CREWMAN_REPLY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"
#include "sendq.h"

struct reply_file {
    struct source *source;
    uint64_t size;
    int64_t mtime_s;
    uint32_t mtime_ns;
    const char *type;          /* its media type */
    const char *cache_control; /* "" : no such field */
    bool is_gzip;              /* its bytes are those of another file, compressed */
    bool varies;               /* there may be a compressed one and one that is not */
};

/* Take an open descriptor: size and times into *out_file, the rest of it zero. A negative errno
 * number or CREW_ENOENT when it is no regular file; `fd` is closed then. */
int reply_file_open(int fd, struct reply_file *out_file);
void reply_file_close(struct reply_file *file);

/* Answer with it; the file remains the caller's. As crew_reply(). */
int reply_file_send(struct crew_request *request, const struct reply_file *file);

#endif
