/* SPDX-License-Identifier: MIT
 *
 * See scoreboard.h.
 */
#include "scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int scoreboard_create(void) {
    int fd = memfd_create("crewman-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(struct scoreboard)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

struct scoreboard *scoreboard_open(int fd) {
    struct stat file;
    if (fstat(fd, &file) != 0 || file.st_size != (off_t)sizeof(struct scoreboard))
        return NULL;
    void *memory =
        mmap(NULL, sizeof(struct scoreboard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void scoreboard_close(struct scoreboard *board) {
    if (board)
        munmap(board, sizeof(*board));
}

void score_line_clear(struct score_line *line) {
    score_set(line->state, SCORE_FREE);
    score_set(line->pid, 0);
    score_set(line->connections, 0);
    score_set(line->callback, SCORE_IN_NONE);
    score_set(line->tick_at, 0);
    score_set(line->ticks, 0);
    score_set(line->accepted, 0);
    score_set(line->messages_in, 0);
    score_set(line->messages_out, 0);
    score_set(line->send_failures, 0);
    score_set(line->reaped, 0);
    score_set(line->bytes_in, 0);
    score_set(line->bytes_out, 0);
}

const char *score_callback_name(uint32_t callback) {
#define SCORE_CALLBACK_NAME(id, name) name,
    static const char *const callback_names[] = {SCORE_CALLBACKS(SCORE_CALLBACK_NAME)};
#undef SCORE_CALLBACK_NAME
    return callback < SCORE_IN_COUNT ? callback_names[callback] : "unknown";
}
