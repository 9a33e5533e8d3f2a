// What a load client tells of its run: the CPU time that servers and client took for it, or why it failed.

#ifndef UNDERLOOP_BENCH_READING_H
#define UNDERLOOP_BENCH_READING_H

#include "limit.h"

#include <stdarg.h>

#define SERVERS_MAX 16
// One send carries at most this much; the rest of what is owed follows in further sends.
#define SEND_BYTES (256 * 1024)

static pid_t server_pids[SERVERS_MAX];
static clockid_t server_clocks[SERVERS_MAX];
static int server_count;
static uint64_t errors, mismatches;
static char failure[256];

// The first reason is the one that matters: what follows is mostly its consequence.
__attribute__((format(printf, 1, 2))) static inline void fail(const char *format, ...) {
  if (failure[0] != '\0') return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure, sizeof failure, format, arguments);
  va_end(arguments);
}

// Another server whose CPU time is to be read.
static inline void add_server(const char *pid) {
  if (server_count == SERVERS_MAX) {
    fprintf(stderr, "--server-pid: at most %d servers\n", SERVERS_MAX);
    exit(2);
  }
  server_pids[server_count] = (pid_t)number_argument("--server-pid", pid, 1, INT32_MAX);
  if ((errno = clock_getcpuclockid(server_pids[server_count], &server_clocks[server_count])) != 0)
    die("clock_getcpuclockid");
  server_count++;
}

struct reading {
  uint64_t at_ns, server_cpu_ns, client_cpu_ns, server_delay_ns, client_delay_ns, answered;
};

// How long the main thread of a process was ready to run while others had its core: a run in which it waited much was
// disturbed. Other threads are not asked: these servers do their work on the main one. 0 where the kernel keeps no account.
static inline uint64_t run_delay_ns(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
  FILE *file = fopen(path, "r");
  unsigned long long ran_ns, delay_ns = 0;
  if (file == NULL) return 0;
  if (fscanf(file, "%llu %llu", &ran_ns, &delay_ns) != 2) delay_ns = 0;
  fclose(file);
  return delay_ns;
}

static inline struct reading take_reading(uint64_t answered) {
  struct reading reading = {.answered = answered};
  reading.at_ns = clock_ns(CLOCK_MONOTONIC);
  for (int i = 0; i < server_count; i++) {
    struct timespec time;
    // Once its parent has reaped it, a dead process has no clock. Before that its closed connections give it away.
    if (clock_gettime(server_clocks[i], &time) != 0 || kill(server_pids[i], 0) != 0) {
      errors++;
      fail("server %d died: %s", (int)server_pids[i], strerror(errno));
      continue;
    }
    reading.server_cpu_ns += (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    reading.server_delay_ns += run_delay_ns(server_pids[i]);
  }
  reading.client_delay_ns = run_delay_ns(getpid());
  reading.client_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  return reading;
}

// An open JSON object: print_end() closes it.
static inline void print_figures(const struct reading *first, const struct reading *last) {
  double seconds = (double)(last->at_ns - first->at_ns) / 1e9;
  uint64_t messages = last->answered - first->answered;
  uint64_t server_ns = last->server_cpu_ns - first->server_cpu_ns;
  uint64_t client_ns = last->client_cpu_ns - first->client_cpu_ns;
  double per_message = messages > 0 ? 1.0 / (double)messages : 0, per_second = seconds > 0 ? 1 / seconds : 0;
  printf("{\"messages\":%llu,\"seconds\":%.6f,\"messagesPerSecond\":%.1f,", (unsigned long long)messages,
         seconds, (double)messages * per_second);
  printf("\"serverCpuNs\":%llu,\"serverCpuNsPerMessage\":%.2f,", (unsigned long long)server_ns,
         (double)server_ns * per_message);
  printf("\"clientCpuNs\":%llu,\"clientCpuNsPerMessage\":%.2f,", (unsigned long long)client_ns,
         (double)client_ns * per_message);
  printf("\"errors\":%llu,\"mismatches\":%llu,", (unsigned long long)errors, (unsigned long long)mismatches);
  printf("\"serverDelayed\":%.4f,\"clientDelayed\":%.4f,",
         (double)(last->server_delay_ns - first->server_delay_ns) / 1e9 * per_second,
         (double)(last->client_delay_ns - first->client_delay_ns) / 1e9 * per_second);
  printf("\"serverBusy\":%.4f,\"clientBusy\":%.4f", (double)server_ns / 1e9 * per_second,
         (double)client_ns / 1e9 * per_second);
}

static inline void print_end(void) {
  // Our own texts and strerror's: nothing in them needs escaping.
  if (failure[0] != '\0') printf(",\"failure\":\"%s\"", failure);
  printf("}\n");
}

#endif
