// System calls that the Glibc module does not export.
#pragma once
// No feature macros here: with _GNU_SOURCE the types of this module would differ from those of Glibc's.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);

// `struct epoll_event` is packed on x86-64; these keep its layout on C's side.
static inline int pinseal_epoll_ctl(int epoll, int operation, int descriptor, uint32_t events, uint64_t key) {
  struct epoll_event event;
  event.events = events;
  event.data.u64 = key;
  return epoll_ctl(epoll, operation, descriptor, &event);
}

static inline uint64_t pinseal_epoll_event_key(const struct epoll_event *event) { return event->data.u64; }
static inline uint32_t pinseal_epoll_event_events(const struct epoll_event *event) { return event->events; }

// How many processors this thread may run on; 0 if that cannot be said.
static inline int pinseal_allowed_processors(void) {
  unsigned long mask[128] = {0};
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int count = 0;
  for (long word = 0; word * (long)sizeof(unsigned long) < bytes; word++) count += __builtin_popcountl(mask[word]);
  return count;
}

// Ignores SIGPIPE unless the program has a handler of its own.
static inline void pinseal_ignore_sigpipe(void) {
  struct sigaction present;
  if (sigaction(SIGPIPE, NULL, &present) != 0 || present.sa_handler != SIG_DFL) return;
  struct sigaction ignore = {0};
  ignore.sa_handler = SIG_IGN;
  sigemptyset(&ignore.sa_mask);
  sigaction(SIGPIPE, &ignore, NULL);
}

// Names the calling thread; 15 bytes are kept.
static inline void pinseal_name_thread(const char *name) { prctl(PR_SET_NAME, (unsigned long)name, 0, 0, 0); }
