// What the two thread-per-connection servers share: options, accepting, a thread for each connection, the lifeline.

#ifndef UNDERLOOP_BENCH_THREADS_H
#define UNDERLOOP_BENCH_THREADS_H

#include "limit.h"

#include <pthread.h>

// Waits for the parent to end: the accepting thread is blocked in accept and cannot.
static inline void *hold_lifeline(void *argument) {
  (void)argument;
  char ignored[256];
  ssize_t count;
  do {
    count = read(STDIN_FILENO, ignored, sizeof ignored);
  } while (count > 0 || (count < 0 && errno == EINTR));
  _exit(0);
}

// The whole program but for what a thread does: it gets the descriptor, and closes it.
static inline int serve_by_threads(int argc, char **argv, void *(*serve)(void *)) {
  uint16_t port = 0;
  long stack_kib = 0;
  int option;
  while ((option = getopt(argc, argv, "p:s:")) != -1) {
    if (option == 'p') {
      port = (uint16_t)number_argument("-p", optarg, 0, 65535);
    } else if (option == 's') {
      stack_kib = number_argument("-s", optarg, 32, 1024 * 1024);
    } else {
      fprintf(stderr, "usage: %s [-p port] [-s stack KiB]\n", argv[0]);
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

#endif
