// The other limit: a plain echo server with one blocking thread per connection.
//
//   threads_echo [-p port] [-s stack KiB]      without -s: the system's default stack, usually 8 MiB of virtual size
//
// Prints "PORT <n>" once it listens on 127.0.0.1, and ends when stdin reaches end-of-file or at SIGTERM.

#include "threads.h"

// On the thread's own stack, so that it must leave room in 64 KiB: the largest message of the benchmarks fits.
#define THREAD_BUFFER_BYTES (16 * 1024)

static void *serve(void *argument) {
  int fd = (int)(intptr_t)argument;
  char buffer[THREAD_BUFFER_BYTES];
  for (;;) {
    ssize_t received = recv(fd, buffer, sizeof buffer, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) break;
    ssize_t sent = 0;
    while (sent < received) {
      ssize_t count = send(fd, buffer + sent, (size_t)(received - sent), MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) goto end;
      sent += count;
    }
  }
end:
  close(fd);
  return NULL;
}

int main(int argc, char **argv) { return serve_by_threads(argc, argv, serve); }
