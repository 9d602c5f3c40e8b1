/* SPDX-License-Identifier: MIT
 *
 * See turn.h. libuv has something when its descriptor is readable or its timeout is 0: a timer
 * is due, an idle handle is active, a handle waits to be closed or registered. Prepare and
 * check handles are the exception: nothing tells of them, and they frame the wait. While the
 * app has one, the wait moves into libuv's turn, behind the app's prepare handles; that costs
 * a second epoll_wait a turn.
 */
#include "turn.h"

/* To walk over more handles costs more than to run libuv: then it is run in each turn, and
 * looked at again from time to time. */
#define WALK_MAX   64u
#define WALK_AGAIN 256u
/* Turns in a row; a busy handle of the app must not keep listeners waiting for ever. */
#define PASSED_OVER_MAX 8u

static void look_at(uv_handle_t *handle, void *arg) {
    struct turn *turn = arg;
    turn->handles++;
    if ((handle->type == UV_PREPARE || handle->type == UV_CHECK) && uv_is_active(handle) &&
        handle != (uv_handle_t *)&turn->prepare)
        turn->is_hooked = true;
}

/* Must libuv run before and behind the wait? Only callbacks can change that: those of the wait
 * and those of libuv. */
static bool find_hooks(struct turn *turn) {
    if (!turn->is_shared)
        return false;
    if (turn->handles > WALK_MAX && ++turn->unwalked < WALK_AGAIN)
        return true;
    turn->handles = 0;
    turn->unwalked = 0;
    turn->is_hooked = false;
    uv_walk(turn->loop, look_at, turn);
    return turn->is_hooked || turn->handles > WALK_MAX;
}

/* libuv's clock stands still between its own turns, and its timeout with it. */
static int timeout_of(struct turn *turn) {
    uv_update_time(turn->loop);
    return uv_backend_timeout(turn->loop);
}

/* A listener was woken alone for its connection, which must not wait behind an app's callback.
 * But libuv may bring the word that this process is to accept no more, perhaps behind other
 * messages: while it has news a listener is passed over, to be found again in the next turn. */
static void wait_once(struct turn *turn) {
    bool is_hurried = turn->settle(turn->owner);
    poller_fetch(turn->poller, is_hurried || turn->is_over ? 0 : timeout_of(turn));
    uv_update_time(turn->loop);
    turn->has_news = poller_take(turn->poller, &turn->backend);
    if (!turn->has_news || ++turn->passed_over > PASSED_OVER_MAX) {
        turn->passed_over = 0;
        poller_tell_sources(turn->poller);
    }
    poller_tell_owners(turn->poller);
}

/* Started before any handle of the app, so it runs behind them all. */
static void on_prepare(uv_prepare_t *handle) {
    struct turn *turn = handle->data;
    if (turn->waits_inside)
        wait_once(turn);
}

/* The keeper is never sent. */
static void on_keeper(uv_async_t *handle) {
    (void)handle;
}

static void run_libuv(struct turn *turn) {
    uv_run(turn->loop, UV_RUN_NOWAIT);
    turn->is_framed = find_hooks(turn);
}

static void run_framed(struct turn *turn) {
    turn->waits_inside = true;
    run_libuv(turn);
    turn->waits_inside = false;
}

/* A hook that the wait's callbacks have brought has its first turn at once. */
static void run_apart(struct turn *turn) {
    wait_once(turn);
    if (turn->has_news || uv_backend_timeout(turn->loop) == 0 || find_hooks(turn))
        run_libuv(turn);
}

void turn_run(struct turn *turn) {
    turn->is_framed = find_hooks(turn);
    while (!turn->is_over) {
        if (turn->is_framed)
            run_framed(turn);
        else
            run_apart(turn);
    }
}

void turn_stop(struct turn *turn) {
    turn->is_over = true;
}

void turn_share(struct turn *turn) {
    turn->is_shared = true;
}

int turn_open(struct turn *turn, uv_loop_t *loop, struct poller *poller,
              bool (*settle)(void *owner), void *owner) {
    *turn = (struct turn){.loop = loop, .poller = poller, .settle = settle, .owner = owner};
    int err = poller_add(poller, uv_backend_fd(loop), &turn->backend, false);
    if (!err)
        err = uv_async_init(loop, &turn->keeper, on_keeper);
    if (err)
        return err;
    uv_prepare_init(loop, &turn->prepare);
    turn->prepare.data = turn;
    uv_prepare_start(&turn->prepare, on_prepare);
    uv_unref((uv_handle_t *)&turn->prepare);
    return 0;
}

void turn_close(struct turn *turn) {
    poller_remove(turn->poller, uv_backend_fd(turn->loop), &turn->backend);
    uv_close((uv_handle_t *)&turn->keeper, NULL);
    uv_close((uv_handle_t *)&turn->prepare, NULL);
}
