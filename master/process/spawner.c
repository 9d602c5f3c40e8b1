/* SPDX-License-Identifier: MIT
 *
 * See spawner.h. Every child that ends is waited for, known or not: as process 1 of a container
 * the master inherits those whose parents have died. A child can twist what we are told of it:
 * it may ask to be traced by us, then its stops look like ends; and while another process
 * traces it, its end is that one's to see first.
 */
#include "spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"
#include "signals.h"

/* In one turn of the loop: others have to be served too. */
#define REAP_MAX 1000u
/* A SIGCHLD that got lost costs a second. */
#define AGAIN_MS 1000u
/* Looks at a dead child, with all between them waited for who can be: it is not let go. */
#define WITHHELD_LOOKS 2u

static struct spawned *find(const struct spawner *spawner, pid_t pid) {
    struct list *node;
    list_each (node, &spawner->running) {
        struct spawned *spawned = list_entry(node, struct spawned, in_running);
        if (spawned->pid == pid)
            return spawned;
    }
    return NULL;
}

static void tell(struct spawned *spawned, int state) {
    list_remove(&spawned->in_running);
    spawned->is_running = false;
    spawned->ended(spawned, WIFEXITED(state) ? WEXITSTATUS(state) : 0,
                   WIFSIGNALED(state) ? WTERMSIG(state) : 0);
}

/* Only one that has made us its tracer (PTRACE_TRACEME) is told of: each signal stops it. */
static bool is_a_stop(pid_t pid, int state) {
    if (!WIFSTOPPED(state))
        return false;
    log_error("pid %d has made the master its tracer: it is killed", (int)pid);
    (void)kill(pid, SIGKILL);
    return true;
}

/* False: there may be more. */
static bool reap_some(struct spawner *spawner) {
    unsigned count = 0, others = 0;
    int state;
    pid_t pid;
    while (count < REAP_MAX && (pid = waitpid(-1, &state, WNOHANG)) > 0) {
        struct spawned *spawned = find(spawner, pid);
        count++;
        if (is_a_stop(pid, state))
            continue;
        if (spawned)
            tell(spawned, state);
        else
            others++;
    }
    if (others > 0)
        log_debug("waited for %u processes that others had started", others);
    return count < REAP_MAX;
}

/* All its threads have ended. Its number is its own until we have waited for it. */
static bool is_dead(pid_t pid) {
    struct pollfd process = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    bool is_dead = process.fd >= 0 && poll(&process, 1, 0) == 1 && (process.revents & POLLIN);
    if (process.fd >= 0)
        close(process.fd);
    return is_dead;
}

static bool is_withheld(struct spawned *spawned) {
    spawned->dead_looks = is_dead(spawned->pid) ? spawned->dead_looks + 1 : 0;
    return spawned->dead_looks >= WITHHELD_LOOKS;
}

/* Those dead whom a tracer, a debugger maybe, does not let go: how they ended it alone knows.
 * One a look, for whoever is told may forget others. */
static void look_for_withheld(struct spawner *spawner) {
    struct list *node;
    list_each (node, &spawner->running) {
        struct spawned *spawned = list_entry(node, struct spawned, in_running);
        if (!is_withheld(spawned))
            continue;
        log_warning("pid %d is dead, and the process that traces it does not let it go",
                    (int)spawned->pid);
        tell(spawned, SIGKILL);
        return;
    }
}

static void on_again(uv_timer_t *timer) {
    struct spawner *spawner = timer->data;
    if (reap_some(spawner))
        look_for_withheld(spawner);
    else if (!uv_is_closing((uv_handle_t *)timer))
        uv_timer_start(timer, on_again, 0, AGAIN_MS);
}

static void on_sigchld(uv_signal_t *handle, int number) {
    struct spawner *spawner = handle->data;
    (void)number;
    if (!reap_some(spawner) && !uv_is_closing((uv_handle_t *)&spawner->again))
        uv_timer_start(&spawner->again, on_again, 0, AGAIN_MS);
}

int spawner_open(struct spawner *spawner, uv_loop_t *loop) {
    int err = uv_signal_init(loop, &spawner->ended);
    if (err)
        return err;
    spawner->loop = loop;
    list_init(&spawner->running);
    uv_timer_init(loop, &spawner->again);
    spawner->ended.data = spawner->again.data = spawner;
    uv_unref((uv_handle_t *)&spawner->ended);
    uv_unref((uv_handle_t *)&spawner->again);
    uv_timer_start(&spawner->again, on_again, AGAIN_MS, AGAIN_MS);
    return uv_signal_start(&spawner->ended, on_sigchld, SIGCHLD);
}

static void close_handle(uv_handle_t *handle) {
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void spawner_close(struct spawner *spawner) {
    close_handle((uv_handle_t *)&spawner->ended);
    close_handle((uv_handle_t *)&spawner->again);
}

/* Copies of those whose number is to be another's, beyond all such numbers: they must not be
 * overwritten before they have their own. -1: none is needed. */
static int lift(const struct spawn_spec *spec, int *lifted) {
    int count = (int)spec->count;
    for (int i = 0; i < count; i++) {
        if (spec->fds[i] < 0 || spec->fds[i] >= count || spec->fds[i] == i)
            continue;
        lifted[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, count);
        if (lifted[i] < 0)
            return -errno;
    }
    return 0;
}

static int list_descriptors(const struct spawn_spec *spec, const int *lifted,
                            posix_spawn_file_actions_t *actions) {
    int err = 0;
    for (int i = 0; i < (int)spec->count && !err; i++) {
        int fd = lifted[i] >= 0 ? lifted[i] : spec->fds[i];
        if (fd >= 0)
            err = posix_spawn_file_actions_adddup2(actions, fd, i);
        else if (i <= STDERR_FILENO)
            err = posix_spawn_file_actions_addopen(actions, i, "/dev/null",
                                                   i == STDIN_FILENO ? O_RDONLY : O_RDWR, 0);
    }
    return -err;
}

/* The leader of a session may take a terminal by opening one: only one that is nobody's, and
 * none is open here. */
static int set_attributes(posix_spawnattr_t *attributes) {
    sigset_t all, held;
    sigfillset(&all);
    signals_held(&held);
    int err = posix_spawnattr_setsigdefault(attributes, &all);
    if (!err)
        err = posix_spawnattr_setsigmask(attributes, &held);
    if (!err)
        err = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    return -err;
}

static int run(struct spawned *spawned, const struct spawn_spec *spec, const int *lifted) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int err = -posix_spawn_file_actions_init(&actions);
    if (err)
        return err;
    err = -posix_spawnattr_init(&attributes);
    if (!err) {
        err = set_attributes(&attributes);
        if (!err)
            err = list_descriptors(spec, lifted, &actions);
        if (!err)
            err = -posix_spawnp(&spawned->pid, spec->program, &actions, &attributes,
                                spec->arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

int spawner_start(struct spawner *spawner, struct spawned *spawned,
                  const struct spawn_spec *spec) {
    int *lifted = memory_new(spec->count * sizeof(*lifted));
    for (unsigned i = 0; i < spec->count; i++)
        lifted[i] = -1;
    int err = lift(spec, lifted);
    if (!err)
        err = run(spawned, spec, lifted);
    for (unsigned i = 0; i < spec->count; i++)
        if (lifted[i] >= 0)
            close(lifted[i]);
    free(lifted);
    if (err)
        return err;
    spawned->is_running = true;
    spawned->dead_looks = 0;
    list_append(&spawner->running, &spawned->in_running);
    return 0;
}

void spawner_kill(const struct spawned *spawned, int signal) {
    if (spawned->is_running)
        (void)kill(spawned->pid, signal);
}

void spawner_forget(struct spawned *spawned) {
    if (spawned->is_running)
        list_remove(&spawned->in_running);
    spawned->is_running = false;
}
