/* SPDX-License-Identifier: MIT
 *
 * See crash.h. A signal handler has no owner to ask, so what it needs is static here.
 */
#include "crash.h"

#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_SIZE  (64u * 1024u)
#define GUARD_SIZE  (4u * 1024u)
#define LOOK_MAX    32 /* frames, with those of the handler itself */
#define TOO_LONG_S  5  /* the unwinder of an old libc may wait for a lock for ever */
#define OFFSET_MASK ((UINT64_C(1) << SCORE_OFFSET_BITS) - 1)

struct module {
    uintptr_t start, end, base;
};

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

static struct {
    struct score_page *page;
    struct module modules[SCORE_MODULE_COUNT]; /* SCORE_MODULE_OTHER stays empty */
    bool is_dying;
} crash;

static bool is_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                     \
    __has_feature(memory_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

static void note(size_t at, uintptr_t address) {
    uint64_t module = 0, offset = address;
    for (uint64_t i = 1; i < SCORE_MODULE_COUNT; i++) {
        const struct module *one = &crash.modules[i];
        if (address >= one->start && address < one->end) {
            module = i;
            offset = address - one->base;
        }
    }
    score_set(crash.page->crash.frames[at],
              module << SCORE_OFFSET_BITS | (offset & OFFSET_MASK));
    score_set(crash.page->crash.count, at + 1);
}

/* Where the fault is. 0: this machine is not known, or nothing is there. */
static uintptr_t place_of(const ucontext_t *context) {
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

/* Who has called a place where there is no code; the stack may be none. */
static uintptr_t caller_of(const ucontext_t *context) {
#if defined(__x86_64__)
    return *(uintptr_t *)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return context->uc_mcontext.regs[30];
#else
    (void)context;
    return 0;
#endif
}

/* Return addresses stand behind the call, which may be another line: one less is in it. */
static void note_callers(uintptr_t place) {
    void *found[LOOK_MAX];
    int count = backtrace(found, LOOK_MAX), at = 0;
    size_t frames = 1;
    while (at < count && (uintptr_t)found[at] != place)
        at++;
    for (at++; at < count && frames < SCORE_FRAMES; at++)
        note(frames++, (uintptr_t)found[at] - 1);
}

/* The frames above the place, in whatever library it is. The unwinder finds none from where
 * there is no code. */
static void note_way(const ucontext_t *context, uintptr_t place) {
    if (place >= GUARD_SIZE) {
        note_callers(place);
        return;
    }
    uintptr_t caller = caller_of(context);
    if (caller)
        note(1, caller - 1);
}

/* What was printed without the end of its line. */
static void print_rest(void) {
#ifdef __GLIBC__
    const char *start = stdout->_IO_write_base, *end = stdout->_IO_write_ptr;
    if (start && end > start && end - start <= BUFSIZ &&
        write(fileno(stdout), start, (size_t)(end - start)) < 0)
        return; /* nobody is left to be told */
#endif
}

/* What is sure comes first: a fault in here ends the process at once. */
static void on_fault(int number, siginfo_t *info, void *context) {
    (void)info;
    if (crash.page && !crash.is_dying) {
        uintptr_t place = place_of(context);
        crash.is_dying = true;
        score_set(crash.page->crash.signal, (uint64_t)number);
        note(0, place);
        signal(SIGALRM, SIG_DFL);
        alarm(TOO_LONG_S);
        note_way(context, place);
        print_rest();
        alarm(0);
    }
    raise(number); /* SA_RESETHAND: it ends the process as soon as we are back */
}

/* Its guard is below it, for it grows down. */
static bool take_stack(void) {
    char *memory = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    (void)mprotect(memory, GUARD_SIZE, PROT_NONE);
    stack_t stack = {.ss_sp = memory + GUARD_SIZE, .ss_size = STACK_SIZE};
    return sigaltstack(&stack, NULL) == 0;
}

struct search {
    uintptr_t within;
    struct module found;
};

static int look_at_object(struct dl_phdr_info *object, size_t size, void *arg) {
    struct search *search = arg;
    struct module module = {UINTPTR_MAX, 0, object->dlpi_addr};
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        if (start < module.start)
            module.start = start;
        if (start + segment->p_memsz > module.end)
            module.end = start + segment->p_memsz;
    }
    if (search->within < module.start || search->within >= module.end)
        return 0;
    search->found = module;
    return 1;
}

static struct module find_module(const void *within) {
    struct search search = {.within = (uintptr_t)within};
    (void)dl_iterate_phdr(look_at_object, &search);
    return search.found;
}

void crash_watch(struct score_page *page) {
    void *first[2];
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND)};
    if (is_sanitized() || !take_stack())
        return;
    crash.page = page;
    crash.modules[SCORE_MODULE_WORKER] = find_module((const void *)(uintptr_t)on_fault);
    crash.modules[SCORE_MODULE_LIBC] = find_module((const void *)(uintptr_t)abort);
    (void)backtrace(first, 2); /* the first call loads a library */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigaddset(&action.sa_mask, faults[i]);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigaction(faults[i], &action, NULL);
}

void crash_know_app(const void *within) {
    struct module module = find_module(within);
    if (crash.page && module.base != crash.modules[SCORE_MODULE_WORKER].base)
        crash.modules[SCORE_MODULE_APP] = module;
}

void crash_forget(void) {
    crash.page = NULL;
}
