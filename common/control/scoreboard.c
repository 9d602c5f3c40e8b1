/* SPDX-License-Identifier: MIT
 *
 * See scoreboard.h.
 */
#include "scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

_Static_assert(sizeof(struct score_page) <= SCORE_PAGE_SIZE, "the rows outgrow their page");
_Static_assert(offsetof(struct score_page, crash) == SCORE_CRASH_AT, "readers look there");
_Static_assert(sizeof(struct score_line) == COUNTER_COUNT * sizeof(uint64_t),
               "a row is a field");

int scoreboard_create(void) {
    int fd = memfd_open("crewman-scoreboard", 0600);
    if (fd < 0)
        return fd;
    if (ftruncate(fd, SCORE_PAGE_SIZE) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

int scoreboard_seal(int fd) {
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0)
        return 0;
    return -errno;
}

int scoreboard_reopen(int fd) {
    return memfd_reopen(fd);
}

/* Nobody can change its size any more, and there is enough of it: else a read could kill us. */
static void *map(int fd, int protection) {
    struct stat file;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &file) != 0 ||
        file.st_size < (off_t)SCORE_PAGE_SIZE)
        return NULL;
    void *memory = mmap(NULL, SCORE_PAGE_SIZE, protection, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* The magic comes last: who sees it sees the rest. */
struct score_page *scoreboard_open(int fd) {
    struct score_page *page = map(fd, PROT_READ | PROT_WRITE);
    if (!page)
        return NULL;
    score_set(page->version, SCORE_VERSION);
    score_set(page->rows, COUNTER_COUNT);
    score_set(page->size, SCORE_PAGE_SIZE);
    atomic_store_explicit(&page->magic, SCORE_MAGIC, memory_order_release);
    return page;
}

const struct score_page *scoreboard_view(int fd) {
    return map(fd, PROT_READ);
}

void scoreboard_close(const struct score_page *page) {
    if (page)
        munmap((void *)(uintptr_t)page, SCORE_PAGE_SIZE);
}

uint64_t scoreboard_read(const struct score_page *page, enum counter_id id) {
    const _Atomic uint64_t *rows = (const _Atomic uint64_t *)&page->line;
    if (score_get(page->magic) != SCORE_MAGIC || score_get(page->version) != SCORE_VERSION ||
        id >= score_get(page->rows))
        return 0;
    return score_get(rows[id]);
}

/* FNV-1a, with the NUL of each name. */
uint64_t score_services(uint64_t services, const char *name) {
    uint64_t hash = services ? services : UINT64_C(0xcbf29ce484222325);
    do
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    while (*name++);
    return hash;
}

size_t scoreboard_frames(const struct score_page *page,
                         struct score_frame out_frames[SCORE_FRAMES]) {
    if (score_get(page->magic) != SCORE_MAGIC || score_get(page->version) != SCORE_VERSION ||
        score_get(page->crash.signal) == 0)
        return 0;
    uint64_t count = score_get(page->crash.count);
    if (count > SCORE_FRAMES)
        count = SCORE_FRAMES;
    for (size_t i = 0; i < count; i++) {
        uint64_t frame = score_get(page->crash.frames[i]);
        uint64_t module = frame >> SCORE_OFFSET_BITS;
        out_frames[i].module =
            module < SCORE_MODULE_COUNT ? (enum score_module)module : SCORE_MODULE_OTHER;
        out_frames[i].offset = frame & ((UINT64_C(1) << SCORE_OFFSET_BITS) - 1);
    }
    return (size_t)count;
}

const char *score_callback_name(uint64_t callback) {
#define SCORE_CALLBACK_NAME(id, name) name,
    static const char *const callback_names[] = {SCORE_CALLBACKS(SCORE_CALLBACK_NAME)};
#undef SCORE_CALLBACK_NAME
    return callback < SCORE_IN_COUNT ? callback_names[callback] : "unknown";
}
