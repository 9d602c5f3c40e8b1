/* SPDX-License-Identifier: MIT
 *
 * Forms with parts: cut anywhere they give the same fields and files, and whatever fails leaves
 * neither memory nor a descriptor behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "crewman.h"
#include "log.h"
#include "upload.h"

#define TYPE "multipart/form-data; boundary=AaB"

static const char body[] =
    "--AaB\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
    "--AaB\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nsmall\r\n"
    "--AaB\r\nContent-Disposition: form-data; name=\"n\"; filename=\"\"\r\n\r\n\r\n"
    "--AaB\r\nContent-Type: a/b\r\n"
    "Content-Disposition: form-data; name=\"g\"; filename=\"../y\"\r\n\r\n"
    "more\r\n--Aa than ten bytes\r\r\n\r\n--AaB-- \r\n";
static const char large[] = "more\r\n--Aa than ten bytes\r\r\n";

static struct config_service service = {
    .limits = {.header_size = 1024, .max_body = 100000},
    .http = {.upload_memory = 10, .upload_dir = (char *)(uintptr_t) "/tmp", .max_parts = 10},
};

static struct spills spills = {.max = 100};

static int begin(struct upload **out_upload) {
    struct http_field field = {{"content-type", 12}, {TYPE, sizeof(TYPE) - 1}};
    struct http_head head = {.fields = &field, .count = 1, .capacity = 1};
    struct upload_fault fault;
    return upload_begin(&head, &service, &spills, out_upload, &fault);
}

static int feed(struct upload *upload, size_t len, size_t cut, struct upload_fault *out_fault) {
    for (size_t at = 0; at < len; at += cut) {
        int error = upload_take(upload, body + at, cut < len - at ? cut : len - at, out_fault);
        if (error)
            return error;
    }
    return upload_finish(upload, out_fault);
}

static int count_descriptors(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void assert_part(const struct upload_part *part, const char *name, const char *file_name,
                        const char *type, const char *data) {
    char read[64] = "";
    assert_non_null(part);
    assert_string_equal(part->name, name);
    assert_int_equal(part->is_file, file_name != NULL);
    assert_string_equal(part->file_name, file_name ? file_name : "");
    assert_string_equal(part->type, type);
    assert_int_equal(part->size, strlen(data));
    assert_int_equal(part->spill != NULL, part->size > 10);
    assert_int_equal(part->data == NULL, part->size > 10);
    if (part->spill)
        assert_int_equal(pread(part->spill->fd, read, sizeof(read), (off_t)part->offset),
                         part->size);
    assert_string_equal(part->spill ? read : part->data->data, data);
}

static void cut_anywhere(void **state) {
    (void)state;
    int before = count_descriptors();
    for (size_t cut = 1; cut < sizeof(body); cut++) {
        struct upload *upload = NULL;
        struct upload_fault fault;
        assert_int_equal(begin(&upload), 1);
        assert_int_equal(feed(upload, sizeof(body) - 1, cut, &fault), 0);
        const struct upload_part *part = upload_first(upload);
        assert_part(part, "a", NULL, "text/plain", "1");
        assert_part(part->next, "f", "x", "text/plain", "small");
        assert_part(part->next->next, "g", "y", "a/b", large);
        assert_null(part->next->next->next);
        upload_free(upload);
    }
    assert_int_equal(count_descriptors(), before);
}

/* Where it ends is malformed everywhere but behind the last boundary. */
static void ended_anywhere(void **state) {
    (void)state;
    int before = count_descriptors();
    for (size_t len = 0; len < sizeof(body); len++) {
        struct upload *upload = NULL;
        struct upload_fault fault = {0};
        assert_int_equal(begin(&upload), 1);
        int result = feed(upload, len, 7, &fault);
        bool is_whole = len >= sizeof(body) - 1 - strlen(" \r\n");
        assert_int_equal(result, is_whole ? 0 : CREW_EPROTO);
        assert_int_equal(fault.status, is_whole ? 0 : 400);
        upload_free(upload);
    }
    assert_int_equal(count_descriptors(), before);
}

static size_t calls, failing_call;

static void *fail_one(void *memory, size_t size) {
    return ++calls == failing_call ? NULL : realloc(memory, size);
}

static void memory_ends_anywhere(void **state) {
    (void)state;
    codec_memory_replace(fail_one);
    bool has_failed = true;
    for (failing_call = 1; has_failed; failing_call++) {
        struct upload *upload = NULL;
        struct upload_fault fault = {0};
        calls = 0;
        assert_int_equal(begin(&upload), 1);
        int result = feed(upload, sizeof(body) - 1, 5, &fault);
        has_failed = calls >= failing_call;
        assert_int_equal(result, has_failed ? CREW_ENOMEM : 0);
        assert_int_equal(fault.status, has_failed ? 500 : 0);
        upload_free(upload);
    }
    codec_memory_replace(NULL);
    assert_true(failing_call > 5);
}

static void a_folder_that_is_none(void **state) {
    (void)state;
    char *dir = service.http.upload_dir;
    struct upload *upload = NULL;
    struct upload_fault fault;
    service.http.upload_dir = (char *)(uintptr_t) "/dev/null";
    log_setup(-1, CREW_LOG_ERROR, "test");
    assert_int_equal(begin(&upload), 1);
    assert_int_equal(feed(upload, sizeof(body) - 1, 5, &fault), -ENOTDIR);
    assert_int_equal(fault.status, 500);
    upload_free(upload);
    service.http.upload_dir = dir;
}

#define FILE_PART                                                                              \
    "--AaB\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n"              \
    "more than ten bytes\r\n"

/* 0 and a form with so many large files that is not over yet, or an error. */
static int take_files(struct upload **out_upload, int count, struct upload_fault *out_fault) {
    int error = begin(out_upload) == 1 ? 0 : -1;
    while (!error && count-- > 0)
        error = upload_take(*out_upload, FILE_PART, sizeof(FILE_PART) - 1, out_fault);
    return error;
}

static void all_together_have_a_bound(void **state) {
    (void)state;
    struct upload *uploads[102] = {NULL};
    struct upload_fault fault;
    service.http.max_parts = 30;
    int before = count_descriptors();
    assert_int_equal(take_files(&uploads[0], 20, &fault), 0);
    assert_int_equal(spills.open, 16); /* those behind share the last */
    for (size_t i = 1; i < 10; i++)
        assert_int_equal(take_files(&uploads[i], 20, &fault), 0);
    assert_in_range(spills.open, 50, 60); /* one for each when there are many */
    assert_int_equal(count_descriptors() - before, spills.open);
    size_t count = 10;
    while (take_files(&uploads[count], 2, &fault) == 0)
        count++;
    assert_int_equal(fault.status, 503);
    assert_int_equal(fault.error, -EMFILE);
    assert_int_equal(spills.open, 100);
    upload_free(uploads[count]);
    upload_free(uploads[0]);
    assert_int_equal(take_files(&uploads[0], 1, &fault), 0);
    while (count-- > 0)
        upload_free(uploads[count]);
    assert_int_equal(spills.open, 0);
    assert_int_equal(count_descriptors(), before);
    service.http.max_parts = 10;
}

static void other_types_are_no_forms(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int expected;
    } rows[] = {{"multipart/mixed; boundary=a", 0},
                {"multipart/form-datas; boundary=a", 0},
                {"text/plain", 0},
                {"", 0},
                {"multipart/form-data", CREW_EPROTO},
                {"multipart/form-data; boundary=\"\"", CREW_EPROTO},
                {"MULTIPART/FORM-DATA; Boundary=\"a b\"", 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_field field = {{"content-type", 12},
                                   {rows[i].value, (uint32_t)strlen(rows[i].value)}};
        struct http_head head = {.fields = &field, .count = 1, .capacity = 1};
        struct upload *upload = NULL;
        struct upload_fault fault;
        assert_int_equal(upload_begin(&head, &service, &spills, &upload, &fault),
                         rows[i].expected);
        assert_int_equal(upload != NULL, rows[i].expected == 1);
        upload_free(upload);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(ended_anywhere),
        cmocka_unit_test(memory_ends_anywhere),
        cmocka_unit_test(a_folder_that_is_none),
        cmocka_unit_test(all_together_have_a_bound),
        cmocka_unit_test(other_types_are_no_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
