/* SPDX-License-Identifier: MIT
 *
 * Raw DEFLATE as permessage-deflate uses it (RFC 7692 section 7.2): messages that end in an
 * empty block whose last four bytes are not sent. The only codec that knows zlib. Memory comes
 * from codec_memory.h; output is bounded by the caller, while it is made.
 */
#ifndef CREWMAN_DEFLATE_H
#define CREWMAN_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

#define DEFLATE_BITS_MIN 9 /* zlib cannot compress raw with 8 */
#define DEFLATE_BITS_MAX 15

struct codec_buffer;
struct deflate_inflater;
struct deflate_compressor;

enum deflate_error { DEFLATE_CORRUPT = -1, DEFLATE_NO_MEMORY = -2 };

/* A window of 2^bits bytes, 8 to 15. NULL without memory. */
struct deflate_inflater *deflate_inflater_new(int bits);
void deflate_inflater_free(struct deflate_inflater *inflater);

/* How much memory it has got. */
size_t deflate_inflater_held(const struct deflate_inflater *inflater);

/* Forget all that was inflated: the next message refers to nothing before it. */
void deflate_inflater_reset(struct deflate_inflater *inflater);

/* Inflate from *in, *in_len, which are moved on, into `out`; *out_made says how many bytes that
 * gave, also before an error. 1: `out` is full, there may be more; 0: the input is used up; or
 * an enum deflate_error. */
int deflate_inflate(struct deflate_inflater *inflater, const char **in, size_t *in_len,
                    char *out, size_t capacity, size_t *out_made);

/* The message is over (section 7.2.2 step 2 was done with deflate_tail): has all of it been
 * understood? */
bool deflate_inflater_is_between(const struct deflate_inflater *inflater);

/* What a sender leaves out at the end of a message, 4 bytes. */
extern const char deflate_tail[4];

/* Window of 2^bits bytes, 9 to 15; level 0 to 9; memory 1 to 9 as in zlib. With `keeps_context`
 * messages refer to the ones before them (context takeover): one compressor a connection.
 * Without, one serves any number of connections, and what it makes may be sent to all of them.
 */
struct deflate_compressor *deflate_compressor_new(int bits, int level, int memory,
                                                  bool keeps_context);
void deflate_compressor_free(struct deflate_compressor *compressor);

/* How much memory it has got. */
size_t deflate_compressor_held(const struct deflate_compressor *compressor);

/* Append one compressed message to *out. 0 or DEFLATE_NO_MEMORY; *out may then hold a part of
 * it, and the compressor has been reset. */
int deflate_compress(struct deflate_compressor *compressor, const char *data, size_t len,
                     struct codec_buffer **out);

#endif
