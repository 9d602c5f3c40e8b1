/* SPDX-License-Identifier: MIT
 *
 * See signals.h.
 */
#include "signals.h"

#include <stddef.h>
#include <sys/time.h>

static void stop_timers(void) {
    static const struct itimerval none;
    (void)setitimer(ITIMER_REAL, &none, NULL);
    (void)setitimer(ITIMER_VIRTUAL, &none, NULL);
    (void)setitimer(ITIMER_PROF, &none, NULL);
}

static bool is_of_shells(int number) {
    return number == SIGHUP || number == SIGINT || number == SIGQUIT;
}

/* A handler can only be there when a library has set it before main(), as sanitizers do: it
 * stays. */
void signals_reset(void) {
    for (int number = 1; number < NSIG; number++)
        if (!is_of_shells(number) && signals_ignores(number))
            signal(number, SIG_DFL);
    stop_timers();
}

bool signals_ignores(int number) {
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void signals_held(sigset_t *out_set) {
    static const int held[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    sigemptyset(out_set);
    for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        sigaddset(out_set, held[i]);
}

void signals_hold(void) {
    sigset_t held;
    signals_held(&held);
    (void)sigprocmask(SIG_SETMASK, &held, NULL);
}

void signals_release(void) {
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void do_nothing(int number) {
    (void)number;
}

void signals_disregard(int number) {
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    (void)sigaction(number, &action, NULL);
}
