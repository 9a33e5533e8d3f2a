// Loops on epoll, each a thread with a listener of its own on one shared port: what `reactors` is measured against.
//
//   reuseport_frames [-n loops] [-f]      -f: each loop in a process of its own instead of a thread
//
// Each loop is single-threaded and level-triggered and shares nothing with the others but the port (SO_REUSEPORT). It answers
// the workload's frames as threads_frames does, and closes a connection that sends anything else or does not read. Prints
// "PORT <n>" once all loops listen on 127.0.0.1, and ends when stdin reaches end-of-file or at SIGTERM.

#include "frames.h"
#include "threads.h"

#include <sys/epoll.h>
#include <sys/prctl.h>

#define EVENTS_PER_WAIT 1024
#define LOOPS_MAX 64

struct connection {
  int fd;
  // A frame of which only a part has come. Allocated when that first happens.
  uint8_t *rest;
  size_t rest_bytes;
};

struct loop {
  int epoll_fd;
  struct connection listener;
  uint32_t thread;
  uint8_t buffer[REPLY_BYTES + READ_BYTES];
};

static void add(struct loop *loop, struct connection *connection) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) die("epoll_ctl");
}

static void accept_all(struct loop *loop) {
  for (;;) {
    int fd = accept4(loop->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      die("accept4");
    }
    no_delay(fd);
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) die("calloc");
    connection->fd = fd;
    add(loop, connection);
  }
}

// One recv per readiness, and the replies to what it brought. False: the connection is over.
static bool serve(struct loop *loop, struct connection *connection) {
  uint8_t *input = loop->buffer + REPLY_BYTES;
  size_t have = connection->rest_bytes;
  if (have > 0) memcpy(input, connection->rest, have);
  ssize_t received = recv(connection->fd, input + have, READ_BYTES - have, 0);
  if (received < 0) return errno == EAGAIN || errno == EINTR;
  if (received == 0) return false;
  have += (size_t)received;
  ssize_t used = answer_frames(connection->fd, input, have, loop->thread, clock_ns(CLOCK_MONOTONIC));
  if (used < 0) return false;
  connection->rest_bytes = have - (size_t)used;
  if (connection->rest_bytes == 0) return true;
  if (connection->rest == NULL && (connection->rest = malloc(READ_BYTES)) == NULL) die("malloc");
  memcpy(connection->rest, input + used, connection->rest_bytes);
  return true;
}

static void *run_loop(void *argument) {
  struct loop *loop = argument;
  loop->thread = thread_id();
  struct epoll_event events[EVENTS_PER_WAIT];
  for (;;) {
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_WAIT, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection == &loop->listener) {
        accept_all(loop);
      } else if (!serve(loop, connection)) {
        close(connection->fd);
        free(connection->rest);
        free(connection);
      }
    }
  }
  return NULL;
}

static void start_loop(struct loop *loop, bool in_process) {
  if (!in_process) {
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, run_loop, loop)) != 0) die("pthread_create");
    return;
  }
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child > 0) {
    close(loop->listener.fd);  // Open here too, it would be given connections after the child's end.
    close(loop->epoll_fd);
    return;
  }
  // None outlives its parent, however that ends: even before this call.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) die("prctl");
  if (getppid() != parent) _exit(1);
  run_loop(loop);
}

int main(int argc, char **argv) {
  int loops = 1, option;
  bool in_processes = false;
  while ((option = getopt(argc, argv, "n:f")) != -1) {
    if (option == 'n') {
      loops = (int)number_argument("-n", optarg, 1, LOOPS_MAX);
    } else if (option == 'f') {
      in_processes = true;
    } else {
      fprintf(stderr, "usage: reuseport_frames [-n loops] [-f]\n");
      return 2;
    }
  }
  set_up_signals();
  raise_descriptor_limit();
  uint16_t port = 0;
  for (int i = 0; i < loops; i++) {
    // An allocation of its own for each: loops that shared a cache line would slow each other.
    struct loop *loop = aligned_alloc(4096, (sizeof *loop + 4095) / 4096 * 4096);
    if (loop == NULL) die("aligned_alloc");
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) die("epoll_create1");
    loop->listener = (struct connection){.fd = listen_on_port(&port, SOCK_NONBLOCK, SO_REUSEPORT)};
    add(loop, &loop->listener);
    start_loop(loop, in_processes);
  }
  tell_port(port);
  hold_lifeline(NULL);
}
