// The other limit: a plain echo server with one blocking thread per connection.
//
//   threads_echo [-p port] [-s stack KiB]      without -s: the system's default stack, usually 8 MiB of virtual size
//
// Prints "PORT <n>" once it listens on 127.0.0.1, and ends when stdin reaches end-of-file or at SIGTERM.

#include "limit.h"

#include <pthread.h>

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

// Waits for the parent to end: the accepting thread is blocked in accept and cannot.
static void *hold_lifeline(void *argument) {
  (void)argument;
  char ignored[256];
  ssize_t count;
  do {
    count = read(STDIN_FILENO, ignored, sizeof ignored);
  } while (count > 0 || (count < 0 && errno == EINTR));
  _exit(0);
}

int main(int argc, char **argv) {
  uint16_t port = 0;
  long stack_kib = 0;
  int option;
  while ((option = getopt(argc, argv, "p:s:")) != -1) {
    if (option == 'p') {
      port = (uint16_t)number_argument("-p", optarg, 0, 65535);
    } else if (option == 's') {
      stack_kib = number_argument("-s", optarg, 32, 1024 * 1024);
    } else {
      fprintf(stderr, "usage: threads_echo [-p port] [-s stack KiB]\n");
      return 2;
    }
  }
  set_up_signals();
  raise_descriptor_limit();
  pthread_attr_t attributes;
  if ((errno = pthread_attr_init(&attributes)) != 0) die("pthread_attr_init");
  if ((errno = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED)) != 0)
    die("pthread_attr_setdetachstate");
  if (stack_kib > 0 && (errno = pthread_attr_setstacksize(&attributes, (size_t)stack_kib * 1024)) != 0) {
    die("pthread_attr_setstacksize");
  }
  pthread_t thread;
  if ((errno = pthread_create(&thread, &attributes, hold_lifeline, NULL)) != 0) die("pthread_create");
  int listener = listen_on_loopback(port, 0);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      die("accept4");
    }
    no_delay(fd);
    if ((errno = pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd)) != 0)
      die("pthread_create");
  }
}
