/* SPDX-License-Identifier: MIT
 *
 * See reply_file.h. In this order: conditions, ranges, the fields, the head, the body as runs
 * of the file.
 */
#include "reply_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conn_cork.h"
#include "http_condition.h"
#include "http_date.h"
#include "http_range.h"
#include "reply.h"

/* More ranges are answered with the whole file. */
#define RANGES_MAX    16u
#define PART_HEAD_MAX 512u
#define ETAG_MAX      64u
#define BOUNDARY_MAX  24u

/* A file that changed so recently may change again within the grain of its time stamp: its
 * validators are weak (RFC 9110 section 8.8.2.2). */
#define FRESH_S 2

struct answer {
    int status;
    char etag[ETAG_MAX];
    int64_t last_modified;
    struct http_range ranges[RANGES_MAX];
    int range_count; /* 0: the whole file */
    uint64_t length; /* of the body */
    char boundary[BOUNDARY_MAX];
};

int reply_file_open(int fd, struct reply_file *out_file) {
    struct stat status;
    int error = fstat(fd, &status) != 0 ? -errno : S_ISREG(status.st_mode) ? 0 : CREW_ENOENT;
    struct source *source = error ? NULL : source_new(fd);
    if (!source) {
        close(fd);
        return error ? error : CREW_ENOMEM;
    }
    *out_file = (struct reply_file){.source = source,
                                    .size = (uint64_t)status.st_size,
                                    .mtime_s = status.st_mtim.tv_sec,
                                    .mtime_ns = (uint32_t)status.st_mtim.tv_nsec,
                                    .type = "application/octet-stream",
                                    .cache_control = ""};
    return 0;
}

void reply_file_close(struct reply_file *file) {
    source_unref(file->source);
    file->source = NULL;
}

/* Not the inode: the same tree on two machines has the same tags. */
static void make_etag(const struct reply_file *file, bool is_weak, char out[ETAG_MAX]) {
    snprintf(out, ETAG_MAX, "%s\"%" PRIx64 "-%" PRIx64 ".%" PRIx32 "%s\"", is_weak ? "W/" : "",
             file->size, (uint64_t)file->mtime_s, file->mtime_ns, file->is_gzip ? "-gz" : "");
}

static int part_head(const struct reply_file *file, const struct answer *answer, int i,
                     char out[PART_HEAD_MAX]) {
    const struct http_range *range = &answer->ranges[i];
    return snprintf(out, PART_HEAD_MAX,
                    "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64
                    "/%" PRIu64 "\r\n\r\n",
                    answer->boundary, file->type, range->first, range->last, file->size);
}

static int part_end(const struct answer *answer, char out[PART_HEAD_MAX]) {
    return snprintf(out, PART_HEAD_MAX, "\r\n--%s--\r\n", answer->boundary);
}

/* RFC 9110 section 14.6. False: the parts cannot be made; answer the whole file. */
static bool plan_parts(const struct reply_file *file, struct answer *answer) {
    char text[PART_HEAD_MAX];
    uint64_t number;
    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return false;
    snprintf(answer->boundary, sizeof(answer->boundary), "crew%016" PRIx64, number);
    uint64_t length = (uint64_t)part_end(answer, text);
    for (int i = 0; i < answer->range_count; i++) {
        int head = part_head(file, answer, i, text);
        if (head >= (int)PART_HEAD_MAX)
            return false;
        length += (uint64_t)head + answer->ranges[i].last - answer->ranges[i].first + 1;
    }
    answer->length = length;
    return true;
}

/* Section 14.2: only GET has ranges. */
static void plan_ranges(const struct crew_request *request, const struct reply_file *file,
                        struct answer *answer) {
    const struct http_field *field = http_head_find(&request->head, "range");
    if (!field || request->head.method_id != HTTP_GET)
        return;
    int count = http_range_parse(field->value, file->size, answer->ranges, RANGES_MAX);
    if (count == -416) {
        answer->status = 416;
        answer->length = 0;
        return;
    }
    answer->range_count = count;
    if (count == 1)
        answer->length = answer->ranges[0].last - answer->ranges[0].first + 1;
    else if (count > 1 && (request->has_type || !plan_parts(file, answer)))
        answer->range_count = 0;
    if (answer->range_count > 0)
        answer->status = 206;
}

static void plan(const struct crew_request *request, const struct reply_file *file,
                 struct answer *answer) {
    int64_t now = time(NULL);
    bool is_fresh = now - file->mtime_s < FRESH_S;
    *answer = (struct answer){.status = 200, .length = file->size};
    /* Section 8.8.2.1: not later than Date. */
    answer->last_modified = file->mtime_s < now ? file->mtime_s : now;
    make_etag(file, is_fresh, answer->etag);
    if (request->head.method_id != HTTP_GET && request->head.method_id != HTTP_HEAD)
        return;
    struct http_validators validators = {.exists = true,
                                         .etag = answer->etag,
                                         .has_last_modified = true,
                                         .last_modified = answer->last_modified};
    int status = http_condition_evaluate(&request->head, &validators, now);
    if (status != 0) {
        answer->status = status;
        answer->length = 0;
        return;
    }
    validators.has_last_modified = !is_fresh;
    if (http_condition_range_holds(&request->head, &validators, now))
        plan_ranges(request, file, answer);
}

static int add(struct crew_request *request, const char *name, const char *value) {
    return request_add_reply_field(request, name, value, strlen(value));
}

static int add_range(struct crew_request *request, const struct reply_file *file,
                     const struct answer *answer) {
    char text[96];
    if (answer->status == 416)
        snprintf(text, sizeof(text), "bytes */%" PRIu64, file->size);
    else if (answer->range_count == 1)
        snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                 answer->ranges[0].first, answer->ranges[0].last, file->size);
    else
        return 0;
    return add(request, "Content-Range", text);
}

static int add_fields(struct crew_request *request, const struct reply_file *file,
                      const struct answer *answer) {
    char date[HTTP_DATE_LEN];
    http_date_format(answer->last_modified, date);
    int error = add(request, "ETag", answer->etag);
    if (!error)
        error = request_add_reply_field(request, "Last-Modified", date, sizeof(date));
    if (!error)
        error = add(request, "Accept-Ranges", "bytes");
    if (!error && file->cache_control[0] != '\0')
        error = add(request, "Cache-Control", file->cache_control);
    if (!error && file->varies)
        error = add(request, "Vary", "Accept-Encoding");
    if (!error && file->is_gzip && answer->status < 300)
        error = add(request, "Content-Encoding", "gzip");
    return error ? error : add_range(request, file, answer);
}

static int write_run(struct crew_request *request, const struct reply_file *file,
                     const struct http_range *range) {
    return request->wire->send_file(request, file->source, range->first,
                                    (size_t)(range->last - range->first + 1));
}

static int write_parts(struct crew_request *request, const struct reply_file *file,
                       const struct answer *answer) {
    char text[PART_HEAD_MAX];
    for (int i = 0; i < answer->range_count; i++) {
        size_t len = (size_t)part_head(file, answer, i, text);
        int result = request->wire->send_bytes(request, text, len);
        if (result >= 0)
            result = write_run(request, file, &answer->ranges[i]);
        if (result < 0)
            return result;
    }
    return request->wire->send_bytes(request, text, (size_t)part_end(answer, text));
}

static int write_body(struct crew_request *request, const struct reply_file *file,
                      const struct answer *answer) {
    if (answer->range_count > 1)
        return write_parts(request, file, answer);
    if (answer->range_count == 1)
        return write_run(request, file, &answer->ranges[0]);
    const struct http_range whole = {0, file->size - 1};
    return file->size > 0 ? write_run(request, file, &whole) : CREW_SENT;
}

static int write_answer(struct crew_request *request, const struct reply_file *file,
                        const struct answer *answer) {
    char type[64];
    const struct http_wire *wire = request->wire;
    bool is_found = answer->status == 200 || answer->status == 206;
    snprintf(type, sizeof(type), "multipart/byteranges;boundary=%s", answer->boundary);
    const struct reply_head head = {.status = answer->status,
                                    .type = answer->status >= 300     ? NULL
                                            : answer->range_count > 1 ? type
                                                                      : file->type,
                                    .framing =
                                        answer->status == 304 ? REPLY_NO_BODY : REPLY_LENGTH,
                                    .len = answer->length};
    int result = reply_send_head(request, &head, NULL, 0);
    if (result < 0 || !is_found || request->is_head_only)
        return result;
    result = write_body(request, file, answer);
    if (result >= 0)
        result = wire->flush(request);
    if (result < 0)
        wire->abandon(request, result);
    return result;
}

/* Head and small body leave in one packet, also outside of a read event. */
static int write_corked(struct crew_request *request, const struct reply_file *file,
                        const struct answer *answer) {
    struct crew_conn *conn = request->conn;
    bool corks = conns_of(conn)->corked == NULL;
    if (corks)
        conn_cork(conn);
    int result = write_answer(request, file, answer);
    if (corks)
        conn_uncork(conn);
    return result >= 0 && conn->state > CONN_OPEN ? CREW_ECLOSED : result;
}

int reply_file_send(struct crew_request *request, const struct reply_file *file) {
    struct answer answer;
    size_t had = request->reply_fields ? request->reply_fields->len : 0;
    plan(request, file, &answer);
    int result = add_fields(request, file, &answer);
    request->reply = REPLY_DONE;
    if (result == 0)
        result = write_corked(request, file, &answer);
    /* The app may give another answer; what was said of the file is not true of that. */
    if (result < 0 && request->reply_fields)
        request->reply_fields->len = had;
    return reply_ended(request, result, REPLY_NONE);
}
