/* SPDX-License-Identifier: MIT
 *
 * How often something has to be logged that may happen a thousand times a second: the first
 * time at once, then at most once in ten seconds with the number of times since. What no line
 * has told of is told when ten seconds were quiet (rest.c), not with what comes an hour later
 * for another reason. Knows no text and no clock; embedded by whoever logs.
 */
#ifndef CREWMAN_NEWS_H
#define CREWMAN_NEWS_H

#include <stdbool.h>
#include <stdint.h>

#define NEWS_EVERY_MS 10000u

struct news {
    uint64_t told_ms; /* when the last line was due */
    uint64_t last_ms; /* when it has happened last */
    uint64_t count;   /* events that no line has told of */
    bool was_told;
};

/* Something has happened at `now_ms`, a clock that only goes forward. Answers how many events a
 * line has to tell of now, this one included; 0: none is due. */
static inline uint64_t news_add(struct news *news, uint64_t now_ms) {
    uint64_t count = ++news->count;
    news->last_ms = now_ms;
    if (news->was_told && now_ms - news->told_ms < NEWS_EVERY_MS)
        return 0;
    news->was_told = true;
    news->told_ms = now_ms;
    news->count = 0;
    return count;
}

/* Looked at now and then: how many events a line has to tell of, as none has come lately that
 * would. 0: none is due. */
static inline uint64_t news_rest(struct news *news, uint64_t now_ms) {
    uint64_t count = news->count;
    if (count == 0 || now_ms - news->last_ms < NEWS_EVERY_MS)
        return 0;
    news->told_ms = now_ms;
    news->count = 0;
    return count;
}

#endif
