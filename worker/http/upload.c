/* SPDX-License-Identifier: MIT
 *
 * See upload.h.
 */
#include "upload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "crewman.h"
#include "http_params.h"
#include "log.h"
#include "multipart.h"

#define PIECE 65536u /* what is gathered before it is written */

/* A form's larger files have a descriptor each, up to so many and while those of all forms are
 * few; those behind share the last. */
#define SPILLS_MAX 16u

struct upload {
    const struct config_service *service;
    struct multipart multipart;
    struct arena arena;               /* of the parts and their texts */
    struct upload_part *first, **end; /* those that are complete */
    struct upload_part *current;      /* the one that is coming, or NULL */
    uint64_t held;                    /* bytes in memory, bounded by max_body */
    size_t of_parts;                  /* memory of the parts' data */
    struct spill spilled[SPILLS_MAX];
    size_t spill_count;
    struct spills *spills;
};

static int fail(struct upload_fault *out_fault, int status, int error, const char *text) {
    *out_fault = (struct upload_fault){status, error, text};
    return error;
}

static int fail_memory(struct upload_fault *out_fault) {
    return fail(out_fault, 500, CREW_ENOMEM, "out of memory");
}

static int fail_disk(int error, struct upload_fault *out_fault) {
    if (error == -ENOSPC || error == -EDQUOT || error == -EFBIG)
        return fail(out_fault, 507, error, "no room to keep the upload");
    if (error == -EMFILE || error == -ENFILE)
        return fail(out_fault, 503, error, "too many uploads at once");
    return fail(out_fault, 500, error, "the upload cannot be kept");
}

static struct upload *upload_new(const struct config_service *service, struct spills *spills,
                                 const char *boundary, size_t len) {
    struct upload *upload = calloc(1, sizeof(*upload));
    if (!upload)
        return NULL;
    upload->service = service;
    upload->spills = spills;
    upload->end = &upload->first;
    (void)multipart_init(&upload->multipart, boundary, len);
    return upload;
}

static bool is_form_with_parts(struct http_slice value) {
    struct http_slice type;
    return http_params_begin(&value, &type) && http_slice_equals(type, "multipart/form-data");
}

int upload_begin(const struct http_head *head, const struct config_service *service,
                 struct spills *spills, struct upload **out_upload,
                 struct upload_fault *out_fault) {
    char boundary[MULTIPART_BOUNDARY_MAX];
    size_t len;
    const struct http_field *field = http_head_find(head, "content-type");
    if (!field || !is_form_with_parts(field->value))
        return 0;
    if (!multipart_find_boundary(field->value, boundary, &len))
        return fail(out_fault, 400, CREW_EPROTO, "a form without a proper boundary");
    struct upload *upload = upload_new(service, spills, boundary, len);
    if (!upload)
        return fail_memory(out_fault);
    *out_upload = upload;
    return 1;
}

size_t upload_held(const struct upload *upload) {
    return sizeof(*upload) + upload->arena.held + upload->of_parts +
           codec_buffer_held(upload->multipart.head);
}

static void free_part(struct upload_part *part) {
    if (part)
        codec_buffer_free(&part->data); /* the rest is the arena's */
}

void upload_free(struct upload *upload) {
    if (!upload)
        return;
    for (struct upload_part *part = upload->first; part; part = part->next)
        free_part(part);
    free_part(upload->current);
    for (size_t i = 0; i < upload->spill_count; i++)
        spill_close(&upload->spilled[i], upload->spills);
    multipart_done(&upload->multipart);
    arena_done(&upload->arena);
    free(upload);
}

void upload_check(const struct config_service *service, struct spills *spills) {
    struct spill spill;
    int error = spill_open(&spill, spills, service->http.upload_dir);
    if (error)
        log_warning("http.upload_dir %s: %s; larger files of forms will be refused",
                    service->http.upload_dir, strerror(-error));
    else
        spill_close(&spill, spills);
}

uint64_t upload_bound(const struct config_service *service) {
    uint64_t bound = service->http.max_upload;
    return bound > 0 ? bound : service->limits.max_body;
}

static bool hold(struct upload *upload, uint64_t size) {
    if (size > upload->service->limits.max_body - upload->held)
        return false;
    upload->held += size;
    return true;
}

/* Clients escape " and perhaps \ with a backslash, or not at all, as in Windows paths. */
static const char *text_of(struct upload *upload, struct http_slice slice) {
    char *text = arena_copy(&upload->arena, slice.data, slice.len);
    if (text)
        text[http_params_unquote(slice, true, text)] = '\0';
    return text;
}

/* Some clients send the path that the file has with them: nobody's business. */
static const char *last_component(const char *path) {
    const char *last = path;
    for (const char *at = path; *at; at++)
        if (*at == '/' || *at == '\\')
            last = at + 1;
    return last;
}

static int begin_part(struct upload *upload, const struct multipart_event *event,
                      struct upload_fault *out_fault) {
    struct upload_part *part = arena_take(&upload->arena, sizeof(*part));
    if (!hold(upload,
              sizeof(*part) + event->name.len + event->file_name.len + event->content_type.len))
        return fail(out_fault, 413, CREW_ETOOBIG, "the form is too large");
    const char *name = text_of(upload, event->name);
    const char *file_name = text_of(upload, event->file_name);
    const char *type =
        arena_copy(&upload->arena, event->content_type.data, event->content_type.len);
    if (!part || !name || !file_name || !type)
        return fail_memory(out_fault);
    *part = (struct upload_part){.name = name,
                                 .file_name = last_component(file_name),
                                 .type = type,
                                 .is_file = event->is_file};
    upload->current = part;
    return 0;
}

/* To the part that is coming. */
static int append(struct upload *upload, const char *data, size_t len, size_t bound,
                  struct upload_fault *out_fault) {
    struct upload_part *part = upload->current;
    upload->of_parts -= codec_buffer_held(part->data);
    bool is_appended = codec_buffer_append(&part->data, data, len, bound);
    upload->of_parts += codec_buffer_held(part->data);
    return is_appended ? 0 : fail_memory(out_fault);
}

static void drop_data(struct upload *upload) {
    struct upload_part *part = upload->current;
    upload->of_parts -= codec_buffer_held(part->data);
    codec_buffer_free(&part->data);
}

static int write_out(struct upload *upload, const char *data, size_t len,
                     struct upload_fault *out_fault) {
    int error = spill_append(&upload->spilled[upload->spill_count - 1], data, len);
    return error ? fail_disk(error, out_fault) : 0;
}

/* Write what was gathered of the part that is coming. */
static int flush(struct upload *upload, struct upload_fault *out_fault) {
    struct upload_part *part = upload->current;
    if (!part->data)
        return 0;
    int error = write_out(upload, part->data->data, part->data->len, out_fault);
    part->data->len = 0;
    return error;
}

static int begin_spill(struct upload *upload, struct upload_fault *out_fault) {
    struct upload_part *part = upload->current;
    size_t count = upload->spill_count;
    if (count == 0 || (count < SPILLS_MAX && spills_are_few(upload->spills))) {
        int error = spill_open(&upload->spilled[count], upload->spills,
                               upload->service->http.upload_dir);
        if (error)
            return fail_disk(error, out_fault);
        upload->spill_count++;
    }
    part->spill = &upload->spilled[upload->spill_count - 1];
    part->offset = part->spill->size;
    upload->held -= part->size;
    int error = flush(upload, out_fault);
    drop_data(upload);
    return error;
}

static int spill_piece(struct upload *upload, const char *data, size_t len,
                       struct upload_fault *out_fault) {
    struct upload_part *part = upload->current;
    size_t gathered = part->data ? part->data->len : 0;
    int error = len > PIECE - gathered ? flush(upload, out_fault) : 0;
    if (error)
        return error;
    part->size += len;
    if (len >= PIECE)
        return write_out(upload, data, len, out_fault);
    return append(upload, data, len, PIECE, out_fault);
}

static int add_data(struct upload *upload, const char *data, size_t len,
                    struct upload_fault *out_fault) {
    struct upload_part *part = upload->current;
    uint64_t memory = upload->service->http.upload_memory;
    bool fits = !part->is_file || (part->size < memory && len <= memory - part->size);
    if (!part->spill && fits && hold(upload, len)) {
        part->size += len;
        return append(upload, data, len, SIZE_MAX, out_fault);
    }
    if (!part->is_file)
        return fail(out_fault, 413, CREW_ETOOBIG, "the fields of the form are too large");
    int error = part->spill ? 0 : begin_spill(upload, out_fault);
    return error ? error : spill_piece(upload, data, len, out_fault);
}

/* The field of a form in which no file was chosen comes as one without a name and a byte. */
static bool is_no_file(const struct upload_part *part) {
    return part->is_file && part->size == 0 && *part->file_name == '\0';
}

static int end_part(struct upload *upload, struct upload_fault *out_fault) {
    struct upload_part *part = upload->current;
    int error =
        part->spill ? flush(upload, out_fault) : append(upload, "", 1, SIZE_MAX, out_fault);
    if (error)
        return error;
    if (part->spill || is_no_file(part))
        drop_data(upload);
    upload->current = NULL;
    if (is_no_file(part))
        return 0;
    *upload->end = part;
    upload->end = &part->next;
    return 0;
}

static int handle(struct upload *upload, const struct multipart_event *event,
                  struct upload_fault *out_fault) {
    switch (event->type) {
    case MULTIPART_PART:
        return begin_part(upload, event, out_fault);
    case MULTIPART_DATA:
        return add_data(upload, event->data, event->len, out_fault);
    case MULTIPART_PART_END:
        return end_part(upload, out_fault);
    default:
        return fail(out_fault, event->status,
                    event->status == 400   ? CREW_EPROTO
                    : event->status == 500 ? CREW_ENOMEM
                                           : CREW_ETOOBIG,
                    event->text);
    }
}

int upload_take(struct upload *upload, const char *data, size_t len,
                struct upload_fault *out_fault) {
    const struct config_service *service = upload->service;
    const struct multipart_limits limits = {.head_size = (size_t)service->limits.header_size,
                                            .parts = service->http.max_parts};
    struct multipart_event event;
    for (;;) {
        switch (multipart_next(&upload->multipart, &limits, &data, &len, &event)) {
        case MULTIPART_NEED_MORE:
        case MULTIPART_END:
            return 0;
        default:
            break;
        }
        int error = handle(upload, &event, out_fault);
        if (error)
            return error;
    }
}

int upload_finish(const struct upload *upload, struct upload_fault *out_fault) {
    if (!multipart_is_complete(&upload->multipart))
        return fail(out_fault, 400, CREW_EPROTO, "the form ends before its last boundary");
    return 0;
}

const struct upload_part *upload_first(const struct upload *upload) {
    return upload->first;
}
