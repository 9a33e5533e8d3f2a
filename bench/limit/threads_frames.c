// A plain server of the workload's frames with one blocking thread per connection: what `threads` is measured against.
//
//   threads_frames [-p port] [-s stack KiB]      without -s: the system's default stack, usually 8 MiB of virtual size
//
// It answers requests that ask for no work and no wait, with the same stamps as the models (docs/workload.md), and closes
// a connection that sends anything else. Prints "PORT <n>" once it listens on 127.0.0.1, and ends when stdin reaches
// end-of-file or at SIGTERM.

#include "frames.h"
#include "threads.h"

static void *serve(void *argument) {
  int fd = (int)(intptr_t)argument;
  uint32_t thread = thread_id();
  // On the thread's own stack, like the buffers of the model.
  uint8_t buffer[REPLY_BYTES + READ_BYTES];
  uint8_t *input = buffer + REPLY_BYTES;
  size_t have = 0;
  for (;;) {
    ssize_t received = recv(fd, input + have, READ_BYTES - have, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) break;
    uint64_t received_ns = clock_ns(CLOCK_MONOTONIC);
    have += (size_t)received;
    ssize_t used = answer_frames(fd, input, have, thread, received_ns);
    if (used < 0) break;
    memmove(input, input + used, have - (size_t)used);
    have -= (size_t)used;
  }
  close(fd);
  return NULL;
}

int main(int argc, char **argv) { return serve_by_threads(argc, argv, serve); }
