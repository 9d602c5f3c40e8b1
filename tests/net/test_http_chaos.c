/* SPDX-License-Identifier: MIT
 *
 * HTTP at random, the same in each run: whatever clients, kernel and app do in whatever order,
 * each request gets one answer, whole and in its turn, or its connection ends; what hangs on a
 * request is destroyed once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"
#include "stage.h"

#define PEERS    6
#define STEPS    300
#define RUNS     60
#define ASKS_MAX 400
#define FILES    2

/* One request of a peer, and the answer that was accepted for it. */
struct ask {
    bool is_head, is_deaf; /* the app's answer was no success, or not its own */
    size_t len;            /* of the body that was accepted */
};

struct record {
    struct peer *peer;
    struct ask asks[ASKS_MAX];
    size_t asked, dispatched;
    uint64_t waiting; /* the id of the request that the app has not answered, or 0 */
    bool is_streaming, is_closed;
};

static struct record records[PEERS];
static uint32_t seed;
static unsigned depth, hung, destroyed;
static char filling[65536];

/* One that is copied, and one that is sent as it lies. */
static const size_t file_sizes[FILES] = {100, 40000};
static int files[FILES];

static uint32_t pick(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static struct record *record_of(const struct crew_conn *conn) {
    for (int i = 0; i < PEERS; i++)
        if (records[i].peer->conn == conn)
            return &records[i];
    return NULL;
}

static struct ask *current(struct record *record) {
    assert_true(record->dispatched > 0);
    return &record->asks[record->dispatched - 1];
}

static void destroy(void *data) {
    (void)data;
    destroyed++;
}

/* Before the call: that may call on_buffer_full. */
static void note_end(struct record *record) {
    record->waiting = 0;
    record->is_streaming = false;
}

/* Was it sent, or has its connection ended? */
static bool is_fine(int result) {
    return result >= 0 || result == CREW_ECLOSED;
}

static int send_file(struct ask *ask, struct crew_request *request) {
    char path[32];
    size_t i = pick(FILES);
    ask->len = file_sizes[i];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", files[i]);
    return crew_reply_file(request, path);
}

static void answer_whole(struct record *record, struct crew_request *request) {
    struct ask *ask = current(record);
    int result;
    ask->len = pick(3) ? pick(300) : pick(30000);
    note_end(record);
    if (pick(4) == 0)
        result = send_file(ask, request);
    else if (pick(2))
        result = crew_reply(request, 200, "text/plain", filling, ask->len);
    else
        result = crew_conn_send(record->peer->conn, filling, ask->len);
    assert_true(is_fine(result));
}

static void stream(struct record *record, struct crew_request *request) {
    struct ask *ask = current(record);
    size_t len = pick(3) ? pick(300) : pick(8000);
    if (!record->is_streaming) {
        ask->len = 0;
        record->is_streaming = true;
        assert_true(is_fine(crew_reply_begin(request, 200, "text/plain")));
        return;
    }
    if (pick(4) == 0) {
        note_end(record);
        assert_true(is_fine(crew_reply_end(request)));
        return;
    }
    ask->len += len; /* a callback may write the next piece */
    int result = crew_reply_write(request, filling, len);
    assert_true(is_fine(result) || result == CREW_EFULL);
    if (result < 0)
        ask->len -= len;
}

/* No answer; another attempt may follow. */
static void fail_to_answer(struct record *record, struct crew_request *request) {
    bool is_open = record->peer->conn->state <= CONN_OPEN;
    current(record)->is_deaf = true;
    switch (pick(3)) {
    case 0:
        assert_true(crew_conn_send(record->peer->conn, NULL, 1) < 0);
        break;
    case 1:
        assert_int_equal(crew_reply_file(request, "/no such file"),
                         is_open ? CREW_ENOENT : CREW_ECLOSED);
        break;
    default:
        assert_int_equal(crew_reply_redirect(request, 200, "/"),
                         is_open ? CREW_EINVAL : CREW_ECLOSED);
    }
}

static void work_on(struct record *record) {
    struct crew_request *request = crew_request_find(record->waiting);
    if (!request) { /* answered 500, or its connection is ending */
        note_end(record);
        return;
    }
    assert_ptr_equal(crew_conn_request(record->peer->conn), request);
    uint32_t what = pick(10);
    if (record->is_streaming || what < 3)
        stream(record, request);
    else if (what < 8)
        answer_whole(record, request);
    else if (what == 8)
        fail_to_answer(record, request);
}

static void act_on(struct record *record) {
    struct crew_conn *conn = record->peer->conn;
    if (!conn || record->is_closed)
        return;
    switch (pick(60)) {
    case 0:
        crew_conn_close(conn);
        break;
    case 1:
        crew_conn_destroy(conn);
        break;
    case 2:
        crew_conn_pause(conn);
        break;
    case 3:
    case 4:
    case 5:
        crew_conn_resume(conn);
        break;
    default:
        if (record->waiting)
            work_on(record);
    }
}

static void check_body(struct crew_request *request) {
    size_t len;
    const char *body = crew_request_body(request, &len);
    const char *told = crew_request_header(request, "told");
    assert_non_null(told);
    assert_int_equal(len, strtoul(told, NULL, 10));
    assert_memory_equal(body, filling, len);
}

static void begin_request(struct record *record, struct crew_conn *conn) {
    struct crew_request *request = crew_conn_request(conn);
    assert_non_null(request);
    assert_int_equal(record->waiting, 0);
    assert_int_equal(strtoul(crew_request_path(request) + 1, NULL, 10), record->dispatched);
    check_body(request);
    record->dispatched++;
    record->waiting = crew_request_id(request);
    assert_true(record->waiting != 0);
    if (pick(2)) {
        crew_request_set_data(request, record, destroy);
        hung++;
    }
}

static void react(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    struct record *record = record_of(conn);
    (void)msg;
    assert_non_null(record);
    assert_false(record->is_closed);
    if (strcmp(event, "close") == 0)
        record->is_closed = true;
    if (strcmp(event, "request") == 0) {
        if (record->waiting && !crew_request_find(record->waiting))
            note_end(record);
        begin_request(record, conn);
    }
    if (depth > 2)
        return;
    depth++;
    for (uint32_t i = pick(4); i > 0; i--)
        act_on(pick(3) ? record : &records[pick(PEERS)]);
    depth--;
}

static void put_chunks(struct peer *peer, size_t len) {
    char head[32];
    for (size_t at = 0; at < len;) {
        size_t piece = 1 + pick((uint32_t)(len - at));
        snprintf(head, sizeof(head), "%zx\r\n", piece);
        stage_say(peer, head);
        peer_put(peer, filling + at, piece);
        stage_say(peer, "\r\n");
        at += piece;
    }
    stage_say(peer, "0\r\n\r\n");
}

static void ask(struct record *record) {
    static const char *const methods[] = {"GET", "HEAD", "POST"};
    char head[256];
    uint32_t method = pick(3);
    size_t len = method < 2 ? 0 : pick(3) ? pick(100) : pick(9000);
    bool is_chunked = method == 2 && pick(2);
    if (record->asked == ASKS_MAX || record->peer->has_ended)
        return;
    record->asks[record->asked] = (struct ask){.is_head = method == 1};
    int used = snprintf(head, sizeof(head), "%s /%zu HTTP/1.1\r\nHost: x\r\nTold: %zu\r\n",
                        methods[method], record->asked, len);
    if (is_chunked)
        snprintf(head + used, sizeof(head) - (size_t)used,
                 "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head + used, sizeof(head) - (size_t)used, "Content-Length: %zu\r\n\r\n", len);
    record->asked++;
    stage_say(record->peer, head);
    if (is_chunked)
        put_chunks(record->peer, len);
    else
        peer_put(record->peer, filling, len);
}

static void step(struct stage *stage) {
    struct record *record = &records[pick(PEERS)];
    switch (pick(80)) {
    case 0:
        peer_end(record->peer);
        break;
    case 1:
        record->peer->write_error = -EPIPE;
        break;
    case 2:
        record->peer->read_error = -ECONNRESET;
        break;
    default:
        if (pick(4) == 0)
            record->peer->room = pick(4) ? pick(3000) : SIZE_MAX;
        else if (pick(2))
            ask(record);
        else
            act_on(record);
    }
    if (pick(2))
        stage_turn(stage);
}

/* The body in chunks at `at`. Answers where it ends, or NULL when it is not whole. */
static const char *skip_chunks(const char *at, const char *end, size_t *out_len) {
    *out_len = 0;
    for (;;) {
        char *behind;
        size_t len = strtoul(at, &behind, 16);
        if (behind + 2 > end)
            return NULL;
        assert_memory_equal(behind, "\r\n", 2);
        if (len > (size_t)(end - behind) || (size_t)(end - behind) - len < 4)
            return NULL;
        at = behind + 2 + len;
        assert_memory_equal(at, "\r\n", 2);
        at += 2;
        if (len == 0)
            return at;
        *out_len += len;
    }
}

/* The answer at `at` to `asked`. Answers where it ends, or NULL when it is not whole. */
static const char *check_answer(const struct ask *asked, const char *at, const char *end) {
    const char *body = strstr(at, "\r\n\r\n");
    size_t len;
    if (!body)
        return NULL;
    assert_memory_equal(at, "HTTP/1.1 ", 9);
    unsigned long status = strtoul(at + 9, NULL, 10);
    const char *length = strstr(at, "Content-Length: ");
    body += 4;
    if (asked->is_head)
        return body;
    if (length && length < body) {
        len = strtoul(length + 16, NULL, 10);
        if (len > (size_t)(end - body))
            return NULL;
        if (status == 200)
            assert_memory_equal(body, filling, len);
        body += len;
    } else {
        body = skip_chunks(body, end, &len);
    }
    if (body && status == 200)
        assert_int_equal(len, asked->len);
    assert_true(status == 200 || status == 503 || (status == 500 && asked->is_deaf));
    return body;
}

/* Answers how many whole ones there are. */
static size_t check_answers(const struct record *record) {
    const char *at = record->peer->out.data, *end = at + record->peer->out.len;
    size_t count = 0;
    while (at && at < end) {
        assert_true(count < record->asked);
        at = check_answer(&record->asks[count], at, end);
        count += at != NULL;
    }
    return count;
}

static void begin(struct stage *stage) {
    for (int i = 0; i < PEERS; i++)
        records[i] = (struct record){.peer = stage_peer(stage, "p")};
    for (int i = 0; i < PEERS; i++) {
        records[i].peer->piece = pick(3) ? 0 : 1 + pick(50);
        stage_adopt(stage, records[i].peer);
    }
}

/* Who is connected still reads all, and is answered. */
static void answer_all(struct stage *stage, struct record *record) {
    while (record->peer->conn && !record->is_closed && !record->peer->is_shut) {
        crew_conn_resume(record->peer->conn);
        stage_run(stage);
        struct crew_request *request = crew_request_find(record->waiting);
        if (!request)
            return;
        if (record->is_streaming)
            assert_true(is_fine(crew_reply_end(request)));
        else
            answer_whole(record, request);
        note_end(record);
        stage_run(stage);
    }
}

static void note_only(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    unsigned before = depth;
    depth = 3; /* it does nothing */
    react(conn, event, msg);
    depth = before;
}

static void finish(struct stage *stage) {
    stage->react = note_only;
    for (int i = 0; i < PEERS; i++) {
        records[i].peer->room = SIZE_MAX;
        records[i].peer->write_error = records[i].peer->read_error = 0;
    }
    stage_run(stage);
    for (int i = 0; i < PEERS; i++) {
        struct record *record = &records[i];
        answer_all(stage, record);
        size_t count = check_answers(record);
        if (record->peer->conn && !record->is_closed && !record->peer->is_shut)
            assert_int_equal(count, record->asked);
        peer_end(record->peer);
        stage_run(stage);
    }
}

static void run(const struct transport *transport, uint32_t first_seed) {
    struct stage *stage = stage_new(LISTEN_HTTP);
    seed = first_seed;
    hung = destroyed = depth = 0;
    stage->config.limits.max_send_buffer = pick(2) ? 10000 : 300000;
    stage_start(stage, transport);
    if (pick(3) == 0)
        stage->worker.conns.budget.limit = 20000 + pick(100000);
    begin(stage);
    stage->react = react;
    for (int i = 0; i < STEPS; i++) {
        step(stage);
        stage_forget(stage);
    }
    finish(stage);
    for (int i = 0; i < PEERS; i++)
        assert_true(records[i].peer->is_closed || records[i].peer->is_shut);
    assert_int_equal(hung, destroyed);
    stage_free(stage);
}

static void test_http(void **state) {
    (void)state;
    for (uint32_t i = 1; i <= RUNS; i++) {
        run(&transport_memory, i);
        run(&transport_memory_hiding, i);
    }
}

static int make_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(filling); i++)
        filling[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < FILES; i++) {
        files[i] = memfd_create("file", MFD_CLOEXEC);
        if (write(files[i], filling, file_sizes[i]) != (ssize_t)file_sizes[i])
            return -1;
    }
    return 0;
}

static int close_files(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++)
        close(files[i]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_http)};
    return cmocka_run_group_tests(tests, make_files, close_files);
}
