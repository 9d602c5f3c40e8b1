/* SPDX-License-Identifier: MIT
 *
 * multipart/form-data (RFC 7578, RFC 2046 section 5.1.1) as it comes: the head of each part,
 * its data where it lies, its end. Nothing is kept but an unfinished head and the place inside
 * a delimiter.
 */
#ifndef CREWMAN_MULTIPART_H
#define CREWMAN_MULTIPART_H

#include "http_field.h"

#define MULTIPART_BOUNDARY_MAX 70u /* RFC 2046 section 5.1.1 */

struct codec_buffer;

struct multipart {
    struct codec_buffer *head; /* an unfinished head of a part */
    uint32_t parts;
    uint16_t status; /* of an error, sticky */
    uint8_t state;
    uint8_t delimiter_len;
    uint8_t matched; /* bytes of the delimiter that the data has just gone like */
    uint8_t implied; /* of these, how many were never data */
    bool is_head_spent;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF - - boundary */
};

struct multipart_limits {
    size_t head_size; /* of a part */
    size_t parts;
};

enum multipart_event_type {
    MULTIPART_NEED_MORE = 0,
    MULTIPART_PART, /* a part begins */
    MULTIPART_DATA,
    MULTIPART_PART_END,
    MULTIPART_END, /* the rest of the body means nothing */
    MULTIPART_ERROR
};

struct multipart_event {
    enum multipart_event_type type;
    /* Of PART. name and file_name stand as they were sent, between quotes perhaps: see
     * http_params_unquote(). */
    struct http_slice name, file_name, content_type;
    bool is_file;     /* file_name was there */
    const char *data; /* of DATA: borrowed until the next call, mostly in the input */
    size_t len;
    int status; /* of ERROR: 400, 413 (parts), 431, 500 */
    const char *text;
};

/* The boundary in a Content-Type value. False: it is not multipart/form-data, or its boundary
 * is missing or malformed. out_boundary: MULTIPART_BOUNDARY_MAX bytes. */
bool multipart_find_boundary(struct http_slice content_type, char *out_boundary,
                             size_t *out_len);

/* 0, or -1: no boundary can be that long, or empty. */
int multipart_init(struct multipart *multipart, const char *boundary, size_t len);
void multipart_done(struct multipart *multipart);

/* Consumes from *data, *len; call until MULTIPART_NEED_MORE (*len is then 0), _END or _ERROR.
 */
enum multipart_event_type multipart_next(struct multipart *multipart,
                                         const struct multipart_limits *limits,
                                         const char **data, size_t *len,
                                         struct multipart_event *out_event);

/* No more will come: was the closing delimiter there? */
bool multipart_is_complete(const struct multipart *multipart);

#endif
