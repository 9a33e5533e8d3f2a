// Connections from many source addresses of 127.0.0.0/8, so that no pair of addresses runs out of ports.

#ifndef UNDERLOOP_BENCH_FROM_H
#define UNDERLOOP_BENCH_FROM_H

#include "limit.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

// Starts a non-blocking connect to 127.0.0.1:port from 127.0.0.(2 + source). Returns the descriptor.
static inline int connect_from(unsigned source, uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source);
  // The port is chosen by connect, which knows the whole pair: bind alone would take one that is free of all (ip(7)).
  int on = 1;
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0)
    die("IP_BIND_ADDRESS_NO_PORT");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die("bind to a source address");
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

#endif
