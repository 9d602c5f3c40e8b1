/* SPDX-License-Identifier: MIT
 *
 * The turn of a worker: one wait, in our own epoll, with libuv run when it has something. Each
 * kind of handle, started from each place that can start one, is called without another event
 * to help it; a loop with nothing to do does not turn; nobody starves. Turns are counted.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "turn.h"

#define HANGS_AFTER_S 30u /* SIGALRM ends a test whose wake-up is lost */
#define QUIET_MS      50
#define QUIET_TURNS   10
#define MANY_HANDLES  100

enum place { BEFORE, IN_SETTLE, IN_READY, IN_TIMER, IN_CHECK, PLACES };

struct desk {
    uv_loop_t loop;
    struct poller poller;
    struct turn turn;
    int near, far; /* a connection: what is written to `far` makes `near` ready */
    int turns, libuv_turns, ready, calls, walks;
    int spin;         /* an eventfd: there were more than QUIET_TURNS */
    uv_sem_t settled; /* posted once, when a thread is to know that the loop waits next */
    bool tells_settled;
    bool is_hurried, drains;
    enum place place;
    void (*start)(struct desk *desk);
    uv_check_t counter; /* counts libuv's turns, and is not looked for */
    uv_timer_t timer;
    union uv_any_handle handle;
    uv_work_t work;
    uv_thread_t thread;
    uv_timer_t many[MANY_HANDLES];
    struct pair *left;
};

static struct desk desk;

/* The linker's --wrap: see meson.build. */
void __real_uv_walk(uv_loop_t *loop, uv_walk_cb walk, void *arg);
void __wrap_uv_walk(uv_loop_t *loop, uv_walk_cb walk, void *arg);
void __wrap_uv_walk(uv_loop_t *loop, uv_walk_cb walk, void *arg) {
    desk.walks++;
    __real_uv_walk(loop, walk, arg);
}

static void poke(void) {
    assert_int_equal(write(desk.far, "x", 1), 1);
}

static void start_at(enum place place) {
    if (desk.start && desk.place == place) {
        void (*start)(struct desk *) = desk.start;
        desk.start = NULL;
        start(&desk);
    }
}

static bool on_settle(void *owner) {
    assert_ptr_equal(owner, &desk);
    if (++desk.turns == QUIET_TURNS + 1)
        assert_int_equal(eventfd_write(desk.spin, 1), 0);
    start_at(IN_SETTLE);
    if (desk.tells_settled)
        uv_sem_post(&desk.settled);
    desk.tells_settled = false;
    return desk.is_hurried;
}

static void on_ready(void *owner, int events) {
    char byte;
    assert_ptr_equal(owner, &desk);
    assert_true(events & POLLER_READABLE);
    desk.ready++;
    if (desk.drains)
        assert_int_equal(read(desk.near, &byte, 1), 1);
    start_at(IN_READY);
}

static void on_check(uv_check_t *handle) {
    (void)handle;
    desk.libuv_turns++;
    start_at(IN_CHECK);
}

static void on_timer(uv_timer_t *handle) {
    (void)handle;
    start_at(IN_TIMER);
}

static int set_up(void **state) {
    (void)state;
    int pair[2];
    memset(&desk, 0, sizeof(desk));
    desk.drains = true;
    alarm(HANGS_AFTER_S);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    desk.near = pair[0];
    desk.far = pair[1];
    desk.spin = eventfd(0, 0);
    assert_true(desk.spin >= 0);
    assert_int_equal(uv_sem_init(&desk.settled, 0), 0);
    assert_int_equal(uv_loop_init(&desk.loop), 0);
    assert_int_equal(poller_open(&desk.poller, on_ready), 0);
    assert_int_equal(turn_open(&desk.turn, &desk.loop, &desk.poller, on_settle, &desk), 0);
    uv_check_init(&desk.loop, &desk.counter);
    uv_check_start(&desk.counter, on_check);
    uv_unref((uv_handle_t *)&desk.counter);
    uv_timer_init(&desk.loop, &desk.timer);
    assert_int_equal(poller_watch(&desk.poller, desk.near, &desk, 0, POLLER_READABLE), 0);
    return 0;
}

static void close_handle(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static int tear_down(void **state) {
    (void)state;
    alarm(0);
    turn_close(&desk.turn);
    uv_walk(&desk.loop, close_handle, NULL);
    while (uv_run(&desk.loop, UV_RUN_NOWAIT) != 0)
        ;
    assert_int_equal(uv_loop_close(&desk.loop), 0);
    poller_close(&desk.poller);
    close(desk.near);
    close(desk.far);
    close(desk.spin);
    uv_sem_destroy(&desk.settled);
    return 0;
}

/* -- one wait for a message */

static void on_ready_again(void *owner, int events) {
    on_ready(owner, events);
    if (desk.ready < 1000)
        poke();
    else
        turn_stop(&desk.turn);
}

static void busy_connection_leaves_libuv_alone(void **state) {
    (void)state;
    desk.poller.ready = on_ready_again;
    poke();
    turn_run(&desk.turn);
    assert_int_equal(desk.ready, 1000);
    assert_in_range(desk.turns, 1000, 1004);
    assert_in_range(desk.libuv_turns, 0, 4);
}

/* Also for an app that has the loop, and handles that have nothing to say. */
static void busy_connection_of_an_app_with_handles(void **state) {
    turn_share(&desk.turn);
    uv_close((uv_handle_t *)&desk.counter, NULL);
    uv_timer_start(&desk.timer, on_timer, 1000000, 0);
    busy_connection_leaves_libuv_alone(state);
    assert_in_range(desk.walks, 1, desk.turns + 4);
}

/* Many handles are walked over from time to time, and libuv runs in each turn meanwhile. */
static void busy_connection_of_an_app_with_many_handles(void **state) {
    (void)state;
    turn_share(&desk.turn);
    for (int i = 0; i < MANY_HANDLES; i++)
        uv_timer_init(&desk.loop, &desk.many[i]);
    desk.poller.ready = on_ready_again;
    poke();
    turn_run(&desk.turn);
    assert_int_equal(desk.ready, 1000);
    assert_in_range(desk.walks, 1, desk.turns / 256 + 1);
}

/* -- every kind of handle, from every place */

static bool is_second_call(void) {
    if (++desk.calls == 2)
        turn_stop(&desk.turn);
    return desk.calls >= 2;
}

static void start_timer(struct desk *d);
static void on_timer_done(uv_timer_t *handle) {
    if (!is_second_call())
        uv_timer_start(handle, on_timer_done, 1, 0);
}

static void start_timer(struct desk *d) {
    uv_timer_init(&d->loop, &d->handle.timer);
    uv_timer_start(&d->handle.timer, on_timer_done, 1, 0);
}

static void on_idle_done(uv_idle_t *handle) {
    uv_idle_stop(handle);
    if (!is_second_call())
        uv_idle_start(handle, on_idle_done);
}

static void start_idle(struct desk *d) {
    uv_idle_init(&d->loop, &d->handle.idle);
    uv_idle_start(&d->handle.idle, on_idle_done);
}

/* What a prepare handle starts among its like comes before the next wait but one. */
static void on_prepare_done(uv_prepare_t *handle) {
    uv_prepare_stop(handle);
    if (is_second_call())
        return;
    uv_prepare_start(handle, on_prepare_done);
    poke();
}

static void start_prepare(struct desk *d) {
    uv_prepare_init(&d->loop, &d->handle.prepare);
    uv_prepare_start(&d->handle.prepare, on_prepare_done);
}

static void on_check_done(uv_check_t *handle) {
    uv_check_stop(handle);
    if (is_second_call())
        return;
    uv_check_start(handle, on_check_done);
    poke();
}

/* A check handle follows a wait, so something must end that; but what a connection has started
 * follows the wait that has brought the connection's event. */
static void start_check(struct desk *d) {
    uv_check_init(&d->loop, &d->handle.check);
    uv_check_start(&d->handle.check, on_check_done);
    if (d->place != IN_READY)
        poke();
}

static void on_poll_done(uv_poll_t *handle, int status, int events) {
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_WRITABLE);
    uv_poll_stop(handle);
    if (!is_second_call())
        uv_poll_start(handle, UV_WRITABLE, on_poll_done);
}

static void start_poll(struct desk *d) {
    uv_poll_init(&d->loop, &d->handle.poll, d->far);
    uv_poll_start(&d->handle.poll, UV_WRITABLE, on_poll_done);
}

static void on_async_done(uv_async_t *handle) {
    if (!is_second_call())
        uv_async_send(handle);
}

static void start_async(struct desk *d) {
    uv_async_init(&d->loop, &d->handle.async, on_async_done);
    uv_async_send(&d->handle.async);
}

static void send_at_once(void *arg) {
    uv_async_send(arg);
}

static void send_to_one_who_waits(void *arg) {
    uv_sem_wait(&desk.settled);
    uv_async_send(arg);
}

static void on_thread_async(uv_async_t *handle) {
    uv_thread_join(&desk.thread);
    if (is_second_call())
        return;
    desk.tells_settled = true;
    uv_thread_create(&desk.thread, send_to_one_who_waits, handle);
}

static void start_thread_async(struct desk *d) {
    uv_async_init(&d->loop, &d->handle.async, on_thread_async);
    uv_thread_create(&d->thread, send_at_once, &d->handle.async);
}

static void do_work(uv_work_t *work) {
    (void)work;
}

static void on_work_done(uv_work_t *work, int status) {
    assert_int_equal(status, 0);
    if (!is_second_call())
        uv_queue_work(&desk.loop, work, do_work, on_work_done);
}

static void start_work(struct desk *d) {
    uv_queue_work(&d->loop, &d->work, do_work, on_work_done);
}

static void on_handle_closed(uv_handle_t *handle) {
    if (is_second_call())
        return;
    uv_timer_init(&desk.loop, (uv_timer_t *)handle);
    uv_close(handle, on_handle_closed);
}

static void start_close(struct desk *d) {
    uv_timer_init(&d->loop, &d->handle.timer);
    uv_close((uv_handle_t *)&d->handle.timer, on_handle_closed);
}

static void (*const starts[])(struct desk *) = {start_timer,        start_idle, start_prepare,
                                                start_check,        start_poll, start_async,
                                                start_thread_async, start_work, start_close};

/* What the place needs to be reached at all. */
static void lead_to(enum place place) {
    if (place == IN_READY)
        poke();
    else
        uv_timer_start(&desk.timer, on_timer, 1, 0);
}

static void run_kind(size_t kind, enum place place, bool is_crowded) {
    void *state = NULL;
    set_up(&state);
    turn_share(&desk.turn);
    for (int i = 0; is_crowded && i < MANY_HANDLES; i++)
        uv_timer_init(&desk.loop, &desk.many[i]);
    desk.start = starts[kind];
    desk.place = place;
    lead_to(place);
    start_at(BEFORE);
    turn_run(&desk.turn);
    assert_int_equal(desk.calls, 2);
    assert_in_range(desk.turns, 1, 20);
    tear_down(&state);
}

static void every_kind_from_every_place(void **state) {
    (void)state;
    for (size_t kind = 0; kind < sizeof(starts) / sizeof(starts[0]); kind++)
        for (int place = BEFORE; place < PLACES; place++) {
            run_kind(kind, (enum place)place, false);
            run_kind(kind, (enum place)place, true);
        }
}

/* -- nothing to do */

/* The silence is the subject: it lasts until the loop is seen to spin, or for so long, in which
 * one that spins makes thousands of turns. */
static void poke_later(void *arg) {
    struct pollfd spin = {.fd = desk.spin, .events = POLLIN};
    (void)arg;
    assert_true(poll(&spin, 1, QUIET_MS) >= 0);
    poke();
}

static void on_last_ready(void *owner, int events) {
    on_ready(owner, events);
    turn_stop(&desk.turn);
}

static void stay_quiet(void) {
    desk.poller.ready = on_last_ready;
    uv_thread_create(&desk.thread, poke_later, NULL);
    turn_run(&desk.turn);
    uv_thread_join(&desk.thread);
    assert_int_equal(desk.ready, 1);
    assert_in_range(desk.turns, 1, QUIET_TURNS);
}

static void no_handle_is_no_spin(void **state) {
    (void)state;
    uv_close((uv_handle_t *)&desk.counter, NULL);
    uv_close((uv_handle_t *)&desk.timer, NULL);
    stay_quiet();
}

static void on_quiet_prepare(uv_prepare_t *handle) {
    (void)handle;
    desk.calls++;
}

static void on_never(uv_poll_t *handle, int status, int events) {
    (void)handle;
    (void)status;
    (void)events;
    fail();
}

static void quiet_handles_are_no_spin(void **state) {
    (void)state;
    uv_poll_t quiet;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    turn_share(&desk.turn);
    uv_prepare_init(&desk.loop, &desk.handle.prepare);
    uv_prepare_start(&desk.handle.prepare, on_quiet_prepare);
    uv_unref((uv_handle_t *)&desk.handle.prepare);
    uv_poll_init(&desk.loop, &quiet, pipe_ends[0]);
    uv_poll_start(&quiet, UV_READABLE, on_never);
    uv_unref((uv_handle_t *)&quiet);
    uv_timer_start(&desk.timer, on_timer, 1000000, 0);
    stay_quiet();
    assert_in_range(desk.calls, 1, QUIET_TURNS);
    uv_close((uv_handle_t *)&quiet, NULL);
    uv_run(&desk.loop, UV_RUN_NOWAIT);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void on_ready_stops_loop(void *owner, int events) {
    on_ready(owner, events);
    uv_stop(&desk.loop);
    desk.poller.ready = on_last_ready;
}

static void uv_stop_is_not_heard(void **state) {
    (void)state;
    desk.poller.ready = on_ready_stops_loop;
    poke();
    uv_thread_create(&desk.thread, poke_later, NULL);
    turn_run(&desk.turn);
    uv_thread_join(&desk.thread);
    assert_int_equal(desk.ready, 2);
    assert_in_range(desk.turns, 1, QUIET_TURNS);
}

/* -- nobody starves */

static void on_fifth(uv_timer_t *handle) {
    (void)handle;
    if (++desk.calls == 5)
        turn_stop(&desk.turn);
}

static void connection_without_an_end_leaves_time_for_timers(void **state) {
    (void)state;
    desk.drains = false;
    poke();
    uv_timer_start(&desk.timer, on_fifth, 1, 1);
    turn_run(&desk.turn);
    assert_true(desk.ready >= 5);
}

static void hurry_leaves_time_for_all(void **state) {
    (void)state;
    desk.is_hurried = true;
    desk.drains = false;
    poke();
    uv_timer_start(&desk.timer, on_fifth, 1, 1);
    turn_run(&desk.turn);
    assert_true(desk.ready >= 5 && desk.turns >= 5);
}

static void on_tireless(uv_idle_t *handle) {
    (void)handle;
    if (desk.ready == 100)
        turn_stop(&desk.turn);
    else
        poke();
}

static void tireless_handle_leaves_time_for_connections(void **state) {
    (void)state;
    uv_idle_init(&desk.loop, &desk.handle.idle);
    uv_idle_start(&desk.handle.idle, on_tireless);
    turn_run(&desk.turn);
    assert_int_equal(desk.ready, 100);
    assert_in_range(desk.turns, 100, 110);
}

/* -- sources of the poller */

struct pair {
    struct poller_source source;
    int fd;
    struct pair *other;
};

static void on_pair(struct poller_source *source) {
    struct pair *one = (struct pair *)(void *)source;
    desk.calls++;
    poller_remove(&desk.poller, one->other->fd, &one->other->source);
    free(one->other);
    one->other = NULL;
    desk.left = one;
    turn_stop(&desk.turn);
}

static void source_removed_by_another_is_not_called(void **state) {
    (void)state;
    struct pair *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));
    *first = (struct pair){{on_pair}, desk.far, second};
    *second = (struct pair){{on_pair}, dup(desk.far), first};
    int spare = second->fd;
    assert_int_equal(write(desk.near, "x", 1), 1);
    assert_int_equal(poller_add(&desk.poller, first->fd, &first->source, true), 0);
    assert_int_equal(poller_add(&desk.poller, second->fd, &second->source, true), 0);
    turn_run(&desk.turn);
    assert_int_equal(desk.calls, 1);
    assert_null(desk.left->other);
    free(desk.left);
    close(spare);
}

static void on_word_to_stop(uv_poll_t *handle, int status, int events) {
    (void)handle;
    (void)status;
    (void)events;
    poller_remove(&desk.poller, desk.left->fd, &desk.left->source);
    desk.calls++;
    turn_stop(&desk.turn);
}

static void on_late_source(struct poller_source *source) {
    (void)source;
    fail();
}

/* A worker that is told to drain takes no connection that came at the same time. */
static void what_libuv_brings_comes_before_a_source(void **state) {
    (void)state;
    struct pair listener = {{on_late_source}, desk.far, NULL};
    int pipe_ends[2];
    desk.left = &listener;
    assert_int_equal(pipe(pipe_ends), 0);
    uv_poll_init(&desk.loop, &desk.handle.poll, pipe_ends[0]);
    uv_poll_start(&desk.handle.poll, UV_READABLE, on_word_to_stop);
    uv_run(&desk.loop, UV_RUN_NOWAIT); /* so that it is registered */
    assert_int_equal(poller_add(&desk.poller, listener.fd, &listener.source, true), 0);
    assert_int_equal(write(desk.near, "x", 1), 1);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    turn_run(&desk.turn);
    assert_int_equal(desk.calls, 1);
    uv_close((uv_handle_t *)&desk.handle.poll, NULL);
    uv_run(&desk.loop, UV_RUN_NOWAIT);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void on_busy(uv_poll_t *handle, int status, int events) {
    (void)handle;
    (void)status;
    (void)events;
}

static void on_told(struct poller_source *source) {
    (void)source;
    turn_stop(&desk.turn);
}

static void busy_handle_leaves_time_for_sources(void **state) {
    (void)state;
    struct pair listener = {{on_told}, desk.far, NULL};
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    uv_poll_init(&desk.loop, &desk.handle.poll, pipe_ends[1]);
    uv_poll_start(&desk.handle.poll, UV_WRITABLE, on_busy);
    assert_int_equal(poller_add(&desk.poller, listener.fd, &listener.source, true), 0);
    assert_int_equal(write(desk.near, "x", 1), 1);
    turn_run(&desk.turn);
    assert_in_range(desk.turns, 1, 12);
    uv_close((uv_handle_t *)&desk.handle.poll, NULL);
    uv_run(&desk.loop, UV_RUN_NOWAIT);
    poller_remove(&desk.poller, listener.fd, &listener.source);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(busy_connection_leaves_libuv_alone),
        TEST(busy_connection_of_an_app_with_handles),
        TEST(busy_connection_of_an_app_with_many_handles),
        cmocka_unit_test(every_kind_from_every_place),
        TEST(no_handle_is_no_spin),
        TEST(quiet_handles_are_no_spin),
        TEST(uv_stop_is_not_heard),
        TEST(connection_without_an_end_leaves_time_for_timers),
        TEST(hurry_leaves_time_for_all),
        TEST(tireless_handle_leaves_time_for_connections),
        TEST(source_removed_by_another_is_not_called),
        TEST(what_libuv_brings_comes_before_a_source),
        TEST(busy_handle_leaves_time_for_sources),
    };
    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
