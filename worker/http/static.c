/* SPDX-License-Identifier: MIT
 *
 * See static.h. Hidden names (a leading dot) are not served but for /.well-known/ (RFC 8615).
 */
#include "static.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conn_state.h"
#include "http_params.h"
#include "mime.h"
#include "reply.h"
#include "reply_file.h"
#include "service.h"

#define NAME_SIZE     4096u
#define LOCATION_SIZE 8192u
#define OPEN_FLAGS    (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* How often a path is tried that others are renaming; see openat2(2), EAGAIN. */
#define TRIES 8

struct name {
    char text[NAME_SIZE]; /* cleaned, begins with "/" */
    size_t len;
    bool is_folder; /* it ended with a slash */
};

static const struct config_static *config_of(const struct service *service) {
    return &service->config->files;
}

/* A descriptor or a negative errno number. */
static int open_beneath(int root, const char *path, int flags) {
    struct open_how how = {.flags = (unsigned)flags,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    for (int i = 0; i < TRIES; i++) {
        long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            break;
    }
    return -errno;
}

static int open_name(const struct service *service, const char *text) {
    if (service->files.root < 0)
        return service->files.root;
    return open_beneath(service->files.root, text[1] != '\0' ? text + 1 : ".", OPEN_FLAGS);
}

static int check(const struct config_static *config, char *out_why, size_t size) {
    if (!http_is_value(config->cache_control, strlen(config->cache_control))) {
        snprintf(out_why, size, "static.cache_control: found a character that no header holds");
        return CREW_EINVAL;
    }
    if (strchr(config->index, '/')) {
        snprintf(out_why, size, "static.index: found \"%s\"; expected the name of a file",
                 config->index);
        return CREW_EINVAL;
    }
    for (size_t i = 0; i < config->type_count; i++)
        if (!mime_is_entry(config->types[i])) {
            snprintf(out_why, size, "static.types: found \"%s\"; expected EXTENSION=TYPE",
                     config->types[i]);
            return CREW_EINVAL;
        }
    return 0;
}

int static_open(struct service *service, char *out_why, size_t size) {
    const struct config_static *config = config_of(service);
    if (config->root[0] == '\0')
        return 0;
    int error = check(config, out_why, size);
    if (error)
        return error;
    struct folder folder = {.service = service->config->name,
                            .key = "static.root",
                            .path = config->root,
                            .flags = O_PATH};
    char why[512];
    error = folder_open(&folder, why, sizeof(why));
    if (error) {
        snprintf(out_why, size, "static.root: %s", why);
        return error;
    }
    int fd = open_beneath(folder.fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        folder_close(&folder);
        snprintf(out_why, size, "static.root: openat2: %s; Linux 5.6 or later is needed",
                 strerror(-fd));
        return fd;
    }
    close(fd);
    service->files = (struct static_files){.is_on = true, .folder = folder};
    return 0;
}

void static_close(struct service *service) {
    if (service->files.is_on)
        folder_close(&service->files.folder);
    service->files.is_on = false;
}

static bool has_hidden(const char *text) {
    static const char well_known[] = "/.well-known/";
    const char *from = text;
    if (strncmp(text, well_known, sizeof(well_known) - 1) == 0)
        from += sizeof(well_known) - 2;
    return strstr(from, "/.") != NULL;
}

static bool ends_with(const char *text, size_t len, const char *end) {
    size_t end_len = strlen(end);
    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/* False: a path that names no file of ours. */
static bool read_name(const struct crew_request *request, struct name *out_name) {
    struct http_slice path = request->target.path;
    char *text = out_name->text;
    if (path.len + 1 > NAME_SIZE)
        return false;
    long len = http_target_decode(path, HTTP_DECODE_PATH, text);
    if (len <= 0)
        return false;
    out_name->is_folder = ends_with(text, (size_t)len, "/") ||
                          ends_with(text, (size_t)len, "/.") ||
                          ends_with(text, (size_t)len, "/..");
    len = http_target_clean(text, (size_t)len);
    if (len <= 0)
        return false;
    text[len] = '\0';
    out_name->len = (size_t)len;
    return !has_hidden(text);
}

/* False: it does not fit. */
static bool append(struct name *name, const char *text) {
    size_t len = strlen(text);
    if (name->len + len + 1 > NAME_SIZE)
        return false;
    memcpy(name->text + name->len, text, len + 1);
    name->len += len;
    return true;
}

/* The folder's name becomes that of its index file. False: it cannot have one. */
static bool to_index(const struct service *service, struct name *name) {
    const char *index = config_of(service)->index;
    bool has_slash = name->text[name->len - 1] == '/';
    return index[0] != '\0' && (has_slash || append(name, "/")) && append(name, index);
}

/* Quality 0 is "not that one" (RFC 9110 section 12.4.2); more than three digits have no meaning
 * there. */
static bool is_refused(struct http_slice rest) {
    struct http_param param;
    while (http_params_next(&rest, &param) == 1)
        if (http_slice_equals(param.name, "q")) {
            for (uint32_t i = 0; i < param.value.len; i++)
                if (param.value.data[i] != '0' && param.value.data[i] != '.')
                    return false;
            return true;
        }
    return false;
}

/* Section 12.5.3: what is named counts more than "*". */
static bool accepts_gzip(const struct http_head *head) {
    bool by_star = false;
    size_t from = 0;
    const struct http_field *field;
    while ((field = http_head_next(head, "accept-encoding", &from)) != NULL) {
        struct http_slice list = field->value, element, coding;
        while (http_list_next(&list, &element)) {
            if (!http_params_begin(&element, &coding))
                continue;
            if (http_slice_equals(coding, "gzip") || http_slice_equals(coding, "x-gzip"))
                return !is_refused(element);
            if (http_slice_equals(coding, "*"))
                by_star = !is_refused(element);
        }
    }
    return by_star;
}

/* A compressed copy that is not older stands for its file where the client takes it. Only then
 * is it looked for: that the answer varies holds for every name, as a copy may come any time.
 */
static void use_gzip(struct crew_conn *conn, const struct crew_request *request,
                     struct name *name, struct reply_file *file) {
    struct reply_file packed;
    file->varies = config_of(service_of(conn))->gzip;
    if (!file->varies || !accepts_gzip(&request->head) || !append(name, ".gz"))
        return;
    int fd = open_name(service_of(conn), name->text);
    name->text[name->len -= 3] = '\0';
    if (fd < 0 || reply_file_open(fd, &packed) != 0)
        return;
    if (packed.mtime_s < file->mtime_s) {
        reply_file_close(&packed);
        return;
    }
    packed.varies = packed.is_gzip = true;
    reply_file_close(file);
    *file = packed;
}

static void fail(struct crew_request *request, int error) {
    struct crew_conn *conn = request->conn;
    static const char text[] = "the file cannot be sent now\n";
    if (conn->state > CONN_OPEN)
        return;
    if (reply_whole(request, 503, "text/plain", text, sizeof(text) - 1) < 0)
        conn_end(conn, CREW_CLOSE_MEMORY, error);
}

static void send_it(struct crew_conn *conn, struct crew_request *request, struct name *name,
                    struct reply_file *file) {
    const struct config_static *config = config_of(service_of(conn));
    use_gzip(conn, request, name, file);
    file->type = mime_type_of(name->text, config->types, config->type_count);
    file->cache_control = config->cache_control;
    int result = reply_file_send(request, file);
    reply_file_close(file);
    if (result < 0)
        fail(request, result);
}

/* RFC 3986 section 2.3, and the slash. */
static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/", c) != NULL);
}

/* Made anew from the cleaned name: what came could begin with two slashes, which leads to
 * another host. */
static bool redirect(struct crew_request *request, const struct name *name) {
    char location[LOCATION_SIZE];
    struct http_slice query = request->target.query;
    size_t at = 0;
    if (name->len * 3 + query.len + 3 > sizeof(location))
        return false;
    for (size_t i = 0; i < name->len; i++)
        if (is_plain(name->text[i]))
            location[at++] = name->text[i];
        else
            at += (size_t)snprintf(location + at, 4, "%%%02X", (unsigned char)name->text[i]);
    snprintf(location + at, sizeof(location) - at, "/%s%.*s", query.len > 0 ? "?" : "",
             (int)query.len, query.data);
    return reply_redirect(request, 301, location) >= 0;
}

/* A folder named without its slash: its pages' relative links need one. Only if it has an
 * index, as nobody shall learn which folders there are. */
static bool answer_folder(struct crew_conn *conn, struct crew_request *request,
                          const struct name *name) {
    struct name index = *name;
    struct reply_file file;
    if (!to_index(service_of(conn), &index))
        return false;
    int fd = open_name(service_of(conn), index.text);
    if (fd < 0 || reply_file_open(fd, &file) != 0)
        return false;
    reply_file_close(&file);
    return redirect(request, name);
}

static bool is_absent(int error) {
    return error == -ENOENT || error == -ENOTDIR || error == -EXDEV || error == -ELOOP ||
           error == -EACCES || error == -EPERM || error == -ENAMETOOLONG || error == -ENXIO;
}

static bool is_read(const struct crew_request *request) {
    return request->head.method_id == HTTP_GET || request->head.method_id == HTTP_HEAD;
}

static bool answer(struct crew_conn *conn, struct crew_request *request) {
    struct service *service = service_of(conn);
    struct name name;
    struct reply_file file;
    if (!is_read(request) || !read_name(request, &name))
        return false;
    if (name.is_folder && !to_index(service, &name))
        return false;
    int fd = open_name(service, name.text);
    if (fd < 0 && is_absent(fd))
        return false;
    int error = fd < 0 ? fd : reply_file_open(fd, &file);
    if (error == 0)
        send_it(conn, request, &name, &file);
    else if (error == CREW_ENOENT)
        return !name.is_folder && answer_folder(conn, request, &name);
    else
        fail(request, error);
    return true;
}

/* Where nobody answers but files, other methods are allowed for no target (RFC 9110 section
 * 15.5.6). */
static void refuse(struct crew_request *request) {
    static const char absent[] = "nothing here\n", unchanging[] = "files are only read here\n";
    bool is_known = is_read(request);
    const char *text = is_known ? absent : unchanging;
    int error = is_known ? 0 : request_add_reply_field(request, "Allow", "GET, HEAD", 9);
    if (!error)
        error = reply_whole(request, is_known ? 404 : 405, "text/plain", text, strlen(text));
    if (error < 0)
        conn_end(request->conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
}

bool static_answer(struct crew_conn *conn, struct crew_request *request) {
    struct static_files *files = &service_of(conn)->files;
    if (!files->is_on)
        return false;
    files->root = folder_fd(&files->folder); /* all of one answer comes from one folder */
    if (answer(conn, request))
        return true;
    if (service_of(conn)->app.on_request)
        return false;
    refuse(request);
    return true;
}
