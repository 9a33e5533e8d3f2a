// A plain server of the workload's frames with one blocking thread per connection: what `threads` is measured against.
//
//   threads_frames [-p port] [-s stack KiB]      without -s: the system's default stack, usually 8 MiB of virtual size
//
// It answers requests that ask for no work and no wait, with the same stamps as the models (docs/workload.md), and closes
// a connection that sends anything else. Prints "PORT <n>" once it listens on 127.0.0.1, and ends when stdin reaches
// end-of-file or at SIGTERM.

#include "threads.h"

#include <stdbool.h>
#include <sys/syscall.h>

#define REQUEST_BYTES 16
#define REPLY_BYTES 64
// What of a frame's length field does not count: the field itself.
#define LENGTH_BYTES 4
// On the thread's own stack, like the buffers of the model.
#define READ_BYTES (16 * 1024)

static uint32_t read_u32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static bool send_all(int fd, const uint8_t *bytes, size_t length) {
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
static void write_reply(uint8_t *reply, uint32_t id, uint32_t payload_bytes, uint32_t thread,
                        uint64_t received_ns) {
  uint32_t words[4] = {REPLY_BYTES - LENGTH_BYTES + payload_bytes, id, 0, thread};
  uint64_t stamps[6] = {received_ns, 0, 0, clock_ns(CLOCK_MONOTONIC), 0, 0};
  memcpy(reply, words, sizeof words);
  memcpy(reply + sizeof words, stamps, sizeof stamps);
}

static void *serve(void *argument) {
  int fd = (int)(intptr_t)argument;
  uint32_t thread = (uint32_t)syscall(SYS_gettid);
  uint8_t buffer[REPLY_BYTES + READ_BYTES];
  uint8_t *input = buffer + REPLY_BYTES;
  size_t have = 0;
  for (;;) {
    ssize_t received = recv(fd, input + have, READ_BYTES - have, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) break;
    uint64_t received_ns = clock_ns(CLOCK_MONOTONIC);
    have += (size_t)received;
    size_t used = 0;
    while (have - used >= REQUEST_BYTES) {
      uint8_t *frame = input + used;
      uint32_t body_bytes = read_u32(frame);
      bool plain = read_u32(frame + 8) == 0 && read_u32(frame + 12) == 0;
      if (body_bytes < REQUEST_BYTES - LENGTH_BYTES || body_bytes + LENGTH_BYTES > READ_BYTES || !plain)
        goto end;
      if (have - used < body_bytes + LENGTH_BYTES) break;
      uint32_t payload_bytes = body_bytes + LENGTH_BYTES - REQUEST_BYTES;
      uint8_t *reply = frame + REQUEST_BYTES - REPLY_BYTES;
      write_reply(reply, read_u32(frame + 4), payload_bytes, thread, received_ns);
      if (!send_all(fd, reply, REPLY_BYTES + payload_bytes)) goto end;
      used += body_bytes + LENGTH_BYTES;
    }
    memmove(input, input + used, have - used);
    have -= used;
  }
end:
  close(fd);
  return NULL;
}

int main(int argc, char **argv) { return serve_by_threads(argc, argv, serve); }
