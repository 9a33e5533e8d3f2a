// The limit that the reactor is held against: the least that a single-threaded echo server on epoll can do.
//
//   epoll_echo [-p port] [-e] [-d]      -e: edge-triggered instead of level-triggered; -d: accepts only what has sent
//                                       something (TCP_DEFER_ACCEPT), and reads it at once
//
// Prints "PORT <n>" once it listens on 127.0.0.1, and ends when stdin reaches end-of-file or at SIGTERM.

#include "limit.h"

#include <stdbool.h>
#include <sys/epoll.h>

#define EVENTS_PER_WAIT 1024

struct connection {
  int fd;
  // What send did not take. Allocated at the first partial send and kept: most connections never need it.
  char *pending;
  size_t pending_start;
  size_t pending_end;
};

static int epoll_fd;
static bool edge;
static bool deferred;
static char buffer[BUFFER_BYTES];
// Their addresses tell these two descriptors from connections in the kernel's user data.
static struct connection listener;
static struct connection lifeline;

static void set_interest(struct connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(epoll_fd, operation, connection->fd, &event) != 0) die("epoll_ctl");
}

static void close_connection(struct connection *connection) {
  close(connection->fd);  // The only descriptor of this socket, so this takes it out of the set as well.
  free(connection->pending);
  free(connection);
}

static void serve_level(struct connection *connection);

static void accept_all(void) {
  for (;;) {
    int fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      die("accept4");  // Out of descriptors: no figure measured from here on would mean anything.
    }
    no_delay(fd);
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) die("calloc");
    connection->fd = fd;
    // Edge: both directions once and for all. Level: asking for writability too would report it in every wait.
    set_interest(connection, EPOLL_CTL_ADD, edge ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET : EPOLLIN);
    if (deferred) serve_level(connection);
  }
}

enum outcome { DONE, BLOCKED, FAILED };

// Sends all of `bytes`, or as much as the socket takes: `*sent` says how much.
static enum outcome send_some(int fd, const char *bytes, size_t length, size_t *sent) {
  *sent = 0;
  while (*sent < length) {
    ssize_t count = send(fd, bytes + *sent, length - *sent, MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? BLOCKED : FAILED;
    }
    *sent += (size_t)count;
  }
  return DONE;
}

static enum outcome send_pending(struct connection *connection) {
  size_t sent;
  enum outcome outcome = send_some(connection->fd, connection->pending + connection->pending_start,
                                   connection->pending_end - connection->pending_start, &sent);
  connection->pending_start += sent;
  if (outcome == DONE) connection->pending_start = connection->pending_end = 0;
  return outcome;
}

static void keep_pending(struct connection *connection, const char *bytes, size_t length) {
  if (connection->pending == NULL && (connection->pending = malloc(BUFFER_BYTES)) == NULL) die("malloc");
  memcpy(connection->pending, bytes, length);
  connection->pending_start = 0;
  connection->pending_end = length;
}

// One recv and its send. DONE: all echoed; `*received` tells an edge-triggered caller whether more may be there.
static enum outcome echo_once(struct connection *connection, size_t *received) {
  ssize_t count;
  do {
    count = recv(connection->fd, buffer, sizeof buffer, 0);
  } while (count < 0 && errno == EINTR);
  *received = 0;
  if (count == 0) return FAILED;
  if (count < 0) return errno == EAGAIN ? DONE : FAILED;
  *received = (size_t)count;
  size_t sent;
  enum outcome outcome = send_some(connection->fd, buffer, (size_t)count, &sent);
  if (outcome == BLOCKED) keep_pending(connection, buffer + sent, (size_t)count - sent);
  return outcome;
}

// Level: one recv per readiness. While bytes are pending only writability is asked for, so that a peer that does
// not read cannot make us hold more than one buffer.
static void serve_level(struct connection *connection) {
  enum outcome outcome;
  if (connection->pending_end > 0) {
    outcome = send_pending(connection);
    if (outcome == DONE) set_interest(connection, EPOLL_CTL_MOD, EPOLLIN);
  } else {
    size_t received;
    outcome = echo_once(connection, &received);
    if (outcome == BLOCKED) set_interest(connection, EPOLL_CTL_MOD, EPOLLOUT);
  }
  if (outcome == FAILED) close_connection(connection);
}

// Edge: read until a recv comes back short, which epoll(7) allows in place of EAGAIN on a stream. An end-of-file that
// came with the last bytes makes no further edge: after READ_CLOSED only recv's own answer ends the loop.
static void serve_edge(struct connection *connection, uint32_t events) {
  if (connection->pending_end > 0) {
    enum outcome outcome = send_pending(connection);
    if (outcome == FAILED) close_connection(connection);
    if (outcome != DONE) return;
    events |= EPOLLRDHUP;  // Edges may have passed while nothing was read.
  }
  for (;;) {
    size_t received;
    enum outcome outcome = echo_once(connection, &received);
    if (outcome == FAILED) close_connection(connection);
    if (outcome != DONE || received == 0) return;
    if (received < sizeof buffer && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return;
  }
}

static void check_lifeline(void) {
  char ignored[256];
  ssize_t count = read(lifeline.fd, ignored, sizeof ignored);
  if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) exit(0);
}

int main(int argc, char **argv) {
  uint16_t port = 0;
  int option;
  while ((option = getopt(argc, argv, "p:ed")) != -1) {
    if (option == 'p') {
      port = (uint16_t)number_argument("-p", optarg, 0, 65535);
    } else if (option == 'e') {
      edge = true;
    } else if (option == 'd') {
      deferred = true;
    } else {
      fprintf(stderr, "usage: epoll_echo [-p port] [-e | -d]\n");
      return 2;
    }
  }
  set_up_signals();
  raise_descriptor_limit();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  lifeline.fd = STDIN_FILENO;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &lifeline};
  // EPERM: stdin is a file or /dev/null, always readable to epoll; then only SIGTERM ends us.
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, lifeline.fd, &event) != 0 && errno != EPERM) die("epoll_ctl stdin");
  listener.fd = listen_on_loopback(port, SOCK_NONBLOCK);
  const int seconds = 5;
  if (deferred && setsockopt(listener.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds) != 0)
    die("defer");
  set_interest(&listener, EPOLL_CTL_ADD, EPOLLIN);

  struct epoll_event events[EVENTS_PER_WAIT];
  for (;;) {
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, -1);
    if (count < 0) {
      if (errno == EINTR) continue;
      die("epoll_wait");
    }
    // One event per descriptor and wait, and each handler closes only its own: no event here can be stale.
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection == &listener) {
        accept_all();
      } else if (connection == &lifeline) {
        check_lifeline();
      } else if (edge) {
        serve_edge(connection, events[i].events);
      } else {
        serve_level(connection);
      }
    }
  }
}
