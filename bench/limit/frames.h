// What the C servers of the workload's frames share: whole requests are answered, with the stamps of the models.

#ifndef UNDERLOOP_BENCH_FRAMES_H
#define UNDERLOOP_BENCH_FRAMES_H

#include "limit.h"

#include <stdbool.h>
#include <sys/syscall.h>

#define REQUEST_BYTES 16
#define REPLY_BYTES 64
// What of a frame's length field does not count: the field itself.
#define LENGTH_BYTES 4
#define READ_BYTES (16 * 1024)

static inline uint32_t thread_id(void) { return (uint32_t)syscall(SYS_gettid); }

static inline uint32_t read_u32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static inline bool send_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes += count;
    length -= (size_t)count;
  }
  return true;
}

// The header is written over what lies before the payload: the request's own header and the room before it.
static inline void write_reply(uint8_t *reply, uint32_t id, uint32_t payload_bytes, uint32_t thread,
                               uint64_t received_ns) {
  uint32_t words[4] = {REPLY_BYTES - LENGTH_BYTES + payload_bytes, id, 0, thread};
  uint64_t stamps[6] = {received_ns, 0, 0, clock_ns(CLOCK_MONOTONIC), 0, 0};
  memcpy(reply, words, sizeof words);
  memcpy(reply + sizeof words, stamps, sizeof stamps);
}

// Answers every whole frame of `have` bytes at `input`, which has REPLY_BYTES of room before it. Returns how many bytes were
// used, or -1: a frame that is none of this server's, or a reply that could not be sent.
static inline ssize_t answer_frames(int fd, uint8_t *input, size_t have, uint32_t thread,
                                    uint64_t received_ns) {
  size_t used = 0;
  while (have - used >= REQUEST_BYTES) {
    uint8_t *frame = input + used;
    uint32_t body_bytes = read_u32(frame);
    bool plain = read_u32(frame + 8) == 0 && read_u32(frame + 12) == 0;
    if (body_bytes < REQUEST_BYTES - LENGTH_BYTES || body_bytes + LENGTH_BYTES > READ_BYTES || !plain)
      return -1;
    if (have - used < body_bytes + LENGTH_BYTES) break;
    uint32_t payload_bytes = body_bytes + LENGTH_BYTES - REQUEST_BYTES;
    uint8_t *reply = frame + REQUEST_BYTES - REPLY_BYTES;
    write_reply(reply, read_u32(frame + 4), payload_bytes, thread, received_ns);
    if (!send_all(fd, reply, REPLY_BYTES + payload_bytes)) return -1;
    used += body_bytes + LENGTH_BYTES;
  }
  return (ssize_t)used;
}

#endif
