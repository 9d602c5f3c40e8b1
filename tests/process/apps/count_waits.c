/* SPDX-License-Identifier: MIT
 *
 * To be preloaded: counts how often each process waits in an epoll, in the file
 * $COUNT_WAITS/PID. A loop that spins is found by the count of its turns: CPU time says nothing
 * on a busy machine.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define PRELOADED __attribute__((visibility("default")))

static _Atomic uint64_t *counter;
static int counted_pid;

/* In a file, because the test may only read it while the process still runs. */
static void open_counter(void) {
    char path[512];
    const char *folder = getenv("COUNT_WAITS");
    counted_pid = getpid();
    counter = NULL;
    snprintf(path, sizeof(path), "%s/%d", folder ? folder : "", counted_pid);
    int fd = folder ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0)
        return;
    void *page = ftruncate(fd, sizeof(*counter)) != 0
                     ? MAP_FAILED
                     : mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    counter = page == MAP_FAILED ? NULL : page;
}

static void count(void) {
    if (counted_pid != getpid())
        open_counter();
    if (counter)
        ++*counter;
}

PRELOADED int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout) {
    static int (*real)(int, struct epoll_event *, int, int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    count();
    return real(epoll, events, max, timeout);
}

PRELOADED int epoll_pwait(int epoll, struct epoll_event *events, int max, int timeout,
                          const sigset_t *mask) {
    static int (*real)(int, struct epoll_event *, int, int, const sigset_t *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_pwait");
    count();
    return real(epoll, events, max, timeout, mask);
}
