/* SPDX-License-Identifier: MIT
 *
 * What goes into the send queue comes out in order and whole, however it is cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "budget.h"
#include "sendq.h"

#define STREAM 300000

static struct budget budget; /* of all queues here; empty behind each test */

static uint32_t random_state = 3;

static uint32_t random_below(uint32_t limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

static size_t put_random(struct sendq *queue, char *stream, size_t at) {
    size_t len = random_below(random_below(4) ? 200 : 9000);
    if (at + len > STREAM)
        len = STREAM - at;
    size_t cut = len ? random_below((uint32_t)len) : 0,
           skip = len ? random_below((uint32_t)len) : 0;
    if (random_below(3) == 0) {
        struct buf *buf = buf_new(len);
        assert_non_null(buf);
        memcpy(buf->data, stream + at, len);
        buf->len = len;
        if (len > 0)
            assert_int_equal(sendq_append_buf(queue, &budget, buf, 0), 0);
        buf_unref(buf);
        return len;
    }
    /* the skipped bytes lie in front, as if the kernel had taken them */
    char *parts_data = malloc(len + skip + 1);
    assert_non_null(parts_data);
    memcpy(parts_data + skip, stream + at, len);
    struct iovec parts[2] = {{parts_data, cut}, {parts_data + cut, len + skip - cut}};
    assert_int_equal(sendq_append(queue, &budget, parts, 2, skip), 0);
    free(parts_data);
    return len;
}

static size_t take_random(struct sendq *queue, char *out) {
    struct iovec parts[3];
    int count = sendq_peek(queue, parts, 3);
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        memcpy(out + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    if (len > 1)
        len = 1 + random_below((uint32_t)len);
    sendq_drop(queue, len);
    return len;
}

static void comes_out_as_it_went_in(void **state) {
    (void)state;
    struct sendq queue;
    char *stream = malloc(STREAM), *out = malloc(STREAM + 65536);
    size_t in = 0, taken = 0;
    sendq_init(&queue);
    for (size_t i = 0; i < STREAM; i++)
        stream[i] = (char)random_below(256);
    while (taken < STREAM) {
        if (in < STREAM && random_below(2))
            in += put_random(&queue, stream, in);
        else
            taken += take_random(&queue, out + taken);
        assert_int_equal(queue.bytes, in - taken);
    }
    assert_memory_equal(stream, out, STREAM);
    assert_null(queue.head);
    sendq_done(&queue);
    free(stream);
    free(out);
}

static void small_sends_share_a_piece(void **state) {
    (void)state;
    struct sendq queue;
    struct iovec part = {(char[]){"0123456789"}, 10}, peeked[8];
    sendq_init(&queue);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    assert_int_equal(sendq_peek(&queue, peeked, 8), 1);
    assert_int_equal(peeked[0].iov_len, 1000);
    sendq_done(&queue);
}

static void a_shared_buffer_is_not_written_to(void **state) {
    (void)state;
    struct sendq queue;
    struct iovec part = {(char[]){"more"}, 4};
    struct buf *buf = buf_new(100);
    memcpy(buf->data, "shared", 6);
    buf->len = 6;
    sendq_init(&queue);
    assert_int_equal(sendq_append_buf(&queue, &budget, buf, 0), 0);
    assert_int_equal(buf->refs, 2);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    assert_int_equal(buf->len, 6);
    assert_int_equal(queue.bytes, 10);
    sendq_done(&queue);
    assert_int_equal(buf->refs, 1);
    buf_unref(buf);
}

static void the_handshake_goes_first(void **state) {
    (void)state;
    struct sendq queue;
    struct iovec part = {(char[]){"later"}, 5}, peeked[4];
    sendq_init(&queue);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    assert_int_equal(sendq_prepend(&queue, &budget, "first", 5), 0);
    assert_int_equal(sendq_peek(&queue, peeked, 4), 2);
    assert_memory_equal(peeked[0].iov_base, "first", 5);
    sendq_drop(&queue, 10);
    assert_int_equal(sendq_prepend(&queue, &budget, "alone", 5), 0);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    assert_int_equal(queue.bytes, 10);
    sendq_done(&queue);
}

static void a_file_stands_in_line(void **state) {
    (void)state;
    struct sendq queue;
    struct iovec part = {(char[]){"before"}, 6}, peeked[4];
    int fds[2], fd;
    uint64_t offset;
    size_t len;
    assert_int_equal(pipe(fds), 0);
    struct source *source = source_new(fds[1]);
    sendq_init(&queue);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    assert_int_equal(sendq_append_file(&queue, &budget, source, 5000000000, 100), 0);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    source_unref(source);
    assert_int_equal(queue.bytes, 112);
    assert_int_equal(queue.file_bytes, 100);
    assert_false(sendq_peek_file(&queue, &fd, &offset, &len));
    assert_int_equal(sendq_peek(&queue, peeked, 4), 1);
    sendq_drop(&queue, 6);
    assert_int_equal(sendq_peek(&queue, peeked, 4), 0);
    sendq_drop(&queue, 40);
    assert_true(sendq_peek_file(&queue, &fd, &offset, &len));
    assert_int_equal(fd, fds[1]);
    assert_int_equal(offset, 5000000040);
    assert_int_equal(len, 60);
    assert_int_equal(queue.file_bytes, 60);
    /* with its last byte the file is closed: the other end of the pipe sees that */
    sendq_drop(&queue, 63);
    assert_int_equal(queue.file_bytes, 0);
    assert_int_equal(read(fds[0], peeked, 1), 0);
    assert_int_equal(sendq_peek(&queue, peeked, 4), 1);
    assert_memory_equal(peeked[0].iov_base, "ore", 3);
    sendq_done(&queue);
    close(fds[0]);
}

static void an_unsent_file_is_closed(void **state) {
    (void)state;
    struct sendq queue;
    int fds[2];
    char byte;
    assert_int_equal(pipe(fds), 0);
    struct source *source = source_new(fds[1]);
    sendq_init(&queue);
    assert_int_equal(sendq_append_file(&queue, &budget, source, 0, 10), 0);
    assert_int_equal(sendq_append_file(&queue, &budget, source, 20, 10), 0);
    source_unref(source);
    sendq_done(&queue);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
}

static void expect_all(struct sendq *queue, const char *text) {
    struct iovec parts[8];
    char all[256];
    size_t len = 0;
    int count = sendq_peek(queue, parts, 8);
    for (int i = 0; i < count; i++) {
        memcpy(all + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    assert_int_equal(queue->bytes, len);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(all, text, len);
}

static void append(struct sendq *queue, const char *text) {
    const struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    assert_int_equal(sendq_append(queue, &budget, &part, 1, 0), 0);
}

static void only_the_latest_waits(void **state) {
    (void)state;
    struct sendq queue;
    sendq_init(&queue);
    append(&queue, "before ");
    assert_int_equal(sendq_put_latest(&queue, &budget, "[one]", 5), 0);
    append(&queue, " behind");
    assert_int_equal(sendq_put_latest(&queue, &budget, "[three]", 7), 0);
    expect_all(&queue, "before [three] behind");
    sendq_drop(&queue, 7);
    assert_int_equal(sendq_put_latest(&queue, &budget, "[4]", 3), 0);
    expect_all(&queue, "[4] behind");
    sendq_drop(&queue, 1); /* from here on it stays as it is */
    assert_int_equal(sendq_put_latest(&queue, &budget, "[five]", 6), 0);
    expect_all(&queue, "4] behind[five]");
    sendq_drop(&queue, 15);
    assert_int_equal(sendq_put_latest(&queue, &budget, "[six]", 5), 0);
    expect_all(&queue, "[six]");
    sendq_done(&queue);
}

/* A queue holds what malloc has given for it: also of a buffer of which most has gone, and also
 * for the pieces of what is shared. */
static void memory_is_counted_to_the_last_byte_sent(void **state) {
    (void)state;
    struct sendq queue;
    char *large = calloc(1, 100000);
    struct iovec part = {large, 100000};
    sendq_init(&queue);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    size_t whole = budget.held;
    assert_in_range(whole, 100000, 100200);
    assert_int_equal(sendq_held(&queue), whole);
    sendq_drop(&queue, 99999);
    assert_int_equal(budget.held, whole);
    sendq_drop(&queue, 1);
    assert_int_equal(budget.held, 0);
    assert_int_equal(budget.peak, whole);
    budget_forget_peak(&budget);
    assert_int_equal(budget.peak, 0);
    sendq_done(&queue);
    free(large);
}

static void what_is_shared_counts_once(void **state) {
    (void)state;
    struct sendq queues[4];
    struct buf *buf = buf_new(10000);
    buf->len = 10000;
    size_t sum = 0;
    for (int i = 0; i < 4; i++) {
        sendq_init(&queues[i]);
        assert_int_equal(sendq_append_buf(&queues[i], &budget, buf, 0), 0);
    }
    assert_in_range(budget.held, 10000, 10500);
    for (int i = 0; i < 4; i++)
        sum += sendq_held(&queues[i]);
    assert_in_range(sum, budget.held - 4, budget.held);
    for (int i = 0; i < 4; i++)
        sendq_done(&queues[i]);
    assert_int_equal(budget.held, 0); /* whoever has it now is no peer */
    assert_int_equal(buf->refs, 1);
    buf_unref(buf);
}

static void a_cut_leaves_what_has_begun(void **state) {
    (void)state;
    struct sendq queue;
    struct iovec part = {(char[]){"begun"}, 5}, peeked[4];
    struct buf *buf = buf_new(100);
    buf->len = 100;
    struct source *source = source_new(dup(0));
    sendq_init(&queue);
    sendq_cut(&queue);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    sendq_drop(&queue, 2);
    size_t held = budget.held;
    assert_int_equal(sendq_append_buf(&queue, &budget, buf, 0), 0);
    assert_int_equal(sendq_append_file(&queue, &budget, source, 0, 10), 0);
    sendq_cut(&queue);
    assert_int_equal(queue.bytes, 3);
    assert_int_equal(queue.file_bytes, 0);
    assert_int_equal(budget.held, held);
    assert_int_equal(sendq_append(&queue, &budget, &part, 1, 0), 0);
    assert_int_equal(sendq_peek(&queue, peeked, 4), 1);
    assert_memory_equal(peeked[0].iov_base, "gunbegun", 8);
    sendq_drop(&queue, 8);
    assert_int_equal(sendq_append_file(&queue, &budget, source, 0, 10), 0);
    sendq_cut(&queue);
    assert_int_equal(queue.bytes, 0);
    assert_null(queue.head);
    sendq_done(&queue);
    source_unref(source);
    buf_unref(buf);
}

static int all_is_given_back(void **state) {
    (void)state;
    size_t left = budget.held;
    budget = (struct budget){0};
    return left == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(comes_out_as_it_went_in, all_is_given_back),
        cmocka_unit_test_teardown(small_sends_share_a_piece, all_is_given_back),
        cmocka_unit_test_teardown(a_shared_buffer_is_not_written_to, all_is_given_back),
        cmocka_unit_test_teardown(the_handshake_goes_first, all_is_given_back),
        cmocka_unit_test_teardown(a_file_stands_in_line, all_is_given_back),
        cmocka_unit_test_teardown(an_unsent_file_is_closed, all_is_given_back),
        cmocka_unit_test_teardown(only_the_latest_waits, all_is_given_back),
        cmocka_unit_test_teardown(memory_is_counted_to_the_last_byte_sent, all_is_given_back),
        cmocka_unit_test_teardown(what_is_shared_counts_once, all_is_given_back),
        cmocka_unit_test_teardown(a_cut_leaves_what_has_begun, all_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
