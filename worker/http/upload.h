/* SPDX-License-Identifier: MIT
 *
 * The parts of a form (multipart/form-data) as its body comes in. Fields and small files stay
 * in memory, within a bound for the whole form; of a larger file memory holds one piece, and a
 * temporary file the rest. All of it ends with the request. Must not know connections: called
 * by intake.c, read by api_upload.c.
 */
#ifndef CREWMAN_UPLOAD_H
#define CREWMAN_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec_memory.h"
#include "config.h"
#include "http_head.h"
#include "spill.h"

struct upload;

struct upload_part {
    struct upload_part *next;
    const char *name, *file_name, *type;
    bool is_file;
    struct codec_buffer *data; /* with a NUL behind it, or NULL: it is in `spill` */
    const struct spill *spill;
    uint64_t offset, size;
};

/* Why a form is refused. */
struct upload_fault {
    int status; /* of the answer */
    int error;  /* CREW_E…, or a negative errno */
    const char *text;
};

/* 1: the body is a form with parts, and *out_upload takes it; 0: it is none. Negative, with the
 * fault: it cannot be taken. `service` and `spills` are borrowed for as long as the upload
 * lives. */
int upload_begin(const struct http_head *head, const struct config_service *service,
                 struct spills *spills, struct upload **out_upload,
                 struct upload_fault *out_fault);
void upload_free(struct upload *upload);

/* Its memory. */
size_t upload_held(const struct upload *upload);

/* Say now, in the log, if larger files of forms could not be kept. */
void upload_check(const struct config_service *service, struct spills *spills);

/* The largest body that a form may have. */
uint64_t upload_bound(const struct config_service *service);

/* The next bytes of the body, and its end. 0, or negative with the fault: free it then. */
int upload_take(struct upload *upload, const char *data, size_t len,
                struct upload_fault *out_fault);
int upload_finish(const struct upload *upload, struct upload_fault *out_fault);

/* The first part that is complete, or NULL. */
const struct upload_part *upload_first(const struct upload *upload);

#endif
