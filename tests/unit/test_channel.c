/* SPDX-License-Identifier: MIT
 *
 * The channel over a real socketpair: every split of the bytes, descriptors beside messages,
 * bounds in both directions, and peers that talk nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"

#define DEADLINE_MS 5000u

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* One end is a channel, the other a bare socket. */
struct bench {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct channel *channel;
    int own; /* the channel's, not ours to close */
    int peer;
    unsigned messages, descriptors, ends;
    enum message_id descriptor_of; /* the last message that came with one */
    unsigned wanted;               /* stop the loop after so many messages; 0: at the end */
    json_int_t last;
    char reason[256];
    bool closes_at_message;
};

static void settle(struct bench *bench) {
    channel_close(bench->channel);
    bench->channel = NULL;
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct bench *bench = owner;
    struct stat file;
    bench->last = json_integer_value(json_object_get(body, "closed"));
    bench->messages++;
    if (fd >= 0) {
        assert_int_equal(fstat(fd, &file), 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        bench->descriptors++;
        bench->descriptor_of = type->id;
        close(fd);
    }
    if (bench->closes_at_message)
        settle(bench);
    if (bench->messages == bench->wanted || bench->closes_at_message)
        uv_stop(&bench->loop);
}

static void on_end(void *owner, const char *reason) {
    struct bench *bench = owner;
    bench->ends++;
    snprintf(bench->reason, sizeof(bench->reason), "%s", reason ? reason : "");
    settle(bench);
    uv_stop(&bench->loop);
}

static void on_deadline(uv_timer_t *timer) {
    (void)timer;
    fail_msg("%s", "nothing happened in time");
}

static void bench_open_for(struct bench *bench, enum message_direction receives) {
    static const struct channel_events events = {on_message, on_end};
    int pair[2];
    *bench = (struct bench){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    uv_loop_init(&bench->loop);
    uv_timer_init(&bench->loop, &bench->deadline);
    uv_timer_start(&bench->deadline, on_deadline, DEADLINE_MS, 0);
    bench->channel = channel_open(&bench->loop, pair[0], receives, &events, bench);
    assert_non_null(bench->channel);
    bench->own = pair[0];
    bench->peer = pair[1];
}

static void bench_open(struct bench *bench) {
    bench_open_for(bench, MESSAGE_TO_MASTER);
}

static void bench_close(struct bench *bench) {
    settle(bench);
    if (bench->peer >= 0)
        close(bench->peer);
    uv_close((uv_handle_t *)&bench->deadline, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

static size_t frame(char *out, const char *json) {
    uint32_t len = htonl((uint32_t)strlen(json));
    memcpy(out, &len, 4);
    memcpy(out + 4, json, strlen(json));
    return 4 + strlen(json);
}

static size_t drained(char *out, unsigned closed) {
    char json[100];
    snprintf(json, sizeof(json), "{\"v\":3,\"type\":\"drained\",\"closed\":%u}", closed);
    return frame(out, json);
}

static void put(struct bench *bench, const char *data, size_t len) {
    assert_int_equal(write(bench->peer, data, len), (ssize_t)len);
}

static size_t count_descriptors(void) {
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void test_every_split_gives_the_same_messages(void **state) {
    char data[512];
    size_t len = 0;
    (void)state;
    for (unsigned i = 1; i <= 3; i++)
        len += drained(data + len, i);
    for (size_t cut = 0; cut <= len; cut++) {
        struct bench bench;
        bench_open(&bench);
        bench.wanted = 3;
        put(&bench, data, cut);
        uv_run(&bench.loop, UV_RUN_NOWAIT);
        put(&bench, data + cut, len - cut);
        if (bench.messages < 3)
            uv_run(&bench.loop, UV_RUN_DEFAULT);
        assert_int_equal(bench.messages, 3);
        assert_int_equal(bench.last, 3);
        bench_close(&bench);
    }
}

static void send_with(int socket_fd, const char *data, size_t len, const int *fds,
                      size_t count) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)data, len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    assert_int_equal(sendmsg(socket_fd, &message, 0), (ssize_t)len);
}

/* However many descriptors come beside however many messages, none stays open. */
static void test_descriptors_do_not_pile_up(void **state) {
    struct bench bench;
    char data[512];
    const int fds[] = {0, 1, 2, 0};
    (void)state;
    bench_open_for(&bench, MESSAGE_TO_WORKER);
    size_t before = count_descriptors();
    for (size_t count = 1; count <= 4; count++) {
        for (unsigned i = 0; i < 10; i++) {
            size_t len = frame(data, "{\"v\":3,\"type\":\"sibling_gone\",\"process\":1}");
            send_with(bench.peer, data, len, fds, count);
            bench.wanted = bench.messages + 1;
            uv_run(&bench.loop, UV_RUN_DEFAULT);
        }
    }
    assert_int_equal(bench.descriptors, 0); /* none that may have one */
    assert_int_equal(count_descriptors(), before);
    send_with(bench.peer, data, 3, fds, 2); /* and never the message for it */
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    bench_close(&bench);
    assert_true(count_descriptors() < before);
}

/* A tcp socket whose close takes an hour, for its peer does not read; that one. */
static int make_slow_to_close(int *out_peer) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger hour = {1, 3600};
    socklen_t len = sizeof(address);
    static const char bytes[65536];
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
    *out_peer = accept(listener, NULL, NULL);
    assert_true(*out_peer >= 0);
    close(listener);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof(hour)), 0);
    return fd;
}

/* A channel of whose queue it lies, the last of its kind: nobody may wait for its end. */
static int send_slow_one(struct bench *bench) {
    int on = 1, reader, fd = make_slow_to_close(&reader);
    /* As before Linux 6.16. */
    (void)setsockopt(bench->own, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
    send_with(bench->peer, "\0", 1, &fd, 1);
    close(fd);
    return reader;
}

static void test_a_descriptor_that_no_message_has_is_not_taken(void **state) {
    struct bench bench;
    (void)state;
    bench_open(&bench);
    int reader = send_slow_one(&bench);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.ends, 1);
    assert_string_equal(bench.reason, "a descriptor came that no message has");
    bench_close(&bench);
    close(reader);
}

static void test_a_descriptor_that_was_not_read_holds_up_no_close(void **state) {
    struct bench bench;
    (void)state;
    bench_open(&bench);
    int reader = send_slow_one(&bench);
    bench_close(&bench);
    close(reader);
}

static void test_the_kernel_turns_descriptors_away(void **state) {
    static const enum message_direction none_has_one[] = {MESSAGE_TO_MASTER, MESSAGE_TO_ADMIN};
    struct bench bench;
    int value = 1;
    socklen_t len = sizeof(value);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench_open_for(&bench, none_has_one[i]);
        bool is_known = getsockopt(bench.own, SOL_SOCKET, SO_PASSRIGHTS, &value, &len) == 0;
        bench_close(&bench);
        if (!is_known)
            skip(); /* before Linux 6.16 */
        assert_int_equal(value, 0);
    }
}

/* What is read together with the messages before it. */
static void test_a_descriptor_comes_with_its_own_message(void **state) {
    struct bench bench;
    char data[512];
    const int fds[] = {0};
    (void)state;
    bench_open_for(&bench, MESSAGE_TO_WORKER);
    put(&bench, data, frame(data, "{\"v\":3,\"type\":\"sibling_gone\",\"process\":1}"));
    put(&bench, data, frame(data, "{\"v\":3,\"type\":\"sibling_gone\",\"process\":2}"));
    send_with(bench.peer, data, frame(data, "{\"v\":3,\"type\":\"sibling\",\"process\":9}"),
              fds, 1);
    put(&bench, data, frame(data, "{\"v\":3,\"type\":\"sibling_gone\",\"process\":3}"));
    bench.wanted = 4;
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.descriptors, 1);
    assert_int_equal(bench.descriptor_of, MSG_SIBLING);
    bench_close(&bench);
}

static void test_nonsense_ends_the_channel_once(void **state) {
    static const struct {
        const char *json, *reason;
    } cases[] = {
        {"", "no JSON"},
        {"hello", "no JSON"},
        {"[]", "unknown type"},
        {"{\"v\":1}", "unknown type"},
        {"{\"v\":3,\"type\":\"plan\"}", "unknown type"},
        {"{\"v\":3,\"type\":\"drained\"}", "closed is missing"},
        {"{\"v\":1,\"type\":\"drained\",\"closed\":1}", "version 1"},
        {"{\"v\":3,\"type\":\"drained\",\"closed\":-1}", "out of range"},
        {"{\"v\":3,\"v\":3,\"type\":\"drained\",\"closed\":1}", "no JSON"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench;
        char data[256];
        bench_open(&bench);
        size_t len = frame(data, cases[i].json);
        len += drained(data + len, 1); /* what follows is not looked at any more */
        put(&bench, data, len);
        uv_run(&bench.loop, UV_RUN_DEFAULT);
        assert_int_equal(bench.ends, 1);
        assert_int_equal(bench.messages, 0);
        if (!strstr(bench.reason, cases[i].reason))
            fail_msg("%s: %s", cases[i].json, bench.reason);
        bench_close(&bench);
    }
}

static void test_a_frame_too_long_is_refused_by_its_header(void **state) {
    struct bench bench;
    uint32_t header = htonl(CHANNEL_FRAME_MAX + 1);
    (void)state;
    bench_open(&bench);
    put(&bench, (const char *)&header, 4);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.ends, 1);
    assert_non_null(strstr(bench.reason, "1 MiB"));
    bench_close(&bench);
}

static const struct channel_limits few = {.frame = 64u * 1024u, .messages_a_second = 4};

static void test_a_flood_ends_the_channel_in_its_middle(void **state) {
    struct bench bench;
    char data[64 * 8];
    size_t len = 0;
    (void)state;
    bench_open(&bench);
    channel_limit(bench.channel, &few);
    for (unsigned i = 0; i < 8; i++)
        len += drained(data + len, i);
    put(&bench, data, len);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.messages, 4);
    assert_int_equal(bench.last, 3);
    assert_int_equal(bench.ends, 1);
    assert_non_null(strstr(bench.reason, "too many messages"));
    bench_close(&bench);
}

static void test_a_limit_of_a_frame(void **state) {
    struct bench bench;
    uint32_t header = htonl(64u * 1024u + 1);
    (void)state;
    bench_open(&bench);
    channel_limit(bench.channel, &few);
    put(&bench, (const char *)&header, 4);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.ends, 1);
    assert_non_null(strstr(bench.reason, "64 KiB"));
    bench_close(&bench);
}

static void test_the_end_of_the_peer_is_no_fault(void **state) {
    struct bench bench;
    char data[128];
    (void)state;
    bench_open(&bench);
    put(&bench, data, drained(data, 5));
    close(bench.peer);
    bench.peer = -1;
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.messages, 1);
    assert_int_equal(bench.ends, 1);
    assert_string_equal(bench.reason, "");
    bench_close(&bench);
}

/* The last words of a peer that is gone are heard, though it cannot be answered any more. */
static void test_what_came_before_a_failed_write_is_read(void **state) {
    struct bench bench;
    char data[512];
    size_t len = 0;
    (void)state;
    bench_open(&bench);
    for (unsigned i = 1; i <= 3; i++)
        len += drained(data + len, i);
    put(&bench, data, len);
    close(bench.peer);
    bench.peer = -1;
    assert_int_equal(channel_send(bench.channel, message_get(MSG_READY), json_object(), -1),
                     -EPIPE);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.messages, 3);
    assert_int_equal(bench.last, 3);
    assert_int_equal(bench.ends, 1);
    bench_close(&bench);
}

static void test_it_may_be_closed_inside_a_message(void **state) {
    struct bench bench;
    char data[256];
    (void)state;
    bench_open(&bench);
    bench.closes_at_message = true;
    size_t len = drained(data, 1);
    len += drained(data + len, 2);
    put(&bench, data, len);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.messages, 1);
    assert_int_equal(bench.ends, 0);
    bench_close(&bench);
}

static json_t *failed(size_t len) {
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    json_t *body = json_pack("{s:s}", "reason", text);
    free(text);
    return body;
}

static int send_failed(struct bench *bench, size_t len) {
    return channel_send(bench->channel, message_get(MSG_FAILED), failed(len), -1);
}

/* A peer that does not read costs a bounded amount, and gets all of it once it reads. */
static void test_what_waits_to_be_sent_is_bounded(void **state) {
    struct bench bench;
    static char sink[1 << 20];
    size_t sent = 0, got = 0, frame_len = 0;
    int err;
    (void)state;
    bench_open(&bench);
    while ((err = send_failed(&bench, 100000)) == 0)
        sent++;
    assert_int_equal(err, -ENOBUFS);
    assert_in_range(sent, CHANNEL_QUEUE_MAX / 110000, (CHANNEL_QUEUE_MAX + (4 << 20)) / 100000);
    assert_false(channel_is_flushed(bench.channel));
    while (!channel_is_flushed(bench.channel)) {
        ssize_t n = read(bench.peer, sink, sizeof(sink));
        if (n > 0 && got == 0) {
            uint32_t header;
            memcpy(&header, sink, 4);
            frame_len = 4 + ntohl(header);
        }
        got += n > 0 ? (size_t)n : 0;
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    for (ssize_t n; (n = read(bench.peer, sink, sizeof(sink))) > 0;)
        got += (size_t)n;
    assert_int_equal(got, sent * frame_len);
    assert_int_equal(send_failed(&bench, 10), 0);
    bench_close(&bench);
}

static void test_what_the_peer_has_not_read_is_known(void **state) {
    struct bench bench;
    char sink[256];
    (void)state;
    bench_open(&bench);
    assert_int_equal(channel_unread(bench.channel), 0);
    assert_int_equal(send_failed(&bench, 10), 0);
    assert_true(channel_unread(bench.channel) > 0);
    assert_true(read(bench.peer, sink, sizeof(sink)) > 0);
    assert_int_equal(channel_unread(bench.channel), 0);
    bench_close(&bench);
}

static void test_sending_what_cannot_be_sent(void **state) {
    struct bench bench;
    (void)state;
    bench_open(&bench);
    assert_true(send_failed(&bench, CHANNEL_FRAME_MAX) < 0);
    assert_int_equal(channel_send(bench.channel, message_get(MSG_FAILED), json_object(), -1),
                     -EPROTO);
    assert_true(channel_send(bench.channel, message_get(MSG_READY), NULL, -1) < 0);
    assert_int_equal(send_failed(&bench, 10), 0);
    close(bench.peer);
    bench.peer = -1;
    assert_int_equal(send_failed(&bench, 10), -EPIPE);
    bench_close(&bench);
}

static void test_a_descriptor_goes_with_its_message(void **state) {
    struct bench bench;
    int pipe_fds[2];
    char byte = 0;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char data[256];
    struct iovec part = {data, sizeof(data)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    int fd;
    (void)state;
    bench_open(&bench);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(channel_send(bench.channel, message_get(MSG_SIBLING),
                                  json_pack("{s:i}", "process", 9), pipe_fds[1]),
                     0);
    close(pipe_fds[1]); /* it was duplicated */
    assert_true(recvmsg(bench.peer, &message, 0) > 4);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(fd);
    close(pipe_fds[0]);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split_gives_the_same_messages),
        cmocka_unit_test(test_descriptors_do_not_pile_up),
        cmocka_unit_test(test_a_descriptor_that_no_message_has_is_not_taken),
        cmocka_unit_test(test_a_descriptor_that_was_not_read_holds_up_no_close),
        cmocka_unit_test(test_the_kernel_turns_descriptors_away),
        cmocka_unit_test(test_a_descriptor_comes_with_its_own_message),
        cmocka_unit_test(test_nonsense_ends_the_channel_once),
        cmocka_unit_test(test_a_frame_too_long_is_refused_by_its_header),
        cmocka_unit_test(test_a_flood_ends_the_channel_in_its_middle),
        cmocka_unit_test(test_a_limit_of_a_frame),
        cmocka_unit_test(test_what_the_peer_has_not_read_is_known),
        cmocka_unit_test(test_the_end_of_the_peer_is_no_fault),
        cmocka_unit_test(test_what_came_before_a_failed_write_is_read),
        cmocka_unit_test(test_it_may_be_closed_inside_a_message),
        cmocka_unit_test(test_what_waits_to_be_sent_is_bounded),
        cmocka_unit_test(test_sending_what_cannot_be_sent),
        cmocka_unit_test(test_a_descriptor_goes_with_its_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
